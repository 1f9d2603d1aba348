"""Makes the wallbox do what is wished: runs `control` on a connection."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
import logging
import secrets
from typing import TYPE_CHECKING, Any, Final

from ocpp.v201 import call
from ocpp.v201.call import TriggerMessage
from ocpp.v201.enums import (
    ResetEnumType,
)

from . import control, profiles
from .clock import Now
from .control import (
    AskComposite,
    AskReading,
    Call,
    ClearTxProfile,
    Form,
    Outcome,
    Plan,
    Reboot,
    SetLimit,
    Step,
    StopTransaction,
    Wait,
    Way,
)
from .errors import CallFailedError, CommandError, log_bug, refusal
from .settings import Kind, Settings
from .state import WallboxState

if TYPE_CHECKING:
    from .charge_point import ChargePoint
    from .station import Station

_LOGGER = logging.getLogger(__name__)

#: Calls back after so many seconds; what it gives cancels that.
type CallLater = Callable[[float, Callable[[], None]], Callable[[], None]]

#: Where too much flows and no answer comes for so long, and for twice as long as the
#: wallbox usually takes, who asked is told; in s. What is wished is sent again.
_PATIENCE_S: Final = 10.0
#: Error codes of a station that has no such function at all (Part 4, 4.2.3).
_UNSUPPORTED: Final = ("NotImplemented", "NotSupported")
#: What goes on the wire, of all that `control` names.
_CALLS: Final = (
    SetLimit,
    ClearTxProfile,
    AskComposite,
    AskReading,
    StopTransaction,
    Reboot,
)


class Controller:
    """Compares what is wished with what the wallbox does, and closes the difference."""

    def __init__(self, station: Station, call_later: CallLater) -> None:
        """Take the station. `call_later` is the clock's alarm."""
        self._station = station
        self._call_later = call_later
        self._ready = False
        self._latency = 0.0
        """How long the wallbox takes to answer, s: the longest of late."""
        self._step: Step = None
        self._look_at: float | None = None
        self._sent: Call | None = None
        self._answered_at = 0.0
        self._begun: datetime | None = None
        self._task: asyncio.Task[None] | None = None
        self._alarm: Callable[[], None] | None = None
        self._waiting: list[tuple[Callable[[], bool], asyncio.Future[None]]] = []
        self._reading: TriggerMessage | None = None
        """The reading that is asked for."""
        self._stops = 0
        """How many times the transaction was asked to end since the last wish."""
        self._stop_refusal: str | None = None
        """Why the wallbox did not."""
        self.settings = Settings()
        """What it was asked beside limits."""

    # What happens

    @property
    def busy(self) -> bool:
        """Whether something is being asked."""
        return self._task is not None and not self._task.done()

    def connected(self, link: ChargePoint) -> None:
        """Begin: the wallbox may be asked from now on, and may have forgotten all.

        A connection that was replaced meanwhile has no say.
        """
        if self._station.link is not link:
            return
        self._ready = True
        self.settings.connected()
        self._change(control.ready)

    def disconnected(self) -> None:
        """Stop until it is back."""
        self._ready = False
        self._change(control.disconnected)

    def restart(self) -> None:
        """Put everything to the wallbox again: its profiles were cleared."""
        self._change(control.ready)

    def recheck(self, *, at_once: bool = False) -> None:
        """Have confirmed anew what the wallbox enforces."""
        if at_once:
            self._change(lambda state: replace(state, composite_at=None))
        else:
            self._change(control.recheck)

    def answered(self, took: float) -> None:
        """Take note that the wallbox has answered a call, whichever, after `took` s.

        What was not answered is sent again at once.
        """
        self._answered_at = self._station.now().steady
        self._latency = max(took, 0.8 * self._latency)
        if self._station.state.enforcement.unanswered:
            self._change(control.answers_again)

    def close(self) -> None:
        """Stop for good; the connections are closed already."""
        self._cancel_alarm()

    @property
    def _link(self) -> ChargePoint | None:
        """The live connection, once the wallbox may be asked on it."""
        return self._station.link if self._ready else None

    def look(self, state: WallboxState) -> WallboxState:
        """Bring `enforcement` up to date with everything else, and name the next step.

        Part of every change of the station's state, so it calls nobody.
        """
        station = self._station
        now = station.now()
        enforcement, self._step, self._look_at = control.advance(
            state.enforcement,
            state.wish.plan(station.config.max_current),
            state.situation(now),
            now.steady,
            allow_reboot=station.config.allow_reboot,
            restricts=state.wish.restricts,
            unreadable=state.wish.unreadable,
        )
        return replace(state, enforcement=enforcement)

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
        self._say_unable()
        if self._link is not None and not self.busy and self._has_work():
            self._task = asyncio.create_task(self._work(self._link))
            self._task.add_done_callback(self._finished)
        self._notify()

    def _say_unable(self) -> None:
        """Say once that a wallbox cannot limit."""
        faults = self._station.faults
        fault = (self._station.config.charge_point_id, "unable")
        enforcement = self._station.state.enforcement
        if enforcement.unable:
            faults.begin(
                _LOGGER,
                fault,
                "Wallbox %s cannot limit the current: it has no smart charging. It can "
                "be started and stopped all the same; look for newer firmware, or "
                "whether smart charging is switched off in its settings",
                fault[0],
            )
        elif enforcement.accepted:
            faults.end(_LOGGER, fault, "Wallbox %s takes limits now", fault[0])

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
        self.settings.wished(changes)
        self._stops, self._stop_refusal = 0, None
        state = _wished(station.state, changes)
        station.update(state, look=True)
        if station.link is None:
            return
        plan = state.wish.plan(station.config.max_current)
        if changes.keys() & set(Kind):
            await self._until(lambda: self.settings.wish_done(changes, station.state))
            return
        # An answer from before says nothing about now.
        self._answered_at = station.now().steady
        await self._until(lambda: self._limit_done(plan))

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
        if enforcement.plan != plan:
            return False
        if enforcement.unable:
            return self._done_without_limits()
        order, now = enforcement.order, self._station.now().steady
        if any(taken.at(now) == order for taken in enforcement.accepted.values()):
            return True
        if enforcement.retry_at is not None and not enforcement.unanswered:
            raise CommandError("limit_refused", reason=enforcement.refusal or "-")
        if enforcement.unanswered or (
            enforcement.failing and now >= self._impatient_at
        ):
            raise CommandError("no_answer")
        return False

    @property
    def _impatient_at(self) -> float:
        """From when on a wallbox that lets too much flow is said not to answer."""
        return self._answered_at + _PATIENCE_S + 2 * self._latency

    def _done_without_limits(self) -> bool:
        """Tell whether a wallbox that cannot limit did what it can. Raises if not."""
        state = self._station.state
        if state.enforcement.holds:
            return True
        if state.wish.charging_allowed:
            if state.wish.restricts:
                raise CommandError("cannot_limit")
            return True
        if self._stop_refusal is not None:
            raise CommandError("stop_rejected", reason=self._stop_refusal)
        if self._stops > 1:
            raise CommandError("stop_not_followed")
        return False

    # What is done about it

    def _has_work(self) -> bool:
        """Tell whether there is something to ask, and somebody to ask."""
        if self._link is None or self._link.closed:
            return False
        return isinstance(self._step, _CALLS) or bool(
            self.settings.due(self._station.state)
        )

    async def _work(self, link: ChargePoint) -> None:
        """Make the calls, until nothing is left to do."""
        while self._link is link and self._has_work():
            try:
                answer = await link.request_late(self._choose)
            except CallFailedError as err:
                answer = err
            if self.settings.under_way:
                state = self.settings.take(answer, self._station.state)
                self._station.update(state, look=True)
            elif self._sent is not None:
                asked, self._reading = self._reading, None
                if asked is not None and link.readings.take(asked, answer):
                    self._sent = None
                    continue  # with the next message, if there is one
                self._take(self._sent, answer)

    def _choose(self) -> Any:
        """Decide when the turn has come, because the newest wish counts.

        Gives the payload of what is to be done now; None where nothing is.
        """
        station = self._station
        # Time has passed since the last look.
        state = self.look(station.state)
        now = station.now()
        if isinstance(self._step, _CALLS):
            step = self._step
            if isinstance(step, SetLimit) and step.way is Way.TRANSACTION:
                step = replace(step, profile_id=1000 + secrets.randbelow(2**30))
            self._sent, self._begun = step, None
            enforcement = control.sent(state.enforcement, step, now.steady)
            station.update(replace(state, enforcement=enforcement))
            if isinstance(step, AskReading):
                return self._ask_reading(step, now)
            return self._payload(step, now)
        due = self.settings.due(state)
        return self.settings.send(due[0], state) if due else None

    def _ask_reading(self, step: AskReading, now: Now) -> Any:
        """Return the call that asks for a reading; where all are refused, go on."""
        link = self._link
        self._reading = None if link is None else link.readings.next_call()
        if self._reading is not None:
            return self._reading
        self._sent = None
        self._change(
            lambda enforcement: control.answered(
                enforcement, step, Outcome.REFUSED, now.steady
            )
        )
        return self._choose()

    def _payload(
        self,
        sent: SetLimit | ClearTxProfile | AskComposite | StopTransaction | Reboot,
        now: Now,
    ) -> Any:
        """Write a step as one of `ocpp.v201.call`."""
        match sent:
            case SetLimit():
                shown = self._station.state.situation(now).device_time or now.wall
                begun = profiles.EPOCH
                if sent.form is Form.NOW:
                    begun = self._begun = shown - profiles.HEAD_START
                return profiles.set_charging_profile(
                    sent, begun=begun, device_time=shown, now=now.steady
                )
            case ClearTxProfile():
                return profiles.clear_tx_profile(sent)
            case AskComposite():
                return profiles.ask_composite()
            case StopTransaction():
                self._stops += 1
                return call.RequestStopTransaction(transaction_id=sent.transaction_id)
            case Reboot():
                return call.Reset(type=ResetEnumType.immediate)

    def _take(self, sent: Call, answer: Any) -> None:
        """Take the answer to a call of the limit's."""
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
        elif isinstance(sent, AskComposite):
            composite = profiles.composite_limit(
                answer.schedule, phases=state.phases_known, voltage=state.voltage
            )
        if isinstance(sent, StopTransaction) and outcome is not Outcome.LOST:
            self._stop_refusal = reason
        if reason is not None:
            _LOGGER.debug(
                "Wallbox %s: %s: %s", self._station.config.charge_point_id, sent, reason
            )
        now = self._station.now()
        enforcement = control.answered(
            state.enforcement,
            sent,
            outcome,
            now.steady,
            composite_a=composite,
            refusal=reason,
            begun=self._begun,
            wall=now.wall,
        )
        state = replace(state, enforcement=enforcement)
        if composite is not None and "charging_allowed" in state.wish.lost:
            # What the wallbox enforces tells whether it was paused.
            state = _known(state, charging_allowed=composite >= control.LEAST_A)
        self._station.update(state, look=True)


def _wished(state: WallboxState, changes: Mapping[str, Any]) -> WallboxState:
    """Return the state with a wish changed, and with what is known by that."""
    state = _known(state, **changes)
    if "charging_allowed" in changes:
        # Who stops again wants the transaction to be asked to end again, at once.
        enforcement = replace(state.enforcement, stop_asked_at=None)
        state = replace(state, enforcement=enforcement)
    pin_a = state.enforcement.pin_a
    if state.wish.unreadable and changes.get("charging_allowed") and pin_a is not None:
        # Its owner wants it to charge, and nobody knows how much: the least.
        pin_a = max(pin_a, control.LEAST_A)
        enforcement = replace(state.enforcement, pin_a=pin_a)
        state = replace(state, enforcement=enforcement)
    return state


def _known(state: WallboxState, **changes: Any) -> WallboxState:
    """Return the state with fields of the wish that are not lost any more."""
    found = set(changes)
    if found & {"current_limit", "charging_allowed"}:
        found.add("schedule")  # who sets a limit by hand asks for no schedule
    lost = tuple(name for name in state.wish.lost if name not in found)
    return replace(state, wish=replace(state.wish, **changes, lost=lost))
