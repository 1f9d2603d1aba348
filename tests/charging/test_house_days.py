"""Days of a house: its fuse holds, and cars are not paused without need."""

from hypothesis import settings
import pytest

from .house_days import Day, Figures

#: A few at each run of the gate, many each week.
DAYS, HOURS = (200, 4.0) if settings().max_examples > 100 else (6, 0.5)


@pytest.mark.timeout(60 * DAYS)
def test_the_fuse_holds() -> None:
    """No phase is over it for longer than the meter's interval and 10 s.

    Two wallboxes or one, meters that report every 1 to 30 s and die, wallboxes that are
    read every 5 to 60 s and answer late, phases in a known and in an unknown order.
    """
    total = Figures()
    for seed in range(DAYS):
        total.add(Day(seed).run(HOURS))
    assert total.over_s > 0
    assert total.starts > DAYS / 2
    assert total.excess_s == 0
    # One that starts just when a load is switched on may be paused for it.
    assert total.at_start <= 0.05 * total.starts


@pytest.mark.parametrize("interval_s", [1.0, 10.0, 30.0])
def test_a_house_with_room_pauses_nobody(interval_s: float) -> None:
    """A fuse of 63 A under the same loads: a start of a car is no load of the house."""
    day = Day(3, interval_s=interval_s, fuse_a=63.0, outages=False)
    figures = day.run(1.0)
    assert figures.starts > 0
    assert figures.pauses == 0
