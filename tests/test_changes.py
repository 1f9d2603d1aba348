"""What is changed in one half of the site leaves the other half alone."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from types import MappingProxyType
from typing import Any
from unittest.mock import patch

from freezegun.api import FrozenDateTimeFactory
from homeassistant.config_entries import (
    ConfigEntryDisabler,
    ConfigEntryState,
    ConfigSubentry,
)
from homeassistant.const import STATE_ON, STATE_UNAVAILABLE
from homeassistant.core import Event, EventStateChangedData, HomeAssistant, callback
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.helpers import device_registry as dr, entity_registry as er
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.bmw_wallbox_victron import bms
from custom_components.bmw_wallbox_victron.const import DOMAIN
from custom_components.bmw_wallbox_victron.victron.records import Kind
from simulators.wallbox import SimulatedWallbox

from .kit.battery import POWER, SWITCH, fresh, shows, tells
from .kit.flows import save
from .kit.log import complaints
from .kit.ports import listens
from .kit.radio import CHARGER, SHUNT, Radio
from .kit.site import CHARGE_POINT_ID, MakeWallbox, Site, charge, settle
from .kit.time import let_pass
from .kit.victron import GOOD, KEY

MONITOR = GOOD[Kind.BATTERY_MONITOR]
BMS = "A4:C1:37:00:11:22"

type Change = Callable[[HomeAssistant, Site], Awaitable[None]]


def add(
    site: Site, address: str = SHUNT, kind: str = "victron_device", **data: Any
) -> None:
    """Add a device, without a flow."""
    if kind == "victron_device":
        data = {"encryption_key": KEY.hex()} | data
    site.hass.config_entries.async_add_subentry(
        site.entry,
        ConfigSubentry(
            subentry_type=kind,
            title=f"Device {address[-2:]}",
            data=MappingProxyType({"address": address, **data}),
            unique_id=address,
        ),
    )


def subentry_of(site: Site, unique_id: str) -> ConfigSubentry:
    """Find a subentry."""
    for subentry in site.entry.subentries.values():
        if subentry.unique_id == unique_id:
            return subentry
    raise AssertionError("no such subentry")


def remove(site: Site, unique_id: str = SHUNT) -> None:
    """Remove a device or a wallbox."""
    subentry_id = subentry_of(site, unique_id).subentry_id
    site.hass.config_entries.async_remove_subentry(site.entry, subentry_id)


def owners(site: Site) -> set[str]:
    """Give the identifiers of the devices that are registered."""
    registry = dr.async_get(site.hass)
    found = dr.async_entries_for_config_entry(registry, site.entry.entry_id)
    return {identifier for device in found for _, identifier in device.identifiers}


class Written:
    """What is written of the states of our entities."""

    def __init__(self, site: Site) -> None:
        """Begin to take note."""
        self._site = site
        self.states: list[tuple[str, str | None]] = []
        self._owner_of = {
            entity.entity_id: entity.unique_id
            for entity in er.async_entries_for_config_entry(
                er.async_get(site.hass), site.entry.entry_id
            )
        }
        self.stop = site.hass.bus.async_listen("state_changed", self._note)

    @callback
    def _note(self, event: Event[EventStateChangedData]) -> None:
        new = event.data["new_state"]
        unique_id = self._owner_of.get(event.data["entity_id"], "")
        self.states.append((unique_id, None if new is None else new.state))

    def of(self, owner: str) -> list[tuple[str, str | None]]:
        """Give what was written of one device's entities that were there before."""
        return [item for item in self.states if item[0].startswith(f"{owner}_")]


@pytest.fixture
async def both(
    hass: HomeAssistant, site: Site, radio: Radio, make_wallbox: MakeWallbox
) -> AsyncGenerator[tuple[Site, SimulatedWallbox]]:
    """A wallbox that charges, and a battery monitor that is heard."""
    hass.states.async_set(SWITCH, "off")
    hass.states.async_set(POWER, "0", {"unit_of_measurement": "W"})
    add(site)
    await hass.async_block_till_done()
    radio.say(Kind.BATTERY_MONITOR, MONITOR)
    radio.say(Kind.AC_CHARGER, GOOD[Kind.AC_CHARGER], CHARGER)
    wallbox = make_wallbox()
    await charge(hass, wallbox)
    assert site.state("status") == "charging"
    assert shows(site, "voltage") == "12.9"
    yield site, wallbox
    # What was discovered is still being looked at.
    await hass.async_block_till_done(wait_background_tasks=True)


