"""What a wallbox says: each message and the state of the wallbox give the next state.

A handler is a pure function, so that a large message can be looked at in a thread. What
follows from it beside the state is said by `Handled`, and done by the connection.
Payloads passed the gate, with their keys in snake case: what is required is there, but
for what `frames` lets be missing because it is bent.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
import math
from typing import Any, Final

from ocpp.v201 import call_result
from ocpp.v201.datatypes import IdTokenInfoType
from ocpp.v201.enums import (
    Action,
    AuthorizationStatusEnumType,
    DataTransferStatusEnumType,
    GenericStatusEnumType,
    GetCertificateStatusEnumType,
    Iso15118EVCertificateStatusEnumType,
    NotifyEVChargingNeedsStatusEnumType,
    RegistrationStatusEnumType,
)

from . import state as transitions
from .clock import Now
from .interview import LIGHTS, parse_report
from .meter import device_time, samples
from .payloads import ocpp_time, snake_case
from .state import (
    ChargingState,
    ConnectorStatus,
    EventType,
    Identity,
    Light,
    TransactionEvent,
    WallboxState,
)

#: What the wallbox is told to send Heartbeats by, in s; a dead line is found by pings.
HEARTBEAT_INTERVAL: Final = 60
_CHARGING_STATES: Final = {
    "Charging": ChargingState.CHARGING,
    "EVConnected": ChargingState.EV_CONNECTED,
    "SuspendedEV": ChargingState.SUSPENDED_EV,
    "SuspendedEVSE": ChargingState.SUSPENDED_EVSE,
    "Idle": ChargingState.IDLE,
}

type Payload = Mapping[str, Any]
type Variables = Mapping[tuple[str, str], str]
"""(component, variable) -> actual value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What a handler needs to know beside the state."""

    now: Now
    """The time, by both of our clocks."""
    accepts: Callable[[str, str], bool]
    """Tells whether a token of that kind may charge."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A part of an inventory."""

    request_id: int
    """Which request it answers."""
    found: Variables
    """What it says."""
    last: bool
    """Whether no other part follows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Handled:
    """What a message leads to."""

    answer: Any
    """The answer, one of `ocpp.v201.call_result`."""
    state: WallboxState
    """What is known of the wallbox now."""
    replayed: bool = False
    """Whether it told of the past."""
    booted: bool = False
    """Whether the wallbox has just started."""
    status_heard: bool = False
    """Whether the socket's status of now is known."""
    unmetered: bool = False
    """Whether energy flows and nothing was said about how much."""
    limit_changed: bool = False
    """Whether something about the wallbox's limits has changed."""
    report: Report | None = None
    """What it said of its device model."""


type Handler = Callable[[WallboxState, Payload, Context], Handled]


def _acknowledge(
    answer: Any, state: WallboxState, _payload: Payload, _context: Context
) -> Handled:
    """Answer, and learn nothing."""
    return Handled(answer=answer, state=state)


def _boot(state: WallboxState, payload: Payload, context: Context) -> Handled:
    """Accept: who added the wallbox to Home Assistant has decided that (B01)."""
    station: Payload = payload.get("charging_station", {})
    identity = Identity(
        vendor=station.get("vendor_name"),
        model=station.get("model"),
        serial_number=station.get("serial_number"),
        firmware_version=station.get("firmware_version"),
    )
    return Handled(
        answer=call_result.BootNotification(
            current_time=ocpp_time(context.now.wall),
            interval=HEARTBEAT_INTERVAL,
            status=RegistrationStatusEnumType.accepted,
        ),
        state=transitions.identified(state, identity),
        booted=True,
    )


def _heartbeat(state: WallboxState, _payload: Payload, context: Context) -> Handled:
    """Give the time."""
    return Handled(
        answer=call_result.Heartbeat(current_time=ocpp_time(context.now.wall)),
        state=transitions.heartbeat(state, context.now),
    )


def _time(payload: Payload, now: datetime) -> datetime:
    """Read when something happened; it has just happened where that is bent."""
    text = payload.get("timestamp")
    return now if text is None else device_time(text, now)


