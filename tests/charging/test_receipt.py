"""The receipt of a session: what adds up, and what it costs to the cent."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from functools import partial
from zoneinfo import ZoneInfo

from hypothesis import given, settings, strategies as st
import pytest

from custom_components.bmw_wallbox_victron.charging.prices import Prices, PriceSlot
from custom_components.bmw_wallbox_victron.charging.receipt import (
    GridShare,
    Receipt,
    Tariff,
    more_complete,
    remembered,
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


def test_yesterdays_prices_stay() -> None:
    """A source that tells today's takes none away, and corrects its own."""
    monday = slots(NIGHTS[0], [0.1, 0.2], 60)
    tuesday = slots(NIGHTS[0] + timedelta(hours=1), [0.3, 0.4], 60)
    known = remembered(monday, tuesday, NIGHTS[0])
    assert [slot.price for slot in known] == [0.1, 0.3, 0.4]
    assert remembered(known, (), NIGHTS[0]) == known
    later = NIGHTS[0] + timedelta(hours=1)
    assert remembered(monday, tuesday, later) == tuesday


def test_which_knows_more() -> None:
    tariff = Tariff(fixed_price=0.3)
    less, more = add(Receipt(), 10, 1, tariff), add(Receipt(), 20, 1, tariff)
    unpriced = add(Receipt(), 20, 1, Tariff())
    for one, other in ((less, more), (unpriced, more)):
        assert more_complete(one, other) == more_complete(other, one) == more


# The share of the grid


@st.composite
def courses(draw: st.DrawFn) -> list[tuple[int, float, float, float]]:
    """Draw seconds, import, power and power of the others, in whole W."""
    watts = st.integers(0, 11_000).map(float)
    imports = st.integers(-8000, 12_000).map(float)
    return draw(
        st.lists(st.tuples(st.integers(1, 30), imports, watts, watts), min_size=1)
    )


@given(courses(), st.integers(0, 50), st.integers(0, 50))
def test_the_share_is_what_flowed(
    course: list[tuple[int, float, float, float]], before: int, after: int
) -> None:
    """Of each second that of its readings; of a second without any, all."""
    share = GridShare()
    at, drawn, imported, known = 1000, Fraction(), Fraction(), 0
    for seconds, import_w, power_w, others_w in course:
        share.heard(
            at=at,
            import_w=import_w,
            power_w=power_w,
            others_w=others_w,
            stands_until=at + 20,
        )
        counted = min(seconds, 20)
        part = Fraction(1)
        if power_w + others_w > 0:
            part = min(Fraction(max(import_w, 0)) / Fraction(power_w + others_w), part)
        drawn += Fraction(power_w) * counted
        imported += Fraction(power_w) * part * counted
        known += counted
        at += seconds
    share.heard(at=at, import_w=None, power_w=None, stands_until=at + 20)
    mean = share.mean(1000 - before, at + after)
    if mean is None:
        assert drawn == 0
        return
    of_time = Fraction(known, at + after - 1000 + before)
    assert mean == pytest.approx(float(1 - of_time + of_time * imported / drawn))
    assert 0 <= mean <= 1


def test_the_share_of_a_part() -> None:
    """What stands counts, too; what was heard before the time does not."""
    share = GridShare()
    share.heard(at=0, import_w=4000, power_w=4000, stands_until=60)
    share.heard(at=10, import_w=1000, power_w=4000, stands_until=70)
    share.heard(at=20, import_w=-1000, power_w=4000, stands_until=80)
    assert share.mean(10, 20) == 0.25
    assert share.mean(15, 25) == 0.125
    assert share.mean(20, 40) == 0
    assert share.mean(60, 100) == 0.5
    assert share.mean(80, 100) is None
    assert share.mean(20, 20) is None


def test_two_wallboxes_share_the_import() -> None:
    """In proportion to what they draw."""
    one, other = GridShare(), GridShare()
    one.heard(at=0, import_w=3000, power_w=4000, others_w=2000, stands_until=60)
    other.heard(at=0, import_w=3000, power_w=2000, others_w=4000, stands_until=60)
    assert one.mean(0, 10) == other.mean(0, 10) == 0.5


def test_readings_without_end() -> None:
    """What is remembered does not grow, and the newest is there."""
    share = GridShare()
    for second in range(20_000):
        share.heard(
            at=second,
            import_w=second % 3 * 1000,
            power_w=2000,
            stands_until=second + 60,
        )
    assert share.mean(19_000, 19_999) == pytest.approx(0.5, abs=0.01)
    assert share.mean(0, 1000) is None