async def add_by_flow(hass: HomeAssistant, site: Site) -> None:
    """Add a charger as its owner does."""
    flow = await hass.config_entries.subentries.async_init(
        (site.entry.entry_id, "victron_device"), context={"source": "user"}
    )
    result = await hass.config_entries.subentries.async_configure(
        flow["flow_id"], {"address": CHARGER, "encryption_key": KEY.hex()}
    )
    assert result["type"] is FlowResultType.CREATE_ENTRY
    await hass.async_block_till_done()
    assert fresh(site, CHARGER) == STATE_ON
    assert site.state("charge_state", owner=CHARGER) == "float"


async def add_discovered(hass: HomeAssistant, site: Site) -> None:
    """Add the charger that Home Assistant has found."""
    await hass.async_block_till_done(wait_background_tasks=True)
    (flow,) = hass.config_entries.flow.async_progress_by_handler(DOMAIN)
    result = await hass.config_entries.flow.async_configure(
        flow["flow_id"], {"address": CHARGER, "encryption_key": KEY.hex()}
    )
    assert result["reason"] == "victron_added"
    await hass.async_block_till_done()
    assert fresh(site, CHARGER) == STATE_ON


async def add_bms(hass: HomeAssistant, site: Site) -> None:
    """Add a BMS that is out of reach."""
    add(site, BMS, "bms", model="jbd_bms")
    await hass.async_block_till_done()
    assert fresh(site, BMS) == "off"


async def remove_shunt(hass: HomeAssistant, site: Site) -> None:
    """Remove the battery monitor, and the battery with it."""
    gone = {
        entity.entity_id
        for entity in er.async_entries_for_config_entry(
            er.async_get(hass), site.entry.entry_id
        )
        if not entity.unique_id.startswith((CHARGE_POINT_ID, "server"))
    }
    assert gone
    written = Written(site)
    remove(site)
    await hass.async_block_till_done()
    written.stop()
    assert not gone & set(hass.states.async_entity_ids())
    assert owners(site) == {CHARGE_POINT_ID, "server"}
    # They are gone, and were not unavailable before.
    assert {state for _, state in written.states} == {None}


async def change_key(hass: HomeAssistant, site: Site) -> None:
    """Type another key, which does not fit, and then the right one again."""
    for key, is_wrong in (("ff" * 16, True), (KEY.hex(), False)):
        hass.config_entries.async_update_subentry(
            site.entry,
            subentry_of(site, SHUNT),
            data={"address": SHUNT, "encryption_key": key},
        )
        await hass.async_block_till_done()
        device = site.entry.runtime_data.devices.get(SHUNT)
        assert (device.listener.refusal is not None) is is_wrong


async def change_options(hass: HomeAssistant, site: Site) -> None:
    """Choose a plug and a shorter timeout."""
    await save(
        hass,
        site.entry,
        mains_switch=SWITCH,
        mains_power=POWER,
        freshness_timeout=60,
        max_current=32,
    )


async def rename(hass: HomeAssistant, site: Site) -> None:
    """Give a device another name."""
    hass.config_entries.async_update_subentry(
        site.entry, subentry_of(site, SHUNT), title="House"
    )
    await hass.async_block_till_done()
    state = hass.states.get(site.entity_id("sensor", "alarm", SHUNT))
    assert state is not None
    assert state.attributes["friendly_name"] == "House Alarm"


async def rename_entry(hass: HomeAssistant, site: Site) -> None:
    """Give the entry another name."""
    hass.config_entries.async_update_entry(site.entry, title="Mine")
    await hass.async_block_till_done()


