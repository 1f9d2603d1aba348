"""A BMS in Home Assistant: from its characteristics to entity states."""

import asyncio
from collections.abc import Awaitable, Callable, Generator
from datetime import timedelta
import json
import logging
from types import MappingProxyType
from unittest.mock import AsyncMock, PropertyMock, patch

from freezegun.api import FrozenDateTimeFactory
from homeassistant.config_entries import (
    ConfigEntryState,
    ConfigSubentry,
    ConfigSubentryData,
)
from homeassistant.const import EVENT_HOMEASSISTANT_STOP
from homeassistant.core import Event, HomeAssistant, callback
from homeassistant.helpers import entity_registry as er
import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_fire_time_changed,
)

from custom_components.bmw_wallbox_victron.bms import (
    BMS_REQUIREMENT,
    LIBRARY_RETRY,
)
from custom_components.bmw_wallbox_victron.bms_model import values_of
from custom_components.bmw_wallbox_victron.const import DOMAIN, NAME
from custom_components.bmw_wallbox_victron.diagnostics import (
    async_get_config_entry_diagnostics,
)
from simulators.bms import Battery, BmsRadio, Fault, Jbd, SimulatedBms

from ..kit.bms import ADDRESS, SAYS_MORE, replayed
from ..kit.flows import device_of
from ..kit.radio import callbacks


@pytest.fixture
def _all_on() -> Generator[None]:
    """Have all entities that are off by default."""
    with patch(
        "homeassistant.helpers.entity.Entity.entity_registry_enabled_default",
        PropertyMock(return_value=True),
    ):
        yield


@pytest.fixture
def entry(hass: HomeAssistant, radio: BmsRadio) -> MockConfigEntry:
    """An entry with a BMS, not set up yet."""
    config_entry = MockConfigEntry(
        domain=DOMAIN,
        title=NAME,
        unique_id=DOMAIN,
        options={"freshness_timeout": 60},
        subentries_data=[
            ConfigSubentryData(
                subentry_type="bms",
                title="House battery",
                data={"address": ADDRESS, "model": "jbd_bms"},
                unique_id=ADDRESS,
            )
        ],
    )
    config_entry.add_to_hass(hass)
    return config_entry


async def settle(hass: HomeAssistant) -> None:
    await hass.async_block_till_done(wait_background_tasks=True)


