"""Desired against reported: which call brings the wallbox closer to the target.

A loop, not a chain of commands. `advance` looks at the target, at what the wallbox
has confirmed so far and at what it measures, and names the one thing to do next. It is
asked again after every answer, message, reconnect and new target, and so ends at the
same point whatever was lost meanwhile.

A Delta box accepts limits that it does not keep, so an accepted profile proves nothing:
a limit holds when the composite schedule shows it (OCPP 2.0.1 K08) and a current that
was read after the change agrees. What does not hold is tried with
another profile kind or purpose, then shown.

All that lasts or ages here does so in seconds of a clock that is never set.
"""

from dataclasses import replace
import math
from typing import Final

from ..charging.settings import MIN_CURRENT_A
from .enforcement import Enforcement, Observed, kind_of
from .fallback import renewal, stepping
from .observation import (
    RECHECK,
    ROUNDING_A,
    SETTLE,
    fits,
    flows,
    has_proof,
    is_above,
    is_taken,
    look,
    measure,
    setpoint_of,
)
from .steps import (
    AskComposite,
    AskReading,
    Call,
    ClearTxProfile,
    Reboot,
    SetLimit,
    Step,
    StopTransaction,
    Wait,
)
from .target import (
    NEXT_KIND,
    ChargingSchedule,
    Fallback,
    ProfileKind,
    ProfilePurpose,
)

#: Limits in a row go out this far apart at least, in s; a pause never waits.
PACE: Final = 1.0
#: A wallbox applies within this what it has accepted, in s; it is asked again so long.
APPLY: Final = 3.0
#: So long it has for a further profile kind, where the first was not followed, in s.
APPLY_NEXT: Final = 1.5
#: A limit that does not hold so long after it was accepted is shown, within 10 s.
PATIENCE: Final = 8.0
#: After these pauses everything is tried again, in s; the last one repeats.
RETRY: Final = (30.0, 60.0, 120.0, 300.0)
#: While more than the target was measured, none is longer than this, in s.
RETRY_EXCEEDED: Final = 60.0
#: A default profile that was refused while another one holds the limit is tried again.
DEFAULT_RETRY: Final = 60.0
#: A transaction whose end was refused is asked to end again after this, in s.
STOP_RETRY: Final = 60.0
#: It is rebooted for a limit only after everything was tried so many times.
ROUNDS_BEFORE_REBOOT: Final = 2


def advance(
    state: Enforcement,
    schedule: ChargingSchedule,
    observed: Observed,
    now: float,
    *,
    allow_reboot: bool = False,
    restricts: bool = True,
    unreadable: bool = False,
    cap_a: float | None = None,
    cap_forced: bool = False,
    fallback: Fallback | None = None,
) -> tuple[Enforcement, Step, float | None]:
    """Name what to do next, and note what was found out.

    Asked twice, it says the same: what it names counts as done with `answered`. The
    last part is when to look again in any case, though nothing happens meanwhile.

    `schedule`: the owner's limits. `cap_a`: the most of them that is allowed now, A;
    `cap_forced`: where no limit does it, a pause by the cap ends the transaction, as
    the owner's does. `restricts`: whether all that is less than the wallbox gives by
    itself. `unreadable`: whether the target is not known. `fallback`: what the wallbox
    is to do without us.
    """
    if unreadable:
        state = _pinned(state)
        # A pause is never more than what it enforces: that waits for nothing.
        # Not one by the cap: what it enforces could not be found out any more.
        paused = all(amps == 0 for _, amps in schedule.periods)
        if state.pin_a is None and not paused:
            return _find_out(state, schedule, now)
    elif state.pin_a is not None:
        state = replace(state, pin_a=None)
    state = look(state, schedule, observed, now, cap_a=cap_a)
    ends = state.owner_a == 0 or cap_forced
    if ends != state.ends:
        state = replace(state, ends=ends)
    state, shown_at = measure(state, observed, now)
    moments = [at for at in (shown_at, schedule.next_change(now)) if at is not None]
    look_at = min(moments) if moments else None
    if not state.ready:
        return state, None, look_at
    if observed.smart_charging is False and not state.unable:
        state = replace(state, unable=True)
    if state.unable:
        state, step = _without_limits(state, observed, now, restricts=restricts)
    else:
        state, step = _with_limits(
            state,
            observed,
            now,
            allow_reboot=allow_reboot,
            restricts=restricts,
            fallback=fallback,
        )
        if isinstance(step, SetLimit):
            step = stepping(state, step, observed, fallback, now)
        _, renewal_at = renewal(state, observed, fallback, now)
        if renewal_at is not None:
            look_at = min(renewal_at, renewal_at if look_at is None else look_at)
    return _remembering_failure(state), step, look_at


