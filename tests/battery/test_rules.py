"""The rules of the battery, each at its number and one step beside it."""

from typing import Any

import pytest

from custom_components.bmw_wallbox_victron.battery.power_source import (
    Plug,
    PowerSource,
    alternator_charging,
    charging_now,
    charging_phase,
    mains_present,
    measuring,
    power_source,
    solar_charging,
)
from custom_components.bmw_wallbox_victron.battery.sources import (
    Measured,
    Role,
    Source,
    choose,
)
from custom_components.bmw_wallbox_victron.battery.status import (
    Status,
    Summary,
    status_of,
    summarize,
)

from ..kit.sources import bms, charger, monitor, multiplus, orion, solar, source

# Sources

FULL: dict[str, Any] = {"voltage": 12.9, "current": -3.0, "power": -38.7, "soc": 61.0}
MORE: dict[str, Any] = {"time_to_go": 900, "consumed_ah": -40.0}
OUTPUT: dict[str, Any] = {"output_voltage_1": 13.6, "output_current_1": 2.0}
CHARGED: dict[str, Any] = {"voltage": 13.6, "current": 2.0, "power": 27.2}
CHARGER = Role.AC_CHARGER
NOTHING = dict.fromkeys(
    (
        "voltage",
        "current",
        "power",
        "soc",
        "time_to_go",
        "consumed_ah",
        "temperature",
    )
)


@pytest.mark.parametrize(
    ("sources", "expected", "best"),
    [
        ([], NOTHING, None),
        ([monitor(**FULL, **MORE)], NOTHING | FULL | MORE, Role.BATTERY_MONITOR),
        (
            [
                charger("bulk", **OUTPUT),
                bms(voltage=13.1),
                monitor(**FULL),
            ],
            NOTHING | FULL,
            Role.BATTERY_MONITOR,
        ),
        # Each quantity by itself: what the best one lacks comes from the next.
        (
            [monitor(voltage=12.9), bms(voltage=13.1, soc=55.0)],
            NOTHING | {"voltage": 12.9, "soc": 55.0},
            Role.BATTERY_MONITOR,
        ),
        (
            [monitor(fresh=False, **FULL), bms(**FULL | {"soc": 60.0})],
            NOTHING | FULL | {"soc": 60.0},
            Role.BMS,
        ),
        # A charger knows voltage and current, never the state of charge.
        (
            [monitor(fresh=False, **FULL), charger("bulk", **OUTPUT, soc=99.0)],
            NOTHING | {"voltage": 13.6, "current": 2.0, "power": 27.2},
            Role.AC_CHARGER,
        ),
        ([charger("off", output_voltage_1=None)], NOTHING, None),
        ([charger("bulk", fresh=False, **OUTPUT)], NOTHING, None),
        # What a charger has for a temperature is its own.
        ([charger("bulk", **OUTPUT, temperature=40.0)], NOTHING | CHARGED, CHARGER),
        # An inverter/charger measures the battery, better than an AC charger.
        (
            [
                charger("bulk", **OUTPUT),
                multiplus(
                    "bulk",
                    battery_voltage=14.0,
                    battery_current=20.0,
                    soc=80,
                    battery_temperature=21,
                ),
            ],
            NOTHING
            | {
                "voltage": 14.0,
                "current": 20.0,
                "power": 280.0,
                "soc": 80,
                "temperature": 21,
            },
            Role.INVERTER_CHARGER,
        ),
        # What else is wired to the battery knows its voltage, and nothing more.
        (
            [
                orion("bulk", output_voltage=14.0, output_current=30.0),
                solar("bulk", battery_voltage=14.2, battery_current=9.0, pv_power=130),
            ],
            NOTHING | {"voltage": 14.2},
            Role.OTHER,
        ),
        ([orion("bulk", output_voltage=14.0)], NOTHING | {"voltage": 14.0}, Role.OTHER),
        (
            [source("battery_sense", voltage=12.8, temperature=19.0)],
            NOTHING | {"voltage": 12.8, "temperature": 19.0},
            Role.OTHER,
        ),
        (
            [source("smart_lithium", battery_voltage=13.3, battery_temperature=15)],
            NOTHING | {"voltage": 13.3, "temperature": 15},
            Role.OTHER,
        ),
        # A shunt without a probe, and a Battery Sense beside it.
        (
            [
                monitor(voltage=12.9, temperature=None),
                source("battery_sense", voltage=12.8, temperature=19.0),
            ],
            NOTHING | {"voltage": 12.9, "temperature": 19.0},
            Role.BATTERY_MONITOR,
        ),
    ],
)
def test_sources(
    sources: list[Source], expected: dict[str, Any], best: Role | None
) -> None:
    assert choose(sources) == Measured(**expected, source=best)


# Mains


