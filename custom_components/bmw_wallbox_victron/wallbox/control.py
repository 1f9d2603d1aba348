"""Desired against reported: which call brings the wallbox closer to what is wished.

A loop, not a chain of commands. `advance` looks at what is wished, at what the wallbox
has confirmed so far and at what it measures, and names the one thing to do next. It is
asked again after every answer, message, reconnect and wish, and so ends at the same
point whatever was lost on the way.

A Delta box accepts limits that it does not keep, so an accepted profile proves nothing:
a limit holds when the composite schedule shows it (OCPP 2.0.1 K08) and a current that
was read after the change agrees. What does not hold is tried another way, then shown.

All that lasts or ages here does so in seconds of a clock that is never set.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
import math
from typing import Final

from .clock import Now

#: Limits in a row go out this far apart at least, in s; a pause never waits.
PACE: Final = 1.0
#: A wallbox applies within this what it has accepted, in s; it is asked again so long.
APPLY: Final = 3.0
#: So long it has for a further form of a profile, where the first was not heeded, in s.
APPLY_NEXT: Final = 1.5
#: A car follows a new limit within 5 s (IEC 61851-1); readings from before say nothing.
SETTLE: Final = 5.0
#: A limit that does not hold so long after it was accepted is shown, within 10 s.
PATIENCE: Final = 8.0
#: A current that was measured above what is wished for so long is shown, within 10 s.
SHOWN: Final = 9.0
#: After these pauses everything is tried again, in s; the last one repeats.
RETRY: Final = (30.0, 60.0, 120.0, 300.0)
#: A default profile that was refused while another one holds the limit is tried again.
DEFAULT_RETRY: Final = 60.0
#: A limit that holds is looked at again so often, in s.
RECHECK: Final = 300.0
#: A wallbox that says again and again that something limits it is asked so often, in s.
RECHECK_PACE: Final = 10.0
#: Two reboots for a limit that does not hold are this far apart at least, in s.
REBOOT_PAUSE: Final = 3600.0
#: A transaction whose end was refused is asked to end again after this, in s.
STOP_RETRY: Final = 60.0
#: A meter may be off by this much: in A, and as a part of the limit.
TOLERANCE_A: Final = 1.0
TOLERANCE: Final = 0.04
#: Less than this is a pause (IEC 61851-1), in A.
LEAST_A: Final = 6.0
#: It is rebooted for a limit only after everything was tried so many times.
ROUNDS_BEFORE_REBOOT: Final = 2
#: A composite schedule may be rounded by this much, in A.
ROUNDING_A: Final = 0.5
#: An answer that does not come is waited for so many times.
PATIENT_LOSSES: Final = 2


class Way(StrEnum):
    """How a limit is put to the wallbox: the purpose of its profile.

    In the order in which they are tried. A default profile holds in mid-session and is
    replaced in place. One for the whole station can only lower, so it is safe to leave
    behind. One for the transaction comes last: a single refusal makes the transaction
    refuse all others, and after a pause it can be neither cleared nor replaced.
    """

    DEFAULT = "TxDefaultProfile"
    STATION = "ChargingStationMaxProfile"
    TRANSACTION = "TxProfile"


class Form(StrEnum):
    """How a profile says since when it limits, in the order in which they are tried.

    What is known to be taken by a Delta box depends on its clock, so it comes last.
    Other makes refuse Relative, or heed nothing else.
    """

    EPOCH = "epoch"
    """Absolute, since a time that no clock can stand before."""
    RELATIVE = "relative"
    """Relative to the transaction's start: no clock at all."""
    NOW = "now"
    """Absolute, since shortly before now by the wallbox's clock."""


