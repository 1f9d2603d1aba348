"""A check of a wallbox: five safe minutes, and what of it is known afterwards.

It only ever lowers: its limits are a cap beside that of the charging brain, which goes
on. Nothing of it is a target, so that nothing is left where it ends, however it ends.
"""

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from typing import Final

from ocpp.v201 import call, call_result
from ocpp.v201.datatypes import (
    ComponentType,
    EVSEType,
    GetVariableDataType,
    SetVariableDataType,
    VariableType,
)
from ocpp.v201.enums import MessageTriggerEnumType, OperationalStatusEnumType

from ..charging.settings import MIN_CURRENT_A
from . import check_verdicts as verdicts, enforcement, remote_control
from .availability import brightness_call
from .calls import LiveConnection
from .check_log import CheckLog
from .check_verdicts import Details, Level, Limits
from .clock import CLOCKS_AGREE
from .device_model import parse_variables
from .errors import CallFailedError, CommandError
from .findings import CheckResult, Detail, Finding, Lesson, Line, Verdict
from .observation import is_taken, keeps
from .remote_requests import NOISE_A, draws_current
from .state import ChargingState, ConnectorStatus, WallboxState
from .station import Station
from .target import ProfilePurpose

#: The limits that are tried, A; then a pause, and the second of them again.
LEVELS_A: Final = (16.0, 10.0, 6.0)
#: It ends after this in any case, and after this where it reboots, in s.
DURATION_S: Final = 240.0
DURATION_WITH_REBOOT_S: Final = 480.0
#: How long a limit may take to hold: the first may have to be tried in several ways.
_FIRST_LIMIT_S: Final = 50.0
_LIMIT_S: Final = 30.0
#: How long a wallbox may stay away after it was hung up on, and after a reset, in s.
_RETURN_S: Final = 90.0
_REBOOT_S: Final = 180.0
#: How long after that a queue may come, in s.
_QUEUE_S: Final = 5.0
#: How long a message may take that was asked for, in s.
_MESSAGE_S: Final = 3.0
#: How long it may take until nothing is being asked any more, in s.
_REST_S: Final = 60.0
#: So many calls in a row are not answered before the check ends.
_LOSSES: Final = 3
#: A current is asked for again after this, in s.
_FRESH_S: Final = 2.0
_STEP_S: Final = 1.0
#: By how much the light is changed for a moment, in %.
_LIGHT_STEP: Final = 10
_STATION: Final = ComponentType(name="ChargingStation")
_ASKED: Final = (
    (_STATION, "Model"),
    (_STATION, "VendorName"),
    (_STATION, "FirmwareVersion"),
    (ComponentType(name="SampledDataCtrlr"), "TxUpdatedMeasurands"),
    (ComponentType(name="SampledDataCtrlr"), "TxUpdatedInterval"),
    (ComponentType(name="AlignedDataCtrlr"), "Measurands"),
)
#: What cannot be tried within five minutes without harm, and why.
_NEVER: Final = {
    Line.SESSION_LIMIT: Detail.HARMS_SESSION,
    Line.PROFILE_IDS: Detail.NOT_NEEDED,
    Line.SESSION_PROFILE: Detail.HARMS_SESSION,
    Line.START_AFTER_STOP: Detail.SESSION_RUNS,
}


class _OverError(Exception):
    """The check ends before its end; `reason` says why."""

    def __init__(self, reason: Detail) -> None:
        super().__init__(reason)
        self.reason = reason


class _ChangedError(Exception):
    """Something else changed the limit."""


