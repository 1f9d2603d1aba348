"""The strictest of all that bears on a limit wins, and is named."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
import math
from typing import Any

from hypothesis import given, strategies as st
import pytest

from custom_components.bmw_wallbox_victron.charging.decide import (
    Planned,
    Shared,
    Situation,
    decide,
)
from custom_components.bmw_wallbox_victron.charging.settings import (
    MIN_CURRENT_A,
    ChargingMode,
    LimitReason,
)
from custom_components.bmw_wallbox_victron.charging.status import LimitMessage

NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)
LATER = NOON + timedelta(hours=2)
BASE = Situation(current_limit_a=16.0, in_session=True, charging=True)
FUSE = Shared(amps=9.7, reason=LimitReason.MAIN_FUSE)
WAITS = Planned(active=False, until=LATER)
RUNS = Planned(active=True, until=LATER)

SITUATIONS = st.builds(
    Situation,
    current_limit_a=st.integers(6, 63).map(float),
    allowed=st.booleans(),
    scheduled_a=st.none() | st.floats(0, 63),
    shared=st.none()
    | st.builds(
        Shared,
        amps=st.floats(0, 63),
        reason=st.sampled_from(
            [LimitReason.MAIN_FUSE, LimitReason.EXTERNAL_LIMIT, LimitReason.NO_METER]
        ),
    ),
    start_at=st.none() | st.just(LATER),
    mode=st.sampled_from(ChargingMode),
    sun_a=st.floats(0, 63),
    grid_silent=st.booleans(),
    plan=st.none() | st.builds(Planned, active=st.booleans(), until=st.just(LATER)),
    target_reached=st.booleans(),
    hold=st.booleans(),
    in_session=st.booleans(),
    charging=st.booleans(),
    car_paused=st.booleans(),
    full=st.booleans(),
    asleep=st.booleans(),
    out_of_service=st.booleans(),
    drawn_a=st.none() | st.floats(0, 63),
    given_a=st.none() | st.floats(0, 63),
)


@pytest.mark.parametrize(
    ("changes", "limit", "cap", "reason"),
    [
        ({}, 16, None, LimitReason.CURRENT_LIMIT),
        ({"shared": FUSE}, 9, 9, LimitReason.MAIN_FUSE),
        (
            {"shared": Shared(amps=5.9, reason=LimitReason.MAIN_FUSE)},
            *(0, 0, LimitReason.MAIN_FUSE),
        ),
        (
            {"shared": Shared(amps=0.0, reason=LimitReason.NO_METER), "allowed": False},
            *(0, 0, LimitReason.NO_METER),
        ),
        ({"shared": FUSE, "allowed": False}, 0, 9, LimitReason.PAUSED),
        ({"allowed": False, "start_at": LATER}, 0, 0, LimitReason.PAUSED),
        ({"start_at": LATER, "plan": WAITS}, 0, 0, LimitReason.START_AT),
        ({"target_reached": True}, 0, 0, LimitReason.TARGET_REACHED),
        ({"plan": WAITS}, 0, 0, LimitReason.PLAN),
        ({"plan": RUNS}, 16, None, LimitReason.CURRENT_LIMIT),
        ({"plan": RUNS, "mode": "solar"}, 16, None, LimitReason.CURRENT_LIMIT),
        ({"plan": RUNS, "mode": "solar", "shared": FUSE}, 9, 9, LimitReason.MAIN_FUSE),
        ({"plan": WAITS, "mode": "solar", "sun_a": 8.9}, 8, 8, LimitReason.SOLAR),
        ({"plan": WAITS, "mode": "solar", "sun_a": 0.0}, 0, 0, LimitReason.PLAN),
        ({"plan": WAITS, "mode": "solar_min"}, 6, 6, LimitReason.SOLAR),
        ({"mode": "solar"}, 0, 0, LimitReason.SOLAR),
        ({"mode": "solar", "sun_a": 12.0}, 12, 12, LimitReason.SOLAR),
        ({"mode": "solar", "sun_a": 20.0}, 16, 20, LimitReason.CURRENT_LIMIT),
        ({"mode": "solar", "hold": True}, 6, 6, LimitReason.SOLAR),
        ({"plan": WAITS, "hold": True}, 6, 6, LimitReason.PLAN),
        ({"mode": "solar_min"}, 6, 6, LimitReason.SOLAR),
        ({"scheduled_a": 10.0}, 10, None, LimitReason.CURRENT_LIMIT),
        ({"scheduled_a": 0.0}, 0, None, LimitReason.PAUSED),
        ({"given_a": 13.0}, 16, None, LimitReason.WALLBOX),
        ({"out_of_service": True}, 16, None, LimitReason.WALLBOX),
        ({"drawn_a": 11.0}, 16, None, LimitReason.CAR),
        ({"charging": False, "car_paused": True}, 16, None, LimitReason.CAR),
        ({"drawn_a": 14.6}, 16, None, LimitReason.CURRENT_LIMIT),
    ],
)
def test_what_limits(
    changes: dict[str, Any], limit: float, cap: float | None, reason: LimitReason
) -> None:
    """In the order of the specification."""
    if "mode" in changes:
        changes = changes | {"mode": ChargingMode(str(changes["mode"]))}
    decision = decide(replace(BASE, **changes))
    assert (decision.limit_a, decision.cap_a) == (limit, cap)
    assert decision.reason is reason


def test_a_charging_profile_is_named_as_such() -> None:
    """With when it changes: the limit alone would be a riddle."""
    decision = decide(replace(BASE, scheduled_a=10.0, scheduled_until=LATER))
    assert decision.message is LimitMessage.CHARGING_PROFILE
    assert decision.until == LATER


def test_a_plan_says_until_when() -> None:
    """While it waits, and while it charges."""
    waits, runs = (decide(replace(BASE, plan=plan)) for plan in (WAITS, RUNS))
    assert (waits.message, waits.until) == (LimitMessage.PLAN, LATER)
    assert (runs.message, runs.until) == (LimitMessage.PLAN_CHARGING, LATER)


def test_a_silent_grid_is_named() -> None:
    """It counts as no surplus, and is not taken for clouds."""
    decision = decide(replace(BASE, mode=ChargingMode.SOLAR, grid_silent=True))
    assert decision.message is LimitMessage.SOLAR_SILENT


@given(SITUATIONS)
def test_nothing_is_exceeded(now: Situation) -> None:
    """No limit above any bound, none between 0 and 6 A; each has a sentence."""
    decision = decide(now)
    limit = decision.limit_a
    assert limit == 0 or limit >= MIN_CURRENT_A
    assert limit <= now.current_limit_a
    if decision.cap_a is not None:
        assert limit <= decision.cap_a
        assert decision.cap_a == math.floor(decision.cap_a)
    if now.shared is not None:
        assert limit <= now.shared.amps
    if not now.allowed or now.start_at is not None or now.target_reached:
        assert limit == 0
    if now.scheduled_a is not None:
        assert limit <= now.scheduled_a
    planned = now.plan is not None and now.plan.active
    if now.mode is ChargingMode.SOLAR and not planned and not now.hold:
        assert limit <= now.sun_a
    if limit == 0:
        assert decision.reason not in (LimitReason.CAR, LimitReason.WALLBOX)
        assert decision.reason is not LimitReason.CURRENT_LIMIT


@given(SITUATIONS, SITUATIONS)
def test_a_stricter_bound_never_raises(now: Situation, other: Situation) -> None:
    """Whatever else bears on it."""
    stricter = replace(
        now,
        current_limit_a=min(now.current_limit_a, other.current_limit_a),
        allowed=now.allowed and other.allowed,
        start_at=now.start_at or other.start_at,
        target_reached=now.target_reached or other.target_reached,
        sun_a=min(now.sun_a, other.sun_a),
        shared=now.shared if now.shared is not None else other.shared,
    )
    assert decide(stricter).limit_a <= decide(now).limit_a
