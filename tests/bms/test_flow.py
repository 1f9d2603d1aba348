"""Adding, changing and removing a BMS in the UI."""

from collections.abc import Mapping
from dataclasses import replace
from importlib.resources import files
from typing import Any
from unittest.mock import patch

from aiobmsble.test_data import bms_advertisements
from homeassistant.config_entries import (
    SOURCE_RECONFIGURE,
    SOURCE_USER,
    ConfigEntryState,
    ConfigSubentryData,
)
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType, InvalidData
from homeassistant.helpers import entity_registry as er
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry
import voluptuous as vol

from custom_components.bmw_wallbox_victron.bms import async_load_models
from custom_components.bmw_wallbox_victron.const import DOMAIN, NAME
from simulators.bms import Battery, BmsRadio, Fault, Jbd, SimulatedBms

from ..kit.bms import ADDRESS
from ..kit.flows import Flow, Result, device_of

SECTION = ("config_subentries", "bms")
FORM = {"address": ADDRESS, "model": "jbd_bms"}
VICTRON = "F8:5C:11:22:33:44"


@pytest.fixture
async def entry(hass: HomeAssistant, radio: BmsRadio) -> MockConfigEntry:
    """An entry that is set up, with a Victron device in it."""
    config_entry = MockConfigEntry(
        domain=DOMAIN,
        title=NAME,
        unique_id=DOMAIN,
        subentries_data=[
            ConfigSubentryData(
                subentry_type="victron_device",
                title="SmartShunt",
                data={"address": VICTRON, "encryption_key": "00" * 16},
                unique_id=VICTRON,
            )
        ],
    )
    config_entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(config_entry.entry_id)
    return config_entry


async def add(hass: HomeAssistant, entry: MockConfigEntry) -> tuple[Flow, Result]:
    """Open the flow that adds a BMS."""
    flow = Flow(hass.config_entries.subentries, *SECTION)
    return flow, await flow.start((entry.entry_id, "bms"), source=SOURCE_USER)


async def added(
    hass: HomeAssistant, entry: MockConfigEntry, form: Mapping[str, str] = FORM
) -> Result:
    """Add a BMS, and let it be polled."""
    flow, _ = await add(hass, entry)
    result = await flow.submit(form)
    assert result["type"] is FlowResultType.CREATE_ENTRY
    await hass.async_block_till_done(wait_background_tasks=True)
    return result


async def change(hass: HomeAssistant, entry: MockConfigEntry) -> tuple[Flow, Result]:
    """Open the flow that changes the BMS."""
    (subentry_id,) = (
        subentry.subentry_id
        for subentry in entry.subentries.values()
        if subentry.subentry_type == "bms"
    )
    flow = Flow(hass.config_entries.subentries, *SECTION)
    return flow, await flow.start(
        (entry.entry_id, "bms"), source=SOURCE_RECONFIGURE, subentry_id=subentry_id
    )


def fields(result: Result) -> dict[str, tuple[Any, Any]]:
    """Give the fields of a form: what is proposed, and the options."""
    return {
        str(field): (
            (field.description or {}).get("suggested_value"),
            selector.config.get("options"),
        )
        for field, selector in result["data_schema"].schema.items()
    }


async def test_a_bms_in_reach(
    hass: HomeAssistant, entry: MockConfigEntry, radio: BmsRadio, jbd: SimulatedBms
) -> None:
    """It is proposed with its model, tried, and polled from then on."""
    radio.hear(jbd)
    stranger = SimulatedBms(Jbd(), "C0:00:00:00:00:01")
    stranger.protocol.local_name = "A lamp"
    radio.hear(stranger)
    flow, form = await add(hass, entry)
    assert form["step_id"] == "bms"
    proposed = fields(form)
    assert proposed["address"] == (
        ADDRESS,
        [
            {
                "value": ADDRESS,
                "label": f"JBD-SP04S034: Jiabaida smart BMS ({ADDRESS})",
            }
        ],
    )
    assert proposed["model"][0] == "jbd_bms"
    result = await flow.submit(FORM)
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert result["title"] == "JBD-SP04S034"
    assert result["data"] == FORM
    assert result["unique_id"] == ADDRESS
    await hass.async_block_till_done(wait_background_tasks=True)
    assert (jbd.opened, jbd.open_now, jbd.refused) == (2, 0, 0)


