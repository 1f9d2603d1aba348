"""A check of a wallbox: five safe minutes, and what of it is known afterwards.

It only ever lowers: its limits are a cap beside that of the charging brain, which goes
on. Nothing of it is a target, so that nothing is left where it ends, however it ends.
"""

from contextlib import suppress
from dataclasses import replace
from typing import Final

from ..charging.settings import MIN_CURRENT_A
from . import check_limits, check_verdicts as verdicts, enforcement, remote_control
from .check_asking import Asking
from .check_limits import Level, Limits
from .check_log import CheckLog
from .check_pace import REST_S, OverError
from .check_verdicts import Details
from .clock import CLOCKS_AGREE
from .errors import CallFailedError, CommandError
from .findings import CheckResult, Detail, Finding, Lesson, Line, Verdict
from .observation import is_taken, keeps
from .remote_requests import NOISE_A, draws_current
from .state import ChargingState, WallboxState
from .station import Station
from .target import ProfilePurpose

#: The limits that are tried, A; then a pause, and the second of them again.
LEVELS_A: Final = (16.0, 10.0, 6.0)
#: It ends after this in any case, and after this where it reboots, in s: a minute is
#: left to set back what was changed.
DURATION_S: Final = 240.0
DURATION_WITH_REBOOT_S: Final = 480.0
#: How long a limit may take to hold: the first may have to be tried in several ways.
_FIRST_LIMIT_S: Final = 90.0
_LIMIT_S: Final = 30.0
#: How long a wallbox may stay away after it was hung up on, and after a reset, in s.
_RETURN_S: Final = 90.0
_REBOOT_S: Final = 180.0
#: How long after that a queue may come, in s.
_QUEUE_S: Final = 5.0
#: How long the end of a check waits for the limits of before, in s.
_RESTORED_S: Final = 4.0
#: A current is asked for again after this, in s.
_FRESH_S: Final = 2.0


class _ChangedError(Exception):
    """Something else changed the limit."""


