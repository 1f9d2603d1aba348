"""Base sensors: what they show, and how closely that follows what is measured."""

from abc import abstractmethod
from collections.abc import Callable, Hashable
from datetime import datetime
from typing import override

from homeassistant.components.sensor import SensorEntity
from homeassistant.config_entries import ConfigSubentry
from homeassistant.core import HassJob, callback
from homeassistant.helpers.event import async_call_later

from .coordinator import SiteCoordinator
from .entity import SiteEntity, WallboxEntity
from .publish import Cancel, Publisher
from .sensors.wallbox import PacedSensorEntityDescription


class SiteSensor(SiteEntity, SensorEntity):
    """A sensor that shows its value alone."""

    @property
    @override
    def shown(self) -> object:
        """Return what the state is made of."""
        return self.native_value


class PacedSensor(WallboxEntity, SiteSensor):
    """A sensor of a wallbox that shows what is worth a row."""

    entity_description: PacedSensorEntityDescription

    def __init__(
        self,
        coordinator: SiteCoordinator,
        subentry: ConfigSubentry,
        description: PacedSensorEntityDescription,
    ) -> None:
        """Initialize the entity: nothing is shown yet."""
        super().__init__(coordinator, subentry, description)
        self._publisher = Publisher(
            now=coordinator.hass.loop.time,
            call_later=self._call_later,
            on_due=self._handle_coordinator_update,
        )

    @property
    @abstractmethod
    def _reading(self) -> float | None:
        """Return what there is to show, exactly."""

    @property
    def _occasion(self) -> Hashable:
        """Return what is going on: what is shown is exact where that changes."""
        state = self.wallbox
        active = state.active
        return state.connected, active and active.id, state.charging_state

    @callback
    def _call_later(self, delay: float, action: Callable[[], None]) -> Cancel:
        """Call back after so many seconds, unless Home Assistant stops before."""

        @callback
        def call(_: datetime) -> None:
            action()

        return async_call_later(
            self.hass, delay, HassJob(call, cancel_on_shutdown=True)
        )

    @override
    async def async_added_to_hass(self) -> None:
        """Show what is known, and stop waiting once it is removed."""
        self._follow()
        self.async_on_remove(self._publisher.close)
        await super().async_added_to_hass()

    @callback
    def _follow(self) -> None:
        """Follow what is read, as closely as the rule demands."""
        if not self.available:
            self._publisher.forget()
            return
        key, rule = self.entity_description.key, self.entity_description.rule
        self._publisher.take({key: self._reading}, {key: rule}, self._occasion)

    @callback
    @override
    def _handle_coordinator_update(self) -> None:
        """Write the state, if what is shown changed."""
        self._follow()
        super()._handle_coordinator_update()

    @property
    def _paced(self) -> float | None:
        """Return what is shown of it."""
        value = self._publisher.values.get(self.entity_description.key)
        return value if isinstance(value, float | int) else None
