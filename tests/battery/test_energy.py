"""Energy: trapezoids between readings, nothing over a gap, counters of the day."""

import math

from hypothesis import given, strategies as st
import pytest

from custom_components.bmw_wallbox_victron.battery.energy import (
    Area,
    DayCounter,
    Integrator,
    count_day,
    kwh,
    trapezoid,
)

GAP_S = 300.0


def test_a_trapezoid() -> None:
    assert trapezoid(100, 200, 10) == Area(positive=1500, covered_s=10)
    assert trapezoid(-100, -200, 10) == Area(negative=1500, covered_s=10)
    assert kwh(trapezoid(1000, 1000, 3600).positive) == 1.0


def test_a_trapezoid_that_crosses_zero_counts_both_sides() -> None:
    area = trapezoid(100, -300, 8)
    assert area == Area(positive=100, negative=900, covered_s=8)


@given(st.floats(-5000, 5000), st.floats(-5000, 5000), st.floats(0, 1000))
def test_a_trapezoid_is_the_integral(first: float, last: float, seconds: float) -> None:
    area = trapezoid(first, last, seconds)
    net = (first + last) / 2 * seconds
    assert area.positive >= 0
    assert area.negative >= 0
    assert area.positive - area.negative == pytest.approx(net, abs=1e-6)


class Meter:
    """An integrator of one source, whose readings are heard as said."""

    def __init__(self) -> None:
        self.integrator = Integrator()
        self.area = Area()
        self.heard_at = 0.0

    def hear(self, value: float, at: float) -> None:
        self.area += self.integrator.take(
            value,
            at=at,
            stood_until=self.heard_at,
            heard_at=at,
            longest_gap_s=GAP_S,
        )
        self.heard_at = at

    def repeat(self, at: float) -> None:
        """Hear the same advertisement again: nobody is told of that."""
        self.heard_at = at

    def silent(self, at: float) -> None:
        self.area += self.integrator.take(
            None,
            at=at,
            stood_until=self.heard_at,
            heard_at=self.heard_at,
            longest_gap_s=GAP_S,
        )


def test_between_readings() -> None:
    meter = Meter()
    meter.hear(100, 0)
    meter.hear(200, 10)
    meter.hear(200, 20)
    assert meter.area == Area(positive=3500, covered_s=20)


def test_a_reading_stands_while_it_is_repeated() -> None:
    """Nothing for 250 s, and then 60 W: not a ramp up to them."""
    meter = Meter()
    meter.hear(0, 0)
    meter.repeat(250)
    meter.hear(60, 251)
    assert meter.area == Area(positive=30, covered_s=251)


@pytest.mark.parametrize(
    ("gap", "area"),
    [
        (GAP_S, Area(positive=100 * (10 + GAP_S), covered_s=10 + GAP_S)),
        (GAP_S + 1, Area(positive=1000, covered_s=10)),
    ],
)
def test_nothing_is_invented_over_a_gap(gap: float, area: Area) -> None:
    meter = Meter()
    meter.hear(100, 0)
    meter.hear(100, 10)
    meter.hear(100, 10 + gap)
    assert meter.area == area


def test_silence_counts_up_to_what_was_heard() -> None:
    meter = Meter()
    meter.hear(100, 0)
    meter.repeat(10)
    meter.silent(310)
    meter.hear(100, 1000)
    assert meter.area == Area(positive=1000, covered_s=10)


def test_of_two_sources_the_one_that_falls_silent_takes_back_what_is_not_certain() -> (
    None
):
    """A pack is heard every 20 s; the other one falls silent at 20 s, for ever."""
    integrator, area = Integrator(), Area()
    for at in range(0, 320, 20):
        area += integrator.take(
            -500,
            at=at,
            stood_until=at,
            heard_at=min(at, 20),
            longest_gap_s=GAP_S,
        )
    area += integrator.take(
        None, at=320, stood_until=320, heard_at=20, longest_gap_s=GAP_S
    )
    assert area == Area(negative=500 * 20, covered_s=20)


@given(
    st.lists(
        st.tuples(
            st.floats(0.1, 600),
            st.one_of(st.none(), st.floats(-2000, 2000)),
            st.booleans(),
        ),
        max_size=40,
    )
)
def test_any_readings_gaps_and_silences(
    steps: list[tuple[float, float | None, bool]],
) -> None:
    """Never negative, never more than the highest power all the time, nor more time."""
    meter, now, highest = Meter(), 0.0, 0.0
    for seconds, value, repeats in steps:
        now += seconds
        before = meter.area
        if value is None:
            meter.silent(now)
        elif repeats:
            meter.repeat(now)
        else:
            highest = max(highest, abs(value))
            meter.hear(value, now)
        assert meter.area.positive >= before.positive
        assert meter.area.negative >= before.negative
        assert meter.area.covered_s >= before.covered_s
    assert meter.area.covered_s <= now + 1e-6
    total = meter.area.positive + meter.area.negative
    assert total <= highest * meter.area.covered_s + 1e-6


# Counters of the day

HOUR = 3600.0


def counted(*readings: tuple[float, float]) -> float:
    """Count what a counter shows, each at an hour."""
    counter, total = DayCounter(), 0.0
    for hour, reading in readings:
        counter, added = count_day(counter, reading, hour * HOUR)
        total += added
    return total


def test_the_first_reading_adds_nothing() -> None:
    assert counted((0, 3.2)) == 0


def test_it_counts_up_and_over_midnight() -> None:
    total = counted((0, 3.2), (1, 3.6), (2, 3.6), (12, 0.0), (13, 0.4))
    assert total == pytest.approx(0.8)


def test_a_day_that_was_missed() -> None:
    """Home Assistant was off from one day to the next."""
    assert counted((0, 0.0), (1, 0.5), (26, 0.3)) == pytest.approx(0.8)


def test_a_reading_gone_wrong_adds_nothing() -> None:
    total = counted((0, 0.8), (0.001, 70.0), (0.002, 0.8), (0.1, 0.85))
    assert total == pytest.approx(0.05)


@pytest.mark.parametrize(("rise", "added"), [(0.02, 0.02), (0.03, 0.0)])
def test_two_steps_at_once_are_possible(rise: float, added: float) -> None:
    assert counted((0, 1.0), (0, 1.0 + rise)) == pytest.approx(added)


@given(
    st.lists(st.tuples(st.floats(0.01, 30), st.floats(0, 100)), min_size=1, max_size=30)
)
def test_it_never_falls(readings: list[tuple[float, float]]) -> None:
    counter, now = DayCounter(), 0.0
    for hours, reading in readings:
        now += hours * HOUR
        counter, added = count_day(counter, reading, now)
        assert added >= 0
        assert math.isfinite(added)
