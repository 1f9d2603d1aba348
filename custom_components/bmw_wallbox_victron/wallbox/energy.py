"""Energy that only grows, from a meter register that does not.

The register of a Delta box is lifetime energy in Wh by its maintainer's word and energy
of the session by an older document; it has been seen to read zero, to drop and to
restart. All of that arrives here, and what leaves never falls and counts each
watt-hour once.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Self

from .clock import moved_back

#: More than any home wallbox can deliver (63 A on three phases is 43.5 kW), in W.
MAX_POWER_W = 50_000
#: Readings that follow on each other may still lie this far apart, in Wh: a wallbox
#: whose clock is ahead replays hours of its queue within one of our seconds.
MARGIN_WH = 10_000
#: A register that fell is judged more strictly: this much may be rounding, in Wh.
STRICT_MARGIN_WH = 100
#: A reading may waver by this much, in Wh.
ROUNDING_WH = 1
#: A register that restarted and counted this far since did restart for good, in Wh.
SETTLED_WH = 1_000


def _plausible(
    energy_wh: float, elapsed: timedelta, *, margin_wh: float = MARGIN_WH
) -> bool:
    """Return whether a wallbox can have delivered so much in that time."""
    hours = max(elapsed.total_seconds(), 0) / 3600
    return energy_wh <= margin_wh + MAX_POWER_W * hours


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterCount:
    """The energy counted from one register, and what is needed to go on counting."""

    counted_wh: float = 0.0
    """Energy counted so far, in Wh. Never falls."""
    first_wh: float | None = None
    """The reading that counting started from, in Wh."""
    first_at: datetime | None = None
    """When that reading was taken."""
    last_wh: float | None = None
    """The newest reading that was believed, in Wh."""
    last_at: datetime | None = None
    """When that reading was taken."""
    suspect_wh: float | None = None
    """A reading too high to believe until the next one confirms it, in Wh."""
    before_wh: float | None = None
    """Where the register stood before it last fell, in Wh."""
    before_at: datetime | None = None
    """When it stood there."""
    since_drop_wh: float = 0.0
    """Energy counted since it fell, in Wh."""
    fell_at_start: bool = False
    """Whether it fell when a session began, as one does that counts each session."""

    @property
    def highest_wh(self) -> float:
        """The newest reading, or what it stood at before it fell, in Wh."""
        return max(self.last_wh or 0.0, self.before_wh or 0.0)

    def advance(
        self,
        wh: float,
        at: datetime,
        *,
        session_start: bool = False,
        begins: bool = False,
    ) -> Self:
        """Count a reading of `wh` Wh taken at `at`.

        `session_start`: it is the first one of its session. `begins`: it was taken as
        that one began, when nothing had flowed. A reading older than the newest one
        changes nothing here: see `late`.
        """
        if wh < 0:
            return self
        if self.last_wh is None or self.last_at is None:
            return replace(self, first_wh=wh, first_at=at, last_wh=wh, last_at=at)
        if at < self.last_at:
            return self
        if wh < self.last_wh:
            return self._drop(self.last_wh, self.last_at, wh, at, session_start, begins)
        if self._is_return(wh, at):
            # The register is back where it stood: it had stuttered, not restarted. What
            # was counted since it fell is part of what it shows now.
            gained = max(0.0, wh - (self.before_wh or 0.0) - self.since_drop_wh)
            returned = self._step(wh, at, gained, settled=True)
            if not self.fell_at_start:
                return returned
            # The session's first reading was part of the stutter and starts nothing.
            return replace(returned, first_wh=None, first_at=None, fell_at_start=False)
        gained = wh - self.last_wh
        if _plausible(gained, at - self.last_at):
            return self._step(wh, at, gained)
        if self.last_wh == self.counted_wh == 0:
            # Nothing but zeros so far, and they were wrong: this is the first reading.
            return replace(self, first_wh=wh, first_at=at, last_wh=wh, last_at=at)
        if self.suspect_wh is None or not 0 <= wh - self.suspect_wh <= MARGIN_WH:
            return replace(self, suspect_wh=wh)
        # Twice the same jump that no wallbox can make: another meter, not energy.
        return self._step(wh, at, wh - self.suspect_wh, settled=True)

    def late(self, wh: float, counted_wh: float, *, followed_by_wh: float) -> Self:
        """Count energy that a reading of the past brought to light.

        `counted_wh` is what the reading added to its own session, `followed_by_wh` a
        reading taken after it. Where the register is lifetime, that one includes it;
        where it restarts with each session, the late reading may stand higher: then
        its energy is still missing here. Where the register stood before it fell moves
        with what is counted: if it returns there, nothing counts twice.
        """
        if wh <= followed_by_wh:
            return self
        return replace(
            self,
            counted_wh=self.counted_wh + counted_wh,
            before_wh=None if self.before_wh is None else self.before_wh + counted_wh,
        )

    def since_fall(self, counted_wh: float) -> Self:
        """Count energy of the session that the register fell at the start of."""
        return replace(
            self,
            counted_wh=self.counted_wh + counted_wh,
            since_drop_wh=self.since_drop_wh + counted_wh,
        )

    def earlier_start(self, wh: float, at: datetime) -> Self:
        """Take a late reading, if it is older than the first one, as the first."""
        if self.first_wh is None or self.first_at is None or at >= self.first_at:
            return self
        gained = self.first_wh - wh
        if self.fell_at_start and self._stood_at(wh, at):
            # It is where the register stood before the session's first reading fell.
            return replace(self, before_wh=wh, before_at=at)
        if gained < 0 or not _plausible(gained, self.first_at - at):
            return self
        started = replace(
            self, first_wh=wh, first_at=at, counted_wh=self.counted_wh + gained
        )
        if not self.fell_at_start:
            return started
        return replace(started, since_drop_wh=self.since_drop_wh + gained)

    def set_back(self, by: timedelta) -> Self:
        """Follow the wallbox's clock back: each reading is as long ago as it was."""
        return replace(
            self,
            first_at=self.first_at and moved_back(self.first_at, by),
            last_at=self.last_at and moved_back(self.last_at, by),
            before_at=self.before_at and moved_back(self.before_at, by),
        )

    def _is_return(self, wh: float, at: datetime) -> bool:
        """Return whether the register is back at where it stood before it fell."""
        if self.last_wh is None or self.last_at is None or not self._stood_at(wh, at):
            return False
        stood_still = self.since_drop_wh == 0 and not self.fell_at_start
        return stood_still or not _plausible(
            wh - self.last_wh, at - self.last_at, margin_wh=STRICT_MARGIN_WH
        )

    def _stood_at(self, wh: float, at: datetime) -> bool:
        """Return whether the register can have gone on to `wh` from before it fell."""
        if self.before_wh is None or self.before_at is None:
            return False
        gained = wh - self.before_wh
        return gained >= -ROUNDING_WH and _plausible(gained, at - self.before_at)

    def _drop(
        self,
        last_wh: float,
        last_at: datetime,
        wh: float,
        at: datetime,
        session_start: bool,
        begins: bool,
    ) -> Self:
        """Go on from a reading below the last one."""
        if wh > 0 and last_wh - wh <= ROUNDING_WH:
            return self
        # A register that restarted shows all that flowed since; one that fell back to
        # some high value, or too soon, shows nothing that can be counted; nor does one
        # that is read as a session begins: it stood there when it was switched on.
        restarted = (
            not begins
            and wh < last_wh / 2
            and _plausible(wh, at - last_at, margin_wh=STRICT_MARGIN_WH)
        )
        gained = wh if restarted else 0.0
        if self.before_wh is not None and self.since_drop_wh == 0 and gained == 0:
            # It stutters on: where it stood before it fell first is what counts.
            return replace(self, last_wh=wh, last_at=at, suspect_wh=None)
        return replace(
            self,
            counted_wh=self.counted_wh + gained,
            last_wh=wh,
            last_at=at,
            suspect_wh=None,
            before_wh=last_wh,
            before_at=last_at,
            since_drop_wh=gained,
            fell_at_start=session_start,
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """What a reading of the register told of a session: it waits for the receipt."""

    key: tuple[str, int]
    """The transaction's `key`."""
    begin: datetime
    """When the energy before it had flowed, on the wallbox's clock as it runs now."""
    end: datetime
    """When the reading was taken, likewise."""
    before_wh: float
    """What the session had when the flow began, Wh."""
    counted_wh: float
    """What it had when the reading was taken, Wh."""
    late: bool = False
    """Whether a later reading was there already."""


def lifetime(
    count: RegisterCount,
    wh: float,
    at: datetime,
    *,
    session_start: bool = False,
    begins: bool = False,
) -> RegisterCount:
    """Advance the count behind `energy_total`.

    It starts at the register's own value, so that it agrees with the wallbox's display
    where the register is lifetime energy; a first reading of zero says nothing yet,
    and one that comes late is from before the register fell to zero.
    """
    if count.counted_wh > 0:
        return count.advance(wh, at, session_start=session_start, begins=begins)
    first = RegisterCount(
        counted_wh=wh, first_wh=wh, first_at=at, last_wh=wh, last_at=at
    )
    if count.last_wh is None or count.last_at is None or at >= count.last_at:
        return first
    return first.advance(count.last_wh, count.last_at, session_start=True)
