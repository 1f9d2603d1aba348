"""The sensors of devices heard by Bluetooth, made from their records."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from homeassistant.components.sensor import (
    SensorDeviceClass,
    SensorEntityDescription,
    SensorStateClass,
)
from homeassistant.const import (
    SIGNAL_STRENGTH_DECIBELS_MILLIWATT,
    EntityCategory,
    UnitOfApparentPower,
    UnitOfElectricCurrent,
    UnitOfElectricPotential,
    UnitOfEnergy,
    UnitOfPower,
    UnitOfRatio,
    UnitOfTemperature,
    UnitOfTime,
)

from .. import bms_model
from ..entity import DeviceEntityDescription
from ..listener import record_of
from ..readings import DeviceState, Value
from ..victron.records import Field, Kind, Record, Unit


@dataclass(frozen=True, kw_only=True)
class DeviceSensorEntityDescription(DeviceEntityDescription, SensorEntityDescription):
    """Describes a sensor of a device that is heard by Bluetooth."""

    value_fn: Callable[[DeviceState], Value | datetime]
    """The state; of flags all that are set."""
    has_flags: bool = False
    """Whether the attribute `flags` has all that are set."""


@dataclass(frozen=True, slots=True)
class _Quantity:
    """How numbers of a unit are shown."""

    unit: str
    """Home Assistant's unit."""
    device_class: SensorDeviceClass | None
    """None: Home Assistant has none for it."""
    precision: int
    """How many decimals are shown."""
    state_class: SensorStateClass = SensorStateClass.MEASUREMENT
    """What statistics are made of it."""


_QUANTITIES: Final[Mapping[Unit, _Quantity]] = {
    Unit.VOLT: _Quantity(UnitOfElectricPotential.VOLT, SensorDeviceClass.VOLTAGE, 2),
    Unit.AMPERE: _Quantity(UnitOfElectricCurrent.AMPERE, SensorDeviceClass.CURRENT, 1),
    Unit.WATT: _Quantity(UnitOfPower.WATT, SensorDeviceClass.POWER, 0),
    Unit.VOLT_AMPERE: _Quantity(
        UnitOfApparentPower.VOLT_AMPERE, SensorDeviceClass.APPARENT_POWER, 0
    ),
    # Home Assistant has no device class for it.
    Unit.AMPERE_HOUR: _Quantity("Ah", None, 1),
    Unit.KILOWATT_HOUR: _Quantity(
        UnitOfEnergy.KILO_WATT_HOUR,
        SensorDeviceClass.ENERGY,
        2,
        SensorStateClass.TOTAL_INCREASING,
    ),
    Unit.PERCENT: _Quantity(UnitOfRatio.PERCENTAGE, SensorDeviceClass.BATTERY, 1),
    Unit.MINUTE: _Quantity(UnitOfTime.MINUTES, SensorDeviceClass.DURATION, 0),
    Unit.CELSIUS: _Quantity(
        UnitOfTemperature.CELSIUS, SensorDeviceClass.TEMPERATURE, 1
    ),
}
#: What the battery's own device shows of its battery monitor.
CANONICAL: Final = frozenset(
    {"voltage", "current", "power", "soc", "time_to_go", "consumed_ah"}
)
#: A charger's, which make many rows and say little beside the battery's.
_OFF_BY_DEFAULT: Final = {
    Kind.AC_CHARGER: frozenset({"output_voltage_1", "output_current_1"}),
}
#: Inputs and outputs that not every device has: on where there is one at the first
#: hearing.
_IF_PRESENT: Final = frozenset(
    {
        "starter_voltage",
        "midpoint_voltage",
        "temperature",
        "battery_temperature",
        "soc",
        "output_voltage_2",
        "output_voltage_3",
        "output_current_2",
        "output_current_3",
        "ac_current",
        "load_current",
        *(f"cell_voltage_{cell}" for cell in range(1, 9)),
    }
)
_DIAGNOSTIC: Final = frozenset(
    {
        "charger_error",
        "error",
        "error_code",
        "monitor_mode",
        "vebus_error",
        *(f"cell_voltage_{cell}" for cell in range(1, 9)),
    }
)


def _reading(key: str) -> Callable[[DeviceState], Value]:
    """Return a reader of a value."""
    return lambda state: state.values.get(key)


