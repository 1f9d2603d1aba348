"""The battery: from advertisements and the plug to the canonical entities."""

from typing import Any

from freezegun.api import FrozenDateTimeFactory
from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import ServiceValidationError
from homeassistant.helpers import device_registry as dr, entity_registry as er
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.bmw_wallbox_victron.const import DOMAIN
from custom_components.bmw_wallbox_victron.victron.records import Kind

from .kit.battery import CURRENT, MONITOR, POWER, SWITCH, shows, tells
from .kit.radio import CHARGER, ORION, SHUNT, Radio
from .kit.site import Site
from .kit.time import let_pass
from .kit.victron import GOOD, KEY

CHARGING: dict[str, Any] = {
    "charge_state": "bulk",
    "charger_error": "no_error",
    "output_voltage_1": 14.2,
    "output_current_1": 12.0,
    "temperature": 30,
}
RESTING = CHARGING | {"output_current_1": 0.5}
DRIVING = GOOD[Kind.DC_DC_CONVERTER]
OTHER = "F8:5C:00:00:00:04"


@pytest.fixture
def caravan_keys() -> dict[str, str]:
    """The devices of the caravan, by address; a test may parametrize it."""
    return {address: KEY.hex() for address in (SHUNT, CHARGER, ORION)}


@pytest.fixture
async def plugged(
    hass: HomeAssistant, caravan_entry: MockConfigEntry, radio: Radio
) -> Site:
    """A caravan with a plug, which is on and feeds 200 W."""
    hass.states.async_set(SWITCH, "on")
    hass.states.async_set(POWER, "0.2", {"unit_of_measurement": "kW"})
    hass.states.async_set(CURRENT, "0.9", {"unit_of_measurement": "A"})
    hass.config_entries.async_update_entry(
        caravan_entry,
        options={
            "mains_switch": SWITCH,
            "mains_power": POWER,
            "mains_current": CURRENT,
        },
    )
    assert await hass.config_entries.async_setup(caravan_entry.entry_id)
    await hass.async_block_till_done()
    return Site(hass, caravan_entry)


async def test_nothing_heard(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, radio: Radio, caravan: Site
) -> None:
    """Without a source everything is unknown: no zero, no old number."""
    for key in ("voltage", "current", "power", "soc", "time_to_go", "consumed_ah"):
        assert shows(caravan, key) == "unknown"
    assert tells(caravan, "problem") == "off"
    radio.say(Kind.BATTERY_MONITOR, MONITOR)
    radio.say(Kind.AC_CHARGER, CHARGING, CHARGER)
    radio.say(Kind.DC_DC_CONVERTER, DRIVING, ORION, model_id=0xA3D0)
    await let_pass(hass, freezer, 2)
    await let_pass(hass, freezer, 302)
    await let_pass(hass, freezer, 1.2)
    for key in ("voltage", "current", "power", "soc", "time_to_go", "consumed_ah"):
        assert shows(caravan, key) == "unknown"
    assert shows(caravan, "source", "power_source", "status", "summary") == [
        "none",
        "unknown",
        "unknown",
        "unknown",
    ]
    for key in ("voltage_change_15m", "voltage_mean_15m", "charging_phase"):
        assert shows(caravan, key) == "unknown"
    for key in (
        "mains_present",
        "alternator_charging",
        "charging_now",
        "charging_detected",
        "draining_fast",
    ):
        assert tells(caravan, key) == "unknown"
    assert tells(caravan, "problem") == "off"


async def test_what_a_rig_cannot_tell_has_no_entity(
    hass: HomeAssistant,
    radio: Radio,
    caravan_entry: MockConfigEntry,
) -> None:
    """A solar charger alone; and what was there before it was heard goes."""
    assert await hass.config_entries.async_setup(caravan_entry.entry_id)
    await hass.async_block_till_done()
    registry = er.async_get(hass)

    def keys() -> set[str]:
        found = er.async_entries_for_config_entry(registry, caravan_entry.entry_id)
        return {
            each.unique_id.removeprefix("battery_")
            for each in found
            if each.unique_id.startswith("battery_")
        }

    assert {"soc", "current", "problem", "energy_charged"} <= keys()
    for address in (SHUNT, CHARGER, ORION):
        radio.say(Kind.SOLAR_CHARGER, GOOD[Kind.SOLAR_CHARGER], address)
    await hass.async_block_till_done()
    assert keys() == {
        "voltage",
        "voltage_change_15m",
        "voltage_mean_15m",
        "charging_detected",
        "charge_detect_min_voltage",
        "charge_detect_min_rise",
        "draining_fast",
        "source",
        "min_voltage",
        "max_voltage",
        "solar_charging",
        "solar_power",
        "solar_energy",
        "charging_phase",
        "power_source",
    }


