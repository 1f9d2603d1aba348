"""Energy that only grows, from a meter register that does not.

The register of a Delta box is lifetime energy in Wh by its maintainer's word and energy
of the session by an older document; it has been seen to read zero, to drop and to
restart. All of that arrives here, and what leaves never falls and counts each
watt-hour once.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Self

#: More than any home wallbox can deliver (63 A on three phases is 43.5 kW), in W.
MAX_POWER_W = 50_000
#: Two readings close in time may still lie this far apart (values are rounded, late or
#: repeated), in Wh.
MARGIN_WH = 10_000
#: A register that restarted and counted this far since did restart for good, in Wh.
SETTLED_WH = 1_000


def _plausible(energy_wh: float, elapsed: timedelta) -> bool:
    """Tell whether a wallbox can have delivered so much in that time."""
    hours = max(elapsed.total_seconds(), 0) / 3600
    return energy_wh <= MARGIN_WH + MAX_POWER_W * hours


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterCount:
    """The energy counted from one register, and what is needed to go on counting."""

    counted_wh: float = 0.0
    """Energy counted so far, in Wh. Never falls."""
    first_wh: float | None = None
    """The reading that counting started from, in Wh."""
    last_wh: float | None = None
    """The newest reading that was believed, in Wh."""
    last_at: datetime | None = None
    """When that reading was taken."""
    suspect_wh: float | None = None
    """A reading too high to believe until the next one confirms it, in Wh."""
    before_wh: float | None = None
    """Where the register stood before it last dropped, in Wh."""
    before_at: datetime | None = None
    """When it stood there."""
    since_drop_wh: float = 0.0
    """Energy counted since that drop, in Wh."""

    def advance(self, wh: float, at: datetime) -> Self:
        """Count a register reading of `wh` Wh taken at `at`.

        A reading older than the newest one changes nothing here: see `late`.
        """
        if self.last_wh is None or self.last_at is None:
            return replace(self, first_wh=wh, last_wh=wh, last_at=at)
        if at < self.last_at:
            return self
        if wh < self.last_wh:
            return self._drop(self.last_wh, self.last_at, wh, at)
        if self._is_return(wh, at):
            # The register is back where it stood: it had stuttered, not restarted. What
            # was counted since the drop is part of what it shows now.
            gained = max(0.0, wh - (self.before_wh or 0.0) - self.since_drop_wh)
            return self._step(wh, at, gained, settled=True)
        gained = wh - self.last_wh
        if _plausible(gained, at - self.last_at):
            return self._step(wh, at, gained)
        if self.suspect_wh is None or not 0 <= wh - self.suspect_wh <= MARGIN_WH:
            return replace(self, suspect_wh=wh)
        # Twice the same jump that no wallbox can make: another meter, not energy.
        return self._step(wh, at, wh - self.suspect_wh, settled=True)

    def late(self, wh: float, counted_wh: float) -> Self:
        """Count energy that a reading of the past brought to light.

        `counted_wh` is what the reading added to its own session. Where the register is
        lifetime, the newer reading includes it; where it restarts with each session,
        the late reading stands higher than the newest one, and is still missing.
        """
        if self.last_wh is None or wh <= self.last_wh:
            return self
        return replace(self, counted_wh=self.counted_wh + counted_wh)

    def earlier_start(self, wh: float) -> Self:
        """Take a late reading of `wh` Wh as the one that counting started from."""
        if self.first_wh is None or not 0 < self.first_wh - wh <= MARGIN_WH:
            return self
        return replace(
            self, first_wh=wh, counted_wh=self.counted_wh + self.first_wh - wh
        )

    def _is_return(self, wh: float, at: datetime) -> bool:
        """Tell whether the register is back at where it stood before it dropped."""
        if (
            self.before_wh is None
            or self.before_at is None
            or self.last_wh is None
            or self.last_at is None
            or wh < self.before_wh
            or not _plausible(wh - self.before_wh, at - self.before_at)
        ):
            return False
        stood_still = self.since_drop_wh == 0
        return stood_still or not _plausible(wh - self.last_wh, at - self.last_at)

    def _drop(self, last_wh: float, last_at: datetime, wh: float, at: datetime) -> Self:
        """Go on from a reading below the last one."""
        if wh > 0 and last_wh - wh <= 1:
            return self  # rounding
        if self.before_wh is not None and wh <= 0 and self.since_drop_wh == 0:
            return replace(self, last_wh=wh, last_at=at, suspect_wh=None)
        # A register that restarted shows all that flowed since; one that fell back to
        # some high value shows nothing that can be counted.
        restarted = wh < last_wh / 2 and _plausible(wh, at - last_at)
        gained = wh if restarted else 0.0
        return replace(
            self,
            counted_wh=self.counted_wh + gained,
            last_wh=wh,
            last_at=at,
            suspect_wh=None,
            before_wh=last_wh,
            before_at=last_at,
            since_drop_wh=gained,
        )

    def _step(
        self, wh: float, at: datetime, gained: float, *, settled: bool = False
    ) -> Self:
        """Believe the reading and count what it gained."""
        since_drop = self.since_drop_wh + gained
        settled = settled or since_drop > SETTLED_WH
        return replace(
            self,
            counted_wh=self.counted_wh + gained,
            last_wh=wh,
            last_at=at,
            suspect_wh=None,
            before_wh=None if settled else self.before_wh,
            before_at=None if settled else self.before_at,
            since_drop_wh=0.0 if settled else since_drop,
        )


def lifetime(count: RegisterCount, wh: float, at: datetime) -> RegisterCount:
    """Advance the count behind `energy_total`.

    It starts at the register's own value, so that it agrees with the wallbox's display
    where the register is lifetime energy; a first reading of zero says nothing yet.
    """
    if count.counted_wh == 0:
        return RegisterCount(counted_wh=wh, first_wh=wh, last_wh=wh, last_at=at)
    return count.advance(wh, at)