def _status(state: WallboxState, payload: Payload, context: Context) -> Handled:
    """Take the status of the socket; the box has one."""
    answer = call_result.StatusNotification()
    status = payload.get("connector_status")
    if payload.get("evse_id", 1) > 1 or status is None:
        return Handled(answer=answer, state=state)
    at = _time(payload, context.now.wall)
    after = transitions.connector(
        transitions.clock_heard(state, at, context.now),
        ConnectorStatus(status.lower()),
        at,
    )
    # An old one says nothing about now: then the answer to our question counts.
    return Handled(answer=answer, state=after, status_heard=after.connector_at == at)


def _event(state: WallboxState, payload: Payload, context: Context) -> Handled:
    """Take what happened in a session, now or long ago."""
    info: Payload = payload["transaction_info"]
    token: Payload | None = payload.get("id_token")
    reason = info.get("stopped_reason")
    at = _time(payload, context.now.wall)
    event = TransactionEvent(
        transaction_id=info["transaction_id"],
        event_type=EventType(payload.get("event_type", "Updated").lower()),
        at=at,
        sequence_number=_sequence_number(state, payload, at),
        trigger_reason=snake_case(payload.get("trigger_reason", "AbnormalCondition")),
        offline=payload.get("offline", False),
        charging_state=_CHARGING_STATES.get(info.get("charging_state", "")),
        stopped_reason=None if reason is None else snake_case(reason),
        id_token=None if token is None else token["id_token"] or None,
        phases_used=payload.get("number_of_phases_used"),
        samples=_samples(payload, context.now.wall),
    )
    answer = call_result.TransactionEvent(
        id_token_info=None if token is None else _token_info(token, context)
    )
    after = transitions.transaction_event(state, event, context.now)
    return Handled(
        answer=answer,
        state=after,
        replayed=event.offline,
        unmetered=after.awaits_reading,
    )


def _sequence_number(state: WallboxState, payload: Payload, at: datetime) -> int:
    """Read an event's place in its transaction.

    Where it is bent, time gives the order: after the newest event, or, at the same
    time, that one once more.
    """
    number: int | None = payload.get("seq_no")
    if number is not None:
        return number
    wanted = payload["transaction_info"]["transaction_id"]
    for known in (state.transaction, *state.recent):
        if known is not None and known.id == wanted:
            return known.sequence_number + (at > known.updated_at)
    return 0


def _samples(payload: Payload, now: datetime) -> tuple[Any, ...]:
    """Read meter values; those whose time is bent are of now."""
    return samples(
        (
            item if "timestamp" in item else {**item, "timestamp": now.isoformat()}
            for item in payload.get("meter_value", ())
        ),
        now,
    )


def _meter_values(state: WallboxState, payload: Payload, context: Context) -> Handled:
    """Take meter values outside a TransactionEvent; EVSE 0 is the house's meter."""
    if payload["evse_id"] == 1:
        found = _samples(payload, context.now.wall)
        state = transitions.metered(state, found, context.now)
    return Handled(answer=call_result.MeterValues(), state=state)


def _authorize(state: WallboxState, payload: Payload, context: Context) -> Handled:
    """Say whether a card may charge (C01)."""
    info = _token_info(payload["id_token"], context)
    return Handled(answer=call_result.Authorize(id_token_info=info), state=state)


def _token_info(token: Payload, context: Context) -> IdTokenInfoType:
    """Say whether a token is good."""
    good = context.accepts(token["id_token"], token["type"])
    return IdTokenInfoType(
        status=AuthorizationStatusEnumType.accepted
        if good
        else AuthorizationStatusEnumType.invalid
    )


def _report(state: WallboxState, payload: Payload, _context: Context) -> Handled:
    """Take a part of an inventory (B07)."""
    return Handled(
        answer=call_result.NotifyReport(),
        state=state,
        report=Report(
            request_id=payload["request_id"],
            found=parse_report(payload.get("report_data", ())),
            last=not payload.get("tbc", False),
        ),
    )


def _limit(
    answer: Any, state: WallboxState, _payload: Payload, _context: Context
) -> Handled:
    """Look what it made of our limit; Delta boxes send it even when idle."""
    return Handled(answer=answer, state=state, limit_changed=True)


