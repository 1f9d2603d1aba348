"""What is looked at and furnished over Home Assistant's API."""

import asyncio
from collections.abc import Mapping
import contextlib
import time
from typing import Any, Final

from homeassistant.util.yaml import load_yaml_dict

from simulators.wallbox import SimulatedWallbox

from .client import Client
from .console import DemoError
from .layout import CHARGE_POINT_ID, DOMAIN, ROOT

_LIVE_LIMIT_S: Final = 60.0
"""From a running Home Assistant to a reading of the wallbox."""
_CHARGING_LIMIT_S: Final = 20.0
"""To a reading above 0, where there is one."""
_POLL_S: Final = 0.25
_FAVORITES: Final = (
    ("status", "sensor"),
    ("power", "sensor"),
    ("current", "sensor"),
    ("energy_session", "sensor"),
    ("energy_total", "sensor"),
    ("charging", "switch"),
    ("current_limit", "number"),
)
"""What the overview shows first, as far as the integration has it."""
_CHARGING: Final[tuple[tuple[str, str, str, Mapping[str, Any]], ...]] = (
    ("charging_mode", "select", "select_option", {"option": "solar"}),
    ("target_energy", "number", "set_value", {"value": 25}),
    ("ready_by", "time", "set_value", {"time": "07:00:00"}),
    ("plan", "switch", "turn_on", {}),
)
"""Key, platform, action and data of what the owner of a house sets."""
_DASHBOARDS: Final = {"wallbox": "mdi:ev-station", "battery": "mdi:caravan"}
"""The dashboards, and their icons in the sidebar."""


async def find_entities(client: Client) -> dict[tuple[str, str], str]:
    """Return the entities of the wallbox, by platform and key."""
    found: dict[tuple[str, str], str] = {}
    for entity in await client.ask("config/entity_registry/list"):
        owner, _, key = entity["unique_id"].partition(f"{CHARGE_POINT_ID}_")
        if entity["platform"] == DOMAIN and not owner and key:
            entity_id: str = entity["entity_id"]
            found[entity_id.partition(".")[0], key] = entity_id
    return found


async def find_entity(client: Client, key: str, platform: str = "sensor") -> str | None:
    """Find an entity of the wallbox."""
    return (await find_entities(client)).get((platform, key))


async def furnish(client: Client) -> None:
    """Put the wallbox in an area and return the dashboards something to show."""
    user = await client.ask("auth/current_user")
    await client.ask(
        "person/create", name="Demo", user_id=user["id"], device_trackers=[]
    )
    area = await client.ask(
        "config/area_registry/create", name="Garage", icon="mdi:garage"
    )
    for device in await client.ask("config/device_registry/list"):
        if [DOMAIN, CHARGE_POINT_ID] in device["identifiers"]:
            await client.ask(
                "config/device_registry/update",
                device_id=device["id"],
                area_id=area["area_id"],
            )
    favorites = [await find_entity(client, key, what) for key, what in _FAVORITES]
    await client.ask(
        "frontend/set_system_data",
        key="home",
        value={
            "favorite_entities": [entity for entity in favorites if entity],
            # Else they are shown only together with those that usage predicts.
            "hide_suggested_entities": True,
            "welcome_banner_dismissed": True,
        },
    )
    if energy := await find_entity(client, "energy_total"):
        await client.ask(
            "energy/save_prefs", device_consumption=[{"stat_consumption": energy}]
        )


async def hang_up_dashboards(client: Client, *, house: bool = False) -> None:
    """Put up the dashboards that people can copy; with `house` one of it as well."""
    folders = dict.fromkeys(_DASHBOARDS, ROOT / "dashboards")
    if house:
        folders["house"] = ROOT / "demo" / "house"
    for name, folder in folders.items():
        icon = _DASHBOARDS.get(name, "mdi:home-lightning-bolt")
        config = await asyncio.to_thread(load_yaml_dict, str(folder / f"{name}.yaml"))
        # The path of a dashboard needs a hyphen.
        path = f"demo-{name}"
        await client.ask(
            "lovelace/dashboards/create",
            url_path=path,
            title=config["title"],
            icon=icon,
        )
        await client.ask("lovelace/config/save", url_path=path, config=config)


async def set_up_charging(client: Client) -> None:
    """Set what the owner of a house sets: sun first, and a target by the morning."""
    for key, platform, service, data in _CHARGING:
        if (entity_id := await find_entity(client, key, platform)) is None:
            raise DemoError(f"the integration made no {platform} {key}: see its log")
        await client.ask(
            "call_service",
            domain=platform,
            service=service,
            service_data={"entity_id": entity_id, **data},
        )


async def wait_live(client: Client, box: SimulatedWallbox) -> float:
    """Wait until the wallbox's power arrives in Home Assistant and return it in W.

    It stays 0 where charging was stopped in Home Assistant before the last stop.
    """
    entity = await find_entity(client, "power")
    if entity is None:
        raise DemoError("the integration made no power sensor: see its log")
    begin = time.monotonic()
    while True:
        power = await _read(client, entity)
        waited = time.monotonic() - begin
        if power is not None and (power > 0 or waited > _CHARGING_LIMIT_S):
            return power
        if waited > _LIVE_LIMIT_S:
            where = "shows no power" if box.online else "is not connected"
            raise DemoError(
                f"the wallbox {where} after {waited:.0f} s: see Home Assistant's log"
            )
        await asyncio.sleep(_POLL_S)


async def _read(client: Client, entity_id: str) -> float | None:
    """Read a sensor's number; None: it has none now."""
    for state in await client.ask("get_states"):
        if state["entity_id"] == entity_id:
            with contextlib.suppress(ValueError):
                return float(state["state"])
    return None
