"""What a bug report needs, without what is nobody else's business.

Nothing that is secret is put in: no password, token, key, serial number or name. Ids
and addresses are cut short. What others wrote in their own words is searched for them.
"""

from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

from homeassistant.components.diagnostics import REDACTED
from homeassistant.config_entries import ConfigEntryState, ConfigSubentry
from homeassistant.const import CONF_ADDRESS, CONF_PASSWORD, CONF_PORT
from homeassistant.core import HomeAssistant
from homeassistant.helpers.device_registry import DeviceEntry
from homeassistant.loader import async_get_integration

from .battery.counters import Counters
from .bms_model import BmsSample
from .const import (
    BATTERY_DEVICE,
    CONF_ALLOWED_TOKENS,
    CONF_CHARGE_POINT_ID,
    CONF_HOST,
    CONF_MAIN_MONITOR,
    CONF_MAX_CURRENT,
    CONF_MODEL,
    CONF_RFID_TOKEN,
    CONF_SSL_CERT,
    CONF_SSL_KEY,
    DEFAULT_SSL_CERT,
    DEFAULT_SSL_KEY,
    DOMAIN,
    SERVER_DEVICE,
    SUBENTRY_BMS,
    SUBENTRY_VICTRON,
    SUBENTRY_WALLBOX,
)
from .coordinator import SiteConfigEntry, SiteCoordinator
from .redaction import plain, redact, secrets_of, short_address, short_id
from .subentries import device_subentries, subentries_of
from .victron.models import model_name
from .wallbox.clock import Now
from .wallbox.state import Transaction, WallboxState

_LIBRARIES: Final = ("aiobmsble", "bleak", "cryptography", "ocpp", "websockets")
#: Of a state, what is written out field by field.
_STATE: Final = (
    "cap_a",
    "cap_forced",
    "ceiling_a",
    "check",
    "check_cap_a",
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
    "charged",
    "charging_state",
    "ended_at",
    "energy",
    "event_type",
    "full",
    "newest_order",
    "phases",
    "phases_used",
    "receipt",
    "record",
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


async def async_get_config_entry_diagnostics(
    hass: HomeAssistant, entry: SiteConfigEntry
) -> dict[str, Any]:
    """Return diagnostics for a config entry."""
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
            "house": _house(coordinator),
        }
    redacted = redact(content, entry)
    for about, subentry in zip(
        redacted.get("wallboxes", ()),
        subentries_of(entry, SUBENTRY_WALLBOX),
        strict=False,  # without any where nothing runs
    ):
        await _async_add_trace(hass, entry, subentry, about)
    return redacted


async def async_get_device_diagnostics(
    hass: HomeAssistant, entry: SiteConfigEntry, device: DeviceEntry
) -> dict[str, Any]:
    """Return diagnostics for a device."""
    content = await _async_about(hass, entry)
    if entry.state is ConfigEntryState.LOADED:
        content |= _device(entry, device)
    redacted = redact(content, entry)
    for subentry in subentries_of(entry, SUBENTRY_WALLBOX):
        if (DOMAIN, subentry.data[CONF_CHARGE_POINT_ID]) in device.identifiers:
            await _async_add_trace(hass, entry, subentry, redacted.get("wallbox", {}))
    return redacted


async def _async_add_trace(
    hass: HomeAssistant,
    entry: SiteConfigEntry,
    subentry: ConfigSubentry,
    about: dict[str, Any],
) -> None:
    """Add the trace of a wallbox, in a thread: it may be long.

    It is anonymous already; what is set here is left out all the same.
    """
    if entry.state is not ConfigEntryState.LOADED:
        return
    stations = entry.runtime_data.stations
    if (station := stations.get(subentry.data[CONF_CHARGE_POINT_ID])) is not None:
        secrets = secrets_of(entry)
        about["trace"] = await hass.async_add_executor_job(
            lambda: plain(station.trace.content(), secrets)
        )


