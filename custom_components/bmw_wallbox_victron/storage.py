"""What must survive a restart: energy, sessions, wishes, what devices are."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import fields, is_dataclass
from datetime import datetime
from enum import StrEnum
import logging
import math
from types import NoneType
from typing import Any, cast, get_args, get_origin, get_type_hints

from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.storage import Store

from .const import DOMAIN
from .readings import DeviceIdentity
from .wallbox.control import Plan, Wish
from .wallbox.energy import RegisterCount
from .wallbox.sessions import Session
from .wallbox.state import Identity, Transaction, WallboxState

_LOGGER = logging.getLogger(__name__)

_VERSION = 1
#: A meter reading waits so long for company before it is written, in s.
_DELAY = 60
#: A wish, and a session's beginning or end, do not, in s.
_DELAY_URGENT = 1

#: What the fields of a state are, by name.
_HINTS = get_type_hints(WallboxState)

#: What reading raises where somebody else has written.
_UNREADABLE = (TypeError, ValueError, OverflowError)
#: Those that are stored.
_STORED = ("identity", "energy", "transaction", "recent", "wish", "enforcement")

type _Json = dict[str, Any]


class SiteStore:
    """Keeps the lasting part of each wallbox's state in `.storage`."""

    def __init__(self, hass: HomeAssistant, entry_id: str) -> None:
        """Take the config entry that it belongs to."""
        self._store = Store[_Json](hass, _VERSION, f"{DOMAIN}.{entry_id}", private=True)
        self._wallboxes: dict[str, WallboxState] = {}
        self._waiting = False
        self._stored: frozenset[str] | None = frozenset()
        """The wallboxes that were stored, until it is known which are still there."""
        self.devices: Mapping[str, DeviceIdentity] = {}
        """What the devices heard by Bluetooth are, by subentry."""
        self.numbers: Mapping[str, float] = {}
        """What the owner has set for the battery, in V by key."""

    async def async_load(self) -> Mapping[str, WallboxState]:
        """Read what was stored, by subentry: a wallbox's id may be corrected later."""
        stored = _mapping(await self._store.async_load())
        self.devices = _load_devices(_mapping(stored.get("devices")))
        self.numbers = {
            key: float(number)
            for key, number in _mapping(stored.get("battery")).items()
            if isinstance(number, float | int) and math.isfinite(number)
        }
        wallboxes = _mapping(stored.get("wallboxes"))
        self._stored = frozenset(wallboxes)
        states: dict[str, WallboxState] = {}
        for subentry_id, wallbox in wallboxes.items():
            states[subentry_id], lost = _load_wallbox(wallbox)
            if lost:
                _LOGGER.warning(
                    "Starting afresh: of what %s has for %s, this cannot be read: %s",
                    self._store.path,
                    subentry_id,
                    ", ".join(lost),
                )
        # Whatever is written before the first `async_keep` must not lose them.
        self._wallboxes = dict(states)
        return states

    async def async_remove(self) -> None:
        """Remove the file."""
        await self._store.async_remove()

    async def async_save(self) -> None:
        """Write now what is waiting."""
        if self._waiting:
            await self._store.async_save(self._dump())

    @callback
    def async_keep_devices(self, devices: Mapping[str, DeviceIdentity]) -> None:
        """Have written what the devices are, if that is new."""
        if devices != self.devices:
            self.devices = devices
            self._waiting = True
            self._store.async_delay_save(self._dump, _DELAY_URGENT)

    @callback
    def async_keep_numbers(self, numbers: Mapping[str, float]) -> None:
        """Have written what the owner has set for the battery."""
        self.numbers = numbers
        self._waiting = True
        self._store.async_delay_save(self._dump, _DELAY_URGENT)

    @callback
    def async_keep(self, wallboxes: Mapping[str, WallboxState]) -> None:
        """Have the lasting part of these states written, soon."""
        before, self._wallboxes = self._wallboxes, dict(wallboxes)
        stored, self._stored = self._stored, None
        if stored is None:
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
            changed = urgent = not stored <= wallboxes.keys()
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
            },
            "devices": {
                subentry_id: _dump(identity)
                for subentry_id, identity in self.devices.items()
            },
            "battery": dict(self.numbers),
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
        stored = _mapping(await self._store.async_load())
        ledgers: dict[str, list[Session]] = {}
        for subentry_id, sessions in stored.items():
            ledger = ledgers[subentry_id] = []
            lost = 0
            for item in sessions if isinstance(sessions, list) else ():
                try:
                    ledger.append(_load(Session, item))
                except _UNREADABLE:
                    lost += 1
            if lost:
                _LOGGER.warning(
                    "Of the sessions that %s has for %s, %d cannot be read",
                    self._store.path,
                    subentry_id,
                    lost,
                )
        return ledgers

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
        "enforcement": {
            "rebooted_at": None if rebooted_at is None else rebooted_at.isoformat()
        },
    }


def _load_wallbox(stored: Any) -> tuple[WallboxState, list[str]]:
    """Read a wallbox's part; what cannot be read is left out and named."""
    if not isinstance(stored, dict):
        return WallboxState(), ["everything"]
    content: _Json = {}
    lost: list[str] = []
    for name in _STORED:
        if name in stored:
            try:
                content[name] = _read(_HINTS[name], stored[name])
            except _UNREADABLE:
                lost.append(name)
    return WallboxState(**content), lost


def _load_devices(stored: _Json) -> dict[str, DeviceIdentity]:
    """Read what devices are. What cannot be read will be heard again."""
    devices: dict[str, DeviceIdentity] = {}
    for subentry_id, device in stored.items():
        with suppress(*_UNREADABLE):
            devices[subentry_id] = _load(DeviceIdentity, device)
    return devices


def _dump(
    value: DeviceIdentity
    | Identity
    | Plan
    | RegisterCount
    | Session
    | Transaction
    | Wish,
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


def _mapping(stored: Any) -> _Json:
    """Take a JSON object; anything else is none."""
    return stored if isinstance(stored, dict) else {}


def _load(kind: type[Any], stored: Any) -> Any:
    """Read a dataclass. What another version wrote and this one lacks is left out."""
    if not isinstance(stored, dict):
        raise TypeError(kind)
    hints = get_type_hints(kind)
    return kind(
        **{
            item.name: _read(hints[item.name], stored[item.name])
            for item in fields(kind)
            if item.name in stored
        }
    )


def _read(hint: Any, stored: Any) -> Any:
    """Read a value of a type. Raises TypeError or ValueError where it is none."""
    if get_origin(hint) is tuple:
        kinds, items = get_args(hint), _items(stored)
        if kinds[-1] is Ellipsis:
            kinds = (kinds[0],) * len(items)
        return tuple(map(_read, kinds, items, strict=True))
    if NoneType in get_args(hint):
        if stored is None:
            return None
        (hint,) = set(get_args(hint)) - {NoneType}
    if is_dataclass(hint):
        return _load(cast(type[Any], hint), stored)
    if issubclass(hint, StrEnum):
        return hint(stored)
    if issubclass(hint, datetime):
        moment = datetime.fromisoformat(stored)
        if moment.tzinfo is None:
            raise ValueError(stored)
        return moment
    if hint is float and type(stored) is int:
        stored = float(stored)
    if type(stored) is not hint or (hint is float and not math.isfinite(stored)):
        raise TypeError(hint)
    return stored


def _items(stored: Any) -> list[Any]:
    if not isinstance(stored, list):
        raise TypeError(stored)
    return stored
