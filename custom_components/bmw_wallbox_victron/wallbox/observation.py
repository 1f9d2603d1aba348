"""What was observed since the last look, and whether a limit is kept.

Two things tell: the composite schedule, which a wallbox may report and not keep, and
the current that was read after the car could follow.
"""

from dataclasses import replace
from typing import Final

from . import enforcement
from .enforcement import Enforcement, Observed, kind_of
from .target import (
    NEXT_KIND,
    ChargingSchedule,
    ProfileKind,
    ProfilePurpose,
    Setpoint,
)

#: A car follows a new limit within 5 s (IEC 61851-1); readings from before say nothing.
SETTLE: Final = 5.0
#: A current that was measured above the target for so long is shown, within 10 s.
SHOWN: Final = 9.0
#: A limit that holds is looked at again so often, in s.
RECHECK: Final = 300.0
#: A limit that was to hold is remembered for so long after it was changed, in s.
REMEMBERED: Final = 30.0
#: A meter may be off by this much: in A, and as a part of the limit.
TOLERANCE_A: Final = 1.0
TOLERANCE: Final = 0.04
#: A composite schedule may be rounded by this much, in A.
ROUNDING_A: Final = 0.5


def look(
    state: Enforcement,
    schedule: ChargingSchedule,
    observed: Observed,
    now: float,
    *,
    cap_a: float | None = None,
) -> Enforcement:
    """Take note of what changed since the last look.

    `schedule`: the owner's limits. `cap_a`: the most of them that is allowed now, A.
    """
    limits = schedule if cap_a is None else schedule.capped(cap_a)
    setpoint = limits.setpoint(
        now,
        clocks_agree=observed.clocks_agree
        and ProfileKind.RELATIVE not in (state.kind, *state.kinds.values()),
    )
    owner_a = schedule.limit_at(now)
    if state.pin_a is not None:
        setpoint = Setpoint(amps=min(setpoint.amps, state.pin_a))
        owner_a = min(owner_a, state.pin_a)
    before = state.setpoint
    lowered = before is None or setpoint.amps < before.amps
    if lowered and state.over_since is None:
        # What was too much already is too much still, since then.
        state = replace(state, lowered_at=now)
    if before is not None and setpoint.amps != before.amps:
        kept = (each for each in state.lately if each[0] > now - REMEMBERED)
        state = replace(state, lately=(*kept, (now, before.amps)))
    if schedule != state.schedule or (
        state.pin_a is not None and owner_a != state.owner_a
    ):
        state = replace(
            state,
            schedule=schedule,
            refused=frozenset(),
            unanswered=frozenset(),
            losses=0,
            composite_at=None,
            holds=False,
            unheld_since=None,
            failed_a=None,
            lifted_at=None,
            rounds=0,
            retry_at=None,
        )
    elif lowered and not state.accepted and state.retry_at is not None:
        # A cap may change every few seconds, so patience goes on through that; but once
        # everything was refused, a lower one may be taken.
        state = replace(state, refused=frozenset(), unanswered=frozenset())
    if setpoint != before or owner_a != state.owner_a:
        state = replace(state, setpoint=setpoint, owner_a=owner_a)
    if (
        state.begun is not None
        and observed.device_time is not None
        and observed.device_time < state.begun
    ):
        # Its clock was set back behind the beginning: to it, there is no limit now.
        state = replace(state, accepted={}, begun=None, composite_at=None)
    mark = (observed.transaction_id, observed.suspended, schedule.index_at(now))
    if mark != state.mark:
        accepted, used = dict(state.accepted), state.used
        if state.mark is not None and mark[0] != state.mark[0]:
            accepted.pop(ProfilePurpose.TX, None)
            used -= {ProfilePurpose.TX}
            state = replace(
                state,
                tx_profile=None,
                stop_asked_at=None,
                # What another transaction refused, this one may take.
                refused=state.refused - {ProfilePurpose.TX},
                unanswered=state.unanswered - {ProfilePurpose.TX},
            )
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
            kind=state.kind if _may_hold(state) else None,
            kinds=_next_kinds(state),
            retry_at=None,
            # What was accepted and not kept is sent again.
            accepted=state.accepted if state.holds else {},
            composite_at=None,
        )
    if state.recheck_at is not None and now >= state.recheck_at:
        state = enforcement.recheck(state, now)
    if state.composite_at is not None and now >= state.composite_at + RECHECK:
        state = replace(state, composite_at=None)
    return state


def _may_hold(state: Enforcement) -> bool:
    """Return whether a limit holds, or has not failed in all ways yet.

    What is tried again then is a purpose that was refused. The others go on as they
    are: a slow wallbox that is told what it ignores would be without a limit.
    """
    return state.holds or state.rounds == 0


def _next_kinds(state: Enforcement) -> dict[ProfilePurpose, ProfileKind]:
    """Return the profile kinds with which everything is tried anew.

    Other purposes than the default were tried with one kind only.
    """
    kinds = {
        ProfilePurpose.STATION_MAX: NEXT_KIND.get(
            kind_of(state, ProfilePurpose.STATION_MAX), ProfileKind.EPOCH
        ),
    }
    if _may_hold(state) and ProfilePurpose.TX_DEFAULT in state.kinds:
        kinds[ProfilePurpose.TX_DEFAULT] = state.kinds[ProfilePurpose.TX_DEFAULT]
    return kinds