def _device(entry: SiteConfigEntry, device: DeviceEntry) -> dict[str, Any]:
    """Return the part that is about a device."""
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
        options[CONF_MAIN_MONITOR] = short_address(main)
    return {
        "versions": {
            DOMAIN: str(integration.version),
            **await hass.async_add_executor_job(_versions),
        },
        "settings": {
            "data": {
                key: entry.data[key]
                for key in (CONF_HOST, CONF_PORT)
                if key in entry.data
            }
            | {
                # Other paths may have the name of a host in them.
                key: path if path in (DEFAULT_SSL_CERT, DEFAULT_SSL_KEY) else REDACTED
                for key in (CONF_SSL_CERT, CONF_SSL_KEY)
                if (path := entry.data.get(key)) is not None
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
    """Return the diagnostics of the server."""
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
            "chain": info.chain,
            "names": len(info.names),
            "accepted": info == coordinator.server.accepted_certificate,
        },
        "fault": None if fault is None else str(fault),
    }


def _wallbox(coordinator: SiteCoordinator, subentry: ConfigSubentry) -> dict[str, Any]:
    """Return the diagnostics of a wallbox."""
    data = subentry.data
    charge_point_id = data[CONF_CHARGE_POINT_ID]
    about: dict[str, Any] = {
        "charge_point_id": short_id(charge_point_id),
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
        about["charging"] = coordinator.charging.statuses.get(charge_point_id)
    return about


def _house(coordinator: SiteCoordinator) -> dict[str, Any]:
    """Return what the house measures, and how much is known of prices."""
    now = coordinator.hass.loop.time()
    house, prices = coordinator.charging.house, coordinator.charging.prices

    def reading(said: tuple[float, float] | None) -> dict[str, float] | None:
        if said is None:
            return None
        return {"value": said[0], "reported_s_ago": round(now - said[1], 1)}

    return {
        "currents": {
            f"l{phase}": reading(said) for phase, said in house.currents.items()
        },
        "grid": reading(house.grid),
        "external_a": house.external_a,
        "external_w": house.external_w,
        "external_unknown": house.external_unknown,
        "prices": len(prices),
        "prices_until": prices[-1].end if prices else None,
    }


def _state(state: WallboxState, now: Now) -> dict[str, Any]:
    """Return what is known of a wallbox."""
    identity, shown = state.identity, state.clock.shows(now)
    # Of the plans that failed, the transaction that they were for is not told.
    enforcement = plain(state.enforcement) | {
        **{
            name: getattr(state.enforcement, name) is not None
            for name in ("barred_transaction", "tx_profile", "tx_refused", "tx_cleared")
        },
        "mark": None
        if state.enforcement.mark is None
        else plain(state.enforcement.mark[1:]),
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
    """Return how long ago that was, in s: the steady clock has no meaning."""
    return None if steady is None else round(now.steady - steady, 1)


def _transaction(transaction: Transaction) -> dict[str, Any]:
    """Return a transaction without its ids."""
    return {
        **{name: getattr(transaction, name) for name in _TRANSACTION},
        "id_token": None if transaction.id_token is None else REDACTED,
    }


def _heard(coordinator: SiteCoordinator, address: str) -> dict[str, Any]:
    """Return what was heard of a device."""
    about: dict[str, Any] = {"address": short_address(address)}
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
    """Return the diagnostics of a Victron device."""
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
        "records": listener.records,
        "unknown_codes": {} if watch.shown is None else watch.shown.unknown,
    }


def _bms(coordinator: SiteCoordinator, subentry: ConfigSubentry) -> dict[str, Any]:
    """Return the diagnostics of a BMS."""
    address = subentry.data[CONF_ADDRESS]
    about = _heard(coordinator, address) | {"model": subentry.data[CONF_MODEL]}
    device = coordinator.devices.get(address)
    if device is not None and (poller := device.poller) is not None:
        about |= {
            "failures": poller.failures,
            "fault": poller.fault,
            "records": [
                {
                    "at": round(at - poller.polls[0][0], 1),
                    # What of it is used here: nobody knows what else there may be.
                    "sample": {
                        key: value
                        for key, value in sample.items()
                        if key in BmsSample.__optional_keys__
                    },
                }
                for at, sample in poller.polls
            ],
        }
    return about


def _battery(coordinator: SiteCoordinator) -> dict[str, Any] | None:
    """Return the diagnostics of the battery."""
    battery = coordinator.devices.battery
    if battery is None:
        return None
    counters = coordinator.devices.battery_counters or Counters()
    return {
        "settings": battery.settings,
        "nominal_voltage": battery.nominal,
        "values": battery.shown.by_key,
        "silent": len(battery.shown.silent),
        # Those of the day have addresses.
        "counters": replace(counters, days={}),
    }
