"""What happens at the simulated wallbox, over and over: cars come, charge and leave."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
import random
import ssl
from typing import Final

from simulators.wallbox import DELTA, Car, SimulatedWallbox
from simulators.wallbox.clock import utc_now

from .layout import CHARGE_POINT_ID, WALLBOX_PASSWORD

CAR_A: Final = 16.0
"""What the cars draw on each of three phases, A: 11 kW."""

_SHORTEST_S: Final = 5.0
"""However fast time passes: long enough to be seen."""


def make_wallbox(
    ocpp_port: int,
    context: ssl.SSLContext,
    register_wh: float,
    *,
    charge_point_id: str = CHARGE_POINT_ID,
    name: str = "localhost",
    clock: Callable[[], datetime] = utc_now,
) -> SimulatedWallbox:
    """Make the wallbox: three phases, with a password.

    `name` is what the certificate has to be for; the server is on this computer.
    """
    return SimulatedWallbox(
        url=f"wss://{name}:{ocpp_port}",
        charge_point_id=charge_point_id,
        ssl_context=context,
        password=WALLBOX_PASSWORD,
        clock=clock,
        quirks=replace(DELTA, phases=3),
        max_current_a=32.0,
        register_wh=register_wh,
        # A name may be ::1 here, where somebody else may be listening.
        host="127.0.0.1",
    )


class Scenario:
    """The story that never ends."""

    def __init__(
        self,
        box: SimulatedWallbox,
        *,
        speed: float,
        say: Callable[[str], None],
        seed: int = 1,
        pace_s: float = 1.0,
    ) -> None:
        """Take the wallbox; `pace_s` is how often it looks at it, s."""
        self._box = box
        self._speed = speed
        self._say = say
        self._random = random.Random(seed)
        self._pace_s = pace_s

    async def play(self) -> None:
        """Play until cancelled."""
        while True:
            await self.session()
            await self._pass_minutes(5)

    async def session(self) -> None:
        """Let a car come, unless one is there; it charges until full, and leaves."""
        box, charger = self._box, self._box.charger
        if not charger.plugged:
            wanted = round(self._random.uniform(10_000, 12_000), -2)
            car = Car(phases=3, max_current_a=CAR_A, wants_energy_wh=wanted)
            self._say(f"a car is plugged in, it wants {wanted / 1000:.1f} kWh")
            await box.plug_in(car)
        stopped_for = looks = 0.0
        # A pause made in Home Assistant lasts as long as it lasts; a session that was
        # stopped for good ends with the car leaving.
        connected = box.connected
        while not charger.car_full and stopped_for < self._real(5):
            await asyncio.sleep(self._pace_s)
            if connected is not box.connected:
                connected = box.connected
                self._say(f"the wallbox has {'a' if connected else 'no'} connection")
            stopped_for = 0.0 if box.transaction else stopped_for + self._pace_s
            looks += 1
            if looks % 5 == 0 and charger.car is not None:
                # No car draws quite what it may.
                amperes = round(self._random.uniform(CAR_A - 1.0, CAR_A), 1)
                charger.car = replace(charger.car, max_current_a=amperes)
        self._say("the car is full" if charger.car_full else "charging was stopped")
        await self._pass_minutes(5)
        self._say("the car is unplugged")
        await box.unplug()

    def _real(self, minutes: float) -> float:
        """Return simulated minutes in real seconds."""
        return max(_SHORTEST_S * self._pace_s, minutes * 60 / self._speed)

    async def _pass_minutes(self, minutes: float) -> None:
        await asyncio.sleep(self._real(minutes))