async def from_the_menu(hass: HomeAssistant) -> tuple[Flow, Result]:
    """Open the form from the first window of the integration."""
    flow = Flow(hass.config_entries.flow, "config")
    menu = await flow.start(DOMAIN, source=SOURCE_USER)
    assert menu["menu_options"] == ["wallbox", "victron", "bms"]
    return flow, await flow.submit({"next_step_id": "bms"})


async def test_from_nothing(
    hass: HomeAssistant, radio: BmsRadio, jbd: SimulatedBms
) -> None:
    """Who has nothing but a BMS gets the integration with it, and its readings."""
    jbd.fault = Fault.BUSY
    radio.hear(jbd)
    flow, form = await from_the_menu(hass)
    assert form["step_id"] == "bms"
    proposed = fields(form)
    assert (proposed["address"][0], proposed["model"][0]) == (ADDRESS, "jbd_bms")
    other = {"address": ADDRESS, "model": "humsienk_bms"}
    result = await flow.submit(other)
    assert result["errors"] == {"base": "cannot_connect"}
    assert fields(result)["model"][0] == "humsienk_bms"
    jbd.fault = None
    assert (await flow.submit(other))["errors"] == {"model": "no_answer"}
    result = await flow.submit(FORM)
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert result["title"] == NAME
    assert result["description"] == "bms"
    assert result["description_placeholders"] == {
        "name": "JBD-SP04S034",
        "model": "Jiabaida smart BMS",
        "address": ADDRESS,
    }
    await hass.async_block_till_done(wait_background_tasks=True)
    (entry,) = hass.config_entries.async_entries(DOMAIN)
    assert entry.state is ConfigEntryState.LOADED
    assert entry.unique_id == DOMAIN
    assert entry.data == {}
    (subentry,) = entry.subentries.values()
    assert (subentry.subentry_type, subentry.title) == ("bms", "JBD-SP04S034")
    assert subentry.data == FORM
    assert subentry.unique_id == ADDRESS
    voltage = hass.states.get("sensor.battery_voltage")
    assert voltage is not None
    assert voltage.state == "13.28"


async def test_from_the_menu_to_the_entry(
    hass: HomeAssistant, entry: MockConfigEntry, radio: BmsRadio, jbd: SimulatedBms
) -> None:
    """With an entry it joins that one, once."""
    radio.hear(jbd)
    flow, _ = await from_the_menu(hass)
    result = await flow.submit({"address": VICTRON, "model": "jbd_bms"})
    assert result["errors"] == {"address": "device_already_configured"}
    result = await flow.submit(FORM)
    assert result["reason"] == "bms_added"
    assert hass.config_entries.async_entries(DOMAIN) == [entry]
    await hass.async_block_till_done(wait_background_tasks=True)
    assert {each.title for each in entry.subentries.values()} == {
        "SmartShunt",
        "JBD-SP04S034",
    }
    assert hass.states.get("sensor.jbd_sp04s034_temperature") is not None
    flow, form = await from_the_menu(hass)
    assert fields(form)["address"] == (None, [])
    result = await flow.submit(FORM)
    assert result["errors"] == {"address": "device_already_configured"}


async def test_the_nearest_is_proposed(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    radio: BmsRadio,
    jbd: SimulatedBms,
    humsienk: SimulatedBms,
) -> None:
    radio.hear(jbd, rssi=-90)
    radio.hear(humsienk, rssi=-50)
    _, form = await add(hass, entry)
    proposed = fields(form)
    address, offered = proposed["address"]
    assert address == humsienk.address
    assert [item["value"] for item in offered] == [humsienk.address, ADDRESS]
    assert proposed["model"][0] == "humsienk_bms"
    # What was added is offered no more.
    await added(hass, entry)
    _, form = await add(hass, entry)
    assert [item["value"] for item in fields(form)["address"][1]] == [humsienk.address]


