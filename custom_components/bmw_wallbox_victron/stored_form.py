"""What is stored, as JSON: each field is read by itself, whatever the others are.

A file may be damaged, or edited by hand, or of another version. What cannot be read is
left out and named, and what follows from that is decided here. Libraries that read
dataclasses give up at the first field, and take "8" for 8, or a time without a zone.
"""

from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import fields, is_dataclass, replace
from datetime import datetime, time
from enum import StrEnum
from functools import cache
import logging
import math
from types import NoneType
from typing import Any, Final, get_args, get_origin, get_type_hints

from .battery.counters import Counters
from .battery.energy import DayCounter
from .battery.history import History
from .charging.receipt import Receipt
from .charging.settings import ChargingSettings
from .const import MAX_CURRENT, MAX_TARGET_ENERGY, MIN_CURRENT
from .disk import Json
from .readings import DeviceIdentity
from .wallbox.energy import RegisterCount
from .wallbox.enforcement import Enforcement
from .wallbox.findings import CheckResult
from .wallbox.identity import Identity
from .wallbox.sessions import Session
from .wallbox.state import EventType, Transaction, WallboxState
from .wallbox.target import LIMITING, ChargingSchedule, Target

_LOGGER = logging.getLogger(__name__)

#: What reading raises where somebody else has written.
_UNREADABLE: Final = (TypeError, ValueError, OverflowError)
#: No schedule begins outside of these years, or lasts so long, in s.
_YEARS: Final = range(2000, 2200)
_MAX_SECONDS: Final = 2**31
#: Seconds of the steady clock, which begins anew with each start.
_NOT_STORED: Final = ("anchor",)
#: Fields of a transaction that version 0.1.0 had not.
_SINCE_0_1_0: Final = ("phases", "charged", "full")


# How it is written: Home Assistant's JSON knows dataclasses, times and enums


def lasting_target(target: Target) -> Target:
    """Return the part of a target that lasts: the steady clock begins anew."""
    if target.schedule is None or target.schedule.anchor is None:
        return target
    return replace(target, schedule=replace(target.schedule, anchor=None))


def dump_wallbox(state: WallboxState) -> Json:
    """Return what lasts of a wallbox, under the keys that it has had since 0.1.0."""
    target, schedule = state.target, state.target.schedule
    return {
        "identity": state.identity,
        **({} if state.host is None else {"host": state.host}),
        "energy": state.energy,
        "transaction": state.transaction and _dump_transaction(state.transaction),
        "recent": [_dump_transaction(item) for item in state.recent],
        "wish": {
            **{name: getattr(target, name) for name in (*_TARGET, "lost")},
            "schedule": schedule
            and {name: getattr(schedule, name) for name in _hints(ChargingSchedule)},
        },
        "enforcement": {"rebooted_at": state.enforcement.rebooted_at},
        **({} if state.check is None else {"check": state.check}),
    }


def _dump_transaction(transaction: Transaction) -> Json:
    """Return what lasts of a transaction; what 0.1.0 had not, only where it says so."""
    return {
        item.name: content
        for item in fields(transaction)
        if (content := getattr(transaction, item.name)) != item.default
        or item.name not in _SINCE_0_1_0
    }


# How it is read: what cannot be is left out, and named in `lost`


def load_wallbox(stored: Any, lost: list[str]) -> WallboxState:
    """Read a wallbox's part."""
    if not isinstance(stored, dict):
        lost.append("everything")
        return WallboxState(target=Target(lost=LIMITING))
    state = WallboxState(target=_load_target(stored.get("wish")))
    if "identity" in stored:
        identity = _rescue(Identity, stored["identity"], "identity", lost)
        state = replace(state, identity=Identity(**identity))
    with suppress(*_UNREADABLE):  # it is told again
        state = replace(state, host=_read(str | None, stored.get("host")))
    if "energy" in stored:
        state = replace(state, energy=_load_count(stored["energy"], "energy", lost))
    if stored.get("transaction") is not None:
        transaction = _load_transaction(stored["transaction"], "transaction", lost)
        state = replace(state, transaction=transaction)
    if "recent" in stored:
        items = stored["recent"]
        if not isinstance(items, list):
            lost.append("recent")
            items = []
        recent = (
            _load_transaction(item, f"recent.{index}", lost)
            for index, item in enumerate(items)
        )
        state = replace(state, recent=tuple(item for item in recent if item))
    with suppress(*_UNREADABLE):  # it can be found again
        state = replace(state, check=_read(CheckResult | None, stored.get("check")))
    if "enforcement" in stored:
        content = _rescue(Enforcement, stored["enforcement"], "enforcement", lost)
        enforcement = Enforcement(rebooted_at=content.get("rebooted_at"))
        state = replace(state, enforcement=enforcement)
    return state


