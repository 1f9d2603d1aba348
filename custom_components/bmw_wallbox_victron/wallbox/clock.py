"""Time is three things: the wallbox's clock, wall time, and a steady clock.

The wallbox's clock may be wrong for good, and it may be set: it only orders what the
wallbox said. So may wall time, which is only shown and stored. Whatever lasts or ages
does so by the steady clock.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final, Self

#: Clocks that differ by less agree: what is on its way takes its time.
CLOCKS_AGREE: Final = timedelta(seconds=15)
#: What is older than this is no news any more, in s.
LIVE_TIMEOUT_S: Final = 120.0
#: Messages overtake each other by so much, and clocks are corrected, in s.
JITTER_S: Final = 10.0
#: Two messages whose timestamps are this near to the time that passed between them kept
#: the pace of a clock, in s. What a queue holds comes faster than it happened.
PACE_S: Final = 2.0
#: They must lie so far apart to show a pace at all, in s.
EVIDENCE_S: Final = 3.0
#: A clock that stands has no pace: messages that fall behind more and more for so long,
#: and nothing else, are its own, in s.
STANDING_S: Final = 20.0
#: No timestamp is moved to before this day.
EARLIEST: Final = datetime(1900, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Now:
    """One moment, by both of our own clocks."""

    wall: datetime
    """Time of day: only shown and stored, for it may be set."""
    steady: float
    """Seconds of a clock that is never set: for all that lasts or ages."""


class SteadyClock:
    """Seconds that only grow, whatever the source does."""

    def __init__(self, source: Callable[[], float]) -> None:
        """Take the source of seconds: the machine's monotonic clock, or a test's."""
        self._source = source
        self._last = source()
        self._lost = 0.0

    def __call__(self) -> float:
        """Return the seconds of now."""
        seconds = self._source()
        self._lost += max(self._last - seconds, 0.0)
        self._last = seconds
        return seconds + self._lost


def moved_back(at: datetime, by: timedelta) -> datetime:
    """Return the moment that a clock set back by so much calls `at`."""
    return at - by if by <= at - EARLIEST else min(at, EARLIEST)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceClock:
    """What the wallbox's clock shows, as far as its messages tell.

    They are compared with each other and never with wall time: a clock that is off by
    hours is as good as a right one. Between them the steady clock tells what passed.
    """

    at: datetime | None = None
    """The newest time that it was heard to show, as it is put in order."""
    heard_at: float | None = None
    """When it showed that, by the steady clock, in s."""
    behind_since: float | None = None
    """When the first message came that is a replay, or else the clock was set back, by
    the steady clock, in s; None: what came last was live."""
    behind_s: float = 0.0
    """By how much that message was behind, in s."""
    off: timedelta = timedelta()
    """How far it really is ahead of that: one that was never set is put in order by the
    time at which its messages come."""

    def shows(self, now: Now) -> datetime | None:
        """Return what it shows now, if it was not set meanwhile; None: never heard."""
        expected = self.expected(now)
        return None if expected is None else expected + self.off

    def expected(self, now: Now) -> datetime | None:
        """Return the time by which what happens now is put in order."""
        if self.at is None or self.heard_at is None:
            return None
        return self.at + timedelta(seconds=now.steady - self.heard_at)

    def lag_s(self, at: datetime, now: Now) -> float:
        """Return how far a timestamp is behind what is expected, in s."""
        expected = self.expected(now)
        return 0.0 if expected is None else (expected - at).total_seconds()

    def is_past(self, at: datetime, now: Now) -> bool:
        """Return whether a timestamp is older than what can be live."""
        return self.lag_s(at, now) >= LIVE_TIMEOUT_S

    def hears(
        self, at: datetime, now: Now, *, written: datetime | None = None
    ) -> tuple[Self, float]:
        """Take the timestamp of a message that has just come.

        `written`: what stands in it, where `at` was put in order already.
        Return the clock after it, and by how many seconds it was set back. A message of
        the past may be a replay. The next one tells: where it is behind by as much, a
        clock runs there; what is live, or comes out of a queue, is not.
        """
        if self.at is None or self.heard_at is None:
            return self._showing(at, now, written), 0.0
        lag = self.lag_s(at, now)
        if self.behind_since is not None:
            passed = now.steady - self.behind_since
            fell = lag - self.behind_s
            if (passed >= EVIDENCE_S and abs(fell) <= PACE_S) or (
                passed >= STANDING_S and fell > 0
            ):
                return self._showing(at, now, written), lag
        if lag <= JITTER_S or (lag < LIVE_TIMEOUT_S and at >= self.at):
            if at < self.at:
                return self.undoubted(), 0.0
            return self._showing(at, now, written), 0.0
        if self.behind_since is None or not self._keeps_up(lag, now):
            return replace(self, behind_since=now.steady, behind_s=lag), 0.0
        return self, 0.0

    def undoubted(self) -> Self:
        """Forget what may have been a replay."""
        return replace(self, behind_since=None, behind_s=0.0)

    def _showing(self, at: datetime, now: Now, written: datetime | None) -> Self:
        """Return it as it shows that time now."""
        off = timedelta() if written is None else written - at
        return replace(self.undoubted(), at=at, heard_at=now.steady, off=off)

    def _keeps_up(self, lag: float, now: Now) -> bool:
        """Return whether a message follows the doubted one, or a clock stands."""
        passed = now.steady - (self.behind_since or 0.0)
        return -PACE_S <= lag - self.behind_s <= passed + PACE_S
