"""The entities of the battery: one description a quantity."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar, Final, override

from homeassistant.components.binary_sensor import (
    BinarySensorDeviceClass,
    BinarySensorEntity,
    BinarySensorEntityDescription,
)
from homeassistant.components.number import (
    NumberDeviceClass,
    NumberEntity,
    NumberEntityDescription,
    NumberMode,
)
from homeassistant.components.sensor import (
    SensorDeviceClass,
    SensorEntity,
    SensorEntityDescription,
    SensorStateClass,
)
from homeassistant.const import (
    EntityCategory,
    Platform,
    UnitOfElectricCurrent,
    UnitOfElectricPotential,
    UnitOfPower,
    UnitOfRatio,
    UnitOfTime,
)
from homeassistant.core import callback
from homeassistant.helpers.device_registry import DeviceInfo
from homeassistant.helpers.entity import EntityDescription
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback
from homeassistant.util import slugify

from .battery.power_source import PowerSource
from .battery.sources import Role
from .battery.status import Status, Summary
from .const import ATTR_MESSAGE, BATTERY_DEVICE, DOMAIN
from .coordinator import SiteConfigEntry, SiteCoordinator
from .entity import SiteEntity, check_number
from .readings import Value
from .victron.records import BY_KIND, Kind


@dataclass(frozen=True, kw_only=True)
class BatterySensorEntityDescription(SensorEntityDescription):
    """Describes a sensor of the battery."""

    has_message: bool = False
    """Whether the attribute `message` has a sentence that goes with the state."""


@dataclass(frozen=True, kw_only=True)
class BatteryBinarySensorEntityDescription(BinarySensorEntityDescription):
    """Describes a binary sensor of the battery."""


@dataclass(frozen=True, kw_only=True)
class BatteryNumberEntityDescription(NumberEntityDescription):
    """Describes a number that the battery's rules compare with."""


def _options(*kinds: type[StrEnum]) -> list[str]:
    """List the states of an enum sensor."""
    return [state.value for kind in kinds for state in kind]


def _voltage(key: str) -> BatterySensorEntityDescription:
    """Describe a voltage."""
    return BatterySensorEntityDescription(
        key=key,
        device_class=SensorDeviceClass.VOLTAGE,
        native_unit_of_measurement=UnitOfElectricPotential.VOLT,
        state_class=SensorStateClass.MEASUREMENT,
        suggested_display_precision=2,
    )


def _phases() -> list[str]:
    """List the states of chargers."""
    for field in BY_KIND[Kind.AC_CHARGER].fields:
        if field.key == "charge_state" and field.options is not None:
            return list(field.options)
    raise LookupError("a charger has a state")


BATTERY_SENSORS: Final = (
    _voltage("voltage"),
    BatterySensorEntityDescription(
        key="current",
        device_class=SensorDeviceClass.CURRENT,
        native_unit_of_measurement=UnitOfElectricCurrent.AMPERE,
        state_class=SensorStateClass.MEASUREMENT,
        suggested_display_precision=1,
    ),
    BatterySensorEntityDescription(
        key="power",
        device_class=SensorDeviceClass.POWER,
        native_unit_of_measurement=UnitOfPower.WATT,
        state_class=SensorStateClass.MEASUREMENT,
        suggested_display_precision=0,
    ),
    BatterySensorEntityDescription(
        key="soc",
        device_class=SensorDeviceClass.BATTERY,
        native_unit_of_measurement=UnitOfRatio.PERCENTAGE,
        state_class=SensorStateClass.MEASUREMENT,
        suggested_display_precision=0,
    ),
    BatterySensorEntityDescription(
        key="time_to_go",
        device_class=SensorDeviceClass.DURATION,
        native_unit_of_measurement=UnitOfTime.MINUTES,
        state_class=SensorStateClass.MEASUREMENT,
        suggested_display_precision=0,
    ),
    BatterySensorEntityDescription(
        key="consumed_ah",
        # Home Assistant has no device class for it.
        native_unit_of_measurement="Ah",
        state_class=SensorStateClass.MEASUREMENT,
        suggested_display_precision=1,
    ),
    BatterySensorEntityDescription(
        key="source",
        device_class=SensorDeviceClass.ENUM,
        entity_category=EntityCategory.DIAGNOSTIC,
        options=[Role.BATTERY_MONITOR, Role.BMS, Role.AC_CHARGER, "none"],
    ),
    BatterySensorEntityDescription(
        key="power_source",
        device_class=SensorDeviceClass.ENUM,
        options=_options(PowerSource),
    ),
    BatterySensorEntityDescription(
        key="status",
        translation_key="battery_status",
        device_class=SensorDeviceClass.ENUM,
        options=_options(Status),
    ),
    BatterySensorEntityDescription(
        key="summary",
        device_class=SensorDeviceClass.ENUM,
        options=_options(Summary),
        has_message=True,
    ),
    BatterySensorEntityDescription(
        key="charging_phase", device_class=SensorDeviceClass.ENUM, options=_phases()
    ),
    _voltage("voltage_change_15m"),
    _voltage("voltage_mean_15m"),
)

