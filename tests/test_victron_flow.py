"""Setting up Victron devices: by hand, discovered, later, and with another key."""

from collections.abc import Mapping
from typing import Any

from freezegun.api import FrozenDateTimeFactory
from homeassistant.components import bluetooth
from homeassistant.config_entries import (
    SOURCE_BLUETOOTH,
    SOURCE_IGNORE,
    SOURCE_REAUTH,
    SOURCE_RECONFIGURE,
    SOURCE_USER,
    ConfigEntry,
    ConfigEntryState,
    SubentryFlowContext,
)
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.helpers import device_registry as dr
from homeassistant.setup import async_setup_component
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.bmw_wallbox_victron.const import DOMAIN, NAME
from custom_components.bmw_wallbox_victron.victron.records import Kind
from simulators.pki import Files

from .kit.flows import open_form
from .kit.radio import CHARGER, ORION, SHUNT, Radio, callbacks
from .kit.site import Site
from .kit.strings import STRINGS, assert_translated
from .kit.victron import GOOD, KEY

MONITOR = GOOD[Kind.BATTERY_MONITOR]
SHUNT_DATA = {"address": SHUNT, "encryption_key": KEY.hex()}


@pytest.fixture
async def air(hass: HomeAssistant, radio: Radio) -> Radio:
    """A radio, and Home Assistant hearing it before our integration is set up."""
    assert await async_setup_component(hass, bluetooth.DOMAIN, {})
    await hass.async_block_till_done()
    return radio


def the_entry(hass: HomeAssistant) -> ConfigEntry:
    """Give the one entry."""
    (entry,) = hass.config_entries.async_entries(DOMAIN, include_ignore=False)
    return entry


def devices(entry: ConfigEntry) -> dict[str, Mapping[str, Any]]:
    """Give the data of the entry's Victron devices, by title."""
    return {
        subentry.title: dict(subentry.data)
        for subentry in entry.subentries.values()
        if subentry.subentry_type == "victron_device"
    }


async def discovered(hass: HomeAssistant) -> list[Any]:
    """Give the flows of devices that were discovered."""
    await hass.async_block_till_done(wait_background_tasks=True)
    return [
        flow
        for flow in hass.config_entries.flow.async_progress_by_handler(DOMAIN)
        if flow["context"]["source"] == SOURCE_BLUETOOTH
    ]


def offered(result: Any) -> list[str]:
    """Give the labels of the devices that a form offers."""
    selector = result["data_schema"].schema["address"]
    return [option["label"] for option in selector.config["options"]]


async def by_hand(hass: HomeAssistant) -> Any:
    """Open the form from the menu."""
    result = await hass.config_entries.flow.async_init(
        DOMAIN, context={"source": SOURCE_USER}
    )
    assert result["type"] is FlowResultType.MENU
    assert result["menu_options"] == ["wallbox", "victron", "bms"]
    result = await hass.config_entries.flow.async_configure(
        result["flow_id"], {"next_step_id": "victron"}
    )
    assert result["step_id"] == "victron"
    assert_translated({**result, "errors": result["errors"] or {}}, "config")
    return result


async def submit(hass: HomeAssistant, flow: Any, data: dict[str, Any]) -> Any:
    """Send a form off."""
    result = await hass.config_entries.flow.async_configure(flow["flow_id"], data)
    await hass.async_block_till_done()
    assert_translated(result, "config")
    return result


# By hand


