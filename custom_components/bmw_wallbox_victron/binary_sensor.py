"""Binary sensors."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, override

from homeassistant.components.binary_sensor import (
    BinarySensorDeviceClass,
    BinarySensorEntity,
    BinarySensorEntityDescription,
)
from homeassistant.const import EntityCategory, Platform
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .battery.battery import BatteryState
from .bms_model import IDENTITY
from .charging.status import ChargingStatus
from .const import ATTR_SILENT
from .coordinator import SiteConfigEntry
from .entity import (
    BatteryEntity,
    DeviceEntity,
    DeviceEntityDescription,
    SiteEntity,
    WallboxEntity,
    WallboxEntityDescription,
)
from .helpers import add_battery_entities, add_device_entities, add_wallbox_entities
from .readings import DeviceState
from .wallbox.state import ChargingState, WallboxState

PARALLEL_UPDATES = 0


@dataclass(frozen=True, kw_only=True)
class WallboxBinarySensorEntityDescription(
    WallboxEntityDescription, BinarySensorEntityDescription
):
    """Describes a binary sensor of a wallbox."""

    is_on_fn: Callable[[WallboxState], bool | None]
    """Whether it is on; None: unknown."""


@dataclass(frozen=True, kw_only=True)
class ChargingBinarySensorEntityDescription(
    WallboxEntityDescription, BinarySensorEntityDescription
):
    """Describes a binary sensor of the charging of a wallbox."""

    is_on_fn: Callable[[ChargingStatus], bool | None]
    """Whether it is on; None: unknown."""


@dataclass(frozen=True, kw_only=True)
class DeviceBinarySensorEntityDescription(
    DeviceEntityDescription, BinarySensorEntityDescription
):
    """Describes a binary sensor of a device that is heard by Bluetooth."""

    is_on_fn: Callable[[DeviceState], bool | None]
    """Whether it is on; None: unknown."""


@dataclass(frozen=True, kw_only=True)
class BatteryBinarySensorEntityDescription(BinarySensorEntityDescription):
    """Describes a binary sensor of the battery."""

    is_on_fn: Callable[[BatteryState], bool | None]
    """Whether it is on; None: unknown."""
    silent_fn: Callable[[BatteryState], tuple[str, ...]] | None = None
    """The names of the devices in the attribute `silent`; None: it has none."""


def _reading(key: str) -> Callable[[DeviceState], bool | None]:
    """Return a reader of what is on or off."""

    def read(state: DeviceState) -> bool | None:
        value = state.values.get(key)
        return None if value is None else bool(value)

    return read


def _charging(state: WallboxState) -> bool | None:
    """Return whether energy flows; None where nothing was heard yet."""
    if state.charging_state is None:
        return None
    return state.charging_state is ChargingState.CHARGING


WALLBOX_BINARY_SENSORS = (
    WallboxBinarySensorEntityDescription(
        key="connected",
        device_class=BinarySensorDeviceClass.CONNECTIVITY,
        entity_category=EntityCategory.DIAGNOSTIC,
        available_fn=lambda _: True,
        is_on_fn=lambda state: state.connected,
    ),
    WallboxBinarySensorEntityDescription(
        key="charging",
        entity_category=EntityCategory.DIAGNOSTIC,
        is_on_fn=_charging,
    ),
    WallboxBinarySensorEntityDescription(
        key="cable_connected",
        device_class=BinarySensorDeviceClass.PLUG,
        is_on_fn=lambda state: state.cable_connected,
    ),
    WallboxBinarySensorEntityDescription(
        key="limit_not_enforced",
        device_class=BinarySensorDeviceClass.PROBLEM,
        is_on_fn=lambda state: state.enforcement.failing,
    ),
)

CHARGING_BINARY_SENSORS = (
    ChargingBinarySensorEntityDescription(
        key="car_asleep",
        device_class=BinarySensorDeviceClass.PROBLEM,
        is_on_fn=lambda status: status.car_asleep,
    ),
)

DEVICE_BINARY_SENSORS = (
    DeviceBinarySensorEntityDescription(
        key="data_fresh",
        device_class=BinarySensorDeviceClass.CONNECTIVITY,
        entity_category=EntityCategory.DIAGNOSTIC,
        available_fn=lambda _: True,
        is_on_fn=lambda state: state.fresh,
    ),
)

BMS_BINARY_SENSORS = (
    DeviceBinarySensorEntityDescription(
        key="problem",
        device_class=BinarySensorDeviceClass.PROBLEM,
        entity_category=EntityCategory.DIAGNOSTIC,
        is_on_fn=_reading("problem"),
    ),
    DeviceBinarySensorEntityDescription(
        key="charge_enabled",
        entity_category=EntityCategory.DIAGNOSTIC,
        is_on_fn=_reading("charge_enabled"),
    ),
    DeviceBinarySensorEntityDescription(
        key="discharge_enabled",
        entity_category=EntityCategory.DIAGNOSTIC,
        is_on_fn=_reading("discharge_enabled"),
    ),
    DeviceBinarySensorEntityDescription(
        key="balancer",
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=False,
        is_on_fn=_reading("balancer"),
    ),
    DeviceBinarySensorEntityDescription(
        key="heater",
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=False,
        is_on_fn=_reading("heater"),
    ),
)


# The automation editor finds what fits a device by device classes: what triggers and
# conditions are offered by has one that no other entity of ours has.
BATTERY_BINARY_SENSORS = (
    BatteryBinarySensorEntityDescription(
        key="mains_present",
        is_on_fn=lambda battery: battery.mains_present,
        device_class=BinarySensorDeviceClass.POWER,
    ),
    BatteryBinarySensorEntityDescription(
        key="alternator_charging",
        is_on_fn=lambda battery: battery.alternator_charging,
        device_class=BinarySensorDeviceClass.RUNNING,
    ),
    BatteryBinarySensorEntityDescription(
        key="solar_charging",
        is_on_fn=lambda battery: battery.solar_charging,
        device_class=BinarySensorDeviceClass.RUNNING,
    ),
    BatteryBinarySensorEntityDescription(
        key="charging_now",
        is_on_fn=lambda battery: battery.charging_now,
        device_class=BinarySensorDeviceClass.BATTERY_CHARGING,
    ),
    BatteryBinarySensorEntityDescription(
        key="charging_detected",
        is_on_fn=lambda battery: battery.charging_detected,
        entity_category=EntityCategory.DIAGNOSTIC,
    ),
    BatteryBinarySensorEntityDescription(
        key="draining_fast",
        is_on_fn=lambda battery: battery.draining_fast,
        device_class=BinarySensorDeviceClass.SAFETY,
    ),
    BatteryBinarySensorEntityDescription(
        key="battery_low",
        is_on_fn=lambda battery: battery.battery_low,
        device_class=BinarySensorDeviceClass.BATTERY,
    ),
    BatteryBinarySensorEntityDescription(
        key="problem",
        is_on_fn=lambda battery: battery.problem,
        silent_fn=lambda battery: battery.silent,
        translation_key="battery_problem",
        device_class=BinarySensorDeviceClass.PROBLEM,
        entity_category=EntityCategory.DIAGNOSTIC,
    ),
)


def describe_device(
    state: DeviceState,
) -> Iterator[DeviceBinarySensorEntityDescription]:
    """Describe the binary sensors of a device, as far as it is known."""
    yield from DEVICE_BINARY_SENSORS
    if state.identity == IDENTITY:
        for description in BMS_BINARY_SENSORS:
            yield description.enabled_if_read(state)


async def async_setup_entry(
    hass: HomeAssistant,
    entry: SiteConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Set up the binary sensors of each wallbox and of each device."""
    add_wallbox_entities(
        entry, async_add_entities, WallboxBinarySensor, WALLBOX_BINARY_SENSORS
    )
    add_wallbox_entities(
        entry, async_add_entities, ChargingBinarySensor, CHARGING_BINARY_SENSORS
    )
    add_device_entities(entry, async_add_entities, DeviceBinarySensor, describe_device)
    add_battery_entities(
        entry, async_add_entities, BatteryBinarySensor, BATTERY_BINARY_SENSORS
    )


