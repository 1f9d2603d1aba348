"""What a bug report needs, without what is nobody else's business.

Nothing that is secret is put in: no password, token, key, serial number or name. Ids
and addresses are cut short. What others wrote in their own words is searched for them.
"""

from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
import re
from typing import Any, Final

from homeassistant.components.diagnostics import REDACTED
from homeassistant.config_entries import ConfigEntryState, ConfigSubentry
from homeassistant.const import CONF_ADDRESS, CONF_PASSWORD, CONF_PORT
from homeassistant.core import HomeAssistant
from homeassistant.helpers.device_registry import DeviceEntry
from homeassistant.loader import async_get_integration

from .const import (
    BATTERY_DEVICE,
    CONF_ALLOWED_TOKENS,
    CONF_CHARGE_POINT_ID,
    CONF_ENCRYPTION_KEY,
    CONF_HOST,
    CONF_MAIN_MONITOR,
    CONF_MAX_CURRENT,
    CONF_MODEL,
    CONF_RFID_TOKEN,
    CONF_SSL_CERT,
    CONF_SSL_KEY,
    DOMAIN,
    SERVER_DEVICE,
    SUBENTRY_BMS,
    SUBENTRY_VICTRON,
    SUBENTRY_WALLBOX,
)
from .coordinator import SiteConfigEntry, SiteCoordinator
from .subentries import device_subentries, subentries_of
from .victron.models import model_name
from .wallbox.clock import Now
from .wallbox.state import Transaction, WallboxState

_LIBRARIES: Final = ("aiobmsble", "bleak", "cryptography", "ocpp", "websockets")
#: Of a state, what is written out field by field.
_STATE: Final = (
    "ceiling_a",
    "connected",
    "connector_at",
    "connector_status",
    "energy",
    "enforcement",
    "last_heartbeat",
    "light",
    "meter",
    "smart_charging",
    "surveyed",
    "target",
)
#: Of a transaction: neither its id nor who charged.
_TRANSACTION: Final = (
    "abandoned",
    "charging_state",
    "ended_at",
    "energy",
    "event_type",
    "newest_order",
    "phases_used",
    "repeat",
    "replaced",
    "sequence_number",
    "start_order",
    "started_at",
    "state_sequence",
    "stopped_reason",
    "trigger_reason",
    "updated_at",
)
#: What is shorter is found in any text by chance.
_SHORTEST_SECRET: Final = 4


async def async_get_config_entry_diagnostics(
    hass: HomeAssistant, entry: SiteConfigEntry
) -> dict[str, Any]:
    """Tell about all."""
    content = await _async_about(hass, entry)
    if entry.state is ConfigEntryState.LOADED:
        coordinator = entry.runtime_data
        content |= {
            "server": _server(coordinator),
            "wallboxes": [
                _wallbox(coordinator, subentry)
                for subentry in subentries_of(entry, SUBENTRY_WALLBOX)
            ],
            "devices": [
                *(
                    _victron(coordinator, subentry)
                    for subentry in subentries_of(entry, SUBENTRY_VICTRON)
                ),
                *(
                    _bms(coordinator, subentry)
                    for subentry in subentries_of(entry, SUBENTRY_BMS)
                ),
            ],
            "battery": _battery(coordinator),
        }
    return _clean(content, entry)


async def async_get_device_diagnostics(
    hass: HomeAssistant, entry: SiteConfigEntry, device: DeviceEntry
) -> dict[str, Any]:
    """Tell about one device."""
    content = await _async_about(hass, entry)
    if entry.state is ConfigEntryState.LOADED:
        content |= _device(entry, device)
    return _clean(content, entry)


def _device(entry: SiteConfigEntry, device: DeviceEntry) -> dict[str, Any]:
    """Tell about what a device stands for."""
    coordinator = entry.runtime_data
    ids = {item[1] for item in device.identifiers if item[0] == DOMAIN}
    if SERVER_DEVICE in ids:
        return {"server": _server(coordinator)}
    if BATTERY_DEVICE in ids:
        return {"battery": _battery(coordinator)}
    for subentry in subentries_of(entry, SUBENTRY_WALLBOX):
        if subentry.data[CONF_CHARGE_POINT_ID] in ids:
            return {"wallbox": _wallbox(coordinator, subentry)}
    for subentry in device_subentries(entry):
        if subentry.data[CONF_ADDRESS] in ids:
            about = _bms if subentry.subentry_type == SUBENTRY_BMS else _victron
            return {"device": about(coordinator, subentry)}
    return {}


