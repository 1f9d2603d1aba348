"""What of a sample becomes a value, and what is refused."""

from math import inf, nan

from aiobmsble import BMSSample, TempSensor
import pytest

from custom_components.bmw_wallbox_victron.bms_model import (
    BmsError,
    BmsFault,
    values_of,
)

T = TempSensor.T
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


@pytest.mark.parametrize(
    ("probes", "expected"),
    [
        ([(-3, T.CELL), (24, T.MOSFET)], -3),
        ([(19, T.CELL), (20, T.CELL), (0, T.CELL)], 19),
        ([(0, T.CELL), (24, T.MOSFET)], 0),  # a cold battery that works
        ([(0, T.CELL), (0, T.CELL), (4.9, T.CELL)], 0),
        ([(21, T.CELL), (-40, T.CELL), (100, T.CELL)], 21),
        ([(21, T.CELL), (nan, T.CELL)], 21),
        ([(22, T.CELL_MAX), (17, T.CELL_MIN), (5, T.AMBIENT)], 17),
        ([(5, T.GENERIC), (19, T.CELL)], 19),
        # Where they are is not said: before aiobmsble 0.31, or of that model.
        ([(19, T.GENERIC), (20, T.GENERIC), (0, T.GENERIC)], 19),
        ([(-3, T.GENERIC), (24, T.MOSFET)], -3),
        ([(24, T.MOSFET), (9, T.AMBIENT)], None),
        ([(-45, T.CELL), (24, T.MOSFET)], None),
    ],
    ids=str,
)
def test_the_temperature_is_that_of_the_coldest_cell(
    probes: list[tuple[float, TempSensor.T]], expected: float | None
) -> None:
    told = [TempSensor(value, where) for value, where in probes]
    mean = sum(value for value, _ in probes) / len(probes)
    values = values_of(sample(temp_values=told, temperature=mean))
    assert values["temperature"] == expected


def test_what_it_has_several_of() -> None:
    values = values_of(
        sample(
            cell_voltages=[3.31, 65.535, 3.3],
            temp_values=[TempSensor(19.5), TempSensor(0.0), TempSensor(-40.0)],
        )
    )
    several = {key: value for key, value in values.items() if key[-1].isdigit()}
    assert several == {
        "cell_voltage_1": 3.31,
        "cell_voltage_2": None,
        "cell_voltage_3": 3.3,
        "temperature_1": 19.5,
        "temperature_2": None,
        "temperature_3": None,
    }
    many = values_of(
        sample(cell_voltages=[3.3] * 40, temp_values=[TempSensor(20.0)] * 20)
    )
    assert many.keys() >= {"cell_voltage_32", "temperature_12"}
    assert not many.keys() & {"cell_voltage_33", "temperature_13"}


@pytest.mark.parametrize(
    ("said", "key", "value"),
    [
        ({"design_capacity": 150}, "capacity_ah", 150),
        ({"design_capacity": 0}, "capacity_ah", None),
        ({"battery_health": 98.5}, "battery_health", 98.5),
        ({"battery_health": 0}, "battery_health", None),
        ({"balancer": 0x800000}, "balancer", True),
        ({"balancer": 0}, "balancer", False),
        ({"heater": True}, "heater", True),
        ({"problem_code": 0x81}, "problem_code", 0x81),
    ],
    ids=str,
)
def test_the_rest(said: dict[str, float], key: str, value: object) -> None:
    assert values_of(sample(**said))[key] == value
    assert values_of(SAMPLE)[key] is None


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
