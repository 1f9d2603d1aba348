"""The receipt of a session: what adds up, and what it costs to the cent."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from functools import partial
from zoneinfo import ZoneInfo

from hypothesis import given, settings, strategies as st
import pytest

from custom_components.bmw_wallbox_victron.charging.prices import Prices, PriceSlot
from custom_components.bmw_wallbox_victron.charging.receipt import (
    Receipt,
    Tariff,
    more_complete,
)

BERLIN = ZoneInfo("Europe/Berlin")
MINUTE = timedelta(minutes=1)
#: Summer time ends in the first night and begins in the second.
NIGHTS = [
    datetime(2026, 10, 24, 22, tzinfo=UTC),
    datetime(2027, 3, 27, 22, tzinfo=UTC),
    datetime(2027, 1, 5, 22, tzinfo=UTC),
]


def slots(start: datetime, prices: Sequence[float | None], minutes: int) -> Prices:
    """Make prices of so many minutes each, by the clocks of Berlin; None: a gap."""
    length = minutes * MINUTE
    return tuple(
        PriceSlot(
            start=(start + index * length).astimezone(BERLIN),
            end=(start + (index + 1) * length).astimezone(BERLIN),
            price=price,
        )
        for index, price in enumerate(prices)
        if price is not None
    )


@dataclass(frozen=True)
class Step:
    """What flowed between two readings."""

    minutes: int
    """How far they lie apart: hours, after an outage."""
    wh: int
    """What flowed."""
    grid_share: float | None
    """How much of it was import."""


steps = st.builds(
    Step,
    minutes=st.one_of(st.integers(1, 3), st.integers(1, 600)),
    wh=st.integers(0, 40_000),
    grid_share=st.one_of(st.none(), st.floats(0, 1)),
)
prices = st.lists(
    st.one_of(st.none(), st.floats(-0.5, 2), st.floats(-0.5, 2)), max_size=120
)


def by_the_minute(
    begin: datetime, taken: Sequence[Step], tariff: Tariff
) -> tuple[Fraction, Fraction, Fraction, Fraction]:
    """Return grid, sun, unpriced (Wh) and cost, minute by minute, without rounding."""
    grid = sun = unpriced = cost = Fraction()
    seconds = round(begin.timestamp())
    by_minute = {
        second: Fraction(slot.price)
        for slot in tariff.prices
        for second in range(
            round(slot.start.timestamp()), round(slot.end.timestamp()), 60
        )
    }
    fixed = None if tariff.fixed_price is None else Fraction(tariff.fixed_price)
    feed_in = Fraction(tariff.feed_in_price)
    for step in taken:
        share = Fraction(1 if step.grid_share is None else step.grid_share)
        imported = Fraction(step.wh, step.minutes) * share
        grid += step.wh * share
        sun += step.wh * (1 - share)
        if tariff.prices or fixed is not None:
            cost += step.wh * (1 - share) * feed_in / 1000
        else:
            unpriced += step.wh * (1 - share)
        for _ in range(step.minutes):
            if (price := by_minute.get(seconds, fixed)) is None:
                unpriced += imported
            else:
                cost += imported * price / 1000
            seconds += 60
    return grid, sun, unpriced, cost


@settings(max_examples=500)
@given(
    st.sampled_from(NIGHTS),
    st.integers(0, 400),
    st.lists(steps, min_size=1, max_size=8),
    prices,
    st.sampled_from([15, 30, 60]),
    st.one_of(st.none(), st.floats(0, 1)),
    st.floats(0, 0.2),
    st.data(),
)
def test_it_is_exact(
    night: datetime,
    later: int,
    taken: list[Step],
    by_slot: list[float | None],
    minutes: int,
    fixed_price: float | None,
    feed_in_price: float,
    data: st.DataObject,
) -> None:
    """To the cent, over outages, gaps in the prices and changes of the clocks.

    What is told again, and an older reading, adds nothing.
    """
    tariff = Tariff(
        prices=slots(night, by_slot, minutes),
        fixed_price=fixed_price,
        feed_in_price=feed_in_price,
    )
    begin = at = night + later * MINUTE
    receipt, counted = Receipt(), 0
    for step in taken:
        end = at + step.minutes * MINUTE
        counted += step.wh
        read = partial(
            Receipt.add,
            begin=at.astimezone(BERLIN),
            end=end.astimezone(BERLIN),
            grid_share=step.grid_share,
            tariff=tariff,
        )
        receipt = read(receipt, counted)
        for again in data.draw(st.lists(st.integers(0, counted), max_size=2)):
            assert read(receipt, again) == receipt
        assert receipt.grid_wh >= 0
        assert receipt.solar_wh >= 0
        assert receipt.energy_wh == pytest.approx(counted, abs=0.001)
        at = end
    assert receipt.until == at
    grid, sun, unpriced, cost = by_the_minute(begin, taken, tariff)
    assert receipt.grid_wh == pytest.approx(float(grid), abs=0.001)
    assert receipt.solar_wh == pytest.approx(float(sun), abs=0.001)
    assert receipt.grid_wh + receipt.solar_wh == pytest.approx(counted, abs=0.001)
    assert receipt.unpriced_wh == pytest.approx(float(unpriced), abs=0.001)
    assert (receipt.cost or 0) == pytest.approx(float(cost), abs=0.001)


def add(receipt: Receipt, energy_wh: float, minutes: int, tariff: Tariff) -> Receipt:
    """Add energy of the minutes before some minute of the first night."""
    end = NIGHTS[0] + minutes * MINUTE
    return receipt.add(
        energy_wh, begin=end - MINUTE, end=end, grid_share=0.25, tariff=tariff
    )


def test_without_any_price() -> None:
    """There is no cost, not even of the sun; from where it came is known."""
    receipt = add(Receipt(), 4000, 1, Tariff(feed_in_price=0.08))
    assert receipt.cost is None
    assert (receipt.grid_wh, receipt.solar_wh) == (1000, 3000)
    assert receipt.unpriced_wh == 4000
    assert receipt.solar_share == 75


def test_a_price_for_a_part() -> None:
    """The cost is of what is known, and how much is not is said."""
    known = Tariff(prices=slots(NIGHTS[0], [0.40], 15), feed_in_price=0.08)
    receipt = add(Receipt(), 4000, 10, known)
    assert receipt.cost == pytest.approx(0.40 + 3 * 0.08)
    receipt = add(receipt, 8000, 30, known)
    assert receipt.cost == pytest.approx(0.40 + 6 * 0.08)
    assert receipt.unpriced_wh == 1000


def test_nothing_has_flowed() -> None:
    """It costs nothing where there is a price, and has no share."""
    receipt = add(Receipt(), 0, 1, Tariff(fixed_price=0.3))
    assert receipt.cost == 0
    assert receipt.solar_share is None
    assert add(Receipt(), 0, 1, Tariff()).cost is None


def test_a_moment_has_a_price() -> None:
    """What came in no time at all costs what it costs then."""
    begin = NIGHTS[0]
    tariff = Tariff(prices=slots(begin, [0.1, 0.2, None, 0.4], 15))

    def cost(minutes: int) -> float | None:
        at = begin + minutes * MINUTE
        receipt = Receipt().add(1000, begin=at, end=at, grid_share=None, tariff=tariff)
        return receipt.cost

    assert [cost(each) for each in (-1, 0, 14, 15, 30, 45, 60)] == [
        None,
        0.1,
        0.1,
        0.2,
        None,
        0.4,
        None,
    ]


def test_which_knows_more() -> None:
    tariff = Tariff(fixed_price=0.3)
    less, more = add(Receipt(), 10, 1, tariff), add(Receipt(), 20, 1, tariff)
    unpriced = add(Receipt(), 20, 1, Tariff())
    for one, other in ((less, more), (unpriced, more)):
        assert more_complete(one, other) == more_complete(other, one) == more
    # What came late may have been cheaper.
    cheaper = replace(more, cost=0.001)
    assert more_complete(more, cheaper) == cheaper


@settings(max_examples=100)
@given(
    st.sampled_from(NIGHTS),
    st.lists(steps, min_size=1, max_size=8),
    st.lists(st.floats(-0.5, 2), min_size=200, max_size=200),
    st.lists(st.integers(0, 8), max_size=3),
)
def test_prices_that_come_later(
    night: datetime, taken: list[Step], by_slot: list[float], known_at: list[int]
) -> None:
    """What waited for a price costs what it would have cost with all known at once."""
    everything = slots(night, by_slot, 30)
    fine, waiting = Receipt(), Receipt()
    at, counted, tariff = night, 0, Tariff(awaited=True)
    for number, step in enumerate(taken):
        if number in known_at:
            part = everything[: len(everything) * number // 8]
            tariff = Tariff(prices=part, awaited=True)
            waiting = waiting.settled(tariff)
        end, counted = at + step.minutes * MINUTE, counted + step.wh
        for_both = {"begin": at, "end": end}
        share = step.grid_share
        whole = Tariff(prices=everything, awaited=True)
        fine = fine.add(counted, **for_both, grid_share=share, tariff=whole)
        waiting = waiting.add(counted, **for_both, grid_share=share, tariff=tariff)
        assert waiting.unpriced_wh == pytest.approx(
            sum(part.wh for part in waiting.open), abs=0.001
        )
        at = end
    settled = waiting.settled(Tariff(prices=everything, awaited=True))
    assert (settled.cost or 0) == pytest.approx(fine.cost, abs=0.001)
    assert (settled.unpriced_wh, settled.open) == (0, ())
    assert settled.grid_wh == fine.grid_wh
    assert settled.settled(Tariff(awaited=True)) == settled


def test_what_waits_is_bounded() -> None:
    """A source of prices that never tells any costs the disk no more than this."""
    receipt, at = Receipt(), NIGHTS[0]
    for day in range(30):
        end = at + timedelta(days=1)
        receipt = receipt.add(
            (day + 1) * 1000,
            begin=at,
            end=end,
            grid_share=None,
            tariff=Tariff(awaited=True),
        )
        at = end
    assert len(receipt.open) == 400
    assert receipt.open[-1].end == at
    assert receipt.unpriced_wh == pytest.approx(30_000)
    assert receipt.cost is None
