"""Days of a house: what is measured of whoever decides on the limits."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from benchmarks.house_day import Day, Readings, Scenario, Visit
from benchmarks.house_figures import Figures, Wish
from benchmarks.house_scenarios import KINDS, ZONE
from simulators.house.garage import CarModel
from simulators.house.meter import MeterQuirks
from simulators.house.weather import Sky

type Decide = Callable[[Readings, float], Sequence[float]]

HOUR_S = 3600.0
CAR = CarModel(phases=3, most_a=16.0, needs_wh=100_000.0, pauses=7)
SUMMER = datetime(2026, 6, 21, tzinfo=ZONE)
SUNNY = Scenario(
    name="sunny",
    seed=3,
    begin=SUMMER,
    hours=20,
    visits=((Visit(begin_s=9 * HOUR_S, end_s=17 * HOUR_S, car=CAR),),),
    wish=Wish(mode="solar"),
    sky=Sky.CLEAR,
)


def live(scenario: Scenario, decide: Decide, *, step_s: float = 5.0) -> Figures:
    """Live through a day, and return what was measured."""
    day = Day(scenario, step_s=step_s)
    while not day.over:
        day.obey(decide(day.readings, day.now_s))
        day.advance()
    return day.figures()


def follow(readings: Readings, _: float) -> Sequence[float]:
    """Set the surplus, at each reading."""
    grid, (box,) = readings.grid, readings.boxes
    if grid is None:
        return (0.0,)
    amperes = max(box.current_a) - grid.power_w / 690
    return (float(int(amperes)) if amperes >= 6 else 0.0,)


def test_who_ignores_the_sun_takes_it_all_and_more() -> None:
    figures = live(SUNNY, lambda *_: (16.0,))
    assert figures.energy_kwh == pytest.approx(11.04 * 8, rel=0.01)
    assert figures.energy_kwh == pytest.approx(figures.sun_kwh + figures.import_kwh)
    assert figures.sun_kwh >= figures.optimum_kwh
    assert figures.import_kwh > 30
    assert (figures.changes, figures.pauses) == (0, 0)


def test_who_follows_a_clear_sun_is_near_the_optimum() -> None:
    figures = live(SUNNY, follow)
    assert 0.9 < figures.sun_kwh / figures.optimum_kwh <= 1.01
    assert figures.import_kwh < 2


def test_the_optimum_by_the_rules() -> None:
    """Alike on a clear day, and more of the sun with 6 A held through clouds."""
    clear = live(SUNNY, follow)
    assert clear.bound_kwh == pytest.approx(clear.optimum_kwh, rel=0.02)
    cloudy = live(replace(SUNNY, sky=Sky.BROKEN), follow)
    assert cloudy.bound_kwh > cloudy.optimum_kwh
    assert clear.bound_import_kwh < 0.5 < 2 < cloudy.bound_import_kwh


def test_who_pauses_at_each_cloud_puts_the_car_to_sleep() -> None:
    figures = live(replace(SUNNY, sky=Sky.BROKEN, seed=5), follow)
    assert figures.asleep
    assert figures.pauses == 7
    assert figures.sun_kwh < 0.7 * figures.optimum_kwh


EVENING = Scenario(
    name="evening",
    seed=1,
    begin=SUMMER.replace(month=1) + timedelta(hours=16),
    hours=6,
    visits=((Visit(begin_s=600, end_s=5.5 * HOUR_S, car=CAR),),),
    wish=Wish(main_fuse_a=14.0),
)


def test_seconds_above_the_fuse() -> None:
    """16 A on a fuse of 14 A: all of the time, but for the ramp and the first 15 s."""
    figures = live(EVENING, lambda *_: (16.0,), step_s=1)
    plugged_s = 5.5 * HOUR_S - 600
    assert figures.above_s == pytest.approx(3 * plugged_s, rel=0.01)
    assert figures.blind_s == 0
    assert figures.highest_a > 16
    # What the house does alone, with its oven, is no matter of a wallbox.
    alone = live(EVENING, lambda *_: (0.0,))
    assert alone.highest_a > 14
    assert alone.above_s == 0


def test_a_silent_meter_is_another_matter() -> None:
    """Nobody knew: owed is the safe current, and only after a while."""
    away = MeterQuirks(outages=((1800.0, 3600.0),))

    def blind(_: Readings, now: float) -> Sequence[float]:
        return (16.0 if 1900 <= now < 3500 else 6.0,)

    wish = Wish(main_fuse_a=35.0)
    figures = live(replace(EVENING, meter=away, wish=wish), blind)
    assert (figures.above_s, figures.blind_s) == (0, 0)
    figures = live(replace(EVENING, meter=away), blind, step_s=1)
    assert figures.blind_s == pytest.approx(3 * 1600, rel=0.1)


def test_a_plan_that_knows_no_price() -> None:
    """At once: met, and dearer than the cheapest hours, which differ little by day."""
    scenario = KINDS["plan"](0)
    figures = live(scenario, lambda *_: (32.0,))
    assert figures.target_met
    assert figures.cost > figures.cheapest > 0
    never = live(scenario, lambda *_: (0.0,))
    assert never.target_met is False
    assert never.energy_kwh < 0.1


def test_changes_that_come_too_fast() -> None:
    def hurry(_: Readings, now: float) -> Sequence[float]:
        return (10.0 + now // 5 % 2,)

    figures = live(replace(EVENING, hours=1), hurry)
    assert figures.shortest_s == 5
    assert figures.busiest == 2


@pytest.mark.parametrize("kind", KINDS)
def test_a_seed_is_a_day(kind: str) -> None:
    first, again, other = (KINDS[kind](seed) for seed in (4, 4, 5))
    assert first == again != other
    assert len(first.wiring) == len(first.visits)
    figures = [
        live(each, lambda *_: (6.0, 6.0)[: len(first.wiring)])
        for each in (first, again)
    ]
    assert figures[0] == figures[1]
    assert figures[0].plugged_h > 0
