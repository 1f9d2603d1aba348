"""Guides the demo through its week: lets time pass, and cars come and go."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
import json
import socket
from typing import Any, Final

from demo.scenario import CAR_A
from simulators.wallbox import Car, SimulatedWallbox
from simulators.wallbox.clock import utc_now

HOUR_S: Final = 3600.0
_WEEK_H: Final = 3 * 48.0
"""Three times what the caravan's owner does in two days, ..."""
LENGTH_S: Final = (_WEEK_H + 24.3) * HOUR_S
"""... and on, until the engine has been charging its battery for three quarters of an
hour: the caravan's plan begins at half past seven, wherever the sun is."""

_PACE_S: Final = 240.0
"""A step, s: nothing may seem silent that is heard once in it."""
_FINE_PACE_S: Final = 60.0
"""A step while a car is there, and in the last day, s: graphs show more of them."""
_FINE_S: Final = 24 * HOUR_S
_END_S: Final = 0.5
"""As close to the present as that is the present, s."""


@dataclass(frozen=True, slots=True)
class Visit:
    """A car comes, charges, and leaves."""

    comes_h: float
    """Hours before the present."""
    leaves_h: float | None
    """Hours before the present; None: it is still there."""
    wants_wh: float
    """Energy until it is full."""


VISITS: Final = (
    Visit(comes_h=159.3, leaves_h=156.0, wants_wh=9_400),
    Visit(comes_h=134.8, leaves_h=131.1, wants_wh=14_200),
    Visit(comes_h=111.0, leaves_h=108.5, wants_wh=6_100),
    Visit(comes_h=87.4, leaves_h=85.0, wants_wh=11_800),
    Visit(comes_h=62.9, leaves_h=58.2, wants_wh=17_500),
    Visit(comes_h=39.6, leaves_h=37.1, wants_wh=8_300),
    Visit(comes_h=33.2, leaves_h=31.4, wants_wh=4_700),
    Visit(comes_h=9.6, leaves_h=6.8, wants_wh=12_600),
    Visit(comes_h=0.8, leaves_h=None, wants_wh=16_000),
)
"""The cars of the week, the first one first."""


_LIMIT: Final = "number.bmw_wallbox_current_limit"
_ALLOWED: Final = "switch.bmw_wallbox_charging_allowed"


@dataclass(frozen=True, slots=True)
class Target:
    """What the owner does in Home Assistant."""

    at_h: float
    """Hours before the present."""
    action: str
    """Home Assistant's name of it."""
    entity_id: str
    """What it is done to."""
    value: float | None = None
    """What a number is set to."""


TARGETS: Final = (
    Target(9.2, "number.set_value", _LIMIT, 8),
    Target(8.6, "switch.turn_off", _ALLOWED),
    Target(8.35, "switch.turn_on", _ALLOWED),
    Target(8.3, "number.set_value", _LIMIT, 32),
)
"""Less current for a while, then a pause, then as before."""


class Guide:
    """The line to a Home Assistant that lives in the past."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Take the line; `meet` makes one."""
        self._reader = reader
        self._writer = writer
        self.now = datetime.min.replace(tzinfo=UTC)
        """The time there."""
        self.behind_s = 0.0
        """How far that is behind the time here, s."""

    @classmethod
    async def meet(cls, line: socket.socket) -> Guide:
        """Wait until Home Assistant has started; its clock stands still from then on.

        Raises ConnectionError if it ends before.
        """
        guide = cls(*await asyncio.open_connection(sock=line))
        await guide._hear()
        return guide

    async def step(self, seconds: float) -> None:
        """Let time pass there."""
        await self._order(step_s=seconds)

    async def act(self, action: str, data: dict[str, Any]) -> None:
        """Do there what a user does, without waiting for its effect."""
        await self._order(action=action, data=data)

    async def leave(self) -> None:
        """Let its clock go on, at the present."""
        self._writer.close()
        # It closes its end once it runs.
        await self._reader.read()

    async def _order(self, **order: Any) -> None:
        self._writer.write(json.dumps(order).encode() + b"\n")
        await self._hear()

    async def _hear(self) -> None:
        answer = await self._reader.readline()
        if not answer:
            raise ConnectionError("Home Assistant ended in the past")
        told = json.loads(answer)
        self.now = datetime.fromtimestamp(told["now"], UTC)
        self.behind_s = told["behind_s"]


class BoxClock:
    """What the wallbox takes for the present: where it has lived until."""

    def __init__(self) -> None:
        """Make one that tells the time of the computer."""
        self.held: datetime | None = None

    def __call__(self) -> datetime:
        """Return the time."""
        return self.held or utc_now()


class Week:
    """The past of the demo: what happened when."""

    def __init__(
        self,
        guide: Guide,
        box: SimulatedWallbox,
        clock: BoxClock,
        say: Callable[[str], None],
        visits: Sequence[Visit] = VISITS,
        targets: Sequence[Target] = TARGETS,
    ) -> None:
        """Take a box that has this clock."""
        self._guide = guide
        self._box = box
        self._clock = clock
        self._say = say
        self._visits = list(visits)
        self._leaves_h: float | None = None
        self._targets = list(targets)
        self._asked = 0

    async def live(self) -> None:
        """Live through it, up to the present."""
        guide, box, clock = self._guide, self._box, self._clock
        clock.held = guide.now
        await box.connect()
        await self._settle()
        told = guide.now
        while guide.behind_s > _END_S:
            if await self._happen(guide.behind_s / HOUR_S):
                await self._settle()
            pace_s = min(guide.behind_s, self._pace_s)
            await guide.step(pace_s)
            await box.tick(pace_s, step_s=pace_s)
            clock.held = guide.now
            await self._settle()
            await self._live_beside(pace_s)
            if guide.now - told >= timedelta(days=1):
                told = guide.now
                days = round(guide.behind_s / 24 / HOUR_S)
                if days:
                    self._say(f"{days} day{'s' * (days > 1)} to go")
        await guide.leave()
        clock.held = None

    @property
    def _pace_s(self) -> float:
        """How long the next step may be, s."""
        fine = self._box.charger.plugged or self._guide.behind_s <= _FINE_S
        return _FINE_PACE_S if fine else _PACE_S

    async def _live_beside(self, seconds: float) -> None:
        """Let live what is there beside the wallbox: nothing."""

    async def _settle(self) -> None:
        """Wait until Home Assistant asks the box nothing more.

        Else a question would be as old as a step when its answer comes.
        """
        box, asked = self._box, self._asked
        # What it asks because of what it heard, it asks when it has answered.
        await box.settle()
        while (now := box.journal.reply_count) != asked:
            asked = now
            await box.settle()
        self._asked = asked

    async def _happen(self, before_h: float) -> bool:
        """Do what is due so many hours before the present; tells whether it did."""
        happened = False
        if self._leaves_h is not None and before_h <= self._leaves_h:
            self._leaves_h = None
            await self._box.unplug()
            happened = True
        if self._visits and before_h <= self._visits[0].comes_h:
            visit = self._visits.pop(0)
            self._leaves_h = visit.leaves_h
            await self._box.plug_in(
                Car(phases=3, max_current_a=CAR_A, wants_energy_wh=visit.wants_wh)
            )
            happened = True
        if self._targets and before_h <= self._targets[0].at_h:
            target = self._targets.pop(0)
            data: dict[str, Any] = {"entity_id": target.entity_id}
            if target.value is not None:
                data["value"] = target.value
            await self._guide.act(target.action, data)
            happened = True
        return happened
