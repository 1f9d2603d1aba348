"""Time is three things: the wallbox's clock, wall time, and a steady clock.

The wallbox's clock may be wrong for good, and it may be set: it only orders what the
wallbox said. So may wall time, which is only shown and stored. Whatever lasts or ages
does so by the steady clock.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Self

#: Clocks that differ by less agree: what is on its way takes its time.
CLOCKS_AGREE = timedelta(seconds=15)
#: What is older than this is no news any more.
LIVE_TIMEOUT = timedelta(seconds=120)


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

    They are compared with each other and never with our own clock, of which only the
    passing of time is used: a clock that is off by hours is as good as a right one.
    """

    at: datetime | None = None
    """The newest time that it was heard to show."""
    heard_at: datetime | None = None
    """When it showed that, by our clock."""
    behind_since: datetime | None = None
    """Since when all that was heard was of the past, by our clock."""

    def shows(self, now: Now) -> datetime | None:
        """Tell what it shows now, if it was ever heard."""
        if self.at is None or self.heard_at is None:
            return None
        return self.at + (now.wall - self.heard_at)

    def is_past(self, at: datetime, now: datetime) -> bool:
        """Tell whether a timestamp is older than what can be live."""
        if self.at is None or self.heard_at is None:
            return False
        return self.at + (now - self.heard_at) - at >= LIVE_TIMEOUT

    def hears(self, at: datetime, now: datetime) -> Self:
        """Take the timestamp of a message that has just come.

        One of the past is a replay, unless nothing else comes for a while: then the
        clock was set back.
        """
        if self.is_past(at, now):
            if self.behind_since is None:
                return replace(self, behind_since=now)
            if now - self.behind_since < LIVE_TIMEOUT:
                return self
        elif self.at is not None and at < self.at:
            return replace(self, behind_since=None)
        return replace(self, at=at, heard_at=now, behind_since=None)
