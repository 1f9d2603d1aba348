"""Actions of a wallbox, and of the battery, beyond their entities."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import date, datetime, timedelta
import itertools
import math
from typing import Any, Final, cast

from homeassistant.const import ATTR_DEVICE_ID
from homeassistant.core import (
    HomeAssistant,
    ServiceCall,
    ServiceResponse,
    SupportsResponse,
    callback,
)
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from homeassistant.helpers import config_validation as cv, device_registry as dr
from homeassistant.util import dt as dt_util
from homeassistant.util.json import JsonObjectType, JsonValueType
from ocpp.v201.enums import MessageTriggerEnumType
import voluptuous as vol

from .battery.counters import Counters
from .battery.history import History
from .check_text import CheckTexts
from .const import BATTERY_DEVICE, DOMAIN, MAX_CURRENT, MIN_CURRENT
from .coordinator import SiteConfigEntry, SiteCoordinator
from .helpers import storing, translated_errors
from .wallbox import remote_control
from .wallbox.sessions import Session
from .wallbox.station import Station

#: PeriodsPerSchedule of a Delta box is 33; one of ours marks the end.
MAX_PERIODS: Final = 32

_DEVICE: Final = {
    vol.Required(ATTR_DEVICE_ID): vol.All(cv.ensure_list, [cv.string], vol.Length(1, 1))
}
_SECONDS: Final = vol.All(vol.Coerce(int), vol.Range(min=0, max=7 * 86400))
_PERIOD: Final = vol.Schema(
    {
        vol.Required("start_period"): _SECONDS,
        vol.Required("limit"): vol.All(
            vol.Coerce(float),
            # Below 6 A no car charges (IEC 61851-1): it would be a pause in disguise.
            vol.Any(
                vol.Range(min=MIN_CURRENT, max=MAX_CURRENT), vol.Range(min=0, max=0)
            ),
        ),
    }
)
_NAME: Final = vol.All(cv.string, vol.Length(1, 50))
_VARIABLE: Final = {
    vol.Required("component"): _NAME,
    vol.Optional("component_instance"): _NAME,
    vol.Optional("evse"): cv.positive_int,
    vol.Optional("connector"): cv.positive_int,
    vol.Required("variable"): _NAME,
    vol.Optional("variable_instance"): _NAME,
}


def _connector_of_evse(variable: dict[str, Any]) -> dict[str, Any]:
    """Check that a connector is one of an EVSE: OCPP names it so."""
    if "connector" in variable and "evse" not in variable:
        raise vol.Invalid("connector needs evse", path=["connector"])
    return variable


_TOTAL: Final = vol.All(vol.Coerce(float), vol.Range(min=0, max=10_000_000))
_RESET_HISTORY: Final = vol.Schema(
    {
        **_DEVICE,
        **{
            vol.Optional(key, default=0.0): _TOTAL
            for key in (
                "energy_charged",
                "energy_discharged",
                "solar_energy",
                "mains_energy",
                "alternator_energy",
                "load_energy",
                "cycles",
                "discharged_ah",
                "deepest_discharge",
            )
        },
    }
)
_NO_SUCH_TIME: Final = "Choose a time between the years 2 and 9998"


def _date(value: Any) -> date | None:
    """Return a day that was given without a time."""
    if isinstance(value, date):
        return None if isinstance(value, datetime) else value
    return dt_util.parse_date(value) if isinstance(value, str) else None


def _start(value: Any) -> datetime:
    """Validate the start of a range: local time, or with an offset; or a day."""
    day = _date(value)
    try:
        return dt_util.as_utc(
            cv.datetime(value) if day is None else dt_util.start_of_local_day(day)
        )
    except OverflowError as err:
        raise vol.Invalid(_NO_SUCH_TIME) from err


def _end(value: Any) -> datetime:
    """Validate the end of a range, likewise: that day is in it."""
    day = _date(value)
    try:
        return _start(value if day is None else day + timedelta(days=1))
    except OverflowError as err:
        raise vol.Invalid(_NO_SUCH_TIME) from err


type _Handler = Callable[[Station, ServiceCall], Awaitable[ServiceResponse]]


@callback
def async_setup_services(hass: HomeAssistant) -> None:
    """Register the actions."""

    def register(
        name: str,
        handler: _Handler,
        fields: Mapping[vol.Marker, Any] | None = None,
        response: SupportsResponse = SupportsResponse.NONE,
        *,
        targets: bool = False,
    ) -> None:
        async def handle(service_call: ServiceCall) -> ServiceResponse:
            coordinator, station = _find(service_call)
            if targets:
                async with storing(coordinator):
                    return await handler(station, service_call)
            with translated_errors():
                return await handler(station, service_call)

        hass.services.async_register(
            DOMAIN,
            name,
            handle,
            schema=vol.Schema({**_DEVICE, **(fields or {})}),
            supports_response=response,
        )

    register(
        "set_charging_profile",
        _set_charging_profile,
        {
            vol.Required("periods"): vol.All(
                cv.ensure_list, [_PERIOD], vol.Length(1, MAX_PERIODS)
            ),
            vol.Optional("duration"): _SECONDS,
        },
        targets=True,
    )
    register("clear_charging_profiles", _clear_charging_profiles, targets=True)
    register(
        "get_composite_schedule",
        _get_composite_schedule,
        {vol.Optional("duration", default=3600): _SECONDS},
        SupportsResponse.ONLY,
    )
    register(
        "get_variables",
        _get_variables,
        {
            vol.Required("variables"): vol.All(
                cv.ensure_list,
                [vol.All(vol.Schema(_VARIABLE), _connector_of_evse)],
                vol.Length(min=1),
            )
        },
        SupportsResponse.ONLY,
    )
    register(
        "set_variables",
        _set_variables,
        {
            vol.Required("variables"): vol.All(
                cv.ensure_list,
                [
                    vol.All(
                        vol.Schema({**_VARIABLE, vol.Required("value"): cv.string}),
                        _connector_of_evse,
                    )
                ],
                vol.Length(min=1),
            )
        },
        SupportsResponse.OPTIONAL,
    )
    register(
        "trigger_message",
        _trigger_message,
        {
            vol.Required("message"): vol.In(
                [message.value for message in MessageTriggerEnumType]
            )
        },
    )
    register("unlock_connector", _unlock_connector)
    register(
        "get_sessions",
        _get_sessions,
        {vol.Optional("start"): _start, vol.Optional("end"): _end},
        SupportsResponse.ONLY,
    )
    hass.services.async_register(
        DOMAIN,
        "check_wallbox",
        _check_wallbox,
        schema=vol.Schema(
            {
                **_DEVICE,
                vol.Optional("reboot", default=False): cv.boolean,
                vol.Optional("stop", default=False): cv.boolean,
            }
        ),
        supports_response=SupportsResponse.OPTIONAL,
    )
    hass.services.async_register(
        DOMAIN, "reset_history", _reset_history, schema=_RESET_HISTORY
    )


def _find(service_call: ServiceCall) -> tuple[SiteCoordinator, Station]:
    """Return the wallbox that an action is for."""
    hass = service_call.hass
    device = dr.async_get(hass).async_get(service_call.data[ATTR_DEVICE_ID][0])
    entries: list[SiteConfigEntry] = hass.config_entries.async_loaded_entries(DOMAIN)
    for entry in entries if device is not None else ():
        coordinator = entry.runtime_data
        for domain, identifier in device.identifiers if device is not None else ():
            if domain == DOMAIN and identifier in coordinator.stations:
                return coordinator, coordinator.stations[identifier]
    raise ServiceValidationError(
        translation_domain=DOMAIN, translation_key="no_such_wallbox"
    )


async def _set_charging_profile(station: Station, service_call: ServiceCall) -> None:
    """Handle set_charging_profile: limits over time."""
    periods = [
        # OCPP takes one decimal; a limit is never rounded up.
        (period["start_period"], math.floor(period["limit"] * 10) / 10)
        for period in service_call.data["periods"]
    ]
    starts = [start for start, _ in periods]
    duration: int | None = service_call.data.get("duration")
    ends = starts if duration is None else [*starts, duration]
    if starts[0] != 0 or any(
        later <= earlier for earlier, later in itertools.pairwise(ends)
    ):
        raise ServiceValidationError(
            translation_domain=DOMAIN, translation_key="periods_not_in_order"
        )
    most = station.config.max_current
    if max(limit for _, limit in periods) > most:
        raise ServiceValidationError(
            translation_domain=DOMAIN,
            translation_key="limit_too_high",
            translation_placeholders={"max_current": str(most)},
        )
    await remote_control.set_schedule(station, periods, duration)


async def _clear_charging_profiles(station: Station, _: ServiceCall) -> None:
    """Handle clear_charging_profiles."""
    await remote_control.clear_profiles(station)


async def _get_composite_schedule(
    station: Station, service_call: ServiceCall
) -> ServiceResponse:
    """Handle get_composite_schedule: what the wallbox enforces."""
    schedule = await remote_control.composite_schedule(
        station, service_call.data["duration"]
    )
    return {
        "start": schedule["schedule_start"],
        "duration": schedule["duration"],
        "unit": schedule["charging_rate_unit"],
        "periods": [
            cast(JsonObjectType, dict(item))
            for item in schedule["charging_schedule_period"]
        ],
    }


def _plain(result: Mapping[str, Any]) -> dict[str, Any]:
    """Return a variable of a result by the names of the action's fields."""
    component, variable = result["component"], result["variable"]
    evse = component.get("evse", {})
    named = {
        "component": component["name"],
        "component_instance": component.get("instance"),
        "evse": evse.get("id"),
        "connector": evse.get("connector_id"),
        "variable": variable["name"],
        "variable_instance": variable.get("instance"),
        "value": result.get("attribute_value"),
    }
    return {
        **{key: value for key, value in named.items() if value is not None},
        "status": result["attribute_status"],
    }


