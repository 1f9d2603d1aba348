"""Base entities: which device they belong to, when they are there, when they write."""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, Final, Self, override

from homeassistant.config_entries import ConfigSubentry
from homeassistant.const import CONF_ADDRESS
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.device_registry import DeviceInfo
from homeassistant.helpers.entity import EntityDescription
from homeassistant.helpers.entity_platform import EntityPlatform
from homeassistant.helpers.update_coordinator import CoordinatorEntity
from homeassistant.util import slugify

from .charging.status import ChargingStatus
from .const import (
    ATTR_PENDING,
    BATTERY_DEVICE,
    CONF_CHARGE_POINT_ID,
    DOMAIN,
)
from .coordinator import SiteCoordinator
from .readings import DeviceState
from .wallbox.state import WallboxState
from .wallbox.station import Station

#: The names that entity ids are made of where another one says more: ids stay.
_FORMER_NAMES: Final[Mapping[str | None, str]] = {
    "charge_detect_min_voltage": "Detection voltage",
    "charge_detect_min_rise": "Detection rise",
    "drain_fast_min_drop": "Fast drain drop",
}


class SiteEntity(CoordinatorEntity[SiteCoordinator]):
    """An entity that writes its state only when that changed."""

    _attr_has_entity_name = True

    def __init__(
        self, coordinator: SiteCoordinator, owner: str, description: EntityDescription
    ) -> None:
        """Initialize with the owner's identifier, the first half of the unique id."""
        super().__init__(coordinator)
        self.entity_description = description
        self._attr_translation_key = description.translation_key or description.key
        self._attr_unique_id = f"{owner}_{description.key}"
        self._written: object = None

    def english_name(self, domain: str) -> str | None:
        """Return the name that entity ids are made of; None: there is none.

        It is English in every language, because dashboards, blueprints and the
        documentation name entity ids.
        """
        if (key := self.translation_key) in _FORMER_NAMES:
            return _FORMER_NAMES[key]
        return self.coordinator.english.get(
            f"component.{DOMAIN}.entity.{domain}.{key}.name"
        )

    @property
    @override
    def suggested_object_id(self) -> str | None:
        """Return what the entity id is made of, beside the name of the device."""
        name = self.english_name(self.platform_data.domain)
        return name or super().suggested_object_id

    @property
    def shown(self) -> object:
        """Return what the state is made of, beside whether the entity is available."""
        return None

    @override
    async def async_added_to_hass(self) -> None:
        """Note what is written when it is added, right after this."""
        await super().async_added_to_hass()
        self._written = (self.available, self.shown)

    @callback
    @override
    def _handle_coordinator_update(self) -> None:
        """Write the state, if there is anything new."""
        showing = (self.available, self.shown)
        if showing != self._written:
            self._written = showing
            super()._handle_coordinator_update()


@dataclass(frozen=True, kw_only=True)
class WallboxEntityDescription(EntityDescription):
    """Describes an entity of a wallbox."""

    available_fn: Callable[[WallboxState], bool] = lambda state: state.connected
    """Whether it is available: by default while the wallbox is connected."""
    exists_fn: Callable[[WallboxState], bool] = lambda _: True
    """Whether there is such a thing at the wallbox, as far as it has told."""


class WallboxEntity(SiteEntity):
    """An entity of a wallbox."""

    entity_description: WallboxEntityDescription

    def __init__(
        self,
        coordinator: SiteCoordinator,
        subentry: ConfigSubentry,
        description: WallboxEntityDescription,
    ) -> None:
        """Initialize the entity."""
        self._charge_point_id: str = subentry.data[CONF_CHARGE_POINT_ID]
        self._subentry_id = subentry.subentry_id
        super().__init__(coordinator, self._charge_point_id, description)
        self._attr_device_info = coordinator.wallbox_device_info(subentry)
        if coordinator.server.device_id is not None:
            self._attr_device_info["via_device_id"] = coordinator.server.device_id

    @callback
    @override
    def add_to_platform_start(
        self,
        hass: HomeAssistant,
        platform: EntityPlatform,
        parallel_updates: asyncio.Semaphore | None,
    ) -> None:
        """Begin to be added, with an entity id like those that the wallbox has.

        Home Assistant would put the area before it where the wallbox is in one since
        the others were added; dashboards name the entity ids of all.
        """
        super().add_to_platform_start(hass, platform, parallel_updates)
        registry, domain = er.async_get(hass), platform.domain
        if registry.async_get_entity_id(domain, DOMAIN, self._attr_unique_id or ""):
            return
        begins = self._object_ids_begin(registry)
        if begins and (name := self.english_name(domain)):
            self.entity_id = f"{domain}.{begins}_{slugify(name)}"

    def _object_ids_begin(self, registry: er.EntityRegistry) -> str | None:
        """Return what most entity ids of the wallbox begin with; None: it has none."""
        found: Counter[str] = Counter()
        for entry in er.async_entries_for_config_entry(
            registry, self.coordinator.config_entry.entry_id
        ):
            name = self.coordinator.english.get(
                f"component.{DOMAIN}.entity.{entry.domain}.{entry.translation_key}.name"
            )
            if entry.config_subentry_id != self._subentry_id or not name:
                continue
            object_id = entry.entity_id.partition(".")[2]
            begins = object_id.removesuffix(f"_{slugify(name)}")
            if begins != object_id:
                found[begins] += 1
        return found.most_common(1)[0][0] if found else None

    @property
    def wallbox(self) -> WallboxState:
        """Return the state of the wallbox."""
        return self.coordinator.data.wallboxes[self._charge_point_id]

    @property
    def charging_status(self) -> ChargingStatus | None:
        """Return what is decided of its charging; None: nothing yet."""
        return self.coordinator.data.charging.get(self._charge_point_id)

    @property
    def station(self) -> Station:
        """Return what takes commands for the wallbox."""
        return self.coordinator.stations[self._charge_point_id]

    @property
    @override
    def available(self) -> bool:
        """Return whether there is anything to show."""
        return super().available and self.entity_description.available_fn(self.wallbox)