@pytest.mark.parametrize(
    "change",
    [
        add_by_flow,
        add_discovered,
        add_bms,
        remove_shunt,
        change_key,
        change_options,
        rename,
        rename_entry,
    ],
)
@pytest.mark.usefixtures("unpaced")
async def test_wallbox_does_not_notice(
    hass: HomeAssistant, both: tuple[Site, SimulatedWallbox], change: Change
) -> None:
    """Its connection is the same, nothing is written of it, its session goes on."""
    site, wallbox = both
    coordinator = site.entry.runtime_data
    connection = coordinator.stations[CHARGE_POINT_ID].connection
    energy = site.number("energy_session")
    written = Written(site)
    await change(hass, site)
    written.stop()
    assert written.of(CHARGE_POINT_ID) == []
    assert written.of("server") == []
    if change is not remove_shunt:
        assert STATE_UNAVAILABLE not in {state for _, state in written.states}
    assert site.entry.state is ConfigEntryState.LOADED
    assert site.entry.runtime_data is coordinator
    assert wallbox.connected
    assert connection is not None
    assert coordinator.stations[CHARGE_POINT_ID].connection is connection
    assert listens(site.entry.data["port"])
    await wallbox.tick(60)
    await settle(hass, wallbox)
    await site.until("energy_session", lambda state: float(state) > energy)
    assert site.state("status") == "charging"


async def change_wallbox(hass: HomeAssistant, site: Site) -> None:
    """Change what a wallbox's connection does not depend on."""
    flow = await hass.config_entries.subentries.async_init(
        (site.entry.entry_id, "wallbox"),
        context={
            "source": "reconfigure",
            "subentry_id": subentry_of(site, CHARGE_POINT_ID).subentry_id,
        },
    )
    result = await hass.config_entries.subentries.async_configure(
        flow["flow_id"],
        {
            "charge_point_id": CHARGE_POINT_ID,
            "max_current": 10,
            "rfid_token": "CAFE",
            "allowed_tokens": ["BEEF"],
        },
    )
    assert result["reason"] == "reconfigure_successful"
    await hass.async_block_till_done()
    assert float(site.state("current_limit", "number")) == 10


async def change_wallbox_options(hass: HomeAssistant, site: Site) -> None:
    """Change options of wallboxes."""
    await save(hass, site.entry, meter_interval=30, allow_reboot=True)


async def rename_wallbox(hass: HomeAssistant, site: Site) -> None:
    """Give a wallbox another name."""
    hass.config_entries.async_update_subentry(
        site.entry, subentry_of(site, CHARGE_POINT_ID), title="Garage"
    )
    await hass.async_block_till_done()
    assert site.device().name == "Garage"


@pytest.mark.parametrize(
    "change", [change_wallbox, change_wallbox_options, rename_wallbox]
)
async def test_battery_does_not_notice(
    hass: HomeAssistant, both: tuple[Site, SimulatedWallbox], change: Change
) -> None:
    """A change of a wallbox writes nothing of the battery, and cuts nothing off."""
    site, wallbox = both
    coordinator = site.entry.runtime_data
    written = Written(site)
    await change(hass, site)
    await settle(hass, wallbox)
    written.stop()
    assert written.of("battery") == []
    assert written.of(SHUNT) == []
    assert wallbox.connected
    assert site.entry.runtime_data is coordinator
    assert STATE_UNAVAILABLE not in {state for _, state in written.states}


async def test_cards_of_a_wallbox_that_charges(
    hass: HomeAssistant, both: tuple[Site, SimulatedWallbox]
) -> None:
    """Which cards may charge counts for the next one that is presented."""
    site, wallbox = both
    assert await wallbox.authorize("FACE") == "Accepted"
    await change_wallbox(hass, site)
    assert await wallbox.authorize("DEAD") == "Invalid"
    assert await wallbox.authorize("BEEF") == "Accepted"


async def test_password_cuts_off(
    hass: HomeAssistant, both: tuple[Site, SimulatedWallbox]
) -> None:
    """Whom a wallbox is let in with needs another connection."""
    site, wallbox = both
    subentry = subentry_of(site, CHARGE_POINT_ID)
    hass.config_entries.async_update_subentry(
        site.entry, subentry, data={**subentry.data, "password": "secret-16-chars!"}
    )
    await hass.async_block_till_done()
    await wallbox.wait_closed()
    assert site.binary("connected") == "off"


# Devices that come and go


async def test_added_and_removed_again_and_again(
    hass: HomeAssistant, both: tuple[Site, SimulatedWallbox], radio: Radio
) -> None:
    """Entities come with their device, and with the first one the battery's."""
    site, wallbox = both
    for _ in range(3):
        remove(site)
        await hass.async_block_till_done()
        assert owners(site) == {CHARGE_POINT_ID, "server"}
        add(site)
        await hass.async_block_till_done()
        radio.say(Kind.BATTERY_MONITOR, MONITOR)
        await hass.async_block_till_done()
        assert shows(site, "voltage") == "12.9"
        assert site.state("alarm", owner=SHUNT) == "none"
        assert owners(site) == {CHARGE_POINT_ID, "server", "battery", SHUNT}
    assert wallbox.connected


