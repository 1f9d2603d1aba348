"""A set-up site, looked at from outside."""

import asyncio
from collections.abc import Callable
from typing import Any

from homeassistant.core import (
    Event,
    EventStateChangedData,
    HomeAssistant,
    callback,
)
from homeassistant.helpers import device_registry as dr, entity_registry as er
from homeassistant.helpers.event import async_track_state_change_event
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
)

from custom_components.bmw_wallbox_victron.const import DOMAIN
from custom_components.bmw_wallbox_victron.coordinator import SiteCoordinator
from simulators.wallbox import Car, SimulatedWallbox

CHARGE_POINT_ID = "DE*BMW*E1234567890ABCDEF"


class Site:
    """A running site, looked at from outside: by unique ids."""

    def __init__(self, hass: HomeAssistant, entry: MockConfigEntry) -> None:
        """Take the instance and its entry."""
        self.hass = hass
        self.entry = entry

    @property
    def url(self) -> str:
        """Where wallboxes connect to."""
        return f"wss://localhost:{self.entry.data['port']}"

    def entity_id(self, platform: str, key: str, owner: str = CHARGE_POINT_ID) -> str:
        """Find an entity by its unique id."""
        found = er.async_get(self.hass).async_get_entity_id(
            platform, DOMAIN, f"{owner}_{key}"
        )
        assert found is not None, f"no {platform} {key}"
        return found

    def state(
        self, key: str, platform: str = "sensor", owner: str = CHARGE_POINT_ID
    ) -> str:
        """Give an entity's state."""
        state = self.hass.states.get(self.entity_id(platform, key, owner))
        assert state is not None, f"{key} has no state"
        return state.state

    def number(self, key: str) -> float:
        """Give a sensor's state as a number."""
        return float(self.state(key))

    def states(self, *keys: str) -> dict[str, str]:
        """Give the states of several sensors."""
        return {key: self.state(key) for key in keys}

    def binary(self, key: str) -> str:
        """Give a binary sensor's state."""
        return self.state(key, "binary_sensor")

    def device(self, identifier: str = CHARGE_POINT_ID) -> dr.DeviceEntry:
        """Return a device of the entry: by default the wallbox's."""
        registry = dr.async_get(self.hass)
        for device in dr.async_entries_for_config_entry(registry, self.entry.entry_id):
            if (DOMAIN, identifier) in device.identifiers:
                return device
        raise AssertionError(f"no device {identifier}")

    async def until(
        self,
        key: str,
        value: str | Callable[[str], bool],
        owner: str = CHARGE_POINT_ID,
    ) -> None:
        """Wait until a sensor's state is `value`, or passes it; 5 s at most."""
        passes = value if callable(value) else value.__eq__
        entity_id = self.entity_id("sensor", key, owner)
        reached = asyncio.Event()

        @callback
        def look(event: Event[EventStateChangedData] | None = None) -> None:
            state = self.hass.states.get(entity_id)
            if state is not None and passes(state.state):
                reached.set()

        unsubscribe = async_track_state_change_event(self.hass, entity_id, look)
        look()
        async with asyncio.timeout(5):
            await reached.wait()
        unsubscribe()
        await self.hass.async_block_till_done()


async def settle(hass: HomeAssistant, *wallboxes: SimulatedWallbox) -> None:
    """Wait until all that was sent is answered and shown, on both sides."""
    coordinator: SiteCoordinator = hass.config_entries.async_entries(DOMAIN)[
        0
    ].runtime_data
    for wallbox in wallboxes:
        connection = coordinator.stations[wallbox.charge_point_id].connection
        async with asyncio.timeout(5):
            await wallbox.settle()
            while (
                wallbox.connected and connection is not None and not connection.at_rest
            ):
                await wallbox.settle()
    await hass.async_block_till_done()


type MakeWallbox = Callable[..., SimulatedWallbox]


async def get_sessions(hass: HomeAssistant, site: Site) -> list[dict[str, Any]]:
    """Ask for the wallbox's sessions."""
    response: Any = await hass.services.async_call(
        DOMAIN,
        "get_sessions",
        {"device_id": site.device().id},
        blocking=True,
        return_response=True,
    )
    sessions: list[dict[str, Any]] = response["sessions"]
    return sessions


def subentry_id(entry: MockConfigEntry, charge_point_id: str = CHARGE_POINT_ID) -> str:
    """Find the wallbox's subentry."""
    return next(
        item.subentry_id
        for item in entry.subentries.values()
        if item.unique_id == charge_point_id
    )


async def switch_charging(hass: HomeAssistant, site: Site, state: str) -> None:
    """Turn the charging switch on or off."""
    await hass.services.async_call(
        "switch",
        f"turn_{state}",
        {"entity_id": site.entity_id("switch", "charging")},
        blocking=True,
    )


async def reload(hass: HomeAssistant, site: Site) -> None:
    """Unload the entry, and set it up again from what is stored."""
    assert await hass.config_entries.async_unload(site.entry.entry_id)
    assert await hass.config_entries.async_setup(site.entry.entry_id)
    await hass.async_block_till_done()


async def charge(hass: HomeAssistant, wallbox: SimulatedWallbox) -> None:
    """Charge a car for a minute."""
    await wallbox.connect()
    await wallbox.plug_in(Car(phases=1))
    await wallbox.tick(60)
    await settle(hass, wallbox)
