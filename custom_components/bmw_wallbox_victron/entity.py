"""Base entities: which device they belong to, when they are there, when they write."""

from abc import abstractmethod
from collections.abc import AsyncGenerator, Callable, Generator, Iterable
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
import math
from typing import override

from homeassistant.config_entries import ConfigSubentry
from homeassistant.const import CONF_ADDRESS
from homeassistant.core import callback
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from homeassistant.helpers.device_registry import DeviceInfo
from homeassistant.helpers.entity import EntityDescription
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback
from homeassistant.helpers.update_coordinator import CoordinatorEntity

from .const import ATTR_PENDING, CONF_CHARGE_POINT_ID, DOMAIN, SERVER_DEVICE
from .coordinator import SiteConfigEntry, SiteCoordinator
from .readings import DeviceIdentity, DeviceState
from .subentries import device_subentries
from .wallbox.errors import CommandError
from .wallbox.state import WallboxState
from .wallbox.station import Station


@contextmanager
def translated_errors() -> Generator[None]:
    """Tell in the user's language why a wallbox does not do what was asked."""
    try:
        yield
    except CommandError as err:
        raise HomeAssistantError(
            translation_domain=DOMAIN,
            translation_key=err.key,
            translation_placeholders=err.placeholders,
        ) from err


@asynccontextmanager
async def storing(coordinator: SiteCoordinator) -> AsyncGenerator[None]:
    """Do what changes a target: when this ends, it is on the disk.

    Also where the wallbox is away or does not do it, because the target stands. Nobody
    waits for the disk in between: the wallbox is told at once.
    """
    with translated_errors():
        try:
            yield
        except CommandError:
            with suppress(CommandError):  # the log says so, and this tells more
                await coordinator.async_save_targets()
            raise
        await coordinator.async_save_targets()


def check_number(value: float) -> None:
    """Refuse what is not a number: Home Assistant's minimum and maximum let it pass."""
    if math.isnan(value):
        raise ServiceValidationError(
            translation_domain=DOMAIN, translation_key="not_a_number"
        )


@dataclass(frozen=True, kw_only=True)
class WallboxEntityDescription(EntityDescription):
    """Describes an entity of a wallbox."""

    available_fn: Callable[[WallboxState], bool] = lambda state: state.connected
    """When it is there: by default while the wallbox is connected."""


class SiteEntity(CoordinatorEntity[SiteCoordinator]):
    """An entity that writes its state only when that changed."""

    _attr_has_entity_name = True

    def __init__(
        self, coordinator: SiteCoordinator, owner: str, description: EntityDescription
    ) -> None:
        """Take the owner's identifier, which is the first half of the unique id."""
        super().__init__(coordinator)
        self.entity_description = description
        self._attr_translation_key = description.translation_key or description.key
        self._attr_unique_id = f"{owner}_{description.key}"
        self._written: object = None

    def english_name(self, domain: str) -> str | None:
        """Return the name that entity ids are made of; None: there is none.

        It is English in every language, because dashboards, blueprints and the
        documentation name entity ids.
        """
        place = f"component.{DOMAIN}.entity.{domain}.{self.translation_key}.name"
        return self.coordinator.english.get(place)

    @property
    @override
    def suggested_object_id(self) -> str | None:
        """What the entity id is made of, beside the name of the device."""
        name = self.english_name(self.platform_data.domain)
        return name or super().suggested_object_id

    @property
    @abstractmethod
    def shown(self) -> object:
        """What the state is made of."""

    @override
    async def async_added_to_hass(self) -> None:
        """Note what is written when it is added, right after this."""
        await super().async_added_to_hass()
        self._written = (self.available, self.shown)

    @callback
    @override
    def _handle_coordinator_update(self) -> None:
        """Write, if there is anything new."""
        showing = (self.available, self.shown)
        if showing != self._written:
            self._written = showing
            super()._handle_coordinator_update()


class ServerEntity(SiteEntity):
    """An entity of the server."""

    def __init__(
        self, coordinator: SiteCoordinator, description: EntityDescription
    ) -> None:
        """Belong to the server's device, which the coordinator made."""
        super().__init__(coordinator, SERVER_DEVICE, description)
        self._attr_device_info = DeviceInfo(identifiers={(DOMAIN, SERVER_DEVICE)})


