"""How the voltage moved within the last quarter of an hour."""

from collections import deque
from dataclasses import dataclass
import math
from typing import Final

#: How far back the trend looks, in s.
WINDOW_S: Final = 15 * 60.0
#: The mean is looked at again once it may have moved by this, in V.
_STEP_V: Final = 0.05
#: And not more often than this, in s.
_PACE_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Movement:
    """How the voltage moved."""

    change: float | None
    """The newest less the oldest voltage of the window, in V; None: unknown now."""
    mean: float | None
    """Their mean over time, in V; None: unknown now."""
    due: float | None
    """When it changes next without a new voltage, in s; None: never."""


class Trend:
    """The voltages of the last quarter of an hour, each from when it was read.

    A voltage stands until the next one; the gaps in which it is unknown do not count.
    """

    def __init__(self) -> None:
        """Initialize without any."""
        self._steps: deque[tuple[float, float | None]] = deque()
        # Of the steps that have ended: V·s, and s for which the voltage was known.
        self._area = 0.0
        self._known_s = 0.0

    def note(self, voltage: float | None, now: float) -> None:
        """Add the voltage that is read now, in V."""
        if self._steps:
            begin, last = self._steps[-1]
            if last == voltage:
                return
            self._add(last, now - begin)
        self._steps.append((now, voltage))

    def _add(self, voltage: float | None, seconds: float) -> None:
        """Count a step that has ended."""
        if voltage is not None:
            self._area += voltage * seconds
            self._known_s += seconds

    def _forget(self, start: float) -> None:
        """Drop the steps that ended before the window."""
        while len(self._steps) > 1 and self._steps[1][0] <= start:
            begin, voltage = self._steps.popleft()
            self._add(voltage, begin - self._steps[0][0])
        if len(self._steps) == 1:
            # Sums of many differences drift; here they are known to be nothing.
            self._area = self._known_s = 0.0

    def read(self, now: float) -> Movement:
        """Return how the voltage moved until now."""
        start = now - WINDOW_S
        self._forget(start)
        if not self._steps or (newest := self._steps[-1][1]) is None:
            return Movement(None, None, None)
        oldest = next(voltage for _, voltage in self._steps if voltage is not None)
        first_begin, first = self._steps[0]
        area = self._area + newest * (now - self._steps[-1][0])
        known_s = self._known_s + now - self._steps[-1][0]
        if first is not None and first_begin < start:
            area -= first * (start - first_begin)
            known_s -= start - first_begin
        mean = area / known_s if known_s > 0 else newest
        return Movement(
            change=round(newest - oldest, 3),
            mean=round(mean, 3),
            due=self._due(now, newest, mean, known_s),
        )

    def _due(
        self, now: float, newest: float, mean: float, known_s: float
    ) -> float | None:
        """Return when the answer changes by the passing of time alone."""
        if len(self._steps) == 1:
            return None
        begin, first = self._steps[0]
        leaves = now >= begin + WINDOW_S
        due = (self._steps[1][0] if leaves else begin) + WINDOW_S
        # What comes in moves the mean, and so does what leaves the window.
        moves = abs(newest - mean)
        if leaves and first is not None:
            moves += abs(first - mean)
        if moves > 0:
            due = min(due, now + _STEP_V * max(known_s, 1.0) / moves)
        return max(due, now + _PACE_S)


class Highest:
    """The highest state of charge of the last quarter of an hour."""

    def __init__(self) -> None:
        """Begin without any."""
        # Until when each counts, in s, and what it is, in %: each lower than the one
        # before it, and the newest without an end.
        self._candidates: deque[tuple[float, float]] = deque()

    def forget(self) -> None:
        """Begin anew: what follows comes from somebody else."""
        self._candidates.clear()

    def take(self, value: float, now: float) -> tuple[float, float | None]:
        """Take what is read now, in %; return the highest, and until when it counts.

        A value counts until 15 minutes after another one took its place; None: that
        has not happened yet.
        """
        if self._candidates and self._candidates[-1][1] > value:
            self._candidates[-1] = (now + WINDOW_S, self._candidates[-1][1])
        while self._candidates and self._candidates[-1][1] <= value:
            self._candidates.pop()
        self._candidates.append((math.inf, value))
        while self._candidates[0][0] <= now:
            self._candidates.popleft()
        until, highest = self._candidates[0]
        return highest, None if until == math.inf else until
