"""The events of charging sessions, which fire once they are stored."""

from collections.abc import Callable
from dataclasses import dataclass

from homeassistant.core import callback

from .storage import SiteStore
from .wallbox.sessions import SessionEvent, session_events
from .wallbox.state import WallboxState


@dataclass(frozen=True, slots=True)
class _Step:
    """Two states of a wallbox between which something happened in a session."""

    subentry_id: str
    """Of which wallbox."""
    before: WallboxState
    """The state before it."""
    after: WallboxState
    """The state after it."""
    revision: int
    """The first revision of the store that has it."""


class SessionEvents:
    """Fires the events of sessions, in order.

    An event has the energy that is on the disk: after a power cut it happens again.
    """

    def __init__(self, store: SiteStore) -> None:
        """Initialize without events."""
        self._store = store
        self._steps: list[_Step] = []
        self._listeners: dict[str, list[Callable[[SessionEvent], None]]] = {}

    @callback
    def async_add(
        self,
        subentry_id: str,
        before: WallboxState,
        after: WallboxState,
        *,
        revision: int,
    ) -> None:
        """Add what happened to a wallbox, to fire when that revision is written."""
        self._steps.append(_Step(subentry_id, before, after, revision))

    @callback
    def async_fire(self) -> None:
        """Fire the events of which a write has ended, or could not be."""
        while self._steps and self._steps[0].revision <= self._store.settled:
            step = self._steps.pop(0)
            for event in session_events(
                self._store.shown(step.subentry_id, step.before),
                self._store.shown(step.subentry_id, step.after),
            ):
                for listener in tuple(self._listeners.get(step.subentry_id, ())):
                    listener(event)

    @callback
    def async_listen(
        self, subentry_id: str, listener: Callable[[SessionEvent], None]
    ) -> Callable[[], None]:
        """Call `listener` with each event of a wallbox; return what ends that."""
        listeners = self._listeners.setdefault(subentry_id, [])
        listeners.append(listener)
        return lambda: listeners.remove(listener)
