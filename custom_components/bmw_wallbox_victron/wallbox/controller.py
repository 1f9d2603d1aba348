"""Makes the wallbox do what is wished: runs `control` on a connection."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
import logging
from typing import TYPE_CHECKING, Any, Final

from ocpp.v201 import call
from ocpp.v201.datatypes import (
    ChargingProfileType,
    ChargingSchedulePeriodType,
    ChargingScheduleType,
    ComponentType,
    EVSEType,
    SetVariableDataType,
    VariableType,
)
from ocpp.v201.enums import (
    ChargingProfileKindEnumType,
    ChargingProfilePurposeEnumType,
    ChargingRateUnitEnumType,
    MessageTriggerEnumType,
    OperationalStatusEnumType,
    ResetEnumType,
)

from . import control
from .calls import LiveConnection
from .control import (
    AskComposite,
    AskReading,
    Call,
    Outcome,
    Plan,
    Reboot,
    SetLimit,
    Step,
    Wait,
    Way,
)
from .errors import CallFailedError, CommandError, log_bug
from .state import WallboxState

if TYPE_CHECKING:
    from .station import Station

_LOGGER = logging.getLogger(__name__)

#: Calls back after so many seconds; what it gives cancels that.
type CallLater = Callable[[float, Callable[[], None]], Callable[[], None]]
#: What is no limit: a field of `Wish`, what is wished, and what is reported.
type _Key = tuple[str, int, int]

#: The ids of our profiles. One for a transaction needs an id that was never used.
PROFILE_IDS: Final = {Way.DEFAULT: 1, Way.STATION: 2}
#: A box has one EVSE; a profile for the whole station is for EVSE 0 (K01).
_EVSE: Final = {Way.DEFAULT: 1, Way.STATION: 0, Way.TRANSACTION: 1}
#: How far the composite schedule is asked for, in s: only the present counts.
_HORIZON_S: Final = 60
_NOMINAL_V: Final = 230
#: So much of a reason is kept, in characters.
_MAX_REASON: Final = 200
#: How much earlier than its first period a schedule begins.
_HEAD_START: Final = timedelta(hours=12)
#: No clock stands before this.
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
#: The sentences about what is no limit.
_REFUSED: Final = {
    "led_brightness": "led_brightness_refused",
    "operative": "operative_refused",
}
#: A message may have been on its way for so long.
_ON_THE_WAY: Final = timedelta(seconds=2)
#: What goes on the wire, of all that `control` names.
_CALLS: Final = (SetLimit, AskComposite, AskReading, Reboot)


def composite_limit(schedule: Mapping[str, Any] | None) -> float | None:
    """Read the limit of this moment from a CompositeScheduleType, in A."""
    if schedule is None:
        return None
    first = min(
        schedule["charging_schedule_period"], key=lambda period: period["start_period"]
    )
    limit: float = first["limit"]
    if schedule["charging_rate_unit"] == "W":
        limit /= _NOMINAL_V * first.get("number_phases", 3)
    return limit


def refusal(answer: Any) -> str:
    """Give the reason of an answer that is not Accepted, in the wallbox's words.

    It is shown and logged: one line, not too long, and nothing that is no text.
    """
    info = getattr(answer, "status_info", None) or {}
    parts = (answer.status, info.get("reason_code"), info.get("additional_info"))
    words = ", ".join(str(part) for part in parts if part)
    text = "".join(each if each.isprintable() else " " for each in words)
    return " ".join(text.split())[:_MAX_REASON]


class Controller:
    """Compares what is wished with what the wallbox does, and closes the difference."""

    def __init__(self, station: Station, call_later: CallLater) -> None:
        """Take the station. `call_later` is the clock's alarm."""
        self._station = station
        self._call_later = call_later
        self._ready = False
        self._step: Step = None
        self._sent: Call | None = None
        self._chore_sent: _Key | None = None
        self._task: asyncio.Task[None] | None = None
        self._alarm: Callable[[], None] | None = None
        self._waiting: list[tuple[Callable[[], bool], asyncio.Future[None]]] = []
        self._asked: set[_Key] = set()
        self._refusals: dict[_Key, str] = {}

    # What happens

    @property
    def busy(self) -> bool:
        """Whether something is being asked."""
        return self._task is not None and not self._task.done()

    def connected(self, link: LiveConnection) -> None:
        """Begin: the wallbox may be asked from now on, and may have forgotten all.

        A connection that was replaced meanwhile has no say.
        """
        if self._station.link is not link:
            return
        self._ready = True
        self._asked.clear()
        self._refusals.clear()
        self._change(control.ready)

    def disconnected(self) -> None:
        """Stop until it is back."""
        self._ready = False
        self._change(control.disconnected)

    def restart(self) -> None:
        """Put everything to the wallbox again: its profiles were cleared."""
        self._change(control.ready)

    def recheck(self) -> None:
        """Have confirmed anew what the wallbox enforces."""
        self._change(control.recheck)

    def close(self) -> None:
        """Stop for good; the connections are closed already."""
        self._cancel_alarm()

    @property
    def _link(self) -> LiveConnection | None:
        """The live connection, once the wallbox may be asked on it."""
        return self._station.link if self._ready else None

    def look(self, state: WallboxState) -> WallboxState:
        """Bring `enforcement` up to date with everything else, and name the next step.

        Part of every change of the station's state, so it calls nobody.
        """
        station = self._station
        enforcement, self._step = control.advance(
            state.enforcement,
            state.wish.plan(station.config.max_current),
            state.situation,
            station.clock(),
            allow_reboot=station.config.allow_reboot,
        )
        return replace(state, enforcement=enforcement)

    def act(self) -> None:
        """Do what `look` has found."""
        self._cancel_alarm()
        if isinstance(self._step, Wait):
            delay = (self._step.until - self._station.clock()).total_seconds()
            self._alarm = self._call_later(max(delay, 0), self._ring)
        if self._link is not None and not self.busy and self._has_work():
            self._task = asyncio.create_task(self._work(self._link))
            self._task.add_done_callback(self._finished)
        self._notify()

    def _finished(self, task: asyncio.Task[None]) -> None:
        """Go on with a connection that came meanwhile; a bug stops until then."""
        if task.cancelled():
            return
        if (err := task.exception()) is not None:
            log_bug(err)
        elif self._link is not None:
            self._change(lambda enforcement: enforcement)

    def _ring(self) -> None:
        """Look again, because time has passed."""
        self._alarm = None
        self._change(lambda enforcement: enforcement)

    def _cancel_alarm(self) -> None:
        if self._alarm is not None:
            self._alarm()
            self._alarm = None

    def _change(
        self, transition: Callable[[control.Enforcement], control.Enforcement]
    ) -> None:
        """Apply a transition, and go on from there."""
        state = self._station.state
        self._station.update(
            replace(state, enforcement=transition(state.enforcement)), look=True
        )

    # What is wished

    async def wish(self, **changes: Any) -> None:
        """Change the wish and wait for the wallbox's answer to it.

        The wish stands, whatever the answer; where the wallbox is away, it is told when
        it comes back. A newer wish ends the wait. Raises CommandError.
        """
        station = self._station
        self._asked = {key for key in self._asked if key[0] not in changes}
        wish = replace(station.state.wish, **changes)
        station.update(replace(station.state, wish=wish), look=True)
        if station.link is None:
            return
        plan = wish.plan(station.config.max_current)
        if changes.keys() & _REFUSED.keys():
            await self._until(lambda: self._chore_done(changes))
        else:
            await self._until(lambda: self._limit_done(plan))

    async def until(
        self, done: Callable[[WallboxState], bool], patience_s: int
    ) -> None:
        """Wait until the wallbox's state is as asked for.

        Raises TimeoutError, or CommandError where the connection is lost.
        """
        async with asyncio.timeout(patience_s):
            await self._until(lambda: done(self._station.state))

    async def _until(self, done: Callable[[], bool]) -> None:
        """Wait until `done`, which is asked after each change; it may raise."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        entry = (done, future)
        self._waiting.append(entry)
        try:
            self._notify()
            await future
        finally:
            self._waiting.remove(entry)

    def _notify(self) -> None:
        """End the waits that are over."""
        for done, future in tuple(self._waiting):
            if future.done():
                continue
            try:
                if done():
                    future.set_result(None)
                elif self._station.link is None:
                    future.set_exception(CommandError("connection_lost"))
            except CommandError as err:
                future.set_exception(err)

    def _limit_done(self, plan: Plan) -> bool:
        """Tell whether the wallbox has accepted a plan; raise where it refuses."""
        state = self._station.state
        if state.wish.plan(self._station.config.max_current) != plan:
            return True  # there is a newer wish
        enforcement = state.enforcement
        if enforcement.plan == plan and plan in enforcement.accepted.values():
            return True
        if enforcement.failing and enforcement.retry_at is not None:
            raise CommandError("limit_refused", reason=enforcement.refusal or "-")
        return False

    def _chore_done(self, changes: Mapping[str, Any]) -> bool:
        """Tell whether these were asked for; raise where the wallbox refused."""
        wish = self._station.state.wish
        for name, value in changes.items():
            if getattr(wish, name) != value:
                return True  # there is a newer wish
            for key, reason in self._refusals.items():
                if key[:2] == (name, value) and key in self._asked:
                    raise CommandError(_REFUSED[name], reason=reason)
        unanswered = [key for key, _ in self._chores()]
        if self._chore_sent is not None:
            unanswered.append(self._chore_sent)
        return not any(key[0] in changes for key in unanswered)

    # What is done about it

    def _has_work(self) -> bool:
        """Tell whether there is something to ask, and somebody to ask."""
        if self._link is None or self._link.closed:
            return False
        return isinstance(self._step, _CALLS) or bool(self._chores())

    async def _work(self, link: LiveConnection) -> None:
        """Make the calls, until nothing is left to do."""
        while self._link is link and self._has_work():
            try:
                answer = await link.request_late(self._choose)
            except CallFailedError as err:
                answer = err
            if self._chore_sent is not None:
                self._take_chore(self._chore_sent, answer)
            elif self._sent is not None:
                self._take(self._sent, answer)

    def _choose(self) -> Any:
        """Decide when the turn has come, because the newest wish counts.

        Gives the payload of what is to be done now; None where nothing is.
        """
        station = self._station
        # Time has passed since the last look.
        state = self.look(station.state)
        if isinstance(self._step, _CALLS):
            self._sent = self._step
            now = station.clock()
            enforcement = control.sent(state.enforcement, self._sent, now)
            station.update(replace(state, enforcement=enforcement))
            return _payload(self._sent, now, _behind(station.state))
        for key, payload in self._chores():
            self._asked.add(key)
            self._refusals.pop(key, None)
            self._chore_sent = key
            return payload
        return None

    def _take(self, sent: Call, answer: Any) -> None:
        """Take the answer to a call of the limit's."""
        self._sent = None
        outcome, reason, composite = Outcome.ACCEPTED, None, None
        if isinstance(answer, CallFailedError):
            outcome = Outcome.REFUSED if answer.answered else Outcome.LOST
            reason = answer.reason
        elif answer.status != "Accepted":
            outcome, reason = Outcome.REFUSED, refusal(answer)
        elif isinstance(sent, AskComposite):
            composite = composite_limit(answer.schedule)
        if reason is not None:
            _LOGGER.debug(
                "Wallbox %s: %s: %s", self._station.config.charge_point_id, sent, reason
            )
        now = self._station.clock()
        self._change(
            lambda enforcement: control.answered(
                enforcement,
                sent,
                outcome,
                now,
                composite_a=composite,
                refusal=reason,
            )
        )

    def _chores(self) -> list[tuple[_Key, Any]]:
        """List what else is wished and not so: the light, the availability."""
        state = self._station.state
        wish, light = state.wish, state.light
        chores: list[tuple[_Key, Any]] = []
        if wish.led_brightness is not None and light is not None:
            chores.append(
                (
                    ("led_brightness", wish.led_brightness, light.brightness),
                    call.SetVariables(
                        set_variable_data=[
                            SetVariableDataType(
                                component=ComponentType(name=light.component),
                                variable=VariableType(name=light.variable),
                                attribute_value=str(wish.led_brightness),
                            )
                        ]
                    ),
                )
            )
        if wish.operative is not None and state.operative is not None:
            status = (
                OperationalStatusEnumType.operative
                if wish.operative
                else OperationalStatusEnumType.inoperative
            )
            chores.append(
                (
                    ("operative", wish.operative, state.operative),
                    call.ChangeAvailability(operational_status=status),
                )
            )
        return [
            (key, payload)
            for key, payload in chores
            if key[1] != key[2] and key not in self._asked
        ]

    def _take_chore(self, key: _Key, answer: Any) -> None:
        """Take the answer to what is no limit."""
        self._chore_sent = None
        reason = None
        state = self._station.state
        if isinstance(answer, CallFailedError):
            reason = answer.reason
        elif key[0] == "operative":
            if answer.status == "Rejected":
                reason = refusal(answer)
        else:
            result = answer.set_variable_result[0]
            reason = result["attribute_status"]
            if reason in ("Accepted", "RebootRequired") and state.light is not None:
                reason = None
                light = replace(state.light, brightness=key[1])
                state = replace(state, light=light)
        if reason is not None:
            self._refusals[key] = reason
        self._station.update(state, look=True)


