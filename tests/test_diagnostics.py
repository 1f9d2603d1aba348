"""What goes into a bug report, and what never does."""

from collections.abc import Callable
from dataclasses import replace
from http import HTTPStatus
import json
import re
from types import MappingProxyType
from typing import Any

from freezegun.api import FrozenDateTimeFactory
from homeassistant.config_entries import ConfigSubentry
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr
from homeassistant.setup import async_setup_component
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from custom_components.bmw_wallbox_victron.victron.decoder import Decoder
from custom_components.bmw_wallbox_victron.victron.records import BY_KIND, Kind, Reading
from simulators.victron.encode import encode
from simulators.wallbox import Car, SimulatedWallbox

from .kit.flows import device_of
from .kit.radio import ORION, SHUNT, Radio
from .kit.site import CHARGE_POINT_ID, Site, settle
from .kit.victron import GOOD, KEY, replayed, wrap

MakeWallbox = Callable[..., SimulatedWallbox]
BMS = "A4:C1:37:11:22:33"
PASSWORD = "secret-password-1"
RFID = "5EC2E7AAAA01"
ALLOWED = ["5EC2E7BBBB01", "5EC2E7BBBB02"]
GUEST = "5EC2E7BBBB02"
SERIAL = "SECRET-SERIAL-9"
BMS_SECRET = "Boot-7421"
SECRETS = (
    PASSWORD,
    RFID,
    *ALLOWED,
    SERIAL,
    BMS_SECRET,
    KEY.hex(),
    CHARGE_POINT_ID,
    CHARGE_POINT_ID[3:-3],
    SHUNT,
    "11:22:33",
    BMS,
    "Secret title",
)

type Download = Callable[..., Any]


@pytest.fixture
def wallbox_data() -> dict[str, Any]:
    """Set all that is secret."""
    return {
        "charge_point_id": CHARGE_POINT_ID,
        "max_current": 16,
        "password": PASSWORD,
        "rfid_token": RFID,
        "allowed_tokens": ALLOWED,
    }


@pytest.fixture
async def everything(hass: HomeAssistant, site: Site, radio: Radio) -> Site:
    """A site with one of each."""
    for kind, data in (
        ("victron_device", {"address": SHUNT, "encryption_key": KEY.hex()}),
        ("victron_device", {"address": ORION, "encryption_key": "nonsense"}),
        ("bms", {"address": BMS, "model": "jbd_bms", "secret": BMS_SECRET}),
    ):
        hass.config_entries.async_add_subentry(
            site.entry,
            ConfigSubentry(
                subentry_type=kind,
                title=f"Secret title {data['address']}",
                data=MappingProxyType(data),
                unique_id=data["address"],
            ),
        )
    hass.config_entries.async_update_entry(
        site.entry, options={"main_monitor": SHUNT, "freshness_timeout": 60}
    )
    await hass.async_block_till_done()
    return site


@pytest.fixture
async def download(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    everything: Site,
    hass_client: ClientSessionGenerator,
) -> Download:
    """Download diagnostics as the frontend does, and find no secret in them."""
    assert await async_setup_component(hass, "diagnostics", {})
    await hass.async_block_till_done()
    client = await hass_client()

    async def get(device: dr.DeviceEntry | None = None) -> dict[str, Any]:
        url = f"/api/diagnostics/config_entry/{entry.entry_id}"
        if device is not None:
            url += f"/device/{device.id}"
        response = await client.get(url)
        assert response.status == HTTPStatus.OK
        text = await response.text()
        for secret in SECRETS:
            assert secret.casefold() not in text.casefold(), secret
        data: dict[str, Any] = json.loads(text)["data"]
        return data

    return get


async def charged(
    hass: HomeAssistant, site: Site, make_wallbox: MakeWallbox
) -> SimulatedWallbox:
    """Have a session in the ledger and one that runs, with secrets in all words."""
    box = make_wallbox(
        password=PASSWORD,
        serial=SERIAL,
        model=f"M {RFID}",
        firmware=f"1.{GUEST.lower()}",
    )
    await box.connect()
    await settle(hass, box)
    for token in ALLOWED:
        await box.start(token, Car())
        await box.tick(60)
        await settle(hass, box)
        if token != ALLOWED[-1]:
            await box.unplug()
            await settle(hass, box)
    station = site.entry.runtime_data.stations[CHARGE_POINT_ID]
    refusal = f"Rejected: {RFID} of {SERIAL}"
    station.update(
        replace(
            station.state,
            enforcement=replace(station.state.enforcement, refusal=refusal),
        )
    )
    return box