@pytest.mark.parametrize(
    ("plug", "verdict"),
    [
        (Plug(), None),
        (Plug(has_switch=True, is_on=True), True),
        (Plug(has_switch=True, is_on=False), False),
        (Plug(has_switch=True), None),
        (Plug(has_power=True, power_w=2.0), True),
        (Plug(has_power=True, power_w=1.9), False),
        (Plug(has_power=True), None),
        (Plug(has_current=True, current_a=0.05), True),
        (Plug(has_current=True, current_a=0.04), False),
        (Plug(has_switch=True, has_power=True, is_on=True, power_w=2.0), True),
        (Plug(has_switch=True, has_power=True, is_on=True, power_w=1.9), False),
        (Plug(has_switch=True, has_power=True, is_on=True), None),
        (Plug(has_switch=True, has_power=True, is_on=False), False),
        (Plug(has_switch=True, has_power=True, is_on=False, power_w=99.0), False),
        (Plug(has_switch=True, has_power=True, power_w=99.0), None),
        # One of the two is enough for a yes; a no needs both.
        (
            Plug(has_power=True, has_current=True, power_w=0.0, current_a=0.05),
            True,
        ),
        (
            Plug(has_power=True, has_current=True, power_w=0.0, current_a=0.0),
            False,
        ),
        (Plug(has_power=True, has_current=True, power_w=0.0), None),
        (Plug(has_power=True, has_current=True, power_w=2.0), True),
    ],
)
def test_plug(plug: Plug, verdict: bool | None) -> None:
    assert plug.verdict is verdict


@pytest.mark.parametrize("plug", [True, False])
@pytest.mark.parametrize(
    "sources", [[], [charger("bulk")], [charger("off")], [charger(None)]]
)
def test_what_the_plug_says_stands(plug: bool, sources: list[Source]) -> None:
    for may_tell in (True, False):
        assert mains_present(plug, sources, plug_may_tell=may_tell) is plug


@pytest.mark.parametrize(
    ("sources", "mains"),
    [
        ([], None),
        ([charger("bulk")], True),
        ([charger("storage")], True),
        ([charger("fault")], True),
        ([charger("off")], None),
        ([charger(None)], None),
        ([charger("bulk", fresh=False)], None),
        ([charger("off"), charger("float")], True),
        ([orion("bulk"), solar("bulk")], None),
        # An inverter/charger knows whether its input is connected.
        ([multiplus("bulk", "ac_in_1")], True),
        ([multiplus("bulk", "ac_in_2")], True),
        ([multiplus("inverting", "not_connected")], False),
        ([multiplus("inverting", "not_connected"), charger("bulk")], False),
        ([multiplus("bulk", "ac_in_1"), multiplus("off", "not_connected")], True),
        ([multiplus("off"), charger("bulk")], True),
        ([source("inverter_rs", device_state="bulk"), charger("off")], None),
        (
            [
                source(
                    "ve_bus", fresh=False, device_state="bulk", active_ac_in="ac_in_1"
                )
            ],
            None,
        ),
    ],
)
def test_without_a_plug_the_chargers_tell(
    sources: list[Source], mains: bool | None
) -> None:
    assert mains_present(None, sources, plug_may_tell=False) is mains
    assert mains_present(None, sources, plug_may_tell=True) is None


# Alternator and sun


@pytest.mark.parametrize(
    ("sources", "charging"),
    [
        ([], None),
        ([source("dc_dc_converter", fresh=False, charge_state="bulk")], None),
        ([orion(None)], None),
        ([orion("bulk")], True),
        ([orion("absorption")], True),
        ([orion("float")], True),
        ([orion("storage")], True),
        ([orion("off")], False),
        ([orion("fault")], False),
        ([orion("power_supply")], True),
        ([orion("external_control")], True),
        ([orion("starting_up")], False),
        ([source("dc_energy_meter", monitor_mode="alternator", current=1.1)], True),
        ([source("dc_energy_meter", monitor_mode="alternator", current=1.0)], False),
        ([source("dc_energy_meter", monitor_mode="fridge", current=9.0)], None),
        ([orion("off"), orion("bulk")], True),
        ([orion("off"), orion(None)], None),
        # An Orion XS tells its current: the state does not count then.
        ([orion("bulk", output_current=1.0, output_voltage=14.0)], False),
        ([orion("bulk", output_current=1.1, output_voltage=14.0)], True),
        ([orion("off", output_current=1.1, output_voltage=14.0)], True),
        ([orion("bulk", output_current=1.0, output_voltage=30.0)], False),
        ([orion("bulk", output_current=1.0, output_voltage=30.1)], True),
        ([orion("bulk", output_current=1.0)], False),
        ([orion("bulk", output_current=None, output_voltage=14.0)], True),
        ([solar("bulk", battery_current=9.0)], None),
    ],
)
def test_alternator(sources: list[Source], charging: bool | None) -> None:
    assert alternator_charging(sources) is charging


