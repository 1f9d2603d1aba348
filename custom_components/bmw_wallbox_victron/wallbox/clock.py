"""Time is three things: the wallbox's clock, wall time, and a steady clock.

The wallbox's clock may be wrong for good, and it may be set: it only orders what the
wallbox said. So may wall time, which is only shown and stored. Whatever lasts or ages
does so by the steady clock.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Self

#: Clocks that differ by less agree: what is on its way takes its time.
CLOCKS_AGREE: Final = timedelta(seconds=15)
#: What is older than this is no news any more, in s.
LIVE_TIMEOUT_S: Final = 120.0


@dataclass(frozen=True, slots=True)
class Now:
    """One moment, by both of our own clocks."""

    wall: datetime
    """Time of day: only shown and stored, for it may be set."""
    steady: float
    """Seconds of a clock that is never set: for all that lasts or ages."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceClock:
    """What the wallbox's clock shows, as far as its messages tell.

    They are compared with each other and never with wall time: a clock that is off by
    hours is as good as a right one. Between them the steady clock tells what passed.
    """

    at: datetime | None = None
    """The newest time that it was heard to show."""
    heard_at: float | None = None
    """When it showed that, by the steady clock, in s."""
    behind_since: float | None = None
    """Since when all that was heard was of the past, by the steady clock, in s."""

    def shows(self, now: Now) -> datetime | None:
        """Return what it shows now, if it was not set meanwhile; None: never heard."""
        if self.at is None or self.heard_at is None:
            return None
        try:
            return self.at + timedelta(seconds=now.steady - self.heard_at)
        except OverflowError:  # the edge of the calendar
            return self.at

    def is_past(self, at: datetime, now: Now) -> bool:
        """Tell whether a timestamp is older than what can be live."""
        shown = self.shows(now)
        return shown is not None and ((shown - at).total_seconds() >= LIVE_TIMEOUT_S)

    def hears(self, at: datetime, now: Now) -> Self:
        """Take the timestamp of a message that has just come.

        One of the past is a replay, unless nothing else comes for a while: then the
        clock was set back.
        """
        if self.is_past(at, now):
            if self.behind_since is None:
                return replace(self, behind_since=now.steady)
            if now.steady - self.behind_since < LIVE_TIMEOUT_S:
                return self
        elif self.at is not None and at < self.at:
            return replace(self, behind_since=None)
        return replace(self, at=at, heard_at=now.steady, behind_since=None)
