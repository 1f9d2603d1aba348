"""The switch of the plug."""

from typing import Any, override

from homeassistant.components.switch import SwitchDeviceClass, SwitchEntity
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
    async_add_entities([PlugSwitch(hass.data[SYSTEM], rig.plug, rig.plug_name)])


class PlugSwitch(RigEntity, SwitchEntity):
    """On while it passes mains on."""

    _attr_device_class = SwitchDeviceClass.OUTLET

    @override
    async def async_turn_on(self, **_: Any) -> None:
        """Feed mains in."""
        self._switch(on=True)

    @override
    async def async_turn_off(self, **_: Any) -> None:
        """Cut mains off."""
        self._switch(on=False)

    def _switch(self, *, on: bool) -> None:
        self._system.switch_mains(on=on)
        # The whole plug tells at once, as its sensors would.
        async_dispatcher_send(self.hass, SIGNAL)

    @override
    def _look(self) -> bool:
        before, self._attr_is_on = self._attr_is_on, self._system.mains
        return self._attr_is_on is not before