async def _get_variables(
    station: Station, service_call: ServiceCall
) -> ServiceResponse:
    """Handle get_variables of the device model."""
    results = await remote_control.get_variables(
        station, service_call.data["variables"]
    )
    return {"variables": [_plain(result) for result in results]}


async def _set_variables(
    station: Station, service_call: ServiceCall
) -> ServiceResponse:
    """Handle set_variables of the device model."""
    results = await remote_control.set_variables(
        station, service_call.data["variables"]
    )
    if service_call.return_response:
        return {"variables": [_plain(result) for result in results]}
    for result in results:
        if result["attribute_status"] not in ("Accepted", "RebootRequired"):
            raise HomeAssistantError(
                translation_domain=DOMAIN,
                translation_key="variable_refused",
                translation_placeholders={
                    "variable": (
                        f"{result['component']['name']}.{result['variable']['name']}"
                    ),
                    "reason": result["attribute_status"],
                },
            )
    return None


async def _trigger_message(station: Station, service_call: ServiceCall) -> None:
    """Handle trigger_message."""
    await remote_control.trigger(station, service_call.data["message"])


async def _unlock_connector(station: Station, _: ServiceCall) -> None:
    """Handle unlock_connector."""
    await remote_control.unlock(station)


async def _check_wallbox(service_call: ServiceCall) -> ServiceResponse:
    """Handle check_wallbox: what each line of a check came to, and a trace."""
    coordinator, station = _find(service_call)
    checks = coordinator.checks
    with translated_errors():
        if service_call.data["stop"]:
            result = await checks.async_stop(station) or station.state.check
        else:
            reboot = service_call.data["reboot"]
            result = await checks.async_check(station, reboot=reboot)
    if not service_call.return_response:
        return None
    hass = service_call.hass
    texts = CheckTexts(hass)
    findings = () if result is None else result.findings
    return {
        "result": [cast(JsonObjectType, texts.item(each)) for each in findings],
        "trace": cast(
            JsonValueType, await hass.async_add_executor_job(station.trace.lines)
        ),
    }


