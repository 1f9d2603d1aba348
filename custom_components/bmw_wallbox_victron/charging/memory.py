"""What the rules of charging remember of a wallbox from one decision to the next."""

from collections.abc import Hashable
from dataclasses import dataclass, field
from datetime import datetime
from math import inf
from typing import Final

from .car import CarWatch
from .inputs import Box
from .plan import Plan

#: So long after a limit a reading tells what the car takes of it, in s.
_TAKEN_UP_S: Final = 15.0
#: So old a reading may be, in s.
_STALE_S: Final = 90.0
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
    volts: float = 0.0
    """The highest that the voltage of a phase was in its session, V."""
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

    def follow(self, box: Box) -> None:
        """Take what a wallbox is now; each session begins anew."""
        if self.session != box.session:
            self.session = box.session
            self.mode_on = box.charging
            self.car = CarWatch()
            self.volts = 0.0
        if box.volts <= _MOST_V:
            self.volts = max(self.volts, box.volts)

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
