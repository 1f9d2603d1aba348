"""Which entities the triggers and conditions of the automation editor look at."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Final, override

from homeassistant.const import ATTR_DEVICE_ID
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import entity_registry as er

from .const import BATTERY_DEVICE, DOMAIN

#: What is targeted where nobody chooses. Home Assistant's helpers want a target, and
#: follow the registries for a device; the source finds its entity without it.
NOTHING_CHOSEN: Final = {ATTR_DEVICE_ID: [BATTERY_DEVICE]}


@dataclass(frozen=True, slots=True)
class Source(ABC):
    """Entities of ours, whatever their users call them."""

    platform: str
    """The entities' domain."""
    key: str
    """The second half of their unique ids."""

    @abstractmethod
    def find(self, hass: HomeAssistant, targeted: set[str]) -> set[str]:
        """Give their entity ids, of those that are targeted."""


@dataclass(frozen=True, slots=True)
class BatterySource(Source):
    """An entity of the battery: there is one, so that nobody has to choose it."""

    @callback
    @override
    def find(self, hass: HomeAssistant, targeted: set[str]) -> set[str]:
        """Give it, if it is there, whatever is targeted."""
        entity_id = er.async_get(hass).async_get_entity_id(
            self.platform, DOMAIN, f"{BATTERY_DEVICE}_{self.key}"
        )
        return set() if entity_id is None else {entity_id}


@dataclass(frozen=True, slots=True)
class WallboxSource(Source):
    """An entity of each wallbox. It alone has its key for a translation key."""

    @callback
    @override
    def find(self, hass: HomeAssistant, targeted: set[str]) -> set[str]:
        """Return those that are targeted."""
        registry = er.async_get(hass)
        return {
            entity_id
            for entity_id in targeted
            if (entry := registry.async_get(entity_id)) is not None
            and (entry.platform, entry.domain, entry.translation_key)
            == (DOMAIN, self.platform, self.key)
        }
