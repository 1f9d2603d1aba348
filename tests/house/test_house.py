"""The house: days as they are, books that add up, a meter with its habits."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from hypothesis import given, strategies as st
import pytest

from simulators.house.appliances import HeatPump
from simulators.house.meter import GridMeter, MeterQuirks, Outage
from simulators.house.physics import House
from simulators.house.prices import SLOT, Tariff
from simulators.house.weather import Place, Roof, Sky, Sun, weather_of

BERLIN = ZoneInfo("Europe/Berlin")
SUMMER = datetime(2026, 6, 21, tzinfo=BERLIN)
WINTER = datetime(2026, 1, 10, tzinfo=BERLIN)
DAY_S = 86_400


def live(house: House, *, hours: float = 24, step_s: float = 5) -> Iterator[House]:
    """Let a house live, and look at it after each step."""
    for _ in range(round(hours * 3600 / step_s)):
        house.advance(step_s)
        yield house


def kwh(watts: Iterator[float], step_s: float = 5) -> float:
    """Return the energy of powers, kWh."""
    return sum(watts) * step_s / 3.6e6


# The day


def test_the_sun_rises_and_sets_by_the_date() -> None:
    """At Munich: 5:13 to 21:17 at the solstice, 8:03 to 16:35 on January 10."""
    for begin, rises, sets in ((SUMMER, 5.2, 21.3), (WINTER, 8.05, 16.6)):
        house = House(begin, sky=Sky.CLEAR)
        shines = [at.elapsed_s / 3600 for at in live(house, step_s=60) if at.pv_w > 0.0]
        assert shines[0] == pytest.approx(rises, abs=0.3)
        assert shines[-1] == pytest.approx(sets, abs=0.3)


def test_what_a_roof_gives() -> None:
    clear, broken, grey = (
        kwh(at.pv_w for at in live(House(SUMMER, sky=sky))) for sky in Sky
    )
    assert 55 < clear < 75
    assert clear > 1.2 * broken > 1.2 * grey > 0
    assert 5 < kwh(at.pv_w for at in live(House(WINTER, sky=Sky.CLEAR))) < 35


def test_a_roof_to_the_west_is_late() -> None:
    sun = Sun(date(2026, 6, 21), Place())
    noon = datetime(2026, 6, 21, 11, 15, tzinfo=UTC).timestamp()
    west = Roof(azimuth=270)
    assert sun.clear_w(noon - 10_800, west) < sun.clear_w(noon + 10_800, west) / 2
    south = [sun.clear_w(noon + side * 10_800, Roof()) for side in (-1, 1)]
    assert south[0] == pytest.approx(south[1], rel=0.02)


def test_a_broken_sky_moves_fast() -> None:
    powers = [at.pv_w for at in live(House(SUMMER, sky=Sky.BROKEN), step_s=5)]
    noon = powers[11 * 720 : 15 * 720]
    falls = [
        max(noon[at : at + 13]) - noon[at + 12] for at in range(0, len(noon) - 12, 12)
    ]
    assert max(falls) > 3000  # within a minute


def test_frost_costs_more_than_summer() -> None:
    summer = kwh(sum(at.load_w) for at in live(House(SUMMER)))
    winter = kwh(sum(at.load_w) for at in live(House(WINTER)))
    assert 8 < summer < 25
    assert winter > summer + 10


def test_the_heat_pump_cycles_and_the_heater_helps_in_frost() -> None:
    pump = HeatPump()
    runs = [pump.advance(60, 0.0, minute * 60.0) for minute in range(1440)]
    on = [each[0] > 500 for each in runs]
    starts = sum(now and not before for before, now in pairwise(on))
    assert 4 < starts < 30
    assert {each[2] - each[0] for each in runs} == {0.0}
    pump = HeatPump()
    frozen = [pump.advance(60, -12.0, minute * 60.0) for minute in range(1440)]
    assert max(each[2] - each[0] for each in frozen) == 2000


def test_an_oven_is_on_its_phase() -> None:
    """Over many days: each appliance on the phases it is wired to, all of them used."""
    house = House(SUMMER)
    seen: set[str] = set()
    for _ in range(10):
        for run in house.runs:
            seen.add(run.name)
            assert run.heats(run.begin_s)
            assert not run.heats(run.end_s)
        house.advance(DAY_S)
    assert seen == {"kettle", "hob", "oven", "washing"}
    oven = next(
        run
        for day in range(10)
        for run in House(SUMMER + timedelta(days=day)).runs
        if run.name == "oven"
    )
    assert oven.watts == pytest.approx((0, 2400, 0))
    heated = sum(oven.heats(oven.begin_s + second) for second in range(540, 1440))
    assert heated == pytest.approx(450, abs=50)


# Physics


@given(
    seed=st.integers(0, 50),
    first=st.floats(0, 32),
    second=st.floats(0, 32),
    wiring=st.sampled_from(("123", "231", "312", "132", "213", "321")),
)
def test_what_flows_at_the_fuse_is_what_is_used(
    seed: int, first: float, second: float, wiring: str
) -> None:
    house = House(SUMMER, seed=seed, wiring=(wiring, "2"))
    house.advance(43_200)
    before = house.phase_a
    house.draw(((first, first / 2, 0.0), (second,)))
    grid_w = sum(each * 230 for each in house.phase_a)
    assert house.grid_w == pytest.approx(grid_w, abs=0.01)
    assert house.grid_w == pytest.approx(
        sum(house.load_w) + (1.5 * first + second) * 230 - house.pv_w, abs=0.01
    )
    moved = [new - old for new, old in zip(house.phase_a, before, strict=True)]
    expected = [0.0, second, 0.0]
    expected[int(wiring[0]) - 1] += first
    expected[int(wiring[1]) - 1] += first / 2
    assert moved == pytest.approx(expected, abs=1e-6)


def test_the_same_house_each_time_and_another_by_another_seed() -> None:
    houses = [House(SUMMER, seed=seed) for seed in (1, 1, 2)]
    lives = [[(at.pv_w, at.load_w) for at in live(house)] for house in houses]
    assert lives[0] == lives[1] != lives[2]


def test_longer_steps_are_the_same_house() -> None:
    for begin in (SUMMER, WINTER):
        fine, coarse = (
            sum(at.surplus_w for at in live(House(begin), step_s=step_s)) * step_s
            for step_s in (1, 5)
        )
        assert fine / 3.6e6 == pytest.approx(coarse / 3.6e6, abs=0.7)


@pytest.mark.parametrize(
    ("begin", "hours"), [((2026, 3, 29), 23), ((2026, 10, 25), 25), ((2026, 6, 1), 24)]
)
def test_a_day_has_as_many_hours_as_it_has(
    begin: tuple[int, int, int], hours: int
) -> None:
    house = House(datetime(*begin, tzinfo=BERLIN))
    house.advance(hours * 3600 - 1)
    assert house.now.date() == date(*begin)
    house.advance(1)
    assert house.now.date() == date(*begin) + timedelta(days=1)
    assert (house.now.hour, house.now.minute) == (0, 0)


@pytest.mark.parametrize("wiring", ["", "11", "4", "1234"])
def test_a_wiring_that_cannot_be(wiring: str) -> None:
    with pytest.raises(ValueError, match="wired"):
        House(SUMMER, wiring=(wiring,))


# The price


@pytest.mark.parametrize(
    ("day", "slots"),
    [(date(2026, 3, 29), 92), (date(2026, 10, 25), 100), (date(2026, 6, 1), 96)],
)
def test_prices_have_no_gap(day: date, slots: int) -> None:
    tariff = Tariff(BERLIN)
    prices = tariff.day(day) + tariff.day(day + timedelta(days=1))
    assert len(tariff.day(day)) == slots
    for one, next_one in pairwise(prices):
        assert one.end.astimezone(UTC) - one.start.astimezone(UTC) == SLOT
        assert next_one.start == one.end
        middle = one.start.astimezone(UTC) + SLOT / 2
        assert tariff.at(middle) == one.price


def test_tomorrow_is_known_from_one() -> None:
    tariff = Tariff(BERLIN)
    before = datetime(2026, 6, 21, 12, 59, 59, tzinfo=BERLIN)
    assert len(tariff.known(before)) == 96
    assert len(tariff.known(before + timedelta(seconds=1))) == 192


def test_the_sun_makes_it_cheap_even_negative() -> None:
    sunny, grey = [
        [
            min(slot.price for slot in Tariff(BERLIN, seed=seed).day(day))
            for day in (date(2026, 6, 21) + timedelta(days=more) for more in range(10))
            for seed in range(5)
            if weather_of(day, seed).sky is sky
        ]
        for sky in (Sky.CLEAR, Sky.OVERCAST)
    ]
    assert min(sunny) < 0 < min(grey)
    evening = Tariff(BERLIN).at(datetime(2026, 6, 21, 19, tzinfo=BERLIN))
    night = Tariff(BERLIN).at(datetime(2026, 6, 21, 3, tzinfo=BERLIN))
    assert evening > night > 0


# The meter


def test_it_tells_at_its_interval_and_late() -> None:
    house = House(SUMMER)
    meter = GridMeter(house, MeterQuirks(interval_s=10, late_s=2))
    house.draw(((16.0, 16.0, 16.0),))
    told = [at.elapsed_s for at in live(house, hours=1 / 60, step_s=1) if meter.look()]
    assert told == [2, 12, 22, 32, 42, 52]
    assert meter.reading is not None
    assert meter.reading.power_w == pytest.approx(house.grid_w, abs=50)
    assert meter.reading.current_a == pytest.approx(house.phase_a, abs=0.2)


@pytest.mark.parametrize("outage", Outage)
def test_it_is_away(outage: Outage) -> None:
    house = House(SUMMER)
    meter = GridMeter(house, MeterQuirks(outages=((100, 200),), outage=outage))
    readings = {}
    for at in live(house, hours=0.1, step_s=5):
        meter.look()
        readings[at.elapsed_s] = meter.reading
    before, during, after = (readings[at] for at in (95, 150, 200))
    assert before is not None
    assert during == (before if outage is Outage.SILENT else None)
    assert after is not None
    assert after.reported_s == 200


def test_it_tells_changes_only() -> None:
    """A house at night, whose watts stand still: not told, until something happens."""
    house = House(SUMMER, heat_pump=HeatPump(loss_w_k=0, watts=0))
    meter = GridMeter(house, MeterQuirks(only_on_change=True))
    told = [at.elapsed_s for at in live(house, hours=3) if meter.look()]
    assert 2 < len(told) < 20
    house.draw(((6.0, 6.0, 6.0),))
    house.advance(5)
    assert meter.look()


def test_its_currents_may_have_no_sign() -> None:
    house = House(SUMMER, sky=Sky.CLEAR)
    house.advance(12.5 * 3600)
    signed = GridMeter(house).reading
    unsigned = GridMeter(house, replace(MeterQuirks(), absolute=True)).reading
    assert signed is not None
    assert unsigned is not None
    assert max(signed.current_a) < 0
    assert unsigned.current_a == tuple(-each for each in signed.current_a)