async def test_config_entry(
    hass: HomeAssistant,
    everything: Site,
    download: Download,
    make_wallbox: MakeWallbox,
    radio: Radio,
    freezer: FrozenDateTimeFactory,
) -> None:
    """All that a developer asks for, and no secret."""
    box = await charged(hass, everything, make_wallbox)
    radio.say(Kind.BATTERY_MONITOR, GOOD[Kind.BATTERY_MONITOR], rssi=-71)
    await hass.async_block_till_done()
    data = await download()
    assert set(data["versions"]) >= {"bmw_wallbox_victron", "ocpp", "websockets"}
    assert all(data["versions"].values())
    assert data["settings"]["data"]["port"] == everything.entry.data["port"]
    # Whoever has several hosts has their names in the paths.
    for key in ("ssl_cert", "ssl_key"):
        assert data["settings"]["data"][key] == "**REDACTED**"
    assert data["settings"]["options"] == {
        "main_monitor": "F8:5C:00:…:01",
        "freshness_timeout": 60,
    }
    assert data["server"]["port"] == everything.entry.data["port"]
    assert data["server"]["fault"] is None
    assert data["server"]["certificate"]["names"] == 1
    (wallbox,) = data["wallboxes"]
    assert wallbox["charge_point_id"] == "DE*…DEF"
    assert wallbox["settings"] == {
        "password_set": True,
        "rfid_token_set": True,
        "allowed_tokens": 2,
        "max_current": 16,
    }
    head, opened, boot, *others = wallbox["trace"]
    assert head == {
        "trace": 1,
        "max_current": 16,
        "meter_interval": 10,
        "target": {"current_limit": None, "charging_allowed": True, "cap_a": None},
    }
    assert opened == {"at": 0, "connection": 1, "event": "opened"}
    assert boot["in"] == [
        2,
        "m1",
        "BootNotification",
        {
            "reason": "PowerUp",
            "chargingStation": {
                "model": "model-1",
                "vendorName": "Delta Electronics",
                "serialNumber": "serial-1",
                "firmwareVersion": "firmware-1",
            },
        },
    ]
    assert {"in", "out"} <= {key for each in others for key in each}
    tokens = re.findall(r'"idToken": "([^"]+)"', json.dumps(wallbox["trace"]))
    assert set(tokens) == {"token-1", "token-2"}
    assert wallbox["sessions"] >= 1
    state = wallbox["state"]
    assert state["status"] == "charging"
    assert state["identity"] == {
        "vendor": "Delta Electronics",
        "model": "M **REDACTED**",
        "firmware_version": "1.**REDACTED**",
        "serial_number": "**REDACTED**",
    }
    assert state["enforcement"]["refusal"].startswith("Rejected: **REDACTED** of ")
    assert state["target"]["charging_allowed"] is True
    assert abs(state["clock"]["ahead_s"]) < 86400 * 400
    assert state["transaction"]["event_type"] in ("started", "updated")
    assert state["transaction"]["id_token"] == "**REDACTED**"
    assert state["energy"]["counted_wh"] > 0
    assert state["target"]["charging"]["ready_by"] == "07:00:00"
    assert state["transaction"]["charged"] is True
    assert wallbox["charging"]["reason"] == "current_limit"
    assert data["house"]["grid"] is None
    assert state["meter"]["power"] > 0
    assert box.transaction is not None
    assert box.transaction.id not in json.dumps(data)
    shunt, orion, bms = data["devices"]
    assert shunt["address"] == "F8:5C:00:…:01"
    assert shunt["kind"] == "battery_monitor"
    assert shunt["model"] == "SmartShunt 500A/50mV"
    assert shunt["model_id"] == "0xA389"
    assert (shunt["fresh"], shunt["signal_strength"]) == (True, -71)
    assert (shunt["key"], shunt["failures"], shunt["refusal"]) == ("right", 0, None)
    assert shunt["reading"]["voltage"] == 12.9
    assert shunt["shown"]["voltage"] == 12.9
    assert shunt["unknown_codes"] == {}
    (record,) = shunt["records"]
    assert (record["at"], record["counter"], record["refusal"]) == (0, 0, None)
    ((at, sealed),) = replayed(shunt["records"])
    reading = Decoder(KEY).hear(sealed, at)
    assert isinstance(reading, Reading)
    assert reading.values["voltage"] == 12.9
    assert (orion["kind"], orion["key"], orion["fresh"]) == (None, "unreadable", False)
    assert (bms["model"], bms["failures"], bms["fault"]) == ("jbd_bms", 0, None)
    assert data["battery"]["values"]["voltage"] == 12.9
    assert data["battery"]["settings"]["freshness_timeout_s"] == 60


