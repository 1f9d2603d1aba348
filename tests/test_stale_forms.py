"""What is changed while a form is open or a wallbox is connected counts, and stays."""

from collections.abc import Callable
from pathlib import Path
import ssl
from typing import Any

from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from hypothesis import given, strategies as st
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry
from websockets.exceptions import InvalidStatus

from custom_components.bmw_wallbox_victron.const import DOMAIN
from custom_components.bmw_wallbox_victron.flows.stale_form import merged
from custom_components.bmw_wallbox_victron.wallbox.central_system import CentralSystem
from simulators import pki
from simulators.bms import BmsRadio
from simulators.wallbox import Car, SimulatedWallbox

from .kit.client import visit
from .kit.flows import (
    OTHER_ID,
    WALLBOX,
    Flow,
    add_wallbox,
    open_form,
    reconfigure,
    subentry_data,
    subentry_flow,
    suggested,
    wallbox_subentry,
)
from .kit.ports import free_port, listens
from .kit.site import CHARGE_POINT_ID, Site, settle

type MakeWallbox = Callable[..., SimulatedWallbox]

SETTINGS = st.dictionaries(
    st.sampled_from("abcd"), st.integers(0, 2) | st.none().map(lambda _: 3)
)


# What a form changes


@given(opened=SETTINGS, stored=SETTINGS)
def test_a_form_that_is_sent_as_it_was_opened_changes_nothing(
    opened: dict[str, int], stored: dict[str, int]
) -> None:
    """Whatever was changed since, emptied included."""
    assert merged(opened, opened, stored) == stored


@given(opened=SETTINGS, sent=SETTINGS)
def test_a_form_that_nobody_interfered_with_is_taken_as_it_is(
    opened: dict[str, int], sent: dict[str, int]
) -> None:
    """What is emptied goes, and what the form does not have stays."""
    other = {"other": 1}
    assert merged(opened, sent, opened | other) == sent | other


@given(opened=SETTINGS, sent=SETTINGS, stored=SETTINGS, defaults=SETTINGS)
def test_each_field_is_the_one_that_was_sent_or_the_one_that_is_stored(
    opened: dict[str, int],
    sent: dict[str, int],
    stored: dict[str, int],
    defaults: dict[str, int],
) -> None:
    """It is the one that was sent where its user changed it.

    A field that has a default is always sent.
    """
    defaults = {key: value for key, value in defaults.items() if key in sent}
    after = merged(opened, sent, stored, defaults)
    for key in "abcd":
        assert after.get(key) in (sent.get(key), stored.get(key))
        if sent.get(key) != opened.get(key, defaults.get(key)):
            assert after.get(key) == sent.get(key)


@given(sent=SETTINGS, stored=SETTINGS)
def test_a_form_that_was_never_shown_is_meant_as_it_is(
    sent: dict[str, int], stored: dict[str, int]
) -> None:
    """It was filled in by a program."""
    assert merged(None, sent, stored) == stored | sent


# Two windows at once


async def change_port(hass: HomeAssistant, entry: MockConfigEntry) -> int:
    """Change the server's port in another window."""
    port = free_port()
    flow, form = await reconfigure(hass, entry)
    result = await flow.submit(suggested(form) | {"port": port})
    assert result["reason"] == "reconfigure_successful"
    await hass.async_block_till_done()
    return port


async def test_port_changed_while_a_wallbox_is_added(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    site: Site,
    client_context: ssl.SSLContext,
) -> None:
    """The form of a wallbox does not put the old port back, and tells the new one."""
    flow, _ = await add_wallbox(hass)
    port = await change_port(hass, entry)
    result = await flow.submit(WALLBOX | {"charge_point_id": OTHER_ID})
    assert result["reason"] == "wallbox_added"
    assert result["description_placeholders"]["url"].endswith(f":{port}")
    await hass.async_block_till_done()
    assert entry.data["port"] == port
    assert listens(port)
    await visit(site.url, client_context, OTHER_ID)


@pytest.mark.parametrize("subentry_id", [None, CHARGE_POINT_ID])
async def test_port_changed_while_the_form_of_a_subentry_is_open(
    hass: HomeAssistant, entry: MockConfigEntry, site: Site, subentry_id: str | None
) -> None:
    """Added or changed: it has nothing to do with the server."""
    this = subentry_id and wallbox_subentry(entry, subentry_id).subentry_id
    flow, form = await subentry_flow(hass, entry, this)
    port = await change_port(hass, entry)
    sent = (
        suggested(form) | {"max_current": 13}
        if this
        else WALLBOX | {"charge_point_id": OTHER_ID}
    )
    result = await flow.submit(sent)
    await hass.async_block_till_done()
    if not this:
        assert result["description_placeholders"]["url"].endswith(f":{port}")
    assert entry.data["port"] == port
    assert listens(port)