#: What each message that a station may send is for.
HANDLERS: Final[Mapping[str, Handler]] = {
    Action.boot_notification: _boot,
    Action.heartbeat: _heartbeat,
    Action.status_notification: _status,
    Action.transaction_event: _event,
    Action.meter_values: _meter_values,
    Action.authorize: _authorize,
    Action.notify_report: _report,
    Action.notify_charging_limit: partial(_limit, call_result.NotifyChargingLimit()),
    Action.cleared_charging_limit: partial(_limit, call_result.ClearedChargingLimit()),
    **{
        action: partial(_acknowledge, answer)
        for action, answer in {
            # Delta boxes report that they set their clock.
            Action.security_event_notification: (
                call_result.SecurityEventNotification()
            ),
            # Delta boxes send one every 300 s.
            Action.notify_event: call_result.NotifyEvent(),
            # Anything else would promise a profile made for the needs (K15).
            Action.notify_ev_charging_needs: call_result.NotifyEVChargingNeeds(
                status=NotifyEVChargingNeedsStatusEnumType.rejected
            ),
            Action.notify_ev_charging_schedule: call_result.NotifyEVChargingSchedule(
                status=GenericStatusEnumType.accepted
            ),
            Action.report_charging_profiles: call_result.ReportChargingProfiles(),
            Action.firmware_status_notification: (
                call_result.FirmwareStatusNotification()
            ),
            Action.publish_firmware_status_notification: (
                call_result.PublishFirmwareStatusNotification()
            ),
            Action.log_status_notification: call_result.LogStatusNotification(),
            Action.notify_monitoring_report: call_result.NotifyMonitoringReport(),
            Action.notify_customer_information: (
                call_result.NotifyCustomerInformation()
            ),
            Action.notify_display_messages: call_result.NotifyDisplayMessages(),
            Action.reservation_status_update: call_result.ReservationStatusUpdate(),
            # Nothing here signs certificates or asks an OCSP responder, and a box
            # without plug and charge has no use for one.
            Action.sign_certificate: call_result.SignCertificate(
                status=GenericStatusEnumType.rejected
            ),
            Action.get_certificate_status: call_result.GetCertificateStatus(
                status=GetCertificateStatusEnumType.failed
            ),
            Action.get_15118_ev_certificate: call_result.Get15118EVCertificate(
                status=Iso15118EVCertificateStatusEnumType.failed, exi_response=""
            ),
            # No vendor's own messages are known.
            Action.data_transfer: call_result.DataTransfer(
                status=DataTransferStatusEnumType.unknown_vendor_id
            ),
        }.items()
    },
}


def told(
    state: WallboxState, found: Variables, *, status: bool, ends_session: bool
) -> WallboxState:
    """Take what variables of the device model say of the wallbox.

    `status`: whether the socket's status counts. `ends_session`: whether a free socket
    tells that a session's end was lost.
    """
    station = "ChargingStation"
    state = transitions.identified(
        state,
        Identity(
            vendor=found.get((station, "VendorName")),
            model=found.get((station, "Model")),
            serial_number=found.get((station, "SerialNumber")),
            firmware_version=found.get((station, "FirmwareVersion")),
        ),
    )
    availability = found.get(
        ("Connector", "AvailabilityState"), found.get(("EVSE", "AvailabilityState"))
    )
    if availability is not None and status:
        with suppress(ValueError):  # a state of its own invention says nothing
            state = transitions.connector_asked(
                state, ConnectorStatus(availability.lower()), ends_session=ends_session
            )
    if (ceiling := _number(found.get((station, "MaxCurrent")))) is not None:
        state = replace(state, ceiling_a=ceiling)
    for component, variable in LIGHTS:
        brightness = _number(found.get((component, variable)))
        if brightness is not None:
            return replace(state, light=Light(component, variable, round(brightness)))
    return state


def _number(text: str | None) -> float | None:
    """Read a number as a device model writes it; None: it is none."""
    with suppress(TypeError, ValueError):
        value = float(text or "")
        return value if math.isfinite(value) else None
    return None
