"""What the plug measures."""

from collections.abc import Callable
from typing import Final, override

from homeassistant.components.sensor import (
    SensorDeviceClass,
    SensorEntity,
    SensorStateClass,
)
from homeassistant.const import UnitOfElectricCurrent, UnitOfPower
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddEntitiesCallback
from homeassistant.helpers.typing import ConfigType, DiscoveryInfoType

from demo.layout import PLUG_CURRENT, PLUG_POWER
from simulators.caravan.physics import Caravan

from .entity import SYSTEM, RigEntity

_POWER_DEADBAND_W: Final = 5.0
_CURRENT_DEADBAND_A: Final = 0.05


async def async_setup_platform(
    hass: HomeAssistant,
    _: ConfigType,
    async_add_entities: AddEntitiesCallback,
    discovery_info: DiscoveryInfoType | None = None,
) -> None:
    """Add them."""
    caravan = hass.data[SYSTEM]
    if isinstance(caravan, Caravan):
        async_add_entities([PlugPower(caravan), PlugCurrent(caravan)])


class _PlugSensor(RigEntity[Caravan], SensorEntity):
    """Tells what moved by its deadband, and at once whether there is anything."""

    _attr_state_class = SensorStateClass.MEASUREMENT

    def __init__(
        self,
        caravan: Caravan,
        entity_id: str,
        name: str,
        *,
        measure: Callable[[], float],
        deadband: float,
    ) -> None:
        self._measure = measure
        self._deadband = deadband
        self._told = 0.0
        super().__init__(caravan, entity_id, name)

    @override
    def _look(self) -> bool:
        value = self._measure()
        first = self._attr_native_value is None
        begins_or_ends = (value > 0) is not (self._told > 0)
        if not (first or begins_or_ends) and abs(value - self._told) < self._deadband:
            return False
        self._told = value
        self._attr_native_value = round(value, 2)
        return True


class PlugPower(_PlugSensor):
    """The power that it passes on, W."""

    _attr_device_class = SensorDeviceClass.POWER
    _attr_native_unit_of_measurement = UnitOfPower.WATT
    _attr_suggested_display_precision = 0

    def __init__(self, caravan: Caravan) -> None:
        """Measure what the caravan takes."""
        super().__init__(
            caravan,
            PLUG_POWER,
            "Caravan plug power",
            measure=lambda: caravan.mains_w,
            deadband=_POWER_DEADBAND_W,
        )


class PlugCurrent(_PlugSensor):
    """The current that it passes on, A."""

    _attr_device_class = SensorDeviceClass.CURRENT
    _attr_native_unit_of_measurement = UnitOfElectricCurrent.AMPERE
    _attr_suggested_display_precision = 2

    def __init__(self, caravan: Caravan) -> None:
        """Measure what the caravan takes."""
        super().__init__(
            caravan,
            PLUG_CURRENT,
            "Caravan plug current",
            measure=lambda: caravan.mains_a,
            deadband=_CURRENT_DEADBAND_A,
        )