async def test_from_nothing(hass: HomeAssistant, air: Radio) -> None:
    """A device that is heard is picked, its key checked, and it is shown."""
    data = air.say(Kind.BATTERY_MONITOR, MONITOR, name="SmartShunt HQ2147")
    flow = await by_hand(hass)
    assert offered(flow) == [f"SmartShunt HQ2147: SmartShunt 500A/50mV ({SHUNT})"]
    result = await submit(hass, flow, SHUNT_DATA)
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert result["title"] == NAME
    assert result["description"] == "victron"
    # Where to find what it measures.
    assert "**Battery**" in STRINGS["config"]["create_entry"]["victron"]
    assert result["description_placeholders"] == {
        "name": "SmartShunt HQ2147",
        "address": SHUNT,
        "model": "SmartShunt 500A/50mV",
        "kind": "battery monitor",
    }
    entry = the_entry(hass)
    assert entry.unique_id == DOMAIN
    assert entry.data == {}
    assert devices(entry) == {"SmartShunt HQ2147": SHUNT_DATA}
    assert entry.state is ConfigEntryState.LOADED
    air.send(data)
    await hass.async_block_till_done()
    state = hass.states.get("sensor.smartshunt_hq2147_alarm")
    assert state is not None
    assert state.state == "none"


@pytest.mark.parametrize(
    "key",
    [
        KEY.hex().upper(),
        KEY.hex(" ", 2),
        f" {KEY.hex(':')}\n",
        KEY.hex("-", 4),
    ],
)
@pytest.mark.parametrize(
    "address", [SHUNT, SHUNT.lower(), SHUNT.replace(":", ""), f" {SHUNT} "]
)
async def test_as_people_paste(
    hass: HomeAssistant, air: Radio, key: str, address: str
) -> None:
    """Blanks, colons and capitals are fine; what is stored is tidy."""
    flow = await by_hand(hass)
    result = await submit(hass, flow, {"address": address, "encryption_key": key})
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert devices(the_entry(hass)) == {f"Victron {SHUNT}": SHUNT_DATA}


@pytest.mark.parametrize(
    ("change", "errors"),
    [
        ({"address": "SmartShunt"}, {"address": "invalid_address"}),
        ({"address": SHUNT + ":00"}, {"address": "invalid_address"}),
        ({"encryption_key": KEY.hex()[1:]}, {"encryption_key": "invalid_key"}),
        ({"encryption_key": "x" * 32}, {"encryption_key": "invalid_key"}),
        ({"encryption_key": "ff" * 16}, {"encryption_key": "wrong_key"}),
        ({"encryption_key": KEY.hex()[:2] + "0" * 30}, {"encryption_key": "wrong_key"}),
    ],
)
async def test_errors(
    hass: HomeAssistant, air: Radio, change: dict[str, str], errors: dict[str, str]
) -> None:
    """What cannot be right is named at its field, and can be mended."""
    air.say(Kind.BATTERY_MONITOR, MONITOR)
    flow = await by_hand(hass)
    result = await submit(hass, flow, SHUNT_DATA | change)
    assert result["type"] is FlowResultType.FORM
    assert result["errors"] == errors
    result = await submit(hass, flow, SHUNT_DATA)
    assert result["type"] is FlowResultType.CREATE_ENTRY
    # A bare advertisement has no name.
    assert devices(the_entry(hass)).keys() == {"SmartShunt 500A/50mV"}


async def test_unknown_record(hass: HomeAssistant, air: Radio) -> None:
    """A device whose record nobody knows is neither offered nor taken."""
    air.send(bytes((0x10, 2, 0x89, 0xA3, 0x3F, 1, 0, KEY[0])) + bytes(12))
    flow = await by_hand(hass)
    assert offered(flow) == []
    result = await submit(hass, flow, SHUNT_DATA)
    assert result["errors"] == {"base": "unsupported_device"}


async def test_instant_readout_that_is_off(hass: HomeAssistant, air: Radio) -> None:
    """It is not offered, but may be added: its key cannot be checked yet."""
    air.send(bytes((0x02, 0x01)), name="SmartShunt HQ2147")
    flow = await by_hand(hass)
    assert offered(flow) == []
    result = await submit(hass, flow, SHUNT_DATA)
    assert result["description"] == "victron_unheard"
    assert result["description_placeholders"] == {
        "name": "SmartShunt HQ2147",
        "address": SHUNT,
        "model": "?",
        "kind": "?",
    }


