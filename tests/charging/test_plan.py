"""When to charge, so that a target is met by a deadline at the cheapest hours."""

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from custom_components.bmw_wallbox_victron.charging.plan import (
    Plan,
    make_plan,
    next_deadline,
)
from custom_components.bmw_wallbox_victron.charging.prices import Prices, PriceSlot

BERLIN = ZoneInfo("Europe/Berlin")
EVENING = datetime(2026, 11, 30, 18, tzinfo=UTC)


def hourly(*prices: float | None, start: datetime = EVENING) -> Prices:
    """Return prices of the hours from `start` on; None: not known."""
    return tuple(
        PriceSlot(
            start=start + timedelta(hours=hour),
            end=start + timedelta(hours=hour + 1),
            price=price,
        )
        for hour, price in enumerate(prices)
        if price is not None
    )


def planned(
    prices: Prices,
    hours: float,
    *,
    within: float,
    now: datetime = EVENING,
    max_windows: int = 4,
    charging: bool = False,
) -> Plan:
    """Return the plan for so many hours (reserve included) within so many."""
    return make_plan(
        now=now,
        deadline=now + timedelta(hours=within),
        energy_wh=10_000 * hours / 1.05,
        power_w=10_000,
        prices=prices,
        max_windows=max_windows,
        charging=charging,
    )


def windows(plan: Plan) -> list[tuple[float, float]]:
    """Return the windows, in hours after the evening's beginning."""
    hour = timedelta(hours=1)
    return [
        (round((begin - EVENING) / hour, 6), round((end - EVENING) / hour, 6))
        for begin, end in plan.windows
    ]


@pytest.mark.parametrize(
    ("prices", "hours", "expected"),
    [
        pytest.param((3, 1, 2, 4), 1, [(1, 2)], id="cheapest"),
        pytest.param((3, 1, 2, 4), 1.5, [(1, 2.5)], id="dearest is cut, behind"),
        pytest.param((3, 2, 1, 4), 1.5, [(1.5, 3)], id="dearest is cut, before"),
        pytest.param((1, 3, 2, 4), 1.5, [(0, 1), (2.5, 3)], id="cut alone, late"),
        pytest.param((2, 2, 2, 2), 1.5, [(2.5, 4)], id="all alike: late, at once"),
        pytest.param((1, 2, 1, 2, 1, 1), 2, [(4, 6)], id="alike: fewer windows"),
        pytest.param((1, 5, -2, -1, 9), 2, [(2, 4)], id="negative"),
        pytest.param((0, 0, 0), 1, [(2, 3)], id="for nothing"),
        pytest.param((1, 2, None, None), 1.5, [(0, 1.5)], id="known suffice"),
        pytest.param((1, 2, None, None), 2.5, [(0, 2), (3.5, 4)], id="unknown late"),
        pytest.param((5, None, 5, None), 2.5, [(0, 1), (2, 3), (3.5, 4)], id="gaps"),
        pytest.param((None,) * 4, 1.5, [(2.5, 4)], id="nothing known"),
    ],
)
def test_hours(
    prices: tuple[float | None, ...],
    hours: float,
    expected: list[tuple[float, float]],
) -> None:
    plan = planned(hourly(*prices), hours, within=len(prices))

    assert windows(plan) == expected
    assert plan.enough


def test_slots_without_their_last_second() -> None:
    """Some sources let them end at 59:59: between two there is no gap."""
    prices = tuple(
        replace(slot, end=slot.end - timedelta(seconds=1))
        for slot in hourly(3, 1, 2, 1, 4)
    )
    assert windows(planned(prices, 3, within=5)) == [(1, 4)]


def test_slots_have_their_prices() -> None:
    plan = planned(hourly(9, 1, 1, 2, 9), 2.5, within=6)

    assert [slot.price for slot in plan.slots] == [1, 2]
    assert plan.start == EVENING + timedelta(hours=1)
    assert plan.next_change(EVENING) == plan.start
    assert plan.start is not None
    assert not plan.active(EVENING)
    assert plan.active(plan.start.astimezone(BERLIN))
    assert plan.next_change(plan.start) == plan.slots[-1].end
    assert plan.next_change(plan.slots[-1].end) is None


