"""What the rules of charging remember of a wallbox from one decision to the next."""

from collections.abc import Hashable
from dataclasses import dataclass, field
from datetime import datetime
from math import inf

from .car import CarWatch
from .plan import Plan


@dataclass(slots=True)
class Memory:
    """What is remembered of a wallbox."""

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