async def test_all_models_are_offered(
    hass: HomeAssistant, entry: MockConfigEntry
) -> None:
    _, form = await add(hass, entry)
    proposed = fields(form)
    assert proposed["address"] == (None, [])
    suggested, options = proposed["model"]
    assert suggested is None
    labels = {item["value"]: item["label"] for item in options}
    plugins = {
        file.name.removesuffix(".py")
        for file in files("aiobmsble.bms").iterdir()
        if file.name.endswith("_bms.py")
    }
    assert labels.keys() == plugins - {"dummy_bms"}
    assert len(set(labels.values())) == len(labels)
    assert labels["jbd_bms"] == "Jiabaida smart BMS"
    if "ejpro_bms" in plugins:  # since 0.31
        assert labels["ejpro_bms"] == "E&J Technology smart BMS (ejpro)"


@pytest.mark.parametrize("model", ["jbd_bms", "humsienk_bms"])
async def test_real_advertisements_are_recognised(
    hass: HomeAssistant, entry: MockConfigEntry, model: str
) -> None:
    """Those of real devices, which aiobmsble comes with."""
    models = await async_load_models(hass)
    captured = bms_advertisements(model)
    assert len(captured) > 2
    for advertisement, address, _, _ in captured:

        class Info:
            """What is looked at of what Home Assistant hears."""

        info: Any = Info()
        info.advertisement, info.address = advertisement, address
        assert [name for name, each in models.items() if each.matches(info)] == [model]


async def test_a_library_that_cannot_be_installed(
    hass: HomeAssistant, entry: MockConfigEntry
) -> None:
    """There is nothing to choose from: the flow says why, and can be begun again."""
    hass.config.skip_pip = False
    with (
        patch("homeassistant.util.package.is_installed", return_value=False),
        patch("homeassistant.util.package.install_package", return_value=False),
    ):
        _, form = await add(hass, entry)
    assert form["type"] is FlowResultType.ABORT
    assert form["reason"] == "bms_library_missing"
    assert "aiobmsble" in form["description_placeholders"]["error"]
    _, form = await add(hass, entry)
    assert form["type"] is FlowResultType.FORM


