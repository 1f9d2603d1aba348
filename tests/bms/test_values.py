"""What of a sample becomes a value, and what is refused."""

from math import inf, nan

from aiobmsble import BMSSample
import pytest

from custom_components.bmw_wallbox_victron.bms_model import (
    BmsError,
    BmsFault,
    values_of,
)

SAMPLE: BMSSample = {"voltage": 13.2, "current": -2.0, "battery_level": 50}


def sample(**changes: object) -> BMSSample:
    return SAMPLE | changes  # type: ignore[return-value] # keys by name


def test_what_is_not_said_is_not_known() -> None:
    values = values_of(SAMPLE)
    known = {key: value for key, value in values.items() if value is not None}
    assert known == {"voltage": 13.2, "current": -2.0, "power": -26.4, "soc": 50}


def test_a_part_is_enough() -> None:
    assert values_of({"battery_level": 50})["soc"] == 50
    assert values_of({"voltage": 13.2})["power"] is None


@pytest.mark.parametrize(
    "changes",
    [
        {"voltage": nan},
        {"voltage": inf},
        {"voltage": 0.0},
        {"voltage": -13.0},
        {"voltage": 80.1},
        {"current": nan},
        {"current": -1001.0},
        {"battery_level": -1},
        {"battery_level": 100.1},
        {"battery_level": nan},
    ],
    ids=str,
)
def test_what_no_battery_can_be_is_refused(changes: dict[str, float]) -> None:
    with pytest.raises(BmsError) as caught:
        values_of(sample(**changes))
    assert caught.value.fault is BmsFault.IMPLAUSIBLE


def test_nothing_is_no_reading() -> None:
    with pytest.raises(BmsError):
        values_of({"temperature": 20.0})


@pytest.mark.parametrize("degrees", [-273.1, 382.2, nan])
def test_an_absurd_temperature_costs_that_field(degrees: float) -> None:
    values = values_of(sample(temperature=degrees))
    assert values["temperature"] is None
    assert values["voltage"] == 13.2


def test_an_absurd_cell_costs_that_cell() -> None:
    values = values_of(sample(cell_voltages=[3.31, 65.535, 3.3, 0.0]))
    assert values["cell_voltage_min"] == 3.3
    assert values["cell_voltage_max"] == 3.31
    assert values["cell_voltage_delta"] == 0.01


@pytest.mark.parametrize(
    ("changes", "minutes"),
    [
        ({"runtime": 5400}, 90),
        ({"runtime": 864_000}, 14_400),
        ({"runtime": nan}, None),
        ({"runtime": 864_060}, None),  # as good as for ever
        ({"runtime": 5400, "current": 0.0}, None),
        ({"runtime": 5400, "current": 3.0}, None),
        ({}, None),
    ],
    ids=str,
)
def test_time_to_go(changes: dict[str, float], minutes: int | None) -> None:
    assert values_of(sample(**changes))["time_to_go"] == minutes