async def _async_about(hass: HomeAssistant, entry: SiteConfigEntry) -> dict[str, Any]:
    """Return what runs, and what was set."""
    integration = await async_get_integration(hass, DOMAIN)
    options = dict(entry.options)
    if main := options.get(CONF_MAIN_MONITOR):
        options[CONF_MAIN_MONITOR] = _short_address(main)
    return {
        "versions": {
            DOMAIN: str(integration.version),
            **await hass.async_add_executor_job(_versions),
        },
        "settings": {
            "data": {
                key: entry.data[key]
                for key in (CONF_HOST, CONF_PORT, CONF_SSL_CERT, CONF_SSL_KEY)
                if key in entry.data
            },
            "options": options,
        },
    }


def _versions() -> dict[str, str | None]:
    """Return the versions of what we build on. Blocks."""
    found: dict[str, str | None] = {}
    for library in _LIBRARIES:
        try:
            found[library] = version(library)
        except PackageNotFoundError:
            found[library] = None
    return found


def _server(coordinator: SiteCoordinator) -> dict[str, Any] | None:
    """Tell about the server."""
    certificates = coordinator.server.certificates
    if certificates is None:
        return None
    info, fault = certificates.info, certificates.fault
    return {
        "port": coordinator.server.port,
        "certificate": None
        if info is None
        else {
            "not_before": info.not_before,
            "not_after": info.not_after,
            "self_signed": info.self_signed,
            "names": len(info.names),
        },
        "fault": None if fault is None else str(fault),
    }


def _wallbox(coordinator: SiteCoordinator, subentry: ConfigSubentry) -> dict[str, Any]:
    """Tell about a wallbox."""
    data = subentry.data
    charge_point_id = data[CONF_CHARGE_POINT_ID]
    about: dict[str, Any] = {
        "charge_point_id": _short_id(charge_point_id),
        "settings": {
            "password_set": CONF_PASSWORD in data,
            "rfid_token_set": CONF_RFID_TOKEN in data,
            "allowed_tokens": len(data.get(CONF_ALLOWED_TOKENS, ())),
            CONF_MAX_CURRENT: data[CONF_MAX_CURRENT],
        },
    }
    station = coordinator.stations.get(charge_point_id)
    if station is not None:  # else it was added just now
        about["sessions"] = len(station.ledger.sessions)
        about["state"] = _state(station.state, station.now())
    return about


def _state(state: WallboxState, now: Now) -> dict[str, Any]:
    """Return what is known of a wallbox."""
    identity, shown = state.identity, state.clock.shows(now)
    # Of the plans that failed, the transaction that they were for is not told.
    enforcement = _plain(state.enforcement) | {
        **{
            name: getattr(state.enforcement, name) is not None
            for name in ("barred_transaction", "tx_profile", "tx_refused", "tx_cleared")
        },
        "mark": None
        if state.enforcement.mark is None
        else _plain(state.enforcement.mark[1:]),
    }
    return {
        **{name: getattr(state, name) for name in _STATE},
        "enforcement": enforcement,
        "identity": {
            "vendor": identity.vendor,
            "model": identity.model,
            "firmware_version": identity.firmware_version,
            "serial_number": None if identity.serial_number is None else REDACTED,
        },
        "status": state.status,
        "charging_state": state.charging_state,
        "meter_heard_s_ago": _ago(state.meter_heard_at, now),
        "said_s_ago": {
            quantity: _ago(said_at, now) for quantity, said_at in state.said_at.items()
        },
        "clock": {
            "ahead_s": None if shown is None else (shown - now.wall).total_seconds(),
            "heard_s_ago": _ago(state.clock.heard_at, now),
            "behind_since_s_ago": _ago(state.clock.behind_since, now),
        },
        "transaction": None
        if state.transaction is None
        else _transaction(state.transaction),
        "recent": [_transaction(transaction) for transaction in state.recent],
    }


def _ago(steady: float | None, now: Now) -> float | None:
    """Return how long ago that was, in s: the steady clock itself says nothing."""
    return None if steady is None else round(now.steady - steady, 1)


def _transaction(transaction: Transaction) -> dict[str, Any]:
    """Tell about a session, but not whose it is."""
    return {
        **{name: getattr(transaction, name) for name in _TRANSACTION},
        "id_token": None if transaction.id_token is None else REDACTED,
    }


