"""Setting up, unloading, stopping; devices and entities as they are registered."""

import asyncio
from collections.abc import Callable, Iterator
import contextlib
from datetime import timedelta
from functools import partial
from pathlib import Path
import socket
from typing import Any

from cryptography import x509
from freezegun.api import FrozenDateTimeFactory
from homeassistant.config_entries import ConfigEntryState
from homeassistant.const import (
    EVENT_HOMEASSISTANT_FINAL_WRITE,
    EVENT_HOMEASSISTANT_STOP,
    STATE_OFF,
    STATE_ON,
    STATE_UNAVAILABLE,
)
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr, entity_registry as er
from homeassistant.util import dt as dt_util
import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_fire_time_changed,
)

from custom_components.bmw_wallbox_victron.const import DOMAIN, NAME
from custom_components.bmw_wallbox_victron.disk import Budget
from simulators import pki
from simulators.wallbox import DELTA, WORST, Quirks, SimulatedWallbox

from .kit.log import complaints
from .kit.ports import listening, listens
from .kit.site import CHARGE_POINT_ID, Site, charge, settle
from .kit.time import retry

MakeWallbox = Callable[..., SimulatedWallbox]

#: No address of this computer: for documentation only (RFC 5737).
NOT_OURS = "192.0.2.1"
LIVE = "measurement"
GROWS = "total_increasing"
DETAIL = "diagnostic"

#: platform, key, unit, device class, state class, category, on by default
ENTITIES: list[tuple[str, str, str | None, str | None, str | None, str | None, bool]]
ENTITIES = [
    ("sensor", "status", None, "enum", None, None, True),
    ("sensor", "charging_state", None, "enum", None, DETAIL, True),
    ("sensor", "connector_status", None, "enum", None, DETAIL, True),
    ("sensor", "power", "W", "power", LIVE, None, True),
    ("sensor", "energy_total", "kWh", "energy", GROWS, None, True),
    ("sensor", "energy_session", "kWh", "energy", GROWS, None, True),
    ("sensor", "current", "A", "current", LIVE, None, True),
    ("sensor", "current_l1", "A", "current", LIVE, DETAIL, True),
    ("sensor", "voltage", "V", "voltage", LIVE, None, True),
    ("sensor", "voltage_l1", "V", "voltage", LIVE, DETAIL, True),
    ("sensor", "phases_used", "phases", None, LIVE, None, True),
    ("sensor", "session_started", None, "timestamp", None, None, True),
    ("sensor", "transaction_id", None, None, None, DETAIL, False),
    ("sensor", "id_token", None, None, None, DETAIL, False),
    ("sensor", "event_type", None, "enum", None, DETAIL, False),
    ("sensor", "trigger_reason", None, "enum", None, DETAIL, False),
    ("sensor", "stopped_reason", None, "enum", None, DETAIL, False),
    ("sensor", "sequence_number", None, None, None, DETAIL, False),
    ("sensor", "last_heartbeat", None, "timestamp", None, DETAIL, False),
    ("binary_sensor", "connected", None, "connectivity", None, DETAIL, True),
    ("binary_sensor", "charging", None, None, None, DETAIL, True),
    ("binary_sensor", "cable_connected", None, "plug", None, None, True),
]
OPTIONS = {
    "status": {
        "disconnected",
        "available",
        "connected",
        "charging",
        "paused",
        "car_paused",
        "faulted",
        "unavailable",
        "reserved",
    },
    "charging_state": {
        "idle",
        "ev_connected",
        "charging",
        "suspended_evse",
        "suspended_ev",
    },
}


