"""Sensors. What they are is in tables, by the device that they are of: see sensors/."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, override

from homeassistant.components.sensor import SensorDeviceClass, SensorEntityDescription
from homeassistant.config_entries import ConfigSubentry
from homeassistant.const import CONF_ADDRESS, EntityCategory, Platform
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.device_registry import DeviceInfo
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback
from homeassistant.helpers.translation import async_get_cached_translations
from homeassistant.helpers.typing import StateType

from .charging_entity import add_charging_entities
from .charging_sensor import LimitReasonSensor, PlanStartSensor, ReceiptSensor
from .const import ATTR_FLAGS, ATTR_MESSAGE, DOMAIN, SERVER_DEVICE
from .coordinator import SiteConfigEntry, SiteCoordinator, SiteData
from .entity import BatteryEntity, DeviceEntity, WallboxEntity
from .helpers import add_battery_entities, add_device_entities, add_wallbox_entities
from .readings import Flags, Value
from .sensors.battery import BATTERY_SENSORS, BatterySensorEntityDescription
from .sensors.battery_counters import COUNTER_SENSORS, CounterSensorEntityDescription
from .sensors.charging import LIMIT_REASON, PLAN_START, RECEIPT_SENSORS
from .sensors.device import (
    CANONICAL,
    DeviceSensorEntityDescription,
    describe_device,
)
from .sensors.wallbox import (
    WALLBOX_SENSORS,
    WallboxQuantityEntityDescription,
    WallboxSensorEntityDescription,
)
from .site_sensor import PacedSensor, SiteSensor

PARALLEL_UPDATES = 0


@dataclass(frozen=True, kw_only=True)
class ServerSensorEntityDescription(SensorEntityDescription):
    """Describes a sensor of the server."""

    value_fn: Callable[[SiteData], StateType | datetime]
    """The state."""


SERVER_SENSORS = (
    ServerSensorEntityDescription(
        key="certificate_expiry",
        device_class=SensorDeviceClass.TIMESTAMP,
        entity_category=EntityCategory.DIAGNOSTIC,
        value_fn=lambda data: (
            None if data.certificate is None else data.certificate.not_after
        ),
    ),
)


async def async_setup_entry(
    hass: HomeAssistant,
    entry: SiteConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Set up the sensors of the server, of each wallbox and of each device."""
    coordinator = entry.runtime_data
    if coordinator.server.device_id is not None:
        async_add_entities(
            ServerSensor(coordinator, description) for description in SERVER_SENSORS
        )
    add_wallbox_entities(
        entry, async_add_entities, _make_wallbox_sensor, WALLBOX_SENSORS
    )
    add_wallbox_entities(entry, async_add_entities, LimitReasonSensor, [LIMIT_REASON])
    add_wallbox_entities(entry, async_add_entities, PlanStartSensor, [PLAN_START])
    add_charging_entities(
        Platform.SENSOR, entry, async_add_entities, ReceiptSensor, RECEIPT_SENSORS
    )
    add_device_entities(entry, async_add_entities, DeviceSensor, describe_device)
    add_battery_entities(entry, async_add_entities, BatterySensor, BATTERY_SENSORS)
    add_battery_entities(entry, async_add_entities, CounterSensor, COUNTER_SENSORS)


class ServerSensor(SiteSensor):
    """A sensor of the server."""

    entity_description: ServerSensorEntityDescription

    def __init__(
        self, coordinator: SiteCoordinator, description: ServerSensorEntityDescription
    ) -> None:
        """Initialize the entity. The server itself registers its device."""
        super().__init__(coordinator, SERVER_DEVICE, description)
        self._attr_device_info = DeviceInfo(identifiers={(DOMAIN, SERVER_DEVICE)})

    @property
    @override
    def native_value(self) -> StateType | datetime:
        """Return the state."""
        return self.entity_description.value_fn(self.coordinator.data)


