"""What the entities of charging have in common."""

from collections.abc import Callable, Iterable
from typing import Unpack

from homeassistant.config_entries import ConfigSubentry
from homeassistant.core import callback
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .charging.settings import ChargingSettings
from .charging_watch import SettingChanges
from .const import CONF_CHARGE_POINT_ID, DOMAIN
from .coordinator import SiteConfigEntry, SiteCoordinator
from .entity import WallboxEntity, WallboxEntityDescription
from .helpers import storing


class ChargingSettingEntity(WallboxEntity):
    """An entity that shows what is set for the charging of a wallbox."""

    @property
    def settings(self) -> ChargingSettings | None:
        """Return what is set; None: it was stored and cannot be read."""
        target = self.wallbox.target
        return None if "charging" in target.lost else target.charging

    async def async_set(self, **changes: Unpack[SettingChanges]) -> None:
        """Change what is set, and return once it is on the disk."""
        async with storing(self.coordinator):
            self.coordinator.charging.set(self.station, **changes)


@callback
def add_charging_entities[Description: WallboxEntityDescription](
    domain: str,
    entry: SiteConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
    make: Callable[[SiteCoordinator, ConfigSubentry, Description], WallboxEntity],
    descriptions: Iterable[Description],
) -> None:
    """Add an entity of each description that the options bring to each wallbox.

    Those that the options bring no more go. `domain`: the platform.
    """
    coordinator = entry.runtime_data
    registry = er.async_get(coordinator.hass)
    by_key = {each.key: each for each in descriptions}
    kept: frozenset[str] | None = None

    @callback
    def follow() -> None:
        nonlocal kept
        tells = coordinator.data.charging_tells & by_key.keys()
        if tells == kept:
            return
        new, kept = tells - (kept or frozenset()), tells
        for subentry in coordinator.wallbox_subentries:
            owner = subentry.data[CONF_CHARGE_POINT_ID]
            for key in by_key.keys() - tells:
                entity_id = registry.async_get_entity_id(
                    domain, DOMAIN, f"{owner}_{key}"
                )
                if entity_id is not None:
                    registry.async_remove(entity_id)
            if not new:
                continue
            async_add_entities(
                [make(coordinator, subentry, by_key[key]) for key in sorted(new)],
                config_subentry_id=subentry.subentry_id,
            )

    follow()
    entry.async_on_unload(coordinator.async_add_listener(follow))