async def test_port_changed_while_the_certificate_is_changed(
    hass: HomeAssistant, entry: MockConfigEntry, site: Site, tmp_path: Path
) -> None:
    """Two windows of the server: each field is as its user left it."""
    files = await hass.async_add_executor_job(pki.issue, tmp_path)
    flow, form = await reconfigure(hass, entry)
    port = await change_port(hass, entry)
    new = {"ssl_cert": str(files.certificate), "ssl_key": str(files.key)}
    result = await flow.submit(suggested(form) | new)
    assert result["reason"] == "reconfigure_successful"
    await hass.async_block_till_done()
    assert entry.data == {"host": "127.0.0.1", "port": port, **new}
    assert listens(port)


async def test_two_windows_of_a_wallbox(
    hass: HomeAssistant, entry: MockConfigEntry, site: Site
) -> None:
    """One sets a password and cards, the other a current: none is lost."""
    this = wallbox_subentry(entry, CHARGE_POINT_ID).subentry_id
    current, form = await subentry_flow(hass, entry, this)
    id_, _ = await subentry_flow(hass, entry, this)
    password, _ = await subentry_flow(hass, entry, this)
    cards = {"password": "secret-16-chars!", "allowed_tokens": ["04AB"]}
    await password.submit(suggested(form) | cards)
    await current.submit(suggested(form) | {"max_current": 10})
    await id_.submit(suggested(form) | {"charge_point_id": OTHER_ID})
    await hass.async_block_till_done()
    after = wallbox_subentry(entry, OTHER_ID)
    assert after.data == {"charge_point_id": OTHER_ID, "max_current": 10, **cards}
    # A field that was emptied in one window is not filled in again by the other.
    current, form = await subentry_flow(hass, entry, this)
    password, _ = await subentry_flow(hass, entry, this)
    await password.submit({"charge_point_id": OTHER_ID, "max_current": 10})
    await current.submit(suggested(form) | {"max_current": 12})
    await hass.async_block_till_done()
    after = wallbox_subentry(entry, OTHER_ID)
    assert after.data == {"charge_point_id": OTHER_ID, "max_current": 12}


async def test_plug_changed_while_the_options_are_open(
    hass: HomeAssistant, site: Site
) -> None:
    """The plug, what was emptied, and the wallbox's own form."""
    hass.config_entries.async_update_entry(
        site.entry, options={"mains_switch": "switch.old", "mains_power": "sensor.old"}
    )
    await hass.async_block_till_done()
    stale, shown = await open_form(hass, site.entry)
    other, _ = await open_form(hass, site.entry)
    configure = hass.config_entries.options.async_configure
    sent = shown | {"mains_switch": "switch.new", "meter_interval": 30}
    del sent["mains_power"]
    await configure(other, sent | {"max_current": 16})
    await hass.async_block_till_done()
    result = await configure(stale, shown | {"freshness_timeout": 60})
    assert result["type"] is FlowResultType.CREATE_ENTRY
    await hass.async_block_till_done()
    assert site.entry.options == {
        "mains_switch": "switch.new",
        "meter_interval": 30,
        "freshness_timeout": 60,
        "allow_reboot": False,
    }
    assert subentry_data(site.entry, CHARGE_POINT_ID)["max_current"] == 16


async def test_another_wallbox_instead_while_the_options_are_open(
    hass: HomeAssistant, entry: MockConfigEntry, site: Site
) -> None:
    """The most that one may draw is not set for the other."""
    flow_id, shown = await open_form(hass, entry)
    this = wallbox_subentry(entry, CHARGE_POINT_ID).subentry_id
    hass.config_entries.async_remove_subentry(entry, this)
    flow, _ = await subentry_flow(hass, entry)
    await flow.submit({"charge_point_id": OTHER_ID, "max_current": 16})
    await hass.async_block_till_done()
    await hass.config_entries.options.async_configure(
        flow_id, shown | {"max_current": 40}
    )
    await hass.async_block_till_done()
    assert subentry_data(entry, OTHER_ID)["max_current"] == 16