class SelfCheck:
    """One check of one wallbox."""

    def __init__(self, station: Station, *, reboot: bool = False) -> None:
        """Take the wallbox; `reboot`: whether it may be rebooted at the end."""
        self._station = station
        self._reboot = reboot
        self._log = CheckLog()
        self._found: dict[Line, Details] = {}
        self._reasons: dict[Line, Detail] = dict(_NEVER)
        self._levels: list[Level] = []
        self._limits = Limits()
        self._stopped = False
        self._wake: asyncio.Event | None = None
        self._deadline = 0.0
        self._losses = 0
        self._session: tuple[str, int] | None = None
        self._charged = False
        self._paused = False
        self._returned_at: float | None = None
        self._returning = False

    def stop(self) -> None:
        """End it; what is known by then is its result."""
        self._stopped = True
        if self._wake is not None:
            self._wake.set()

    async def run(self) -> CheckResult:
        """Check. Raises CommandError where the wallbox is not connected."""
        station = self._station
        if station.connection is None:
            raise CommandError("not_connected")
        state = station.state
        duration = DURATION_WITH_REBOOT_S if self._reboot else DURATION_S
        self._deadline = self._now + duration
        self._session = None if state.active is None else state.active.key
        station.witness = self._log
        over: Detail | None = None
        try:
            await self._walk()
        except _OverError as err:
            over = err.reason
        finally:
            station.witness = None
            change = enforcement.checked(station.state.enforcement)
            station.update(replace(station.state, enforcement=change))
            station.check_cap(None)
        self._judge(over)
        return self._conclude(over)

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

    # Waiting

    @property
    def _now(self) -> float:
        return self._station.now().steady

    @property
    def _state(self) -> WallboxState:
        return self._station.state

    async def _pause(self, seconds: float = _STEP_S) -> None:
        """Let time pass. Raises _OverError where the check is to end."""
        wake = self._wake = asyncio.Event()
        cancel = self._station.call_later(seconds, wake.set)
        try:
            if not self._stopped:
                await wake.wait()
        finally:
            cancel()
        self._look()

    def _look(self) -> None:
        """Raise _OverError where the check is to end."""
        if self._stopped:
            raise _OverError(Detail.STOPPED)
        if self._now >= self._deadline:
            raise _OverError(Detail.TIME)
        if self._losses >= _LOSSES:
            raise _OverError(Detail.UNANSWERED)
        if self._returning:
            return
        if self._station.connection is None:
            raise _OverError(Detail.AWAY)
        active = self._state.active
        if self._session is not None and (
            active is None or active.key != self._session
        ):
            raise _OverError(Detail.CAR_GONE)

    async def _until(self, done: Callable[[], bool], patience_s: float) -> bool:
        """Wait until something is so, and return whether it is."""
        end = self._now + patience_s
        while not done():
            if self._now >= end:
                return False
            await self._pause(min(_STEP_S, max(end - self._now, 0.1)))
        return True

    async def _rest(self) -> None:
        """Wait until nothing else is being asked."""
        await self._until(lambda: self._connection.at_rest, _REST_S)

    @property
    def _connection(self) -> LiveConnection:
        connection = self._station.connection
        if connection is None:
            raise _OverError(Detail.AWAY)
        return connection

    async def _call[A](self, payload: object, answer: Callable[..., A]) -> A | None:
        """Make a call; None: it had no success."""
        self._look()
        try:
            result = await self._connection.request(payload, answer)
        except CallFailedError as err:
            self._losses = 0 if err.answered else self._losses + 1
            self._look()
            return None
        self._losses = 0
        self._look()
        return result

    # What can be asked at any time

    async def _ask(self) -> None:
        """Ask who it is, and whether it takes what metering needs."""
        data = [
            GetVariableDataType(component=component, variable=VariableType(name=name))
            for component, name in _ASKED
        ]
        found: dict[tuple[str, str], str] = {}
        answer = await self._call(
            call.GetVariables(get_variable_data=data), call_result.GetVariables
        )
        results = [] if answer is None else answer.get_variable_result
        if all(each["attribute_status"] == "Rejected" for each in results):
            for item in data:
                answer = await self._call(
                    call.GetVariables(get_variable_data=[item]),
                    call_result.GetVariables,
                )
                if answer is not None:
                    found |= parse_variables(answer.get_variable_result)
        else:
            found = parse_variables(results)
        for component, name in _ASKED[3:]:
            # What it is set to already: that changes nothing, but it may be refused.
            if (value := found.get((component.name, name))) and not self._losses:
                await self._write(component, name, value)
        await self._trigger(MessageTriggerEnumType.status_notification, connector=1)
        await self._trigger(MessageTriggerEnumType.meter_values)
        if self._session is not None:
            await self._trigger(MessageTriggerEnumType.transaction_event)
        await self._pause(_MESSAGE_S)

    async def _write(self, component: ComponentType, name: str, value: str) -> None:
        """Write a variable."""
        await self._call(
            call.SetVariables(
                set_variable_data=[
                    SetVariableDataType(
                        component=component,
                        variable=VariableType(name=name),
                        attribute_value=value,
                    )
                ]
            ),
            call_result.SetVariables,
        )

    async def _trigger(
        self, message: MessageTriggerEnumType, connector: int | None = None
    ) -> None:
        """Request a message."""
        await self._call(
            call.TriggerMessage(
                requested_message=message,
                evse=EVSEType(id=1, connector_id=connector),
            ),
            call_result.TriggerMessage,
        )

    async def _try_light(self) -> None:
        """Change the light a little, and set it back."""
        light = self._state.light
        if light is None:
            known = self._state.surveyed
            self._found[Line.LIGHT] = (Detail.NO_LIGHT,) if known else None
            return
        before = light.brightness
        other = (
            before - _LIGHT_STEP if before >= 2 * _LIGHT_STEP else before + _LIGHT_STEP
        )
        self._reasons[Line.LIGHT] = Detail.UNANSWERED
        try:
            answer = await self._call(
                brightness_call(other, light), call_result.SetVariables
            )
            if answer is not None:
                status = answer.set_variable_result[0]["attribute_status"]
                taken = status in ("Accepted", "RebootRequired")
                self._found[Line.LIGHT] = () if taken else (Detail.LIGHT_REFUSED,)
                if not taken:
                    return
        finally:
            if self._found.get(Line.LIGHT) != (Detail.LIGHT_REFUSED,):
                payload = brightness_call(before, light)
                await self._restore(payload, call_result.SetVariables)

    async def _try_availability(self) -> None:
        """Take it out of service for a moment, where nothing is going on."""
        state, line = self._state, Line.AVAILABILITY
        if state.active is not None or state.cable_connected:
            self._reasons[line] = Detail.SESSION_RUNS
            return
        if not state.operative or state.target.operative is False:
            self._reasons[line] = Detail.OUT_OF_SERVICE
            return
        self._reasons[line] = Detail.UNANSWERED
        try:
            answer = await self._call(
                _availability(operative=False), call_result.ChangeAvailability
            )
            if answer is not None:
                taken = answer.status == "Accepted" and await self._until(
                    lambda: self._state.connector_status is ConnectorStatus.UNAVAILABLE,
                    _MESSAGE_S,
                )
                self._found[line] = () if taken else (Detail.AVAILABILITY_REFUSED,)
        finally:
            payload = _availability(operative=True)
            await self._restore(payload, call_result.ChangeAvailability)
        await self._until(lambda: self._state.operative is True, _MESSAGE_S)

    async def _restore(self, payload: object, answer: Callable[..., object]) -> None:
        """Set back what was changed, whatever happened; once it is back, if it went.

        Where Home Assistant stops, this is asked before the connection is closed.
        """
        end = self._now + _RETURN_S
        while self._now < end:
            connection = self._station.connection
            if connection is not None:
                try:
                    await connection.request(payload, answer)
                except CallFailedError as err:
                    if err.answered:
                        return
                else:
                    return
            passed = asyncio.Event()
            cancel = self._station.call_later(_STEP_S, passed.set)
            try:
                await passed.wait()
            finally:
                cancel()

    # Limits

    async def _try_limits(self) -> None:
        """Try limits, a pause, and a limit while paused."""
        state = self._state
        if state.smart_charging is False or state.enforcement.unable:
            self._reasons[Line.LIMITS] = Detail.NO_LIMITS
            return
        change = enforcement.relearning(state.enforcement)
        self._station.update(replace(state, enforcement=change), look=True)
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
        for _ in range(2):
            if self._allowed_a <= max(amps, MIN_CURRENT_A - 1):
                self._reasons.setdefault(Line.LIMITS, Detail.LIMIT_LOWER)
                return
            try:
                self._levels.append(await self._hold(amps, resumes=resumes))
            except _ChangedError:
                continue
            return
        self._reasons[Line.LIMITS] = Detail.CHANGED

    async def _hold(self, amps: float, *, resumes: bool) -> Level:
        """Have a limit hold. Raises _ChangedError."""
        since = self._now
        metered = self._charges or resumes
        self._charged = self._charged or metered
        self._station.check_cap(amps)
        patience = _LIMIT_S if self._levels else _FIRST_LIMIT_S
        followed_at: float | None = None
        while (now := self._now) < since + patience:
            setpoint = self._state.enforcement.setpoint
            if setpoint is None or setpoint.amps != amps:
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
            raise _OverError(Detail.AWAY)
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
                _REST_S,
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
        unmetered = self._charged and state.current_heard_at is None
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
            Line.SMART_CHARGING: verdicts.takes_limits(log, state.enforcement),
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
            refused = verdicts.refused_after(log, self._returned_at)
            if refused is not None:
                self._found[restart] = (Detail.DEFAULT_REFUSED,) if refused else ()
        if self._found.get(Line.SMART_CHARGING):
            self._found.pop(restart, None)
            self._reasons[Line.LIMITS] = self._reasons[restart] = Detail.NO_LIMITS
            return
        if not self._levels:
            return
        self._limits = limits = verdicts.limits(log, self._levels)
        details = limits.details
        if limits.refused_at is not None and restart not in self._found:
            details = (*details, Detail.DEFAULT_REFUSED)
        if self._paused and self._levels[-1].amps != 0 and not self._levels[-1].held:
            details = (*details, Detail.STAYED_PAUSED)
        self._found[Line.LIMITS] = details

    def _conclude(self, over: Detail | None) -> CheckResult:
        """Return what was found."""
        findings = [self._finding(line, over) for line in Line]
        holding = self._limits.holding
        metering = self._found.get(Line.METERING) or ()
        ignored = Detail.DEFAULT_IGNORED in self._limits.details
        lesson = Lesson(
            kind=None
            if holding is None or holding[0] is ProfilePurpose.TX
            else holding[1],
            default_fails=ignored
            and holding is not None
            and holding[0] is ProfilePurpose.STATION_MAX,
            polled=bool(
                {Detail.SETTINGS_REFUSED, Detail.EVENTS_WITHOUT_VALUES} & {*metering}
            ),
        )
        return CheckResult(
            at=self._station.clock(),
            firmware_version=self._state.identity.firmware_version,
            findings=tuple(findings),
            lesson=lesson,
        )

    def _finding(self, line: Line, over: Detail | None) -> Finding:
        """Return what is said of a line."""
        details = self._found.get(line)
        if details is not None:
            verdict = Verdict.DIFFERS if details else Verdict.AS_EXPECTED
            return Finding(line=line, verdict=verdict, details=details)
        reason = self._reasons.get(line) or over or Detail.NOT_TOLD
        return Finding(line=line, verdict=Verdict.NOT_TRIED, details=(reason,))


def _availability(*, operative: bool) -> call.ChangeAvailability:
    """Write a request to go in or out of service."""
    status = (
        OperationalStatusEnumType.operative
        if operative
        else OperationalStatusEnumType.inoperative
    )
    return call.ChangeAvailability(operational_status=status)


def differing(findings: Iterable[Finding]) -> frozenset[tuple[Line, Detail]]:
    """Return all that is different, each with its line."""
    return frozenset(
        (finding.line, detail)
        for finding in findings
        if finding.verdict is Verdict.DIFFERS
        for detail in finding.details
    )
