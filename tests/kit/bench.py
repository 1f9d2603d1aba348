"""A bench: a wallbox, Home Assistant, and a clock that a test turns."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from freezegun.api import FrozenDateTimeFactory
from homeassistant.const import STATE_ON
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import issue_registry as ir
import pytest
from websockets.exceptions import ConnectionClosed

from custom_components.bmw_wallbox_victron.const import DOMAIN
from simulators.wallbox import (
    Car,
    ReceivedCall,
    SimulatedWallbox,
)
from simulators.wallbox.connection import Connection

from .site import Site

FULL = 32
#: A car may draw this much more than it is allowed before a test minds, A.
TOLERANCE = 0.5
#: One step of much time, s.
SKIP_S = 60
#: So many turns of the event loop either side takes at most to act on a frame.
TURNS = 12
KEEPS_NO_LIMIT: Final[dict[str, Any]] = {
    "default_profile_never": True,
    "station_profile_never": True,
    "tx_profile_applies_after_s": 1e9,
}
"""It accepts every limit and keeps none."""


async def turn(turns: int) -> None:
    """Let the event loop go round."""
    for _ in range(turns):
        await asyncio.sleep(0)


async def turn_until(ready: Callable[[], bool]) -> None:
    """Let it go round, with the clock standing still, until something is so."""
    while not ready():  # noqa: ASYNC110 - nobody tells of it
        await asyncio.sleep(0)


def frames(wallbox: SimulatedWallbox) -> tuple[object, ...]:
    """Count what was said so far."""
    return (
        len(wallbox.received_calls),
        len(wallbox.replies),
        len(wallbox.sent),
        len(wallbox.answers),
        wallbox.connected,
    )


@dataclass
class Bench:
    """A wallbox, Home Assistant, and a clock that a test turns."""

    hass: HomeAssistant
    site: Site
    freezer: FrozenDateTimeFactory
    box: SimulatedWallbox
    asked: list[asyncio.Task[object]] = field(default_factory=list)
    """Actions that may still wait for the wallbox."""
    sleeping: bool = False
    """Whether the box waits for time to pass before it answers."""
    said: tuple[object, ...] = ()
    """What was said when both sides last had nothing more to say."""

    def __post_init__(self) -> None:
        """Know when the box is slow on purpose."""
        self.box._sleep = self.sleep

    async def rest(self) -> None:
        """Let both sides say all that they can say without time passing.

        A pong comes after everything that Home Assistant sent before it.
        """
        before = None
        while before != self.said:
            before = self.said
            await turn(TURNS)
            with suppress(ConnectionClosed):
                if (connection := self.box._connection) is not None:
                    await (await connection.websocket.ping())
                    ready = partial(self.waits, connection)
                    await self.box.wait_until(ready, timeout_s=None)
            await turn_until(lambda: self.box.connected or self.noticed)
            self.said = frames(self.box)

    def waits(self, connection: Connection) -> bool:
        """Tell whether the box has nothing to answer, or takes its time for it."""
        return connection.idle or self.sleeping or connection.closed.is_set()

    @property
    def noticed(self) -> bool:
        """Whether Home Assistant knows that the wallbox is gone."""
        return self.site.state("status") == "disconnected"

    async def sleep(self, seconds: float) -> None:
        """Let the box be slow to answer."""
        self.sleeping = True
        self.box.changed()
        try:
            await asyncio.sleep(seconds)
        finally:
            self.sleeping = False

    async def pass_time(self, seconds: float, *, step: float = 1.0) -> None:
        """Let time pass for both sides."""
        while seconds > 0:
            part = min(step, seconds)
            seconds -= part
            self.freezer.tick(part)
            await self.box.tick(part)
            await self.rest()

    async def skip(self, seconds: float) -> None:
        """Let much time pass, of which the box does not count every second."""
        for _ in range(round(seconds / SKIP_S)):
            self.freezer.tick(SKIP_S)
            await self.box.tick(1)
            await self.rest()

    async def connect(self, *, boot: bool = True) -> None:
        """Let the wallbox connect, and Home Assistant get to know it."""
        await self.box.connect(boot=boot)
        await self.rest()

    def act(self, platform: str, service: str, key: str, **data: Any) -> None:
        """Call an action on an entity, and don't wait for it."""
        entity_id = self.site.entity_id(platform, key)
        self.asked.append(
            asyncio.create_task(
                self.hass.services.async_call(
                    platform, service, {"entity_id": entity_id} | data, blocking=True
                )
            )
        )

    def limit(self, amps: int) -> None:
        """Wish a limit."""
        self.act("number", "set_value", "current_limit", value=amps)

    def allow(self, on: bool) -> None:
        """Wish that the car may charge, or not."""
        self.act("switch", "turn_on" if on else "turn_off", "charging")

    def press(self, key: str) -> None:
        """Press a button."""
        self.act("button", "press", key)

    async def outcome(self) -> HomeAssistantError | None:
        """Give the error of the actions that were called, which are all over."""
        await self.rest()
        asked, self.asked = self.asked, []
        assert all(task.done() for task in asked), "an action still waits"
        error = None
        for task in asked:
            if (err := task.exception()) is not None:
                assert isinstance(err, HomeAssistantError), repr(err)
                error = err
        return error

    async def succeed(self) -> None:
        """Expect that all actions that were called have succeeded."""
        if (err := await self.outcome()) is not None:
            raise err

    async def fail(self) -> str:
        """Expect an error that can be translated, and give its key."""
        err = await self.outcome()
        assert err is not None, "no error"
        assert err.translation_domain == DOMAIN
        assert err.translation_key is not None
        assert str(err) != err.translation_key, "the error has no sentence"
        return err.translation_key

    # What is seen

    @property
    def amps(self) -> float:
        """What the car really draws, on the highest phase."""
        return max(self.box.charger.readings.current_a)

    def problem(self) -> bool:
        """Whether the problem is shown, as a sensor and as a repair issue alike."""
        shown = self.site.binary("limit_not_enforced") == STATE_ON
        subentry_id = next(iter(self.site.entry.subentries))
        issue = ir.async_get(self.hass).async_get_issue(
            DOMAIN, f"limit_not_enforced_{subentry_id}"
        )
        assert (issue is not None) == shown, "sensor and repair issue differ"
        return shown

    @property
    def enforced(self) -> str:
        """What Home Assistant says that the wallbox enforces."""
        return self.site.state("enforced_limit")

    def keeps(self, amps: float) -> bool:
        """Tell whether a limit is kept in truth, and Home Assistant says so."""
        return (
            self.enforced not in ("unknown", "unavailable")
            and float(self.enforced) == pytest.approx(amps, abs=TOLERANCE)
            and self.amps == pytest.approx(amps, abs=TOLERANCE)
            and not self.problem()
        )

    def pending(self, platform: str, key: str) -> bool:
        """Tell whether a wish is shown as not confirmed yet."""
        state = self.hass.states.get(self.site.entity_id(platform, key))
        assert state is not None
        value: bool = state.attributes["pending"]
        return value

    def calls_since(self, count: int) -> list[ReceivedCall]:
        """Give what Home Assistant asked after so many calls."""
        return self.box.received_calls[count:]

    def limits_since(self, count: int) -> list[tuple[str, float]]:
        """Give purpose and limit of each profile sent after so many calls."""
        return [
            profile_of(call)
            for call in self.calls_since(count)
            if call.action == "SetChargingProfile"
        ]


def profile_of(call: ReceivedCall) -> tuple[str, float]:
    """Give purpose and first limit of a SetChargingProfile."""
    profile = call.payload["chargingProfile"]
    schedule = profile["chargingSchedule"][0]
    return (
        profile["chargingProfilePurpose"],
        schedule["chargingSchedulePeriod"][0]["limit"],
    )


MakeBench = Callable[..., Bench]


async def charge(bench: Bench, car: Car | None = None) -> None:
    """Connect and plug in, until the car charges and all is confirmed."""
    await bench.connect()
    await bench.box.plug_in(car or Car())
    await bench.pass_time(12, step=3)
