"""How far a wallbox has got with the target, and what each answer makes of it.

Everything here is a value. All that lasts or ages does so in seconds of a clock that is
never set.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from .clock import Now
from .findings import NOTHING_LEARNED, Lesson
from .steps import (
    AskComposite,
    AskReading,
    Call,
    ClearTxProfile,
    Outcome,
    Reboot,
    SetLimit,
    StopTransaction,
)
from .target import NEXT_KIND, ChargingSchedule, ProfileKind, ProfilePurpose, Setpoint

#: A wallbox that says again and again that something limits it is asked so often, in s.
RECHECK_PACE: Final = 10.0
#: Two reboots for a limit that does not hold are this far apart at least, in s.
REBOOT_PAUSE: Final = 3600.0
#: A profile that was refused, of which only the step down is newer, is sent again.
RENEWAL_RETRY: Final = 15.0
#: An answer that does not come is waited for so many times.
PATIENT_LOSSES: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
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
    """How far the wallbox has got with the target. Times are in steady seconds."""

    ready: bool = False
    """Whether the wallbox is connected and may be asked."""
    schedule: ChargingSchedule | None = None
    """The owner's limits, which everything below is about."""
    owner_a: float | None = None
    """What these allow now, A, whatever a cap makes of them."""
    setpoint: Setpoint | None = None
    """What it is to be told of them now, capped."""
    lately: tuple[tuple[float, float], ...] = ()
    """Until when which other limit was to hold, A, the newest last: a car that is
    measured still does what it was told before."""
    ends: bool = False
    """Whether the transaction may be ended where no limit stops the car."""
    pin_a: float | None = None
    """What it enforced before anything was sent, A, where the target cannot be read."""
    kind: ProfileKind | None = None
    """The profile kind with which a composite schedule has shown a limit; None: none
    yet."""
    kinds: Mapping[ProfilePurpose, ProfileKind] = field(default_factory=dict)
    """Until then, the profile kind that is tried next."""
    learned: bool = False
    """Whether that is one that a check has found: where it fails, all are tried."""
    accepted: Mapping[ProfilePurpose, Setpoint] = field(default_factory=dict)
    """What the wallbox has accepted on this connection."""
    accepted_kinds: Mapping[ProfilePurpose, ProfileKind] = field(default_factory=dict)
    """With which profile kind it has accepted each of them."""
    latest: ProfilePurpose | None = None
    """The profile purpose that it accepted last."""
    begun: datetime | None = None
    """When the newest profile begins by the wallbox's clock, if it depends on that."""
    used: frozenset[ProfilePurpose] = frozenset()
    """Profile purposes with which it has a limit of ours: each new one is sent."""
    refused: frozenset[ProfilePurpose] = frozenset()
    """What it refuses at present."""
    unanswered: frozenset[ProfilePurpose] = frozenset()
    """Those of them which it did not answer."""
    unfollowed: frozenset[ProfilePurpose] = frozenset()
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
    fitted_at: float | None = None
    """When it last showed what was wished then; None: the newest one does not."""
    rechecked_at: float | None = None
    """When it was last to be asked for again because the wallbox wanted that."""
    recheck_at: float | None = None
    """When it is to be asked for again because of that."""
    applied_at: float | None = None
    """When something last changed what may flow."""
    paced_from: float | None = None
    """When a new limit was last sent."""
    paced_setpoint: Setpoint | None = None
    """Which one."""
    reading_asked: bool = False
    """Whether a reading was asked for since `applied_at`."""
    unheld_since: float | None = None
    """Since when the wallbox should do what it does not."""
    lowered_at: float | None = None
    """When the target was last lowered: only later readings tell of that."""
    over_since: float | None = None
    """When more than the target was first measured, without a break since then."""
    holds: bool = False
    """Whether the target is confirmed."""
    exceeded: bool = False
    """Whether it was last seen to let more flow: only a reading can disprove that."""
    failing: bool = False
    """Whether a limit does not hold, and its owner is to know."""
    failed_a: float | None = None
    """The highest of the capped limits that did not hold, A: one above it proves
    nothing."""
    lifted_at: float | None = None
    """Since when a limit above that has held instead."""
    rounds: int = 0
    """How many times everything was tried in vain."""
    retry_at: float | None = None
    """When what was refused is tried again."""
    rebooted_at: datetime | None = None
    """When it was rebooted because a limit did not hold: wall time, to be stored."""
    reboot_from: float | None = None
    """From when on it may be rebooted again."""
    renewed_at: float | None = None
    """When a profile was last taken for its step down alone (see `fallback`)."""
    renew_from: float | None = None
    """From when on one that was not is tried again."""
    mark: tuple[str | None, bool, int] | None = None
    """Transaction, suspended, period: where one changes, a limit must be confirmed."""

    @property
    def able(self) -> bool | None:
        """Whether it takes limits at all; None: not known on this connection yet."""
        if self.unable:
            return False
        return True if self.accepted else None

    @property
    def dispensable(self) -> tuple[ProfilePurpose, ...]:
        """Purposes that may be cleared, in this order: those after one that holds."""
        followed = [
            purpose
            for purpose in ProfilePurpose
            if purpose in self.accepted and purpose not in self.unfollowed
        ]
        if not followed:
            return ()
        behind = [*ProfilePurpose][[*ProfilePurpose].index(followed[0]) + 1 :]
        return tuple(reversed(behind))


