"""Numbers."""

from collections.abc import Callable
from dataclasses import dataclass
import math
from typing import override

from homeassistant.components.number import (
    NumberDeviceClass,
    NumberEntity,
    NumberEntityDescription,
)
from homeassistant.const import EntityCategory, UnitOfElectricCurrent, UnitOfRatio
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .battery_entities import BATTERY_NUMBERS, BatteryNumber, add_battery_entities
from .const import MIN_CURRENT
from .coordinator import SiteConfigEntry
from .entity import (
    WallboxTargetEntity,
    WallboxTargetEntityDescription,
    add_wallbox_entities,
    check_number,
)
from .wallbox.state import WallboxState
from .wallbox.station_config import StationConfig

PARALLEL_UPDATES = 0


@dataclass(frozen=True, kw_only=True)
class WallboxNumberEntityDescription(
    WallboxTargetEntityDescription, NumberEntityDescription
):
    """Describes a number of a wallbox."""

    value_fn: Callable[[WallboxState, StationConfig], int | None]
    maximum_fn: Callable[[StationConfig], float]


def _brightness(state: WallboxState, _: StationConfig) -> int | None:
    """Return the brightness that is wished, else the one that there is."""
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
        pending_fn=lambda state: (
            state.target.led_brightness is not None
            and (
                state.light is None
                or state.light.brightness != state.target.led_brightness
            )
        ),
    ),
)


async def async_setup_entry(
    hass: HomeAssistant,
    entry: SiteConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Set up the numbers of each wallbox."""
    add_wallbox_entities(entry, async_add_entities, WallboxNumber, WALLBOX_NUMBERS)
    add_battery_entities(entry, async_add_entities, BatteryNumber, BATTERY_NUMBERS)


class WallboxNumber(WallboxTargetEntity, NumberEntity):
    """A number of a wallbox."""

    entity_description: WallboxNumberEntityDescription

    @property
    @override
    def native_max_value(self) -> float:
        """The most that may be set."""
        return self.entity_description.maximum_fn(self.station.config)

    @property
    @override
    def native_value(self) -> int | None:
        """The target; None: that was lost."""
        if self.entity_description.target in self.wallbox.target.lost:
            return None
        return self.entity_description.value_fn(self.wallbox, self.station.config)

    @override
    async def async_set_native_value(self, value: float) -> None:
        """Set the target."""
        check_number(value)
        # An automation may compute it: never above what it asked for.
        await self._target(math.floor(value + 1e-9))

    @property
    @override
    def shown(self) -> object:
        """What the state is made of."""
        return self.native_value, self.native_max_value, self.pending
