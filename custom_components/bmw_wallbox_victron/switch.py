"""Switches."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, override

from homeassistant.components.switch import (
    SwitchDeviceClass,
    SwitchEntity,
    SwitchEntityDescription,
)
from homeassistant.const import EntityCategory
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .charging_entity import ChargingSettingEntity
from .coordinator import SiteConfigEntry
from .entity import (
    WallboxEntityDescription,
    WallboxTargetEntity,
    WallboxTargetEntityDescription,
)
from .helpers import add_wallbox_entities, storing
from .wallbox import remote_control
from .wallbox.state import WallboxState
from .wallbox.station import Station

PARALLEL_UPDATES = 0


@dataclass(frozen=True, kw_only=True)
class WallboxSwitchEntityDescription(
    WallboxTargetEntityDescription, SwitchEntityDescription
):
    """Describes a switch of a wallbox."""

    is_on_fn: Callable[[WallboxState], bool | None]
    """The target; None: unknown."""
    set_fn: Callable[[Station, bool], Awaitable[None]]
    """Set the target, and wait for the wallbox's answer."""
    starts: bool = False
    """Whether it has charging start or stop now, whatever that waits for."""


@dataclass(frozen=True, kw_only=True)
class ChargingSwitchEntityDescription(
    WallboxEntityDescription, SwitchEntityDescription
):
    """Describes a switch of what is set for the charging of a wallbox."""


def _operative(state: WallboxState) -> bool | None:
    """Return the target availability, else the present one."""
    target = state.target.operative
    return state.operative if target is None else target


# Targets may be made while the wallbox is away: it is told when it comes back.
WALLBOX_SWITCHES = (
    WallboxSwitchEntityDescription(
        key="charging",
        # Pickers find it by that, and not the other one.
        device_class=SwitchDeviceClass.SWITCH,
        available_fn=lambda _: True,
        target="charging_allowed",
        is_on_fn=lambda state: state.target.charging_allowed,
        set_fn=remote_control.allow,
        starts=True,
        pending_fn=lambda state: not state.enforcement.holds,
    ),
    WallboxSwitchEntityDescription(
        key="availability",
        entity_category=EntityCategory.CONFIG,
        available_fn=lambda _: True,
        target="operative",
        is_on_fn=_operative,
        set_fn=lambda station, on: station.controller.target(operative=on),
        pending_fn=lambda state: (
            state.target.operative is not None
            and state.target.operative is not (state.connected and state.operative)
        ),
    ),
)


PLAN = ChargingSwitchEntityDescription(key="plan", available_fn=lambda _: True)


async def async_setup_entry(
    hass: HomeAssistant,
    entry: SiteConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Set up the switches of each wallbox."""
    add_wallbox_entities(entry, async_add_entities, WallboxSwitch, WALLBOX_SWITCHES)
    add_wallbox_entities(entry, async_add_entities, PlanSwitch, [PLAN])


class WallboxSwitch(WallboxTargetEntity, SwitchEntity):
    """A switch of a wallbox."""

    entity_description: WallboxSwitchEntityDescription

    @property
    @override
    def is_on(self) -> bool | None:
        """Return the target; None: that was lost."""
        if self.lost:
            return None
        return self.entity_description.is_on_fn(self.wallbox)

    @override
    async def async_turn_on(self, **kwargs: Any) -> None:
        """Turn it on."""
        await self._set(True)

    @override
    async def async_turn_off(self, **kwargs: Any) -> None:
        """Turn it off."""
        await self._set(False)

    async def _set(self, on: bool) -> None:
        """Set the target, and wait for the wallbox's answer."""
        charging = self.coordinator.charging
        async with storing(self.coordinator):
            if self.entity_description.starts and on:
                charging.started(self.station)
            elif self.entity_description.starts:
                charging.cancel_start(self.station)
            await self.entity_description.set_fn(self.station, on)

    @property
    @override
    def shown(self) -> object:
        """Return what the state is made of."""
        return self.is_on, self.pending


class PlanSwitch(ChargingSettingEntity, SwitchEntity):
    """Whether a wallbox charges by plan."""

    entity_description: ChargingSwitchEntityDescription

    @property
    @override
    def is_on(self) -> bool | None:
        """Return whether it does; None: that was lost."""
        return None if self.settings is None else self.settings.plan

    @override
    async def async_turn_on(self, **kwargs: Any) -> None:
        """Turn it on."""
        await self.async_set(plan=True)

    @override
    async def async_turn_off(self, **kwargs: Any) -> None:
        """Turn it off."""
        await self.async_set(plan=False)

    @property
    @override
    def shown(self) -> object:
        """Return what the state is made of."""
        return self.is_on
