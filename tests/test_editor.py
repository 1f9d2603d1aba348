"""What the automation editor offers for a device: what can ever be true of it, only."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final

from homeassistant.config_entries import ConfigSubentry
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr, entity_registry as er
from homeassistant.setup import async_setup_component
from homeassistant.util.yaml import load_yaml_dict
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.typing import WebSocketGenerator

from custom_components.bmw_wallbox_victron.condition import CONDITIONS
from custom_components.bmw_wallbox_victron.const import DOMAIN, NAME
from custom_components.bmw_wallbox_victron.trigger import TRIGGERS
from custom_components.bmw_wallbox_victron.victron.records import Kind
from simulators.bms import BmsRadio, Jbd, SimulatedBms

from .kit.automations import automate, show
from .kit.blueprints import SOURCE
from .kit.radio import CHARGER, SHUNT, Radio
from .kit.site import CHARGE_POINT_ID, Site
from .kit.strings import described
from .kit.victron import GOOD, KEY, model_of

WALLBOX: Final = {
    *("session_started", "session_ended", "limit_not_enforced"),
    *("car_asleep", "target_reached"),
}
SOURCES: Final = {"power_source_changed"}
DRAINING: Final = {"battery_draining_fast"}
LEVEL: Final = {"battery_became_low", "battery_became_critical"}
AT_LEAST: Final = {"battery_at_least"}
CHARGING: Final = {"battery_charging"}
MAINS: Final = {"on_mains"}
#: What is offered for the battery of a rig: triggers, conditions.
RIGS: Final = {
    (Kind.BATTERY_MONITOR,): (SOURCES | DRAINING | LEVEL, AT_LEAST | CHARGING),
    (Kind.BATTERY_MONITOR, Kind.AC_CHARGER): (
        SOURCES | DRAINING | LEVEL,
        AT_LEAST | CHARGING | MAINS,
    ),
    (Kind.AC_CHARGER,): (SOURCES | DRAINING, MAINS),
    (Kind.SOLAR_CHARGER,): (SOURCES | DRAINING, set[str]()),
    (Kind.DC_DC_CONVERTER,): (SOURCES | DRAINING, set[str]()),
    (Kind.VE_BUS,): (SOURCES | DRAINING | LEVEL, AT_LEAST | CHARGING | MAINS),
    (Kind.BATTERY_SENSE,): (DRAINING, set[str]()),
}


async def offered(
    hass: HomeAssistant,
    hass_ws_client: WebSocketGenerator,
    target: Mapping[str, Any],
) -> tuple[set[str], set[str]]:
    """Return the triggers and conditions of ours that are offered for a target."""
    assert await async_setup_component(hass, "websocket_api", {})
    client = await hass_ws_client(hass)
    found: list[set[str]] = []
    for kind in ("triggers", "conditions"):
        await client.send_json_auto_id(
            {"type": f"get_{kind}_for_target", "target": dict(target)}
        )
        names = (await client.receive_json())["result"]
        ours = (name.split(".") for name in names)
        found.append({name for domain, name in ours if domain == DOMAIN})
    await client.close()
    return found[0], found[1]


def devices(hass: HomeAssistant, entry: MockConfigEntry) -> dict[str, str]:
    """Return the ids of the entry's devices, by identifier."""
    found = dr.async_entries_for_config_entry(dr.async_get(hass), entry.entry_id)
    return {name: device.id for device in found for _, name in device.identifiers}


async def test_a_wallbox(
    hass: HomeAssistant, site: Site, hass_ws_client: WebSocketGenerator
) -> None:
    """A wallbox's own are offered for it, and none for the server it connects to."""
    device = site.device().id
    of_it = WALLBOX
    box = await offered(hass, hass_ws_client, {"device_id": [device]})
    assert box == (of_it, {"wallbox_charging"})
    (server,) = set(devices(hass, site.entry).values()) - {device}
    assert await offered(hass, hass_ws_client, {"device_id": [server]}) == (
        set(),
        set(),
    )
    assert of_it | {"wallbox_charging"} == {
        name
        for kind in ("triggers", "conditions")
        for name in described(kind)
        if not name.startswith((".", "battery", "power", "on_mains"))
    }


@pytest.mark.parametrize("rig", RIGS, ids=" ".join)
async def test_a_battery(
    hass: HomeAssistant,
    radio: Radio,
    hass_ws_client: WebSocketGenerator,
    rig: tuple[Kind, ...],
) -> None:
    """What its devices can tell is offered for the battery, and nothing for them."""
    addresses = dict(zip((SHUNT, CHARGER), rig, strict=False))
    entry = MockConfigEntry(
        domain=DOMAIN,
        title=NAME,
        unique_id=DOMAIN,
        data={},
        subentries_data=[
            {
                "subentry_type": "victron_device",
                "title": address,
                "data": {"address": address, "encryption_key": KEY.hex()},
                "unique_id": address,
            }
            for address in addresses
        ],
    )
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    for address, kind in addresses.items():
        radio.say(kind, GOOD[kind], address, model_id=model_of(kind))
    await hass.async_block_till_done()
    found = devices(hass, entry)
    battery = await offered(hass, hass_ws_client, {"device_id": [found.pop("battery")]})
    assert battery == RIGS[rig]
    rest = await offered(hass, hass_ws_client, {"device_id": [*found.values()]})
    assert rest == (set(), set())
    assert await hass.config_entries.async_unload(entry.entry_id)
    await hass.async_block_till_done(wait_background_tasks=True)