def _load_target(stored: Any) -> Target:
    """Read the target.

    Of what bears on a limit, each field that cannot be read, or is not there, is in
    `Target.lost`. What else cannot be read was never set, then.
    """
    if not isinstance(stored, dict):
        return Target(lost=LIMITING)
    content: Json = {}
    unreadable: list[str] = []
    for name, read in _TARGET.items():
        if name in _NEWER and name not in stored:
            continue
        try:
            content[name] = read(stored[name])
        except (KeyError, *_UNREADABLE):
            unreadable.append(name)
    try:
        before = _read(tuple[str, ...], stored.get("lost", []))
    except _UNREADABLE:
        before = LIMITING
    if unreadable:
        _LOGGER.debug("Of the target, this cannot be read: %s", unreadable)
    lost = {*before, *unreadable}
    return Target(**content, lost=tuple(name for name in LIMITING if name in lost))


def _read_limit(stored: Any) -> int | None:
    """Read a limit, in whole A."""
    if stored is None:
        return None
    limit = float(_read(float, stored))
    if not limit.is_integer() or not MIN_CURRENT <= limit <= MAX_CURRENT:
        raise ValueError(stored)
    return int(limit)


def _read_schedule(stored: Any) -> ChargingSchedule | None:
    """Read limits over time, such that nothing stumbles over them later."""
    if stored is None:
        return None
    schedule: ChargingSchedule = _load(ChargingSchedule, stored)
    starts = [start for start, _ in schedule.periods]
    in_order = starts[:1] == [0] and starts == sorted(set(starts))
    if (
        not in_order
        or starts[-1] >= _MAX_SECONDS
        or not all(0 <= amps <= MAX_CURRENT for _, amps in schedule.periods)
        or schedule.start is None
        or schedule.start.year not in _YEARS
    ):
        raise ValueError(stored)
    return schedule


def _read_brightness(stored: Any) -> int | None:
    """Read the brightness of the light, in %."""
    brightness: int | None = _read(int | None, stored)
    if brightness is not None and not 0 <= brightness <= 100:
        raise ValueError(stored)
    return brightness


def _read_charging(stored: Any) -> ChargingSettings:
    """Read when and how a car is to charge."""
    settings: ChargingSettings = _load(ChargingSettings, stored)
    if not 0 <= settings.target_energy <= MAX_TARGET_ENERGY:
        raise ValueError(stored)
    return settings


_TARGET: Final[Mapping[str, Callable[[Any], Any]]] = {
    "current_limit": _read_limit,
    "charging_allowed": lambda stored: _read(bool, stored),
    "schedule": _read_schedule,
    "led_brightness": _read_brightness,
    "operative": lambda stored: _read(bool | None, stored),
    "charging": _read_charging,
}
#: What a file of before has not: that is no loss.
_NEWER: Final = ("charging",)


def _load_count(stored: Any, name: str, lost: list[str]) -> RegisterCount:
    """Read what was counted. Of a reading and its time, none is left without the other.

    What was counted stays where only that is lost: it goes on from the next reading.
    """
    of_it: list[str] = []
    content = _rescue(RegisterCount, stored, name, of_it)
    for each in ("counted_wh", "since_drop_wh"):
        if content.get(each, 0.0) < 0:
            of_it.append(f"{name}.{each}")
            del content[each]
    for place in ("first", "last", "before"):
        reading = (f"{place}_wh", f"{place}_at")
        if any(f"{name}.{part}" in of_it for part in reading):
            for part in reading:
                content.pop(part, None)
    lost.extend(of_it)
    return RegisterCount(**content)


def _load_transaction(stored: Any, name: str, lost: list[str]) -> Transaction | None:
    """Read a transaction; None: there is not even its id, or no time at all."""
    of_it: list[str] = []
    content = _rescue(Transaction, stored, name, of_it, without=("energy",))
    moments = [
        content[each]
        for each in ("started_at", "updated_at", "ended_at", "state_at")
        if content.get(each) is not None
    ]
    if content.get("id") is None or not moments:
        lost.append(name)
        return None
    if isinstance(stored, dict) and "energy" in stored:
        content["energy"] = _load_count(stored["energy"], f"{name}.energy", of_it)
    content["receipt"] = _sound(content.get("receipt", Receipt()))
    content.setdefault("started_at", min(moments))
    content.setdefault("updated_at", max(moments))
    content.setdefault("sequence_number", -1)  # all that comes is newer
    ended = content.get("ended_at") is not None
    content.setdefault("event_type", EventType.ENDED if ended else EventType.UPDATED)
    if content["event_type"] is EventType.ENDED:
        content.setdefault("ended_at", content["updated_at"])
    lost.extend(of_it)
    return Transaction(**content)