def _number(key: str, unit: Unit, *, enabled: bool) -> DeviceSensorEntityDescription:
    """Describe a number with a unit."""
    quantity = _QUANTITIES[unit]
    return DeviceSensorEntityDescription(
        key=key,
        device_class=quantity.device_class,
        native_unit_of_measurement=quantity.unit,
        state_class=quantity.state_class,
        suggested_display_precision=quantity.precision,
        entity_category=EntityCategory.DIAGNOSTIC if key in _DIAGNOSTIC else None,
        entity_registry_enabled_default=enabled,
        value_fn=_reading(key),
    )


def _state(field: Field) -> DeviceSensorEntityDescription:
    """Describe a state, a set of flags, or a bare code."""
    options = field.options
    return DeviceSensorEntityDescription(
        key=field.key,
        device_class=None if options is None else SensorDeviceClass.ENUM,
        options=None if options is None else list(options),
        entity_category=EntityCategory.DIAGNOSTIC if field.key in _DIAGNOSTIC else None,
        has_flags=field.is_set,
        value_fn=_reading(field.key),
    )


def _describe(
    record: Record, values: Mapping[str, Value]
) -> Iterator[DeviceSensorEntityDescription]:
    """Describe what a record carries."""
    off = _OFF_BY_DEFAULT.get(record.kind, frozenset())
    for field in record.shown:
        if field.unit is None:
            yield _state(field)
            continue
        present = field.key not in _IF_PRESENT or values.get(field.key) is not None
        yield _number(field.key, field.unit, enabled=present and field.key not in off)
    if record.power_of:
        yield _number("power", Unit.WATT, enabled=True)


_COMMON: Final = (
    DeviceSensorEntityDescription(
        key="last_heard",
        device_class=SensorDeviceClass.TIMESTAMP,
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=False,
        available_fn=lambda _: True,
        value_fn=lambda state: state.last_heard,
    ),
    DeviceSensorEntityDescription(
        key="signal_strength",
        device_class=SensorDeviceClass.SIGNAL_STRENGTH,
        native_unit_of_measurement=SIGNAL_STRENGTH_DECIBELS_MILLIWATT,
        state_class=SensorStateClass.MEASUREMENT,
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=False,
        value_fn=lambda state: state.signal_strength,
    ),
)


#: What a BMS tells beyond the battery, each a thing to look into now and then.
_BMS_DETAILS: Final = bms_model.NUMBERED | {
    "capacity_ah",
    "cell_voltage_min",
    "cell_voltage_max",
}


def _of_bms(key: str) -> DeviceSensorEntityDescription:
    """Describe what a BMS measures."""
    description = _number(
        key, Unit(bms_model.UNITS[key]), enabled=key not in _BMS_DETAILS
    )
    if key in _BMS_DETAILS or key == "cell_voltage_delta":
        description = replace(description, entity_category=EntityCategory.DIAGNOSTIC)
    if not key.startswith("cell_voltage"):
        return description
    # Cells differ by thousandths.
    return replace(description, suggested_display_precision=3)


BMS_SENSORS: Final = (
    *(_of_bms(key) for key in bms_model.UNITS),
    DeviceSensorEntityDescription(
        key="cycles",
        state_class=SensorStateClass.TOTAL_INCREASING,
        entity_category=EntityCategory.DIAGNOSTIC,
        value_fn=_reading("cycles"),
    ),
    DeviceSensorEntityDescription(
        key="battery_health",
        native_unit_of_measurement=UnitOfRatio.PERCENTAGE,
        state_class=SensorStateClass.MEASUREMENT,
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=False,
        value_fn=_reading("battery_health"),
    ),
    DeviceSensorEntityDescription(
        key="problem_code",
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=False,
        value_fn=_reading("problem_code"),
    ),
)


def describe_device(state: DeviceState) -> Iterator[DeviceSensorEntityDescription]:
    """Describe the sensors of a device, as far as it is known."""
    yield from _COMMON
    if (record := record_of(state.identity)) is not None:
        yield from _describe(record, state.values)
    elif state.identity == bms_model.IDENTITY:
        yield from (
            # None tells a time to go while it is charged.
            each if each.key == "time_to_go" else each.enabled_if_read(state)
            for each in BMS_SENSORS
            if each.key not in bms_model.NUMBERED or each.key in state.values
        )
