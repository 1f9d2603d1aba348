"""What must survive a restart of Home Assistant: energy, sessions, wishes, identity."""

from collections.abc import Mapping
from dataclasses import fields
from datetime import datetime
from typing import Any

from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.storage import Store

from .const import DOMAIN
from .wallbox.control import Enforcement, Plan, Wish
from .wallbox.energy import RegisterCount
from .wallbox.sessions import Session
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
#: A wish, and a session's beginning or end, do not, in s.
_DELAY_URGENT = 1

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
            urgent = any(
                _urgent(state) != _urgent(before.get(subentry_id))
                for subentry_id, state in wallboxes.items()
            )
        else:
            # The first call brings what was loaded. A wallbox that was removed since
            # is to be forgotten, with its cards and sessions.
            changed = urgent = not self._stored <= wallboxes.keys()
        if not changed:
            return
        # `Store` puts a write off with each request; readings come without end.
        if urgent or not self._waiting:
            self._waiting = True
            self._store.async_delay_save(
                self._dump, _DELAY_URGENT if urgent else _DELAY
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


class SessionStore:
    """Keeps the ledgers, which are long and seldom change, in a file of their own."""

    def __init__(self, hass: HomeAssistant, entry_id: str) -> None:
        """Take the config entry that it belongs to."""
        self._store = Store[_Json](
            hass,
            _VERSION,
            f"{DOMAIN}.{entry_id}.sessions",
            private=True,
            # Tuples of values: they may be read while new ones are made.
            serialize_in_event_loop=False,
        )
        self._ledgers: Mapping[str, tuple[Session, ...]] = {}
        self._waiting = False

    async def async_load(self) -> Mapping[str, list[Session]]:
        """Read the sessions, by subentry."""
        stored = await self._store.async_load() or {}
        return {
            subentry_id: [
                Session(
                    **item
                    | {
                        "start": datetime.fromisoformat(item["start"]),
                        "end": datetime.fromisoformat(item["end"]),
                    }
                )
                for item in sessions
            ]
            for subentry_id, sessions in stored.items()
        }

    async def async_remove(self) -> None:
        """Remove the file."""
        await self._store.async_remove()

    async def async_save(self) -> None:
        """Write now what is waiting."""
        if self._waiting:
            await self._store.async_save(self._dump())

    @callback
    def async_keep(self, ledgers: Mapping[str, tuple[Session, ...]]) -> None:
        """Have the sessions written, soon."""
        self._ledgers = ledgers
        self._waiting = True
        self._store.async_delay_save(self._dump, _DELAY_URGENT)

    def _dump(self) -> _Json:
        """Write out the sessions."""
        self._waiting = False
        return {
            subentry_id: [_dump(session) for session in sessions]
            for subentry_id, sessions in self._ledgers.items()
        }


def _lasting(state: WallboxState | None) -> object:
    """Give the part of a state that is stored."""
    if state is None:
        return None
    return (
        state.energy,
        state.transaction,
        state.recent,
        state.identity,
        state.wish,
        state.enforcement.rebooted_at,
    )


def _urgent(state: WallboxState | None) -> object:
    """Give what is written at once: a wish, a session's beginning or end."""
    if state is None:
        return None
    current = state.transaction
    session = None if current is None else (current.id, current.ended_at)
    return session, state.wish


def _dump_wallbox(state: WallboxState) -> _Json:
    rebooted_at = state.enforcement.rebooted_at
    return {
        "identity": _dump(state.identity),
        "energy": _dump(state.energy),
        "transaction": None if state.transaction is None else _dump(state.transaction),
        "recent": [_dump(transaction) for transaction in state.recent],
        "wish": _dump(state.wish),
        "rebooted_at": None if rebooted_at is None else rebooted_at.isoformat(),
    }


def _load_wallbox(stored: _Json) -> WallboxState:
    transaction = stored["transaction"]
    return WallboxState(
        identity=Identity(**stored["identity"]),
        energy=_load_count(stored["energy"]),
        transaction=None if transaction is None else _load_transaction(transaction),
        recent=tuple(_load_transaction(item) for item in stored["recent"]),
        wish=_load_wish(stored["wish"]),
        enforcement=Enforcement(rebooted_at=_time(stored["rebooted_at"])),
    )


def _load_wish(stored: _Json) -> Wish:
    schedule = stored["schedule"]
    if schedule is not None:
        schedule = Plan(
            periods=tuple((begin, amps) for begin, amps in schedule["periods"]),
            start=_time(schedule["start"]),
        )
    return Wish(**stored | {"schedule": schedule})


def _dump(
    value: Identity | Plan | RegisterCount | Session | Transaction | Wish,
) -> _Json:
    """Write out a dataclass; JSON itself writes numbers, texts and enums."""
    result: _Json = {}
    for item in fields(value):
        content = getattr(value, item.name)
        if isinstance(content, datetime):
            content = content.isoformat()
        elif isinstance(content, RegisterCount | Plan):
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
