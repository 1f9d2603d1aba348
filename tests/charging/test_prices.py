"""Prices over time: at a moment, joined, cut."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from time import process_time
from zoneinfo import ZoneInfo

from hypothesis import given, strategies as st

from custom_components.bmw_wallbox_victron.charging.prices import (
    Prices,
    PriceSlot,
    merged,
    price_at,
    without_after,
    without_before,
)

BERLIN = ZoneInfo("Europe/Berlin")
MIDNIGHT = datetime(2026, 10, 25, tzinfo=BERLIN)


def prices_of(*slots: tuple[float, float, float]) -> Prices:
    """Return prices: begin and end in h after midnight UTC, and a price."""
    day = datetime(2026, 10, 25, tzinfo=UTC)
    return tuple(
        PriceSlot(
            start=day + timedelta(hours=begin),
            end=day + timedelta(hours=end),
            price=price,
        )
        for begin, end, price in slots
    )


def test_price_of_the_hour_that_clocks_show_twice() -> None:
    first = datetime(2026, 10, 25, 2, 30, tzinfo=BERLIN)
    second = first.replace(fold=1)
    prices = prices_of((0, 1, 0.1), (1, 2, 0.2))

    assert price_at(prices, first) == 0.1
    assert price_at(prices, second) == 0.2
    assert price_at(prices, MIDNIGHT) is None


HOURS = st.lists(st.integers(0, 48), unique=True, min_size=2, max_size=16).map(sorted)


@st.composite
def some_prices(draw: st.DrawFn) -> Prices:
    """Return prices with gaps."""
    hours = draw(HOURS)
    every = draw(st.lists(st.booleans(), min_size=16, max_size=16))
    return prices_of(
        *(
            (begin, end, draw(st.floats(-1, 1)))
            for (begin, end), known in zip(pairwise(hours), every, strict=False)
            if known
        )
    )


@given(some_prices(), some_prices())
def test_newer_prices_win(older: Prices, newer: Prices) -> None:
    both = merged(older, newer)

    for slot, following in pairwise(both):
        assert slot.start < slot.end <= following.start
    for hour in range(49):
        moment = datetime(2026, 10, 25, 0, 30, tzinfo=UTC) + timedelta(hours=hour)
        new = price_at(newer, moment)
        assert price_at(both, moment) == (
            price_at(older, moment) if new is None else new
        )


def test_many_prices_hold_up_nobody() -> None:
    """Twenty thousand are taken within a moment, not each against each."""
    hours = [MIDNIGHT.astimezone(UTC) + timedelta(hours=each) for each in range(20_001)]
    many = tuple(
        PriceSlot(start=start, end=end, price=0.1) for start, end in pairwise(hours)
    )
    began = process_time()
    assert merged(many, many) == many
    assert process_time() - began < 1


@given(some_prices(), st.integers(0, 48))
def test_only_what_is_to_come_is_left_out(prices: Prices, hour: int) -> None:
    moment = datetime(2026, 10, 25, tzinfo=UTC) + timedelta(hours=hour, minutes=20)
    left = without_after(prices, moment)

    for each in range(49):
        at = datetime(2026, 10, 25, 0, 10, tzinfo=UTC) + timedelta(hours=each)
        assert price_at(left, at) == (price_at(prices, at) if at < moment else None)
    assert all(slot.start < slot.end <= moment for slot in left)


@given(some_prices(), st.integers(0, 48))
def test_only_what_is_over_is_left_out(prices: Prices, hour: int) -> None:
    moment = datetime(2026, 10, 25, tzinfo=UTC) + timedelta(hours=hour, minutes=20)
    left = without_before(prices, moment)

    assert all(slot.end > moment for slot in left)
    assert left == prices[len(prices) - len(left) :]
    for later in range(48):
        at = moment + timedelta(hours=later)
        assert price_at(left, at) == price_at(prices, at)