def _remembering_failure(state: Enforcement) -> Enforcement:
    """Take note of a capped limit that does not hold: a higher one may come next."""
    amps = setpoint_of(state).amps
    if not state.failing or state.holds:
        return state
    if state.owner_a is not None and amps < state.owner_a:
        state = replace(state, failed_a=max(amps, state.failed_a or 0.0))
    return replace(state, lifted_at=None)


def _pinned(state: Enforcement) -> Enforcement:
    """Hold on to what the wallbox enforced before anything was sent to it."""
    if state.pin_a is not None or state.composite_at is None:
        return state
    return replace(state, pin_a=state.composite_a)


def _find_out(
    state: Enforcement, schedule: ChargingSchedule, now: float
) -> tuple[Enforcement, Step, None]:
    """Ask what the wallbox enforces, and send nothing before that is known."""
    state = replace(state, schedule=schedule, setpoint=None, owner_a=None, holds=False)
    if not state.ready:
        return state, None, None
    if state.composite_at is None:
        return state, AskComposite(), None
    retry_at = state.composite_at + RETRY[0]
    if now >= retry_at:
        return replace(state, composite_at=None), AskComposite(), None
    return state, Wait(retry_at), None


def _with_limits(
    state: Enforcement,
    observed: Observed,
    now: float,
    *,
    allow_reboot: bool,
    restricts: bool,
    fallback: Fallback | None,
) -> tuple[Enforcement, Step]:
    """Bring a wallbox that has smart charging to do the target."""
    untried = _untried(state, observed, now)
    # First the one that took effect last: while it stands, the others may have none.
    # One that has to be cleared before it is replaced comes last: the others hold then.
    purposes = [
        ProfilePurpose.TX,
        ProfilePurpose.STATION_MAX,
        ProfilePurpose.TX_DEFAULT,
    ]
    if state.tx_profile is not None:
        purposes.append(purposes.pop(0))
    for purpose in purposes:
        if purpose in untried and (
            purpose is ProfilePurpose.TX_DEFAULT or purpose in state.used
        ):
            paced_to = _paced_to(state)
            if now < paced_to:
                return state, Wait(paced_to)
            return state, _send(state, purpose, observed)
    due, _ = renewal(state, observed, fallback, now)
    if due is not None:
        return state, due
    asked_at = state.composite_at
    if asked_at is None:
        return state, AskComposite()
    exceeded = is_above(state, observed) and has_proof(state, observed)
    if exceeded != state.exceeded and has_proof(state, observed):
        state = replace(state, exceeded=exceeded)
    taken = is_taken(state, now)
    misfit = taken and not fits(state, observed)
    if misfit and not exceeded:
        # Asked again at the pace until it should have been applied, then believed.
        tried = state.kind is None and state.latest in state.kinds
        patience = APPLY_NEXT if tried else APPLY
        settles_at = patience + (
            asked_at if state.applied_at is None else state.applied_at
        )
        if asked_at < settles_at:
            if now < asked_at + PACE:
                return state, Wait(asked_at + PACE)
            return replace(state, composite_at=None), AskComposite()
    if misfit or exceeded or not taken:
        return _try_other_purposes(
            state,
            observed,
            now,
            misfit=misfit,
            allow_reboot=allow_reboot,
            restricts=restricts,
        )
    return _prove(state, observed, now)


def _paced_to(state: Enforcement) -> float:
    """Return when the setpoint may be sent; a pause, and a cap that falls, at once."""
    amps, before = setpoint_of(state).amps, state.paced_setpoint
    if state.paced_from is None or before is None or state.setpoint == before:
        return -math.inf
    capped = state.owner_a is not None and amps < state.owner_a
    if amps == 0 or (capped and amps < before.amps):
        return -math.inf
    return state.paced_from + PACE


