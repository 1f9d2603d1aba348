"""The box's clock: what it shows is one thing, the time that passes is another.

Time passes steadily, and never backwards: by it cars charge, timers run and relative
schedules count. What the clock shows may be set, jump and stand still, as after a power
cut (1970), a wrong time server, or a dead battery.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta


def utc_now() -> datetime:
    """Return the time of the computer."""
    return datetime.now(UTC)


class Clock:
    """Tells the time that passed, and the time that is shown."""

    def __init__(self, source: Callable[[], datetime]) -> None:
        """Follow a source of time; it shows what that tells until it is set."""
        self._source: Callable[[], datetime] | None = source
        self._passed: datetime | None = None
        self._held: datetime | None = None
        self._shift = timedelta()
        self._stands_at: datetime | None = None

    def steady(self) -> datetime:
        """Return the time by the steady base.

        It follows the source, runs ahead of it by what was let pass, and never goes
        back.
        """
        moment = self._held or (self._source() if self._source else self._passed)
        if moment is None:
            raise RuntimeError("a clock without a source has been read before")
        if self._passed is not None:
            moment = max(moment, self._passed)
        self._passed = moment
        return moment

    def begin(self) -> datetime:
        """Return where the next step of time begins: at what was told last.

        So the source, which may be ahead by the same step already, counts once.
        """
        return self._passed or self.steady()

    def hold(self, moment: datetime | None) -> None:
        """Stand the steady base at a moment; None lets it follow its source again."""
        self._held = moment

    def leave_source(self) -> None:
        """Let time pass by `hold` alone, whatever the computer's clock does."""
        self.steady()
        self._source = None

    def shown(self) -> datetime:
        """Return the time that the clock shows."""
        if self._stands_at is not None:
            return self._stands_at
        return self.steady() + self._shift

    def set(self, moment: datetime) -> None:
        """Set the clock; it runs on from there, or stands there if it stands."""
        if self._stands_at is not None:
            self._stands_at = moment
        self._shift = moment - self.steady()

    def stand(self) -> None:
        """Stand still at the time that is shown."""
        if self._stands_at is None:
            self._stands_at = self.shown()

    def run(self) -> None:
        """Run on from the time that is shown."""
        if self._stands_at is not None:
            self._shift = self._stands_at - self.steady()
            self._stands_at = None
