"""Meter values: OCPP's defaults, units, phases, absurd values, the wallbox's clock."""

from datetime import UTC, datetime, timedelta
import itertools
from typing import Any, cast

from hypothesis import given, strategies as st
import pytest

from custom_components.bmw_wallbox_victron.wallbox.meter_values import (
    MAX_CURRENT_A,
    MAX_POWER_W,
    MAX_REGISTER_WH,
    MAX_VOLTAGE_V,
    BeginSample,
    Sample,
    device_time,
    samples,
)
from custom_components.bmw_wallbox_victron.wallbox.payloads import (
    MeterValue,
    SampledValue,
)

from ..kit.wallbox import RULE, START, at

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


def meter_value(timestamp: str, *sampled: dict[str, Any]) -> MeterValue:
    """Make a MeterValueType, whatever its sampled values are."""
    return {
        "timestamp": timestamp,
        "sampled_value": cast(list[SampledValue], list(sampled)),
    }


def read(*sampled: dict[str, Any]) -> Sample:
    """Read one MeterValueType."""
    (sample,) = samples([meter_value("2026-03-01T12:00:00Z", *sampled)])
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


@pytest.mark.parametrize("suffix", ["", "-N"])
def test_register_of_the_phases(suffix: str) -> None:
    """One alone is all that a single-phase box has; three are a sum."""
    phases = [value(100.0 * n, ENERGY, f"L{n}{suffix}") for n in (1, 2, 3)]
    assert read(phases[0]).register == 100
    assert read(*phases).register == 600
    assert read(*phases, value(601, ENERGY)).register == 601
    assert read(value(601, ENERGY), *phases).register == 601


def test_register_beyond_all_bounds_in_sum() -> None:
    half = MAX_REGISTER_WH * 0.6
    both = (value(half, ENERGY, "L1"), value(half, ENERGY, "L2"))
    assert read(*both).register is None


def test_apparent_and_reactive_energy_is_none() -> None:
    """By its unit, where the measurand is missing or says something else."""
    for unit in ("VAh", "kVAh", "varh", "kvarh", "W"):
        assert read(value(7, unit=unit)) == Sample(at=START)
        assert read(value(7, unit=unit), value(300, unit="Wh")).register == 300
    assert read(value(7, POWER, unit="VA"), value(3, POWER, unit="W")).power == 3
    assert read(value(7, "Energy.Apparent.Import", unit="VAh")) == Sample(at=START)


def test_outlet_goes_before_inlet() -> None:
    """In either order; the inlet counts where there is nothing else."""
    inlet = value(1100, ENERGY, location="Inlet")
    outlet = value(1000, ENERGY)
    assert read(inlet, outlet).register == read(outlet, inlet).register == 1000
    assert read(inlet).register == 1100


# The context of a value


def test_reading_of_the_begin_is_none_of_now() -> None:
    """Both stand in one list, at one timestamp, in either order."""
    live = [value(5500, ENERGY, context="Sample.Periodic"), value(7000, POWER)]
    begin = [
        value(value_, measurand, context="Transaction.Begin")
        for value_, measurand in ((5000, ENERGY), (0, POWER))
    ]
    for sampled in ([*live, *begin], [*begin, *live]):
        item = meter_value("2026-03-01T12:00:00Z", *sampled)
        assert samples([item]) == (
            BeginSample(at=START, register=5000, power=0),
            Sample(at=START, register=5500, power=7000),
        )


@pytest.mark.parametrize(
    ("lower", "higher"),
    itertools.pairwise(
        [
            "Interruption.Begin",
            "Other",
            "Interruption.End",
            "Sample.Clock",
            "Sample.Periodic",
            "Trigger",
            "Transaction.End",
        ]
    ),
)
def test_context_that_counts(lower: str, higher: str) -> None:
    """Where one measurand is given several times."""
    less, more = value(1, POWER, context=lower), value(2, POWER, context=higher)
    assert read(less, more).power == read(more, less).power == 2


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
        meter_value(f"2026-03-01T12:00:0{second}Z", value(second))
        for second in (5, 1, 3)
    ]
    assert [item.register for item in samples(items)] == [1, 3, 5]


def test_no_meter_values() -> None:
    assert samples(None) == ()
    assert samples([]) == ()


# The wallbox's clock


def test_time_of_the_wallbox() -> None:
    assert device_time("2026-03-01T11:59:00Z") == at(-60)


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
    assert device_time(text) == at(-60)


@pytest.mark.parametrize(
    ("text", "year"),
    [
        ("0001-01-01T00:00:00+14:00", 1970),
        ("0001-01-01T00:00:00Z", 1970),
        ("9999-12-31T23:59:59Z", 2200),
        ("9999-12-31T23:59:59-12:00", 2200),
    ],
)
def test_time_at_the_edge_of_the_calendar(text: str, year: int) -> None:
    """Such a time passes the schema; in UTC it may lie outside of all years."""
    assert device_time(text) == datetime(year, 1, 1, tzinfo=UTC)


@RULE
@given(st.datetimes(timezones=st.timezones()))
def test_any_time_is_read(moment: datetime) -> None:
    """As it stands, whatever our own clock says, and always in UTC."""
    text = moment.isoformat()
    read_as = device_time(text)
    assert read_as.utcoffset() == timedelta(0)
    if 1970 < moment.year < 2200:
        assert read_as == datetime.fromisoformat(text)
