"""What the grid meter of a house tells, and when: most are slower than the current."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from .appliances import Phases
from .physics import House


class Outage(StrEnum):
    """How a meter is away."""

    SILENT = "silent"
    """What it told last stands still."""
    UNAVAILABLE = "unavailable"
    """It is known that it tells nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterQuirks:
    """What real meters do besides measuring: each can be switched on."""

    interval_s: float = 5.0
    """From one reading to the next, s."""
    late_s: float = 0.0
    """So much later than measured a reading is told, s."""
    only_on_change: bool = False
    """Tells only what changed: by 10 W or 0.1 A."""
    absolute: bool = False
    """Its currents have no sign."""
    outages: Sequence[tuple[float, float]] = ()
    """From when to when it is away, s since the house was first seen."""
    outage: Outage = Outage.SILENT
    """How it is away then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterReading:
    """What a meter told."""

    power_w: float
    """From the grid, W; negative: to the grid."""
    current_a: Phases
    """On each phase, A; where it has a sign, negative: to the grid."""
    reported_s: float
    """When it was told, s since the house was first seen."""


WELL: Final = MeterQuirks()
"""A meter that tells each 5 s."""


class GridMeter:
    """The meter at the fuse of a house."""

    def __init__(self, house: House, quirks: MeterQuirks = WELL) -> None:
        """Put it in; it tells at once."""
        self.quirks = quirks
        self._house = house
        self._due_s = house.elapsed_s
        self._on_the_way: list[MeterReading] = []
        self._told: MeterReading | None = None
        self.look()

    @property
    def away(self) -> bool:
        """Whether it is away now."""
        now_s = self._house.elapsed_s
        return any(begin <= now_s < end for begin, end in self.quirks.outages)

    @property
    def reading(self) -> MeterReading | None:
        """What it told last; None: it is known to be away, or has told nothing yet."""
        if self.away and self.quirks.outage is Outage.UNAVAILABLE:
            return None
        return self._told

    def look(self) -> bool:
        """Look at the house as it is now; return whether something was told."""
        now_s = self._house.elapsed_s
        if now_s >= self._due_s:
            self._due_s += self.quirks.interval_s
            self._due_s = max(self._due_s, now_s)
            if not self.away:
                self._on_the_way.append(self._measure(now_s + self.quirks.late_s))
        told = False
        while self._on_the_way and self._on_the_way[0].reported_s <= now_s:
            reading = self._on_the_way.pop(0)
            if not self.quirks.only_on_change or self._is_news(reading):
                self._told, told = reading, True
        return told

    def _measure(self, reported_s: float) -> MeterReading:
        house = self._house
        one, two, three = (
            round(abs(each) if self.quirks.absolute else each, 2)
            for each in house.phase_a
        )
        return MeterReading(
            power_w=round(house.grid_w),
            current_a=(one, two, three),
            reported_s=reported_s,
        )

    def _is_news(self, reading: MeterReading) -> bool:
        told = self._told
        return (
            told is None
            or abs(reading.power_w - told.power_w) >= 10
            or any(
                abs(new - old) >= 0.1
                for new, old in zip(reading.current_a, told.current_a, strict=True)
            )
        )
