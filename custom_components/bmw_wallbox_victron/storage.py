"""What must survive a restart of Home Assistant: energy, sessions, identity."""

from collections.abc import Mapping
from dataclasses import fields
from datetime import datetime
from typing import Any

from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.storage import Store

from .const import DOMAIN
from .wallbox.energy import RegisterCount
from .wallbox.state import (
    ChargingState,
    EventType,
    Identity,
    Transaction,
    WallboxState,
)

_VERSION = 1
#: A meter reading waits so long for company before it is written, in s.
_DELAY = 60
#: A session's beginning or end does not, in s.
_DELAY_SESSION = 1

type _Json = dict[str, Any]


class SiteStore:
    """Keeps the lasting part of each wallbox's state in `.storage`."""

    def __init__(self, hass: HomeAssistant, entry_id: str) -> None:
        """Take the config entry that it belongs to."""
        self._store = Store[_Json](hass, _VERSION, f"{DOMAIN}.{entry_id}", private=True)
        self._wallboxes: dict[str, WallboxState] = {}
        self._waiting = False
        self._stored: frozenset[str] = frozenset()

    async def async_load(self) -> Mapping[str, WallboxState]:
        """Read what was stored, by subentry: a wallbox's id may be corrected later."""
        stored = await self._store.async_load() or {}
        wallboxes = stored.get("wallboxes", {})
        self._stored = frozenset(wallboxes)
        return {
            subentry_id: _load_wallbox(wallbox)
            for subentry_id, wallbox in wallboxes.items()
        }

    async def async_remove(self) -> None:
        """Remove the file."""
        await self._store.async_remove()

    async def async_save(self) -> None:
        """Write now what is waiting."""
        if self._waiting:
            await self._store.async_save(self._dump())

    @callback
    def async_keep(self, wallboxes: Mapping[str, WallboxState]) -> None:
        """Have the lasting part of these states written, soon."""
        before, self._wallboxes = self._wallboxes, dict(wallboxes)
        if before:
            changed = any(
                _lasting(state) != _lasting(before.get(subentry_id))
                for subentry_id, state in wallboxes.items()
            )
            boundary = any(
                _session(state) != _session(before.get(subentry_id))
                for subentry_id, state in wallboxes.items()
            )
        else:
            # The first call brings what was loaded. A wallbox that was removed since
            # is to be forgotten, with its cards and sessions.
            changed = boundary = not self._stored <= wallboxes.keys()
        if not changed:
            return
        # `Store` puts a write off with each request; readings come without end.
        if boundary or not self._waiting:
            self._waiting = True
            self._store.async_delay_save(
                self._dump, _DELAY_SESSION if boundary else _DELAY
            )

    def _dump(self) -> _Json:
        """Write out what lasts."""
        self._waiting = False
        return {
            "wallboxes": {
                subentry_id: _dump_wallbox(state)
                for subentry_id, state in self._wallboxes.items()
            }
        }


def _lasting(state: WallboxState | None) -> object:
    """Give the part of a state that is stored."""
    if state is None:
        return None
    return state.energy, state.transaction, state.recent, state.identity


def _session(state: WallboxState | None) -> object:
    """Give what a session's beginning or end changes."""
    if state is None or state.transaction is None:
        return None
    return state.transaction.id, state.transaction.ended_at


def _dump_wallbox(state: WallboxState) -> _Json:
    return {
        "identity": _dump(state.identity),
        "energy": _dump(state.energy),
        "transaction": None if state.transaction is None else _dump(state.transaction),
        "recent": [_dump(transaction) for transaction in state.recent],
    }


def _load_wallbox(stored: _Json) -> WallboxState:
    transaction = stored["transaction"]
    return WallboxState(
        identity=Identity(**stored["identity"]),
        energy=_load_count(stored["energy"]),
        transaction=None if transaction is None else _load_transaction(transaction),
        recent=tuple(_load_transaction(item) for item in stored["recent"]),
    )


def _dump(value: Identity | RegisterCount | Transaction) -> _Json:
    """Write out a dataclass; JSON itself writes numbers, texts and enums."""
    result: _Json = {}
    for item in fields(value):
        content = getattr(value, item.name)
        if isinstance(content, datetime):
            content = content.isoformat()
        elif isinstance(content, RegisterCount):
            content = _dump(content)
        result[item.name] = content
    return result


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _load_count(stored: _Json) -> RegisterCount:
    return RegisterCount(
        **stored
        | {
            "first_at": _time(stored["first_at"]),
            "last_at": _time(stored["last_at"]),
            "before_at": _time(stored["before_at"]),
        }
    )


def _load_transaction(stored: _Json) -> Transaction:
    return Transaction(
        **stored
        | {
            "started_at": datetime.fromisoformat(stored["started_at"]),
            "updated_at": datetime.fromisoformat(stored["updated_at"]),
            "ended_at": _time(stored["ended_at"]),
            "state_at": _time(stored["state_at"]),
            "event_type": EventType(stored["event_type"]),
            "charging_state": ChargingState(stored["charging_state"]),
            "energy": _load_count(stored["energy"]),
        }
    )
