"""What triggers and conditions share: their entities, and a schema."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, override

from homeassistant.const import ATTR_DEVICE_ID, CONF_FOR, CONF_OPTIONS, CONF_TARGET
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import config_validation as cv, entity_registry as er
from homeassistant.helpers.typing import ConfigType
import voluptuous as vol

from .const import BATTERY_DEVICE, DOMAIN

#: What is targeted where nobody chooses. Home Assistant's helpers want a target, and
#: follow the registries for a device; the source finds its entity without it.
NOTHING_CHOSEN: Final[ConfigType] = {ATTR_DEVICE_ID: [BATTERY_DEVICE]}
FOR: Final = {vol.Optional(CONF_FOR): cv.positive_time_period}
#: There is one battery: it need not be chosen, but is where it is found by target.
BATTERY_TARGET: Final = {vol.Optional(CONF_TARGET): cv.TARGET_FIELDS}
BATTERY_SCHEMA: Final = vol.Schema(
    {**BATTERY_TARGET, vol.Required(CONF_OPTIONS, default={}): FOR}
)


@dataclass(frozen=True, slots=True)
class Source(ABC):
    """Entities of ours, whatever their users call them."""

    platform: str
    """The entities' domain."""
    key: str
    """The second half of their unique ids."""

    @abstractmethod
    def find(self, hass: HomeAssistant, targeted: set[str] | None) -> set[str]:
        """Return their entity ids, of the devices of which something is targeted.

        The editor finds a device by one entity of it, which may be another one.
        None: nothing was chosen.
        """


def _of_devices(hass: HomeAssistant, targeted: set[str]) -> Iterable[er.RegistryEntry]:
    """Return all entities of the devices of ours of which something is targeted."""
    registry = er.async_get(hass)
    devices: set[str | None] = {None}
    for entity_id in targeted:
        entry = registry.async_get(entity_id)
        if entry is None or entry.platform != DOMAIN:
            continue
        yield entry
        if (device_id := entry.device_id) is not None and device_id not in devices:
            devices.add(device_id)
            yield from er.async_entries_for_device(registry, device_id)


@dataclass(frozen=True, slots=True)
class BatterySource(Source):
    """An entity of the battery: there is one, so that nobody has to choose it."""

    @callback
    @override
    def find(self, hass: HomeAssistant, targeted: set[str] | None) -> set[str]:
        """Return it, if it is there, and no other device was chosen."""
        entity_id = er.async_get(hass).async_get_entity_id(
            self.platform, DOMAIN, f"{BATTERY_DEVICE}_{self.key}"
        )
        if entity_id is None:
            return set()
        if targeted is not None and not any(
            entry.entity_id == entity_id for entry in _of_devices(hass, targeted)
        ):
            return set()
        return {entity_id}


@dataclass(frozen=True, slots=True)
class WallboxSource(Source):
    """An entity of each wallbox. It alone has its key for a translation key."""

    @callback
    @override
    def find(self, hass: HomeAssistant, targeted: set[str] | None) -> set[str]:
        """Return those of the wallboxes that were chosen."""
        return {
            entry.entity_id
            for entry in _of_devices(hass, targeted or set())
            if (entry.platform, entry.domain, entry.translation_key)
            == (DOMAIN, self.platform, self.key)
        }
