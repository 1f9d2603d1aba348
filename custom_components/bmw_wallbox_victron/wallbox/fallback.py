"""The step down of a limit, for when Home Assistant is not heard of any more.

A profile says from when on the wallbox allows less, by its own clock, and is renewed
before that. So it is for a wallbox whose clock agrees with ours, and one profile alone
has it: that which holds the limit. Never the transaction's own: it would have to be
cleared before it is replaced, and nothing would limit meanwhile.
"""

from dataclasses import replace
from typing import Final

from .enforcement import Enforcement, Observed, kind_of
from .observation import setpoint_of
from .steps import SetLimit
from .target import Fallback, ProfileKind, ProfilePurpose

#: What is left at least when a step is renewed, in s.
LEFT: Final = 60.0
#: Renewals are this far apart at least, in s: twelve an hour.
APART: Final = 300.0
#: The profile purposes that may have it, in this order.
_BEARERS: Final = (ProfilePurpose.TX_DEFAULT, ProfilePurpose.STATION_MAX)


def stepping(
    state: Enforcement,
    sent: SetLimit,
    observed: Observed,
    fallback: Fallback | None,
    now: float,
) -> SetLimit:
    """Return a limit that is sent now with the step that it is to have, if any."""
    if (
        fallback is None
        or not observed.clocks_agree
        or sent.kind is ProfileKind.RELATIVE
        or not _bears(state, sent.purpose)
    ):
        return replace(sent, setpoint=replace(sent.setpoint, step=None))
    begin = now + fallback.after_s
    return replace(sent, setpoint=sent.setpoint.stepping(begin, fallback.most_a))


def _bears(state: Enforcement, purpose: ProfilePurpose) -> bool:
    """Return whether a profile purpose is the one that has the step."""
    able = [each for each in _BEARERS if each in state.accepted or each is purpose]
    followed = [each for each in able if each not in state.unfollowed]
    return [*followed, *able, None][0] is purpose


def renewal(
    state: Enforcement, observed: Observed, fallback: Fallback | None, now: float
) -> tuple[SetLimit | None, float | None]:
    """Return what has to be sent for a step alone, else when that will be due."""
    moments: list[float] = []
    for purpose in _BEARERS:
        taken = state.accepted.get(purpose)
        if taken is None or (left := taken.at(now)) != state.setpoint:
            continue  # it is to be sent for another reason
        renewed = stepping(
            state,
            SetLimit(
                purpose=purpose,
                setpoint=setpoint_of(state),
                kind=state.accepted_kinds.get(purpose, kind_of(state, purpose)),
                renews=True,
            ),
            observed,
            fallback,
            now,
        )
        due_at = _due_at(state, left.step, renewed.setpoint.step, fallback, now)
        if due_at is None:
            continue
        if state.renew_from is not None:
            due_at = max(due_at, state.renew_from)
        if now >= due_at:
            return renewed, None
        moments.append(due_at)
    return None, min(moments, default=None)


def _due_at(
    state: Enforcement,
    known: tuple[float, float] | None,
    wanted: tuple[float, float] | None,
    fallback: Fallback | None,
    now: float,
) -> float | None:
    """Return when a step that the wallbox has is to be replaced; None: never."""
    if wanted is None or fallback is None:
        return None if known is None else now
    if known is None:
        # The clocks have come to agree, and may do so again and again.
        return now if state.renewed_at is None else state.renewed_at + APART
    if known[1] != wanted[1] or known[0] > wanted[0]:
        return now
    after_s = fallback.after_s
    left_s = max(min(LEFT, after_s / 2), min(after_s / 2, after_s - APART))
    return known[0] - left_s