_NEXT_FORM: Final = {Form.EPOCH: Form.RELATIVE, Form.RELATIVE: Form.NOW}


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What a wallbox is told: a limit that holds from now on, and those that follow."""

    amps: float
    """The limit of now, A."""
    following: tuple[tuple[float, float], ...] = ()
    """At which second of the steady clock which limit begins, in A."""

    def at(self, now: float) -> Order:
        """Return what is left of it at `now`."""
        passed = [amps for begin, amps in self.following if begin <= now]
        if not passed:
            return self
        return Order(amps=passed[-1], following=self.following[len(passed) :])


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Limits over time, as a charging schedule has them."""

    periods: tuple[tuple[int, float], ...]
    """From how many seconds after `start` on which limit holds, in A; first at 0."""
    start: datetime | None = None
    """When the first period began, to be stored; None: it always has."""
    anchor: float | None = None
    """The same by the steady clock, in s."""

    def anchored(self, now: Now) -> Plan:
        """Return it for this run of Home Assistant: the steady clock began anew."""
        if self.start is None:
            return self
        elapsed = (now.wall - self.start).total_seconds()
        return replace(self, anchor=now.steady - max(elapsed, 0.0))

    def index_at(self, now: float) -> int:
        """Tell which period runs."""
        if self.anchor is None:
            return 0
        passed = sum(self.anchor + begin <= now for begin, _ in self.periods)
        return max(passed - 1, 0)

    def limit_at(self, now: float) -> float:
        """Return the limit of the running period, in A."""
        return self.periods[self.index_at(now)][1]

    def next_change(self, now: float) -> float | None:
        """Tell at which second the next period begins."""
        following = self.index_at(now) + 1
        if self.anchor is None or following >= len(self.periods):
            return None
        return self.anchor + self.periods[following][0]

    def order(self, now: float, *, clocks_agree: bool) -> Order:
        """Return what the wallbox is to be told now.

        Only one whose clock agrees with ours is told what comes later.
        """
        following: tuple[tuple[float, float], ...] = ()
        if clocks_agree and self.anchor is not None:
            later = self.periods[self.index_at(now) + 1 :]
            following = tuple((self.anchor + begin, amps) for begin, amps in later)
        return Order(amps=self.limit_at(now), following=following)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What the owner wants; it is stored, and stands until the next wish."""

    current_limit: int | None = None
    """The most that the car may draw on a phase, A; None: never set."""
    charging_allowed: bool = True
    """Whether the car may charge at all."""
    schedule: Plan | None = None
    """Limits over time, which lower `current_limit`."""
    led_brightness: int | None = None
    """Brightness of the light, %; None: never set."""
    operative: bool | None = None
    """Whether the wallbox is in service; None: never set."""
    lost: tuple[str, ...] = ()
    """Names of the fields above that were stored and cannot be read any more: until
    they are wished again, nothing above what the wallbox enforces is sent."""

    @property
    def unreadable(self) -> bool:
        """Whether it is not known how much the car may draw."""
        return bool({"current_limit", "charging_allowed", "schedule"} & {*self.lost})

    @property
    def restricts(self) -> bool:
        """Whether its owner ever asked for less than all."""
        return (
            self.current_limit is not None
            or self.schedule is not None
            or not self.charging_allowed
            or self.unreadable
        )

    def limit(self, max_current: int) -> int:
        """Return the limit without schedule and pause, in A."""
        return min(self.current_limit or max_current, max_current)

    def plan(self, max_current: int) -> Plan:
        """Return the limits that follow; the installation bears `max_current`, in A."""
        if not self.charging_allowed:
            return Plan(periods=((0, 0.0),))
        limit = float(self.limit(max_current))
        if self.schedule is None:
            return Plan(periods=((0, limit),))
        return replace(
            self.schedule,
            periods=tuple(
                (begin, min(amps, limit)) for begin, amps in self.schedule.periods
            ),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What the wallbox shows, as far as it bears on a limit."""

    transaction_id: str | None = None
    """The running transaction."""
    charging: bool = False
    """Whether energy flows."""
    suspended: bool = False
    """Whether a session runs and wallbox or car holds it."""
    current_a: float | None = None
    """Current of the highest phase, A."""
    current_heard_at: float | None = None
    """When that current was heard, in s of the steady clock."""
    ceiling_a: float | None = None
    """The most that the wallbox itself gives, A; None: it does not tell."""
    surveyed: bool = True
    """Whether it was asked for that on this connection."""
    smart_charging: bool | None = None
    """Whether it says that it can limit; None: it does not say."""
    device_time: datetime | None = None
    """What its clock shows now; None: not known."""
    clocks_agree: bool = False
    """Whether its clock shows what ours does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Enforcement:
    """How far the wallbox has got with what is wished. Times are in steady seconds."""

    ready: bool = False
    """Whether the wallbox is connected and may be asked."""
    plan: Plan | None = None
    """The limits that everything below is about."""
    order: Order | None = None
    """What it is to be told of them now."""
    pin_a: float | None = None
    """What it enforced before anything was sent, A, where the wish cannot be read."""
    form: Form | None = None
    """The form in which a composite schedule has shown a limit; None: none yet."""
    forms: Mapping[Way, Form] = field(default_factory=dict)
    """Until then, the form that is tried next."""
    accepted: Mapping[Way, Order] = field(default_factory=dict)
    """What the wallbox has accepted on this connection."""
    latest: Way | None = None
    """The way that it accepted last."""
    begun: datetime | None = None
    """When the newest profile begins by the wallbox's clock, if it depends on that."""
    used: frozenset[Way] = frozenset()
    """Ways in which it has a limit of ours, and has to be told each new one."""
    refused: frozenset[Way] = frozenset()
    """What it refuses at present."""
    unanswered: frozenset[Way] = frozenset()
    """Those of them which it did not answer."""
    unheeded: frozenset[Way] = frozenset()
    """What it accepted and did not follow."""
    refusal: str | None = None
    """The reason that it gave last."""
    unable: bool = False
    """Whether it has no smart charging at all."""
    tx_profile: tuple[str, int] | None = None
    """Transaction and id of the TxProfile that it has, or may have."""
    tx_refused: str | None = None
    """A transaction that refused a profile: it may have one of before."""
    tx_cleared: str | None = None
    """A transaction that was rid of all its profiles after that."""
    barred_transaction: str | None = None
    """A transaction that refused a profile of its own, and will refuse all others."""
    stop_asked_at: float | None = None
    """When the transaction was asked to end, because nothing else stops the car."""
    losses: int = 0
    """How many answers in a row did not come."""
    composite_a: float | None = None
    """What the composite schedule allows now, A; None: not known."""
    composite_at: float | None = None
    """When that was asked for; None: to be asked again."""
    recheck_at: float | None = None
    """When it is to be asked for again."""
    applied_at: float | None = None
    """When something last changed what may flow."""
    paced_from: float | None = None
    """When a new limit was last sent."""
    paced_order: Order | None = None
    """Which one."""
    reading_asked: bool = False
    """Whether a reading was asked for since `applied_at`."""
    unheld_since: float | None = None
    """Since when the wallbox should do what it does not."""
    lowered_at: float | None = None
    """When less was last wished than before: only later readings tell of that."""
    over_since: float | None = None
    """When more than is wished was first measured, without a break since then."""
    holds: bool = False
    """Whether all that is wished is confirmed."""
    exceeded: bool = False
    """Whether it was last seen to let more flow: only a reading can disprove that."""
    failing: bool = False
    """Whether a limit does not hold, and its owner is to know."""
    rounds: int = 0
    """How many times everything was tried in vain."""
    retry_at: float | None = None
    """When what was refused is tried again."""
    rebooted_at: datetime | None = None
    """When it was rebooted because a limit did not hold: wall time, to be stored."""
    reboot_from: float | None = None
    """From when on it may be rebooted again."""
    mark: tuple[str | None, bool, int] | None = None
    """Transaction, suspended, period: where one changes, a limit must be confirmed."""

    @property
    def dispensable(self) -> tuple[Way, ...]:
        """Ways that may be cleared, in this order: those behind the one that holds."""
        heeded = [
            way for way in Way if way in self.accepted and way not in self.unheeded
        ]
        if not heeded:
            return ()
        behind = [*Way][[*Way].index(heeded[0]) + 1 :]
        return tuple(reversed(behind))