@pytest.fixture(autouse=True)
def _no_complaints(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Have no error in the log."""
    yield
    assert complaints(caplog) == []


# Coming and going


async def test_unload(
    hass: HomeAssistant, site: Site, make_wallbox: MakeWallbox
) -> None:
    """An unloaded entry listens no more, hangs up, and shows nothing."""
    wallbox = make_wallbox()
    await wallbox.connect()
    await settle(hass, wallbox)
    assert site.binary("connected") == STATE_ON
    assert await hass.config_entries.async_unload(site.entry.entry_id)
    await hass.async_block_till_done()
    assert site.entry.state is ConfigEntryState.NOT_LOADED
    await wallbox.wait_closed()
    assert not listens(site.entry.data["port"])
    assert site.state("status") == STATE_UNAVAILABLE


async def test_reload(
    hass: HomeAssistant, site: Site, make_wallbox: MakeWallbox
) -> None:
    """After a reload the wallbox comes back, and its energy is what it was."""
    wallbox = make_wallbox(register_wh=1_000_000)
    await charge(hass, wallbox)
    # On a slow machine it may look as if the wallbox replayed: shown once it pauses.
    await site.until("energy_total", lambda state: float(state) > 1000)
    before = site.states("energy_total", "energy_session", "session_started")
    assert float(before["energy_session"]) > 0
    for _ in range(3):
        assert await hass.config_entries.async_reload(site.entry.entry_id)
        await hass.async_block_till_done()
        assert site.binary("connected") == STATE_OFF
        assert site.states(*before) == before
    await wallbox.connect(boot=False)
    await settle(hass, wallbox)
    assert site.binary("connected") == STATE_ON
    assert site.state("status") == "charging"
    assert site.states("session_started") == {
        "session_started": before["session_started"]
    }


@pytest.mark.parametrize("seconds", [0, 0.1], ids=["at once", "during TLS"])
async def test_clients_that_hang(
    hass: HomeAssistant, site: Site, seconds: float
) -> None:
    """Clients that never say anything hold nothing up and leave nothing behind."""
    address = ("127.0.0.1", site.entry.data["port"])
    with contextlib.ExitStack() as clients:
        for _ in range(20):
            clients.enter_context(socket.create_connection(address))
        for _ in range(10):  # until the server has taken them
            await asyncio.sleep(0)
        await asyncio.sleep(seconds)
        assert await hass.config_entries.async_unload(site.entry.entry_id)
    assert not listens(site.entry.data["port"])


async def test_port_taken_at_start(
    hass: HomeAssistant, entry: MockConfigEntry, freezer: FrozenDateTimeFactory
) -> None:
    """A port that is taken is named, and the server starts when it is free."""
    port = entry.data["port"]
    with listening(port):
        assert not await hass.config_entries.async_setup(entry.entry_id)
        assert state_of(entry) is ConfigEntryState.SETUP_RETRY
        assert entry.error_reason_translation_key == "port_in_use"
        assert entry.error_reason_translation_placeholders is not None
        assert entry.error_reason_translation_placeholders["port"] == str(port)
        assert entry.reason is not None
        assert entry.reason.startswith(f"Another program listens on port {port}.")
        await retry(hass, freezer)
        assert state_of(entry) is ConfigEntryState.SETUP_RETRY
    await retry(hass, freezer)
    assert state_of(entry) is ConfigEntryState.LOADED
    assert listens(port)


async def test_cannot_listen_at_start(
    hass: HomeAssistant, entry: MockConfigEntry, freezer: FrozenDateTimeFactory
) -> None:
    """Another fault of the network is told as what it is."""
    hass.config_entries.async_update_entry(entry, data={**entry.data, "host": NOT_OURS})
    assert not await hass.config_entries.async_setup(entry.entry_id)
    assert state_of(entry) is ConfigEntryState.SETUP_RETRY
    assert entry.error_reason_translation_key == "cannot_listen"
    assert entry.reason is not None
    assert str(entry.data["port"]) in entry.reason
    assert "None" not in entry.reason
    hass.config_entries.async_update_entry(
        entry, data={**entry.data, "host": "127.0.0.1"}
    )
    await retry(hass, freezer)
    assert state_of(entry) is ConfigEntryState.LOADED


async def test_certificate_missing_at_start(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    freezer: FrozenDateTimeFactory,
    pki_files: pki.Files,
    tmp_path: Path,
) -> None:
    """A certificate that is not there is named; once it is back, the server starts."""
    there = tmp_path / "fullchain.pem"
    hass.config_entries.async_update_entry(
        entry, data={**entry.data, "ssl_cert": str(there)}
    )
    assert not await hass.config_entries.async_setup(entry.entry_id)
    assert state_of(entry) is ConfigEntryState.SETUP_RETRY
    assert entry.error_reason_translation_key == "certificate_unusable"
    assert entry.reason is not None
    assert "certificate: not_found" in entry.reason
    assert not listens(entry.data["port"])
    there.write_bytes(pki_files.certificate.read_bytes())
    await retry(hass, freezer)
    assert state_of(entry) is ConfigEntryState.LOADED


def state_of(entry: MockConfigEntry) -> ConfigEntryState:
    """Give the entry's state, which changes behind the type checker's back."""
    return entry.state


async def test_no_server(hass: HomeAssistant) -> None:
    """An entry without a server runs, with no device of a server."""
    entry = MockConfigEntry(domain=DOMAIN, title=NAME, unique_id=DOMAIN, data={})
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    assert dr.async_entries_for_config_entry(dr.async_get(hass), entry.entry_id) == []
    assert er.async_entries_for_config_entry(er.async_get(hass), entry.entry_id) == []
    assert await hass.config_entries.async_unload(entry.entry_id)


async def test_remove(
    hass: HomeAssistant,
    hass_storage: dict[str, Any],
    entry: MockConfigEntry,
    pki_files: pki.Files,
    freezer: FrozenDateTimeFactory,
) -> None:
    """A removed entry leaves no file, no device and no entity, not even later."""
    key = f"{DOMAIN}.{entry.entry_id}"
    await hass.config_entries.async_setup(entry.entry_id)
    wallbox = SimulatedWallbox(
        url=f"wss://localhost:{entry.data['port']}",
        charge_point_id=CHARGE_POINT_ID,
        ssl_context=await hass.async_add_executor_job(pki_files.client_context),
    )
    await charge(hass, wallbox)
    await hass.config_entries.async_reload(entry.entry_id)
    assert key in hass_storage
    await wallbox.connect(boot=False)
    await wallbox.tick(60)
    await settle(hass, wallbox)
    await hass.config_entries.async_remove(entry.entry_id)
    await wallbox.wait_closed()
    freezer.tick(3600)
    async_fire_time_changed(hass)
    hass.bus.async_fire(EVENT_HOMEASSISTANT_FINAL_WRITE)
    await hass.async_block_till_done()
    assert key not in hass_storage
    assert dr.async_entries_for_config_entry(dr.async_get(hass), entry.entry_id) == []
    assert er.async_entries_for_config_entry(er.async_get(hass), entry.entry_id) == []
    await wallbox.disconnect()


async def test_removed_wallbox_is_forgotten(
    hass: HomeAssistant,
    hass_storage: dict[str, Any],
    site: Site,
    make_wallbox: MakeWallbox,
) -> None:
    """Cards and sessions of a removed wallbox do not stay in the file."""
    wallbox = make_wallbox()
    await charge(hass, wallbox)
    await hass.config_entries.async_reload(site.entry.entry_id)
    (subentry_id,) = site.entry.subentries
    key = f"{DOMAIN}.{site.entry.entry_id}"
    assert subentry_id in hass_storage[key]["data"]["wallboxes"]
    hass.config_entries.async_remove_subentry(site.entry, subentry_id)
    await hass.async_block_till_done()
    await hass.config_entries.async_unload(site.entry.entry_id)
    assert (
        subentry_id
        not in hass_storage.get(key, {"data": {"wallboxes": {}}})["data"]["wallboxes"]
    )
    await hass.config_entries.async_setup(site.entry.entry_id)


@pytest.mark.usefixtures("unpaced")
async def test_stop(
    hass: HomeAssistant,
    hass_storage: dict[str, Any],
    site: Site,
    make_wallbox: MakeWallbox,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Home Assistant stops: the server closes and what waits is written."""
    monkeypatch.setattr(Budget, "delay", lambda *_: 60.0)
    wallbox = make_wallbox()
    await charge(hass, wallbox)
    key = f"{DOMAIN}.{site.entry.entry_id}"
    hass_storage.pop(key, None)
    await wallbox.tick(30)
    await settle(hass, wallbox)
    assert key not in hass_storage
    hass.bus.async_fire(EVENT_HOMEASSISTANT_STOP)
    await hass.async_block_till_done()
    await wallbox.wait_closed()
    assert not listens(site.entry.data["port"])
    (box,) = hass_storage[key]["data"]["wallboxes"].values()
    assert box["energy"]["counted_wh"] == pytest.approx(
        site.number("energy_total") * 1000
    )
    assert box["transaction"]["ended_at"] is None


# Devices


async def test_devices(
    hass: HomeAssistant, site: Site, make_wallbox: MakeWallbox
) -> None:
    """The wallbox hangs on the server, and is what it says of itself."""
    server, wallbox = site.device("server"), site.device()
    assert server.entry_type is dr.DeviceEntryType.SERVICE
    assert server.name == "OCPP server"
    assert server.via_device_id is None
    assert wallbox.via_device_id == server.id
    assert wallbox.name == "BMW Wallbox"
    assert wallbox.entry_type is None
    (subentry_id,) = site.entry.subentries
    assert wallbox.config_subentry_id == subentry_id
    assert (wallbox.manufacturer, wallbox.model) == (None, None)

    def identity() -> tuple[str | None, ...]:
        device = site.device()
        assert device.id == wallbox.id
        return (
            device.manufacturer,
            device.model,
            device.serial_number,
            device.sw_version,
        )

    box = make_wallbox(vendor="Delta", model="X1", serial="S1", firmware="1.0")
    await box.connect()
    await settle(hass, box)
    assert identity() == ("Delta", "X1", "S1", "1.0")
    await box.disconnect()
    await hass.config_entries.async_reload(site.entry.entry_id)
    await hass.async_block_till_done()
    assert identity() == ("Delta", "X1", "S1", "1.0")
    newer = make_wallbox(vendor="Delta", model="X1", serial="S1", firmware="2.0")
    await newer.connect()
    await settle(hass, newer)
    assert identity() == ("Delta", "X1", "S1", "2.0")
    assert site.device().via_device_id == server.id


@pytest.mark.parametrize("quirks", [DELTA, WORST], ids=["usual", "worst"])
async def test_identity_without_a_boot(
    hass: HomeAssistant, site: Site, make_wallbox: MakeWallbox, quirks: Quirks
) -> None:
    """A wallbox that does not boot, as after a restart of ours, is asked who it is."""
    box = make_wallbox(quirks)
    await box.connect(boot=False)
    await settle(hass, box)

    def asked() -> bool:
        device = site.device()
        return (device.manufacturer, device.model) == (
            box.identity.vendor,
            box.identity.model,
        )

    for _ in range(20):
        await settle(hass, box)
        if asked():
            break
    assert asked()


async def test_devices_stay_what_they_are(hass: HomeAssistant, site: Site) -> None:
    """A reload makes no device and no entity anew."""

    def found() -> tuple[set[str], set[str]]:
        entry_id = site.entry.entry_id
        return (
            {
                device.id
                for device in dr.async_entries_for_config_entry(
                    dr.async_get(hass), entry_id
                )
            },
            {
                entity.id
                for entity in er.async_entries_for_config_entry(
                    er.async_get(hass), entry_id
                )
            },
        )

    before = found()
    await hass.config_entries.async_reload(site.entry.entry_id)
    await hass.async_block_till_done()
    assert found() == before


# Entities


async def test_entities(hass: HomeAssistant, all_entities: Site) -> None:
    """Each entity has its unit, classes and category, and belongs to its wallbox."""
    registry = er.async_get(hass)
    (subentry_id,) = all_entities.entry.subentries
    device = all_entities.device()
    for platform, key, unit, device_class, state_class, category, _ in ENTITIES:
        entity = registry.async_get(all_entities.entity_id(platform, key))
        assert entity is not None
        assert entity.device_id == device.id, key
        assert entity.config_subentry_id == subentry_id, key
        assert entity.unit_of_measurement == unit, key
        assert entity.original_device_class == device_class, key
        capabilities = entity.capabilities or {}
        assert capabilities.get("state_class") == state_class, key
        assert entity.entity_category == category, key
        assert entity.has_entity_name, key
        if key in OPTIONS:
            assert set(capabilities["options"]) == OPTIONS[key]


async def test_off_by_default(hass: HomeAssistant, site: Site) -> None:
    """The details of the protocol are off until somebody wants them."""
    registry = er.async_get(hass)
    for platform, key, *_, enabled in ENTITIES:
        entity = registry.async_get(site.entity_id(platform, key))
        assert entity is not None
        assert entity.disabled_by is (
            None if enabled else er.RegistryEntryDisabler.INTEGRATION
        ), key


async def test_certificate_expiry(hass: HomeAssistant, site: Site) -> None:
    """The server's device tells when the certificate expires."""
    entity_id = site.entity_id("sensor", "certificate_expiry", "server")
    entity = er.async_get(hass).async_get(entity_id)
    assert entity is not None
    assert entity.device_id == site.device("server").id
    assert entity.original_device_class == "timestamp"
    assert entity.entity_category == "diagnostic"
    assert entity.disabled_by is None
    state = hass.states.get(entity_id)
    assert state is not None
    path = site.entry.data["ssl_cert"]
    info = await hass.async_add_executor_job(_expiry, path)
    assert state.state == info


def _expiry(path: str) -> str:
    """Read when a certificate expires."""
    certificate = x509.load_pem_x509_certificate(Path(path).read_bytes())
    return certificate.not_valid_after_utc.isoformat()


async def test_renewed_certificate(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    freezer: FrozenDateTimeFactory,
    tmp_path: Path,
) -> None:
    """A renewed certificate shows by itself, and the next wallbox gets it."""
    files = await hass.async_add_executor_job(pki.issue, tmp_path)
    hass.config_entries.async_update_entry(
        entry,
        data={
            **entry.data,
            "ssl_cert": str(files.certificate),
            "ssl_key": str(files.key),
        },
    )
    assert await hass.config_entries.async_setup(entry.entry_id)
    site = Site(hass, entry)
    entity_id = site.entity_id("sensor", "certificate_expiry", "server")

    def shown() -> str:
        state = hass.states.get(entity_id)
        assert state is not None
        return state.state

    before = shown()
    longer = partial(pki.issue, not_after=dt_util.utcnow() + timedelta(days=100))
    files = await hass.async_add_executor_job(longer, tmp_path)
    freezer.tick(601)
    async_fire_time_changed(hass)
    await hass.async_block_till_done(wait_background_tasks=True)
    after = await hass.async_add_executor_job(_expiry, str(files.certificate))
    assert shown() == after != before
    wallbox = SimulatedWallbox(
        url=site.url,
        charge_point_id=CHARGE_POINT_ID,
        ssl_context=await hass.async_add_executor_job(files.client_context),
    )
    await wallbox.connect()
    assert wallbox.online
    await wallbox.disconnect()
