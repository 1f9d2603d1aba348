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

from dataclasses import replace
import math
from typing import Final

from . import enforcement
from .enforcement import (
    AskComposite,
    AskReading,
    Call,
    ClearTxProfile,
    Enforcement,
    Reboot,
    SetLimit,
    Situation,
    Step,
    StopTransaction,
    Wait,
    form_of,
)
from .limits import LEAST_A, NEXT_FORM, Form, Order, Plan, Way

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
#: While more than is wished was measured, none is longer than this, in s.
RETRY_EXCEEDED: Final = 60.0
#: A default profile that was refused while another one holds the limit is tried again.
DEFAULT_RETRY: Final = 60.0
#: A limit that holds is looked at again so often, in s.
RECHECK: Final = 300.0
#: A transaction whose end was refused is asked to end again after this, in s.
STOP_RETRY: Final = 60.0
#: A meter may be off by this much: in A, and as a part of the limit.
TOLERANCE_A: Final = 1.0
TOLERANCE: Final = 0.04
#: It is rebooted for a limit only after everything was tried so many times.
ROUNDS_BEFORE_REBOOT: Final = 2
#: A composite schedule may be rounded by this much, in A.
ROUNDING_A: Final = 0.5


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
        # A pause is never more than what it enforces: that waits for nothing.
        paused = all(amps == 0 for _, amps in plan.periods)
        if state.pin_a is None and not paused:
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
    lowered = state.order is None or order.amps < state.order.amps
    if lowered and state.over_since is None:
        # What was too much already is too much still, since then.
        state = replace(state, lowered_at=now)
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
    if order != state.order:
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
            state = replace(
                state,
                tx_profile=None,
                stop_asked_at=None,
                # What another transaction refused, this one may take.
                refused=state.refused - {Way.TRANSACTION},
                unanswered=state.unanswered - {Way.TRANSACTION},
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
            form=state.form if state.holds else None,
            forms=_next_forms(state),
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


def _next_forms(state: Enforcement) -> dict[Way, Form]:
    """Return the forms in which everything is tried anew.

    Another way than the default was tried in one form only.
    """
    forms = {
        Way.STATION: NEXT_FORM.get(form_of(state, Way.STATION), Form.EPOCH),
    }
    if state.holds and Way.DEFAULT in state.forms:
        forms[Way.DEFAULT] = state.forms[Way.DEFAULT]
    return forms


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
    # One that has to be cleared before it is replaced comes last: the others hold then.
    ways = [Way.TRANSACTION, Way.STATION, Way.DEFAULT]
    if state.tx_profile is not None:
        ways.append(ways.pop(0))
    for way in ways:
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
    if exceeded != state.exceeded and _has_proof(state, situation):
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
        return SetLimit(way=way, order=_order(state), form=form_of(state, way))
    if state.tx_profile is not None and state.tx_profile[0] == transaction_id:
        # Another id at the same level is refused (K01.FR.39), the same one by a Delta.
        return ClearTxProfile(
            transaction_id=transaction_id, profile_id=state.tx_profile[1]
        )
    form = form_of(state, way)
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
        # Less than wished may be somebody else's limit, where the form was heeded once.
        and (state.form is None or (state.composite_a or 0) > _order(state).amps)
        and way is Way.DEFAULT
        and way in state.accepted
        and (form := NEXT_FORM.get(form_of(state, way))) is not None
    ):
        accepted = dict(state.accepted)
        del accepted[way]
        forms = {**state.forms, way: form}
        state = replace(state, form=None, forms=forms, accepted=accepted)
        return state, _send(state, way, situation)
    state = replace(
        state,
        unheeded=state.unheeded | state.accepted.keys(),
    )
    if untried := _untried(state, situation, now):
        return state, _send(state, untried[0], situation)
    if (cleared := _hindrance(state, situation)) is not None:
        return state, cleared
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
        pause = RETRY[min(state.rounds, len(RETRY) - 1)]
        # While too much flows, it is not left alone for long.
        retry_at = now + (min(pause, RETRY_EXCEEDED) if state.exceeded else pause)
        state = replace(state, retry_at=retry_at, rounds=state.rounds + 1)
    if allow_reboot and _may_reboot(state, situation, now):
        return state, Reboot()
    return state, Wait(retry_at)


def _hindrance(state: Enforcement, situation: Situation) -> ClearTxProfile | None:
    """Clear the session's own profile where that alone keeps it from going on.

    The next one follows once the session is not suspended any more.
    """
    limit, profile = state.composite_a, state.tx_profile
    if (
        not situation.suspended
        or limit is None
        or limit >= LEAST_A
        or _order(state).amps < LEAST_A
        or profile is None
        or profile[0] != situation.transaction_id
    ):
        return None
    return ClearTxProfile(transaction_id=profile[0], profile_id=profile[1])


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
    # A limit that is no less than what it gives by itself proves nothing; nor do two
    # forms at once, of which one may be ignored.
    forms = {state.accepted_forms[way] for way in state.accepted}
    form = state.form
    if (
        len(forms) == 1
        and state.composite_a is not None
        and ceiling is not None
        and state.composite_a < ceiling - ROUNDING_A
    ):
        (form,) = forms
    settled = state.holds and state.unheld_since is None and state.rounds == 0
    if not settled or state.failing or state.exceeded or form != state.form:
        state = replace(
            state,
            form=form,
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