async def test_codes_that_nobody_knows(
    hass: HomeAssistant, everything: Site, download: Download, radio: Radio
) -> None:
    """What is not published yet can be published with these."""
    record = BY_KIND[Kind.SOLAR_CHARGER]
    plain = bytearray(encode(record.kind, GOOD[Kind.SOLAR_CHARGER]))
    plain[0] = 99
    for counter in (1, 2):
        radio.send(wrap(record, bytes(plain), counter))
    await hass.async_block_till_done()
    shunt = (await download())["devices"][0]
    assert shunt["unknown_codes"] == {"charge_state": 99}


async def test_wrong_key(
    hass: HomeAssistant,
    everything: Site,
    download: Download,
    radio: Radio,
    freezer: FrozenDateTimeFactory,
) -> None:
    """The verdict is there, with what led to it."""
    for _ in range(20):
        radio.say(Kind.BATTERY_MONITOR, GOOD[Kind.BATTERY_MONITOR], key=bytes(16))
        freezer.tick(10)
    await hass.async_block_till_done()
    shunt = (await download())["devices"][0]
    assert (shunt["key"], shunt["refusal"]) == ("wrong", "wrong_key")
    assert shunt["failures"] > 0


@pytest.mark.parametrize(
    ("identifier", "part"),
    [
        ("server", "server"),
        ("battery", "battery"),
        (CHARGE_POINT_ID, "wallbox"),
        (SHUNT, "device"),
        (BMS, "device"),
    ],
)
async def test_device(
    hass: HomeAssistant,
    everything: Site,
    download: Download,
    make_wallbox: MakeWallbox,
    radio: Radio,
    freezer: FrozenDateTimeFactory,
    identifier: str,
    part: str,
) -> None:
    """Of a device there is what concerns it alone."""
    await charged(hass, everything, make_wallbox)
    radio.say(Kind.BATTERY_MONITOR, GOOD[Kind.BATTERY_MONITOR])
    await hass.async_block_till_done()
    whole = await download()
    data = await download(everything.device(identifier))
    assert data.keys() == {"versions", "settings", part}
    assert data[part]
    if part in whole:
        assert data[part] == whole[part]
    elif part == "device":
        assert data[part] in whole["devices"]
    else:
        assert [data[part]] == whole["wallboxes"]


async def test_damaged(
    hass: HomeAssistant, entry: MockConfigEntry, everything: Site, download: Download
) -> None:
    """Of a wallbox that was edited by hand nothing is told, least of all secrets."""
    device = device_of(hass, entry, CHARGE_POINT_ID)
    (subentry,) = entry.get_subentries_of_type("wallbox")
    data = {"charge_point_id": CHARGE_POINT_ID, "rfid_token": [RFID], "password": 17}
    hass.config_entries.async_update_subentry(entry, subentry, data=data)
    hass.config_entries.async_update_entry(entry, options={"note": RFID})
    await hass.async_block_till_done()
    assert (await download())["wallboxes"] == []
    assert "wallbox" not in await download(device)


async def test_not_loaded(
    hass: HomeAssistant, entry: MockConfigEntry, everything: Site, download: Download
) -> None:
    """Settings and versions are there even where nothing runs."""
    await hass.config_entries.async_unload(entry.entry_id)
    data = await download()
    assert data.keys() == {"versions", "settings"}
    device = everything.device()
    assert (await download(device)).keys() == {"versions", "settings"}


async def test_which_transaction_it_was_is_not_told(
    hass: HomeAssistant, site: Site, make_wallbox: MakeWallbox, download: Download
) -> None:
    """Of a limit that was tried for it alone, and refused or cleared."""
    await charged(hass, site, make_wallbox)
    station = site.entry.runtime_data.stations[CHARGE_POINT_ID]
    private = "transaction-of-somebody"
    enforcement = replace(
        station.state.enforcement,
        tx_profile=(private, 7),
        tx_refused=private,
        tx_cleared=private,
        barred_transaction=private,
        mark=(private, False, 0),
    )
    station.state = replace(station.state, enforcement=enforcement)
    data = await download()
    assert private not in json.dumps(data)
    (wallbox,) = data["wallboxes"]
    assert wallbox["state"]["enforcement"]["tx_profile"] is True
