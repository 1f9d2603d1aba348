"""Adds a rig's devices as a user does: by the flows that discovery began."""

import asyncio
from collections.abc import Iterable, Mapping
import json
import time
from typing import Any, Final

from simulators.caravan.identity import Identity

from .client import Client
from .layout import CHARGE_POINT_ID, DOMAIN, ROOT
from .past.days import Statistic
from .rigs import CARAVAN, Rig

_DISCOVERY_LIMIT_S: Final = 60.0
"""From a running Home Assistant to a flow for each device."""
_ENTITIES_LIMIT_S: Final = 20.0
"""From an added device to its entities."""
_POLL_S: Final = 0.25


class NotAddedError(Exception):
    """A device could not be added; the text says why."""


def reads_victron() -> bool:
    """Return whether the integration has Home Assistant discover such devices."""
    path = ROOT / "custom_components" / DOMAIN / "manifest.json"
    return "bluetooth" in json.loads(path.read_text(encoding="utf-8"))


async def find_added(client: Client, rig: Rig = CARAVAN) -> frozenset[str]:
    """Return the addresses of those that the integration knows."""
    known: set[str] = set()
    for entry in await client.ask("config_entries/get", domain=DOMAIN):
        subentries = await client.ask(
            "config_entries/subentries/list", entry_id=entry["entry_id"]
        )
        known.update(each["unique_id"] for each in subentries if each["unique_id"])
    return rig.addresses & known


async def add_all(client: Client, rig: Rig = CARAVAN) -> list[Identity]:
    """Add the Victron devices that are not there yet, and return them."""
    added: list[Identity] = []
    begin = time.monotonic()
    while True:
        known = await find_added(client, rig)
        missing = {
            each.address: each for each in rig.devices if each.address not in known
        }
        if not missing:
            return added
        for flow in await client.ask("config_entries/flow/progress"):
            if flow["handler"] != DOMAIN or flow["context"]["source"] != "bluetooth":
                continue
            step = await client.get(
                f"/api/config/config_entries/flow/{flow['flow_id']}"
            )
            device = missing.pop(_address(step) or "", None)
            if device is not None:
                await _answer(client, step, device)
                added.append(device)
        if time.monotonic() - begin > _DISCOVERY_LIMIT_S:
            names = " and ".join(each.name for each in missing.values())
            raise NotAddedError(f"Home Assistant did not discover {names}")
        await asyncio.sleep(_POLL_S)


async def _answer(client: Client, step: Mapping[str, Any], device: Identity) -> None:
    """Answer the question for the key."""
    result = await client.post(
        f"/api/config/config_entries/flow/{step['flow_id']}",
        {"address": device.address, "encryption_key": device.key.hex()},
    )
    if result["type"] == "form":
        raise NotAddedError(f"{device.name} was not taken: {result['errors']}")
    if result["type"] == "abort" and not result["reason"].endswith("_added"):
        raise NotAddedError(f"{device.name} was not taken: {result['reason']}")


def _address(step: Mapping[str, Any]) -> str | None:
    """Return the address that a flow's form proposes."""
    for field in step.get("data_schema") or ():
        if field["name"] == "address":
            suggested = (field.get("description") or {}).get("suggested_value")
            address: str | None = field.get("default") or suggested
            return address
    return None


async def show(client: Client, rig: Rig = CARAVAN) -> None:
    """Put the rig on the overview, once its entities are there."""
    begin = time.monotonic()
    while True:
        entities = await _find_entities(client)
        if not (missing := rig.awaited - entities.keys()):
            break
        if time.monotonic() - begin > _ENTITIES_LIMIT_S:
            names = ", ".join(sorted(missing))
            raise NotAddedError(f"the integration made no entities {names}")
        await asyncio.sleep(_POLL_S)
    # The plug is not the integration's, but it is what there is to play with.
    found = [entities.get(f"{owner}_{key}") for owner, key in rig.favorites]
    found.append(rig.plug)
    answer = await client.ask("frontend/get_system_data", key="home")
    home = answer["value"] or {}
    favorites = home.get("favorite_entities", [])
    new = [each for each in found if each is not None and each not in favorites]
    await client.ask(
        "frontend/set_system_data",
        key="home",
        value={**home, "favorite_entities": [*favorites, *new]},
    )


async def show_energy(client: Client) -> None:
    """Have the Energy dashboard show the battery, unless it has sources."""
    entities = await _find_entities(client)

    def find(key: str, owner: str = "battery") -> str | None:
        return entities.get(f"{owner}_{key}")

    preferences = await client.ask("energy/get_prefs")
    charged, discharged = find("energy_charged"), find("energy_discharged")
    if preferences["energy_sources"] or charged is None or discharged is None:
        return
    sources: list[dict[str, Any]] = [
        {
            "type": "battery",
            "stat_energy_from": discharged,
            "stat_energy_to": charged,
            "stat_soc": find("soc"),
        }
    ]
    if (solar := find("solar_energy")) is not None:
        sources.append({"type": "solar", "stat_energy_from": solar})
    # There is no meter of the house: what the wallbox takes stands for it.
    sources += [
        {"type": "grid", "stat_energy_from": drawn, "cost_adjustment_day": 0}
        for drawn in (find("mains_energy"), find("energy_total", CHARGE_POINT_ID))
        if drawn is not None
    ]
    await client.ask("energy/save_prefs", energy_sources=sources)


async def show_days(client: Client, days: Iterable[Statistic]) -> None:
    """Give Home Assistant what the battery did before it was there."""
    entities = await _find_entities(client)
    for each in days:
        if (entity_id := entities.get(f"battery_{each.key}")) is not None:
            await client.ask(
                "recorder/import_statistics",
                metadata={**each.metadata, "statistic_id": entity_id},
                stats=each.rows,
            )


async def _find_entities(client: Client) -> dict[str, str | None]:
    """Return the integration's entities by unique id; None: one that is off."""
    return {
        entity["unique_id"]: entity["entity_id"] if not entity["disabled_by"] else None
        for entity in await client.ask("config/entity_registry/list")
        if entity["platform"] == DOMAIN
    }
