"""Meter values: OCPP's defaults, units, phases, absurd values, the wallbox's clock."""

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given, strategies as st
import pytest

from custom_components.bmw_wallbox_victron.wallbox.meter import (
    MAX_CURRENT_A,
    MAX_POWER_W,
    MAX_REGISTER_WH,
    MAX_VOLTAGE_V,
    Sample,
    device_time,
    samples,
)

from .common import RULE, START, at


@pytest.fixture(autouse=True)
def _real_world() -> None:
    """No Home Assistant here."""


POWER, CURRENT, VOLTAGE = "Power.Active.Import", "Current.Import", "Voltage"
ENERGY = "Energy.Active.Import.Register"


def value(
    number: float,
    measurand: str | None = None,
    phase: str | None = None,
    unit: str | None = None,
    multiplier: int | None = None,
    **rest: Any,
) -> dict[str, Any]:
    """Make a SampledValueType, its keys in snake case."""
    made = {"value": number, "measurand": measurand, "phase": phase, **rest}
    scale = {"unit": unit, "multiplier": multiplier}
    if said := {key: item for key, item in scale.items() if item is not None}:
        made["unit_of_measure"] = said
    return {key: item for key, item in made.items() if item is not None}


def read(*sampled: dict[str, Any]) -> Sample:
    """Read one MeterValueType."""
    item = {"timestamp": "2026-03-01T12:00:00Z", "sampled_value": list(sampled)}
    (sample,) = samples([item], at(60))
    return sample


# Quantities


def test_no_measurand_is_the_energy_register() -> None:
    assert read(value(1234)) == Sample(at=START, register=1234)


def test_everything_at_once() -> None:
    sample = read(
        value(5_000_000, ENERGY, unit="Wh"),
        value(11_040, POWER, unit="W"),
        value(13.4, CURRENT),
        *(value(16.0 + n, CURRENT, f"L{n}", "A") for n in (1, 2, 3)),
        *(value(230.0 + n, VOLTAGE, f"L{n}-N", "V") for n in (1, 2, 3)),
    )
    assert sample == Sample(
        at=START,
        register=5_000_000,
        power=11_040,
        current=13.4,
        current_l1=17,
        current_l2=18,
        current_l3=19,
        voltage_l1=231,
        voltage_l2=232,
        voltage_l3=233,
    )
    assert sample.live


@pytest.mark.parametrize(
    ("number", "unit", "multiplier", "watt_hours"),
    [
        (1234, None, None, 1234),
        (1234, "Wh", None, 1234),
        (1.234, "kWh", None, 1234),
        (1.234, "Wh", 3, 1234),
        (1.234, None, 3, 1234),
        (12, "kWh", -1, 1200),
        (1234, "Wh", 0, 1234),
    ],
)
def test_units_and_multipliers(
    number: float, unit: str | None, multiplier: int | None, watt_hours: float
) -> None:
    """The multiplier is a power of ten, on top of the unit."""
    sample = read(value(number, ENERGY, None, unit, multiplier))
    assert sample.register == pytest.approx(watt_hours)


def test_kilowatts() -> None:
    assert read(value(7.36, POWER, unit="kW")).power == pytest.approx(7360)


@pytest.mark.parametrize("phase", ["L1", "L1-N"])
@pytest.mark.parametrize(
    ("measurand", "key"), [(CURRENT, "current_l1"), (VOLTAGE, "voltage_l1")]
)
def test_phase_to_neutral_is_the_phase(measurand: str, key: str, phase: str) -> None:
    assert getattr(read(value(10, measurand, phase)), key) == 10


def test_voltage_without_a_phase_is_the_first() -> None:
    """A single-phase box has no other."""
    assert read(value(231, VOLTAGE)).voltage_l1 == 231


@pytest.mark.parametrize("measurand", [VOLTAGE, CURRENT, POWER, ENERGY])
@pytest.mark.parametrize("phase", ["L1-L2", "L2-L3", "N"])
def test_between_phases_is_no_phase(measurand: str, phase: str) -> None:
    """400 V between two phases is not the voltage of one."""
    assert read(value(400, measurand, phase)) == Sample(at=START)


def test_power_of_the_phases_adds_up() -> None:
    sample = read(*(value(3680, POWER, f"L{n}") for n in (1, 2, 3)))
    assert sample.power == 11_040


def test_power_of_all_phases_goes_first() -> None:
    sample = read(value(3680, POWER, "L1"), value(11_000, POWER), value(1, POWER, "L2"))
    assert sample.power == 11_000


def test_energy_of_one_phase_is_not_the_register() -> None:
    assert read(value(99, ENERGY, "L1"), value(300, ENERGY)).register == 300


def test_current_without_a_phase_stays_apart() -> None:
    """It freezes on Delta boxes: what has a phase is never overwritten by it."""
    sample = read(value(6, CURRENT, "L1"), value(13.4, CURRENT))
    assert sample.current == 13.4
    assert sample.current_l1 == 6


def test_the_cars_own_meter_is_not_ours() -> None:
    assert read(value(80, ENERGY, location="EV")) == Sample(at=START)


