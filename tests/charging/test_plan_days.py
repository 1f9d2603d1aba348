"""Days of prices: plans against an oracle, and followed to the end."""

from datetime import UTC, datetime, timedelta
from itertools import combinations, pairwise
import os
from random import Random
from zoneinfo import ZoneInfo

from hypothesis import given, strategies as st
import pytest

from custom_components.bmw_wallbox_victron.charging.plan import Plan, make_plan
from custom_components.bmw_wallbox_victron.charging.prices import (
    Prices,
    PriceSlot,
    price_at,
)

BERLIN = ZoneInfo("Europe/Berlin")
START = datetime(2026, 11, 30, 17, tzinfo=UTC)
HOUR = timedelta(hours=1)
#: So many at each run of the gate, a thousand each week.
DAYS = 1000 if os.environ.get("HYPOTHESIS_PROFILE") == "thorough" else 60
POWER_W = 11_000.0


@given(
    st.lists(st.integers(-3, 9), min_size=1, max_size=7),
    st.integers(1, 14),
    st.integers(1, 4),
)
def test_cheapest_of_all_ways(costs: list[int], halves: int, most: int) -> None:
    """Each choice of half hours is tried."""
    halves = min(halves, 2 * len(costs))
    prices = tuple(
        PriceSlot(start=START + hour * HOUR, end=START + (hour + 1) * HOUR, price=price)
        for hour, price in enumerate(costs)
    )

    def windows(chosen: tuple[int, ...]) -> int:
        return 1 + sum(after - half > 1 for half, after in pairwise(chosen))

    ways = [
        chosen
        for chosen in combinations(range(2 * len(costs)), halves)
        if windows(chosen) <= most
    ]
    least = min(sum(costs[half // 2] / 2 for half in chosen) for chosen in ways)

    plan = make_plan(
        now=START,
        deadline=START + len(costs) * HOUR,
        # The reserve on top makes it that many half hours, a hair less.
        energy_wh=1000 * halves / 2 / 1.05 * (1 - 1e-9),
        power_w=1000,
        prices=prices,
        max_windows=most,
    )

    cost = 0.0
    for slot in plan.slots:
        if slot.price is not None:
            cost += slot.price * ((slot.end - slot.start) / HOUR)
    if halves < 2 * len(costs):
        assert cost == pytest.approx(least, abs=0.01 * abs(least) + 0.01)
        assert len(plan.windows) <= most
    assert plan.enough


def a_day(random: Random) -> tuple[datetime, datetime, Prices, Prices, datetime]:
    """Return begin and deadline, prices before and after, and when those come."""
    day = random.choice(
        [datetime(2026, 11, 30), datetime(2026, 3, 28), datetime(2026, 10, 24)]  # noqa: DTZ001 - a zone follows
    )
    begin = day.replace(hour=random.randint(8, 22), tzinfo=BERLIN).astimezone(UTC)
    deadline = (day + timedelta(days=1)).replace(hour=7, tzinfo=BERLIN).astimezone(UTC)
    midnight = day.replace(tzinfo=BERLIN).astimezone(UTC)
    step = timedelta(minutes=random.choice([15, 60]))
    kind = random.choice(["smooth", "steps", "tariff", "spiky"])
    level = random.uniform(0.05, 0.3)
    slots = []
    moment, price = midnight, level
    while moment < midnight + 49 * HOUR:
        if kind == "smooth":
            price = price * 0.95 + level * 0.05 + random.gauss(0, 0.01)
        elif kind == "steps":
            price = random.choice([0.1, 0.2, 0.3])
        elif kind == "tariff":
            price = 0.12 if moment.hour < 5 else 0.31
        else:
            price = random.uniform(-0.1, 0.6)
        slots.append(PriceSlot(start=moment, end=moment + step, price=price))
        moment += step
    local_end = (day + timedelta(days=1)).replace(tzinfo=BERLIN).astimezone(UTC)
    early = tuple(slot for slot in slots if slot.end <= local_end)
    arrival = day.replace(hour=random.randint(13, 22), tzinfo=BERLIN).astimezone(UTC)
    return begin, deadline, early, tuple(slots), arrival


def cheapest_hours(
    prices: Prices, begin: datetime, end: datetime, hours: float
) -> float:
    """Return what the cheapest hours cost a kW: no way costs less."""
    cost = 0.0
    for slot in sorted(prices, key=lambda slot: slot.price):
        there = max((min(slot.end, end) - max(slot.start, begin)) / HOUR, 0.0)
        used = min(there, hours)
        cost += used * slot.price
        hours -= used
    return cost


@pytest.mark.parametrize("seed", range(DAYS))
def test_day_is_followed(seed: int) -> None:
    """By a power that varies by 3 % as it is measured: met, cheap, few pauses."""
    random = Random(seed)
    begin, deadline, early, late, arrival = a_day(random)
    known_at_once = random.random() < 0.5
    now, plan, charging = begin, None, False
    span = (deadline - begin) / HOUR
    hours = random.uniform(0.2, 0.9) * span / 1.05
    left, paid, pauses = hours, 0.0, 0
    first: Plan | None = None
    while left > 1e-9:
        prices = late if known_at_once or now >= arrival else early
        plan = make_plan(
            now=now,
            deadline=deadline,
            energy_wh=left * POWER_W,
            power_w=POWER_W * random.uniform(0.97, 1.03),
            prices=prices,
            charging=charging,
            before=plan,
        )
        first = first or plan
        active = plan.active(now)
        pauses += charging and not active
        charging = active
        change = plan.next_change(now) or now + HOUR
        following = min(change, now + timedelta(minutes=random.randint(5, 30)))
        if now < arrival < following:
            following = arrival
        if active:
            used = min((following - now) / HOUR, left)
            left -= used
            price = price_at(late, now)
            assert price is not None
            # Steps are not longer than a price lasts, up to the slots of a window.
            slot_end = min(slot.end for slot in late if slot.end > now)
            if now + used * HOUR > slot_end:
                left += used
                following = slot_end
                used = min((following - now) / HOUR, left)
                left -= used
            paid += used * price
            now += used * HOUR
        else:
            now = following
    assert now <= deadline + timedelta(seconds=1)
    assert first is not None
    if known_at_once:
        assert pauses <= len(first.windows)
        if len(first.windows) < 4:
            bounds = [
                cheapest_hours(late, begin, deadline, hours * share)
                # As planned with the most and the least that was measured.
                for share in (1.0, 1.05 / 0.97)
            ]
            assert paid <= max(bounds) + 0.01 * abs(max(bounds)) + 0.01
