"""The sensors of the battery."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from homeassistant.components.sensor import (
    SensorDeviceClass,
    SensorEntityDescription,
    SensorStateClass,
)
from homeassistant.const import (
    EntityCategory,
    UnitOfElectricCurrent,
    UnitOfElectricPotential,
    UnitOfPower,
    UnitOfRatio,
    UnitOfTemperature,
    UnitOfTime,
)

from ..battery.battery import BatteryState
from ..battery.power_source import PowerSource
from ..battery.sources import Role
from ..battery.status import Status, Summary
from ..victron.records import BY_KIND, Kind


@dataclass(frozen=True, kw_only=True)
class BatterySensorEntityDescription(SensorEntityDescription):
    """Describes a sensor of the battery."""

    value_fn: Callable[[BatteryState], float | str | None]
    """The state."""
    message_fn: Callable[[BatteryState], str] | None = None
    """The name of the sentence in the attribute `message`; None: it has none."""


def _options(values: type[StrEnum]) -> list[str]:
    """Return the states of an enum sensor."""
    return [value.value for value in values]


def _voltage(
    key: str, value_fn: Callable[[BatteryState], float | None]
) -> BatterySensorEntityDescription:
    """Describe a voltage."""
    return BatterySensorEntityDescription(
        key=key,
        value_fn=value_fn,
        device_class=SensorDeviceClass.VOLTAGE,
        native_unit_of_measurement=UnitOfElectricPotential.VOLT,
        state_class=SensorStateClass.MEASUREMENT,
        suggested_display_precision=2,
    )


def _power(
    key: str, value_fn: Callable[[BatteryState], float | None]
) -> BatterySensorEntityDescription:
    """Describe a power."""
    return BatterySensorEntityDescription(
        key=key,
        value_fn=value_fn,
        device_class=SensorDeviceClass.POWER,
        native_unit_of_measurement=UnitOfPower.WATT,
        state_class=SensorStateClass.MEASUREMENT,
        suggested_display_precision=0,
    )


def _phases() -> list[str]:
    """Return the charge states of chargers."""
    for field in BY_KIND[Kind.AC_CHARGER].fields:
        if field.key == "charge_state" and field.options is not None:
            return list(field.options)
    raise LookupError("a charger has a state")


BATTERY_SENSORS: Final = (
    _voltage("voltage", lambda battery: battery.voltage),
    BatterySensorEntityDescription(
        key="current",
        value_fn=lambda battery: battery.current,
        device_class=SensorDeviceClass.CURRENT,
        native_unit_of_measurement=UnitOfElectricCurrent.AMPERE,
        state_class=SensorStateClass.MEASUREMENT,
        suggested_display_precision=1,
    ),
    _power("power", lambda battery: battery.power),
    BatterySensorEntityDescription(
        key="soc",
        value_fn=lambda battery: battery.soc,
        device_class=SensorDeviceClass.BATTERY,
        native_unit_of_measurement=UnitOfRatio.PERCENTAGE,
        state_class=SensorStateClass.MEASUREMENT,
        suggested_display_precision=0,
    ),
    BatterySensorEntityDescription(
        key="time_to_go",
        value_fn=lambda battery: battery.time_to_go,
        device_class=SensorDeviceClass.DURATION,
        native_unit_of_measurement=UnitOfTime.MINUTES,
        state_class=SensorStateClass.MEASUREMENT,
        suggested_display_precision=0,
    ),
    BatterySensorEntityDescription(
        key="consumed_ah",
        value_fn=lambda battery: battery.consumed_ah,
        # Home Assistant has no device class for it.
        native_unit_of_measurement="Ah",
        state_class=SensorStateClass.MEASUREMENT,
        suggested_display_precision=1,
    ),
    BatterySensorEntityDescription(
        key="temperature",
        value_fn=lambda battery: battery.temperature,
        device_class=SensorDeviceClass.TEMPERATURE,
        native_unit_of_measurement=UnitOfTemperature.CELSIUS,
        state_class=SensorStateClass.MEASUREMENT,
        suggested_display_precision=0,
    ),
    _power("solar_power", lambda battery: battery.solar_power),
    _power("load_power", lambda battery: battery.load_power),
    BatterySensorEntityDescription(
        key="source",
        value_fn=lambda battery: battery.source or "none",
        device_class=SensorDeviceClass.ENUM,
        entity_category=EntityCategory.DIAGNOSTIC,
        options=[
            Role.BATTERY_MONITOR,
            Role.BMS,
            Role.AC_CHARGER,
            Role.INVERTER_CHARGER,
            Role.OTHER,
            "none",
        ],
    ),
    BatterySensorEntityDescription(
        key="power_source",
        value_fn=lambda battery: battery.power_source,
        device_class=SensorDeviceClass.ENUM,
        options=_options(PowerSource),
    ),
    BatterySensorEntityDescription(
        key="status",
        value_fn=lambda battery: battery.status,
        translation_key="battery_status",
        device_class=SensorDeviceClass.ENUM,
        options=_options(Status),
    ),
    BatterySensorEntityDescription(
        key="summary",
        value_fn=lambda battery: battery.summary,
        device_class=SensorDeviceClass.ENUM,
        options=_options(Summary),
        message_fn=lambda battery: battery.message,
    ),
    BatterySensorEntityDescription(
        key="charging_phase",
        value_fn=lambda battery: battery.charging_phase,
        device_class=SensorDeviceClass.ENUM,
        options=_phases(),
    ),
    _voltage("voltage_change_15m", lambda battery: battery.voltage_change_15m),
    _voltage("voltage_mean_15m", lambda battery: battery.voltage_mean_15m),
)