# What may be done next


@dataclass(frozen=True, slots=True, kw_only=True)
class SetLimit:
    """Send a charging profile."""

    way: Way
    order: Order
    form: Form = Form.EPOCH
    transaction_id: str | None = None
    """The transaction that a TxProfile is for."""
    profile_id: int | None = None
    """The id of a TxProfile, which was never used before; set when it is sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClearTxProfile:
    """Rid a transaction of its profile, so that it takes another one (K10)."""

    transaction_id: str
    profile_id: int | None
    """None: of all that it has."""


@dataclass(frozen=True, slots=True)
class AskComposite:
    """Ask what the profiles make together."""


@dataclass(frozen=True, slots=True)
class AskReading:
    """Ask for meter values."""


@dataclass(frozen=True, slots=True)
class StopTransaction:
    """End the transaction: the last way of a stop, where no limit is to be had."""

    transaction_id: str


@dataclass(frozen=True, slots=True)
class Reboot:
    """Reboot the wallbox: the last way."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to be done before `until` (steady seconds), unless something happens."""

    until: float


type Call = (
    SetLimit | ClearTxProfile | AskComposite | AskReading | StopTransaction | Reboot
)
type Step = Call | Wait | None


class Outcome(StrEnum):
    """How a call ended."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    UNSUPPORTED = "unsupported"
    """It has no such function at all."""
    LOST = "lost"
    """No answer came, so it may have been done or not."""


# Transitions


def restored(state: Enforcement, now: Now) -> Enforcement:
    """Take what was stored of it, for this run of Home Assistant."""
    if state.rebooted_at is None:
        return state
    elapsed = (now.wall - state.rebooted_at).total_seconds()
    left = REBOOT_PAUSE - min(max(elapsed, 0.0), REBOOT_PAUSE)
    return replace(state, reboot_from=now.steady + left)


def ready(state: Enforcement) -> Enforcement:
    """Begin with a wallbox that connected or booted: it may have forgotten all."""
    return replace(disconnected(state), ready=True)


def disconnected(state: Enforcement) -> Enforcement:
    """Forget what only a connection can confirm; what did not hold still may not."""
    return Enforcement(
        plan=state.plan,
        order=state.order,
        pin_a=state.pin_a,
        form=state.form,
        forms=state.forms,
        lowered_at=state.lowered_at,
        failing=state.failing,
        exceeded=state.exceeded,
        used=state.used,
        tx_profile=state.tx_profile,
        rebooted_at=state.rebooted_at,
        reboot_from=state.reboot_from,
        barred_transaction=state.barred_transaction,
    )


def recheck(state: Enforcement) -> Enforcement:
    """Have the composite schedule asked for again, at a pace."""
    if state.composite_at is None or state.recheck_at is not None:
        return state
    return replace(state, recheck_at=state.composite_at + RECHECK_PACE)


def answers_again(state: Enforcement) -> Enforcement:
    """Try at once what was not answered: the wallbox answers again."""
    if not state.unanswered:
        return state
    return replace(
        state,
        refused=state.refused - state.unanswered,
        unanswered=frozenset(),
        retry_at=None,
        composite_at=None,
    )


def sent(state: Enforcement, call: Call, now: float) -> Enforcement:
    """Take note that a call goes on the wire."""
    match call:
        case SetLimit():
            if call.order != state.paced_order:
                state = replace(state, paced_from=now, paced_order=call.order)
            if call.transaction_id is not None and call.profile_id is not None:
                profile = (call.transaction_id, call.profile_id)
                state = replace(state, tx_profile=profile)
        case StopTransaction():
            state = replace(state, stop_asked_at=now)
        case AskComposite():
            state = replace(state, recheck_at=None)
    return state


def answered(
    state: Enforcement,
    call: Call,
    outcome: Outcome,
    now: float,
    *,
    composite_a: float | None = None,
    refusal: str | None = None,
    begun: datetime | None = None,
    wall: datetime | None = None,
) -> Enforcement:
    """Take the answer to a call.

    `composite_a`: the limit of this moment in the composite schedule, A. `refusal`: the
    reason that the wallbox gave, or why there is no answer. `begun`: when a profile in
    the form `NOW` begins. `wall`: wall time, for what is stored.
    """
    if not state.ready:
        return state
    losses = state.losses + 1 if outcome is Outcome.LOST else 0
    state = replace(state, losses=losses % PATIENT_LOSSES)
    gave_up = losses >= PATIENT_LOSSES
    match call:
        case SetLimit():
            return _set(state, call, outcome, now, gave_up, refusal, begun)
        case ClearTxProfile():
            if outcome is Outcome.LOST and not gave_up:
                return state
            # Whatever it answers: there is nothing left to clear.
            state = replace(state, tx_profile=None)
            if call.profile_id is None:
                state = replace(state, tx_cleared=call.transaction_id)
            return state
        case AskComposite():
            if outcome is Outcome.LOST and not gave_up:
                return state
            return replace(state, composite_a=composite_a, composite_at=now)
        case AskReading():
            return replace(state, reading_asked=True)
        case StopTransaction():
            if outcome is Outcome.ACCEPTED:
                return state
            return replace(state, refusal=refusal)
        case Reboot():
            return replace(state, rebooted_at=wall, reboot_from=now + REBOOT_PAUSE)


def _set(
    state: Enforcement,
    call: SetLimit,
    outcome: Outcome,
    now: float,
    gave_up: bool,
    refusal: str | None,
    begun: datetime | None,
) -> Enforcement:
    """Take the answer to a charging profile."""
    accepted = dict(state.accepted)
    if outcome is Outcome.ACCEPTED:
        accepted[call.way] = call.order
        state = replace(state, latest=call.way, begun=begun)
    else:
        accepted.pop(call.way, None)
        state = replace(state, refusal=refusal)
    if outcome is Outcome.UNSUPPORTED:
        state = replace(state, unable=True)
    elif outcome is Outcome.REFUSED:
        state = _refused(state, call)
    elif gave_up and outcome is Outcome.LOST:
        state = replace(
            state,
            refused=state.refused | {call.way},
            unanswered=state.unanswered | {call.way},
        )
    return replace(
        state,
        accepted=accepted,
        # Without an answer it may have been taken as well.
        used=state.used
        if outcome in (Outcome.REFUSED, Outcome.UNSUPPORTED)
        else state.used | {call.way},
        composite_at=None,
        applied_at=now,
        reading_asked=False,
        unheld_since=now if state.unheld_since is None else state.unheld_since,
    )


def _refused(state: Enforcement, call: SetLimit) -> Enforcement:
    """Take note of a refusal: of this form, or of this way."""
    if call.way is Way.TRANSACTION:
        state = replace(state, tx_profile=None)
        if state.tx_cleared != call.transaction_id:
            return replace(state, tx_refused=call.transaction_id)
        state = replace(state, barred_transaction=call.transaction_id)
    elif state.form is None and call.form in _NEXT_FORM:
        forms = {**state.forms, call.way: _NEXT_FORM[call.form]}
        return replace(state, forms=forms)
    forms = {way: form for way, form in state.forms.items() if way is not call.way}
    return replace(state, refused=state.refused | {call.way}, forms=forms)


def _form(state: Enforcement, way: Way) -> Form:
    """Return the form in which a profile is sent."""
    return state.form or state.forms.get(way, Form.EPOCH)


def advance(
    state: Enforcement,
    plan: Plan,
    situation: Situation,
    now: float,
    *,
    allow_reboot: bool = False,
    restricts: bool = True,
    unreadable: bool = False,
) -> tuple[Enforcement, Step, float | None]:
    """Name what to do next, and note what was found out on the way.

    Asked twice, it says the same: what it names counts as done with `answered`. The
    last part is when to look again in any case, though nothing happens meanwhile.

    `restricts`: whether less was ever wished than the wallbox gives by itself.
    `unreadable`: whether it is not known how much is wished.
    """
    if unreadable:
        state = _pinned(state)
        if state.pin_a is None:
            return _find_out(state, plan, now)
    elif state.pin_a is not None:
        state = replace(state, pin_a=None)
    state = _look(state, plan, situation, now)
    state, shown_at = _measure(state, situation, now)
    moments = [at for at in (shown_at, plan.next_change(now)) if at is not None]
    look_at = min(moments) if moments else None
    if not state.ready:
        return state, None, look_at
    if situation.smart_charging is False and not state.unable:
        state = replace(state, unable=True)
    if state.unable:
        state, step = _without_limits(state, situation, now, restricts=restricts)
    else:
        state, step = _with_limits(
            state, situation, now, allow_reboot=allow_reboot, restricts=restricts
        )
    return state, step, look_at


def _pinned(state: Enforcement) -> Enforcement:
    """Hold on to what the wallbox enforced before anything was sent to it."""
    if state.pin_a is not None or state.composite_at is None:
        return state
    return replace(state, pin_a=state.composite_a)


def _find_out(
    state: Enforcement, plan: Plan, now: float
) -> tuple[Enforcement, Step, None]:
    """Ask what the wallbox enforces, and send nothing before that is known."""
    state = replace(state, plan=plan, order=None, holds=False)
    if not state.ready:
        return state, None, None
    if state.composite_at is None:
        return state, AskComposite(), None
    retry_at = state.composite_at + RETRY[0]
    if now >= retry_at:
        return replace(state, composite_at=None), AskComposite(), None
    return state, Wait(retry_at), None


def _look(
    state: Enforcement, plan: Plan, situation: Situation, now: float
) -> Enforcement:
    """Take note of what changed since the last look."""
    order = plan.order(
        now,
        clocks_agree=situation.clocks_agree
        and Form.RELATIVE not in (state.form, *state.forms.values()),
    )
    if state.pin_a is not None:
        order = Order(amps=min(order.amps, state.pin_a))
    if state.order is None or order.amps < state.order.amps:
        state = replace(state, lowered_at=now, over_since=None)
    if plan != state.plan or (state.pin_a is not None and order != state.order):
        state = replace(
            state,
            plan=plan,
            refused=frozenset(),
            unanswered=frozenset(),
            losses=0,
            composite_at=None,
            holds=False,
            unheld_since=None,
            rounds=0,
            retry_at=None,
        )
    state = replace(state, order=order)
    if (
        state.begun is not None
        and situation.device_time is not None
        and situation.device_time < state.begun
    ):
        # Its clock was set back behind the beginning: to it, there is no limit now.
        state = replace(state, accepted={}, begun=None, composite_at=None)
    mark = (situation.transaction_id, situation.suspended, plan.index_at(now))
    if mark != state.mark:
        accepted, used = dict(state.accepted), state.used
        if state.mark is not None and mark[0] != state.mark[0]:
            accepted.pop(Way.TRANSACTION, None)
            used -= {Way.TRANSACTION}
            state = replace(state, tx_profile=None, stop_asked_at=None)
        state = replace(
            state,
            mark=mark,
            accepted=accepted,
            used=used,
            composite_at=None,
            applied_at=now,
            reading_asked=False,
        )
    if state.retry_at is not None and now >= state.retry_at:
        state = replace(
            state,
            refused=frozenset(),
            unanswered=frozenset(),
            form=state.form if state.rounds < ROUNDS_BEFORE_REBOOT else None,
            # Another way than the default was only tried in one form.
            forms={Way.STATION: _NEXT_FORM.get(_form(state, Way.STATION), Form.EPOCH)},
            retry_at=None,
            # What was accepted and not kept is sent again.
            accepted=state.accepted if state.holds else {},
            composite_at=None,
        )
    due = state.recheck_at is not None and now >= state.recheck_at
    if state.composite_at is not None and (due or now >= state.composite_at + RECHECK):
        state = replace(state, composite_at=None)
    return state


def _measure(
    state: Enforcement, situation: Situation, now: float
) -> tuple[Enforcement, float | None]:
    """Take note of a current above what is wished, whatever the wallbox answers.

    Returns as well when it will have to be shown, unless it ends before that.
    """
    heard_at = situation.current_heard_at
    if not _above(state, situation):
        if state.over_since is None:
            return state, None
        return replace(state, over_since=None), None
    lowered_at = state.lowered_at
    if lowered_at is None or heard_at is None or heard_at < lowered_at:
        return state, None
    since = heard_at if state.over_since is None else state.over_since
    state = replace(state, over_since=since)
    if state.failing:
        return state, None
    begun = lowered_at if since < lowered_at + 2 * SETTLE else since
    if heard_at >= begun + SETTLE:
        shown_at = begun + SHOWN
    elif state.composite_at is not None and _fits(state, situation):
        return state, None  # the wallbox says that it was in time; a reading will tell
    else:
        shown_at = since + SHOWN
    if now < shown_at:
        return state, shown_at
    return replace(state, failing=True, holds=False, exceeded=True), None


def _with_limits(
    state: Enforcement,
    situation: Situation,
    now: float,
    *,
    allow_reboot: bool,
    restricts: bool,
) -> tuple[Enforcement, Step]:
    """Bring a wallbox that has smart charging to do what is wished."""
    untried = _untried(state, situation, now)
    # First the one that took effect last: while it stands, the others may have none.
    for way in (Way.TRANSACTION, Way.STATION, Way.DEFAULT):
        if way in untried and (way is Way.DEFAULT or way in state.used):
            paced_to = (
                -math.inf if state.paced_from is None else state.paced_from + PACE
            )
            new = state.order != state.paced_order
            if new and now < paced_to and _order(state).amps > 0:
                return state, Wait(paced_to)
            return state, _send(state, way, situation)
    asked_at = state.composite_at
    if asked_at is None:
        return state, AskComposite()
    exceeded = _above(state, situation) and _has_proof(state, situation)
    if exceeded or _has_proof(state, situation):
        state = replace(state, exceeded=exceeded)
    taken = _taken(state, now)
    misfit = taken and not _fits(state, situation)
    if misfit and not exceeded:
        # Asked again at the pace until it should have been applied, then believed.
        tried = state.form is None and state.latest in state.forms
        patience = APPLY_NEXT if tried else APPLY
        settles_at = patience + (
            asked_at if state.applied_at is None else state.applied_at
        )
        if asked_at < settles_at:
            if now < asked_at + PACE:
                return state, Wait(asked_at + PACE)
            return replace(state, composite_at=None), AskComposite()
    if misfit or exceeded or not taken:
        return _try_other_ways(
            state,
            situation,
            now,
            misfit=misfit,
            allow_reboot=allow_reboot,
            restricts=restricts,
        )
    return _prove(state, situation, now)


def _order(state: Enforcement) -> Order:
    """Return what the wallbox is to be told, which the look has found."""
    return Order(amps=0.0) if state.order is None else state.order


def _taken(state: Enforcement, now: float) -> bool:
    """Tell whether the wallbox has accepted what it is to be told."""
    return any(order.at(now) == state.order for order in state.accepted.values())


def _untried(state: Enforcement, situation: Situation, now: float) -> list[Way]:
    """List the ways in which the order could still be put to the wallbox."""
    ways = [
        way
        for way in Way
        if way not in state.refused
        and (way not in state.accepted or state.accepted[way].at(now) != state.order)
    ]
    if (
        situation.transaction_id is None
        or situation.suspended  # it would be accepted and dropped
        or state.barred_transaction == situation.transaction_id
    ) and Way.TRANSACTION in ways:
        ways.remove(Way.TRANSACTION)
    return ways


def _send(state: Enforcement, way: Way, situation: Situation) -> Call:
    """Send the order one way."""
    transaction_id = situation.transaction_id
    if way is not Way.TRANSACTION or transaction_id is None:
        return SetLimit(way=way, order=_order(state), form=_form(state, way))
    if state.tx_profile is not None and state.tx_profile[0] == transaction_id:
        # Another id at the same level is refused (K01.FR.39), the same one by a Delta.
        return ClearTxProfile(
            transaction_id=transaction_id, profile_id=state.tx_profile[1]
        )
    form = _form(state, way)
    if state.tx_refused == transaction_id:
        if state.tx_cleared != transaction_id:
            return ClearTxProfile(transaction_id=transaction_id, profile_id=None)
        form = state.form or Form.NOW
    return SetLimit(
        way=way, order=_order(state), form=form, transaction_id=transaction_id
    )


def _fits(state: Enforcement, situation: Situation) -> bool:
    """Tell whether the composite schedule shows what is wished, if anything."""
    if state.composite_a is None:
        return True
    target = _order(state).amps
    if state.composite_a > target + ROUNDING_A:
        return False
    if not situation.surveyed:
        return True  # less than wished may be all that it has
    ceiling = situation.ceiling_a
    least = target if ceiling is None else min(target, ceiling)
    return state.composite_a >= least - ROUNDING_A


def _above(state: Enforcement, situation: Situation) -> bool:
    """Tell whether more flows than is wished; in a session, whatever its state."""
    target = _order(state).amps
    return (
        situation.transaction_id is not None
        and situation.current_a is not None
        and situation.current_a > target + max(TOLERANCE_A, TOLERANCE * target)
    )


def _has_proof(state: Enforcement, situation: Situation) -> bool:
    """Tell whether a current was read after the car could follow."""
    return situation.current_heard_at is not None and (
        state.applied_at is None
        or situation.current_heard_at >= state.applied_at + SETTLE
    )


def _flows(situation: Situation) -> bool:
    """Tell whether current flows, as far as that can be told."""
    if situation.transaction_id is None:
        return False
    if situation.current_a is None:
        return situation.charging
    return situation.current_a > TOLERANCE_A


def _try_other_ways(
    state: Enforcement,
    situation: Situation,
    now: float,
    *,
    misfit: bool,
    allow_reboot: bool,
    restricts: bool,
) -> tuple[Enforcement, Step]:
    """Try what was not tried yet; where nothing is left, show it."""
    unheld_since = now if state.unheld_since is None else state.unheld_since
    late = now >= unheld_since + PATIENCE
    told = restricts or state.exceeded
    state = replace(
        state,
        # What held until now was forgotten: it is sent again before anything else.
        accepted={} if state.holds else state.accepted,
        holds=False,
        unheld_since=unheld_since,
        failing=state.failing or (told and late),
    )
    way = state.latest
    if (
        misfit
        and state.form is None
        and way is Way.DEFAULT
        and way in state.accepted
        and (form := _NEXT_FORM.get(_form(state, way))) is not None
    ):
        accepted = dict(state.accepted)
        del accepted[way]
        forms = {**state.forms, way: form}
        state = replace(state, forms=forms, accepted=accepted)
        return state, _send(state, way, situation)
    state = replace(
        state,
        unheeded=state.unheeded | state.accepted.keys(),
    )
    if untried := _untried(state, situation, now):
        return state, _send(state, untried[0], situation)
    if _taken(state, now) and not late:
        return state, Wait(unheld_since + PATIENCE)
    state = replace(state, failing=state.failing or told)
    if _order(state).amps == 0 and not state.accepted and _flows(situation):
        if not late:
            return state, Wait(unheld_since + PATIENCE)
        if (stopped := _stop(state, situation, now)) is not None:
            return state, stopped
    retry_at = state.retry_at
    if retry_at is None:
        retry_at = now + RETRY[min(state.rounds, len(RETRY) - 1)]
        state = replace(state, retry_at=retry_at, rounds=state.rounds + 1)
    if allow_reboot and _may_reboot(state, situation, now):
        return state, Reboot()
    return state, Wait(retry_at)


def _stop(
    state: Enforcement, situation: Situation, now: float
) -> StopTransaction | None:
    """End the transaction where current flows that no limit stops."""
    if situation.transaction_id is None or not _flows(situation):
        return None
    if state.stop_asked_at is not None and now < state.stop_asked_at + STOP_RETRY:
        return None
    return StopTransaction(situation.transaction_id)


def _without_limits(
    state: Enforcement, situation: Situation, now: float, *, restricts: bool
) -> tuple[Enforcement, Step]:
    """Do with a wallbox that cannot limit what can be done: end a transaction."""
    if _order(state).amps > 0:
        over = state.failing and state.over_since is not None
        return replace(state, holds=not restricts, failing=restricts or over), None
    if not _flows(situation):
        return replace(state, holds=True, failing=False, exceeded=False), None
    state = replace(state, holds=False)
    if (stopped := _stop(state, situation, now)) is not None:
        return state, stopped
    asked_at = now if state.stop_asked_at is None else state.stop_asked_at
    return state, Wait(asked_at + STOP_RETRY)


def _may_reboot(state: Enforcement, situation: Situation, now: float) -> bool:
    """Tell whether a reboot is worth it: for a session with too much, or with nothing.

    A limit that is only lower than wished may be the wallbox's own.
    """
    if situation.transaction_id is None or state.rounds < ROUNDS_BEFORE_REBOOT:
        return False
    if state.reboot_from is not None and now < state.reboot_from:
        return False
    limit = state.composite_a
    return (
        limit is None or limit < LEAST_A or limit > _order(state).amps or state.exceeded
    )


def _prove(
    state: Enforcement, situation: Situation, now: float
) -> tuple[Enforcement, Step]:
    """Wait for the current to agree; where it does, or none flows, the limit holds."""
    settled_at = (now if state.applied_at is None else state.applied_at) + SETTLE
    if situation.charging and not _has_proof(state, situation):
        if now < settled_at:
            return state, Wait(settled_at)
        if not state.reading_asked:
            return state, AskReading()
        if now < settled_at + PATIENCE:
            return state, Wait(settled_at + PATIENCE)
        if state.exceeded:
            since = now if state.unheld_since is None else state.unheld_since
            return replace(state, failing=now >= since + PATIENCE), None
        # No reading is to be had: the composite schedule has to do.
    if state.over_since is not None:
        # A reading of the change's first seconds: the next one will tell.
        return state, None
    ceiling = situation.ceiling_a
    # A limit that is no less than what it gives by itself proves nothing.
    proven = (
        state.latest is not None
        and state.latest in state.accepted
        and state.composite_a is not None
        and ceiling is not None
        and state.composite_a < ceiling - ROUNDING_A
    )
    state = replace(
        state,
        form=_form(state, state.latest) if proven and state.latest else state.form,
        unheeded=state.unheeded - ({state.latest} if state.latest else set()),
        holds=True,
        failing=False,
        exceeded=False,
        unheld_since=None,
        rounds=0,
    )
    if state.refused and state.retry_at is None:
        # Another way holds it for now. The default is what the next session needs.
        state = replace(state, retry_at=now + DEFAULT_RETRY)
    due = [state.retry_at, state.recheck_at]
    if situation.transaction_id is not None and state.composite_at is not None:
        due.append(state.composite_at + RECHECK)
    moments = [moment for moment in due if moment is not None]
    return state, Wait(min(moments)) if moments else None