def _untried(
    state: Enforcement, observed: Observed, now: float
) -> list[ProfilePurpose]:
    """List the profile purposes with which the setpoint could still be sent."""
    purposes = [
        purpose
        for purpose in ProfilePurpose
        if purpose not in state.refused
        and (
            purpose not in state.accepted
            or state.accepted[purpose].at(now) != state.setpoint
        )
    ]
    if (
        observed.transaction_id is None
        or observed.suspended  # it would be accepted and dropped
        or state.barred_transaction == observed.transaction_id
    ) and ProfilePurpose.TX in purposes:
        purposes.remove(ProfilePurpose.TX)
    return purposes


def _send(state: Enforcement, purpose: ProfilePurpose, observed: Observed) -> Call:
    """Send the setpoint with a profile purpose."""
    transaction_id = observed.transaction_id
    if purpose is not ProfilePurpose.TX or transaction_id is None:
        return SetLimit(
            purpose=purpose, setpoint=setpoint_of(state), kind=kind_of(state, purpose)
        )
    if state.tx_profile is not None and state.tx_profile[0] == transaction_id:
        # Another id at the same level is refused (K01.FR.39), the same one by a Delta.
        return ClearTxProfile(
            transaction_id=transaction_id, profile_id=state.tx_profile[1]
        )
    kind = kind_of(state, purpose)
    if state.tx_refused == transaction_id:
        if state.tx_cleared != transaction_id:
            return ClearTxProfile(transaction_id=transaction_id, profile_id=None)
        kind = state.kind or ProfileKind.NOW
    return SetLimit(
        purpose=purpose,
        setpoint=setpoint_of(state),
        kind=kind,
        transaction_id=transaction_id,
    )


def _try_other_purposes(
    state: Enforcement,
    observed: Observed,
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
        accepted={} if state.holds and state.unheld_since is None else state.accepted,
        holds=False,
        unheld_since=unheld_since,
        failing=state.failing or (told and late),
    )
    purpose = state.latest
    if (
        misfit
        # Less than that may be another limit, where the profile kind was followed once.
        and (state.kind is None or (state.composite_a or 0) > setpoint_of(state).amps)
        and purpose is ProfilePurpose.TX_DEFAULT
        and purpose in state.accepted
        and (kind := _next_kind(state, purpose)) is not None
    ):
        accepted = dict(state.accepted)
        del accepted[purpose]
        kinds = {} if state.learned else {**state.kinds}
        state = replace(
            state,
            kind=None,
            kinds={**kinds, purpose: kind},
            learned=False,
            accepted=accepted,
        )
        return state, _send(state, purpose, observed)
    state = replace(
        state,
        unfollowed=state.unfollowed | state.accepted.keys(),
    )
    if untried := _untried(state, observed, now):
        return state, _send(state, untried[0], observed)
    if (cleared := _hindrance(state, observed)) is not None:
        return state, cleared
    if is_taken(state, now) and not late:
        return state, Wait(unheld_since + PATIENCE)
    state = replace(state, failing=state.failing or told)
    stops = state.ends and setpoint_of(state).amps == 0
    if stops and not state.accepted and flows(observed):
        if not late:
            return state, Wait(unheld_since + PATIENCE)
        if (stopped := _stop(state, observed, now)) is not None:
            return state, stopped
    retry_at = state.retry_at
    if retry_at is None:
        pause = RETRY[min(state.rounds, len(RETRY) - 1)]
        # While too much flows, it is not left alone for long.
        retry_at = now + (min(pause, RETRY_EXCEEDED) if state.exceeded else pause)
        state = replace(state, retry_at=retry_at, rounds=state.rounds + 1)
    if allow_reboot and _may_reboot(state, observed, now):
        return state, Reboot()
    return state, Wait(retry_at)


def _next_kind(state: Enforcement, purpose: ProfilePurpose) -> ProfileKind | None:
    """Return the profile kind that is tried next; None: all were."""
    if state.learned:  # what a check has found fails
        return ProfileKind.EPOCH
    return NEXT_KIND.get(kind_of(state, purpose))