@pytest.mark.parametrize(
    "measurand",
    ["SoC", "Frequency", "Current.Offered", "Energy.Active.Export.Register"],
)
def test_other_measurands_are_left_out(measurand: str) -> None:
    assert read(value(50, measurand)) == Sample(at=START)


def test_register_alone_is_no_live_reading() -> None:
    assert not read(value(1)).live
    assert read(value(0, POWER)).live


# Absurd values


@pytest.mark.parametrize(
    ("measurand", "most", "key"),
    [
        (POWER, MAX_POWER_W, "power"),
        (CURRENT, MAX_CURRENT_A, "current"),
        (VOLTAGE, MAX_VOLTAGE_V, "voltage_l1"),
        (ENERGY, MAX_REGISTER_WH, "register"),
    ],
)
def test_absurd_values_are_left_out(measurand: str, most: float, key: str) -> None:
    """The greatest that can be is taken, more or less than nothing is not."""
    assert getattr(read(value(most, measurand)), key) == most
    assert getattr(read(value(0, measurand)), key) == 0
    for absurd in (most * 1.001, -0.001, 1e300, 10**39):
        assert read(value(absurd, measurand)) == Sample(at=START)


def test_each_value_is_refused_for_itself() -> None:
    sample = read(
        value(1e9, POWER), value(10, CURRENT, "L1"), value(-5, VOLTAGE), value(77)
    )
    assert sample == Sample(at=START, current_l1=10, register=77)


def test_register_that_is_broken() -> None:
    """All bits set: 4.29 GWh would stay in the total for ever."""
    assert read(value(0xFFFFFFFF)) == Sample(at=START)


@pytest.mark.parametrize("multiplier", [10, -10, 400, -400, 10**30])
def test_absurd_multipliers(multiplier: int) -> None:
    sample = read(value(1, ENERGY, multiplier=multiplier), value(10, CURRENT, "L1"))
    assert sample == Sample(at=START, current_l1=10)


@RULE
@given(
    st.floats() | st.integers(-(10**40), 10**40),
    st.sampled_from([None, POWER, CURRENT, VOLTAGE, ENERGY]),
    st.sampled_from([None, "L1", "L2-N", "N"]),
    st.sampled_from([None, "kW", "kWh", "Wh", "furlong"]),
    st.none() | st.integers(),
)
def test_nothing_absurd_gets_through(
    number: float,
    measurand: str | None,
    phase: str | None,
    unit: str | None,
    multiplier: int | None,
) -> None:
    """Whatever number arrives, what is read lies within a wallbox's bounds."""
    sample = read(value(number, measurand, phase, unit, multiplier))
    bounds = {
        "power": MAX_POWER_W,
        "current": MAX_CURRENT_A,
        "current_l1": MAX_CURRENT_A,
        "current_l2": MAX_CURRENT_A,
        "voltage_l1": MAX_VOLTAGE_V,
        "voltage_l2": MAX_VOLTAGE_V,
        "register": MAX_REGISTER_WH,
    }
    for key, most in bounds.items():
        found = getattr(sample, key)
        assert found is None or 0 <= found <= most


# Several moments


def test_oldest_first() -> None:
    items = [
        {"timestamp": f"2026-03-01T12:00:0{second}Z", "sampled_value": [value(second)]}
        for second in (5, 1, 3)
    ]
    assert [item.register for item in samples(items, at(60))] == [1, 3, 5]


def test_no_meter_values() -> None:
    assert samples(None, START) == ()
    assert samples([], START) == ()


# The wallbox's clock


def test_time_of_the_wallbox() -> None:
    assert device_time("2026-03-01T11:59:00Z", START) == at(-60)


@pytest.mark.parametrize(
    "text",
    [
        "2026-03-01T12:59:00+01:00",
        "2026-03-01T06:59:00.000-05:00",
        "2026-03-01T11:59:00.000000000Z",
        "2026-03-01T11:59:00",
    ],
)
def test_zones_and_fractions(text: str) -> None:
    """A time without a zone is UTC."""
    assert device_time(text, START) == at(-60)


@pytest.mark.parametrize(
    "text", ["2026-03-01T12:00:01Z", "2031-01-01T00:00:00Z", "9999-12-31T23:59:59Z"]
)
def test_no_time_lies_in_the_future(text: str) -> None:
    assert device_time(text, START) == START


@pytest.mark.parametrize(
    "text",
    ["1970-01-01T00:00:07Z", "2019-12-31T23:59:59Z", "0001-01-01T00:00:00Z"],
)
def test_clock_that_was_never_set(text: str) -> None:
    assert device_time(text, START) == START


@pytest.mark.parametrize(
    "text", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00"]
)
def test_time_beyond_the_calendar(text: str) -> None:
    """Such a time passes the schema; in UTC it lies outside of all years."""
    assert device_time(text, START) == START


@RULE
@given(st.datetimes(timezones=st.timezones()))
def test_any_time_is_read(moment: datetime) -> None:
    """Never after it arrived, never before clocks are set, always in UTC."""
    read_as = device_time(moment.isoformat(), START)
    assert datetime(2020, 1, 1, tzinfo=UTC) <= read_as <= START
    assert read_as.utcoffset() == timedelta(0)
