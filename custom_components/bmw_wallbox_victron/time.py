"""Times of day."""

from dataclasses import dataclass
from datetime import time
from typing import override

from homeassistant.components.time import TimeEntity, TimeEntityDescription
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .charging_entity import ChargingSettingEntity
from .coordinator import SiteConfigEntry
from .entity import WallboxEntityDescription
from .helpers import add_wallbox_entities

PARALLEL_UPDATES = 0


@dataclass(frozen=True, kw_only=True)
class ChargingTimeEntityDescription(WallboxEntityDescription, TimeEntityDescription):
    """Describes a time of day that is set for the charging of a wallbox."""


READY_BY = ChargingTimeEntityDescription(key="ready_by", available_fn=lambda _: True)


async def async_setup_entry(
    hass: HomeAssistant,
    entry: SiteConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Set up the times of each wallbox."""
    add_wallbox_entities(entry, async_add_entities, ReadyByTime, [READY_BY])


class ReadyByTime(ChargingSettingEntity, TimeEntity):
    """By when a session is to have its energy."""

    entity_description: ChargingTimeEntityDescription

    @property
    @override
    def native_value(self) -> time | None:
        """Return the time of day, in Home Assistant's time zone; None: it was lost."""
        return None if self.settings is None else self.settings.ready_by

    @override
    async def async_set_value(self, value: time) -> None:
        """Set it."""
        await self.async_set(ready_by=value.replace(tzinfo=None))

    @property
    @override
    def shown(self) -> object:
        """Return what the state is made of."""
        return self.native_value