async def test_from_the_shunt(hass: HomeAssistant, radio: Radio, caravan: Site) -> None:
    """All of it from the best source, with the sentence that goes with it."""
    radio.say(Kind.BATTERY_MONITOR, MONITOR)
    off = {"charge_state": "off", "output_current_1": 0.0}
    radio.say(Kind.AC_CHARGER, CHARGING | off, CHARGER)
    await hass.async_block_till_done()
    assert [float(state) for state in shows(caravan, "voltage", "current", "soc")] == [
        12.9,
        -3.25,
        61.0,
    ]
    assert float(shows(caravan, "power")) == pytest.approx(12.9 * -3.25, abs=0.01)
    assert shows(caravan, "time_to_go", "consumed_ah") == ["900", "-40.0"]
    assert shows(caravan, "source", "power_source") == ["battery_monitor", "battery"]
    assert shows(caravan, "status", "summary") == ["good", "ok"]
    summary = hass.states.get(caravan.entity_id("sensor", "summary", "battery"))
    assert summary is not None
    assert summary.attributes["message"] == (
        "All is well. The power comes from the battery."
    )
    assert tells(caravan, "charging_now") == "off"
    assert shows(caravan, "charging_phase") == "off"


async def test_device(hass: HomeAssistant, radio: Radio, caravan: Site) -> None:
    """The battery is a device of its own."""
    radio.say(Kind.BATTERY_MONITOR, MONITOR)
    await hass.async_block_till_done()
    registry = dr.async_get(hass)
    devices = dr.async_entries_for_config_entry(registry, caravan.entry.entry_id)
    (battery,) = (each for each in devices if (DOMAIN, "battery") in each.identifiers)
    assert battery.name == "Battery"


async def test_silenced_shunt(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, radio: Radio, caravan: Site
) -> None:
    """Then the charger, as far as it knows; then nothing."""
    radio.say(Kind.BATTERY_MONITOR, MONITOR)
    await hass.async_block_till_done()
    for _ in range(31):
        await let_pass(hass, freezer, 10)
        radio.say(Kind.AC_CHARGER, CHARGING, CHARGER)
    await let_pass(hass, freezer, 1.2)
    assert shows(caravan, "voltage", "current", "source") == ["14.2", "12.0", "charger"]
    assert shows(caravan, "soc", "time_to_go", "status") == ["unknown"] * 3
    assert shows(caravan, "power_source") == "mains"
    await let_pass(hass, freezer, 302)
    assert shows(caravan, "voltage", "current", "power") == ["unknown"] * 3
    assert shows(caravan, "source", "power_source") == ["none", "unknown"]
    assert tells(caravan, "problem") == "on"
    radio.say(Kind.BATTERY_MONITOR, MONITOR)
    await let_pass(hass, freezer, 1.2)
    assert shows(caravan, "voltage", "soc") == ["12.9", "61.0"]
    assert tells(caravan, "problem") == "off"


async def test_problem_is_told_when_it_is_due(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, radio: Radio, caravan: Site
) -> None:
    """120 s after the timeout, by a timer of its own."""
    data = radio.say(Kind.BATTERY_MONITOR, MONITOR)
    await let_pass(hass, freezer, 400)
    radio.send(data)  # the same again counts
    await let_pass(hass, freezer, 419)
    assert tells(caravan, "problem") == "off"
    await let_pass(hass, freezer, 2)
    assert tells(caravan, "problem") == "on"


