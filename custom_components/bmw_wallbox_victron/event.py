"""Events."""

from dataclasses import dataclass
from typing import override

from homeassistant.components.event import EventEntity, EventEntityDescription
from homeassistant.config_entries import ConfigSubentry
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .coordinator import SiteConfigEntry, SiteCoordinator
from .entity import WallboxEntity, WallboxEntityDescription
from .helpers import add_wallbox_entities
from .wallbox.sessions import SessionEvent, SessionEventType

PARALLEL_UPDATES = 0


@dataclass(frozen=True, kw_only=True)
class WallboxEventEntityDescription(WallboxEntityDescription, EventEntityDescription):
    """Describes an event of a wallbox."""


SESSION = WallboxEventEntityDescription(
    key="session",
    # What happened stays true while the wallbox is away.
    available_fn=lambda _: True,
    event_types=[kind.value for kind in SessionEventType],
)


async def async_setup_entry(
    hass: HomeAssistant,
    entry: SiteConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Set up the event of each wallbox."""
    add_wallbox_entities(entry, async_add_entities, WallboxSessionEvent, [SESSION])


class WallboxSessionEvent(WallboxEntity, EventEntity):
    """The events of charging sessions."""

    entity_description: WallboxEventEntityDescription

    def __init__(
        self,
        coordinator: SiteCoordinator,
        subentry: ConfigSubentry,
        description: WallboxEventEntityDescription,
    ) -> None:
        """Initialize the entity."""
        super().__init__(coordinator, subentry, description)
        self._subentry_id = subentry.subentry_id

    @override
    async def async_added_to_hass(self) -> None:
        """Listen to the sessions: what happens from now on is an event."""
        await super().async_added_to_hass()
        self.async_on_remove(
            self.coordinator.session_events.async_listen(
                self._subentry_id, self._handle_session_event
            )
        )

    @callback
    def _handle_session_event(self, event: SessionEvent) -> None:
        """Fire an event of a session."""
        self._trigger_event(
            event.type,
            {
                "energy": round(event.energy_wh / 1000, 3),
                "duration": round(event.duration.total_seconds()),
                "reason": event.reason,
            },
        )
        self.async_write_ha_state()
