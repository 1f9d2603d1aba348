"""The sensors of what is counted of the battery: energy and history."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from homeassistant.components.sensor import (
    SensorDeviceClass,
    SensorEntityDescription,
    SensorStateClass,
)
from homeassistant.const import (
    EntityCategory,
    UnitOfElectricPotential,
    UnitOfEnergy,
    UnitOfRatio,
)

from ..battery.counters import Counters


@dataclass(frozen=True, kw_only=True)
class CounterSensorEntityDescription(SensorEntityDescription):
    """Describes a sensor of what is counted."""

    value_fn: Callable[[Counters], float | datetime | None]
    """The state."""


def _energy(
    key: str, value_fn: Callable[[Counters], float]
) -> CounterSensorEntityDescription:
    """Describe an energy, as the Energy dashboard takes it."""
    return CounterSensorEntityDescription(
        key=key,
        value_fn=lambda counters: round(value_fn(counters), 2),
        device_class=SensorDeviceClass.ENERGY,
        native_unit_of_measurement=UnitOfEnergy.KILO_WATT_HOUR,
        state_class=SensorStateClass.TOTAL_INCREASING,
        suggested_display_precision=2,
    )


def _charge(
    key: str,
    value_fn: Callable[[Counters], float | None],
    state_class: SensorStateClass | None = None,
) -> CounterSensorEntityDescription:
    """Describe a charge, in steps of 0.5 Ah: each is a row in the database.

    Home Assistant has no device class for it.
    """

    def rounded(counters: Counters) -> float | None:
        value = value_fn(counters)
        return None if value is None else round(2 * value) / 2

    return CounterSensorEntityDescription(
        key=key,
        value_fn=rounded,
        native_unit_of_measurement="Ah",
        entity_category=EntityCategory.DIAGNOSTIC,
        state_class=state_class,
        suggested_display_precision=1,
    )


def _extreme(
    key: str, value_fn: Callable[[Counters], float | None]
) -> CounterSensorEntityDescription:
    """Describe the lowest or the highest voltage, by the deadband of voltages."""

    def rounded(counters: Counters) -> float | None:
        value = value_fn(counters)
        return None if value is None else round(20 * value) / 20

    return CounterSensorEntityDescription(
        key=key,
        value_fn=rounded,
        device_class=SensorDeviceClass.VOLTAGE,
        native_unit_of_measurement=UnitOfElectricPotential.VOLT,
        entity_category=EntityCategory.DIAGNOSTIC,
        suggested_display_precision=2,
    )


def _coverage(counters: Counters) -> float | None:
    """Return for which share of the time the current was known, in whole %."""
    coverage = counters.history.coverage
    return None if coverage is None else round(coverage)


COUNTER_SENSORS: Final = (
    _energy("energy_charged", lambda counters: counters.energy_charged),
    _energy("energy_discharged", lambda counters: counters.energy_discharged),
    _energy("solar_energy", lambda counters: counters.solar_energy),
    _energy("mains_energy", lambda counters: counters.mains_energy),
    _energy("alternator_energy", lambda counters: counters.alternator_energy),
    _energy("load_energy", lambda counters: counters.load_energy),
    CounterSensorEntityDescription(
        key="cycles",
        value_fn=lambda counters: round(counters.history.cycles, 2),
        translation_key="battery_cycles",
        entity_category=EntityCategory.DIAGNOSTIC,
        state_class=SensorStateClass.TOTAL_INCREASING,
        suggested_display_precision=1,
    ),
    _charge("deepest_discharge", lambda counters: counters.history.deepest_ah),
    _charge("average_discharge", lambda counters: counters.history.average_ah),
    _charge("last_discharge", lambda counters: counters.history.last_ah),
    _charge(
        "discharged_ah",
        lambda counters: counters.history.discharged_ah,
        SensorStateClass.TOTAL_INCREASING,
    ),
    CounterSensorEntityDescription(
        key="last_full",
        value_fn=lambda counters: counters.history.last_full,
        device_class=SensorDeviceClass.TIMESTAMP,
        entity_category=EntityCategory.DIAGNOSTIC,
    ),
    _extreme("min_voltage", lambda counters: counters.history.min_voltage),
    _extreme("max_voltage", lambda counters: counters.history.max_voltage),
    CounterSensorEntityDescription(
        key="history_coverage",
        value_fn=_coverage,
        native_unit_of_measurement=UnitOfRatio.PERCENTAGE,
        entity_category=EntityCategory.DIAGNOSTIC,
        suggested_display_precision=0,
    ),
)
