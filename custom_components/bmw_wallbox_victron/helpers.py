"""What platforms and actions share: adding entities, raising errors."""

from collections.abc import AsyncGenerator, Callable, Collection, Generator, Iterable
from contextlib import asynccontextmanager, contextmanager, suppress
import math

from homeassistant.config_entries import ConfigSubentry
from homeassistant.const import CONF_ADDRESS
from homeassistant.core import callback
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.entity import EntityDescription
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .const import BATTERY_DEVICE, CONF_CHARGE_POINT_ID, DOMAIN
from .coordinator import SiteConfigEntry, SiteCoordinator
from .entity import (
    BatteryEntity,
    DeviceEntity,
    DeviceEntityDescription,
    WallboxEntity,
    WallboxEntityDescription,
)
from .readings import DeviceIdentity, DeviceState
from .subentries import device_subentries
from .wallbox.errors import CommandError


@callback
def add_wallbox_entities[Description: WallboxEntityDescription](
    entry: SiteConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
    make: Callable[[SiteCoordinator, ConfigSubentry, Description], WallboxEntity],
    descriptions: Iterable[Description],
) -> None:
    """Add an entity of each description to each wallbox, once there is such a thing.

    What was there once stays: the entity registry knows it.
    """
    coordinator = entry.runtime_data
    known = {
        (entity.config_subentry_id, entity.unique_id)
        for entity in er.async_entries_for_config_entry(
            er.async_get(coordinator.hass), entry.entry_id
        )
    }
    waiting: dict[str, list[Description]] = {}

    @callback
    def add() -> None:
        for subentry in coordinator.wallbox_subentries:
            subentry_id, owner = (
                subentry.subentry_id,
                subentry.data[CONF_CHARGE_POINT_ID],
            )
            missing = waiting.setdefault(subentry_id, [*descriptions])
            state = coordinator.data.wallboxes[owner]
            found = [
                description
                for description in missing
                if description.exists_fn(state)
                or (subentry_id, f"{owner}_{description.key}") in known
            ]
            if found:
                missing[:] = [each for each in missing if each not in found]
                async_add_entities(
                    [make(coordinator, subentry, each) for each in found],
                    config_subentry_id=subentry_id,
                )

    add()
    if any(waiting.values()):
        entry.async_on_unload(coordinator.async_add_listener(add))


@callback
def add_device_entities[Description: DeviceEntityDescription](
    entry: SiteConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
    make: Callable[[SiteCoordinator, ConfigSubentry, Description], DeviceEntity],
    descriptions_of: Callable[[DeviceState], Iterable[Description]],
) -> None:
    """Add the entities of each device, once it is known what it is and tells."""
    coordinator = entry.runtime_data
    seen: dict[str, tuple[DeviceIdentity, int]] = {}
    made: set[tuple[str, str]] = set()

    @callback
    def add() -> None:
        for subentry in device_subentries(entry):
            if not coordinator.devices.knows(subentry):
                continue  # it comes with the next update
            state = coordinator.data.devices.get(subentry.data[CONF_ADDRESS])
            if state is None:
                continue
            # A BMS has keys of its own for what it has several of.
            known = state.identity, len(state.values)
            if seen.get(subentry.subentry_id) == known:
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
            seen[subentry.subentry_id] = known

    add()
    entry.async_on_unload(coordinator.async_add_listener(add))


@callback
def add_battery_entities[Description: EntityDescription](
    entry: SiteConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
    make: type[BatteryEntity],
    descriptions: Collection[Description],
) -> None:
    """Add an entity of each description that something can tell of the battery.

    Those that nothing can tell any more go, once it is known what each device is.
    """
    coordinator = entry.runtime_data
    registry = er.async_get(coordinator.hass)
    made: set[str] = set()
    kept: frozenset[str] | None = None

    @callback
    def add() -> None:
        nonlocal kept
        tells = coordinator.data.battery_tells
        if coordinator.data.battery is None:
            made.clear()  # its device went, and its entities with it
            kept = None
            return
        new = [each for each in descriptions if each.key in tells - made]
        if new:
            made.update(each.key for each in new)
            async_add_entities(make(coordinator, each) for each in new)
        if tells != kept and coordinator.devices.battery_is_known:
            kept = tells
            for key in {each.key for each in descriptions} - tells:
                unique_id = f"{BATTERY_DEVICE}_{key}"
                entity_id = registry.async_get_entity_id(make.domain, DOMAIN, unique_id)
                if entity_id is not None:
                    registry.async_remove(entity_id)
                made.discard(key)

    add()
    entry.async_on_unload(coordinator.async_add_listener(add))


@contextmanager
def translated_errors() -> Generator[None]:
    """Raise in the user's language why a wallbox does not do what was asked."""
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
    """Change a target: when this ends, it is on the disk.

    Also where the wallbox is away or does not do it, because the target stands. Nobody
    waits for the disk in between: the wallbox is told at once.
    """
    with translated_errors():
        try:
            yield
        except CommandError:
            with suppress(CommandError):  # it is logged, and the other error says more
                await coordinator.async_save_targets()
            raise
        await coordinator.async_save_targets()


def check_number(value: float) -> None:
    """Raise for what is no number: Home Assistant's own limits let it pass."""
    if math.isnan(value):
        raise ServiceValidationError(
            translation_domain=DOMAIN, translation_key="not_a_number"
        )