async def test_old_advertisement_says_nothing_of_the_key(
    hass: HomeAssistant, air: Radio
) -> None:
    """The key may have been changed since."""
    air.say(Kind.BATTERY_MONITOR, MONITOR, key=bytes(16), age_s=301)
    flow = await by_hand(hass)
    result = await submit(hass, flow, SHUNT_DATA)
    assert result["type"] is FlowResultType.CREATE_ENTRY


async def test_second_device(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, caravan: Site, radio: Radio
) -> None:
    """A later device joins the entry; one that is there already is not offered."""
    radio.say(Kind.BATTERY_MONITOR, MONITOR)
    radio.say(Kind.AC_CHARGER, GOOD[Kind.AC_CHARGER], CHARGER, model_id=0xA330)
    flow = await by_hand(hass)
    assert len(offered(flow)) == 1
    result = await submit(hass, flow, SHUNT_DATA)
    assert result["errors"] == {"address": "device_already_configured"}
    result = await submit(hass, flow, {"address": CHARGER, "encryption_key": KEY.hex()})
    assert result["reason"] == "victron_added"
    assert result["description_placeholders"]["kind"] == "AC charger"
    assert devices(the_entry(hass)).keys() == {
        "Victron 01",
        "Blue Smart IP22 Charger 12/30 (1)",
    }
    radio.say(Kind.AC_CHARGER, GOOD[Kind.AC_CHARGER], CHARGER, model_id=0xA330)
    await hass.async_block_till_done()
    assert caravan.state("charge_state", owner=CHARGER) == "float"
    # Whoever was asked about it as a discovered device is asked no more.
    assert not await discovered(hass)


async def test_entry_that_is_not_loaded(
    hass: HomeAssistant, caravan_entry: MockConfigEntry, air: Radio
) -> None:
    """A device that is added to an entry that could not be set up has it try again."""
    flow = await by_hand(hass)
    result = await submit(hass, flow, SHUNT_DATA | {"address": ORION})
    assert result["reason"] == "victron_unheard_added"
    assert caravan_entry.state is ConfigEntryState.LOADED


# Discovered


async def test_discovered(hass: HomeAssistant, air: Radio) -> None:
    """A device in range is offered, and starts the entry."""
    air.say(Kind.BATTERY_MONITOR, MONITOR, name="SmartShunt HQ2147")
    await hass.async_block_till_done()
    (flow,) = await discovered(hass)
    assert flow["context"]["title_placeholders"] == {"name": "SmartShunt HQ2147"}
    assert flow["step_id"] == "victron"
    result = await submit(hass, flow, SHUNT_DATA | {"encryption_key": "ff" * 16})
    assert result["errors"] == {"encryption_key": "wrong_key"}
    assert result["description_placeholders"] == {
        "found": "**SmartShunt HQ2147**: SmartShunt 500A/50mV, battery monitor.\n\n"
    }
    result = await submit(hass, flow, SHUNT_DATA)
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert the_entry(hass).unique_id == DOMAIN
    air.say(Kind.BATTERY_MONITOR, MONITOR)
    await hass.async_block_till_done()
    assert not await discovered(hass)


async def test_discovered_joins(
    hass: HomeAssistant, caravan: Site, radio: Radio
) -> None:
    """A discovered device joins the entry that is there, each in its turn."""
    for address in (CHARGER, ORION):
        radio.say(Kind.AC_CHARGER, GOOD[Kind.AC_CHARGER], address)
    await hass.async_block_till_done()
    assert len(await discovered(hass)) == 2
    for flow in await discovered(hass):
        address = flow["context"]["unique_id"]
        result = await submit(
            hass, flow, {"address": address, "encryption_key": KEY.hex()}
        )
        assert result["reason"] == "victron_added"
    subentries = the_entry(hass).subentries.values()
    added = {subentry.data["address"] for subentry in subentries}
    assert added == {SHUNT, CHARGER, ORION}
    assert not await discovered(hass)


