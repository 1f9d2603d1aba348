"""Numbers."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
import math
from typing import override

from homeassistant.components.number import (
    NumberDeviceClass,
    NumberEntity,
    NumberEntityDescription,
    NumberMode,
)
from homeassistant.const import (
    EntityCategory,
    Platform,
    UnitOfElectricCurrent,
    UnitOfElectricPotential,
    UnitOfEnergy,
    UnitOfRatio,
)
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .battery.battery import Settings
from .charging_entity import ChargingSettingEntity
from .const import MAX_TARGET_ENERGY, MIN_CURRENT
from .coordinator import SiteConfigEntry
from .entity import (
    BatteryEntity,
    WallboxEntityDescription,
    WallboxTargetEntity,
    WallboxTargetEntityDescription,
)
from .helpers import add_battery_entities, add_wallbox_entities, check_number, storing
from .wallbox.state import WallboxState
from .wallbox.station import Station
from .wallbox.station_config import StationConfig

PARALLEL_UPDATES = 0


@dataclass(frozen=True, kw_only=True)
class WallboxNumberEntityDescription(
    WallboxTargetEntityDescription, NumberEntityDescription
):
    """Describes a number of a wallbox."""

    value_fn: Callable[[WallboxState, StationConfig], int | None]
    """The target, in the native unit; None: there is none."""
    maximum_fn: Callable[[StationConfig], float]
    """The highest target, in the native unit."""
    set_fn: Callable[[Station, int], Awaitable[None]]
    """Set the target, and wait for the wallbox's answer."""


@dataclass(frozen=True, kw_only=True)
class ChargingNumberEntityDescription(
    WallboxEntityDescription, NumberEntityDescription
):
    """Describes a number of what is set for the charging of a wallbox."""


@dataclass(frozen=True, kw_only=True)
class BatteryNumberEntityDescription(NumberEntityDescription):
    """Describes a setting of the battery's rules."""

    value_fn: Callable[[Settings], float]
    """The setting, in its unit."""


def _brightness(state: WallboxState, _: StationConfig) -> int | None:
    """Return the target brightness, else the present one."""
    if state.target.led_brightness is not None:
        return state.target.led_brightness
    return None if state.light is None else state.light.brightness


WALLBOX_NUMBERS = (
    WallboxNumberEntityDescription(
        key="current_limit",
        device_class=NumberDeviceClass.CURRENT,
        native_unit_of_measurement=UnitOfElectricCurrent.AMPERE,
        native_min_value=MIN_CURRENT,
        native_step=1,
        # A target may be made while the wallbox is away: it is told when it comes back.
        available_fn=lambda _: True,
        target="current_limit",
        value_fn=lambda state, config: state.target.limit(config.max_current),
        maximum_fn=lambda config: config.max_current,
        set_fn=lambda station, value: station.controller.target(current_limit=value),
        pending_fn=lambda state: not state.enforcement.holds,
    ),
    WallboxNumberEntityDescription(
        key="led_brightness",
        entity_category=EntityCategory.CONFIG,
        native_unit_of_measurement=UnitOfRatio.PERCENTAGE,
        native_min_value=0,
        native_step=1,
        available_fn=lambda state: state.light is not None,
        target="led_brightness",
        value_fn=_brightness,
        maximum_fn=lambda _: 100,
        set_fn=lambda station, value: station.controller.target(led_brightness=value),
        pending_fn=lambda state: (
            state.target.led_brightness is not None
            and (
                state.light is None
                or state.light.brightness != state.target.led_brightness
            )
        ),
    ),
)

TARGET_ENERGY = ChargingNumberEntityDescription(
    key="target_energy",
    device_class=NumberDeviceClass.ENERGY,
    native_unit_of_measurement=UnitOfEnergy.KILO_WATT_HOUR,
    native_min_value=0,
    native_max_value=MAX_TARGET_ENERGY,
    native_step=0.5,
    mode=NumberMode.BOX,
    available_fn=lambda _: True,
)

BATTERY_NUMBERS = (
    BatteryNumberEntityDescription(
        key="charge_detect_min_voltage",
        value_fn=lambda settings: settings.charge_detect_v,
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
        value_fn=lambda settings: settings.charge_detect_min_rise,
        device_class=NumberDeviceClass.VOLTAGE,
        native_unit_of_measurement=UnitOfElectricPotential.VOLT,
        entity_category=EntityCategory.CONFIG,
        native_min_value=0.05,
        native_max_value=0.80,
        native_step=0.05,
        mode=NumberMode.BOX,
    ),
    BatteryNumberEntityDescription(
        key="drain_fast_min_drop",
        value_fn=lambda settings: settings.drain_fast_min_drop,
        native_unit_of_measurement=UnitOfRatio.PERCENTAGE,
        entity_category=EntityCategory.CONFIG,
        native_min_value=1,
        native_max_value=20,
        native_step=0.5,
        mode=NumberMode.BOX,
    ),
)


async def async_setup_entry(
    hass: HomeAssistant,
    entry: SiteConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Set up the numbers of each wallbox and of the battery."""
    add_wallbox_entities(entry, async_add_entities, WallboxNumber, WALLBOX_NUMBERS)
    add_wallbox_entities(entry, async_add_entities, TargetEnergyNumber, [TARGET_ENERGY])
    add_battery_entities(entry, async_add_entities, BatteryNumber, BATTERY_NUMBERS)


class WallboxNumber(WallboxTargetEntity, NumberEntity):
    """A number of a wallbox."""

    entity_description: WallboxNumberEntityDescription

    @property
    @override
    def native_max_value(self) -> float:
        """Return the most that may be set."""
        return self.entity_description.maximum_fn(self.station.config)

    @property
    @override
    def native_value(self) -> int | None:
        """Return the target; None: that was lost."""
        if self.lost:
            return None
        return self.entity_description.value_fn(self.wallbox, self.station.config)

    @override
    async def async_set_native_value(self, value: float) -> None:
        """Set the target."""
        check_number(value)
        async with storing(self.coordinator):
            # An automation may compute it: never above what it asked for.
            await self.entity_description.set_fn(self.station, math.floor(value + 1e-9))

    @property
    @override
    def shown(self) -> object:
        """Return what the state is made of."""
        return self.native_value, self.native_max_value, self.pending


class TargetEnergyNumber(ChargingSettingEntity, NumberEntity):
    """What a session of a wallbox is to have."""

    entity_description: ChargingNumberEntityDescription

    @property
    @override
    def native_value(self) -> float | None:
        """Return it in kWh, 0 without a target; None: that was lost."""
        return None if self.settings is None else self.settings.target_energy

    @override
    async def async_set_native_value(self, value: float) -> None:
        """Set it."""
        check_number(value)
        await self.async_set(target_energy=value)

    @property
    @override
    def shown(self) -> object:
        """Return what the state is made of."""
        return self.native_value


class BatteryNumber(BatteryEntity, NumberEntity):
    """A setting of the battery's rules."""

    domain = Platform.NUMBER

    entity_description: BatteryNumberEntityDescription

    @property
    @override
    def native_value(self) -> float | None:
        """Return the setting, in its unit."""
        settings = self.coordinator.data.battery_settings
        return None if settings is None else self.entity_description.value_fn(settings)

    @override
    async def async_set_native_value(self, value: float) -> None:
        """Change the setting."""
        check_number(value)
        self.coordinator.devices.set_battery_number(self.entity_description.key, value)

    @property
    @override
    def shown(self) -> object:
        """Return what the state is made of."""
        return self.native_value