class WallboxEntity(SiteEntity):
    """An entity of a wallbox."""

    entity_description: WallboxEntityDescription

    def __init__(
        self,
        coordinator: SiteCoordinator,
        subentry: ConfigSubentry,
        description: WallboxEntityDescription,
    ) -> None:
        """Belong to the device of a wallbox."""
        self._charge_point_id: str = subentry.data[CONF_CHARGE_POINT_ID]
        super().__init__(coordinator, self._charge_point_id, description)
        identity = self.wallbox.identity
        self._attr_device_info = DeviceInfo(
            identifiers={(DOMAIN, self._charge_point_id)},
            name=subentry.title,
            manufacturer=identity.vendor,
            model=identity.model,
            serial_number=identity.serial_number,
            sw_version=identity.firmware_version,
        )
        if coordinator.server.device_id is not None:
            self._attr_device_info["via_device_id"] = coordinator.server.device_id

    @property
    def wallbox(self) -> WallboxState:
        """The wallbox's state."""
        return self.coordinator.data.wallboxes[self._charge_point_id]

    @property
    def station(self) -> Station:
        """What takes commands."""
        return self.coordinator.stations[self._charge_point_id]

    @property
    @override
    def available(self) -> bool:
        """Whether there is anything to show."""
        return super().available and self.entity_description.available_fn(self.wallbox)


@dataclass(frozen=True, kw_only=True)
class DeviceEntityDescription(EntityDescription):
    """Describes an entity of a device that is heard by Bluetooth."""

    available_fn: Callable[[DeviceState], bool] = lambda state: state.fresh
    """When it is there: by default while what was heard is fresh."""


class DeviceEntity(SiteEntity):
    """An entity of a device that is heard by Bluetooth."""

    entity_description: DeviceEntityDescription

    def __init__(
        self,
        coordinator: SiteCoordinator,
        subentry: ConfigSubentry,
        description: DeviceEntityDescription,
    ) -> None:
        """Belong to the device."""
        self._subentry = subentry
        super().__init__(coordinator, subentry.data[CONF_ADDRESS], description)
        self._attr_device_info = coordinator.devices.device_info(subentry)

    @property
    @override
    def unique_id(self) -> str:
        """Made of the address, which may be corrected while the entity is there."""
        return f"{self._subentry.data[CONF_ADDRESS]}_{self.entity_description.key}"

    @property
    def device_state(self) -> DeviceState:
        """What is shown of the device; nothing where that changes just now."""
        return self.coordinator.data.devices.get(
            self._subentry.data[CONF_ADDRESS], DeviceState()
        )

    @property
    @override
    def available(self) -> bool:
        """Whether there is anything to show."""
        return super().available and self.entity_description.available_fn(
            self.device_state
        )


@callback
def add_device_entities[Description: DeviceEntityDescription](
    entry: SiteConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
    make: Callable[[SiteCoordinator, ConfigSubentry, Description], DeviceEntity],
    descriptions_of: Callable[[DeviceState], Iterable[Description]],
) -> None:
    """Add the entities of each device, those of its kind once that is known."""
    coordinator = entry.runtime_data
    seen: dict[str, DeviceIdentity] = {}
    made: set[tuple[str, str]] = set()

    @callback
    def add() -> None:
        for subentry in device_subentries(entry):
            if not coordinator.devices.knows(subentry):
                continue  # it comes with what is told next
            state = coordinator.data.devices.get(subentry.data[CONF_ADDRESS])
            if state is None or seen.get(subentry.subentry_id) == state.identity:
                continue
            descriptions = [
                description
                for description in descriptions_of(state)
                if (subentry.subentry_id, description.key) not in made
            ]
            async_add_entities(
                [make(coordinator, subentry, each) for each in descriptions],
                config_subentry_id=subentry.subentry_id,
            )
            made.update((subentry.subentry_id, each.key) for each in descriptions)
            seen[subentry.subentry_id] = state.identity

    add()
    entry.async_on_unload(coordinator.async_add_listener(add))


@callback
def add_wallbox_entities[Description: WallboxEntityDescription](
    entry: SiteConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
    make: Callable[[SiteCoordinator, ConfigSubentry, Description], WallboxEntity],
    descriptions: Iterable[Description],
) -> None:
    """Add an entity of each description to each wallbox."""
    coordinator = entry.runtime_data
    for subentry in coordinator.wallbox_subentries:
        async_add_entities(
            [make(coordinator, subentry, description) for description in descriptions],
            config_subentry_id=subentry.subentry_id,
        )


@dataclass(frozen=True, kw_only=True)
class WallboxTargetEntityDescription(WallboxEntityDescription):
    """Describes an entity that takes a target."""

    target: str
    """The field of `Target`."""
    pending_fn: Callable[[WallboxState], bool]
    """Whether the wallbox has not confirmed it yet."""


class WallboxTargetEntity(WallboxEntity):
    """An entity that shows a target, and whether the wallbox has confirmed it."""

    entity_description: WallboxTargetEntityDescription

    @property
    def pending(self) -> bool:
        """Whether the wallbox has not confirmed the target yet."""
        return self.entity_description.pending_fn(self.wallbox)

    @property
    @override
    def extra_state_attributes(self) -> dict[str, bool]:
        """A target that is not confirmed is recognizable as one."""
        return {ATTR_PENDING: self.pending}

    async def _target(self, value: bool | int) -> None:
        """Set the target, and wait for the wallbox's answer."""
        async with storing(self.coordinator):
            await self.station.controller.target(
                **{self.entity_description.target: value}
            )
