"""The options: what they show, what they take, and what follows without a restart."""

from collections.abc import Callable
from types import MappingProxyType
from typing import Any

from freezegun.api import FrozenDateTimeFactory
from homeassistant.config_entries import ConfigEntryState, ConfigSubentry
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType, InvalidData
from homeassistant.util import dt as dt_util
import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_fire_time_changed,
)

from custom_components.bmw_wallbox_victron.const import DOMAIN, NAME
from simulators.wallbox import Car, SimulatedWallbox

from .kit.flows import Form, open_form, save, subentry_data
from .kit.site import CHARGE_POINT_ID, Site, settle
from .kit.time import let_pass

type MakeWallbox = Callable[..., SimulatedWallbox]

OTHER_ID = "DE*BMW*E2"
DEFAULTS: Form = {
    "max_current": 32,
    "meter_interval": 10,
    "freshness_timeout": 300,
    "allow_reboot": False,
}


def most(hass: HomeAssistant, site: Site) -> float:
    """Give the most that the current limit can be set to."""
    state = hass.states.get(site.entity_id("number", "current_limit"))
    assert state is not None
    maximum: float = state.attributes["max"]
    return maximum


async def add_wallbox(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """Add a second wallbox."""
    hass.config_entries.async_add_subentry(
        entry,
        ConfigSubentry(
            subentry_type="wallbox",
            title="Other",
            data=MappingProxyType({"charge_point_id": OTHER_ID, "max_current": 16}),
            unique_id=OTHER_ID,
        ),
    )
    await hass.async_block_till_done()


# The form


async def test_defaults(hass: HomeAssistant, site: Site) -> None:
    """Nothing was set: the defaults are shown, and saved as they are."""
    _, shown = await open_form(hass, site.entry)
    assert shown == DEFAULTS
    await save(hass, site.entry)
    assert site.entry.options == {
        "meter_interval": 10,
        "freshness_timeout": 300,
        "allow_reboot": False,
    }
    assert subentry_data(site.entry, CHARGE_POINT_ID)["max_current"] == 32


async def test_saved(hass: HomeAssistant, site: Site) -> None:
    """What was set is shown the next time, as whole numbers."""
    changes = {
        "max_current": 20.0,
        "meter_interval": 30.0,
        "freshness_timeout": 120.0,
        "allow_reboot": True,
    }
    await save(hass, site.entry, **changes)
    assert site.entry.options == {
        "meter_interval": 30,
        "freshness_timeout": 120,
        "allow_reboot": True,
    }
    assert type(site.entry.options["meter_interval"]) is int
    stored = subentry_data(site.entry, CHARGE_POINT_ID)
    assert stored == {"charge_point_id": CHARGE_POINT_ID, "max_current": 20}
    assert type(stored["max_current"]) is int
    _, shown = await open_form(hass, site.entry)
    assert shown == changes
    assert site.entry.state is ConfigEntryState.LOADED


@pytest.mark.parametrize(
    ("field", "least", "most"),
    [("max_current", 6, 63), ("meter_interval", 5, 60), ("freshness_timeout", 30, 900)],
)
async def test_ranges(
    hass: HomeAssistant, site: Site, field: str, least: int, most: int
) -> None:
    """The ends of a range are taken, what lies beyond is refused."""
    flow_id, shown = await open_form(hass, site.entry)
    for bad in (least - 1, most + 1, "many", None):
        with pytest.raises(InvalidData):
            await hass.config_entries.options.async_configure(
                flow_id, shown | {field: bad}
            )
    hass.config_entries.options.async_abort(flow_id)
    for good in (least, most):
        await save(hass, site.entry, **{field: good})
        _, shown = await open_form(hass, site.entry)
        assert shown[field] == good


async def test_other_options_stay(
    hass: HomeAssistant, entry: MockConfigEntry, site: Site
) -> None:
    """An option that the form does not have is not lost."""
    hass.config_entries.async_update_entry(entry, options={"main_monitor": "A"})
    await hass.async_block_till_done()
    await save(hass, entry, meter_interval=20)
    assert entry.options == {
        "main_monitor": "A",
        "freshness_timeout": 300,
        "meter_interval": 20,
        "allow_reboot": False,
    }


async def test_two_wallboxes(hass: HomeAssistant, site: Site) -> None:
    """With two, the form cannot mean one: each has its own reconfigure step."""
    await add_wallbox(hass, site.entry)
    _, shown = await open_form(hass, site.entry)
    assert shown.keys() == {"meter_interval", "freshness_timeout", "allow_reboot"}
    await save(hass, site.entry, meter_interval=20)
    assert subentry_data(site.entry, CHARGE_POINT_ID)["max_current"] == 32
    assert subentry_data(site.entry, OTHER_ID)["max_current"] == 16


async def test_no_wallbox(hass: HomeAssistant) -> None:
    """Without a wallbox there is nothing to bear a current."""
    entry = MockConfigEntry(domain=DOMAIN, title=NAME, unique_id=DOMAIN, data={})
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    _, shown = await open_form(hass, entry)
    assert shown.keys() == {"meter_interval", "freshness_timeout", "allow_reboot"}
    await save(hass, entry, allow_reboot=True)
    assert entry.options == {
        "meter_interval": 10,
        "freshness_timeout": 300,
        "allow_reboot": True,
    }


async def test_other_subentries_are_no_wallboxes(
    hass: HomeAssistant, entry: MockConfigEntry, site: Site
) -> None:
    """One wallbox among other things is still the only wallbox."""
    hass.config_entries.async_add_subentry(
        entry,
        ConfigSubentry(
            subentry_type="victron_device",
            title="SmartShunt",
            data=MappingProxyType({"address": "AA:BB:CC:DD:EE:FF"}),
            unique_id="AA:BB:CC:DD:EE:FF",
        ),
    )
    await hass.async_block_till_done()
    _, shown = await open_form(hass, entry)
    assert shown["max_current"] == 32


async def test_a_second_wallbox_comes_meanwhile(
    hass: HomeAssistant, site: Site
) -> None:
    """A form that was opened with one wallbox does not change one of two."""
    flow_id, shown = await open_form(hass, site.entry)
    await add_wallbox(hass, site.entry)
    result = await hass.config_entries.options.async_configure(
        flow_id, shown | {"max_current": 10}
    )
    await hass.async_block_till_done()
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert "max_current" not in site.entry.options
    assert subentry_data(site.entry, CHARGE_POINT_ID)["max_current"] == 32
    assert subentry_data(site.entry, OTHER_ID)["max_current"] == 16


# What follows


@pytest.mark.parametrize(
    "wallbox_data",
    [
        {
            "charge_point_id": CHARGE_POINT_ID,
            "max_current": 32,
            "password": "secret-16-chars!",
            "rfid_token": "04AB",
            "allowed_tokens": ["04CD"],
        }
    ],
)
async def test_max_current(
    hass: HomeAssistant,
    site: Site,
    make_wallbox: MakeWallbox,
    wallbox_data: dict[str, Any],
    freezer: FrozenDateTimeFactory,
) -> None:
    """The number's range follows, the box is told no more, the rest is kept."""
    wallbox = make_wallbox(password="secret-16-chars!")
    await wallbox.connect()
    await wallbox.plug_in(Car())
    await settle(hass, wallbox)
    assert most(hass, site) == 32
    assert site.number("enforced_limit") == 32
    await save(hass, site.entry, max_current=13)
    assert subentry_data(site.entry, CHARGE_POINT_ID) == wallbox_data | {
        "max_current": 13
    }
    assert most(hass, site) == 13
    assert float(site.state("current_limit", "number")) == 13
    await let_pass(hass, freezer, 2)
    await settle(hass, wallbox)
    await wallbox.tick(1)
    assert site.number("enforced_limit") == 13
    assert max(wallbox.charger.readings.current_a) == 13
    await save(hass, site.entry, max_current=16)
    assert most(hass, site) == 16
    await let_pass(hass, freezer, 2)
    await settle(hass, wallbox)
    assert site.number("enforced_limit") == 16
    assert wallbox.connected


async def test_max_current_below_the_target(
    hass: HomeAssistant,
    site: Site,
    make_wallbox: MakeWallbox,
    freezer: FrozenDateTimeFactory,
) -> None:
    """A wish above the new maximum is capped, and back when there is room again."""
    await hass.services.async_call(
        "number",
        "set_value",
        {"entity_id": site.entity_id("number", "current_limit"), "value": 20},
        blocking=True,
    )
    await save(hass, site.entry, max_current=16)
    assert float(site.state("current_limit", "number")) == 16
    wallbox = make_wallbox()
    await wallbox.connect()
    await settle(hass, wallbox)
    assert site.number("enforced_limit") == 16
    await save(hass, site.entry, max_current=25)
    assert float(site.state("current_limit", "number")) == 20
    await let_pass(hass, freezer, 2)
    await settle(hass, wallbox)
    assert site.number("enforced_limit") == 20


async def test_meter_interval(
    hass: HomeAssistant,
    site: Site,
    make_wallbox: MakeWallbox,
    freezer: FrozenDateTimeFactory,
) -> None:
    """The wallbox is told the new interval, and sends its readings by it."""
    wallbox = make_wallbox()
    await wallbox.connect()
    await settle(hass, wallbox)
    assert wallbox.model.text("SampledDataCtrlr", "TxUpdatedInterval") == "10"
    await save(hass, site.entry, meter_interval=45)
    await settle(hass, wallbox)
    assert wallbox.model.text("SampledDataCtrlr", "TxUpdatedInterval") == "45"
    await wallbox.plug_in(Car())
    await settle(hass, wallbox)

    def readings() -> int:
        return sum(
            call.payload["triggerReason"] == "MeterValuePeriodic"
            for call in wallbox.sent_of("TransactionEvent")
        )

    before = readings()
    freezer.tick(90)
    await wallbox.tick(90)
    await settle(hass, wallbox)
    assert readings() - before == 2


@pytest.mark.parametrize("allow", [False, True])
async def test_allow_reboot(
    hass: HomeAssistant,
    site: Site,
    make_wallbox: MakeWallbox,
    freezer: FrozenDateTimeFactory,
    monkeypatch: pytest.MonkeyPatch,
    allow: bool,
) -> None:
    """A limit that nothing makes hold: rebooted if that is allowed, else never."""
    await save(hass, site.entry, allow_reboot=allow, max_current=16)
    wallbox = make_wallbox()
    # It accepts every profile and keeps none.
    monkeypatch.setattr(wallbox, "enforced_profiles", tuple)
    await wallbox.connect()
    await wallbox.plug_in(Car())
    for _ in range(60):
        freezer.tick(5)
        if wallbox.connected:
            await wallbox.tick(5)
        async_fire_time_changed(hass, dt_util.utcnow())
        await settle(hass, wallbox)
        if wallbox.calls("Reset"):
            break
    assert bool(wallbox.calls("Reset")) is allow
    assert site.binary("limit_not_enforced") == "on"


async def test_nothing_changed(
    hass: HomeAssistant, site: Site, make_wallbox: MakeWallbox
) -> None:
    """Saving what was there already does not hang up on the wallbox."""
    await save(hass, site.entry)
    wallbox = make_wallbox()
    await wallbox.connect()
    await settle(hass, wallbox)
    await save(hass, site.entry)
    await settle(hass, wallbox)
    assert wallbox.connected
    assert site.state("status") == "available"


async def test_nothing_is_cut_off(
    hass: HomeAssistant, site: Site, make_wallbox: MakeWallbox
) -> None:
    """Options and the wallbox's own setting count while it stays connected."""
    wallbox = make_wallbox()
    await wallbox.connect()
    await settle(hass, wallbox)
    coordinator = site.entry.runtime_data
    await save(hass, site.entry, max_current=10, meter_interval=20, allow_reboot=True)
    await settle(hass, wallbox)
    assert site.entry.runtime_data is coordinator
    (station,) = coordinator.stations.values()
    assert (
        station.config.max_current,
        station.config.meter_interval,
        station.config.allow_reboot,
    ) == (10, 20, True)
    assert wallbox.connected


async def test_plug(hass: HomeAssistant, site: Site) -> None:
    """The plug's entities are chosen, shown, and can be emptied again."""
    plug = {
        "mains_switch": "switch.plug",
        "mains_power": "sensor.plug_power",
        "mains_current": "sensor.plug_current",
    }
    await save(hass, site.entry, **plug)
    assert site.entry.options.items() >= plug.items()
    flow_id, shown = await open_form(hass, site.entry)
    assert shown.items() >= plug.items()
    left = {key: value for key, value in shown.items() if key not in plug}
    left["mains_power"] = "input_number.power"
    await hass.config_entries.options.async_configure(flow_id, left)
    await hass.async_block_till_done()
    assert site.entry.options["mains_power"] == "input_number.power"
    assert "mains_switch" not in site.entry.options
    assert "mains_current" not in site.entry.options


async def test_no_entity_of_ours_is_offered_as_the_plug(
    hass: HomeAssistant, site: Site
) -> None:
    """What follows from the plug cannot tell of it; but what was chosen can stay."""
    mine = site.entity_id("switch", "charging")
    flow_id, shown = await open_form(hass, site.entry)
    with pytest.raises(InvalidData):
        await hass.config_entries.options.async_configure(
            flow_id, shown | {"mains_switch": mine}
        )
    hass.config_entries.async_update_entry(
        site.entry, options={**site.entry.options, "mains_switch": mine}
    )
    await hass.async_block_till_done()
    await save(hass, site.entry, meter_interval=20)
    assert site.entry.options["mains_switch"] == mine