class WallboxSensor(WallboxEntity, SiteSensor):
    """A sensor of a wallbox."""

    entity_description: WallboxSensorEntityDescription

    @property
    @override
    def native_value(self) -> StateType | datetime:
        """Return the state."""
        return self.entity_description.value_fn(self.wallbox)

    @property
    @override
    def extra_state_attributes(self) -> dict[str, Any] | None:
        """Return what the state means, in a sentence."""
        if not self.entity_description.has_message:
            return None
        texts = async_get_cached_translations(
            self.hass, self.hass.config.language, "selector", DOMAIN
        )
        messages = f"component.{DOMAIN}.selector.status_message.options."
        return {ATTR_MESSAGE: texts.get(f"{messages}{self.native_value}")}


class WallboxQuantitySensor(PacedSensor):
    """A sensor of something that a wallbox measures."""

    entity_description: WallboxQuantityEntityDescription

    @property
    @override
    def _reading(self) -> float | None:
        """Return what is measured."""
        return self.entity_description.value_fn(self.wallbox)

    @property
    @override
    def native_value(self) -> float | None:
        """Return what is shown."""
        return self._paced


@callback
def _make_wallbox_sensor(
    coordinator: SiteCoordinator,
    subentry: ConfigSubentry,
    description: WallboxSensorEntityDescription,
) -> WallboxSensor | WallboxQuantitySensor:
    """Return a sensor of a wallbox."""
    if isinstance(description, WallboxQuantityEntityDescription):
        return WallboxQuantitySensor(coordinator, subentry, description)
    return WallboxSensor(coordinator, subentry, description)


class DeviceSensor(DeviceEntity, SiteSensor):
    """A sensor of a device that is heard by Bluetooth."""

    entity_description: DeviceSensorEntityDescription

    def __init__(
        self,
        coordinator: SiteCoordinator,
        subentry: ConfigSubentry,
        description: DeviceSensorEntityDescription,
    ) -> None:
        """Initialize the entity: off by default where the battery shows the same."""
        super().__init__(coordinator, subentry, description)
        if description.key in CANONICAL and coordinator.devices.is_battery_monitor(
            subentry.data[CONF_ADDRESS]
        ):
            self._attr_entity_registry_enabled_default = False

    @property
    @override
    def shown(self) -> Value | datetime:
        """Return what was read: of flags all that are set."""
        return self.entity_description.value_fn(self.device_state)

    @property
    @override
    def native_value(self) -> StateType | datetime:
        """Return the state; of flags the lowest."""
        value = self.shown
        return value.state if isinstance(value, Flags) else value

    @property
    @override
    def extra_state_attributes(self) -> dict[str, Any] | None:
        """Return all flags that are set, the lowest first."""
        if not self.entity_description.has_flags:
            return None
        value = self.shown
        names = value.names if isinstance(value, Flags) else ()
        options = self.entity_description.options or ()
        return {ATTR_FLAGS: [name for name in options if name in names]}


class BatterySensor(BatteryEntity, SiteSensor):
    """A sensor of the battery."""

    domain = Platform.SENSOR

    entity_description: BatterySensorEntityDescription

    @property
    @override
    def native_value(self) -> StateType:
        """Return the state."""
        battery = self.coordinator.data.battery
        return None if battery is None else self.entity_description.value_fn(battery)

    @property
    def _message(self) -> str | None:
        """Return the name of the sentence that goes with the state."""
        battery, message_fn = (
            self.coordinator.data.battery,
            self.entity_description.message_fn,
        )
        return None if battery is None or message_fn is None else message_fn(battery)

    @property
    @override
    def extra_state_attributes(self) -> dict[str, Any] | None:
        """Return what the state means, in a sentence."""
        if self.entity_description.message_fn is None:
            return None
        return {ATTR_MESSAGE: self.coordinator.devices.messages.get(str(self._message))}

    @property
    @override
    def shown(self) -> object:
        """Return what state and attributes are made of."""
        return self.native_value, self._message


class CounterSensor(BatteryEntity, SiteSensor):
    """A sensor of what is counted of the battery."""

    domain = Platform.SENSOR

    entity_description: CounterSensorEntityDescription

    @property
    @override
    def native_value(self) -> StateType | datetime:
        """Return the state."""
        counters = self.coordinator.data.battery_counters
        return None if counters is None else self.entity_description.value_fn(counters)

    @property
    @override
    def shown(self) -> object:
        """Return what the state is made of."""
        return self.native_value
