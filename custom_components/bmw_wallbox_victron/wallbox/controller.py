"""Makes the wallbox do the target: the calls that `smart_charging` names."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from functools import partial
import logging
import secrets
from typing import Any, Final, Protocol

from ocpp.v201 import call, call_result
from ocpp.v201.enums import ResetEnumType

from ..charging.settings import MIN_CURRENT_A
from . import enforcement, profiles, smart_charging, transitions
from .availability import Kind, SettingAnswer, Settings
from .calls import LiveConnection, Request, Turn
from .clock import Now
from .errors import CallFailedError, CommandError, StatusAnswer, refusal
from .observation import excusing
from .state import WallboxState
from .station_config import StationConfig
from .steps import (
    CALLS,
    AskComposite,
    AskReading,
    Call,
    ClearTxProfile,
    Outcome,
    Reboot,
    SetLimit,
    Step,
    StopTransaction,
    Wait,
)
from .target import ChargingSchedule, ProfileKind, ProfilePurpose

_LOGGER = logging.getLogger(__name__)

#: Calls back after so many seconds; what it gives cancels that.
type CallLater = Callable[[float, Callable[[], None]], Callable[[], None]]

#: Where too much flows and no answer comes for so long, and for twice as long as the
#: wallbox usually takes, who asked is told; in s. The target is sent again.
_PATIENCE_S: Final = 10.0
#: Error codes of a station that has no such function at all (Part 4, 4.2.3).
_UNSUPPORTED: Final = ("NotImplemented", "NotSupported")


class Wallbox(Protocol):
    """The station that a controller belongs to, as far as it needs it."""

    config: StationConfig
    """What its owner set."""
    state: WallboxState
    """What is known of it."""

    @property
    def connection(self) -> LiveConnection | None:
        """The live connection."""
        ...

    def now(self) -> Now:
        """Return the time, by both clocks."""
        ...

    def update(self, state: WallboxState, *, look: bool = False) -> None:
        """Take the next state, and do what follows from it."""


class Controller:
    """Compares the target with what the wallbox does, and closes the difference."""

    def __init__(self, station: Wallbox, call_later: CallLater) -> None:
        """Take the station. `call_later` is the clock's alarm."""
        self._station = station
        self._call_later = call_later
        self._ready = False
        self._latency = 0.0
        """How long the wallbox takes to answer, s: the longest of late."""
        self._step: Step = None
        self._look_at: float | None = None
        self._sent: Call | None = None
        self._sent_for: ChargingSchedule | None = None
        """The owner's limits for which it was sent."""
        self._taken: ChargingSchedule | None = None
        """Those for which a limit was accepted since the last target."""
        self._answered_at = 0.0
        self._begun: datetime | None = None
        self._alarm: Callable[[], None] | None = None
        self._waiting: list[tuple[Callable[[], bool], asyncio.Future[None]]] = []
        self._stops = 0
        """How many times the transaction was asked to end since the last target."""
        self._stop_refusal: str | None = None
        """Why the wallbox did not."""
        self.settings = Settings()
        """What it was asked beside limits."""

    # What happens

    @property
    def busy(self) -> bool:
        """Whether something is being asked."""
        return self._sent is not None or self.settings.under_way

    def connected(self, connection: LiveConnection) -> None:
        """Begin: the wallbox may be asked from now on, and may have forgotten all.

        A connection that was replaced meanwhile has no say.
        """
        if self._station.connection is not connection:
            return
        self._ready = True
        self.settings.connected()
        self._change(enforcement.ready)

    def disconnected(self) -> None:
        """Stop until it is back."""
        self._ready = False
        self._sent = None
        self._change(enforcement.disconnected)

    def restart(self) -> None:
        """Put everything to the wallbox again: its profiles were cleared."""
        self._change(enforcement.ready)

    def recheck(self, *, at_once: bool = False) -> None:
        """Confirm anew what the wallbox enforces."""
        if at_once:
            self._change(lambda state: replace(state, composite_at=None))
        else:
            now = self._station.now().steady
            self._change(lambda state: enforcement.recheck(state, now))

    def answered(self, took: float) -> None:
        """Take note that the wallbox has answered a call, whichever, after `took` s.

        What was not answered is sent again at once.
        """
        self._answered_at = self._station.now().steady
        self._latency = max(took, 0.8 * self._latency)
        if self._station.state.enforcement.unanswered:
            self._change(enforcement.answers_again)

    def close(self) -> None:
        """Stop for good; the connections are closed already."""
        self._cancel_alarm()

    @property
    def _connection(self) -> LiveConnection | None:
        """The live connection, once the wallbox may be asked on it."""
        return self._station.connection if self._ready else None

    def look(self, state: WallboxState) -> WallboxState:
        """Bring `enforcement` up to date with everything else, and name the next step.

        Part of every change of the station's state, so it calls nobody.
        """
        station = self._station
        now = station.now()
        enforcement, self._step, self._look_at = smart_charging.advance(
            state.enforcement,
            self._owners_limits(state),
            state.observed(now),
            now.steady,
            allow_reboot=station.config.allow_reboot and state.check_cap_a is None,
            restricts=self.restricts(state),
            unreadable=state.target.unreadable,
            cap_a=state.capped_a,
            cap_forced=state.pause_forced,
            fallback=station.config.fallback,
        )
        if state.check_cap_a is not None and not state.enforcement.failing:
            enforcement = excusing(enforcement, state.cap_a, state.current)
        return replace(state, enforcement=enforcement)

    def _owners_limits(self, state: WallboxState) -> ChargingSchedule:
        """Return the owner's limits, whatever caps them."""
        return state.target.limits(self._station.config.max_current)

    def restricts(self, state: WallboxState, *, capped: bool = True) -> bool:
        """Return whether less is wished, or `capped`, than the wallbox gives."""
        max_current = self._station.config.max_current
        cap_a = state.cap_a if capped else None
        return (cap_a is not None and cap_a < max_current) or state.target.restricts(
            max_current, state.ceiling_a
        )

    def act(self) -> None:
        """Do what `look` has found."""
        self._cancel_alarm()
        moments = [] if self._look_at is None else [self._look_at]
        if isinstance(self._step, Wait):
            moments.append(self._step.until)
        if self._waiting and self._impatient_at > self._station.now().steady:
            moments.append(self._impatient_at)
        if moments:
            delay = min(moments) - self._station.now().steady
            self._alarm = self._call_later(max(delay, 0), self._ring)
        if self._connection is not None and self._has_work():
            self._connection.wake()
        self._notify()

    def _ring(self) -> None:
        """Look again, because time has passed."""
        self._alarm = None
        self._change(lambda enforcement: enforcement)

    def _cancel_alarm(self) -> None:
        if self._alarm is not None:
            self._alarm()
            self._alarm = None

    def _change(
        self, transition: Callable[[enforcement.Enforcement], enforcement.Enforcement]
    ) -> None:
        """Apply a transition, and go on from there."""
        state = self._station.state
        self._station.update(
            replace(state, enforcement=transition(state.enforcement)), look=True
        )

    # The target

    async def target(self, **changes: Any) -> None:
        """Change the target and wait for the wallbox's answer to it.

        The target stands, whatever the answer; a wallbox that is away is told when it
        comes back. A newer target ends the wait. Raises CommandError.
        """
        station = self._station
        self.settings.target_changed(changes)
        self._stops, self._stop_refusal = 0, None
        self._taken = None
        state = transitions.target_set(station.state, changes)
        station.update(state, look=True)
        if station.connection is None:
            return
        schedule = self._owners_limits(state)
        if changes.keys() & set(Kind):
            await self._until(lambda: self.settings.target_done(changes, station.state))
            return
        # An answer from before says nothing about now.
        self._answered_at = station.now().steady
        await self._until(lambda: self._limit_done(schedule))

    async def until(
        self, done: Callable[[WallboxState], bool], patience_s: float
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
                elif self._station.connection is None:
                    future.set_exception(CommandError("connection_lost"))
            except CommandError as err:
                future.set_exception(err)

    def _limit_done(self, schedule: ChargingSchedule) -> bool:
        """Return whether the wallbox has accepted a schedule; raise if it refuses.

        A cap may lower it meanwhile, again and again: any limit counts that was sent
        for it.
        """
        state = self._station.state
        if self._taken == schedule or self._owners_limits(state) != schedule:
            return True  # or there is a newer target
        enforcement = state.enforcement
        if enforcement.schedule != schedule:
            return False
        if enforcement.unable:
            return self._done_without_limits()
        setpoint, now = enforcement.setpoint, self._station.now().steady
        if setpoint is None:  # it does not tell what it enforces
            if enforcement.ready and now >= self._impatient_at:
                raise CommandError("no_answer")
            return False
        if any(taken.at(now) == setpoint for taken in enforcement.accepted.values()):
            return True
        if (
            enforcement.retry_at is not None
            and not enforcement.unanswered
            and not self._tries_a_limit  # or what was refused was for another cap
        ):
            raise CommandError("limit_refused", reason=enforcement.refusal or "-")
        if enforcement.unanswered or (
            enforcement.failing and now >= self._impatient_at
        ):
            raise CommandError("no_answer")
        return False

    @property
    def _tries_a_limit(self) -> bool:
        """Whether a limit is on the wire, or is the next thing to be sent."""
        limits = (SetLimit, ClearTxProfile)
        if isinstance(self._step, Wait):
            paced_from = self._station.state.enforcement.paced_from or 0.0
            if self._step.until <= paced_from + smart_charging.PACE:
                return True
        return isinstance(self._sent, limits) or isinstance(self._step, limits)

    @property
    def _impatient_at(self) -> float:
        """From when on a wallbox that lets too much flow is said not to answer."""
        return self._answered_at + _PATIENCE_S + 2 * self._latency

    def _done_without_limits(self) -> bool:
        """Return whether a wallbox that cannot limit did what it can. Raises if not."""
        state = self._station.state
        if state.enforcement.holds:
            return True
        if state.target.charging_allowed:
            if self.restricts(state, capped=False):
                raise CommandError("cannot_limit")
            return True
        if self._stop_refusal is not None:
            raise CommandError("stop_rejected", reason=self._stop_refusal)
        if self._stops > 1:
            raise CommandError("stop_not_followed")
        return False

    # What is done about it

    def _has_work(self) -> bool:
        """Return whether there is something to ask."""
        return isinstance(self._step, CALLS) or bool(
            self.settings.due(self._station.state)
        )

    def next_call(self, connection: LiveConnection) -> Request | None:
        """Decide what to ask, now that the live connection can take a call.

        None: nothing. Only now, because the newest target counts.
        """
        if self._connection is not connection:
            return None
        # Time has passed since the last look.
        state = self.look(self._station.state)
        if isinstance(self._step, CALLS):
            return self._begin(self._step, state, connection)
        if due := self.settings.due(state):
            take = partial(self._take_setting, connection)
            return self.settings.call(due[0], state, take)
        return None

    def _begin(
        self, step: Call, state: WallboxState, connection: LiveConnection
    ) -> Request | None:
        """Begin the next step for a limit; None: there is no call for it."""
        now = self._station.now()
        if isinstance(step, AskReading):
            asked = connection.readings.next_call()
            if asked is None:
                # All messages that tell of the current are refused: go on without.
                self._change(
                    lambda state: enforcement.answered(
                        state, step, Outcome.REFUSED, now.steady
                    )
                )
                return self.next_call(connection)
            self._sent = step
            return Turn(
                asked,
                call_result.TriggerMessage,
                partial(self._take_reading, connection, asked),
            )
        if isinstance(step, SetLimit) and step.purpose is ProfilePurpose.TX:
            step = replace(step, profile_id=1000 + secrets.randbelow(2**30))
        self._sent, self._begun = step, None
        self._sent_for = state.enforcement.schedule
        request = self._request(step, now, partial(self._take, connection, step))
        sent = enforcement.sent(state.enforcement, step, now.steady)
        self._station.update(replace(state, enforcement=sent))
        return request

    def _take_reading(
        self,
        connection: LiveConnection,
        asked: call.TriggerMessage,
        answer: call_result.TriggerMessage | CallFailedError,
    ) -> None:
        """Take the answer to a request for a reading; where refused, ask the next."""
        if connection.readings.take(asked, answer):
            self._sent = None
        else:
            self._take(connection, AskReading(), answer)

    def _take_setting(self, connection: LiveConnection, answer: SettingAnswer) -> None:
        """Take the answer to what is no limit."""
        if self._connection is connection:
            state = self.settings.answered(answer, self._station.state)
            self._station.update(state, look=True)

    def _request(
        self,
        sent: SetLimit | ClearTxProfile | AskComposite | StopTransaction | Reboot,
        now: Now,
        take: Callable[[StatusAnswer | CallFailedError], None],
    ) -> Request:
        """Write a step as a call; `take` gets its answer."""
        match sent:
            case SetLimit():
                shown = self._station.state.observed(now).device_time or now.wall
                begun = profiles.EPOCH
                if sent.kind is ProfileKind.NOW:
                    begun = self._begun = shown - profiles.HEAD_START
                profile = profiles.set_charging_profile(
                    sent, begun=begun, device_time=shown, now=now.steady
                )
                return Turn(profile, call_result.SetChargingProfile, take)
            case ClearTxProfile():
                clear = profiles.clear_tx_profile(sent)
                return Turn(clear, call_result.ClearChargingProfile, take)
            case AskComposite():
                ask = profiles.ask_composite()
                return Turn(ask, call_result.GetCompositeSchedule, take)
            case StopTransaction():
                self._stops += 1
                stop = call.RequestStopTransaction(transaction_id=sent.transaction_id)
                return Turn(stop, call_result.RequestStopTransaction, take)
            case Reboot():
                reset = call.Reset(type=ResetEnumType.immediate)
                return Turn(reset, call_result.Reset, take)

    def _take(
        self,
        connection: LiveConnection,
        sent: Call,
        answer: StatusAnswer | CallFailedError,
    ) -> None:
        """Take the answer to a call for a limit, if its connection is still live."""
        if self._connection is not connection:
            return
        self._sent = None
        outcome, reason, composite = Outcome.ACCEPTED, None, None
        state = self._station.state
        if isinstance(answer, CallFailedError):
            outcome = Outcome.REFUSED if answer.answered else Outcome.LOST
            reason = answer.reason
            if answer.answered and reason in _UNSUPPORTED:
                outcome = Outcome.UNSUPPORTED
        elif answer.status != "Accepted":
            outcome, reason = Outcome.REFUSED, refusal(answer)
        elif isinstance(answer, call_result.GetCompositeSchedule):
            composite = profiles.composite_limit(
                answer.schedule, phases=state.phases_known, voltage=state.voltage
            )
        if isinstance(sent, SetLimit) and outcome is Outcome.ACCEPTED:
            self._taken = self._sent_for
        if isinstance(sent, StopTransaction) and outcome is not Outcome.LOST:
            self._stop_refusal = reason
        if reason is not None:
            _LOGGER.debug(
                "Wallbox %s: %s: %s", self._station.config.charge_point_id, sent, reason
            )
        now = self._station.now()
        answered = enforcement.answered(
            state.enforcement,
            sent,
            outcome,
            now.steady,
            composite_a=composite,
            refusal=reason,
            begun=self._begun,
            wall=now.wall,
        )
        state = replace(state, enforcement=answered)
        if composite is not None and "charging_allowed" in state.target.lost:
            state = transitions.seen_to_charge(state, composite >= MIN_CURRENT_A)
        self._station.update(state, look=True)