@dataclass(frozen=True, kw_only=True)
class WallboxTargetEntityDescription(WallboxEntityDescription):
    """Describes an entity that sets a target."""

    target: str
    """The field of `Target`."""
    pending_fn: Callable[[WallboxState], bool]
    """Whether the wallbox has not confirmed it yet."""


class WallboxTargetEntity(WallboxEntity):
    """An entity that shows a target, and whether the wallbox has confirmed it."""

    entity_description: WallboxTargetEntityDescription

    @property
    def lost(self) -> bool:
        """Return whether the stored target could not be read."""
        return self.entity_description.target in self.wallbox.target.lost

    @property
    def pending(self) -> bool:
        """Return whether the wallbox has not confirmed the target yet."""
        return self.entity_description.pending_fn(self.wallbox)

    @property
    @override
    def extra_state_attributes(self) -> dict[str, bool]:
        """Return whether the target is not confirmed yet."""
        return {ATTR_PENDING: self.pending}


@dataclass(frozen=True, kw_only=True)
class DeviceEntityDescription(EntityDescription):
    """Describes an entity of a device that is heard by Bluetooth."""

    available_fn: Callable[[DeviceState], bool] = lambda state: state.fresh
    """Whether it is available: by default while the last reading is fresh."""

    def enabled_if_read(self, state: DeviceState) -> Self:
        """Return it disabled by default where the first reading lacks its key."""
        if not state.fresh or state.values.get(self.key) is not None:
            return self
        return replace(self, entity_registry_enabled_default=False)


class DeviceEntity(SiteEntity):
    """An entity of a device that is heard by Bluetooth."""

    entity_description: DeviceEntityDescription

    def __init__(
        self,
        coordinator: SiteCoordinator,
        subentry: ConfigSubentry,
        description: DeviceEntityDescription,
    ) -> None:
        """Initialize the entity."""
        self._subentry = subentry
        super().__init__(coordinator, subentry.data[CONF_ADDRESS], description)
        self._attr_device_info = coordinator.devices.device_info(subentry)

    @property
    @override
    def unique_id(self) -> str:
        """Return the unique id: the address may be corrected meanwhile."""
        return f"{self._subentry.data[CONF_ADDRESS]}_{self.entity_description.key}"

    @property
    def device_state(self) -> DeviceState:
        """Return what is shown of the device; nothing where it changes just now."""
        return self.coordinator.data.devices.get(
            self._subentry.data[CONF_ADDRESS], DeviceState()
        )

    @property
    @override
    def available(self) -> bool:
        """Return whether there is anything to show."""
        return super().available and self.entity_description.available_fn(
            self.device_state
        )


class BatteryEntity(SiteEntity):
    """An entity of the battery. Without a fresh source it is unknown."""

    domain: ClassVar[str]
    """The platform."""

    def __init__(
        self, coordinator: SiteCoordinator, description: EntityDescription
    ) -> None:
        """Initialize the entity."""
        super().__init__(coordinator, BATTERY_DEVICE, description)
        # There is one battery, whose device is named in the owner's language.
        name = self.english_name(self.domain) or description.key
        self.entity_id = f"{self.domain}.{slugify(f'battery {name}')}"
        self._attr_device_info = DeviceInfo(
            identifiers={(DOMAIN, BATTERY_DEVICE)}, translation_key=BATTERY_DEVICE
        )
