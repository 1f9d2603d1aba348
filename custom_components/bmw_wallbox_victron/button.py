"""Buttons."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import override

from homeassistant.components.button import (
    ButtonDeviceClass,
    ButtonEntity,
    ButtonEntityDescription,
)
from homeassistant.const import EntityCategory
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .const import NAME
from .coordinator import SiteConfigEntry
from .entity import WallboxEntity, WallboxEntityDescription
from .helpers import add_wallbox_entities, storing, translated_errors
from .wallbox import remote_control
from .wallbox.station import Station
from .wallbox_checks import CHECK

PARALLEL_UPDATES = 0


@dataclass(frozen=True, kw_only=True)
class WallboxButtonEntityDescription(WallboxEntityDescription, ButtonEntityDescription):
    """Describes a button of a wallbox."""

    press_fn: Callable[[Station], Awaitable[None]]
    """What it does."""
    targets: bool = False
    """Whether it changes the target."""
    starts: bool = False
    """Whether it has charging start now, whatever that waits for."""


@dataclass(frozen=True, kw_only=True)
class WallboxCheckButtonEntityDescription(
    WallboxEntityDescription, ButtonEntityDescription
):
    """Describes the button that checks a wallbox."""


WALLBOX_BUTTONS = (
    WallboxButtonEntityDescription(
        key="start_charging",
        # Always available: while the wallbox is away, it raises.
        available_fn=lambda _: True,
        press_fn=remote_control.start,
        targets=True,
        starts=True,
    ),
    WallboxButtonEntityDescription(
        key="stop_charging",
        # Always available: the target is set once the wallbox is back.
        available_fn=lambda _: True,
        press_fn=remote_control.stop,
        targets=True,
    ),
    WallboxButtonEntityDescription(
        key="reboot",
        device_class=ButtonDeviceClass.RESTART,
        entity_category=EntityCategory.CONFIG,
        press_fn=remote_control.reboot,
    ),
    WallboxButtonEntityDescription(
        key="refresh",
        entity_category=EntityCategory.DIAGNOSTIC,
        press_fn=remote_control.refresh,
    ),
)

CHECK_BUTTONS = (
    WallboxCheckButtonEntityDescription(
        key=CHECK, entity_category=EntityCategory.DIAGNOSTIC
    ),
)


async def async_setup_entry(
    hass: HomeAssistant,
    entry: SiteConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Set up the buttons of each wallbox."""
    add_wallbox_entities(entry, async_add_entities, WallboxButton, WALLBOX_BUTTONS)
    add_wallbox_entities(entry, async_add_entities, WallboxCheckButton, CHECK_BUTTONS)


class WallboxButton(WallboxEntity, ButtonEntity):
    """A button of a wallbox."""

    entity_description: WallboxButtonEntityDescription

    @override
    async def async_press(self) -> None:
        """Press the button."""
        self.station.trace.asked(self.entity_description.key)
        press = self.entity_description.press_fn
        if self.entity_description.targets:
            async with storing(self.coordinator):
                # While the wallbox is away it raises, and changes nothing.
                if self.entity_description.starts and self.wallbox.connected:
                    self.coordinator.charging.started(self.station)
                await press(self.station)
            return
        with translated_errors():
            await press(self.station)


class WallboxCheckButton(WallboxEntity, ButtonEntity):
    """The button that checks a wallbox, and stops a check that runs."""

    entity_description: WallboxCheckButtonEntityDescription

    @override
    async def async_press(self) -> None:
        """Press the button; a notification says what was found."""
        device = self.device_entry
        name = None if device is None else device.name_by_user or device.name
        with translated_errors():
            self.coordinator.checks.async_toggle(self.station, name or NAME)
