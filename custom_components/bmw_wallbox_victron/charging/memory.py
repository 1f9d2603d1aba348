"""What the rules of charging remember of a wallbox from one decision to the next."""

from collections.abc import Hashable
from dataclasses import dataclass, field, replace
from datetime import datetime
from math import inf
from typing import Final

from .car import CarWatch
from .decide import Decision
from .drawn import SETTLE_S
from .inputs import Box
from .plan import Plan
from .record import SessionRecord
from .settings import LimitReason

#: So long after a limit a reading tells what the car takes of it, in s.
_TAKEN_UP_S: Final = 15.0
#: A wallbox that is asked takes a limit by then, in s, or none.
_PATIENCE_S: Final = 60.0
#: So old a reading may be, in s.
_STALE_S: Final = 90.0
#: After so many pauses by the main fuse a session waits for so long, in s. The first
#: time it goes on once there was room for 30 s.
_WAITS_S: Final = (0.0, 0.0, 120.0, 300.0, 900.0, 1800.0, 7200.0)
#: More is no voltage of a house (EN 50160: 230 V and 10 %), V.
_MOST_V: Final = 253.0


@dataclass(slots=True)
class Memory:
    """What is remembered of a wallbox."""

    new: bool = True
    """Whether it was not looked at yet in this run."""
    session: Hashable = None
    """Its session."""
    mode_on: bool = False
    """Whether mode and plan last let it charge."""
    car: CarWatch = field(default_factory=CarWatch)
    """What is known of its car."""
    limit_a: float = inf
    """Its last limit, A."""
    limited_at: float = -inf
    """Since when, in s."""
    takes_less: bool = False
    """Whether its car took less than it might, when that was known last."""
    volts: float = 0.0
    """The highest that the voltage of a phase was in its session, V."""
    room_waits_until: float = -inf
    """Until when it waits after a pause by the main fuse, though there is room again,
    in s."""
    settles_at: float | None = None
    """From when on what it draws follows a limit that is known, in s; None: it has
    taken none in this run."""
    settled: bool = False
    """Whether that has come."""
    away_since: float | None = None
    """Since when it cannot be told anything, in s; None: it can."""
    plan: Plan | None = None
    """What was planned last."""
    plan_for: object = None
    """For what: another target has nothing to do with the plan before."""
    plan_with: object = None
    """With what power and prices."""
    planned_at: float = -inf
    """When, by the steady clock, in s."""
    planned_wall: datetime | None = None
    """When, by wall time."""

    def settle(self, box: Box, now: float) -> bool:
        """Return whether what a wallbox draws follows a known limit as of now."""
        if self.settled:
            return False
        if self.settles_at is None:
            if box.limit_known:
                self.settles_at = now if self.new else now + SETTLE_S
            elif box.connected:
                # It may take none at all.
                self.settles_at = now + _PATIENCE_S
        elif box.limit_known:
            self.settles_at = min(self.settles_at, now + SETTLE_S)
        self.settled = self.settles_at is not None and now >= self.settles_at
        return self.settled

    def follow(self, box: Box) -> None:
        """Take what a wallbox is now; each session begins anew."""
        if self.session != box.session:
            self.session = box.session
            self.mode_on = box.charging
            self.car = CarWatch()
            self.takes_less = False
            self.volts = 0.0
            self.room_waits_until = -inf
        if box.volts <= _MOST_V:
            self.volts = max(self.volts, box.volts)

    def limit(
        self, decision: Decision, now: float, *, record: SessionRecord, charged: bool
    ) -> SessionRecord:
        """Take a limit. `charged`: its car has charged in this session."""
        if decision.limit_a == self.limit_a:
            return record
        if decision.limit_a == 0 and decision.reason is LimitReason.MAIN_FUSE:
            if charged and 0 < self.limit_a < inf:
                record = replace(record, fuse_pauses=record.fuse_pauses + 1)
            waits = _WAITS_S[min(record.fuse_pauses, len(_WAITS_S) - 1)]
            self.room_waits_until = now + waits
        self.limit_a, self.limited_at = decision.limit_a, now
        return record

    def waits_for_room(self, now: float) -> bool:
        """Return whether it stays paused, although the main fuse has room again.

        With an oven that goes on and off a car would be paused until it sleeps.
        """
        return self.limit_a == 0 and now < self.room_waits_until

    def watts_per_amp(self, box: Box) -> float:
        """Return what an ampere on each phase in use is at most, W.

        By a voltage that varies a car would be paused again and again.
        """
        return box.planned_phases * max(self.volts, box.volts)

    def taken_up(self, box: Box, now: float) -> bool:
        """Return whether a reading tells what the car takes of its limit."""
        return box.heard_at is not None and (
            box.heard_at >= self.limited_at + _TAKEN_UP_S
            and now - box.heard_at < _STALE_S
        )