def _hindrance(state: Enforcement, observed: Observed) -> ClearTxProfile | None:
    """Clear the session's own profile where that alone keeps it from going on.

    The next one follows once the session is not suspended any more.
    """
    limit, profile = state.composite_a, state.tx_profile
    if (
        not observed.suspended
        or limit is None
        or limit >= MIN_CURRENT_A
        or setpoint_of(state).amps < MIN_CURRENT_A
        or profile is None
        or profile[0] != observed.transaction_id
    ):
        return None
    return ClearTxProfile(transaction_id=profile[0], profile_id=profile[1])


def _stop(state: Enforcement, observed: Observed, now: float) -> StopTransaction | None:
    """End the transaction where current flows that no limit stops."""
    if observed.transaction_id is None or not flows(observed):
        return None
    if state.stop_asked_at is not None and now < state.stop_asked_at + STOP_RETRY:
        return None
    return StopTransaction(observed.transaction_id)


def _without_limits(
    state: Enforcement, observed: Observed, now: float, *, restricts: bool
) -> tuple[Enforcement, Step]:
    """Do with a wallbox that cannot limit what can be done: end a transaction."""
    if setpoint_of(state).amps > 0:
        over = state.failing and state.over_since is not None
        return replace(state, holds=not restricts, failing=restricts or over), None
    if not flows(observed):
        return replace(state, holds=True, failing=False, exceeded=False), None
    if not state.ends:
        return replace(state, holds=False, failing=True), None
    state = replace(state, holds=False)
    if (stopped := _stop(state, observed, now)) is not None:
        return state, stopped
    asked_at = now if state.stop_asked_at is None else state.stop_asked_at
    return state, Wait(asked_at + STOP_RETRY)


def _may_reboot(state: Enforcement, observed: Observed, now: float) -> bool:
    """Return whether a reboot is worth it: for too much in a session, or for nothing.

    A limit that is only lower than the target may be the wallbox's own.
    """
    if observed.transaction_id is None or state.rounds < ROUNDS_BEFORE_REBOOT:
        return False
    if state.reboot_from is not None and now < state.reboot_from:
        return False
    limit = state.composite_a
    return (
        limit is None
        or limit < MIN_CURRENT_A
        or limit > setpoint_of(state).amps
        or state.exceeded
    )


def _prove(
    state: Enforcement, observed: Observed, now: float
) -> tuple[Enforcement, Step]:
    """Wait for the current to agree; where it does, or none flows, the limit holds."""
    settled_at = (now if state.applied_at is None else state.applied_at) + SETTLE
    if observed.charging and not has_proof(state, observed):
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
    ceiling = observed.ceiling_a
    # A limit that is no less than what it gives by itself proves nothing; nor do two
    # profile kinds at once, of which one may be ignored.
    kinds = {state.accepted_kinds[purpose] for purpose in state.accepted}
    kind = state.kind
    if (
        len(kinds) == 1
        and state.composite_a is not None
        and ceiling is not None
        and state.composite_a < ceiling - ROUNDING_A
    ):
        (kind,) = kinds
    settled = state.holds and state.unheld_since is None and state.rounds == 0
    # A cap above the one that did not hold is no reason to say that they hold again.
    lifted = state.failed_a is not None and setpoint_of(state).amps > state.failed_a
    lifted_at = now if state.lifted_at is None else state.lifted_at
    failing = state.failing and lifted and now < lifted_at + RECHECK
    if not settled or state.failing or state.exceeded or kind != state.kind:
        state = replace(
            state,
            kind=kind,
            unfollowed=state.unfollowed - ({state.latest} if state.latest else set()),
            holds=True,
            failing=failing,
            failed_a=state.failed_a if failing else None,
            lifted_at=lifted_at if failing else None,
            exceeded=False,
            unheld_since=None,
            rounds=0,
        )
    if state.refused and state.retry_at is None:
        # Another purpose holds it for now. The default is what the next session needs.
        state = replace(state, retry_at=now + DEFAULT_RETRY)
    due = [state.retry_at, state.recheck_at]
    if failing:
        due.append(lifted_at + RECHECK)
    if observed.transaction_id is not None and state.composite_at is not None:
        due.append(state.composite_at + RECHECK)
    moments = [moment for moment in due if moment is not None]
    return state, Wait(min(moments)) if moments else None