async def test_discovered_joins_a_wallbox(
    hass: HomeAssistant, air: Radio, entry: MockConfigEntry, site: Site
) -> None:
    """The half with the wallbox takes the other half in."""
    air.say(Kind.BATTERY_MONITOR, MONITOR)
    await hass.async_block_till_done()
    (flow,) = await discovered(hass)
    result = await submit(hass, flow, SHUNT_DATA)
    assert result["reason"] == "victron_added"
    air.say(Kind.BATTERY_MONITOR, MONITOR)
    await hass.async_block_till_done()
    assert site.state("alarm", owner=SHUNT) == "none"
    assert site.state("status") == "disconnected"


@pytest.mark.parametrize(
    "data",
    [
        bytes((0x10, 2, 0x89, 0xA3, 0x3F, 1, 0, 1)) + bytes(12),
        bytes((0x10, 2, 0x89)),
    ],
)
async def test_discovered_unsupported(
    hass: HomeAssistant, air: Radio, data: bytes
) -> None:
    """What cannot be read is not offered."""
    air.send(data)
    await hass.async_block_till_done()
    assert not await discovered(hass)


async def test_ignored(hass: HomeAssistant, air: Radio) -> None:
    """A device that was ignored stays so, and does not stand for the entry."""
    air.say(Kind.BATTERY_MONITOR, MONITOR)
    await hass.async_block_till_done()
    (flow,) = await discovered(hass)
    await hass.config_entries.flow.async_init(
        DOMAIN,
        context={"source": SOURCE_IGNORE},
        data={"unique_id": flow["context"]["unique_id"], "title": "SmartShunt"},
    )
    await hass.async_block_till_done()
    bluetooth.async_rediscover_address(hass, SHUNT)
    await hass.async_block_till_done()
    assert not await discovered(hass)
    flow = await by_hand(hass)
    result = await submit(hass, flow, SHUNT_DATA)
    assert result["type"] is FlowResultType.CREATE_ENTRY


async def test_discovered_and_added_by_hand(hass: HomeAssistant, air: Radio) -> None:
    """Whoever adds it by hand is not asked about it any more."""
    air.say(Kind.BATTERY_MONITOR, MONITOR)
    await hass.async_block_till_done()
    assert len(await discovered(hass)) == 1
    result = await submit(hass, await by_hand(hass), SHUNT_DATA)
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert not await discovered(hass)


async def test_already_there(hass: HomeAssistant, caravan: Site, radio: Radio) -> None:
    """A device that is there already is not offered again."""
    radio.say(Kind.BATTERY_MONITOR, MONITOR)
    bluetooth.async_rediscover_address(hass, SHUNT)
    await hass.async_block_till_done()
    assert not await discovered(hass)


async def test_what_is_readable_is_watched_no_longer(
    hass: HomeAssistant, air: Radio
) -> None:
    """Every advertisement is looked at only while a device cannot be read."""
    with callbacks() as active:
        air.send(bytes((0x10, 2, 0x89)))
        air.send(bytes((0x10, 2, 0x89)), CHARGER)
        await hass.async_block_till_done(wait_background_tasks=True)
        assert len(active) == 1
        air.say(Kind.BATTERY_MONITOR, MONITOR)
        await hass.async_block_till_done(wait_background_tasks=True)
        assert len(active) == 1
        air.say(Kind.AC_CHARGER, GOOD[Kind.AC_CHARGER], CHARGER)
        await hass.async_block_till_done(wait_background_tasks=True)
        assert active == []
    assert len(await discovered(hass)) == 2


async def test_discovered_after_a_truncated_one(
    hass: HomeAssistant, air: Radio
) -> None:
    """The first advertisement was cut off: the next one is looked at all the same."""
    air.send(bytes((0x10, 2, 0x89)))
    assert not await discovered(hass)
    air.say(Kind.BATTERY_MONITOR, MONITOR)
    assert len(await discovered(hass)) == 1


