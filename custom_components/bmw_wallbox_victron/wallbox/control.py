"""Desired against reported: which call brings the wallbox closer to what is wished.

A loop, not a chain of commands. `advance` looks at what is wished, at what the wallbox
has confirmed so far and at what it measures, and names the one thing to do next. It is
asked again after every answer, message, reconnect and wish, and so ends at the same
point whatever was lost on the way.

A Delta box accepts limits that it does not keep, so an accepted profile proves nothing:
a limit holds when the composite schedule shows it (OCPP 2.0.1 K08) and the measured
current agrees. What does not hold is tried another way, and then shown.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

#: Limits in a row go out this far apart at least; a pause never waits.
PACE: Final = timedelta(seconds=1)
#: A wallbox applies within this what it has accepted; until then it is asked again.
APPLY: Final = timedelta(seconds=3)
#: A car follows a new limit within 5 s (IEC 61851-1); readings from before say nothing.
SETTLE: Final = timedelta(seconds=5)
#: A limit that does not hold so long after it was accepted is shown, within 10 s.
PATIENCE: Final = timedelta(seconds=8)
#: After these pauses everything is tried again; the last one repeats.
RETRY: Final = tuple(timedelta(seconds=pause) for pause in (30, 60, 120, 300))
#: A default profile that was refused while another one holds the limit is tried again.
DEFAULT_RETRY: Final = timedelta(seconds=60)
#: A limit that holds is looked at again so often.
RECHECK: Final = timedelta(minutes=5)
#: Two reboots for a limit that does not hold are this far apart at least.
REBOOT_PAUSE: Final = timedelta(hours=1)
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Limits over time, as a charging schedule has them."""

    periods: tuple[tuple[int, float], ...]
    """From how many seconds after `start` on which limit holds, in A; first at 0."""
    start: datetime | None = None
    """When the first period begins; None: it always has."""

    def index_at(self, now: datetime) -> int:
        """Tell which period runs; -1 before the first."""
        if self.start is None:
            return 0
        elapsed = (now - self.start).total_seconds()
        return sum(begin <= elapsed for begin, _ in self.periods) - 1

    def limit_at(self, now: datetime) -> float:
        """Give the limit of the running period, in A."""
        return self.periods[max(self.index_at(now), 0)][1]

    def next_change(self, now: datetime) -> datetime | None:
        """Tell when the next period begins."""
        following = self.index_at(now) + 1
        if self.start is None or following >= len(self.periods):
            return None
        return self.start + timedelta(seconds=self.periods[following][0])


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

    def limit(self, max_current: int) -> int:
        """Give the limit without schedule and pause, in A."""
        return min(self.current_limit or max_current, max_current)

    def plan(self, max_current: int) -> Plan:
        """Give the limits that follow; `max_current` is what the installation bears."""
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
    heard_at: datetime | None = None
    """When that reading arrived, by our clock."""
    current_heard_at: float | None = None
    """When the oldest reading that counts toward it arrived, by the steady clock, s."""
    ceiling_a: float | None = None
    """The most that the wallbox itself gives, A; None: it does not tell."""
    surveyed: bool = True
    """Whether it was asked for that on this connection."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Enforcement:
    """How far the wallbox has got with what is wished."""

    ready: bool = False
    """Whether the wallbox is connected and may be asked."""
    plan: Plan | None = None
    """The limits that everything below is about."""
    accepted: Mapping[Way, Plan] = field(default_factory=dict)
    """What the wallbox has accepted on this connection."""
    used: frozenset[Way] = frozenset()
    """Ways in which it has a limit of ours, and has to be told each new one."""
    refused: frozenset[Way] = frozenset()
    """What it refuses at present."""
    refusal: str | None = None
    """The reason that it gave last."""
    barred_transaction: str | None = None
    """A transaction that refused a profile of its own, and will refuse all others."""
    losses: int = 0
    """How many answers in a row did not come."""
    composite_a: float | None = None
    """What the composite schedule allows now, A; None: not known."""
    composite_at: datetime | None = None
    """When that was asked for; None: to be asked again."""
    applied_at: datetime | None = None
    """When something last changed what may flow."""
    paced_from: datetime | None = None
    """When a new limit was last sent."""
    paced_plan: Plan | None = None
    """Which one."""
    reading_asked: bool = False
    """Whether a reading was asked for since `applied_at`."""
    unheld_since: datetime | None = None
    """Since when the wallbox should do what it does not."""
    holds: bool = False
    """Whether all that is wished is confirmed."""
    exceeded: bool = False
    """Whether it was last seen to let more flow: only a reading can disprove that."""
    failing: bool = False
    """Whether a limit does not hold, and its owner is to know."""
    rounds: int = 0
    """How many times everything was tried in vain."""
    retry_at: datetime | None = None
    """When what was refused is tried again."""
    rebooted_at: datetime | None = None
    """When it was rebooted because a limit did not hold."""
    mark: tuple[str | None, bool, int] | None = None
    """Transaction, suspended, period: where one changes, a limit must be confirmed."""


# What may be done next


@dataclass(frozen=True, slots=True, kw_only=True)
class SetLimit:
    """Send a charging profile."""

    way: Way
    plan: Plan
    transaction_id: str | None = None
    """The transaction that a TxProfile is for."""


@dataclass(frozen=True, slots=True)
class AskComposite:
    """Ask what the profiles make together."""


@dataclass(frozen=True, slots=True)
class AskReading:
    """Ask for meter values."""


@dataclass(frozen=True, slots=True)
class Reboot:
    """Reboot the wallbox: the last way."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to be done before `until`, unless something happens."""

    until: datetime