async def test_two_changes_at_once(
    hass: HomeAssistant, both: tuple[Site, SimulatedWallbox], radio: Radio
) -> None:
    """Neither is lost, whether they fit together or not."""
    site, wallbox = both
    add(site, CHARGER)
    add(site, BMS, "bms", model="jbd_bms")
    remove(site)
    remove(site, CHARGER)
    add(site, CHARGER)
    hass.config_entries.async_update_entry(
        site.entry, options={"freshness_timeout": 60}
    )
    await hass.async_block_till_done()
    radio.say(Kind.AC_CHARGER, GOOD[Kind.AC_CHARGER], CHARGER)
    await hass.async_block_till_done()
    assert owners(site) == {CHARGE_POINT_ID, "server", "battery", CHARGER, BMS}
    assert fresh(site, CHARGER) == STATE_ON
    await site.until("source", "charger", "battery")  # once a second at most
    assert wallbox.connected


async def test_added_again_while_a_model_is_loaded(
    hass: HomeAssistant, site: Site, radio: Radio, caplog: pytest.LogCaptureFixture
) -> None:
    """Its entities come with it, whatever is told before it is listened to again."""
    add(site)
    await hass.async_block_till_done()
    radio.say(Kind.BATTERY_MONITOR, MONITOR)
    await hass.async_block_till_done()
    asked, imported, load = asyncio.Event(), asyncio.Event(), bms.async_load_model

    async def slowly(hass: HomeAssistant, model: str) -> Any:
        asked.set()
        await imported.wait()
        return await load(hass, model)

    with patch.object(bms, "async_load_model", slowly):
        add(site, BMS, "bms", model="jbd_bms")
        async with asyncio.timeout(5):
            await asked.wait()
        remove(site)
        add(site)
        # As with anything that a wallbox says, all are told that there is news.
        site.entry.runtime_data.async_update_listeners()
        imported.set()
        await hass.async_block_till_done(wait_background_tasks=True)
    radio.say(Kind.BATTERY_MONITOR, MONITOR)
    await hass.async_block_till_done()
    assert site.state("alarm", owner=SHUNT) == "none"
    assert fresh(site) == STATE_ON
    assert complaints(caplog) == []


async def test_a_change_with_a_reload(
    hass: HomeAssistant, both: tuple[Site, SimulatedWallbox], radio: Radio
) -> None:
    """What is changed with the server, or while it starts anew, counts as well."""
    site, wallbox = both
    before, unloading = site.entry.runtime_data, asyncio.Event()
    add(site, CHARGER)
    subentry = subentry_of(site, CHARGE_POINT_ID)
    hass.config_entries.async_update_subentry(
        site.entry, subentry, data={**subentry.data, "password": "secret-16-chars!"}
    )
    site.entry.async_on_state_change(unloading.set)
    async with asyncio.timeout(5):
        await unloading.wait()
    assert site.entry.state is ConfigEntryState.UNLOAD_IN_PROGRESS
    remove(site)
    await hass.async_block_till_done()
    assert site.entry.runtime_data is not before
    assert owners(site) == {CHARGE_POINT_ID, "server", "battery", CHARGER}
    assert not [
        state
        for state in hass.states.async_all()
        if state.entity_id.startswith("sensor.device_01")
    ]
    await wallbox.wait_closed()


async def test_changed_while_it_is_set_up(
    hass: HomeAssistant, entry: MockConfigEntry, radio: Radio
) -> None:
    """A device that is added, and one that is removed, while all starts."""
    site = Site(hass, entry)
    add(site)
    add(site, BMS, "bms", model="jbd_bms")
    asked, imported, load = asyncio.Event(), asyncio.Event(), bms.async_load_model

    async def slowly(hass: HomeAssistant, model: str) -> Any:
        asked.set()
        await imported.wait()
        return await load(hass, model)

    with patch.object(bms, "async_load_model", slowly):
        setting_up = asyncio.create_task(
            hass.config_entries.async_setup(entry.entry_id)
        )
        async with asyncio.timeout(5):
            await asked.wait()
        remove(site)
        imported.set()
        assert await setting_up
        # As if its platforms were still being set up.
        add(site, CHARGER)
        await hass.async_block_till_done()
    radio.say(Kind.AC_CHARGER, GOOD[Kind.AC_CHARGER], CHARGER)
    await hass.async_block_till_done(wait_background_tasks=True)
    assert owners(site) == {CHARGE_POINT_ID, "server", "battery", CHARGER, BMS}
    assert fresh(site, CHARGER) == STATE_ON
    await hass.config_entries.async_unload(entry.entry_id)