async def test_pulled_plug(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, radio: Radio, plugged: Site
) -> None:
    """Mains is gone within 3 s, whatever the charger still says."""
    radio.say(Kind.BATTERY_MONITOR, MONITOR)
    radio.say(Kind.AC_CHARGER, CHARGING, CHARGER)
    await let_pass(hass, freezer, 3)
    assert shows(plugged, "power_source") == "mains"
    assert tells(plugged, "mains_present") == "on"
    hass.states.async_set(SWITCH, "off")
    await let_pass(hass, freezer, 1.2)
    assert shows(plugged, "power_source") == "mains"
    for _ in range(20):
        await let_pass(hass, freezer, 1.5)
        radio.say(Kind.AC_CHARGER, CHARGING, CHARGER)
        await hass.async_block_till_done()
        assert shows(plugged, "power_source") == "battery"
        assert tells(plugged, "mains_present") == "off"


@pytest.mark.parametrize(
    ("entity_id", "state", "mains"),
    [
        (SWITCH, "off", "off"),
        (POWER, "0.0019", "on"),  # the current tells
        (CURRENT, "0.04", "on"),  # the power tells
        (SWITCH, "unavailable", "unknown"),
        (POWER, "unavailable", "on"),
        (POWER, "nan", "on"),
    ],
)
async def test_plug(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    plugged: Site,
    entity_id: str,
    state: str,
    mains: str,
) -> None:
    """What each of the plug's entities tells; unavailable is not off."""
    await let_pass(hass, freezer, 3)
    old = hass.states.get(entity_id)
    assert old is not None
    hass.states.async_set(entity_id, state, old.attributes)
    await let_pass(hass, freezer, 3)
    assert tells(plugged, "mains_present") == mains


async def test_plug_that_feeds_nothing(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, plugged: Site
) -> None:
    """A plug that is on with nothing behind it is no mains."""
    hass.states.async_set(POWER, "0.001", {"unit_of_measurement": "kW"})
    hass.states.async_set(CURRENT, "40", {"unit_of_measurement": "mA"})
    await let_pass(hass, freezer, 3)
    assert tells(plugged, "mains_present") == "off"
    hass.states.async_remove(CURRENT)
    await let_pass(hass, freezer, 3)
    assert tells(plugged, "mains_present") == "unknown"


async def test_driving(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, radio: Radio, caravan: Site
) -> None:
    """The alternator charges through the Orion."""
    radio.say(Kind.BATTERY_MONITOR, MONITOR | {"current": 15.0})
    radio.say(Kind.DC_DC_CONVERTER, DRIVING, ORION, model_id=0xA3D0)
    await let_pass(hass, freezer, 1.2)
    assert shows(caravan, "power_source", "summary") == ["alternator", "charging"]
    assert shows(caravan, "charging_phase") == "bulk"
    assert tells(caravan, "alternator_charging") == "on"
    await let_pass(hass, freezer, 302)
    assert tells(caravan, "alternator_charging") == "unknown"


async def test_charging_is_detected_by_its_own_timer(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, radio: Radio, caravan: Site
) -> None:
    """Five minutes after it began, though the shunt says the same all the time."""
    radio.say(Kind.BATTERY_MONITOR, MONITOR | {"voltage": 13.2})
    await let_pass(hass, freezer, 60)
    data = radio.say(Kind.BATTERY_MONITOR, MONITOR | {"voltage": 13.4, "current": 5.0})
    await let_pass(hass, freezer, 100)
    radio.send(data)
    await let_pass(hass, freezer, 199)
    assert tells(caravan, "charging_detected") == "off"
    await let_pass(hass, freezer, 1)
    assert tells(caravan, "charging_detected") == "on"
    assert float(shows(caravan, "voltage_change_15m")) == pytest.approx(0.2)


