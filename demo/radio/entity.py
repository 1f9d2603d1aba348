"""The rig's own entities, its plug and its battery: what they have in common."""

from typing import Final, override

from homeassistant.core import callback
from homeassistant.helpers.dispatcher import async_dispatcher_connect
from homeassistant.helpers.entity import Entity
from homeassistant.util.hass_dict import HassKey

from demo.rigs import Rig
from simulators.caravan.physics import DcSystem

RIG: Final[HassKey[Rig]] = HassKey("demo_radio_rig")
SYSTEM: Final[HassKey[DcSystem]] = HassKey("demo_radio")
SIGNAL: Final = "demo_radio_lived"
"""Sent whenever the rig has lived a little."""


class RigEntity[System: DcSystem = DcSystem](Entity):
    """An entity of the rig; looks at the rig whenever it lived a little."""

    _attr_should_poll = False

    def __init__(self, system: System, entity_id: str, name: str) -> None:
        """Be found under this entity id: the options of the demo name it."""
        self._system = system
        self.entity_id = entity_id
        self._attr_name = name
        self._attr_unique_id = entity_id.partition(".")[2]
        self._look()

    @override
    async def async_added_to_hass(self) -> None:
        """Begin to look."""
        self.async_on_remove(
            async_dispatcher_connect(self.hass, SIGNAL, self._look_and_write)
        )

    @callback
    def _look_and_write(self) -> None:
        if self._look():
            self.async_write_ha_state()

    def _look(self) -> bool:
        """Look at the rig; tells whether there is news."""
        raise NotImplementedError