async def test_options_without_a_window(hass: HomeAssistant, site: Site) -> None:
    """A program that sends the form at once means what it says."""
    hass.config_entries.async_update_entry(site.entry, options={"meter_interval": 30})
    sent = {
        "max_current": 16,
        "meter_interval": 10,
        "freshness_timeout": 300,
        "allow_reboot": True,
    }
    await hass.config_entries.options.async_init(site.entry.entry_id, data=sent)
    await hass.async_block_till_done()
    assert subentry_data(site.entry, CHARGE_POINT_ID)["max_current"] == sent.pop(
        "max_current"
    )
    assert site.entry.options == sent


async def test_two_windows_of_a_bms(
    hass: HomeAssistant, site: Site, proxy: BmsRadio
) -> None:
    """One corrects the model, the other the address."""
    entry = site.entry
    section = ("config_subentries", "bms")
    adding = Flow(hass.config_entries.subentries, *section)
    await adding.start((entry.entry_id, "bms"), source="user")
    await adding.submit({"address": "A4:C1:37:00:11:22", "model": "jbd_bms"})
    await hass.async_block_till_done()
    (this,) = (
        each for each in entry.subentries.values() if each.subentry_type == "bms"
    )
    windows = []
    for _ in range(2):
        flow = Flow(hass.config_entries.subentries, *section)
        form = await flow.start(
            (entry.entry_id, "bms"),
            source="reconfigure",
            subentry_id=this.subentry_id,
        )
        windows.append((flow, suggested(form)))
    (one, shown), (other, _) = windows
    await one.submit(shown | {"model": "jikong_bms"})
    await other.submit(shown | {"address": "A4:C1:37:00:11:23"})
    await hass.async_block_till_done()
    assert this.data == {"address": "A4:C1:37:00:11:23", "model": "jikong_bms"}
    await hass.async_block_till_done(wait_background_tasks=True)


async def test_a_server_comes_meanwhile(
    hass: HomeAssistant, pki_files: pki.Files, client_context: ssl.SSLContext
) -> None:
    """Two windows that both ask for the first server: the one that was saved stays."""
    entry = MockConfigEntry(domain=DOMAIN, title="Site", unique_id=DOMAIN, data={})
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    files = {"ssl_cert": str(pki_files.certificate), "ssl_key": str(pki_files.key)}
    first, second = free_port(), free_port()
    slow, _ = await add_wallbox(hass)
    await slow.submit({"port": first, **files})
    quick, _ = await subentry_flow(hass, entry)
    await quick.submit({"port": second, **files})
    await quick.submit(WALLBOX)
    await hass.async_block_till_done()
    result = await slow.submit(WALLBOX | {"charge_point_id": OTHER_ID})
    assert result["description_placeholders"]["url"].endswith(f":{second}")
    await hass.async_block_till_done()
    assert entry.data["port"] == second
    await visit(f"wss://localhost:{second}", client_context, OTHER_ID)
    await hass.config_entries.async_unload(entry.entry_id)


# While a wallbox is connected


