"""Selects."""

from dataclasses import dataclass
from typing import override

from homeassistant.components.select import SelectEntity, SelectEntityDescription
from homeassistant.const import Platform
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .charging.settings import ChargingMode
from .charging_entity import ChargingSettingEntity, add_charging_entities
from .coordinator import SiteConfigEntry
from .entity import WallboxEntityDescription

PARALLEL_UPDATES = 0


@dataclass(frozen=True, kw_only=True)
class ChargingSelectEntityDescription(
    WallboxEntityDescription, SelectEntityDescription
):
    """Describes a select of what is set for the charging of a wallbox."""


CHARGING_MODE = ChargingSelectEntityDescription(
    key="charging_mode",
    options=[mode.value for mode in ChargingMode],
    available_fn=lambda _: True,
)


async def async_setup_entry(
    hass: HomeAssistant,
    entry: SiteConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Set up the selects of each wallbox."""
    add_charging_entities(
        Platform.SELECT, entry, async_add_entities, ModeSelect, [CHARGING_MODE]
    )


class ModeSelect(ChargingSettingEntity, SelectEntity):
    """How much a car may draw when nothing else holds it back."""

    entity_description: ChargingSelectEntityDescription

    @property
    @override
    def current_option(self) -> str | None:
        """Return the mode; None: that was lost."""
        return None if self.settings is None else self.settings.charging_mode

    @override
    async def async_select_option(self, option: str) -> None:
        """Choose a mode."""
        await self.async_set(charging_mode=ChargingMode(option))

    @property
    @override
    def shown(self) -> object:
        """Return what the state is made of."""
        return self.current_option