class SelfCheck(Asking):
    """One check of one wallbox."""

    def __init__(self, station: Station, *, reboot: bool = False) -> None:
        """Take the wallbox; `reboot`: whether it may be rebooted at the end."""
        super().__init__(station, DURATION_WITH_REBOOT_S if reboot else DURATION_S)
        self._reboot = reboot
        self._log = CheckLog()
        self._levels: list[Level] = []
        self._limits = Limits()
        self._charged = False
        self._paused = False
        self._returned_at: float | None = None

    async def run(self) -> CheckResult:
        """Check. Raises CommandError where the wallbox is not connected."""
        station = self._station
        if station.connection is None:
            raise CommandError("not_connected")
        station.witness = self._log
        over: Detail | None = None
        try:
            await self._walk()
        except OverError as err:
            over = err.reason
        finally:
            station.witness = None
            change = enforcement.checked(station.state.enforcement)
            station.update(replace(station.state, enforcement=change))
            station.check_cap(None)
        with suppress(TimeoutError, CommandError):
            # Whoever stops us, as Home Assistant, may hang up next.
            await station.controller.until(self._is_restored, _RESTORED_S)
        self._judge(over)
        return self._conclude(over)

    def _is_restored(self, state: WallboxState) -> bool:
        """Return whether the wallbox has taken what is to hold without the check."""
        taken = is_taken(state.enforcement, self._now)
        return taken or state.enforcement.unable or self._in_vain

    async def _walk(self) -> None:
        """Take one step after the other."""
        await self._rest()
        await self._ask()
        await self._try_light()
        await self._try_availability()
        await self._try_limits()
        await self._reconnect()
        if self._reboot:
            await self._restart()

    # Limits

    async def _try_limits(self) -> None:
        """Try limits, a pause, and a limit while paused."""
        state = self._state
        if state.smart_charging is False or state.enforcement.unable:
            self._reasons[Line.LIMITS] = Detail.NO_LIMITS
            return
        for amps in LEVELS_A:
            await self._level(amps)
            if self._in_vain:
                return
        if self._levels and not self._levels[0].held:
            self._station.check_cap(None)
            return
        if not self._charges:
            self._station.check_cap(None)
        elif self._state.enforcement.tx_profile is None:  # it might stay paused
            await self._level(0.0)
            if self._state.active is not None and self._paused:
                await self._level(LEVELS_A[1], resumes=True)
        self._station.check_cap(None)
        await self._until(lambda: self._holds, _LIMIT_S)

    @property
    def _in_vain(self) -> bool:
        """Whether it refuses all limits."""
        state = self._state.enforcement
        return state.unable or (not state.accepted and state.retry_at is not None)

    @property
    def _holds(self) -> bool:
        """Whether what is wished for now is confirmed."""
        state = self._state.enforcement
        return state.holds and state.unheld_since is None and is_taken(state, self._now)

    @property
    def _charges(self) -> bool:
        """Whether energy flows, as far as that can be told."""
        state = self._state
        return state.charging_state is ChargingState.CHARGING or draws_current(state)

    @property
    def _allowed_a(self) -> float:
        """How much is allowed beside the check, A."""
        state, now = self._state, self._now
        if state.target.unreadable:
            return 0.0
        limits = state.target.limits(self._station.config.max_current)
        allowed = limits.limit_at(now)
        return allowed if state.cap_a is None else min(allowed, state.cap_a)

    async def _level(self, amps: float, *, resumes: bool = False) -> None:
        """Try one limit; where something else changes it, once more."""
        for again in (False, True):
            if self._allowed_a <= max(amps, MIN_CURRENT_A - 1):
                self._reasons.setdefault(Line.LIMITS, Detail.LIMIT_LOWER)
                return
            try:
                level = await self._hold(amps, resumes=resumes)
            except _ChangedError:
                self._station.check_cap(None)  # or it would be there already
                await self._until(lambda: self._holds, _LIMIT_S)
            else:
                self._levels.append(replace(level, again=again))
                return
        self._reasons[Line.LIMITS] = Detail.CHANGED

    async def _hold(self, amps: float, *, resumes: bool) -> Level:
        """Have a limit hold. Raises _ChangedError."""
        since = self._now
        metered = self._charges or resumes
        self._charged = self._charged or metered
        if not self._levels:
            change = enforcement.relearning(self._state.enforcement)
            self._station.update(replace(self._state, enforcement=change))
        self._station.check_cap(amps)
        boots = self._log.count("BootNotification")
        patience = _LIMIT_S if self._levels else _FIRST_LIMIT_S
        followed_at: float | None = None
        while (now := self._now) < since + patience:
            setpoint = self._state.enforcement.setpoint
            booted = self._log.count("BootNotification") > boots
            if booted or setpoint is None or setpoint.amps != amps:
                raise _ChangedError
            if followed_at is None:
                followed_at = self._followed_at(amps, since, resumes=resumes)
            if self._in_vain:
                break
            if self._holds and (followed_at is not None or not metered):
                break
            if metered:
                await self._ask_current(now)
            await self._pause()
        if amps == 0:
            self._paused = followed_at is not None
        return Level(
            amps=amps,
            since=since,
            until=self._now,
            followed_at=followed_at,
            metered=metered and self._state.current_heard_at is not None,
            after=self._state.enforcement,
        )

    def _followed_at(self, amps: float, since: float, *, resumes: bool) -> float | None:
        """Return when a current was measured that keeps a limit; None: not yet."""
        state = self._state
        current, heard_at = state.current, state.current_heard_at
        if current is None or heard_at is None or heard_at <= since:
            return None
        if resumes and current <= NOISE_A:
            return None
        return heard_at if keeps(current, amps) else None

    async def _ask_current(self, now: float) -> None:
        """Ask for the current, where it was not told just now."""
        heard_at = self._state.current_heard_at
        if heard_at is None or now - heard_at >= _FRESH_S:
            with suppress(CallFailedError):
                await self._connection.readings.ask()

    # A reconnect, a restart

    async def _reconnect(self) -> None:
        """Hang up, and see how it comes back."""
        self._reasons[Line.CONNECTION] = Detail.AWAY
        self._connection.close("a check of the connection")
        if not await self._return(_RETURN_S):
            self._found[Line.CONNECTION] = (Detail.STAYED_AWAY,)
            raise OverError(Detail.AWAY)
        self._found[Line.CONNECTION] = ()

    async def _return(self, patience_s: float) -> bool:
        """Wait until it is back, and has said what it has to say."""
        station = self._station
        before = station.attached_at
        self._returning = True
        try:
            if not await self._until(
                lambda: station.connection is not None and station.attached_at > before,
                patience_s,
            ):
                return False
            self._returned_at = station.attached_at
            await self._pause(_QUEUE_S)
            await self._until(
                lambda: station.connection is not None and station.connection.at_rest,
                REST_S,
            )
        finally:
            self._returning = False
        self._look()
        return True

    async def _restart(self) -> None:
        """Reboot it, and see what that changes."""
        log, self._log = self._log, CheckLog()
        self._judge_log(log)
        session, self._session = self._session, None
        self._station.witness = self._log
        before = self._state.transaction
        try:
            await remote_control.reboot(self._station)
        except CommandError:
            return
        await self._return(_REBOOT_S)
        after = self._state.transaction
        found = list(self._found.get(Line.REGISTER) or ())
        found += (
            verdicts.register(CheckLog(messages=log.messages + self._log.messages))
            or ()
        )
        self._found[Line.REGISTER] = tuple(dict.fromkeys(found))
        if session is None or before is None or after is None:
            return
        if after.id == before.id and after.key != before.key:
            known = self._found.get(Line.SESSIONS) or ()
            self._found[Line.SESSIONS] = (*known, Detail.IDS_RESTART)

    # What is said of it

    def _judge(self, over: Detail | None) -> None:
        """Judge what was said, unless that was done before a reboot."""
        if Line.ANSWERS not in self._found:
            self._judge_log(self._log)

    def _judge_log(self, log: CheckLog) -> None:
        """Judge what was said."""
        state, session = self._state, self._session
        unmetered = self._charged and not verdicts.tells_current(log)
        told: dict[Line, Details] = {
            Line.METERING: verdicts.metering(
                log, session=session is not None, unmetered=unmetered
            ),
            Line.IDENTITY: verdicts.identity(log),
            Line.PHASELESS_CURRENT: verdicts.phaseless_current(log),
            Line.REGISTER: verdicts.register(log),
            Line.ANSWERS: verdicts.answers(log),
            Line.RESPONSIVE: verdicts.responsive(log),
            Line.FRAMES: (Detail.BAD_FRAMES,) if log.faults else (),
            Line.SMART_CHARGING: check_limits.takes_limits(log, state.enforcement),
        }
        if state.smart_charging is False:
            told[Line.SMART_CHARGING] = (Detail.NO_SMART_CHARGING,)
        shown = state.clock.shows(self._station.now())
        if shown is not None:
            off = abs(shown - self._station.now().wall) > CLOCKS_AGREE
            told[Line.CLOCK] = (Detail.CLOCK_OFF,) if off else ()
        if session is None:
            self._reasons |= dict.fromkeys((Line.SESSIONS, Line.QUEUE), Detail.NO_CAR)
        else:
            told[Line.SESSIONS] = verdicts.sessions(
                log, session[0], paused=self._paused
            )
            self._reasons[Line.QUEUE] = Detail.NOTHING_QUEUED
            if self._returned_at is not None:
                told[Line.QUEUE] = verdicts.queue(log, session[0])
        self._found |= told
        boots = verdicts.boots(log, self._returned_at)
        if boots:
            self._found[Line.CONNECTION] = (
                *(self._found.get(Line.CONNECTION) or ()),
                *boots,
            )
        self._judge_limits(log)

    def _judge_limits(self, log: CheckLog) -> None:
        """Judge what it made of limits."""
        restart = Line.LIMIT_AFTER_RESTART
        if self._returned_at is not None:
            refused = check_limits.refused_after(log, self._returned_at)
            if refused is not None:
                self._found[restart] = (Detail.DEFAULT_REFUSED,) if refused else ()
        if self._found.get(Line.SMART_CHARGING):
            self._found.pop(restart, None)
            self._reasons[Line.LIMITS] = self._reasons[restart] = Detail.NO_LIMITS
            return
        if not self._levels:
            return
        self._limits = limits = check_limits.limits(log, self._levels)
        details = limits.details
        if limits.refused_at is not None and restart not in self._found:
            details = (*details, Detail.DEFAULT_REFUSED)
        if self._paused and self._levels[-1].amps != 0 and not self._levels[-1].held:
            details = (*details, Detail.STAYED_PAUSED)
        self._found[Line.LIMITS] = details

    def _conclude(self, over: Detail | None) -> CheckResult:
        """Return what was found."""
        findings = [self._finding(line, over) for line in Line]
        return CheckResult(
            at=self._station.clock(),
            firmware_version=self._state.identity.firmware_version,
            findings=tuple(findings),
            lesson=self._lesson(),
        )

    def _lesson(self) -> Lesson:
        """Return what the control loop begins with; what was not tried stays."""
        lesson, limits = self._state.lesson, self._limits
        metering = self._found.get(Line.METERING)
        if metering is not None:
            alone = {Detail.SETTINGS_REFUSED, Detail.EVENTS_WITHOUT_VALUES}
            lesson = replace(lesson, polled=not alone.isdisjoint(metering))
        if limits.holding is None:
            return lesson
        purpose, kind = limits.holding
        if purpose is ProfilePurpose.TX:  # never to begin with
            return lesson
        ignored = Detail.DEFAULT_IGNORED in limits.details
        fails = ignored and purpose is ProfilePurpose.STATION_MAX
        return replace(lesson, kind=kind, default_fails=fails)

    def _finding(self, line: Line, over: Detail | None) -> Finding:
        """Return what is said of a line."""
        details = self._found.get(line)
        if details is not None:
            verdict = Verdict.DIFFERS if details else Verdict.AS_EXPECTED
            return Finding(line=line, verdict=verdict, details=details)
        reason = self._reasons.get(line) or over or Detail.NOT_TOLD
        return Finding(line=line, verdict=Verdict.NOT_TRIED, details=(reason,))