async def test_discovered_after_an_unknown_record(
    hass: HomeAssistant, air: Radio
) -> None:
    """It was set up as something else at first: offered once it is known, and once."""
    unknown = bytes((0x10, 2, 0x89, 0xA3, 0x3F, 1, 0, 1)) + bytes(12)
    for _ in range(3):
        air.send(unknown)
        assert not await discovered(hass)
    air.say(Kind.BATTERY_MONITOR, MONITOR)
    (flow,) = await discovered(hass)
    assert flow["context"]["unique_id"] == SHUNT
    hass.config_entries.flow.async_abort(flow["flow_id"])
    air.send(unknown)
    air.say(Kind.BATTERY_MONITOR, MONITOR)
    assert not await discovered(hass)


async def test_many_that_cannot_be_read(hass: HomeAssistant, air: Radio) -> None:
    """Of strangers without end the newest are waited for: memory has an end, too."""
    unknown = bytes((0x10, 2, 0x89, 0xA3, 0x3F, 1, 0, 1)) + bytes(12)
    for number in range(100):
        air.send(unknown, f"F8:5C:00:00:01:{number:02X}")
    assert not await discovered(hass)
    for number in range(100):
        air.say(Kind.BATTERY_MONITOR, MONITOR, f"F8:5C:00:00:01:{number:02X}")
    found = await discovered(hass)
    assert len(found) == 64
    assert "F8:5C:00:00:01:63" in {flow["context"]["unique_id"] for flow in found}


async def test_discovered_is_the_one_that_is_added(
    hass: HomeAssistant, air: Radio
) -> None:
    """The window of a device that was discovered adds no other one."""
    air.say(Kind.BATTERY_MONITOR, MONITOR)
    (flow,) = await discovered(hass)
    air.say(Kind.ORION_XS, GOOD[Kind.ORION_XS], ORION, model_id=0xA3F0)
    result = await submit(hass, flow, {"address": ORION, "encryption_key": KEY.hex()})
    assert result["errors"] == {"address": "other_device"}
    (label,) = offered(result)
    assert label.endswith(f"({SHUNT})")
    result = await submit(
        hass, flow, {"address": SHUNT.lower(), "encryption_key": KEY.hex()}
    )
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert devices(the_entry(hass)).popitem()[1] == SHUNT_DATA


# Subentries


async def subentry_flow(
    hass: HomeAssistant, entry: ConfigEntry, *, subentry_id: str | None = None
) -> Any:
    """Open the form that adds a device, or that changes one."""
    context = SubentryFlowContext(source=SOURCE_USER)
    if subentry_id is not None:
        context = SubentryFlowContext(
            source=SOURCE_RECONFIGURE, subentry_id=subentry_id
        )
    result = await hass.config_entries.subentries.async_init(
        (entry.entry_id, "victron_device"), context=context
    )
    assert_translated(
        {**result, "errors": result["errors"] or {}},
        "config_subentries",
        "victron_device",
    )
    return result


async def submit_subentry(hass: HomeAssistant, flow: Any, data: dict[str, Any]) -> Any:
    """Send a form off."""
    result = await hass.config_entries.subentries.async_configure(flow["flow_id"], data)
    await hass.async_block_till_done()
    assert_translated(result, "config_subentries", "victron_device")
    return result


async def test_subentry(hass: HomeAssistant, caravan: Site, radio: Radio) -> None:
    """A device is added to the entry."""
    radio.say(Kind.ORION_XS, GOOD[Kind.ORION_XS], ORION, model_id=0xA3F0)
    flow = await subentry_flow(hass, the_entry(hass))
    (label,) = offered(flow)
    assert label.startswith("Orion XS 12V/12V-50A")
    assert label.endswith(f"({ORION})")
    result = await submit_subentry(hass, flow, SHUNT_DATA)
    assert result["errors"] == {"address": "device_already_configured"}
    result = await submit_subentry(
        hass, flow, {"address": ORION, "encryption_key": KEY.hex()}
    )
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert result["description_placeholders"]["kind"] == "DC-DC charger"
    radio.say(Kind.ORION_XS, GOOD[Kind.ORION_XS], ORION, model_id=0xA3F0)
    await hass.async_block_till_done()
    assert caravan.state("output_current", owner=ORION) == "30.0"