def _behind(state: WallboxState) -> timedelta:
    """Tell by how much the wallbox's clock is behind ours."""
    clock = state.clock
    if clock.at is None or clock.heard_at is None:
        return timedelta()
    behind = clock.heard_at - clock.at
    return behind if behind > _ON_THE_WAY else timedelta()


def _payload(sent: Call, now: datetime, behind: timedelta) -> Any:
    """Write a step as one of `ocpp.v201.call`, for a clock that is `behind`."""
    match sent:
        case SetLimit():
            return _profile(sent, now, behind)
        case AskComposite():
            return call.GetCompositeSchedule(
                duration=_HORIZON_S,
                evse_id=1,
                charging_rate_unit=ChargingRateUnitEnumType.amps,
            )
        case AskReading():
            return call.TriggerMessage(
                requested_message=MessageTriggerEnumType.meter_values,
                evse=EVSEType(id=1),
            )
        case Reboot():
            return call.Reset(type=ResetEnumType.immediate)


def _profile(
    sent: SetLimit, now: datetime, behind: timedelta
) -> call.SetChargingProfile:
    """Write a limit as a charging profile (K01)."""
    # A limit without a schedule knows no clock: it begins in a past that no clock can
    # reach. A schedule begins long ago: a box whose clock is behind would wait for the
    # start, without a limit.
    began = _EPOCH
    if sent.plan.start is not None:
        began = sent.plan.start - behind - _HEAD_START
    profile_id = PROFILE_IDS.get(sent.way)
    if profile_id is None:
        profile_id = int(now.timestamp() * 10) % 2**31
    return call.SetChargingProfile(
        evse_id=_EVSE[sent.way],
        charging_profile=ChargingProfileType(
            id=profile_id,
            stack_level=0,
            charging_profile_purpose=ChargingProfilePurposeEnumType(sent.way.value),
            charging_profile_kind=ChargingProfileKindEnumType.absolute,
            transaction_id=sent.transaction_id,
            charging_schedule=[
                ChargingScheduleType(
                    id=1,
                    start_schedule=began.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
                    charging_rate_unit=ChargingRateUnitEnumType.amps,
                    charging_schedule_period=[
                        ChargingSchedulePeriodType(
                            start_period=begin and begin + _HEAD_START.seconds,
                            limit=amps,
                        )
                        for begin, amps in sent.plan.periods
                    ],
                )
            ],
        ),
    )