# Transitions


def restored(
    state: Enforcement, now: Now, lesson: Lesson = NOTHING_LEARNED
) -> Enforcement:
    """Take what was stored of it, for this run of Home Assistant.

    What a check has found is tried first, and no more than that: whatever does not
    hold any more is found out as ever.
    """
    if lesson.kind is not None:
        first = (ProfilePurpose.TX_DEFAULT, ProfilePurpose.STATION_MAX)
        kinds = dict.fromkeys(first, lesson.kind)
        state = replace(state, kinds=kinds, learned=True)
    if lesson.default_fails:
        state = replace(state, used=frozenset({ProfilePurpose.STATION_MAX}))
    if state.rebooted_at is None:
        return state
    elapsed = (now.wall - state.rebooted_at).total_seconds()
    left = REBOOT_PAUSE - min(max(elapsed, 0.0), REBOOT_PAUSE)
    return replace(state, reboot_from=now.steady + left)


def ready(state: Enforcement) -> Enforcement:
    """Begin with a wallbox that connected or booted: it may have forgotten all."""
    return replace(disconnected(state), ready=True)


def relearning(state: Enforcement) -> Enforcement:
    """Look anew which profile purposes hold, without giving one up that may.

    A profile for the station stays in the wallbox as it is, and can only lower.
    """
    kept = state.used - {ProfilePurpose.STATION_MAX}
    return replace(
        state,
        accepted={
            each: state.accepted[each] for each in state.accepted if each in kept
        },
        used=kept,
        refused=frozenset(),
        unfollowed=frozenset(),
        retry_at=None,
        composite_at=None,
    )


def checked(state: Enforcement) -> Enforcement:
    """Forget what did not hold in a check: only that could not be kept."""
    return replace(state, rounds=0, unheld_since=None, retry_at=None)


def disconnected(state: Enforcement) -> Enforcement:
    """Forget what only a connection can confirm; what did not hold still may not."""
    return Enforcement(
        schedule=state.schedule,
        owner_a=state.owner_a,
        setpoint=state.setpoint,
        lately=state.lately,
        ends=state.ends,
        failed_a=state.failed_a,
        pin_a=state.pin_a,
        kind=state.kind,
        kinds=state.kinds,
        learned=state.learned,
        lowered_at=state.lowered_at,
        failing=state.failing,
        exceeded=state.exceeded,
        used=state.used,
        tx_profile=state.tx_profile,
        rebooted_at=state.rebooted_at,
        reboot_from=state.reboot_from,
        barred_transaction=state.barred_transaction,
    )