def _heard(coordinator: SiteCoordinator, address: str) -> dict[str, Any]:
    """Return what was heard of a device."""
    about: dict[str, Any] = {"address": _short_address(address)}
    device = coordinator.devices.get(address)
    if device is not None:  # else it was added just now
        state = device.feed.state
        about |= {
            "kind": state.identity.kind,
            "fresh": state.fresh,
            "last_heard": state.last_heard,
            "signal_strength": state.signal_strength,
            "shown": state.values,
            "reading": device.feed.reading,
        }
    return about


def _victron(coordinator: SiteCoordinator, subentry: ConfigSubentry) -> dict[str, Any]:
    """Tell about a Victron device."""
    address = subentry.data[CONF_ADDRESS]
    about = _heard(coordinator, address)
    device = coordinator.devices.get(address)
    if device is None:
        return about
    if (model_id := device.feed.state.identity.model_id) is not None:
        about |= {"model": model_name(model_id), "model_id": f"0x{model_id:04X}"}
    listener = device.listener
    if listener is None:
        return about | {"key": "unreadable"}
    watch = listener.watch
    return about | {
        "key": watch.verdict,
        "key_proven": watch.proven,
        "failures": watch.failures,
        "refusal": listener.refusal,
        "unknown_codes": {} if watch.shown is None else watch.shown.unknown,
    }


def _bms(coordinator: SiteCoordinator, subentry: ConfigSubentry) -> dict[str, Any]:
    """Tell about a BMS."""
    address = subentry.data[CONF_ADDRESS]
    about = _heard(coordinator, address) | {"model": subentry.data[CONF_MODEL]}
    device = coordinator.devices.get(address)
    if device is not None and (poller := device.poller) is not None:
        about |= {"failures": poller.failures, "fault": poller.fault}
    return about


def _battery(coordinator: SiteCoordinator) -> dict[str, Any] | None:
    """Tell about the battery."""
    battery = coordinator.devices.battery
    if battery is None:
        return None
    return {"settings": battery.settings, "values": battery.shown}


# What is nobody else's business


def _short_id(charge_point_id: str) -> str:
    """Cut an id short, so that two can still be told apart."""
    if len(charge_point_id) < 12:
        return REDACTED
    return f"{charge_point_id[:3]}…{charge_point_id[-3:]}"


def _short_address(address: str) -> str:
    """Leave of an address its maker and its last byte."""
    return f"{address[:8]}:…:{address[-2:]}"


def _secrets(entry: SiteConfigEntry) -> set[str]:
    """Return all that must not be told, in any words."""
    found: set[str | None] = set()
    for subentry in entry.subentries.values():
        for key in (
            CONF_ADDRESS,
            CONF_ALLOWED_TOKENS,
            CONF_CHARGE_POINT_ID,
            CONF_ENCRYPTION_KEY,
            CONF_PASSWORD,
            CONF_RFID_TOKEN,
        ):
            # Of whatever type: a damaged subentry has its secrets, too.
            value = subentry.data.get(key)
            values = value if isinstance(value, list) else [value]
            found.update(each for each in values if isinstance(each, str))
    if entry.state is ConfigEntryState.LOADED:
        for station in entry.runtime_data.stations.values():
            state = station.state
            current = () if state.transaction is None else (state.transaction,)
            found.add(state.identity.serial_number)
            for transaction in (*current, *state.recent):
                found |= {transaction.id, transaction.id_token}
            for session in station.ledger.sessions:
                found |= {session.transaction_id, session.id_token}
    return {text for text in found if text and len(text) >= _SHORTEST_SECRET}


def _clean(content: dict[str, Any], entry: SiteConfigEntry) -> dict[str, Any]:
    """Make plain data of it, and search the words of others for secrets."""
    secrets = sorted(_secrets(entry), key=len, reverse=True)
    pattern = re.compile("|".join(map(re.escape, secrets)), re.IGNORECASE)
    plain: dict[str, Any] = _plain(content, pattern if secrets else None)
    return plain


def _plain(value: Any, secrets: re.Pattern[str] | None = None) -> Any:
    """Make a value such that JSON can write it."""
    if is_dataclass(value) and not isinstance(value, type):
        value = {item.name: getattr(value, item.name) for item in fields(value)}
    if isinstance(value, Mapping):
        return {
            _plain(str(key), secrets): _plain(item, secrets)
            for key, item in value.items()
        }
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, str):
        return str(value) if secrets is None else secrets.sub(REDACTED, value)
    if isinstance(value, set | frozenset):
        return sorted(_plain(item, secrets) for item in value)
    if isinstance(value, Iterable):
        return [_plain(item, secrets) for item in value]
    return value
