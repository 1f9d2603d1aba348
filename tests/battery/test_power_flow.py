"""What flows from where, and what is left for the loads."""

from typing import Any

import pytest

from custom_components.bmw_wallbox_victron.battery.power_flow import (
    alternator_w,
    mains_w,
    power_flow,
)
from custom_components.bmw_wallbox_victron.battery.sources import (
    ROLES,
    Source,
    role_of,
)


def device(kind: str, *, fresh: bool = True, **values: Any) -> Source:
    """Return a device of a kind."""
    role = role_of(kind, values)
    assert role is not None
    return Source(role=role, kind=kind, fresh=fresh, values=values, heard_at=0)


MPPT = device("solar_charger", pv_power=200, battery_voltage=13.5, battery_current=14.0)
IP22 = device(
    "ac_charger", charge_state="bulk", output_voltage_1=14.0, output_current_1=10.0
)
MULTIPLUS = device(
    "ve_bus",
    device_state="bulk",
    active_ac_in="ac_in_1",
    active_ac_in_power=700,
    ac_out_power=300,
    battery_voltage=14.0,
    battery_current=25.0,
)
ORION_XS = device("orion_xs", output_voltage=14.0, output_current=30.0)
ORION = device("dc_dc_converter", charge_state="bulk", output_voltage=14.0)


def test_every_kind_has_a_role() -> None:
    assert {role_of(kind, {}) for kind in ROLES} >= set(ROLES.values())


@pytest.mark.parametrize(
    ("mode", "role"),
    [
        ("solar_charger", "solar_charger"),
        ("alternator", "dc_dc_charger"),
        ("dc_dc_charger", "dc_dc_charger"),
        ("fridge", "other"),
        (None, "other"),
    ],
)
def test_a_meter_is_what_it_was_set_up_as(mode: str | None, role: str) -> None:
    assert role_of("dc_energy_meter", {"monitor_mode": mode}) == role


def test_what_is_used_is_all_sources_less_what_the_battery_takes() -> None:
    flow = power_flow([MPPT, IP22, ORION_XS], 500)
    assert (flow.solar, flow.mains, flow.alternator) == (200, 140, 420)
    assert flow.load == 260


def test_the_battery_alone() -> None:
    flow = power_flow([], -60)
    assert (flow.solar, flow.mains, flow.alternator, flow.load) == (0, 0, 0, 60)


def test_noise_is_no_negative_load() -> None:
    assert power_flow([IP22], 150).load == 0


def test_an_inverter_charger_takes_from_mains() -> None:
    assert power_flow([MULTIPLUS], 350).load == 350


def test_an_orion_that_is_on_hides_the_load() -> None:
    flow = power_flow([MPPT, ORION], 100)
    assert flow.alternator is None
    assert flow.load is None


@pytest.mark.parametrize(
    ("source", "watts"),
    [
        (ORION, None),
        (device("dc_dc_converter", charge_state="off", output_voltage=12.6), 0),
        (device("dc_dc_converter", output_voltage=12.6), None),
        (ORION_XS, 420),
        (device("dc_energy_meter", monitor_mode="alternator", power=300.0), 300),
    ],
)
def test_what_an_alternator_gives(source: Source, watts: float | None) -> None:
    assert alternator_w(source) == watts


@pytest.mark.parametrize(
    ("source", "watts"),
    [
        (IP22, 140),
        (device("ac_charger", charge_state="off"), 0),
        (device("ac_charger", charge_state="bulk"), None),
        (MULTIPLUS, 700),
        (device("ve_bus", active_ac_in="not_connected", active_ac_in_power=3), 0),
    ],
)
def test_what_mains_gives(source: Source, watts: float | None) -> None:
    assert mains_w(source) == watts


def test_what_nobody_measures() -> None:
    assert power_flow([MPPT], None).load is None
