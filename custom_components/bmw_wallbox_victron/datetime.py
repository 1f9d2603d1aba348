"""Moments."""

from dataclasses import dataclass
from datetime import datetime
from typing import override

from homeassistant.components.datetime import DateTimeEntity, DateTimeEntityDescription
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import ServiceValidationError
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback
from homeassistant.util import dt as dt_util

from .charging_entity import ChargingSettingEntity
from .const import DOMAIN
from .coordinator import SiteConfigEntry
from .entity import WallboxEntityDescription
from .helpers import add_wallbox_entities

PARALLEL_UPDATES = 0


@dataclass(frozen=True, kw_only=True)
class ChargingDateTimeEntityDescription(
    WallboxEntityDescription, DateTimeEntityDescription
):
    """Describes a moment that is set for the charging of a wallbox."""


START_AT = ChargingDateTimeEntityDescription(
    key="start_at", available_fn=lambda _: True
)


async def async_setup_entry(
    hass: HomeAssistant,
    entry: SiteConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Set up the moments of each wallbox."""
    add_wallbox_entities(entry, async_add_entities, StartAtDateTime, [START_AT])


class StartAtDateTime(ChargingSettingEntity, DateTimeEntity):
    """When charging is allowed, once."""

    entity_description: ChargingDateTimeEntityDescription

    @property
    @override
    def native_value(self) -> datetime | None:
        """Return it; None: nothing waits, or it was lost."""
        return None if self.settings is None else self.settings.start_at

    @override
    async def async_set_value(self, value: datetime) -> None:
        """Set it: it must be still to come."""
        if value == dt_util.start_of_local_day():
            # So a dashboard sends a day that was chosen before the time.
            value = dt_util.as_local(value).replace(hour=23, minute=59)
        if value <= dt_util.utcnow():
            raise ServiceValidationError(
                translation_domain=DOMAIN, translation_key="start_has_passed"
            )
        await self.async_set(start_at=value)

    @property
    @override
    def shown(self) -> object:
        """Return what the state is made of."""
        return self.native_value