async def test_numbers(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, radio: Radio, caravan: Site
) -> None:
    """The numbers of the rules count at once, and survive a restart.

    Without a shunt they are all that tells of charging.
    """
    radio.say(
        Kind.AC_CHARGER,
        RESTING | {"output_voltage_1": 12.6},
        CHARGER,
    )
    await hass.async_block_till_done()
    number = caravan.entity_id("number", "charge_detect_min_voltage", "battery")
    rise = caravan.entity_id("number", "charge_detect_min_rise", "battery")
    assert [hass.states.get(each).state for each in (number, rise)] == ["13.3", "0.15"]  # type: ignore[union-attr]  # both exist
    await let_pass(hass, freezer, 10)
    data = radio.say(
        Kind.AC_CHARGER,
        RESTING | {"output_voltage_1": 12.9},
        CHARGER,
    )
    await let_pass(hass, freezer, 200)
    radio.send(data, CHARGER)
    await let_pass(hass, freezer, 200)
    assert tells(caravan, "charging_detected") == "off"
    for entity_id, value in ((number, 12.5), (rise, 0.25)):
        await hass.services.async_call(
            "number",
            "set_value",
            {"entity_id": entity_id, "value": value},
            blocking=True,
        )
    radio.send(data, CHARGER)
    await let_pass(hass, freezer, 250)
    radio.send(data, CHARGER)
    await let_pass(hass, freezer, 50)
    assert tells(caravan, "charging_detected") == "on"
    await hass.config_entries.async_reload(caravan.entry.entry_id)
    await hass.async_block_till_done()
    assert [hass.states.get(each).state for each in (number, rise)] == ["12.5", "0.25"]  # type: ignore[union-attr]  # both exist


async def test_what_is_no_number(
    hass: HomeAssistant, radio: Radio, caravan: Site
) -> None:
    """A rule compares with a number, so nothing else is taken."""
    radio.say(Kind.BATTERY_MONITOR, MONITOR)
    await hass.async_block_till_done()
    entity_id = caravan.entity_id("number", "charge_detect_min_voltage", "battery")
    with pytest.raises(ServiceValidationError) as info:
        await hass.services.async_call(
            "number",
            "set_value",
            {"entity_id": entity_id, "value": "nan"},
            blocking=True,
        )
    assert info.value.translation_key == "not_a_number"
    assert caravan.state("charge_detect_min_voltage", "number", "battery") == "13.3"


async def test_restart(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, radio: Radio, caravan: Site
) -> None:
    """After a restart nothing is shown that was not heard since."""
    radio.say(Kind.BATTERY_MONITOR, MONITOR)
    radio.say(Kind.AC_CHARGER, CHARGING, CHARGER)
    await let_pass(hass, freezer, 5)
    await hass.config_entries.async_unload(caravan.entry.entry_id)
    await let_pass(hass, freezer, 20)
    hass.data[f"{DOMAIN}_started"] = hass.loop.time()
    assert await hass.config_entries.async_setup(caravan.entry.entry_id)
    await hass.async_block_till_done()
    assert shows(caravan, "voltage", "soc", "power_source") == ["unknown"] * 3
    radio.say(Kind.BATTERY_MONITOR, MONITOR)
    await let_pass(hass, freezer, 1.2)
    assert shows(caravan, "voltage", "soc") == ["12.9", "61.0"]


@pytest.mark.parametrize("caravan_keys", [{SHUNT: KEY.hex(), OTHER: KEY.hex()}])
@pytest.mark.parametrize("main", [None, SHUNT, OTHER])
async def test_two_monitors(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    radio: Radio,
    caravan_entry: MockConfigEntry,
    main: str | None,
) -> None:
    """Only the main one counts; without a choice it is the first."""
    if main is not None:
        hass.config_entries.async_update_entry(
            caravan_entry, options={"main_monitor": main}
        )
    assert await hass.config_entries.async_setup(caravan_entry.entry_id)
    await hass.async_block_till_done()
    site = Site(hass, caravan_entry)
    radio.say(Kind.BATTERY_MONITOR, MONITOR)
    radio.say(Kind.BATTERY_MONITOR, MONITOR | {"voltage": 12.1, "soc": 20.0}, OTHER)
    await let_pass(hass, freezer, 1.2)
    expected = ["12.1", "20.0"] if main == OTHER else ["12.9", "61.0"]
    assert shows(site, "voltage", "soc") == expected


@pytest.mark.parametrize("caravan_keys", [{}])
async def test_no_battery_without_devices(caravan: Site) -> None:
    """A site with wallboxes alone has no battery."""
    assert caravan.entry.state is ConfigEntryState.LOADED
    with pytest.raises(AssertionError):
        shows(caravan, "voltage")