def measure(
    state: Enforcement, observed: Observed, now: float
) -> tuple[Enforcement, float | None]:
    """Take note of a current above the target, whatever the wallbox answers.

    Returns as well when it will have to be shown, unless it ends before that.
    """
    heard_at = observed.current_heard_at
    asked_at, fitted_at = state.composite_at, state.fitted_at
    if asked_at is not None and fits(state, observed):
        state = replace(state, fitted_at=asked_at)
    elif asked_at is not None and fitted_at is not None and asked_at > fitted_at:
        state = replace(state, fitted_at=None)
    if not is_above(state, observed):
        if state.over_since is None:
            return state, None
        return replace(state, over_since=None), None
    lowered_at = _too_much_since(state, observed)
    if heard_at is None or lowered_at is None or heard_at < lowered_at:
        return state, None
    since = state.over_since
    if since is None or since < lowered_at:
        since = heard_at
    state = replace(state, over_since=since, lowered_at=lowered_at)
    if state.failing:
        return state, None
    begun = lowered_at if since < lowered_at + 2 * SETTLE else since
    if heard_at >= begun + SETTLE:
        shown_at = begun + SHOWN
    elif _says_in_time(state, lowered_at, now):
        return state, None  # a reading will tell
    else:
        shown_at = since + SHOWN
    if now < shown_at:
        return state, shown_at
    return replace(state, failing=True, holds=False, exceeded=True), None


def _says_in_time(state: Enforcement, lowered_at: float, now: float) -> bool:
    """Return whether the wallbox says that it follows since then.

    Where another limit came meanwhile, it may not have had the time to say more than
    that it accepts it.
    """
    if state.fitted_at is not None and state.fitted_at >= lowered_at:
        return True
    return (
        any(until > lowered_at for until, _ in state.lately)
        and state.composite_at is None
        and is_taken(state, now)
    )


def _too_much_since(state: Enforcement, observed: Observed) -> float | None:
    """Return since when the current that was measured is more than what was wished.

    A limit that falls step by step, with a car that follows each step, is as long ago
    as the step that the car has reached. None: it was never lowered.
    """
    allowed = [until for until, amps in state.lately if not _exceeds(observed, amps)]
    if allowed:
        return allowed[-1]
    if state.lowered_at is None or not state.lately:
        return state.lowered_at
    return min(state.lowered_at, state.lately[0][0])


def setpoint_of(state: Enforcement) -> Setpoint:
    """Return what the wallbox is to be told, which the look has found."""
    return Setpoint(amps=0.0) if state.setpoint is None else state.setpoint


def is_taken(state: Enforcement, now: float) -> bool:
    """Return whether the wallbox has accepted what it is to be told."""
    return any(
        setpoint.at(now) == state.setpoint for setpoint in state.accepted.values()
    )


def fits(state: Enforcement, observed: Observed) -> bool:
    """Return whether the composite schedule shows the target, if anything."""
    if state.composite_a is None:
        return True
    target = setpoint_of(state).amps
    if state.composite_a > target + ROUNDING_A:
        return False
    if not observed.surveyed:
        return True  # less than the target may be all that it has
    ceiling = observed.ceiling_a
    least = target if ceiling is None else min(target, ceiling)
    return state.composite_a >= least - ROUNDING_A


def is_above(state: Enforcement, observed: Observed) -> bool:
    """Return whether more flows than the target; in a session, whatever its state."""
    return observed.transaction_id is not None and _exceeds(
        observed, setpoint_of(state).amps
    )


def _exceeds(observed: Observed, limit: float) -> bool:
    """Return whether a current was measured that is above a limit, in A."""
    return observed.current_a is not None and not keeps(observed.current_a, limit)


def keeps(amps: float, limit: float) -> bool:
    """Return whether a current keeps a limit, both in A, as a meter may see it."""
    return amps <= limit + max(TOLERANCE_A, TOLERANCE * limit)


def has_proof(state: Enforcement, observed: Observed) -> bool:
    """Return whether a current was read after the car could follow."""
    return observed.current_heard_at is not None and (
        state.applied_at is None
        or observed.current_heard_at >= state.applied_at + SETTLE
    )


def flows(observed: Observed) -> bool:
    """Return whether current flows, as far as that can be told."""
    if observed.transaction_id is None:
        return False
    if observed.current_a is None:
        return observed.charging
    return observed.current_a > TOLERANCE_A


def excusing(
    state: Enforcement, cap_a: float | None, current_a: float | None
) -> Enforcement:
    """Return it without a failure that only a limit of a check has, which is a finding.

    `cap_a`: the most that is allowed beside the check; `current_a`: what flows, A.
    """
    allowed = [each for each in (state.owner_a, cap_a) if each is not None]
    if not state.failing or (allowed and not keeps(current_a or 0.0, min(allowed))):
        return state
    return replace(state, failing=False)