class SiteBinarySensor(SiteEntity, BinarySensorEntity):
    """A binary sensor that writes what it shows."""

    @property
    @override
    def shown(self) -> object:
        """Return what the state is made of."""
        return self.is_on


class WallboxBinarySensor(WallboxEntity, SiteBinarySensor):
    """A binary sensor of a wallbox."""

    entity_description: WallboxBinarySensorEntityDescription

    @property
    @override
    def is_on(self) -> bool | None:
        """Return whether it is on."""
        return self.entity_description.is_on_fn(self.wallbox)


class ChargingBinarySensor(WallboxEntity, SiteBinarySensor):
    """A binary sensor of the charging of a wallbox."""

    entity_description: ChargingBinarySensorEntityDescription

    @property
    @override
    def is_on(self) -> bool | None:
        """Return whether it is on."""
        status = self.charging_status
        return None if status is None else self.entity_description.is_on_fn(status)


class DeviceBinarySensor(DeviceEntity, SiteBinarySensor):
    """A binary sensor of a device that is heard by Bluetooth."""

    entity_description: DeviceBinarySensorEntityDescription

    @property
    @override
    def is_on(self) -> bool | None:
        """Return whether it is on."""
        return self.entity_description.is_on_fn(self.device_state)


class BatteryBinarySensor(BatteryEntity, SiteBinarySensor):
    """A binary sensor of the battery."""

    domain = Platform.BINARY_SENSOR

    entity_description: BatteryBinarySensorEntityDescription

    @property
    @override
    def is_on(self) -> bool | None:
        """Return whether it is on."""
        battery = self.coordinator.data.battery
        return None if battery is None else self.entity_description.is_on_fn(battery)

    @property
    @override
    def extra_state_attributes(self) -> dict[str, Any] | None:
        """Return which devices are silent."""
        battery = self.coordinator.data.battery
        silent_fn = self.entity_description.silent_fn
        if battery is None or silent_fn is None:
            return None
        return {ATTR_SILENT: list(silent_fn(battery))}

    @property
    @override
    def shown(self) -> object:
        """Return what state and attributes are made of."""
        return self.is_on, self.extra_state_attributes