async def test_out_of_reach(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """It can be added all the same, as people type addresses."""
    result = await added(
        hass, entry, {"address": " a4-c1-37-00-11-22", "model": "humsienk_bms"}
    )
    assert result["title"] == "Humsienk BMC"
    assert result["data"] == {"address": ADDRESS, "model": "humsienk_bms"}


async def test_busy(
    hass: HomeAssistant, entry: MockConfigEntry, radio: BmsRadio, jbd: SimulatedBms
) -> None:
    """A phone app keeps others out: said so, and tried again with the form."""
    jbd.fault = Fault.BUSY
    radio.hear(jbd)
    flow, _ = await add(hass, entry)
    result = await flow.submit(FORM)
    assert result["errors"] == {"base": "cannot_connect"}
    assert fields(result)["address"][0] == ADDRESS
    jbd.fault = None
    assert (await flow.submit(FORM))["type"] is FlowResultType.CREATE_ENTRY


@pytest.mark.parametrize(
    ("model", "battery", "error"),
    [
        ("humsienk_bms", Battery(), "no_answer"),
        ("jbd_bms", Battery(voltage=320.0), "implausible"),
    ],
)
async def test_another_model(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    radio: BmsRadio,
    jbd: SimulatedBms,
    model: str,
    battery: Battery,
    error: str,
) -> None:
    jbd.battery = battery
    radio.hear(jbd)
    flow, _ = await add(hass, entry)
    result = await flow.submit({"address": ADDRESS, "model": model})
    assert result["errors"] == {"model": error}
    assert (jbd.opened, jbd.open_now) == (1, 0)


async def test_what_is_no_model(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    flow, _ = await add(hass, entry)
    with pytest.raises(InvalidData):
        await flow.submit({"address": ADDRESS, "model": "dummy_bms"})


@pytest.mark.parametrize(
    ("address", "error"),
    [
        ("A4:C1:37:00:11", "invalid_address"),
        ("battery", "invalid_address"),
        (VICTRON, "device_already_configured"),
        (ADDRESS, "device_already_configured"),
    ],
)
async def test_addresses(
    hass: HomeAssistant, entry: MockConfigEntry, address: str, error: str
) -> None:
    await added(hass, entry)
    flow, _ = await add(hass, entry)
    result = await flow.submit({"address": address, "model": "jbd_bms"})
    assert result["errors"] == {"address": error}


async def test_nothing_is_preset(
    hass: HomeAssistant, entry: MockConfigEntry, radio: BmsRadio
) -> None:
    """Home Assistant's forms fill in the first option of what has to be answered."""
    flow, form = await add(hass, entry)
    (model,) = (each for each in form["data_schema"].schema if each == "model")
    assert isinstance(model, vol.Optional)
    assert isinstance(model.default, vol.Undefined)
    assert not model.description
    result = await flow.submit({"address": ADDRESS})
    assert result["errors"] == {"model": "model_missing"}
    assert fields(result)["address"][0] == ADDRESS


@pytest.mark.parametrize("model", ["jbd_bms", "humsienk_bms"])
async def test_one_that_is_not_heard_is_not_said_to_work(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    radio: BmsRadio,
    humsienk: SimulatedBms,
    model: str,
) -> None:
    flow, _ = await add(hass, entry)
    result = await flow.submit({"address": ADDRESS, "model": model})
    assert result["description"] == "bms_unheard"
    flow, _ = await from_the_menu(hass)
    result = await flow.submit({"address": "A4:C1:37:00:11:23", "model": model})
    assert result["reason"] == "bms_unheard_added"
    radio.hear(humsienk)
    flow, _ = await add(hass, entry)
    result = await flow.submit({"address": humsienk.address, "model": "humsienk_bms"})
    assert result["description"] == "bms"


@pytest.mark.parametrize("secret", ["123456", "Boot-2024"])
async def test_one_that_answers_only_after_its_secret(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    radio: BmsRadio,
    monkeypatch: pytest.MonkeyPatch,
    secret: str,
) -> None:
    """It is asked for, refused where it is wrong, and then it is polled with it."""
    # How long the library waits for an answer that never comes; ours come at once.
    monkeypatch.setattr("aiobmsble.basebms.BaseBMS._RETRY_TIMEOUT", 0.1)
    locked = SimulatedBms(Jbd(secret), ADDRESS)
    radio.hear(locked)
    flow, form = await add(hass, entry)
    (field,) = (
        selector
        for key, selector in form["data_schema"].schema.items()
        if key == "secret"
    )
    assert field.config["type"] == "password"
    assert (await flow.submit(FORM))["errors"] == {"secret": "secret_needed"}
    for wrong in ("000000", "Schlüssel", 300 * "1"):
        result = await flow.submit(FORM | {"secret": wrong})
        assert result["errors"] == {"secret": "wrong_secret"}
    result = await flow.submit(FORM | {"secret": f" {secret} "})
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert result["data"] == FORM | {"secret": secret}
    await hass.async_block_till_done(wait_background_tasks=True)
    assert locked.open_now == 0
    fresh = hass.states.get("binary_sensor.jbd_sp04s034_data_fresh")
    assert fresh is not None
    assert fresh.state == "on"


async def test_a_model_that_takes_no_secret(
    hass: HomeAssistant, entry: MockConfigEntry
) -> None:
    flow, _ = await add(hass, entry)
    form = {"address": ADDRESS, "model": "humsienk_bms"}
    result = await flow.submit(form | {"secret": "123456"})
    assert result["errors"] == {"secret": "secret_not_taken"}
    assert (await flow.submit(form))["type"] is FlowResultType.CREATE_ENTRY


async def test_no_model_that_takes_a_secret(
    hass: HomeAssistant, entry: MockConfigEntry
) -> None:
    """Where aiobmsble has none, there is no field for it."""
    models = {
        name: replace(model, takes_secret=False)
        for name, model in (await async_load_models(hass)).items()
    }
    with patch(
        "custom_components.bmw_wallbox_victron.flows.bms.async_load_models",
        return_value=models,
    ):
        result = await hass.config_entries.subentries.async_init(
            (entry.entry_id, "bms"), context={"source": SOURCE_USER}
        )
    schema = result["data_schema"]
    assert schema is not None
    assert [str(key) for key in schema.schema] == ["address", "model"]


async def test_another_secret_later(
    hass: HomeAssistant, entry: MockConfigEntry, radio: BmsRadio
) -> None:
    """It counts without a restart; emptied, it is gone."""
    locked = SimulatedBms(Jbd("1111"), ADDRESS)
    radio.hear(locked)
    await added(hass, entry, FORM | {"secret": "1111"})
    assert isinstance(locked.protocol, Jbd)
    locked.protocol.secret = "2222"
    flow, form = await change(hass, entry)
    assert fields(form)["secret"][0] == "1111"
    wrong = await flow.submit(FORM | {"secret": "1112"})
    assert wrong["errors"] == {"secret": "wrong_secret"}
    done = await flow.submit(FORM | {"secret": "2222"})
    assert done["reason"] == "reconfigure_successful"
    await hass.async_block_till_done(wait_background_tasks=True)
    said = [request for request in locked.requests if b"2222" in request]
    assert len(said) == 2  # the form's, and the first poll's
    locked.protocol.secret = ""
    flow, _ = await change(hass, entry)
    assert (await flow.submit(FORM))["reason"] == "reconfigure_successful"
    (data,) = (
        each.data for each in entry.subentries.values() if each.subentry_type == "bms"
    )
    assert data == FORM
    await hass.async_block_till_done(wait_background_tasks=True)
    assert locked.open_now == 0


async def test_another_model_later(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    radio: BmsRadio,
    humsienk: SimulatedBms,
) -> None:
    """It counts without a restart."""
    await added(hass, entry, {"address": humsienk.address, "model": "jbd_bms"})
    radio.hear(humsienk)
    await hass.async_block_till_done(wait_background_tasks=True)
    flow, form = await change(hass, entry)
    assert fields(form)["model"][0] == "jbd_bms"
    # It is heard by now, and offered although it is taken: by this one.
    assert [item["value"] for item in fields(form)["address"][1]] == [humsienk.address]
    wrong = {"address": humsienk.address, "model": "jikong_bms"}
    assert (await flow.submit(wrong))["errors"] == {"model": "no_answer"}
    done = await flow.submit({"address": humsienk.address, "model": "humsienk_bms"})
    assert done["reason"] == "reconfigure_successful"
    await hass.async_block_till_done(wait_background_tasks=True)
    assert humsienk.open_now == 0
    entity_id = er.async_get(hass).async_get_entity_id(
        "sensor", DOMAIN, f"{humsienk.address}_remaining_ah"
    )
    assert entity_id is not None
    state = hass.states.get(entity_id)
    assert state is not None
    assert float(state.state) == 114


async def test_another_address_later(
    hass: HomeAssistant, entry: MockConfigEntry, radio: BmsRadio, jbd: SimulatedBms
) -> None:
    """Device and entities go along with a corrected address."""
    await added(hass, entry, {"address": "A4:C1:37:00:11:23", "model": "jbd_bms"})
    before = device_of(hass, entry, "A4:C1:37:00:11:23")
    assert before is not None
    radio.hear(jbd)
    flow, _ = await change(hass, entry)
    done = await flow.submit(FORM)
    assert done["reason"] == "reconfigure_successful"
    await hass.async_block_till_done(wait_background_tasks=True)
    after = device_of(hass, entry, ADDRESS)
    assert after is not None
    assert after.id == before.id
    assert after.connections == {("bluetooth", ADDRESS)}
    ids = {
        entity.unique_id
        for entity in er.async_entries_for_device(er.async_get(hass), after.id, True)
    }
    assert f"{ADDRESS}_data_fresh" in ids
    assert all(unique_id.startswith(ADDRESS) for unique_id in ids)


async def test_removed(
    hass: HomeAssistant, entry: MockConfigEntry, radio: BmsRadio, jbd: SimulatedBms
) -> None:
    """Its device and entities go, and it is left alone."""
    radio.hear(jbd)
    await added(hass, entry)
    opened = jbd.opened
    (subentry_id,) = (
        subentry.subentry_id
        for subentry in entry.subentries.values()
        if subentry.subentry_type == "bms"
    )
    hass.config_entries.async_remove_subentry(entry, subentry_id)
    await hass.async_block_till_done(wait_background_tasks=True)
    assert device_of(hass, entry, ADDRESS) is None
    radio.hear(jbd)
    await hass.async_block_till_done(wait_background_tasks=True)
    assert (jbd.opened, jbd.open_now) == (opened, 0)
