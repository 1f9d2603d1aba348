"""Energy from power: trapezoids between readings, and nothing over a gap.

The clock is passed in, in s; it never goes back.
"""

from collections import deque
from dataclasses import dataclass, replace
from typing import Final

#: No charger of these systems delivers more, in kW: a counter that does is misread.
_MOST_KW: Final = 25.0
#: A counter of the day may move by two of its steps at any time, in kWh.
_AT_ONCE_KWH: Final = 0.02 + 1e-9
_SECONDS_PER_HOUR: Final = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Area:
    """An integral over time, and over how much of it."""

    positive: float = 0.0
    """Of what was above zero, in the unit of the quantity times s."""
    negative: float = 0.0
    """Of what was below zero, as a positive number in the same unit."""
    covered_s: float = 0.0
    """For how long the quantity was known, in s."""

    def __add__(self, other: Area) -> Area:
        return Area(
            positive=self.positive + other.positive,
            negative=self.negative + other.negative,
            covered_s=self.covered_s + other.covered_s,
        )


def trapezoid(first: float, last: float, seconds: float) -> Area:
    """Return the area between two readings, which may cross zero in between."""
    if first * last >= 0:
        area = (first + last) / 2 * seconds
        return Area(
            positive=max(area, 0.0), negative=max(-area, 0.0), covered_s=seconds
        )
    crossing_s = seconds * first / (first - last)
    areas = (first / 2 * crossing_s, last / 2 * (seconds - crossing_s))
    return Area(positive=max(areas), negative=-min(areas), covered_s=seconds)


class Integrator:
    """Integrates a quantity that is read now and then.

    What depends on several sources counts only once each of them was heard again: one
    that falls silent was perhaps something else since it was last heard.
    """

    def __init__(self) -> None:
        """Begin without a reading."""
        self._value: float | None = None
        self._at = 0.0
        self._unconfirmed: deque[tuple[float, Area]] = deque()
        """Until when, in s, and what it came to."""

    def take(
        self,
        value: float | None,
        *,
        at: float,
        stood_until: float,
        heard_at: float,
        longest_gap_s: float,
    ) -> Area:
        """Take what is read at `at`; return what is certain now and was not before.

        `value` None: it is not known any more. `stood_until`: when the reading before
        was last heard; it stood until then. `heard_at`: when the source that was silent
        for longest was heard. Readings further apart than `longest_gap_s` have a gap
        between them. All times in s.
        """
        if self._value is not None:
            begin, before = self._at, self._value
            stood = min(max(stood_until, begin), max(at, begin))
            if stood > begin:
                self._add(stood, trapezoid(before, before, stood - begin))
            if value is not None and stood < at <= stood + longest_gap_s:
                self._add(at, trapezoid(before, value, at - stood))
        area = Area()
        while self._unconfirmed and self._unconfirmed[0][0] <= heard_at:
            area += self._unconfirmed.popleft()[1]
        if value is None:
            self._unconfirmed.clear()
        self._value, self._at = value, max(at, self._at)
        return area

    def _add(self, until: float, area: Area) -> None:
        """Add what waits to be confirmed."""
        self._unconfirmed.append((until, area))


@dataclass(frozen=True, slots=True, kw_only=True)
class DayCounter:
    """A device's own counter of the day, which begins anew each day."""

    kwh: float | None = None
    """What it showed last; None: it was never read."""
    at: float = 0.0
    """When it was heard, in s of a clock that goes on without Home Assistant."""


def count_day(counter: DayCounter, kwh: float, at: float) -> tuple[DayCounter, float]:
    """Take what a counter of the day showed at a time; return what was added, in kWh.

    One that fell began anew. What no charger could have delivered since it was last
    read is a reading gone wrong, and adds nothing, neither when it comes nor when it
    goes; the first reading adds nothing, because it may be of before counting began.
    """
    after = replace(counter, kwh=kwh, at=at)
    if counter.kwh is None or kwh == counter.kwh:
        return after, 0.0
    added = kwh - counter.kwh if kwh > counter.kwh else kwh
    hours = max(at - counter.at, 0.0) / _SECONDS_PER_HOUR
    return after, added if added <= _AT_ONCE_KWH + _MOST_KW * hours else 0.0


def kwh(watt_seconds: float) -> float:
    """Return an energy in kWh."""
    return watt_seconds / 3_600_000
