"""What version 0.1.0 stored: entry, options, state, sessions, ids of the entities."""

from collections.abc import AsyncGenerator
import copy
from pathlib import Path
from typing import Any, Final
from unittest import mock

from homeassistant.config_entries import ConfigSubentryData
from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.entity import Entity
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.bmw_wallbox_victron.const import DOMAIN
from simulators import pki

from .kit.files import read_json
from .kit.radio import Radio
from .kit.site import CHARGE_POINT_ID, Site, get_sessions

BEFORE: Final = read_json(Path(__file__).parent / "stored" / "0.1.0.json")
ENTRY_ID: Final = "01KENTRY"
FILES: Final = {
    f"{DOMAIN}.{ENTRY_ID}": "state",
    f"{DOMAIN}.{ENTRY_ID}.sessions": "sessions",
}


@pytest.fixture
async def old_site(
    hass: HomeAssistant,
    hass_storage: dict[str, Any],
    radio: Radio,
    pki_files: pki.Files,
    unused_tcp_port: int,
) -> AsyncGenerator[Site]:
    """A site that version 0.1.0 left, set up by this one."""
    stored = copy.deepcopy(BEFORE)
    for key, part in FILES.items():
        hass_storage[key] = {
            "version": 1,
            "minor_version": 1,
            "key": key,
            "data": stored[part],
        }
    settings = stored["entry"]
    settings["data"] |= {
        "port": unused_tcp_port,
        "ssl_cert": str(pki_files.certificate),
        "ssl_key": str(pki_files.key),
    }
    subentries: list[ConfigSubentryData] = settings.pop("subentries")
    entry = MockConfigEntry(
        domain=DOMAIN, entry_id=ENTRY_ID, subentries_data=subentries, **settings
    )
    entry.add_to_hass(hass)
    with mock.patch.object(Entity, "entity_registry_enabled_default", new=True):
        assert await hass.config_entries.async_setup(ENTRY_ID)
        await hass.async_block_till_done()
        yield Site(hass, entry)
    await hass.config_entries.async_unload(ENTRY_ID)
    await hass.async_block_till_done()


async def test_entities_keep_their_ids(hass: HomeAssistant, old_site: Site) -> None:
    """Neither an automation nor the history loses one that anything can tell.

    What no device of the rig ever could tell has gone: it was unknown all the time.
    """
    found = {
        # A binary sensor and a switch may share a unique id.
        (entity.unique_id, entity.entity_id)
        for entity in er.async_entries_for_config_entry(er.async_get(hass), ENTRY_ID)
    }
    expected = dict(BEFORE["entities"])
    for key in ("alternator_charging", "solar_charging", "charging_phase"):
        del expected[f"battery_{key}"]
    # A phase is there once it was told of, or where the entity registry has it.
    for key in ("current_l2", "current_l3", "voltage_l2", "voltage_l3"):
        del expected[f"{CHARGE_POINT_ID}_{key}"]
    assert not expected.items() - found


async def test_settings_are_kept(old_site: Site) -> None:
    """Options, keys, tokens and limits, as they were saved."""
    entry = old_site.entry
    assert entry.options == BEFORE["entry"]["options"]
    subentries = {item["subentry_id"]: item for item in BEFORE["entry"]["subentries"]}
    assert entry.subentries.keys() == subentries.keys()
    for subentry_id, subentry in entry.subentries.items():
        assert subentry.data == subentries[subentry_id]["data"]
        assert subentry.unique_id == subentries[subentry_id]["unique_id"]


async def test_energies_and_targets_are_kept(
    hass: HomeAssistant, old_site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    """They are shown before the wallbox has connected."""
    assert old_site.number("energy_total") == pytest.approx(4217.3455)
    assert float(old_site.state("current_limit", "number")) == 10
    assert old_site.state("charging", "switch") == "off"
    (session,) = await get_sessions(hass, old_site)
    assert session["energy"] == pytest.approx(31.2504, abs=0.001)
    assert "cannot be read" not in caplog.text


def _without_newer(stored: Any, before: Any) -> Any:
    """Return what is stored without the keys that came later: they are ignored."""
    if isinstance(stored, dict) and isinstance(before, dict):
        return {
            key: _without_newer(value, before[key])
            for key, value in stored.items()
            if key in before
        }
    if isinstance(stored, list) and isinstance(before, list):
        return [_without_newer(*pair) for pair in zip(stored, before, strict=True)]
    return stored


async def test_files_are_written_as_they_were(
    hass: HomeAssistant, hass_storage: dict[str, Any], old_site: Site
) -> None:
    """Version 0.1.0 could go on with them: no key is missing, no value another."""
    await hass.services.async_call(
        "number",
        "set_value",
        {"entity_id": old_site.entity_id("number", "current_limit"), "value": 9},
        blocking=True,
    )
    await hass.config_entries.async_unload(ENTRY_ID)
    expected = copy.deepcopy(BEFORE["state"])
    expected["wallboxes"]["01KWALLBOX"]["wish"]["current_limit"] = 9
    for key, part in FILES.items():
        content = expected if part == "state" else BEFORE[part]
        assert _without_newer(hass_storage[key]["data"], content) == content
