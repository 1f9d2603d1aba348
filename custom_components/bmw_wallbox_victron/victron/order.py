"""Whether an advertisement follows those before it, by its counter.

Anybody may send again what a device sent yesterday: key, record and values are right.
But a device counts its advertisements. While it is heard with a counter that goes on,
what does not follow is not its own. Once it has been silent for a while, or stands
still while another counter goes on, that one counts: it may have begun to count anew.
"""

from collections import deque
from enum import StrEnum

_COUNTERS = 1 << 16

#: So many advertisements may be missed at once, and per second.
_AHEAD = 30
_AHEAD_PER_S = 5.0
#: No more are ahead: what is further is behind.
_AHEAD_MOST = _COUNTERS // 2
#: How long a device is silent, or stands still, until another counter may be its own,
#: in s; for one that is rarely heard, three of its longest gaps of late.
_SILENCE_S = 20.0
_SILENCE_MOST_S = 240.0
_GAPS = 3.0
_GAPS_KEPT = 8
#: A counter that goes on instead of one that stands still has come this far.
_STEPS = 3
#: So many other counters are known at a time.
_OTHERS = 32


class Place(StrEnum):
    """Where an advertisement stands."""

    FOLLOWS = "follows"
    """It follows what was heard, or is the same again."""
    ANEW = "anew"
    """It follows nothing, and there is nothing that it would have to follow."""
    STRAY = "stray"
    """It does not follow a device that goes on."""


class Order:
    """The counter of one device."""

    __slots__ = ("_counter", "_gaps", "_heard_at", "_moved_at", "_others")

    def __init__(self) -> None:
        """Initialize without any advertisement."""
        self._counter: int | None = None
        self._heard_at = 0.0
        self._moved_at = 0.0
        self._gaps: deque[float] = deque(maxlen=_GAPS_KEPT)
        self._others: deque[tuple[int, float, int]] = deque(maxlen=_OTHERS)
        """Counters that follow nothing: the last, when, and how many steps it made."""

    def place(self, counter: int, now: float) -> Place:
        """Return where an advertisement stands that is heard at `now`, in s."""
        if self._counter is not None and _follows(
            self._counter, counter, now - self._moved_at
        ):
            return Place.FOLLOWS
        steps = self._step(counter, now)
        silence = self._silence_s
        if (
            self._counter is None
            or now - self._heard_at > silence
            or (now - self._moved_at > silence and steps >= _STEPS)
        ):
            return Place.FOLLOWS if steps else Place.ANEW
        return Place.STRAY

    def take(self, counter: int, now: float) -> None:
        """Note an advertisement that the device did send, as what it says shows."""
        if counter != self._counter:
            if self._counter is not None:
                self._gaps.append(now - self._moved_at)
            self._counter, self._moved_at = counter, now
            self._others.clear()
        self._heard_at = now

    @property
    def _silence_s(self) -> float:
        """Return how long the device is silent until another counter counts, in s."""
        return min(_SILENCE_MOST_S, max(_SILENCE_S, _GAPS * max(self._gaps, default=0)))

    def _step(self, counter: int, now: float) -> int:
        """Return how far another counter has come with this; 0: it is a new one."""
        for index, (other, heard_at, steps) in enumerate(self._others):
            if _follows(other, counter, now - heard_at):
                del self._others[index]
                # The same again is one, but comes no further.
                steps = max(1, steps + (counter != other))
                self._others.append((counter, now, steps))
                return steps
        self._others.append((counter, now, 0))
        return 0


def _follows(before: int, counter: int, seconds: float) -> bool:
    """Return whether one counter can come after the other, or is the same."""
    ahead = min(_AHEAD + _AHEAD_PER_S * max(0.0, seconds), _AHEAD_MOST)
    return (counter - before) % _COUNTERS <= ahead