type Call = SetLimit | AskComposite | AskReading | Reboot
type Step = Call | Wait | None


class Outcome(StrEnum):
    """How a call ended."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    LOST = "lost"
    """No answer came, so it may have been done or not."""


# Transitions


def ready(state: Enforcement) -> Enforcement:
    """Begin with a wallbox that connected or booted: it may have forgotten all."""
    return replace(disconnected(state), ready=True)


def disconnected(state: Enforcement) -> Enforcement:
    """Forget what only a connection can confirm; what did not hold still may not."""
    return Enforcement(
        plan=state.plan,
        failing=state.failing,
        exceeded=state.exceeded,
        used=state.used,
        rebooted_at=state.rebooted_at,
        barred_transaction=state.barred_transaction,
    )


def recheck(state: Enforcement) -> Enforcement:
    """Have the composite schedule asked for again."""
    return replace(state, composite_at=None)


def sent(state: Enforcement, call: Call, now: datetime) -> Enforcement:
    """Take note that a call goes on the wire."""
    if isinstance(call, SetLimit) and call.plan != state.paced_plan:
        return replace(state, paced_from=now, paced_plan=call.plan)
    return state


def answered(
    state: Enforcement,
    call: Call,
    outcome: Outcome,
    now: datetime,
    *,
    composite_a: float | None = None,
    refusal: str | None = None,
) -> Enforcement:
    """Take the answer to a call.

    `composite_a`: the limit of this moment in the composite schedule, A. `refusal`: the
    reason that the wallbox gave, or why there is no answer.
    """
    if not state.ready:
        return state
    losses = state.losses + 1 if outcome is Outcome.LOST else 0
    state = replace(state, losses=losses % PATIENT_LOSSES)
    gave_up = losses >= PATIENT_LOSSES
    match call:
        case SetLimit():
            return _set(state, call, outcome, now, gave_up, refusal)
        case AskComposite():
            if outcome is Outcome.LOST and not gave_up:
                return state
            return replace(state, composite_a=composite_a, composite_at=now)
        case AskReading():
            return replace(state, reading_asked=True)
        case Reboot():
            return replace(state, rebooted_at=now)


def _set(
    state: Enforcement,
    call: SetLimit,
    outcome: Outcome,
    now: datetime,
    gave_up: bool,
    refusal: str | None,
) -> Enforcement:
    """Take the answer to a charging profile."""
    accepted = dict(state.accepted)
    refused = state.refused
    barred = state.barred_transaction
    if outcome is Outcome.ACCEPTED:
        accepted[call.way] = call.plan
    else:
        accepted.pop(call.way, None)
        if outcome is Outcome.REFUSED or gave_up:
            refused |= {call.way}
            if call.way is Way.TRANSACTION:
                barred = call.transaction_id
    return replace(
        state,
        accepted=accepted,
        # Without an answer it may have been taken as well.
        used=state.used if outcome is Outcome.REFUSED else state.used | {call.way},
        refused=refused,
        refusal=state.refusal if outcome is Outcome.ACCEPTED else refusal,
        barred_transaction=barred,
        composite_at=None,
        applied_at=now,
        reading_asked=False,
        unheld_since=state.unheld_since or now,
    )


def advance(
    state: Enforcement,
    plan: Plan,
    situation: Situation,
    now: datetime,
    *,
    allow_reboot: bool = False,
) -> tuple[Enforcement, Step]:
    """Name what to do next, and note what was found out on the way.

    Asked twice, it says the same: what it names counts as done with `answered`.
    """
    if not state.ready:
        return replace(state, plan=plan, holds=state.holds and state.plan == plan), None
    state = _look(_without_future(state, now), plan, situation, now)
    untried = _untried(state, situation)
    # First the one that took effect last: while it stands, the others may have none.
    for way in (Way.TRANSACTION, Way.STATION, Way.DEFAULT):
        if way in untried and (way is Way.DEFAULT or way in state.used):
            paced_to = state.paced_from and state.paced_from + PACE
            new = plan != state.paced_plan
            if new and paced_to and now < paced_to and plan.limit_at(now) > 0:
                return state, Wait(paced_to)
            return state, _send(way, plan, situation)
    asked_at = state.composite_at
    if asked_at is None:
        return state, AskComposite()
    exceeded = _exceeds(state, plan, situation, now)
    if exceeded or _has_proof(state, situation):
        state = replace(state, exceeded=exceeded)
    misfit = plan in state.accepted.values() and not _fits(state, plan, situation, now)
    if misfit and not exceeded:
        # Asked again at the pace until it should have been applied, then believed.
        settles_at = (state.applied_at or asked_at) + APPLY
        if asked_at < settles_at:
            if now < asked_at + PACE:
                return state, Wait(asked_at + PACE)
            return recheck(state), AskComposite()
    if misfit or exceeded or plan not in state.accepted.values():
        return _try_other_ways(state, plan, situation, now, allow_reboot=allow_reboot)
    return _prove(state, plan, situation, now)


def _without_future(state: Enforcement, now: datetime) -> Enforcement:
    """Let no moment lie ahead because our clock was set back."""
    latest = now + PACE
    past = (state.paced_from, state.applied_at, state.composite_at, state.unheld_since)
    if (state.retry_at is None or state.retry_at <= latest + RETRY[-1]) and all(
        moment is None or moment <= latest for moment in (*past, state.rebooted_at)
    ):
        return state
    return replace(
        state,
        paced_from=None,
        applied_at=now,
        composite_at=None,
        reading_asked=False,
        unheld_since=None if state.unheld_since is None else now,
        retry_at=None if state.retry_at is None else now,
        rebooted_at=None if state.rebooted_at is None else now,
    )


def _look(
    state: Enforcement, plan: Plan, situation: Situation, now: datetime
) -> Enforcement:
    """Take note of what changed since the last look."""
    if plan != state.plan:
        state = replace(
            state,
            plan=plan,
            refused=frozenset(),
            losses=0,
            composite_at=None,
            holds=False,
            unheld_since=None,
            rounds=0,
            retry_at=None,
        )
    mark = (situation.transaction_id, situation.suspended, plan.index_at(now))
    if mark != state.mark:
        accepted, used = dict(state.accepted), state.used
        if state.mark is not None and mark[0] != state.mark[0]:
            accepted.pop(Way.TRANSACTION, None)
            used -= {Way.TRANSACTION}
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
            retry_at=None,
            # What was accepted and not kept is sent again.
            accepted=state.accepted if state.holds else {},
            composite_at=None,
        )
    if state.composite_at is not None and now >= state.composite_at + RECHECK:
        state = recheck(state)
    return state


def _untried(state: Enforcement, situation: Situation) -> list[Way]:
    """List the ways in which the plan could still be put to the wallbox."""
    ways = [
        way
        for way in Way
        if way not in state.refused and state.accepted.get(way) != state.plan
    ]
    if (
        situation.transaction_id is None
        or situation.suspended  # it would be accepted and dropped
        or state.barred_transaction == situation.transaction_id
    ) and Way.TRANSACTION in ways:
        ways.remove(Way.TRANSACTION)
    return ways


def _send(way: Way, plan: Plan, situation: Situation) -> SetLimit:
    """Send the plan one way."""
    bound = situation.transaction_id if way is Way.TRANSACTION else None
    return SetLimit(way=way, plan=plan, transaction_id=bound)


def _fits(state: Enforcement, plan: Plan, situation: Situation, now: datetime) -> bool:
    """Tell whether the composite schedule shows what is wished, if anything."""
    if state.composite_a is None:
        return True
    target = plan.limit_at(now)
    if state.composite_a > target + ROUNDING_A:
        return False
    if not situation.surveyed:
        return True  # less than wished may be all that it has
    ceiling = situation.ceiling_a
    least = target if ceiling is None else min(target, ceiling)
    return state.composite_a >= least - ROUNDING_A


def _exceeds(
    state: Enforcement, plan: Plan, situation: Situation, now: datetime
) -> bool:
    """Tell whether more flows than is wished; in a session, whatever its state."""
    target = plan.limit_at(now)
    return (
        situation.transaction_id is not None
        and situation.current_a is not None
        and situation.current_a > target + max(TOLERANCE_A, TOLERANCE * target)
        and _has_proof(state, situation)
    )


def _has_proof(state: Enforcement, situation: Situation) -> bool:
    """Tell whether there is a reading from after the car could follow."""
    return situation.heard_at is not None and (
        state.applied_at is None or situation.heard_at >= state.applied_at + SETTLE
    )


def _try_other_ways(
    state: Enforcement,
    plan: Plan,
    situation: Situation,
    now: datetime,
    *,
    allow_reboot: bool,
) -> tuple[Enforcement, Step]:
    """Try what was not tried yet; where nothing is left, show it."""
    unheld_since = state.unheld_since or now
    state = replace(
        state,
        # What held until now was forgotten: it is sent again before anything else.
        accepted={} if state.holds else state.accepted,
        holds=False,
        unheld_since=unheld_since,
        failing=state.failing or now >= unheld_since + PATIENCE,
    )
    if untried := _untried(state, situation):
        return state, _send(untried[0], plan, situation)
    if plan in state.accepted.values() and now < unheld_since + PATIENCE:
        return state, Wait(unheld_since + PATIENCE)
    state = replace(state, failing=True)
    retry_at = state.retry_at
    if retry_at is None:
        retry_at = now + RETRY[min(state.rounds, len(RETRY) - 1)]
        state = replace(state, retry_at=retry_at, rounds=state.rounds + 1)
    if allow_reboot and _may_reboot(state, plan, situation, now):
        return state, Reboot()
    return state, Wait(retry_at)


def _may_reboot(
    state: Enforcement, plan: Plan, situation: Situation, now: datetime
) -> bool:
    """Tell whether a reboot is worth it: for a session with too much, or with nothing.

    A limit that is only lower than wished may be the wallbox's own.
    """
    if situation.transaction_id is None or state.rounds < ROUNDS_BEFORE_REBOOT:
        return False
    if state.rebooted_at is not None and now < state.rebooted_at + REBOOT_PAUSE:
        return False
    limit = state.composite_a
    return (
        limit is None
        or limit < LEAST_A
        or limit > plan.limit_at(now)
        or (state.exceeded)
    )


def _prove(
    state: Enforcement, plan: Plan, situation: Situation, now: datetime
) -> tuple[Enforcement, Step]:
    """Wait for the current to agree; where it does, or none flows, the limit holds."""
    settled_at = (state.applied_at or now) + SETTLE
    if situation.charging and not _has_proof(state, situation):
        if now < settled_at:
            return state, Wait(settled_at)
        if not state.reading_asked:
            return state, AskReading()
        if now < settled_at + PATIENCE:
            return state, Wait(settled_at + PATIENCE)
        if state.exceeded:
            since = state.unheld_since or now
            return replace(state, failing=now >= since + PATIENCE), None
        # No reading is to be had: the composite schedule has to do.
    state = replace(
        state, holds=True, failing=False, exceeded=False, unheld_since=None, rounds=0
    )
    if state.refused and state.retry_at is None:
        # Another way holds it for now. The default is what the next session needs.
        state = replace(state, retry_at=now + DEFAULT_RETRY)
    due = [plan.next_change(now), state.retry_at]
    if situation.transaction_id is not None and state.composite_at is not None:
        due.append(state.composite_at + RECHECK)
    moments = [moment for moment in due if moment is not None]
    return state, Wait(min(moments)) if moments else None
