"""What triggers and conditions share: their entities, and a schema."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Final, override

from homeassistant.const import ATTR_DEVICE_ID, CONF_FOR, CONF_OPTIONS
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import config_validation as cv, entity_registry as er
import voluptuous as vol

from .const import BATTERY_DEVICE, DOMAIN

#: What is targeted where nobody chooses. Home Assistant's helpers want a target, and
#: follow the registries for a device; the source finds its entity without it.
NOTHING_CHOSEN: Final = {ATTR_DEVICE_ID: [BATTERY_DEVICE]}
FOR: Final = {vol.Optional(CONF_FOR): cv.positive_time_period}
BATTERY_SCHEMA: Final = vol.Schema({vol.Required(CONF_OPTIONS, default={}): FOR})


@dataclass(frozen=True, slots=True)
class Source(ABC):
    """Entities of ours, whatever their users call them."""

    platform: str
    """The entities' domain."""
    key: str
    """The second half of their unique ids."""

    @abstractmethod
    def find(self, hass: HomeAssistant, targeted: set[str]) -> set[str]:
        """Return their entity ids, of those that are targeted."""


@dataclass(frozen=True, slots=True)
class BatterySource(Source):
    """An entity of the battery: there is one, so that nobody has to choose it."""

    @callback
    @override
    def find(self, hass: HomeAssistant, targeted: set[str]) -> set[str]:
        """Return it, if it is there, whatever is targeted."""
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