def recheck(state: Enforcement, now: float) -> Enforcement:
    """Ask for the composite schedule again: at once, and then at a pace."""
    if state.composite_at is None:
        return state  # it is going to be
    before = state.rechecked_at
    if before is None or now >= before + RECHECK_PACE:
        return replace(state, composite_at=None, rechecked_at=now, recheck_at=None)
    return replace(state, recheck_at=before + RECHECK_PACE)


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
            if call.setpoint != state.paced_setpoint:
                state = replace(state, paced_from=now, paced_setpoint=call.setpoint)
            if call.transaction_id is not None and call.profile_id is not None:
                profile = (call.transaction_id, call.profile_id)
                state = replace(state, tx_profile=profile)
        case StopTransaction():
            state = replace(state, stop_asked_at=now)
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
    the kind `NOW` begins. `wall`: wall time, for what is stored.
    """
    if not state.ready:
        return state
    losses = state.losses + 1 if outcome is Outcome.LOST else 0
    state = replace(state, losses=losses % PATIENT_LOSSES)
    gave_up = losses >= PATIENT_LOSSES
    match call:
        case SetLimit():
            if call.renews and outcome is not Outcome.UNSUPPORTED:
                return _renewed(state, call, outcome, now, begun)
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
        accepted[call.purpose] = call.setpoint
        accepted_kinds = {**state.accepted_kinds, call.purpose: call.kind}
        state = replace(
            state, latest=call.purpose, begun=begun, accepted_kinds=accepted_kinds
        )
    else:
        accepted.pop(call.purpose, None)
        state = replace(state, refusal=refusal)
    if outcome is Outcome.UNSUPPORTED:
        state = replace(state, unable=True)
    elif outcome is Outcome.REFUSED:
        state = _refused(state, call)
    elif gave_up and outcome is Outcome.LOST:
        state = replace(
            state,
            refused=state.refused | {call.purpose},
            unanswered=state.unanswered | {call.purpose},
        )
    if outcome is Outcome.REFUSED and state.composite_at is not None:
        return replace(state, accepted=accepted)  # nothing was changed
    return replace(
        state,
        accepted=accepted,
        # Without an answer it may have been taken as well.
        used=state.used
        if outcome in (Outcome.REFUSED, Outcome.UNSUPPORTED)
        else state.used | {call.purpose},
        composite_at=None,
        applied_at=now,
        reading_asked=False,
        unheld_since=now if state.unheld_since is None else state.unheld_since,
    )


def _renewed(
    state: Enforcement,
    call: SetLimit,
    outcome: Outcome,
    now: float,
    begun: datetime | None,
) -> Enforcement:
    """Take the answer to a profile that has the limit of the one before.

    Where it was not taken, that one goes on, until it steps down.
    """
    if outcome is not Outcome.ACCEPTED:
        lost = outcome is Outcome.LOST  # that took long enough
        return replace(state, renew_from=now if lost else now + RENEWAL_RETRY)
    return replace(
        state,
        accepted={**state.accepted, call.purpose: call.setpoint},
        accepted_kinds={**state.accepted_kinds, call.purpose: call.kind},
        begun=begun,
        renewed_at=now,
        renew_from=None,
        composite_at=None,
    )


def _refused(state: Enforcement, call: SetLimit) -> Enforcement:
    """Take note of a refusal: of this profile kind, or of this purpose."""
    if call.purpose is ProfilePurpose.TX:
        state = replace(state, tx_profile=None)
        if state.tx_cleared != call.transaction_id:
            return replace(state, tx_refused=call.transaction_id)
        state = replace(state, barred_transaction=call.transaction_id)
    elif state.learned:
        return replace(state, kinds={}, learned=False)
    elif state.kind is None and call.kind in NEXT_KIND:
        kinds = {**state.kinds, call.purpose: NEXT_KIND[call.kind]}
        return replace(state, kinds=kinds)
    kinds = {
        purpose: kind
        for purpose, kind in state.kinds.items()
        if purpose is not call.purpose
    }
    return replace(state, refused=state.refused | {call.purpose}, kinds=kinds)


def kind_of(state: Enforcement, purpose: ProfilePurpose) -> ProfileKind:
    """Return the profile kind with which a purpose is sent."""
    return state.kind or state.kinds.get(purpose, ProfileKind.EPOCH)