BATTERY_BINARY_SENSORS: Final = (
    BatteryBinarySensorEntityDescription(
        key="mains_present", device_class=BinarySensorDeviceClass.PLUG
    ),
    BatteryBinarySensorEntityDescription(
        key="alternator_charging",
        device_class=BinarySensorDeviceClass.BATTERY_CHARGING,
    ),
    BatteryBinarySensorEntityDescription(
        key="solar_charging", device_class=BinarySensorDeviceClass.BATTERY_CHARGING
    ),
    BatteryBinarySensorEntityDescription(
        key="charging_now", device_class=BinarySensorDeviceClass.BATTERY_CHARGING
    ),
    BatteryBinarySensorEntityDescription(
        key="charging_detected", device_class=BinarySensorDeviceClass.BATTERY_CHARGING
    ),
    BatteryBinarySensorEntityDescription(
        key="draining_fast", device_class=BinarySensorDeviceClass.PROBLEM
    ),
    BatteryBinarySensorEntityDescription(
        key="problem",
        translation_key="battery_problem",
        device_class=BinarySensorDeviceClass.PROBLEM,
    ),
)

BATTERY_NUMBERS: Final = (
    BatteryNumberEntityDescription(
        key="charge_detect_min_voltage",
        device_class=NumberDeviceClass.VOLTAGE,
        native_unit_of_measurement=UnitOfElectricPotential.VOLT,
        entity_category=EntityCategory.CONFIG,
        native_min_value=12.0,
        native_max_value=14.8,
        native_step=0.05,
        mode=NumberMode.BOX,
    ),
    BatteryNumberEntityDescription(
        key="charge_detect_min_rise",
        device_class=NumberDeviceClass.VOLTAGE,
        native_unit_of_measurement=UnitOfElectricPotential.VOLT,
        entity_category=EntityCategory.CONFIG,
        native_min_value=0.05,
        native_max_value=0.80,
        native_step=0.05,
        mode=NumberMode.BOX,
    ),
)


class BatteryEntity(SiteEntity):
    """An entity of the battery. Without a fresh source it is unknown."""

    domain: ClassVar[str]
    """Of which platform it is."""

    def __init__(
        self, coordinator: SiteCoordinator, description: EntityDescription
    ) -> None:
        """Belong to the battery's device."""
        super().__init__(coordinator, BATTERY_DEVICE, description)
        # There is one battery, whose device is named in the owner's language.
        name = self.english_name(self.domain) or description.key
        self.entity_id = f"{self.domain}.{slugify(f'battery {name}')}"
        self._attr_device_info = DeviceInfo(
            identifiers={(DOMAIN, BATTERY_DEVICE)}, translation_key=BATTERY_DEVICE
        )

    @property
    def battery(self) -> Mapping[str, Value]:
        """What is shown of the battery."""
        return self.coordinator.data.battery

    @property
    def _value(self) -> Value:
        """What is shown by this entity."""
        return self.battery.get(self.entity_description.key)

    @property
    @override
    def shown(self) -> object:
        """What the state is made of."""
        return self._value


@callback
def add_battery_entities[Description: EntityDescription](
    entry: SiteConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
    make: Callable[[SiteCoordinator, Description], BatteryEntity],
    descriptions: Iterable[Description],
) -> None:
    """Add an entity of each description whenever there comes to be a battery."""
    coordinator = entry.runtime_data
    made = False

    @callback
    def add() -> None:
        nonlocal made
        there_was, made = made, coordinator.devices.battery is not None
        if made and not there_was:
            async_add_entities(make(coordinator, each) for each in descriptions)

    add()
    entry.async_on_unload(coordinator.async_add_listener(add))


class BatterySensor(BatteryEntity, SensorEntity):
    """A sensor of the battery."""

    domain = Platform.SENSOR

    entity_description: BatterySensorEntityDescription

    @property
    @override
    def native_value(self) -> float | int | str | None:
        """The value."""
        value = self._value
        return value if isinstance(value, float | int | str) else None

    @property
    @override
    def extra_state_attributes(self) -> dict[str, Any] | None:
        """What the state means, in a sentence."""
        if not self.entity_description.has_message:
            return None
        message = self.battery.get(ATTR_MESSAGE)
        return {ATTR_MESSAGE: self.coordinator.devices.messages.get(str(message))}

    @property
    @override
    def shown(self) -> object:
        """What state and attributes are made of."""
        if not self.entity_description.has_message:
            return self._value
        return self._value, self.battery.get(ATTR_MESSAGE)


class BatteryBinarySensor(BatteryEntity, BinarySensorEntity):
    """A binary sensor of the battery."""

    domain = Platform.BINARY_SENSOR

    @property
    @override
    def is_on(self) -> bool | None:
        """Whether it is on."""
        value = self._value
        return value if isinstance(value, bool) else None


class BatteryNumber(BatteryEntity, NumberEntity):
    """A number that the battery's rules compare with."""

    domain = Platform.NUMBER

    @property
    @override
    def native_value(self) -> float | None:
        """The number, in V."""
        battery = self.coordinator.devices.battery
        if battery is None:
            return None
        number: float = getattr(battery.settings, self.entity_description.key)
        return number

    @property
    @override
    def shown(self) -> object:
        """What the state is made of."""
        return self.native_value

    @override
    async def async_set_native_value(self, value: float) -> None:
        """Let another number count."""
        check_number(value)
        self.coordinator.devices.set_battery_number(self.entity_description.key, value)