@pytest.mark.parametrize("caravan_keys", [{SHUNT: "ff" * 16}])
async def test_reconfigure(hass: HomeAssistant, caravan: Site, radio: Radio) -> None:
    """The key of a device is changed; that is checked as well."""
    radio.say(Kind.BATTERY_MONITOR, MONITOR)
    entry = the_entry(hass)
    (subentry_id,) = entry.subentries
    flow = await subentry_flow(hass, entry, subentry_id=subentry_id)
    assert flow["description_placeholders"] == {"name": "Victron 01", "address": SHUNT}
    result = await submit_subentry(hass, flow, {"encryption_key": "?"})
    assert result["errors"] == {"encryption_key": "invalid_key"}
    result = await submit_subentry(hass, flow, {"encryption_key": KEY.hex()})
    assert result["reason"] == "reconfigure_successful"
    assert devices(entry) == {"Victron 01": SHUNT_DATA}
    assert caravan.state("data_fresh", "binary_sensor", SHUNT) == "on"


# Reauth


async def reauth(hass: HomeAssistant, entry: ConfigEntry, **data: Any) -> Any:
    """Have the key asked for."""
    return await hass.config_entries.flow.async_init(
        DOMAIN,
        context={
            "source": SOURCE_REAUTH,
            "entry_id": entry.entry_id,
            "unique_id": entry.unique_id,
        },
        data={**entry.data, **data},
    )


@pytest.mark.parametrize("data", [{}, {"address": SHUNT}])
async def test_reauth(
    hass: HomeAssistant, caravan: Site, radio: Radio, data: dict[str, str]
) -> None:
    """The key is asked for by the device's name, and checked."""
    radio.say(Kind.BATTERY_MONITOR, MONITOR)
    entry = the_entry(hass)
    flow = await reauth(hass, entry, **data)
    assert flow["step_id"] == "reauth_confirm"
    assert flow["description_placeholders"] == {"name": "Victron 01", "address": SHUNT}
    result = await submit(hass, flow, {"encryption_key": "ff" * 16})
    assert result["errors"] == {"encryption_key": "wrong_key"}
    result = await submit(hass, flow, {"encryption_key": KEY.hex()})
    assert result["reason"] == "reauth_successful"


@pytest.mark.parametrize("caravan_keys", [{SHUNT: "ff" * 16}])
async def test_the_wrong_key_again(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    caravan: Site,
    radio: Radio,
) -> None:
    """The key that was found not to fit is no answer, also while nothing is heard."""
    for _ in range(10):
        radio.say(Kind.BATTERY_MONITOR, MONITOR)
        freezer.tick(1)
    freezer.tick(1000)
    await hass.async_block_till_done()
    (flow,) = (
        flow
        for flow in hass.config_entries.flow.async_progress_by_handler(DOMAIN)
        if flow["context"]["source"] == SOURCE_REAUTH
    )
    result = await submit(hass, flow, {"encryption_key": "ff" * 16})
    assert result["errors"] == {"encryption_key": "wrong_key"}
    result = await submit(hass, flow, {"encryption_key": KEY.hex()})
    assert result["reason"] == "reauth_successful"


async def test_reauth_of_a_device_that_is_gone(
    hass: HomeAssistant, caravan: Site
) -> None:
    """Nobody needs the key of a device that was removed."""
    flow = await reauth(hass, the_entry(hass), address=CHARGER)
    assert flow["reason"] == "device_removed"


def reauths(hass: HomeAssistant) -> list[Any]:
    """Give the flows that ask for a key."""
    return [
        flow
        for flow in hass.config_entries.flow.async_progress_by_handler(DOMAIN)
        if flow["context"]["source"] == SOURCE_REAUTH
    ]


async def say_ten_times(hass: HomeAssistant, radio: Radio, *addresses: str) -> None:
    """Say so much that a wrong key is found out."""
    for address in addresses or (SHUNT,):
        for _ in range(10):
            radio.say(Kind.BATTERY_MONITOR, MONITOR, address)
    await hass.async_block_till_done()