async def _get_sessions(station: Station, service_call: ServiceCall) -> ServiceResponse:
    """Handle get_sessions: those that ended, all or in a range, oldest first."""
    start: datetime | None = service_call.data.get("start")
    end: datetime | None = service_call.data.get("end")
    if start is not None and end is not None and end <= start:
        raise ServiceValidationError(
            translation_domain=DOMAIN, translation_key="range_is_empty"
        )
    sessions = [
        session
        for session in station.ledger.sessions
        # Each is in one month alone, as in the monthly CSV.
        if (start is None or session.end >= start)
        and (end is None or session.end < end)
    ]
    answer: dict[str, Any] = {
        "sessions": [
            _session(session, station.config.card_name(session.id_token))
            for session in sessions
        ]
    }
    if any(session.receipt.cost is not None for session in sessions):
        answer["currency"] = service_call.hass.config.currency
    return answer


def _session(session: Session, card: str | None) -> dict[str, Any]:
    """Return a session: local times, energy in kWh, duration in s, share in %.

    What is not known is None. Where a part of the energy is not in the cost, `unpriced`
    says how much, in kWh.
    """
    receipt = session.receipt
    share = receipt.solar_share
    told = {
        "start": dt_util.as_local(session.start).isoformat(),
        "end": dt_util.as_local(session.end).isoformat(),
        "energy": round(session.energy_wh / 1000, 3),
        "duration": round(session.duration / timedelta(seconds=1)),
        "id_token": session.id_token,
        "card": card,
        "stop_reason": session.stop_reason,
        "cost": None if receipt.cost is None else round(receipt.cost, 2),
        "solar_share": None if share is None else round(share, 1),
    }
    # More than the receipt accounts for has no price, either.
    priced_wh = receipt.energy_wh - receipt.unpriced_wh
    unpriced = round((session.energy_wh - priced_wh) / 1000, 3)
    if receipt.cost is not None and unpriced > 0:
        told["unpriced"] = unpriced
    return told


async def _reset_history(service_call: ServiceCall) -> None:
    """Handle reset_history: count the battery's energy and history anew."""
    data = service_call.data
    hass = service_call.hass
    device = dr.async_get(hass).async_get(data[ATTR_DEVICE_ID][0])
    entries: list[SiteConfigEntry] = hass.config_entries.async_loaded_entries(DOMAIN)
    for entry in entries:
        if device is None or (DOMAIN, BATTERY_DEVICE) not in device.identifiers:
            continue
        if entry.runtime_data.data.battery is None:
            continue
        with translated_errors():
            await entry.runtime_data.async_reset_counters(
                Counters(
                    energy_charged=data["energy_charged"],
                    energy_discharged=data["energy_discharged"],
                    solar_energy=data["solar_energy"],
                    mains_energy=data["mains_energy"],
                    alternator_energy=data["alternator_energy"],
                    load_energy=data["load_energy"],
                    history=History(
                        cycles=data["cycles"],
                        discharged_ah=data["discharged_ah"],
                        deepest_ah=data["deepest_discharge"] or None,
                    ),
                )
            )
        return
    raise ServiceValidationError(
        translation_domain=DOMAIN, translation_key="no_such_battery"
    )
