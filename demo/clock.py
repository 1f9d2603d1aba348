"""The clock of a replay: a process's time that waits between two steps.

Home Assistant measures time in four ways (the event loop's, Bluetooth's, the wall's,
and that of its own helpers); all have to agree, or an hour in some seconds is no hour.
"""

from datetime import UTC, datetime, tzinfo
from functools import partial
import time
from typing import Final

import bluetooth_data_tools
from homeassistant.util import dt as dt_util

_MONOTONIC: Final = time.monotonic
_WALL: Final = time.time


class SteppedClock:
    """Goes on by itself until it is held; then only by steps."""

    def __init__(self, *, behind_s: float = 0.0) -> None:
        """Make one that goes on by itself, and is so many s behind the wall's."""
        self._ahead_s = 0.0
        self._held_at: float | None = None
        self._to_wall_s = _WALL() - _MONOTONIC() - behind_s

    def install(self) -> None:
        """Take this process's time over, before anybody keeps a function of the old."""
        time.monotonic = self.monotonic
        time.time = self.wall
        bluetooth_data_tools.monotonic_time_coarse = self.monotonic
        dt_util.utcnow = partial(self.now)
        dt_util.now = self.local

    def monotonic(self) -> float:
        """Return the time that never goes back, s."""
        if self._held_at is not None:
            return self._held_at
        return _MONOTONIC() + self._ahead_s

    def wall(self) -> float:
        """Return the time of day, s since 1970."""
        return self.monotonic() + self._to_wall_s

    def now(self) -> datetime:
        """Return the time of day, UTC."""
        return datetime.fromtimestamp(self.wall(), UTC)

    def local(self, time_zone: tzinfo | None = None) -> datetime:
        """Return the time of day in a time zone, by default Home Assistant's."""
        return self.now().astimezone(time_zone or dt_util.get_default_time_zone())

    @property
    def behind_s(self) -> float:
        """How far it is behind the wall's, s."""
        return _WALL() - self.wall()

    def hold(self) -> None:
        """Stop it."""
        self._held_at = self.monotonic()

    def step(self, seconds: float) -> None:
        """Let seconds pass at once."""
        if self._held_at is None:
            raise RuntimeError("a clock that runs makes no steps")
        self._held_at += seconds

    def release(self) -> None:
        """Let it go on by itself."""
        if self._held_at is not None:
            self._ahead_s = self._held_at - _MONOTONIC()
            self._held_at = None