@pytest.mark.usefixtures("unpaced")
async def test_id_of_a_connected_wallbox_is_corrected(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    site: Site,
    make_wallbox: MakeWallbox,
    client_context: ssl.SSLContext,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """In mid-session: energy, sessions and what was set go along to the new id."""
    wallbox = make_wallbox(register_wh=1_000_000)
    await wallbox.connect()
    for _ in range(2):
        await wallbox.plug_in(Car(phases=1))
        await wallbox.tick(60)
        await settle(hass, wallbox)
        if not site.entry.runtime_data.stations[CHARGE_POINT_ID].ledger.sessions:
            await wallbox.unplug()
            await settle(hass, wallbox)
    await hass.services.async_call(
        "number",
        "set_value",
        {"entity_id": site.entity_id("number", "current_limit"), "value": 9},
        blocking=True,
    )
    await settle(hass, wallbox)
    energy = site.number("energy_total")
    this = wallbox_subentry(entry, CHARGE_POINT_ID).subentry_id
    flow, form = await subentry_flow(hass, entry, this)
    result = await flow.submit(suggested(form) | {"charge_point_id": OTHER_ID})
    assert result["reason"] == "reconfigure_successful"
    # What it says in the moment before the change counts is no trouble.
    station = site.entry.runtime_data.stations[CHARGE_POINT_ID]
    assert station.connection is not None
    await wallbox.tick(1)
    await hass.async_block_till_done()
    await wallbox.wait_closed()
    assert [each for each in caplog.records if each.levelname == "ERROR"] == []
    with pytest.raises(InvalidStatus) as refusal:
        await visit(site.url, client_context)
    assert refusal.value.response.status_code == 404
    assert float(site.state("energy_total", owner=OTHER_ID)) == energy
    wallbox.charge_point_id = OTHER_ID
    await wallbox.connect(boot=False)
    await settle(hass, wallbox)
    assert site.state("status", owner=OTHER_ID) == "charging"
    assert float(site.state("current_limit", "number", OTHER_ID)) == 9
    assert float(site.state("enforced_limit", owner=OTHER_ID)) == 9
    assert float(site.state("energy_total", owner=OTHER_ID)) >= energy
    assert len(site.entry.runtime_data.stations[OTHER_ID].ledger.sessions) == 1


@pytest.mark.usefixtures("unpaced")
async def test_ids_of_two_connected_wallboxes_are_swapped(
    hass: HomeAssistant, entry: MockConfigEntry, site: Site, make_wallbox: MakeWallbox
) -> None:
    """Each keeps its energy: it is stored by the subentry."""
    flow, _ = await subentry_flow(hass, entry)
    await flow.submit({"charge_point_id": OTHER_ID, "max_current": 16})
    await hass.async_block_till_done()
    boxes = [
        make_wallbox(register_wh=1_000_000),
        make_wallbox(charge_point_id=OTHER_ID, register_wh=2_000_000),
    ]
    for box in boxes:
        await box.connect()
        await box.plug_in(Car(phases=1))
        await box.tick(60)
    await settle(hass, *boxes)
    energy = {
        each: float(site.state("energy_total", owner=each))
        for each in (CHARGE_POINT_ID, OTHER_ID)
    }
    assert energy[OTHER_ID] > 2000
    for old, new in (
        (CHARGE_POINT_ID, "DE*BMW*E3"),
        (OTHER_ID, CHARGE_POINT_ID),
        ("DE*BMW*E3", OTHER_ID),
    ):
        this = wallbox_subentry(entry, old).subentry_id
        flow, form = await subentry_flow(hass, entry, this)
        result = await flow.submit(suggested(form) | {"charge_point_id": new})
        assert result["reason"] == "reconfigure_successful"
    await hass.async_block_till_done()
    for box in boxes:
        await box.wait_closed()
    for old, new in ((CHARGE_POINT_ID, OTHER_ID), (OTHER_ID, CHARGE_POINT_ID)):
        assert float(site.state("energy_total", owner=new)) == energy[old]


async def test_id_corrected_while_all_starts(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    client_context: ssl.SSLContext,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """And another one is added: the reload that follows sets both up."""
    start = CentralSystem.start

    async def meanwhile(server: CentralSystem) -> None:
        monkeypatch.undo()
        this = wallbox_subentry(entry, CHARGE_POINT_ID).subentry_id
        flow, form = await subentry_flow(hass, entry, this)
        await flow.submit(suggested(form) | {"charge_point_id": OTHER_ID})
        flow, _ = await subentry_flow(hass, entry)
        await flow.submit(WALLBOX)
        await start(server)

    monkeypatch.setattr(CentralSystem, "start", meanwhile)
    await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    site = Site(hass, entry)
    for each in (CHARGE_POINT_ID, OTHER_ID):
        assert site.state("status", owner=each) == "disconnected"
        await visit(site.url, client_context, each)
    await hass.config_entries.async_unload(entry.entry_id)
    assert [each for each in caplog.records if each.levelname == "ERROR"] == []


async def test_port_changed_while_a_wallbox_is_connected(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    site: Site,
    make_wallbox: MakeWallbox,
    client_context: ssl.SSLContext,
) -> None:
    """To another one, and back to the old, on which connections were just open."""
    old = entry.data["port"]
    for port in (free_port(), old):
        wallbox = make_wallbox(url=site.url)
        await wallbox.connect()
        await settle(hass, wallbox)
        flow, form = await reconfigure(hass, entry)
        result: Any = await flow.submit(suggested(form) | {"port": port})
        assert result["reason"] == "reconfigure_successful"
        await hass.async_block_till_done()
        await wallbox.wait_closed()
        assert listens(port)
    assert not listens(port + 1)
    wallbox = make_wallbox()
    await wallbox.connect()
    await settle(hass, wallbox)
    assert site.state("status") == "available"