async def start(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """Set it up."""
    assert await hass.config_entries.async_setup(entry.entry_id)
    await settle(hass)


def states(hass: HomeAssistant, address: str = ADDRESS) -> dict[str, str]:
    """Give the states of the BMS by the keys of their unique ids."""
    found = {}
    for entity in er.async_get(hass).entities.values():
        if entity.platform == DOMAIN and entity.unique_id.startswith(address):
            state = hass.states.get(entity.entity_id)
            if state is not None:
                found[entity.unique_id.removeprefix(f"{address}_")] = state.state
    return found


@pytest.fixture
def tick(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> Callable[..., Awaitable[None]]:
    """Let 20 s pass, so many times."""

    async def ticks(times: int = 1) -> None:
        for _ in range(times):
            freezer.tick(timedelta(seconds=20))
            async_fire_time_changed(hass)
            for _ in range(100):  # a refused connection is tried again within 1 s
                await hass.async_block_till_done()
                freezer.tick(timedelta(seconds=0.01))
            await settle(hass)

    return ticks


@pytest.mark.usefixtures("_all_on")
async def test_all_it_says(
    hass: HomeAssistant, entry: MockConfigEntry, radio: BmsRadio, jbd: SimulatedBms
) -> None:
    radio.hear(jbd, rssi=-66)
    jbd.battery = Battery(balancing=0x4, problem_code=0x1001)
    await start(hass, entry)
    shown = states(hass)
    assert shown.pop("last_heard") not in ("unknown", "unavailable")
    assert shown == {
        "voltage": "13.28",
        "current": "-4.2",
        "power": "-55.78",
        "soc": "76",
        "remaining_ah": "114.0",
        "time_to_go": "1629",
        "temperature": "18.0",
        "temperature_1": "18.0",
        "temperature_2": "19.0",
        "cycles": "41",
        "cell_voltage_min": "3.316",
        "cell_voltage_max": "3.324",
        "cell_voltage_delta": "0.008",
        "cell_voltage_1": "3.319",
        "cell_voltage_2": "3.321",
        "cell_voltage_3": "3.324",
        "cell_voltage_4": "3.316",
        "capacity_ah": "150",
        "battery_health": "unknown",
        "problem": "on",
        "problem_code": "4097",
        "balancer": "on",
        "heater": "unknown",
        "charge_enabled": "on",
        "discharge_enabled": "on",
        "data_fresh": "on",
        "signal_strength": "-66",
    }
    device = device_of(hass, entry, ADDRESS)
    assert device is not None
    assert (device.name, device.manufacturer, device.model) == (
        "House battery",
        "Jiabaida",
        "smart BMS",
    )
    assert device.connections == {("bluetooth", ADDRESS)}
    assert device.hw_version == "JBD-SP04S034"
    assert device.sw_version == ("8.0" if SAYS_MORE else None)


@pytest.mark.usefixtures("_all_on")
async def test_all_that_another_says(
    hass: HomeAssistant, radio: BmsRadio, humsienk: SimulatedBms
) -> None:
    """What it is, is read in the connection of the first poll, and once."""
    humsienk.battery = Battery(
        temperatures=(-2, -3, 1, 0, 24, 5), health=97, heating=True
    )
    radio.hear(humsienk)
    entry = MockConfigEntry(
        domain=DOMAIN,
        unique_id=DOMAIN,
        subentries_data=[
            ConfigSubentryData(
                subentry_type="bms",
                title="House battery",
                data={"address": humsienk.address, "model": "humsienk_bms"},
                unique_id=humsienk.address,
            )
        ],
    )
    entry.add_to_hass(hass)
    await start(hass, entry)
    shown = states(hass, humsienk.address)
    assert {key: shown[key] for key in shown if key.startswith("temperature")} == {
        "temperature": "-3.0",
        "temperature_1": "-2.0",
        "temperature_2": "-3.0",
        "temperature_3": "1.0",
        "temperature_4": "0.0",
        "temperature_5": "24.0",
        "temperature_6": "5.0",
    }
    assert shown["battery_health"] == "97"
    assert shown["heater"] == ("on" if SAYS_MORE else "unknown")
    assert shown["problem_code"] == "0"
    if SAYS_MORE:  # the heater's bit was one of them
        assert shown["balancer"] == "off"
    device = device_of(hass, entry, humsienk.address)
    assert device is not None
    assert (device.model, device.model_id) == ("BMC", "BMC-04S001")
    assert device.hw_version == "1.0"
    assert humsienk.opened == 1


@pytest.mark.usefixtures("_all_on")
@pytest.mark.parametrize(
    ("temperatures", "shown", "dead"),
    [
        ((19.0, 20.0, 0.0), "19.0", "unknown"),
        ((-11.5, 0.0, 0.0), "-11.5", "unknown"),
        ((21.0, 22.0, -45.0), "21.0", "unknown"),
        ((3.0, 2.0, 0.0), "0.0", "0.0"),
    ],
)
async def test_a_dead_probe(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    radio: BmsRadio,
    jbd: SimulatedBms,
    temperatures: tuple[float, ...],
    shown: str,
    dead: str,
) -> None:
    """It costs its own entity; a cold one among cold ones is none."""
    jbd.battery = Battery(temperatures=temperatures)
    radio.hear(jbd)
    await start(hass, entry)
    assert states(hass)["temperature"] == shown
    assert states(hass)["temperature_1"] == str(temperatures[0])
    assert states(hass)["temperature_3"] == dead


@pytest.mark.usefixtures("_all_on")
async def test_several_cells_after_a_restart(
    hass: HomeAssistant, entry: MockConfigEntry, radio: BmsRadio, jbd: SimulatedBms
) -> None:
    """How many there are is known with the first answer."""
    radio.hear(jbd)
    await start(hass, entry)
    await hass.config_entries.async_unload(entry.entry_id)
    jbd.fault = Fault.BUSY
    await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    assert states(hass)["cell_voltage_4"] == "unavailable"
    jbd.fault = None
    jbd.battery = Battery(cells=(3.3,) * 8)
    await hass.config_entries.async_reload(entry.entry_id)
    await settle(hass)
    assert states(hass)["cell_voltage_8"] == "3.3"
    assert "cell_voltage_9" not in states(hass)


async def test_its_last_samples_can_be_shown(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    radio: BmsRadio,
    jbd: SimulatedBms,
    tick: Callable[..., Awaitable[None]],
) -> None:
    """Twenty of them, with how far they are apart."""
    radio.hear(jbd)
    await start(hass, entry)
    jbd.battery = Battery(problem_code=1)
    await tick(24)
    (device,) = (await async_get_config_entry_diagnostics(hass, entry))["devices"]
    records = device["records"]
    assert len(records) == 20
    assert records[0]["at"] == 0
    assert records[-1]["at"] == pytest.approx(19 * 21, abs=2)  # as `tick` counts
    assert values_of(replayed(records)[-1][1]) == device["reading"]
    assert ADDRESS not in json.dumps(records)


@pytest.mark.usefixtures("_all_on")
async def test_its_last_samples_play_again(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    radio: BmsRadio,
    jbd: SimulatedBms,
    tick: Callable[..., Awaitable[None]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What was shown of them is shown again, and what no battery can say is not."""

    async def shown() -> tuple[dict[str, str], object]:
        (device,) = (await async_get_config_entry_diagnostics(hass, entry))["devices"]
        states_ = {
            key: each for key, each in states(hass).items() if "heard" not in key
        }
        return states_, device["fault"]

    batteries = (
        Battery(current=12.5, soc=80, temperatures=(-3.0, 21.0)),
        Battery(voltage=99.0),
        Battery(cells=(3.2, 3.4, 3.3, 3.3), problem_code=4, charge_enabled=False),
    )
    radio.hear(jbd)
    await start(hass, entry)
    before = [await shown()]
    for battery in batteries:
        jbd.battery = battery
        await tick()
        before.append(await shown())
    (device,) = (await async_get_config_entry_diagnostics(hass, entry))["devices"]
    samples = [
        sample for _, sample in replayed(json.loads(json.dumps(device["records"])))
    ]
    assert len(samples) == len(before)

    await hass.config_entries.async_unload(entry.entry_id)
    monkeypatch.setattr(
        "aiobmsble.bms.jbd_bms.BMS.async_update", AsyncMock(side_effect=samples)
    )
    await hass.config_entries.async_setup(entry.entry_id)
    await settle(hass)
    again = [await shown()]
    for _ in batteries:
        await tick()
        again.append(await shown())
    assert again == before


async def test_a_secret_is_nobody_elses_business(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    radio: BmsRadio,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It is in no line of the log, however much is logged, in whatever form."""
    caplog.set_level(logging.DEBUG, "custom_components.bmw_wallbox_victron")
    secret = "Geheim42"
    (subentry,) = entry.subentries.values()
    hass.config_entries.async_update_subentry(
        entry, subentry, data={**subentry.data, "secret": secret}
    )
    locked = SimulatedBms(Jbd(secret), ADDRESS)
    radio.hear(locked)
    await start(hass, entry)
    assert states(hass)["data_fresh"] == "on"
    assert any(secret.encode() in request for request in locked.requests)
    ours = [
        record.message
        for record in caplog.records
        if record.name.startswith("custom_components")
    ]
    assert any("TX BLE req" in line for line in ours)
    for form in (secret, secret.encode().hex(), secret.encode().hex(" ")):
        assert not any(form in line for line in ours)


async def test_on_by_default(
    hass: HomeAssistant, entry: MockConfigEntry, radio: BmsRadio, jbd: SimulatedBms
) -> None:
    """Its details are off, and so is what the BMS lacks."""
    jbd.battery = Battery(current=4.2, temperatures=())
    radio.hear(jbd)
    await start(hass, entry)
    assert states(hass).keys() == {
        *("voltage", "current", "power", "soc", "time_to_go", "remaining_ah"),
        "cycles",
        "cell_voltage_delta",
        "problem",
        "charge_enabled",
        "discharge_enabled",
        "data_fresh",
    }


async def test_a_fault_of_the_battery(
    hass: HomeAssistant, entry: MockConfigEntry, radio: BmsRadio, jbd: SimulatedBms
) -> None:
    jbd.battery = Battery(problem_code=0x04, charge_enabled=False)
    radio.hear(jbd)
    await start(hass, entry)
    shown = states(hass)
    assert (shown["problem"], shown["charge_enabled"]) == ("on", "off")


@pytest.mark.usefixtures("_all_on")
async def test_freshness_ends_and_begins_again(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    radio: BmsRadio,
    jbd: SimulatedBms,
    tick: Callable[..., Awaitable[None]],
) -> None:
    radio.hear(jbd)
    await start(hass, entry)
    jbd.fault = Fault.BUSY
    await tick(2)
    assert states(hass)["voltage"] == "13.28"
    await tick(2)
    shown = states(hass)
    assert shown["data_fresh"] == "off"
    assert shown["last_heard"] != "unavailable"
    for key in ("voltage", "soc", "problem", "cycles", "signal_strength"):
        assert shown[key] == "unavailable"
    jbd.fault = None
    jbd.battery = Battery(voltage=13.31)
    await tick()
    shown = states(hass)
    assert (shown["data_fresh"], shown["voltage"]) == ("on", "13.31")
    assert jbd.open_now == 0


@pytest.mark.usefixtures("_all_on")
async def test_a_longer_timeout_counts_for_what_it_said(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    radio: BmsRadio,
    jbd: SimulatedBms,
    tick: Callable[..., Awaitable[None]],
) -> None:
    """As for a device that is only heard: at once, not with its next answer."""
    radio.hear(jbd)
    await start(hass, entry)
    jbd.fault = Fault.BUSY
    await tick(4)
    before = states(hass)
    assert before["data_fresh"] == "off"
    hass.config_entries.async_update_entry(entry, options={"freshness_timeout": 120})
    await settle(hass)
    assert states(hass)["data_fresh"] == "on"
    assert states(hass)["voltage"] == "13.28"
    assert states(hass)["last_heard"] == before["last_heard"]
    await tick(2)
    assert states(hass)["data_fresh"] == "off"
    hass.config_entries.async_update_entry(entry, options={"freshness_timeout": 121})
    await settle(hass)
    assert states(hass)["data_fresh"] == "off"


@pytest.mark.usefixtures("_all_on")
async def test_what_hardly_moves_writes_nothing(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    radio: BmsRadio,
    jbd: SimulatedBms,
    tick: Callable[..., Awaitable[None]],
) -> None:
    radio.hear(jbd)
    await start(hass, entry)
    written: list[Event] = []

    @callback
    def note(event: Event) -> None:
        if "house_battery" in event.data["entity_id"]:
            written.append(event)

    hass.bus.async_listen("state_changed", note)
    jbd.battery = Battery(
        voltage=13.32, current=-4.35, cells=(3.318, 3.322, 3.325, 3.317)
    )
    await tick()
    assert written == []
    jbd.battery = Battery(voltage=13.34)
    await tick()
    assert [event.data["new_state"].state for event in written] == ["13.34"]
    assert jbd.opened == 3


async def test_known_again_after_a_restart(
    hass: HomeAssistant, entry: MockConfigEntry, radio: BmsRadio, jbd: SimulatedBms
) -> None:
    """Its entities are there, and unavailable until it is polled."""
    radio.hear(jbd)
    await start(hass, entry)
    jbd.fault = Fault.STUCK
    await hass.config_entries.async_reload(entry.entry_id)
    await hass.async_block_till_done()
    assert states(hass)["cycles"] == "unavailable"
    await hass.config_entries.async_unload(entry.entry_id)
    assert jbd.open_now == 0


@pytest.mark.parametrize("how", ["unload", "stop"])
async def test_the_end_lets_go(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    radio: BmsRadio,
    jbd: SimulatedBms,
    how: str,
) -> None:
    jbd.fault = Fault.SILENT
    radio.hear(jbd)
    with callbacks() as active:
        assert await hass.config_entries.async_setup(entry.entry_id)
        await connected(jbd)
        await hass.async_block_till_done()
        assert (jbd.open_now, len(active)) == (1, 1)
        if how == "unload":
            await hass.config_entries.async_unload(entry.entry_id)
        else:
            hass.bus.async_fire(EVENT_HOMEASSISTANT_STOP)
        await hass.async_block_till_done()
        assert active == []
    assert (jbd.opened, jbd.open_now) == (1, 0)


async def test_a_model_that_is_gone(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    radio: BmsRadio,
    jbd: SimulatedBms,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A newer aiobmsble may not have it any more: the rest goes on."""
    (subentry,) = entry.subentries.values()
    hass.config_entries.async_update_subentry(
        entry, subentry, data={"address": ADDRESS, "model": "gone_bms"}
    )
    radio.hear(jbd)
    await start(hass, entry)
    assert entry.state is ConfigEntryState.LOADED
    assert states(hass) == {"data_fresh": "off"}
    assert "The model of House battery is not known any more" in caplog.text
    assert jbd.opened == 0


def all_but_what_reads_bmss(requirement: str) -> bool:
    """Return whether a requirement is installed."""
    return requirement != BMS_REQUIREMENT


async def test_a_library_that_cannot_be_installed(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    radio: BmsRadio,
    jbd: SimulatedBms,
    freezer: FrozenDateTimeFactory,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The rest goes on; it is said once, tried again, and then polled."""
    radio.hear(jbd)
    hass.config.skip_pip = False
    asked: list[str] = []

    def install(requirement: str, **_: object) -> bool:
        asked.append(requirement)
        return False

    with (
        patch("homeassistant.util.package.is_installed", all_but_what_reads_bmss),
        patch("homeassistant.util.package.install_package", install),
    ):
        await start(hass, entry)
        assert entry.state is ConfigEntryState.LOADED
        assert states(hass) == {"data_fresh": "off"}
        tried = len(asked)
        assert set(asked) == {BMS_REQUIREMENT}
        for _ in range(2):
            freezer.tick(LIBRARY_RETRY)
            async_fire_time_changed(hass)
            await settle(hass)
        assert len(asked) == 3 * tried
    assert caplog.text.count("BMS House battery cannot be read") == 1
    assert jbd.opened == 0
    radio.hear(jbd)
    freezer.tick(LIBRARY_RETRY)
    async_fire_time_changed(hass)
    await settle(hass)
    assert states(hass)["cycles"] == "41"
    device = device_of(hass, entry, ADDRESS)
    assert device is not None
    assert device.manufacturer == "Jiabaida"
    await hass.config_entries.async_unload(entry.entry_id)


@pytest.mark.parametrize("how", ["unload", "stop"])
async def test_the_end_of_the_next_try(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    freezer: FrozenDateTimeFactory,
    how: str,
) -> None:
    """Nothing is installed for an entry that is gone."""
    hass.config.skip_pip = False
    with (
        patch("homeassistant.util.package.is_installed", all_but_what_reads_bmss),
        patch("homeassistant.util.package.install_package", return_value=False) as pip,
    ):
        await start(hass, entry)
        pip.reset_mock()
        if how == "unload":
            await hass.config_entries.async_unload(entry.entry_id)
        else:
            hass.bus.async_fire(EVENT_HOMEASSISTANT_STOP)
        await settle(hass)
        freezer.tick(LIBRARY_RETRY)
        async_fire_time_changed(hass)
        await settle(hass)
        assert pip.mock_calls == []


async def connected(jbd: SimulatedBms) -> None:
    """Wait until somebody is connected to it."""
    async with asyncio.timeout(5):
        while jbd.client is None:  # noqa: ASYNC110 - the radio tells nobody
            await asyncio.sleep(0)


async def test_removed_while_it_is_polled(
    hass: HomeAssistant, entry: MockConfigEntry, radio: BmsRadio, jbd: SimulatedBms
) -> None:
    """Nothing is left of it: no entity, no connection, no battery, no complaint."""
    radio.hear(jbd)
    jbd.fault = Fault.SILENT
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    await connected(jbd)
    (subentry_id,) = entry.subentries
    hass.config_entries.async_remove_subentry(entry, subentry_id)
    await settle(hass)
    assert jbd.client is None
    assert states(hass) == {}
    assert not er.async_entries_for_config_entry(er.async_get(hass), entry.entry_id)
    assert entry.state is ConfigEntryState.LOADED
    # Added again at once, it is polled again.
    jbd.fault = None
    hass.config_entries.async_add_subentry(
        entry,
        ConfigSubentry(
            subentry_type="bms",
            title="House battery",
            data=MappingProxyType({"address": ADDRESS, "model": "jbd_bms"}),
            unique_id=ADDRESS,
        ),
    )
    await settle(hass)
    assert states(hass)["data_fresh"] == "on"


async def test_corrected_while_it_runs(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    radio: BmsRadio,
    jbd: SimulatedBms,
    humsienk: SimulatedBms,
) -> None:
    """With another address and model its entities follow, and none is made anew."""
    radio.hear(jbd)
    radio.hear(humsienk)
    await start(hass, entry)
    registry = er.async_get(hass)
    before = {
        each.entity_id
        for each in er.async_entries_for_config_entry(registry, entry.entry_id)
    }
    (subentry_id,) = entry.subentries
    flow = await hass.config_entries.subentries.async_init(
        (entry.entry_id, "bms"),
        context={"source": "reconfigure", "subentry_id": subentry_id},
    )
    result = await hass.config_entries.subentries.async_configure(
        flow["flow_id"], {"address": humsienk.address, "model": "humsienk_bms"}
    )
    assert result["reason"] == "reconfigure_successful"
    await settle(hass)
    after = {
        each.entity_id
        for each in er.async_entries_for_config_entry(registry, entry.entry_id)
    }
    assert before <= after
    # This one has more probes.
    assert after - before == {
        f"sensor.house_battery_temperature_probe_{probe}" for probe in range(3, 7)
    }
    assert states(hass) == {}
    soc = registry.async_get_entity_id("sensor", DOMAIN, f"{humsienk.address}_soc")
    fresh = registry.async_get_entity_id(
        "binary_sensor", DOMAIN, f"{humsienk.address}_data_fresh"
    )
    assert soc is not None
    assert fresh is not None
    state = hass.states.get(fresh)
    assert state is not None
    assert state.state == "on"
    device = device_of(hass, entry, humsienk.address)
    assert device is not None
    assert device.manufacturer == "Humsienk"
    assert device.connections == {("bluetooth", humsienk.address)}
