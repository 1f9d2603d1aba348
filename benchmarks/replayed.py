"""A Home Assistant in this process, with a recorder whose rows are counted.

For replays, which hold its clock: see `SteppedClock`.
"""

from pathlib import Path
import sqlite3
from types import MappingProxyType
from typing import Any, Final
from unittest import mock

from homeassistant import bootstrap, loader
from homeassistant.components.http import HomeAssistantHTTP
from homeassistant.config_entries import SOURCE_USER, ConfigEntries, ConfigEntry
from homeassistant.core import HomeAssistant
from homeassistant.helpers.recorder import async_initialize_recorder
from homeassistant.setup import async_setup_component

_DATABASE: Final = "replay.db"


async def start(config: Path, *domains: str) -> HomeAssistant:
    """Start a Home Assistant with a recorder, these integrations and no others."""
    hass = HomeAssistant(str(config))
    # All that is needed is there; what others need is not ours to install.
    hass.config.skip_pip = True
    loader.async_setup(hass)
    hass.config_entries = ConfigEntries(hass, {})
    await loader.async_get_custom_components(hass)
    await bootstrap.async_load_base_functionality(hass)
    async_initialize_recorder(hass)
    # What some of them ask for, to answer browsers: there are none.
    hass.config.components |= {"http", "websocket_api"}
    hass.http = mock.create_autospec(HomeAssistantHTTP, instance=True)
    recorder = {"recorder": {"db_url": f"sqlite:///{config / _DATABASE}"}}
    for domain in ("homeassistant", "recorder", *domains):
        if not await async_setup_component(hass, domain, recorder):
            raise RuntimeError(f"{domain} was not set up")
    await hass.async_start()
    return hass


def make_entry(domain: str, **settings: Any) -> ConfigEntry:
    """Make an entry as its config flow makes it."""
    common: dict[str, Any] = {
        "discovery_keys": MappingProxyType({}),
        "domain": domain,
        "minor_version": 1,
        "options": {},
        "source": SOURCE_USER,
        "title": domain,
        "version": 1,
        "data": {},
        "subentries_data": (),
    }
    return ConfigEntry(**common | settings)


def count_rows(config: Path, begin: float, end: float) -> dict[str, int]:
    """Count what was written into the database in a time."""
    stamps = {
        "states": "last_updated_ts",
        "events": "time_fired_ts",
        "statistics_short_term": "created_ts",
    }
    with sqlite3.connect(config / _DATABASE) as database:
        rows = {
            table: database.execute(
                f"SELECT COUNT(*) FROM {table} WHERE {stamp} BETWEEN ? AND ?",  # noqa: S608 - names from above
                (begin, end),
            ).fetchone()[0]
            for table, stamp in stamps.items()
        }
        # They have no time: those that only states of this time refer to.
        rows["state_attributes"] = database.execute(
            "SELECT COUNT(DISTINCT attributes_id) FROM states "
            "WHERE last_updated_ts BETWEEN ? AND ?",
            (begin, end),
        ).fetchone()[0]
    return rows


def count_rows_by_entity(config: Path, begin: float, end: float) -> dict[str, int]:
    """Count the states that were written in a time; most of all first."""
    with sqlite3.connect(config / _DATABASE) as database:
        return dict(
            database.execute(
                "SELECT meta.entity_id, COUNT(*) FROM states JOIN states_meta AS meta "
                "USING (metadata_id) WHERE last_updated_ts BETWEEN ? AND ? "
                "GROUP BY meta.entity_id ORDER BY COUNT(*) DESC, meta.entity_id",
                (begin, end),
            )
        )