def load_devices(stored: Json) -> dict[str, DeviceIdentity]:
    """Read what devices are. What cannot be read will be heard again."""
    devices: dict[str, DeviceIdentity] = {}
    for subentry_id, device in stored.items():
        with suppress(*_UNREADABLE):
            devices[subentry_id] = _load(DeviceIdentity, device)
    return devices


def load_numbers(stored: Json) -> dict[str, float]:
    """Read what was set for the battery. What cannot be read has its default again."""
    numbers: dict[str, float] = {}
    for key, number in stored.items():
        with suppress(*_UNREADABLE):
            numbers[key] = _read(float, number)
    return numbers


def dump_counters(counters: Counters) -> Json:
    """Return what was counted of the battery."""
    return {item.name: getattr(counters, item.name) for item in fields(counters)}


def load_counters(stored: Json | None, lost: list[str]) -> Counters:
    """Read what was counted of the battery. What cannot be read begins anew."""
    if stored is None:
        return Counters()
    content = _rescue(Counters, stored, "battery", lost, without=("history", "days"))
    history = _rescue(History, stored.get("history", {}), "battery.history", lost)
    for part, name in ((content, "battery"), (history, "battery.history")):
        for key, value in tuple(part.items()):
            if type(value) in (int, float) and value < 0:
                lost.append(f"{name}.{key}")
                del part[key]
    days: dict[str, DayCounter] = {}
    for address, day in mapping(stored.get("days")).items():
        try:
            days[address] = _load(DayCounter, day)
        except _UNREADABLE:
            lost.append(f"battery.days.{address}")
    return Counters(**content, history=History(**history), days=days)


def load_ledgers(stored: Json) -> tuple[dict[str, list[Session]], dict[str, int]]:
    """Read the sessions, and count those that cannot be read, by subentry."""
    ledgers: dict[str, list[Session]] = {}
    lost: dict[str, int] = {}
    for subentry_id, sessions in stored.items():
        ledger = ledgers[subentry_id] = []
        for item in sessions if isinstance(sessions, list) else ():
            try:
                ledger.append(_load_session(item))
            except _UNREADABLE:
                lost[subentry_id] = lost.get(subentry_id, 0) + 1
    return ledgers, lost


def _load_session(stored: Any) -> Session:
    """Read a session. What cannot be read of its receipt costs the receipt alone."""
    try:
        session: Session = _load(Session, stored)
    except _UNREADABLE:
        if not isinstance(stored, dict) or "receipt" not in stored:
            raise
        rest = {key: value for key, value in stored.items() if key != "receipt"}
        session = _load(Session, rest)
    return replace(session, receipt=_sound(session.receipt))


def _sound(receipt: Receipt) -> Receipt:
    """Return a receipt; an empty one for one that cannot be right."""
    parts = (receipt.grid_wh, receipt.solar_wh, receipt.unmetered_wh)
    off = abs(receipt.grid_wh + receipt.solar_wh - receipt.energy_wh)
    sound = off < 1 and all(0 <= part <= receipt.energy_wh + 1 for part in parts)
    return receipt if sound and receipt.unpriced_wh >= 0 else Receipt()


def _rescue(
    kind: Any,
    stored: Any,
    name: str,
    lost: list[str],
    *,
    without: Collection[str] = (),
) -> Json:
    """Read each field of a dataclass by itself; those that cannot be are named."""
    if not isinstance(stored, dict):
        lost.append(name)
        return {}
    content: Json = {}
    for field, hint in _hints(kind).items():
        if field in stored and field not in without:
            try:
                content[field] = _read(hint, stored[field])
            except _UNREADABLE:
                lost.append(f"{name}.{field}")
    return content


def mapping(stored: Any) -> Json:
    """Take a JSON object; anything else is none."""
    return stored if isinstance(stored, dict) else {}


@cache
def _hints(kind: Any) -> Mapping[str, Any]:
    """Return the types of a dataclass's stored fields: slow to look up, asked often."""
    hints = get_type_hints(kind)
    return {
        item.name: hints[item.name]
        for item in fields(kind)
        if item.name not in _NOT_STORED
    }


def _load(kind: Any, stored: Any) -> Any:
    """Read a dataclass. What another version wrote and this one lacks is left out."""
    if not isinstance(stored, dict):
        raise TypeError(kind)
    return kind(
        **{
            name: _read(hint, stored[name])
            for name, hint in _hints(kind).items()
            if name in stored
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
        return _load(hint, stored)
    if issubclass(hint, StrEnum):
        return hint(stored)
    if issubclass(hint, time):
        return time.fromisoformat(stored)
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
