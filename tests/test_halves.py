"""Either half works without the other, and neither loses what was known."""

import asyncio
from datetime import timedelta
import socket
from types import MappingProxyType
from typing import Any, Final
from unittest.mock import patch

from freezegun.api import FrozenDateTimeFactory
from homeassistant.config_entries import (
    ConfigEntryDisabler,
    ConfigEntryState,
    ConfigSubentry,
    ConfigSubentryData,
)
from homeassistant.core import Event, HomeAssistant, callback
from homeassistant.helpers import device_registry as dr, issue_registry as ir
import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_fire_time_changed,
)

from custom_components.bmw_wallbox_victron import bms
from custom_components.bmw_wallbox_victron.const import DOMAIN, NAME
from custom_components.bmw_wallbox_victron.server import Server
from custom_components.bmw_wallbox_victron.victron.records import Kind
from custom_components.bmw_wallbox_victron.wallbox.central_system import CentralSystem
from custom_components.bmw_wallbox_victron.wallbox.schemas import Schemas

from .kit.battery import POWER, SWITCH, fresh, shows, tells
from .kit.log import complaints
from .kit.ports import listens
from .kit.radio import SHUNT, Radio
from .kit.site import Site
from .kit.time import let_pass
from .kit.victron import GOOD, KEY

MONITOR = GOOD[Kind.BATTERY_MONITOR]
OTHER = "F8:5C:00:00:00:04"
BMS = "A4:C1:37:00:11:22"
SHUNT_DATA = {"address": SHUNT, "encryption_key": KEY.hex()}


def add(hass: HomeAssistant, entry: MockConfigEntry, kind: str, data: Any) -> None:
    """Add a device, as it may have been stored."""
    subentry = ConfigSubentry(
        subentry_type=kind, title=kind, data=MappingProxyType(data), unique_id=str(data)
    )
    hass.config_entries.async_add_subentry(entry, subentry)


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("victron_device", {"address": SHUNT, "encryption_key": None}),
        ("victron_device", {"address": SHUNT, "encryption_key": 17}),
        ("victron_device", {"address": SHUNT}),
        ("victron_device", {"encryption_key": KEY.hex()}),
        ("bms", {"address": BMS, "model": "gone_bms"}),
        ("bms", {"address": BMS}),
        ("bms", {"model": "jbd_bms"}),
    ],
)
async def test_damaged_device(
    hass: HomeAssistant, entry: MockConfigEntry, kind: str, data: Any
) -> None:
    """A device that cannot be set up does not keep the wallbox away."""
    add(hass, entry, kind, data)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    assert Site(hass, entry).state("status") == "disconnected"
    await hass.config_entries.async_unload(entry.entry_id)


@pytest.mark.parametrize(
    "content",
    [[1], "x", {"devices": [1], "battery": 3}, {"devices": {"a": {"kind": 7}}}],
)
async def test_damaged_store(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    hass_storage: dict[str, Any],
    content: Any,
) -> None:
    """What cannot be read is forgotten; the rest goes on."""
    key = f"{DOMAIN}.{entry.entry_id}"
    hass_storage[key] = {
        "version": 1,
        "minor_version": 1,
        "key": key,
        "data": content,
    }
    add(hass, entry, "victron_device", SHUNT_DATA)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    assert entry.state is ConfigEntryState.LOADED
    await hass.config_entries.async_unload(entry.entry_id)


