"""What a wallbox can have drawn at a moment, by its readings and its limits."""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import inf
from typing import Final

from .settings import MIN_CURRENT_A

#: So far the clocks of two meters' readings are apart, s.
LAG_S: Final = 2.0
#: So long after a lower limit is in force a meter may still show more, s. (IEC 61851-1
#: gives a car 5 s.)
SETTLE_S: Final = 5.0 + LAG_S
#: So late comes the news that a session has begun, s.
NEWS_S: Final = 5.0
#: A reading says nothing of what is later than this, s.
STALE_S: Final = 90.0
#: A car may draw so much more than its limit, A.
_GAIN_A: Final = 0.5
#: A phase with less current carries none, A.
_NOISE_A: Final = 2.0


@dataclass(frozen=True, slots=True)
class Draw:
    """What a wallbox can have drawn on a phase at a moment."""

    least: float
    """A."""
    most: float
    """A."""
    shown: float = 0.0
    """The most that the readings around that moment show, A."""
    falls: float = 0.0
    """How much of it is known to end as a lower limit is being followed, A."""
    final: bool = True
    """Whether later readings tell no more of it."""


class Drawn:
    """The current of a wallbox over time, as far as it is known."""

    def __init__(self) -> None:
        """Begin without any reading."""
        self._idle_since: float | None = None
        self._readings: deque[tuple[float, Mapping[int, float]]] = deque()
        # Since when the highest and the lowest limit are what may be in force.
        self._limits: deque[tuple[float, float, float]] = deque()

    @property
    def idle(self) -> bool:
        """Whether it certainly draws nothing."""
        return self._idle_since is not None

    def note_currents(self, currents: Mapping[int, float], at: float) -> None:
        """Take a reading of each of its phases, A; one that was taken counts once."""
        if not self._readings or at > self._readings[-1][0]:
            self._readings.append((at, dict(currents)))

    def note(
        self, highest_a: float, lowest_a: float, now: float, *, idle: bool
    ) -> None:
        """Take what limits may be in force, A, and whether it draws nothing."""
        if not self._limits or self._limits[-1][1:] != (highest_a, lowest_a):
            self._limits.append((now, highest_a, lowest_a))
        if idle and self._idle_since is None:
            self._idle_since = now
            self.note_currents({}, now)
        elif not idle and self._idle_since is not None:
            self.note_currents({}, max(now - NEWS_S, self._idle_since))
            self._idle_since = None

    def forget(self, before: float) -> None:
        """Drop what says nothing of a time after `before`."""
        while len(self._readings) > 1 and self._readings[1][0] <= before:
            self._readings.popleft()
        while len(self._limits) > 1 and self._limits[1][0] <= before:
            self._limits.popleft()

    def bound(self, at: float) -> float:
        """Return the most that its limits let it draw at a moment, A."""
        followed = self._followed(at)
        highest = -inf
        until = inf
        for since, amps, _ in reversed(self._limits):
            if since <= at and until > followed:
                highest = max(highest, amps)
            until = since
        if highest == -inf:
            return inf
        return highest if highest >= MIN_CURRENT_A else 0.0

    def _followed(self, at: float) -> float:
        """Return since when its limits are followed at a moment.

        A lower one is after a while, or once a reading shows it.
        """
        settled = at - SETTLE_S
        for heard, currents in reversed(self._readings):
            if heard <= settled:
                break
            shown = max(currents.values(), default=0.0) - _GAIN_A
            if heard <= at - LAG_S and shown <= self._limit(heard)[0]:
                return heard
        return settled

    def _limit(self, at: float) -> tuple[float, float]:
        """Return the highest and the lowest limit that may be in force, A."""
        for since, highest, lowest in reversed(self._limits):
            if since <= at:
                return highest, lowest
        return inf, 0.0

    def next_bound(self, now: float) -> float | None:
        """Return when an earlier limit holds no more, in s; None: there is none."""
        ends = (since + SETTLE_S for since, _, _ in list(self._limits)[1:])
        return min((end for end in ends if end > now), default=None)

    def on(self, phases: Iterable[int], at: float, now: float) -> Draw:
        """Return what it drew on a phase of the house.

        That is one of its `phases`; of several, one that carried current.
        """
        bound = self.bound(at)
        candidates = set(phases)
        if not candidates or bound == 0.0:
            return Draw(0.0, 0.0)
        around, before, after = self._around(at, now)
        known = before is not None and (after or at) - before <= STALE_S
        if not known:
            return Draw(0.0, bound, final=after is not None)
        least, most = bound, 0.0
        for currents in around:
            values = [currents.get(phase, 0.0) for phase in candidates]
            carried = [amps for amps in values if amps > _NOISE_A] or [max(values)]
            least = min(least, *carried)
            most = max(most, *carried)
        most = min(most, bound)
        if after is not None:
            return Draw(least, most, shown=most)
        # It may follow a lower limit already that no reading shows yet.
        lowest = self._limit(at)[1]
        lowest = lowest if lowest >= MIN_CURRENT_A else 0.0
        falls = max(most - lowest, 0.0)
        return Draw(min(least, lowest), bound, shown=most, falls=falls, final=False)

    def _around(
        self, at: float, now: float
    ) -> tuple[list[Mapping[int, float]], float | None, float | None]:
        """Return the readings around a moment, and when first and last were taken."""
        around: list[Mapping[int, float]] = []
        before: float | None = None
        after: float | None = None
        if self._idle_since is not None and now - NEWS_S >= at + LAG_S:
            around.append({})
            after = now - NEWS_S
        for heard, currents in reversed(self._readings):
            if heard >= at + LAG_S:
                around = [currents]
                after = heard
                continue
            around.append(currents)
            if heard <= at - LAG_S:
                before = heard
                break
        return around, before, after