def test_at_most_so_many_windows() -> None:
    prices = hourly(1, 5, 1, 2, 1, 5, 1.5, 4)

    assert windows(planned(prices, 4, within=8, max_windows=4)) == [
        (0, 1),
        (2, 3),
        (4, 5),
        (6, 7),
    ]
    assert windows(planned(prices, 4, within=8, max_windows=2)) == [(0, 1), (2, 5)]
    assert windows(planned(prices, 4, within=8, max_windows=1)) == [(2, 6)]


@pytest.mark.parametrize(
    ("hours", "within", "enough"),
    [(2, 1, False), (2, 1.95, True), (2, -3, False)],
)
def test_too_late_is_from_now_on(hours: float, within: float, enough: bool) -> None:
    plan = planned(hourly(5, 1, 1, 1), hours, within=within)

    assert windows(plan) == [(0, hours)]
    assert plan.enough is enough


def test_nothing_to_charge() -> None:
    plan = planned(hourly(5, 1), 0, within=2)

    assert plan == Plan(enough=True)
    assert plan.start is None


def test_without_power_it_is_not_enough() -> None:
    plan = make_plan(
        now=EVENING,
        deadline=EVENING + timedelta(hours=10),
        energy_wh=1000,
        power_w=0,
        prices=hourly(5, 1),
    )

    assert plan.active(EVENING)
    assert not plan.enough


@pytest.mark.parametrize(
    ("since", "expected"),
    [
        # On an ordinary day, before and after.
        ("2026-11-30T06:59+01:00", "2026-11-30T07:00+01:00"),
        ("2026-11-30T07:00+01:00", "2026-12-01T07:00+01:00"),
        ("2026-11-30T23:30+00:00", "2026-12-01T07:00+01:00"),
    ],
)
def test_next_deadline(since: str, expected: str) -> None:
    deadline = next_deadline(time(7), datetime.fromisoformat(since), BERLIN)

    assert deadline == datetime.fromisoformat(expected)


@pytest.mark.parametrize(
    ("since", "expected"),
    [
        # 02:30 does not exist on March 29th, and is there twice on October 25th.
        ("2026-03-28T12:00+01:00", "2026-03-29T03:00+02:00"),
        ("2026-03-29T03:00+02:00", "2026-03-30T02:30+02:00"),
        ("2026-10-24T12:00+02:00", "2026-10-25T02:30+02:00"),
        ("2026-10-25T02:30+02:00", "2026-10-26T02:30+01:00"),
        ("2026-10-25T02:30+01:00", "2026-10-26T02:30+01:00"),
    ],
)
def test_next_deadline_when_clocks_change(since: str, expected: str) -> None:
    deadline = next_deadline(time(2, 30), datetime.fromisoformat(since), BERLIN)

    assert deadline == datetime.fromisoformat(expected)


def test_what_charges_is_not_interrupted_for_nothing() -> None:
    """Two hours that cost the same: it goes on, and ends earlier."""
    plan = planned(hourly(2, 2), 1.5, within=2, charging=True)
    assert windows(plan) == [(0, 1.5)]
    assert windows(planned(hourly(2, 2), 1.5, within=2)) == [(0.5, 2)]


def test_a_reading_that_was_too_low_leaves_nothing() -> None:
    """A plan that was made for half of the power is not gone on with."""
    prices = hourly(5, 1, 4, 2, 3, 5)

    def again(power_w: float, before: Plan | None) -> Plan:
        return make_plan(
            now=EVENING,
            deadline=EVENING + timedelta(hours=6),
            energy_wh=20_000 / 1.05,
            power_w=power_w,
            prices=prices,
            before=before,
        )

    plan = again(10_000, None)
    low = again(5_000, plan)
    assert windows(low) == [(1, 5)]
    assert windows(again(10_000, low)) == windows(plan) == [(1, 2), (3, 4)]
