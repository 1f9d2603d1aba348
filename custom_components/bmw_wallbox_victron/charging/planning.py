"""When the plan of a session is made anew, and with what power it reckons."""

from datetime import datetime, tzinfo
import math
from typing import Final

from .decide import Planned
from .inputs import Box
from .memory import Memory
from .plan import MAX_WINDOWS, Plan, make_plan, next_deadline
from .prices import Prices
from .settings import MIN_CURRENT_A

#: A plan is made anew so often at least, in s: what is left and the power change.
PLAN_S: Final = 60.0
#: Our two clocks agree where they differ by less, in s: wall time may be set.
_CLOCK_S: Final = 2.0
#: A power that differs by less than this part is the same to a plan.
_POWER_STEP: Final = 0.02
#: What takes no longer than this is charged before a pause, in s.
_TRIFLE_S: Final = 300.0


def planned(
    box: Box,
    memory: Memory,
    now: float,
    wall: datetime,
    prices: Prices | None,
    time_zone: tzinfo,
) -> Planned:
    """Return what the plan of a session says, which is made anew if need be.

    `memory` has the plan of before, and takes the new one. While nobody has told
    `prices` yet, what charges goes on, and what waits does.
    """
    if prices is None:
        memory.plan = None
        return Planned(active=memory.mode_on, until=None)
    power_w = _power(box, memory, now)
    missing_wh = max(box.settings.target_energy * 1000 - box.energy_wh, 0.0)
    plan = _plan(box, memory, now, wall, prices, time_zone, power_w, missing_wh)
    active = plan.active(wall)
    if not active and box.charging and memory.mode_on:
        # Nobody pauses a car for the last trifle.
        active = missing_wh / power_w * 3600 <= _TRIFLE_S
    return Planned(active=active, until=plan.next_change(wall))


def _power(box: Box, memory: Memory, now: float) -> float:
    """Return the power that a plan reckons with, W.

    No more than the car has taken where it might have taken more: a plan by the limit
    alone would begin too late.
    """
    amps = box.current_limit_a
    if box.takes_a is not None:
        amps = min(amps, box.takes_a)
    if box.charging and memory.taken_up(box, now):
        # It may not get more, or not take more.
        amps = min(amps, memory.limit_a, box.drawn_a or math.inf)
    return max(amps, MIN_CURRENT_A) * box.watts_per_amp


def _plan(
    box: Box,
    memory: Memory,
    now: float,
    wall: datetime,
    prices: Prices,
    time_zone: tzinfo,
    power_w: float,
    missing_wh: float,
) -> Plan:
    """Return the plan of a session, made anew where anything changed."""
    settings = box.settings
    since = max(
        (at for at in (box.began, settings.planned_from) if at is not None),
        default=wall,
    )
    if box.session is None or since > wall:
        since = wall  # a car that comes now; or a clock that was ahead
    deadline = next_deadline(settings.ready_by, since, time_zone)
    plan_for = (
        box.session,
        deadline,
        settings.target_energy,
        settings.start_at,
        box.current_limit_a,
    )
    plan_with = (round(math.log(power_w) / _POWER_STEP), prices)
    plan = memory.plan if plan_for == memory.plan_for else None
    if (
        plan is None
        or memory.planned_wall is None
        or plan_with != memory.plan_with
        or now - memory.planned_at >= PLAN_S
        or _was_set(memory.planned_wall, memory.planned_at, wall, now)
        or _changed(plan, memory.planned_wall, wall)
    ):
        plan = make_plan(
            # What holds it back until then leaves no time before.
            now=max(wall, settings.start_at or wall),
            deadline=deadline,
            energy_wh=missing_wh,
            power_w=power_w,
            prices=prices,
            max_windows=_windows_left(box),
            charging=box.charging and memory.mode_on,
            before=plan,
        )
        memory.plan, memory.plan_for, memory.plan_with = plan, plan_for, plan_with
        memory.planned_at, memory.planned_wall = now, wall
    return plan


def _windows_left(box: Box) -> int:
    """Return in how many windows the rest of a session may be: each ends in a pause."""
    left = box.record.pauses_left
    return max(1, min(MAX_WINDOWS, left if box.charging else left + 1))


def _was_set(before: datetime, at: float, wall: datetime, now: float) -> bool:
    """Return whether wall time was set since then."""
    return abs((wall - before).total_seconds() - (now - at)) > _CLOCK_S


def _changed(plan: Plan, before: datetime, wall: datetime) -> bool:
    """Return whether one of its windows has begun or ended since then."""
    change = plan.next_change(before)
    return change is not None and change <= wall