async def test_trend_and_delays_go_on(
    hass: HomeAssistant,
    radio: Radio,
    freezer: FrozenDateTimeFactory,
    site: Site,
) -> None:
    """What was detected over minutes is not forgotten when something is changed."""
    add(site)
    await hass.async_block_till_done()
    radio.say(Kind.BATTERY_MONITOR, MONITOR | {"voltage": 13.2})
    await let_pass(hass, freezer, 60)
    for _ in range(31):
        radio.say(Kind.BATTERY_MONITOR, MONITOR | {"voltage": 13.5, "current": 5.0})
        await let_pass(hass, freezer, 10)
    assert tells(site, "charging_detected") == "on"
    assert float(shows(site, "voltage_change_15m")) == pytest.approx(0.3)
    written = Written(site)
    add(site, CHARGER)
    await save(
        hass, site.entry, freshness_timeout=400, mains_switch=SWITCH, max_current=20
    )
    await let_pass(hass, freezer, 1)
    written.stop()
    assert written.of("battery") == []
    assert written.of(SHUNT) == []
    assert tells(site, "charging_detected") == "on"


async def enable(hass: HomeAssistant, site: Site, on: bool) -> None:
    """Enable the entry, or disable it."""
    await hass.config_entries.async_set_disabled_by(
        site.entry.entry_id, None if on else ConfigEntryDisabler.USER
    )
    await hass.async_block_till_done()


@pytest.mark.parametrize(("away_s", "is_silent"), [(50, True), (3600, False)])
async def test_silence_while_nobody_listens(
    hass: HomeAssistant,
    radio: Radio,
    freezer: FrozenDateTimeFactory,
    site: Site,
    caplog: pytest.LogCaptureFixture,
    away_s: float,
    is_silent: bool,
) -> None:
    """Does not count, unless it is as short as a reload."""
    add(site)
    await hass.async_block_till_done()
    radio.say(Kind.BATTERY_MONITOR, MONITOR)
    await let_pass(hass, freezer, 400)
    assert tells(site, "problem") == "off"
    await enable(hass, site, on=False)
    await let_pass(hass, freezer, away_s)
    await enable(hass, site, on=True)
    await let_pass(hass, freezer, 11)
    assert (tells(site, "problem") == "on") is is_silent
    assert ("has given no reading" in caplog.text) is is_silent
    await let_pass(hass, freezer, 420)
    assert tells(site, "problem") == "on"


async def test_removed_with_a_reload_and_added_again(
    hass: HomeAssistant, radio: Radio, freezer: FrozenDateTimeFactory, site: Site
) -> None:
    """A BMS that begins anew is not one that has been silent for long."""
    add(site)
    add(site, BMS, "bms", model="jbd_bms")
    await hass.async_block_till_done()
    await let_pass(hass, freezer, 60)
    remove(site, BMS)
    assert await hass.config_entries.async_reload(site.entry.entry_id)
    await let_pass(hass, freezer, 3600)
    add(site, BMS, "bms", model="jbd_bms")
    radio.say(Kind.BATTERY_MONITOR, MONITOR)
    await let_pass(hass, freezer, 11)
    assert tells(site, "problem") == "off"


async def test_a_longer_timeout_counts_for_what_was_heard(
    hass: HomeAssistant,
    radio: Radio,
    freezer: FrozenDateTimeFactory,
    site: Site,
) -> None:
    """Shorter or longer: what was heard last counts by the timeout that is set now."""
    add(site)
    await hass.async_block_till_done()
    radio.say(Kind.BATTERY_MONITOR, MONITOR)
    await let_pass(hass, freezer, 100)
    assert fresh(site) == STATE_ON
    await save(hass, site.entry, freshness_timeout=60)
    await let_pass(hass, freezer, 2)
    assert fresh(site) == "off"
    await save(hass, site.entry, freshness_timeout=300)
    assert fresh(site) == STATE_ON
    await let_pass(hass, freezer, 202)
    assert fresh(site) == "off"
