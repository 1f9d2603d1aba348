"""The state of charge of the rig's battery, to be set: nobody waits for days."""

from typing import override

from homeassistant.components.number import NumberEntity, NumberMode
from homeassistant.const import PERCENTAGE
from homeassistant.core import HomeAssistant
from homeassistant.helpers.dispatcher import async_dispatcher_send
from homeassistant.helpers.entity_platform import AddEntitiesCallback
from homeassistant.helpers.typing import ConfigType, DiscoveryInfoType

from .entity import RIG, SIGNAL, SYSTEM, RigEntity


async def async_setup_platform(
    hass: HomeAssistant,
    _: ConfigType,
    async_add_entities: AddEntitiesCallback,
    discovery_info: DiscoveryInfoType | None = None,
) -> None:
    """Add it."""
    rig = hass.data[RIG]
    name = f"{rig.name.capitalize()} battery"
    async_add_entities([BatteryLevel(hass.data[SYSTEM], rig.level, name)])


class BatteryLevel(RigEntity, NumberEntity):
    """How full the simulated battery is, in whole %."""

    _attr_native_unit_of_measurement = PERCENTAGE
    _attr_mode = NumberMode.SLIDER

    @override
    async def async_set_native_value(self, value: float) -> None:
        """Fill it or empty it."""
        self._system.fill(value / 100)
        async_dispatcher_send(self.hass, SIGNAL)

    @override
    def _look(self) -> bool:
        before = self._attr_native_value
        self._attr_native_value = round(self._system.soc * 100)
        return self._attr_native_value != before