@pytest.mark.parametrize("caravan_keys", [{SHUNT: "ff" * 16}])
@pytest.mark.parametrize("finish", [False, True], ids=["closed", "sent off"])
async def test_reauth_after_the_servers_window(
    hass: HomeAssistant,
    caravan: Site,
    radio: Radio,
    pki_files: Files,
    unused_tcp_port: int,
    finish: bool,
) -> None:
    """Home Assistant asks for no key meanwhile, and at once when it is closed."""
    window = await caravan.entry.start_reconfigure_flow(hass)
    await say_ten_times(hass, radio)
    assert caravan.entry.runtime_data.devices.wrong_keys == {SHUNT}
    assert not reauths(hass)
    if finish:
        await hass.config_entries.flow.async_configure(
            window["flow_id"],
            {
                "port": unused_tcp_port,
                "ssl_cert": str(pki_files.certificate),
                "ssl_key": str(pki_files.key),
            },
        )
        await hass.async_block_till_done()
        await say_ten_times(hass, radio)
    else:
        hass.config_entries.flow.async_abort(window["flow_id"])
        await hass.async_block_till_done()
    (flow,) = reauths(hass)
    assert flow["context"]["unique_id"] == SHUNT
    await say_ten_times(hass, radio)
    assert reauths(hass) == [flow]


@pytest.mark.parametrize("caravan_keys", [{SHUNT: "ff" * 16}])
@pytest.mark.parametrize("finish", [False, True], ids=["closed", "sent off"])
async def test_reauth_and_the_devices_own_window(
    hass: HomeAssistant, caravan: Site, radio: Radio, finish: bool
) -> None:
    """It is asked for once; a key that is typed there answers both."""
    (subentry_id,) = caravan.entry.subentries
    window = await subentry_flow(hass, caravan.entry, subentry_id=subentry_id)
    await say_ten_times(hass, radio)
    (flow,) = reauths(hass)
    if finish:
        await submit_subentry(hass, window, {"encryption_key": KEY.hex()})
    else:
        hass.config_entries.subentries.async_abort(window["flow_id"])
    await hass.async_block_till_done()
    await say_ten_times(hass, radio)
    assert reauths(hass) == ([] if finish else [flow])


@pytest.mark.parametrize("caravan_keys", [{SHUNT: "ff" * 16, CHARGER: "ff" * 16}])
@pytest.mark.parametrize("how", ["answered", "removed"])
async def test_the_next_reauth(
    hass: HomeAssistant, caravan: Site, radio: Radio, how: str
) -> None:
    """Once the first is answered, or its device removed, the second is asked about."""
    await say_ten_times(hass, radio, SHUNT, CHARGER)
    (flow,) = reauths(hass)
    assert flow["context"]["unique_id"] == SHUNT
    if how == "answered":
        result = await submit(hass, flow, {"encryption_key": KEY.hex()})
        assert result["reason"] == "reauth_successful"
    else:
        subentry_id = next(iter(caravan.entry.subentries))
        hass.config_entries.async_remove_subentry(caravan.entry, subentry_id)
        await hass.async_block_till_done()
    (flow,) = reauths(hass)
    assert flow["context"]["unique_id"] == CHARGER


# Two battery monitors


def leads_to(hass: HomeAssistant, address: str) -> str | None:
    """Return the device that the page of a device leads to."""
    registry = dr.async_get(hass)
    entry_id = the_entry(hass).entry_id
    device = registry.async_get_device_by_identifier((DOMAIN, address), entry_id)
    assert device is not None
    if device.via_device_id is None:
        return None
    via = registry.async_get(device.via_device_id)
    assert via is not None
    ((_, identifier),) = via.identifiers
    return identifier