async def test_server_that_cannot_start(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    radio: Radio,
    freezer: FrozenDateTimeFactory,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The battery goes on without it; the server comes when it can, said once each."""
    add(hass, entry, "victron_device", SHUNT_DATA)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", entry.data["port"]))
        taken.listen()
        assert await hass.config_entries.async_setup(entry.entry_id)
        await hass.async_block_till_done()
        radio.say(Kind.BATTERY_MONITOR, MONITOR)
        await hass.async_block_till_done()
        site = Site(hass, entry)
        assert shows(site, "voltage") == "12.9"
        for _ in range(3):
            await let_pass(hass, freezer, 61)
        assert caplog.text.count("go on without it") == 1
        assert entry.runtime_data.server.port is None
    for _ in range(3):
        await let_pass(hass, freezer, 61)
        await hass.async_block_till_done(wait_background_tasks=True)
    assert entry.runtime_data.server.port == entry.data["port"]
    assert caplog.text.count("The server for wallboxes can start now") == 1
    assert site.state("certificate_expiry", owner="server") != "unavailable"
    await hass.config_entries.async_unload(entry.entry_id)


STEPS: Final = {
    "load": (Schemas, "load"),
    "start": (CentralSystem, "start"),
    "judge": (Server, "_async_judge_certificate"),
}


@pytest.mark.parametrize("then", ["reload", "disable", "remove"])
@pytest.mark.parametrize("step", STEPS)
async def test_stopped_while_the_server_is_tried_again(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    freezer: FrozenDateTimeFactory,
    caplog: pytest.LogCaptureFixture,
    step: str,
    then: str,
) -> None:
    """Wherever the try is by then: it leaves nothing, and nothing comes after it."""
    add(hass, entry, "victron_device", SHUNT_DATA)
    port = entry.data["port"]
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        assert await hass.config_entries.async_setup(entry.entry_id)
        await hass.async_block_till_done()
    first = entry.runtime_data
    caplog.clear()
    asked, go_on, starts = asyncio.Event(), asyncio.Event(), 0
    owner, name = STEPS[step]
    original, start = getattr(owner, name), CentralSystem.start

    async def hold() -> None:
        if not asked.is_set():
            asked.set()
            await go_on.wait()

    def load_slowly() -> Any:
        asyncio.run_coroutine_threadsafe(hold(), hass.loop).result(5)
        return original()

    async def slowly(*args: Any) -> None:
        await hold()
        await original(*args)

    with patch.object(owner, name, load_slowly if step == "load" else slowly):
        freezer.tick(timedelta(seconds=61))
        async_fire_time_changed(hass)
        async with asyncio.timeout(5):
            await asked.wait()
        if then == "reload":
            assert await hass.config_entries.async_reload(entry.entry_id)
        elif then == "disable":
            await hass.config_entries.async_set_disabled_by(
                entry.entry_id, ConfigEntryDisabler.USER
            )
        else:
            await hass.config_entries.async_remove(entry.entry_id)
        second = getattr(entry, "runtime_data", None)
        issues = set(ir.async_get(hass).issues)
        go_on.set()
        await hass.async_block_till_done()

    async def count(server: CentralSystem) -> None:
        nonlocal starts
        starts += 1
        await start(server)

    with patch.object(CentralSystem, "start", count):
        for _ in range(3):
            await let_pass(hass, freezer, 61)
    assert starts == 0
    assert first.server.port is None
    assert getattr(entry, "runtime_data", None) is second is not first
    assert listens(port) is (then == "reload")
    assert complaints(caplog) == []
    assert set(ir.async_get(hass).issues) == issues
    if then == "reload":
        assert issues == set()
        assert entry.state is ConfigEntryState.LOADED
        await hass.config_entries.async_unload(entry.entry_id)
    else:
        assert entry.state is ConfigEntryState.NOT_LOADED


async def test_nothing_is_lost_while_it_starts(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    radio: Radio,
    freezer: FrozenDateTimeFactory,
    hass_storage: dict[str, Any],
) -> None:
    """A device that is heard before all is set up does not cost the wallbox's target.

    Nobody waits for the model of a BMS.
    """
    add(hass, entry, "victron_device", SHUNT_DATA)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    limit = Site(hass, entry).entity_id("number", "current_limit")
    await hass.services.async_call(
        "number", "set_value", {"entity_id": limit, "value": 9}, blocking=True
    )
    await let_pass(hass, freezer, 5)
    await hass.config_entries.async_unload(entry.entry_id)
    add(hass, entry, "bms", {"address": BMS, "model": "jbd_bms"})
    radio.say(Kind.BATTERY_MONITOR, MONITOR)
    stored = hass_storage[f"{DOMAIN}.{entry.entry_id}"]["data"]
    assert stored["wallboxes"]
    imported, load = asyncio.Event(), bms.async_load_model

    async def slowly(hass: HomeAssistant, model: str) -> Any:
        await imported.wait()
        return await load(hass, model)

    with patch.object(bms, "async_load_model", slowly):
        assert await hass.config_entries.async_setup(entry.entry_id)
        freezer.tick(timedelta(seconds=3))
        async_fire_time_changed(hass)
        for _ in range(2000):
            await asyncio.sleep(0)
        stored = hass_storage[f"{DOMAIN}.{entry.entry_id}"]["data"]
        (wallbox,) = stored["wallboxes"].values()
        assert wallbox["wish"]["current_limit"] == 9
        imported.set()
    await hass.async_block_till_done()
    state = hass.states.get(limit)
    assert state is not None
    assert state.state == "9"
    await hass.config_entries.async_unload(entry.entry_id)


async def test_address_in_small_letters(hass: HomeAssistant, radio: Radio) -> None:
    """However it was stored: Home Assistant hears capitals."""
    entry = MockConfigEntry(
        domain=DOMAIN,
        title=NAME,
        unique_id=DOMAIN,
        data={},
        subentries_data=[
            ConfigSubentryData(
                subentry_type="victron_device",
                title="x",
                data=SHUNT_DATA | {"address": SHUNT.lower()},
                unique_id=SHUNT,
            )
        ],
    )
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    radio.say(Kind.BATTERY_MONITOR, MONITOR)
    await hass.async_block_till_done(wait_background_tasks=True)
    assert shows(Site(hass, entry), "voltage") == "12.9"
    await hass.config_entries.async_unload(entry.entry_id)


async def reload(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, entry: MockConfigEntry
) -> None:
    """Change an option, and set all up again."""
    hass.config_entries.async_update_entry(
        entry, options={**entry.options, "freshness_timeout": 200}
    )
    await hass.async_block_till_done()
    await hass.config_entries.async_reload(entry.entry_id)
    await hass.async_block_till_done()
    await let_pass(hass, freezer, 2)


async def test_mains_outlives_a_reload(
    hass: HomeAssistant,
    radio: Radio,
    freezer: FrozenDateTimeFactory,
    caravan: Site,
) -> None:
    """On mains with a full battery, the power never seems to come from the battery."""
    hass.states.async_set(SWITCH, "on")
    hass.states.async_set(POWER, "40", {"unit_of_measurement": "W"})
    hass.config_entries.async_update_entry(
        caravan.entry, options={"mains_switch": SWITCH, "mains_power": POWER}
    )
    await hass.async_block_till_done()
    radio.say(Kind.BATTERY_MONITOR, MONITOR | {"current": 0.0})
    await let_pass(hass, freezer, 3)
    assert shows(caravan, "power_source") == "mains"
    seen: set[str] = set()
    entity_id = caravan.entity_id("sensor", "power_source", "battery")

    @callback
    def look(event: Event[Any]) -> None:
        if event.data["entity_id"] == entity_id and event.data["new_state"]:
            seen.add(event.data["new_state"].state)

    hass.bus.async_listen("state_changed", look)
    await reload(hass, freezer, caravan.entry)
    assert seen <= {"mains", "unavailable"}
    assert shows(caravan, "power_source") == "mains"


async def test_the_battery_outlives_a_reload(
    hass: HomeAssistant, radio: Radio, freezer: FrozenDateTimeFactory, caravan: Site
) -> None:
    """What was detected, the trend, and for how long a source is silent."""
    radio.say(Kind.BATTERY_MONITOR, MONITOR | {"voltage": 13.2})
    await let_pass(hass, freezer, 60)
    for _ in range(31):
        radio.say(Kind.BATTERY_MONITOR, MONITOR | {"voltage": 13.5, "current": 5.0})
        await let_pass(hass, freezer, 10)
    assert tells(caravan, "charging_detected") == "on"
    await reload(hass, freezer, caravan.entry)
    assert tells(caravan, "charging_detected") == "on"
    assert float(shows(caravan, "voltage_change_15m")) == pytest.approx(0.3)
    await let_pass(hass, freezer, 321)
    assert tells(caravan, "problem") == "on"
    # With the longer timeout of before it is none yet, and is one when that is due:
    # not after the whole time anew.
    hass.config_entries.async_update_entry(caravan.entry, options={})
    await hass.async_block_till_done()
    await let_pass(hass, freezer, 1)
    assert tells(caravan, "problem") == "off"
    await let_pass(hass, freezer, 100)
    await let_pass(hass, freezer, 1)
    assert tells(caravan, "problem") == "on"


async def test_a_bms_that_never_answers(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, caravan: Site
) -> None:
    """Is silent, and that is a problem."""
    add(hass, caravan.entry, "bms", {"address": BMS, "model": "jbd_bms"})
    await hass.async_block_till_done()
    await let_pass(hass, freezer, 419)
    assert tells(caravan, "problem") == "off"
    await let_pass(hass, freezer, 5)
    assert tells(caravan, "problem") == "on"


@pytest.mark.parametrize("caravan_keys", [{SHUNT: KEY.hex(), OTHER: KEY.hex()}])
async def test_the_other_monitor(
    hass: HomeAssistant, radio: Radio, freezer: FrozenDateTimeFactory, caravan: Site
) -> None:
    """Its silence is a problem; it counts where the main one is none any more."""
    radio.say(Kind.BATTERY_MONITOR, MONITOR, OTHER)
    for _ in range(45):
        radio.say(Kind.BATTERY_MONITOR, MONITOR)
        await let_pass(hass, freezer, 10)
    assert fresh(caravan, OTHER) == "off"
    assert tells(caravan, "problem") == "on"
    hass.config_entries.async_update_entry(
        caravan.entry, options={"main_monitor": SHUNT}
    )
    await hass.async_block_till_done()
    for _ in range(4):
        radio.say(Kind.DC_ENERGY_METER, GOOD[Kind.DC_ENERGY_METER])
        radio.say(Kind.BATTERY_MONITOR, MONITOR | {"soc": 60.0}, OTHER)
        await let_pass(hass, freezer, 2)
    assert shows(caravan, "soc", "source") == ["60.0", "battery_monitor"]


async def test_time_to_go_is_not_stale(
    hass: HomeAssistant, radio: Radio, freezer: FrozenDateTimeFactory, caravan: Site
) -> None:
    """It is written once a minute, but unknown as soon as all else is."""
    hass.config_entries.async_update_entry(
        caravan.entry, options={"freshness_timeout": 30}
    )
    await hass.async_block_till_done()
    radio.say(Kind.BATTERY_MONITOR, MONITOR)
    await let_pass(hass, freezer, 2)
    assert shows(caravan, "time_to_go") == "900"
    await let_pass(hass, freezer, 31)
    assert shows(caravan, "voltage", "time_to_go") == ["unknown", "unknown"]


async def test_a_battery_without_devices_goes(
    hass: HomeAssistant, entry: MockConfigEntry
) -> None:
    """Also one that was left over by an earlier version."""
    dr.async_get(hass).async_get_or_create(
        config_entry_id=entry.entry_id, identifiers={(DOMAIN, "battery")}
    )
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    found = dr.async_entries_for_config_entry(dr.async_get(hass), entry.entry_id)
    assert not [each for each in found if (DOMAIN, "battery") in each.identifiers]
    assert len(found) == 2
    await hass.config_entries.async_unload(entry.entry_id)