async def test_a_bms(
    hass: HomeAssistant, proxy: BmsRadio, hass_ws_client: WebSocketGenerator
) -> None:
    """A pack is not the battery, whatever problems it has."""
    address = "A4:C1:37:00:11:20"
    entry = MockConfigEntry(
        domain=DOMAIN,
        title=NAME,
        unique_id=DOMAIN,
        subentries_data=[
            {
                "subentry_type": "bms",
                "title": "Pack",
                "data": {"address": address, "model": "jbd_bms"},
                "unique_id": address,
            }
        ],
    )
    entry.add_to_hass(hass)
    proxy.hear(SimulatedBms(Jbd(), address))
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done(wait_background_tasks=True)
    found = devices(hass, entry)
    assert await offered(hass, hass_ws_client, {"device_id": [found[address]]}) == (
        set(),
        set(),
    )
    battery = await offered(hass, hass_ws_client, {"device_id": [found["battery"]]})
    assert battery == RIGS[Kind.BATTERY_MONITOR,]
    assert await hass.config_entries.async_unload(entry.entry_id)
    await hass.async_block_till_done()


def test_all_are_told_apart() -> None:
    """Between them, these tests know each trigger and condition."""
    triggers = WALLBOX
    conditions = {"wallbox_charging"}
    assert set(TRIGGERS) == triggers.union(*(each for each, _ in RIGS.values()))
    assert set(CONDITIONS) == conditions.union(*(each for _, each in RIGS.values()))


@pytest.mark.parametrize("chosen", ["device", "entity", "another device"])
async def test_a_target_counts(
    hass: HomeAssistant, caravan: Site, radio: Radio, chosen: str
) -> None:
    """The battery is found by its device or any entity of it, and by no other's."""
    radio.say(Kind.BATTERY_MONITOR, GOOD[Kind.BATTERY_MONITOR])
    await hass.async_block_till_done()
    found = devices(hass, caravan.entry)
    target = {
        "device": {"device_id": found["battery"]},
        "entity": {"entity_id": "binary_sensor.battery_battery_low"},
        "another device": {"device_id": found[SHUNT]},
    }[chosen]
    status = caravan.entity_id("sensor", "status", "battery")
    await show(hass, status, "ok")
    automation = await automate(
        hass,
        [{"trigger": "battery_became_low", "target": target}],
        [
            {
                "condition": "battery_at_least",
                "target": target,
                "options": {"percentage": 0},
            }
        ],
    )
    # Nothing is settled within the first minute after a start.
    await show(hass, status, "low")
    assert automation.changes == ([] if chosen == "another device" else ["ok > low"])


def fits(entity: er.RegistryEntry, wanted: Mapping[str, Any]) -> bool:
    """Return whether the frontend offers an entity by a filter."""
    has = {
        "integration": entity.platform,
        "domain": entity.domain,
        "device_class": entity.original_device_class,
    }
    return all(has[key] == value for key, value in wanted.items())


async def test_pickers(
    hass: HomeAssistant, entry: MockConfigEntry, radio: Radio
) -> None:
    """A device that an action takes, and an event of a blueprint, are what fits."""
    entry_id = entry.entry_id
    hass.config_entries.async_add_subentry(
        entry,
        ConfigSubentry(
            subentry_type="victron_device",
            title="Shunt",
            data=MappingProxyType({"address": SHUNT, "encryption_key": KEY.hex()}),
            unique_id=SHUNT,
        ),
    )
    assert await hass.config_entries.async_setup(entry_id)
    await hass.async_block_till_done()
    radio.say(Kind.BATTERY_MONITOR, GOOD[Kind.BATTERY_MONITOR])
    await hass.async_block_till_done()
    entities = er.async_entries_for_config_entry(er.async_get(hass), entry_id)
    names = {device: name for name, device in devices(hass, entry).items()}
    assert set(names.values()) == {CHARGE_POINT_ID, "server", "battery", SHUNT}
    for name, action in described("services").items():
        selector = action["fields"]["device_id"]["selector"]["device"]
        assert selector["filter"] == [{"integration": DOMAIN}]
        (wanted,) = selector["entity"]
        found = {names[each.device_id or ""] for each in entities if fits(each, wanted)}
        owner = "battery" if name == "reset_history" else CHARGE_POINT_ID
        assert found == {owner}, name
    events = 0
    for path in SOURCE.glob("*.yaml"):
        for key, value in walk(load_yaml_dict(str(path))["blueprint"]["input"]):
            if key == "filter" and value.get("domain") == "event":
                (event,) = [each for each in entities if fits(each, value)]
                assert event.unique_id == f"{CHARGE_POINT_ID}_session"
                events += 1
    assert events
    await hass.async_block_till_done(wait_background_tasks=True)
    assert await hass.config_entries.async_unload(entry_id)


def walk(value: Any, key: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Give all mappings in there, with the key that they are below."""
    if isinstance(value, Mapping):
        yield key, value
        for name, inner in value.items():
            yield from walk(inner, name)
    elif isinstance(value, list):
        for inner in value:
            yield from walk(inner, key)