@pytest.mark.parametrize("main", [SHUNT, ORION])
async def test_second_monitor(
    hass: HomeAssistant, caravan: Site, radio: Radio, main: str
) -> None:
    """Whoever adds a second battery monitor says which is the main one."""
    radio.say(Kind.BATTERY_MONITOR, MONITOR)
    radio.say(Kind.BATTERY_MONITOR, MONITOR, ORION, name="BMV")
    await hass.async_block_till_done()
    flow = await by_hand(hass)
    result = await submit(hass, flow, {"address": ORION, "encryption_key": KEY.hex()})
    assert result["step_id"] == "main_monitor"
    result = await submit(hass, flow, {"main_monitor": main})
    assert result["reason"] == "victron_added"
    entry = the_entry(hass)
    assert entry.options == {"main_monitor": main}
    assert devices(entry).keys() == {"Victron 01", "BMV"}
    # The options offer it from now on.
    for address in (SHUNT, ORION):
        radio.say(Kind.BATTERY_MONITOR, MONITOR, address)
    await hass.async_block_till_done()
    _, form = await open_form(hass, entry, "battery")
    assert form["main_monitor"] == main
    # Its page leads to where its readings are, and the other's does not.
    for chosen in (main, SHUNT, ORION):
        hass.config_entries.async_update_entry(entry, options={"main_monitor": chosen})
        await hass.async_block_till_done()
        radio.say(Kind.BATTERY_MONITOR, MONITOR, chosen)
        await hass.async_block_till_done()
        leads = {each: leads_to(hass, each) for each in (SHUNT, ORION)}
        assert leads == {SHUNT: None, ORION: None} | {chosen: "battery"}


async def test_second_monitor_as_subentry(
    hass: HomeAssistant, caravan: Site, radio: Radio
) -> None:
    """The same from the integration's own menu."""
    radio.say(Kind.BATTERY_MONITOR, MONITOR)
    radio.say(Kind.BATTERY_MONITOR, MONITOR, ORION)
    await hass.async_block_till_done()
    flow = await subentry_flow(hass, the_entry(hass))
    result = await submit_subentry(
        hass, flow, {"address": ORION, "encryption_key": KEY.hex()}
    )
    assert result["step_id"] == "main_monitor"
    result = await submit_subentry(hass, flow, {"main_monitor": ORION})
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert the_entry(hass).options == {"main_monitor": ORION}


async def test_second_monitor_while_the_entry_goes(
    hass: HomeAssistant, caravan: Site, radio: Radio
) -> None:
    """Somebody else removed the entry meanwhile."""
    radio.say(Kind.BATTERY_MONITOR, MONITOR)
    radio.say(Kind.BATTERY_MONITOR, MONITOR, ORION)
    await hass.async_block_till_done()
    flow = await by_hand(hass)
    result = await submit(hass, flow, {"address": ORION, "encryption_key": KEY.hex()})
    assert result["step_id"] == "main_monitor"
    await hass.config_entries.async_remove(the_entry(hass).entry_id)
    result = await submit(hass, flow, {"main_monitor": ORION})
    assert result["reason"] == "device_removed"


OTHER_FRAME = bytes((0x02, 0x10, 0x20, 0x30, 0x40, 0x50, 0x60, 0x70, 0x80))


@pytest.mark.parametrize("known", [True, False])
async def test_other_frames_in_between(
    hass: HomeAssistant, air: Radio, known: bool
) -> None:
    """A device of a VE.Smart network is offered, and its key checked, all the same."""
    if known:
        air.say(Kind.BATTERY_MONITOR, MONITOR)
        await hass.async_block_till_done(wait_background_tasks=True)
    air.send(OTHER_FRAME)
    flow = await by_hand(hass)
    assert bool(offered(flow)) is known
    if not known:
        # The next Instant Readout is waited for.
        hass.loop.call_later(0.2, lambda: air.say(Kind.BATTERY_MONITOR, MONITOR))
    wrong = SHUNT_DATA | {"encryption_key": "ff" * 16}
    result = await submit(hass, flow, wrong)
    assert result["errors"] == {"encryption_key": "wrong_key"}
    air.send(OTHER_FRAME)
    result = await submit(hass, flow, SHUNT_DATA)
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert devices(the_entry(hass)).keys() == {"SmartShunt 500A/50mV"}