@pytest.mark.parametrize(
    ("sources", "charging"),
    [
        ([], None),
        ([solar("bulk", fresh=False, battery_current=9.0)], None),
        ([solar("bulk", battery_current=1.0, pv_power=30)], False),
        ([solar("bulk", battery_current=1.1, pv_power=30)], True),
        ([solar("bulk", battery_current=1.0, pv_power=31)], True),
        ([solar("bulk", battery_current=None, pv_power=31)], True),
        ([solar("bulk", battery_current=0.0, pv_power=None)], False),
        ([solar("float", battery_current=None, pv_power=None)], True),
        ([solar("off", battery_current=None, pv_power=None)], False),
        ([orion("bulk")], None),
        ([source("dc_energy_meter", monitor_mode="solar_charger", power=31.0)], True),
    ],
)
def test_solar(sources: list[Source], charging: bool | None) -> None:
    assert solar_charging(sources) is charging


@pytest.mark.parametrize(
    ("sources", "amperes"),
    [
        ([], None),
        ([monitor(current=-5.0)], -5.0),
        ([monitor(current=None)], None),
        ([monitor(current=5.0, fresh=False)], None),
        ([bms(current=5.0)], 5.0),
        ([multiplus("bulk", battery_current=4.0)], 4.0),
        (
            [
                multiplus("bulk", battery_current=4.0),
                bms(current=5.0),
                monitor(current=6),
            ],
            6,
        ),
        # What a charger gives is not what the battery takes.
        ([charger("bulk", **OUTPUT)], None),
        ([solar("bulk", battery_current=9.0)], None),
    ],
)
def test_who_measures(sources: list[Source], amperes: float | None) -> None:
    meter = measuring(sources)
    assert (None if meter is None else meter.quantity("current")) == amperes


@pytest.mark.parametrize(
    ("amperes", "before", "charging"),
    [
        (None, True, None),
        (0.3, False, False),
        (0.3, None, False),
        (0.301, False, True),
        (0.201, True, True),
        (0.2, True, False),
        (-5.0, True, False),
    ],
)
def test_charging_now(
    amperes: float | None, before: bool | None, charging: bool | None
) -> None:
    assert charging_now(amperes, before) is charging


@pytest.mark.parametrize(
    ("mains", "alternator", "solar", "charging", "expected"),
    [
        (True, True, True, True, "mains"),
        (True, None, None, None, "mains"),
        (False, True, True, True, "alternator"),
        (None, True, True, None, "alternator"),
        (False, False, True, False, "solar"),
        (None, None, True, None, "solar"),
        (False, False, False, False, "battery"),
        (False, None, None, None, "battery"),
        (False, None, None, True, "other"),
        (False, False, False, True, "other"),
        (None, False, False, False, "battery"),
        (None, None, None, False, "battery"),
        (None, False, False, True, "other"),
        (None, False, False, None, "unknown"),
        (None, None, None, None, "unknown"),
    ],
)
def test_power_source(
    mains: bool | None,
    alternator: bool | None,
    solar: bool | None,
    charging: bool | None,
    expected: str,
) -> None:
    found = power_source(
        mains=mains, alternator=alternator, solar=solar, charging=charging
    )
    assert found == expected


@pytest.mark.parametrize(
    ("sources", "mains", "phase"),
    [
        ([], None, None),
        ([charger("absorption"), solar("bulk")], None, "absorption"),
        ([charger("off"), solar("bulk")], None, "bulk"),
        ([charger("off"), charger("float")], True, "float"),
        ([charger("absorption", fresh=False), solar("bulk")], None, "bulk"),
        ([charger(None), solar("bulk")], None, "bulk"),
        ([multiplus("absorption"), solar("bulk")], True, "absorption"),
        ([multiplus("inverting"), solar("bulk")], False, "bulk"),
        ([solar("off"), orion("float")], None, "float"),
        ([solar("equalize_manual")], None, "equalize_manual"),
        ([solar("off"), orion("off")], None, "off"),
        ([orion("power_supply")], None, "off"),
        # Unplugged, it stays fresh for a while.
        ([charger("bulk")], False, "off"),
        ([charger("bulk"), solar("float")], False, "float"),
    ],
)
def test_charging_phase(
    sources: list[Source], mains: bool | None, phase: str | None
) -> None:
    assert charging_phase(sources, mains) == phase


# Status and summary


@pytest.mark.parametrize(
    ("soc", "status"),
    [
        (None, "unknown"),
        (0.0, "critical"),
        (15.0, "critical"),
        (15.1, "low"),
        (30.0, "low"),
        (30.1, "ok"),
        (60.0, "ok"),
        (60.1, "good"),
        (100.0, "good"),
    ],
)
def test_status(soc: float | None, status: str) -> None:
    assert status_of(soc) == status


@pytest.mark.parametrize("source", PowerSource)
@pytest.mark.parametrize("charging", [True, False, None])
@pytest.mark.parametrize("status", Status)
def test_summary(status: Status, source: PowerSource, charging: bool | None) -> None:
    summary, message = summarize(status, source, charging=charging)
    if status in ("critical", "low"):
        expected = Summary.ATTENTION
    elif charging:
        expected = Summary.CHARGING
    elif status == "unknown":
        expected = Summary.UNKNOWN
    else:
        expected = Summary.OK
    assert summary is expected
    assert message
