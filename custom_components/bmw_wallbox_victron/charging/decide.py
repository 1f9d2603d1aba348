"""What the limit of a wallbox is to be, and what sets it: the strictest wins.

One function of what is wished, measured and planned. What counts first, comes first:
main fuse and external limit, pause, `start_at`, `current_limit`, then plan and mode.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
import math
from typing import Final

from .settings import MIN_CURRENT_A, ChargingMode, LimitReason
from .status import LimitMessage

#: A car that draws this much less than it may is what sets the limit, in A.
CAR_BELOW_A: Final = 1.5
#: So much less than it is told is the wallbox's own limit, in A.
WALLBOX_BELOW_A: Final = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """What of the limits that wallboxes share is left for this one."""

    amps: float
    """The most that it may draw, A."""
    reason: LimitReason
    """Which of them that is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """What the plan says."""

    active: bool
    """Whether to charge now."""
    until: datetime | None
    """When that changes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """All that bears on the limit of a wallbox, now."""

    current_limit_a: float
    """The most that its owner allows, A."""
    allowed: bool = True
    """Whether its owner lets the car charge."""
    scheduled_a: float | None = None
    """What a charging profile of its owner allows, A; None: there is none."""
    scheduled_until: datetime | None = None
    """Until when that profile does; None: until it is cleared."""
    shared: Shared | None = None
    """What is left of shared limits, where that is less than it might draw."""
    start_at: datetime | None = None
    """When it is allowed to charge; None: nothing waits."""
    mode: ChargingMode = ChargingMode.FAST
    """How much it may draw when nothing else holds it back."""
    sun_a: float = 0.0
    """What the surplus is enough for, A; 0: not for the least that a car can draw."""
    grid_silent: bool = False
    """Whether nothing is known of a surplus."""
    plan: Planned | None = None
    """What the plan says; None: nothing is planned."""
    target_reached: bool = False
    """Whether the session has the energy that it is to have."""
    hold: bool = False
    """Whether mode and plan may not pause it any more, and hold 6 A instead."""
    in_session: bool = False
    """Whether a car is there."""
    charging: bool = False
    """Whether energy flows."""
    car_paused: bool = False
    """Whether the car itself draws nothing although it may."""
    full: bool = False
    """Whether it did so after it had charged."""
    asleep: bool = False
    """Whether it should have begun long since."""
    out_of_service: bool = False
    """Whether the wallbox gives nothing by itself: faulted, or out of service."""
    drawn_a: float | None = None
    """What the car draws on its highest phase, A; None: not known, or it may change."""
    given_a: float | None = None
    """The most that the wallbox says that it gives, A; None: it does not say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What the limit is to be."""

    limit_a: float
    """The limit with all that bears on it, A; 0: a pause."""
    cap_a: float | None
    """The same without what its owner allows, A; None: nothing else limits."""
    mode_a: float
    """What plan and mode alone allow, A; infinite: no limit."""
    reason: LimitReason
    """What sets the limit."""
    message: LimitMessage
    """The sentence that says so."""
    until: datetime | None = None
    """Until when, where that is known."""


@dataclass(frozen=True, slots=True)
class _Bound:
    """One of the things that limit."""

    amps: float
    reason: LimitReason
    message: LimitMessage
    until: datetime | None = None
    by_owner: bool = False


def decide(now: Situation) -> Decision:
    """Return what the limit is to be: the strictest bound, the first of equal ones."""
    mode = _mode(now)
    bounds = [*_bounds(now), mode]
    strictest = min(bounds, key=lambda bound: bound.amps)
    others = [bound.amps for bound in bounds if not bound.by_owner]
    cap = min(others)
    decision = Decision(
        limit_a=strictest.amps,
        cap_a=None if math.isinf(cap) else cap,
        mode_a=mode.amps,
        reason=strictest.reason,
        message=strictest.message,
        until=strictest.until,
    )
    return _followed(now, decision)


def whole(amps: float) -> float:
    """Return a limit in whole A, never above what it was; below 6 A it is a pause."""
    if math.isinf(amps):
        return amps
    floor = math.floor(amps + 1e-6)
    return float(floor) if floor >= MIN_CURRENT_A else 0.0


def _bounds(now: Situation) -> Iterator[_Bound]:
    """Return all that limits but plan and mode; what counts first comes first."""
    if (shared := now.shared) is not None:
        message = LimitMessage(shared.reason.value)
        yield _Bound(whole(shared.amps), shared.reason, message)
    if not now.allowed:
        # It is allowed again then.
        yield _Bound(
            0.0, LimitReason.PAUSED, LimitMessage.PAUSED, now.start_at, by_owner=True
        )
    if now.start_at is not None:
        yield _Bound(0.0, LimitReason.START_AT, LimitMessage.START_AT, now.start_at)
    if now.target_reached:
        yield _Bound(0.0, LimitReason.TARGET_REACHED, LimitMessage.TARGET_REACHED)
    if now.scheduled_a is not None:
        amps = now.scheduled_a if now.scheduled_a >= MIN_CURRENT_A else 0.0
        yield _Bound(
            amps,
            LimitReason.CURRENT_LIMIT if amps else LimitReason.PAUSED,
            LimitMessage.CHARGING_PROFILE,
            now.scheduled_until,
            by_owner=True,
        )
    yield _Bound(
        now.current_limit_a,
        LimitReason.CURRENT_LIMIT,
        LimitMessage.PLAN_CHARGING
        if now.plan is not None and now.plan.active
        else LimitMessage.CURRENT_LIMIT,
        None if now.plan is None or not now.plan.active else now.plan.until,
        by_owner=True,
    )


def _mode(now: Situation) -> _Bound:
    """Return what plan and mode allow."""
    plan = now.plan
    fast = now.mode is ChargingMode.FAST
    if plan is not None and plan.active:
        return _Bound(math.inf, LimitReason.PLAN, LimitMessage.PLAN_CHARGING)
    if fast and plan is None:
        return _Bound(math.inf, LimitReason.CURRENT_LIMIT, LimitMessage.CURRENT_LIMIT)
    amps = 0.0 if fast else whole(now.sun_a)
    if now.mode is ChargingMode.SOLAR_MIN or (now.hold and amps == 0):
        amps = max(amps, MIN_CURRENT_A)
    if plan is not None and (fast or amps == 0):
        return _Bound(amps, LimitReason.PLAN, LimitMessage.PLAN, plan.until)
    message = LimitMessage.SOLAR
    if now.grid_silent:
        message = LimitMessage.SOLAR_SILENT
    elif amps == 0:
        message = LimitMessage.SOLAR_WAITING
    return _Bound(amps, LimitReason.SOLAR, message)


def _followed(now: Situation, decision: Decision) -> Decision:
    """Return a decision where wallbox or car stay below it by themselves."""
    limit = decision.limit_a
    if limit == 0:
        return decision
    if now.out_of_service:
        return _by(decision, LimitReason.WALLBOX, LimitMessage.OUT_OF_SERVICE)
    if now.in_session and now.car_paused:
        message = LimitMessage.CAR
        if now.asleep:
            message = LimitMessage.CAR_ASLEEP
        elif now.full:
            message = LimitMessage.CAR_FULL
        return _by(decision, LimitReason.CAR, message)
    given = limit if now.given_a is None else min(limit, now.given_a)
    if now.charging and now.drawn_a is not None and now.drawn_a < given - CAR_BELOW_A:
        return _by(decision, LimitReason.CAR, LimitMessage.CAR)
    if given < limit - WALLBOX_BELOW_A:
        return _by(decision, LimitReason.WALLBOX, LimitMessage.WALLBOX)
    return decision


def _by(decision: Decision, reason: LimitReason, message: LimitMessage) -> Decision:
    """Return a decision that something else stays below."""
    return Decision(
        limit_a=decision.limit_a,
        cap_a=decision.cap_a,
        mode_a=decision.mode_a,
        reason=reason,
        message=message,
    )
