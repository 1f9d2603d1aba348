"""Days by seed: what cars come, what is set, and what goes wrong."""

from collections.abc import Callable
from datetime import date, datetime, timedelta
import random
from typing import Final
from zoneinfo import ZoneInfo

from simulators.house.appliances import Kitchen
from simulators.house.garage import CarModel
from simulators.house.meter import MeterQuirks, Outage
from simulators.house.weather import Sky

from .house_day import Scenario, Visit
from .house_figures import Wish

ZONE: Final = ZoneInfo("Europe/Berlin")
_HOUR_S: Final = 3600.0

SMALL: Final = CarModel(phases=1, most_a=16.0, needs_wh=45_000.0)
"""A small car, on one phase."""
LARGE: Final = CarModel(phases=3, most_a=16.0, needs_wh=55_000.0)
"""A BMW i4 on three phases: too many pauses, and it sleeps."""


def _morning(chance: random.Random, months: tuple[int, ...]) -> datetime:
    """Return a midnight of a day in one of the months."""
    day = date(2026, chance.choice(months), chance.randint(1, 28))
    return datetime(day.year, day.month, day.day, tzinfo=ZONE)


def solar_day(seed: int) -> Scenario:
    """Return a day from March to October, a car at home from eight to seven."""
    chance = random.Random(f"solar {seed}")
    car = chance.choice((SMALL, LARGE, LARGE))
    car = CarModel(
        phases=car.phases, most_a=car.most_a, needs_wh=car.needs_wh, pauses=7
    )
    visit = Visit(
        begin_s=chance.uniform(7.5, 10) * _HOUR_S,
        end_s=chance.uniform(17, 19.5) * _HOUR_S,
        car=car,
    )
    return Scenario(
        name="solar",
        seed=seed,
        begin=_morning(chance, (3, 4, 5, 6, 7, 8, 9, 10)),
        hours=20,
        visits=((visit,),),
        wish=Wish(mode="solar"),
        sky=chance.choices(tuple(Sky), (0.35, 0.45, 0.2))[0],
        meter=MeterQuirks(interval_s=chance.choice((1.0, 5.0, 10.0))),
    )


def fuse_day(seed: int) -> Scenario:
    """Return an evening and a night with a small fuse, and a kitchen in use."""
    chance = random.Random(f"fuse {seed}")
    fuse_a = chance.choice((20.0, 25.0, 25.0, 35.0))
    return Scenario(
        name="fuse",
        seed=seed,
        begin=_morning(chance, tuple(range(1, 13))) + timedelta(hours=11),
        hours=13,
        visits=(
            (
                Visit(
                    begin_s=chance.uniform(0.1, 4) * _HOUR_S,
                    end_s=12.9 * _HOUR_S,
                    car=CarModel(
                        phases=3,
                        most_a=chance.choice((16.0, 32.0)),
                        needs_wh=200_000.0,
                        pauses=7,
                    ),
                ),
            ),
        ),
        wish=Wish(main_fuse_a=fuse_a, phase_order="123"),
        kitchen=Kitchen(kettles=8),
        meter=MeterQuirks(interval_s=chance.choice((1.0, 5.0, 10.0))),
    )


def plan_day(seed: int) -> Scenario:
    """Return a night: from the afternoon to seven, with a target and prices."""
    chance = random.Random(f"plan {seed}")
    target_kwh = chance.choice((10.0, 20.0, 35.0, 50.0))
    return Scenario(
        name="plan",
        seed=seed,
        begin=_morning(chance, tuple(range(1, 13))) + timedelta(hours=15),
        hours=17,
        visits=(
            (
                Visit(
                    begin_s=chance.uniform(1, 4) * _HOUR_S,
                    end_s=16.5 * _HOUR_S,
                    car=CarModel(
                        phases=3, most_a=16.0, needs_wh=target_kwh * 1000, pauses=7
                    ),
                ),
            ),
        ),
        wish=Wish(plan=True, target_kwh=target_kwh, ready_by_s=16 * _HOUR_S),
    )


def rough_day(seed: int) -> Scenario:
    """Return a day on which much goes wrong: meter, restarts, clocks, two wallboxes."""
    chance = random.Random(f"rough {seed}")
    hours = 15.0
    fuse_a = chance.choice((20.0, 25.0, 35.0))
    outages = tuple(
        (begin_s, begin_s + chance.uniform(10, 900))
        for begin_s in (chance.uniform(0, hours) * _HOUR_S for _ in range(4))
    )
    visits = []
    count = chance.choice((1, 1, 2))
    orders = ("123", "231", "312", "132", "213", "321")
    for _ in range(count):
        begin_s = chance.uniform(0.1, 6) * _HOUR_S
        visits.append(
            (
                Visit(
                    begin_s=begin_s,
                    end_s=chance.uniform(9, hours) * _HOUR_S,
                    car=CarModel(
                        phases=chance.choice((1, 3)),
                        most_a=chance.choice((16.0, 32.0)),
                        needs_wh=chance.uniform(8_000, 80_000),
                        pauses=7,
                    ),
                ),
            )
        )
    wiring = tuple(chance.choice(orders) for _ in range(count))
    known = count == 1 and chance.random() < 0.5
    return Scenario(
        name="rough",
        seed=seed,
        begin=_morning(chance, tuple(range(1, 13))) + timedelta(hours=8),
        hours=hours,
        visits=visits,
        wish=Wish(
            mode=chance.choice(("fast", "solar", "solar_min")),
            main_fuse_a=fuse_a,
            phase_order=wiring[0] if known else "unknown",
        ),
        kitchen=Kitchen(kettles=8),
        wiring=wiring,
        meter=MeterQuirks(
            interval_s=chance.choice((1.0, 5.0, 10.0, 30.0)),
            late_s=chance.choice((0.0, 0.0, 2.0)),
            absolute=chance.random() < 0.3,
            outages=outages,
            outage=chance.choice(tuple(Outage)),
        ),
        restarts_s=tuple(chance.uniform(0, hours) * _HOUR_S for _ in range(3)),
        jumps=tuple(
            (chance.uniform(0, hours) * _HOUR_S, chance.choice((-86_400, -3600, 7200)))
            for _ in range(2)
        ),
    )


KINDS: Final[dict[str, Callable[[int], Scenario]]] = {
    "solar": solar_day,
    "fuse": fuse_day,
    "plan": plan_day,
    "rough": rough_day,
}
"""Each kind of day, by seed."""
