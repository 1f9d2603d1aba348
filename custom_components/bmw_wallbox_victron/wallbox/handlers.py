"""What a wallbox says: each message and the state of the wallbox give the next state.

A handler is a pure function, so that a large message can be looked at in a thread. What
follows from it beside the state is said by `Handled`, and done by the connection.
Payloads passed the gate, with their keys in snake case: what is required is there, but
for what `frames` lets be missing because it is bent.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Final, cast

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

from . import payloads, transitions
from .clock import JITTER_S, Now
from .device_model import Variables, parse_report
from .identity import Identity
from .meter_values import CLOCK_NEVER_SET, Sample, device_time, samples
from .payloads import ocpp_time, snake_case
from .state import (
    ChargingState,
    ConnectorStatus,
    EventType,
    TransactionEvent,
    WallboxState,
)

#: What the wallbox is told to send Heartbeats by, in s; a dead line is found by pings.
HEARTBEAT_INTERVAL: Final = 60
#: More events than any session has; integers of OCPP have 32 bits.
_MOST_EVENTS: Final = 2**31 - 1
_CHARGING_STATES: Final = {
    "Charging": ChargingState.CHARGING,
    "EVConnected": ChargingState.EV_CONNECTED,
    "SuspendedEV": ChargingState.SUSPENDED_EV,
    "SuspendedEVSE": ChargingState.SUSPENDED_EVSE,
    "Idle": ChargingState.IDLE,
}

type Payload = Mapping[str, object]


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

    answer: object
    """The answer, one of `ocpp.v201.call_result`."""
    state: WallboxState
    """What is known of the wallbox now."""
    replayed: bool = False
    """Whether it told of the past."""
    booted: bool = False
    """Whether the wallbox has just started."""
    status_heard: bool = False
    """Whether the socket's status of now is known."""
    triggered: bool = False
    """Whether it is what was asked for by TriggerMessage(TransactionEvent)."""
    unmetered: bool = False
    """Whether energy flows and nothing was said about how much."""
    limit_changed: bool = False
    """Whether something about the wallbox's limits has changed."""
    report: Report | None = None
    """What it said of its device model."""


type Handler = Callable[[WallboxState, Payload, Context], Handled]


def _reads[P: Payload](
    handle: Callable[[WallboxState, P, Context], Handled],
) -> Handler:
    """Return the handler of an action; the gate has checked that its payload is one."""
    return cast(Handler, handle)


def _acknowledge(answer: object) -> Handler:
    """Return a handler that answers, and learns nothing."""

    def handle(state: WallboxState, _payload: Payload, _context: Context) -> Handled:
        return Handled(answer=answer, state=state)

    return handle


def _boot(
    state: WallboxState, payload: payloads.BootNotification, context: Context
) -> Handled:
    """Accept: who added the wallbox to Home Assistant has decided that (B01)."""
    station: payloads.ChargingStation = payload.get("charging_station", {})
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
    """Return the time."""
    return Handled(
        answer=call_result.Heartbeat(current_time=ocpp_time(context.now.wall)),
        state=transitions.heartbeat(state, context.now),
    )


def _time(
    payload: payloads.StatusNotification | payloads.TransactionEvent,
    state: WallboxState,
    now: Now,
) -> datetime:
    """Read when something happened, by the wallbox's clock.

    Where that is bent, it has just happened.
    """
    text = payload.get("timestamp")
    return _box_time(state, now) if text is None else device_time(text)


def _box_time(state: WallboxState, now: Now) -> datetime:
    """Return what the wallbox's clock shows now, as far as that is known."""
    return state.clock.shows(now) or now.wall


def _status(
    state: WallboxState, payload: payloads.StatusNotification, context: Context
) -> Handled:
    """Take the status of the socket; the box has one."""
    answer = call_result.StatusNotification()
    status = payload.get("connector_status")
    if payload.get("evse_id", 1) > 1 or status is None:
        return Handled(answer=answer, state=state)
    after = transitions.connector(
        state,
        ConnectorStatus(status.lower()),
        _time(payload, state, context.now),
        context.now,
    )
    # An old one says nothing about now: then the answer to our question counts.
    heard = after.connector_at != state.connector_at
    return Handled(answer=answer, state=after, status_heard=heard)


def _event(
    state: WallboxState, payload: payloads.TransactionEvent, context: Context
) -> Handled:
    """Take what happened in a session, now or long ago."""
    info: payloads.TransactionInfo = payload.get("transaction_info", {})
    token = payload.get("id_token")
    answer = call_result.TransactionEvent(
        id_token_info=None if token is None else _token_info(token, context)
    )
    at = _time(payload, state, context.now)
    found = _samples(payload, state, context.now, event_at=at)
    transaction_id = info.get("transaction_id")
    if transaction_id is None:
        if state.active is None:
            # Of no session that is known: what the meter said counts all the same.
            state = transitions.metered(state, found, context.now)
            return Handled(answer=answer, state=state)
        transaction_id = state.active.id
    reason = info.get("stopped_reason")
    # Only an end has a reason for it.
    bent_type = "Updated" if reason is None else "Ended"
    phases = payload.get("number_of_phases_used")
    event = TransactionEvent(
        transaction_id=transaction_id,
        event_type=EventType(payload.get("event_type", bent_type).lower()),
        at=at,
        sequence_number=_sequence_number(state, payload, transaction_id, at),
        trigger_reason=snake_case(payload.get("trigger_reason", "AbnormalCondition")),
        offline=payload.get("offline", False),
        charging_state=_CHARGING_STATES.get(info.get("charging_state", "")),
        stopped_reason=None if reason is None else snake_case(reason),
        id_token=None if token is None else token["id_token"] or None,
        remote_start_id=info.get("remote_start_id"),
        phases_used=phases if phases in range(4) else None,
        samples=found,
    )
    after = transitions.transaction_event(state, event, context.now)
    return Handled(
        answer=answer,
        state=after,
        replayed=event.offline,
        unmetered=after.awaits_reading,
        triggered=payload.get("trigger_reason") == "Trigger",
    )


def _sequence_number(
    state: WallboxState,
    payload: payloads.TransactionEvent,
    transaction_id: str,
    at: datetime,
) -> int:
    """Read an event's place in its transaction.

    Where it is bent, or nothing could come after it, time gives the order: after the
    newest event, or, at the same time, that one once more.
    """
    number = payload.get("seq_no")
    if number is not None and 0 <= number < _MOST_EVENTS:
        return number
    for known in (state.transaction, *state.recent):
        if known is not None and known.id == transaction_id:
            return known.sequence_number + (at > known.updated_at)
    return 0


def _samples(
    payload: payloads.TransactionEvent | payloads.MeterValues,
    state: WallboxState,
    now: Now,
    *,
    event_at: datetime | None = None,
) -> tuple[Sample, ...]:
    """Read meter values; those whose time is bent are of their event, or of now."""
    undated = (event_at or _box_time(state, now)).isoformat()
    found = samples(payload.get("meter_value", ()), undated=undated)
    if event_at is None or event_at < CLOCK_NEVER_SET:
        return found
    # What was read later than it is told was read at a wrong time.
    latest = event_at + timedelta(seconds=JITTER_S)
    placed = (
        sample
        if CLOCK_NEVER_SET <= sample.at <= latest
        else replace(sample, at=event_at)
        for sample in found
    )
    return tuple(sorted(placed, key=lambda sample: sample.at))


def _meter_values(
    state: WallboxState, payload: payloads.MeterValues, context: Context
) -> Handled:
    """Take meter values outside a TransactionEvent; EVSE 0 is the house's meter."""
    if payload.get("evse_id", 1) == 1:
        found = _samples(payload, state, context.now)
        state = transitions.metered(state, found, context.now)
    return Handled(answer=call_result.MeterValues(), state=state)


def _authorize(
    state: WallboxState, payload: payloads.Authorize, context: Context
) -> Handled:
    """Answer whether a card may charge (C01)."""
    info = _token_info(payload["id_token"], context)
    return Handled(answer=call_result.Authorize(id_token_info=info), state=state)


def _token_info(token: payloads.IdToken, context: Context) -> IdTokenInfoType:
    """Return whether a token is good."""
    good = context.accepts(token["id_token"], token["type"])
    return IdTokenInfoType(
        status=AuthorizationStatusEnumType.accepted
        if good
        else AuthorizationStatusEnumType.invalid
    )


def _report(
    state: WallboxState, payload: payloads.NotifyReport, _context: Context
) -> Handled:
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
    answer: object, state: WallboxState, _payload: Payload, _context: Context
) -> Handled:
    """Look what it made of our limit; Delta boxes send it even when idle."""
    return Handled(answer=answer, state=state, limit_changed=True)


#: What each message that a station may send is for, by OCPP's functional blocks.
HANDLERS: Final[Mapping[str, Handler]] = {
    # A Security. Delta boxes report that they set their clock. Nothing here signs
    # certificates.
    Action.security_event_notification: _acknowledge(
        call_result.SecurityEventNotification()
    ),
    Action.sign_certificate: _acknowledge(
        call_result.SignCertificate(status=GenericStatusEnumType.rejected)
    ),
    # B Provisioning
    Action.boot_notification: _reads(_boot),
    Action.notify_report: _reads(_report),
    # C Authorization
    Action.authorize: _reads(_authorize),
    # E Transactions
    Action.transaction_event: _reads(_event),
    # G Availability
    Action.heartbeat: _heartbeat,
    Action.status_notification: _reads(_status),
    # H Reservation
    Action.reservation_status_update: _acknowledge(
        call_result.ReservationStatusUpdate()
    ),
    # J Meter Values
    Action.meter_values: _reads(_meter_values),
    # K Smart Charging. To accept needs would promise a profile made for them (K15).
    Action.notify_charging_limit: partial(_limit, call_result.NotifyChargingLimit()),
    Action.cleared_charging_limit: partial(_limit, call_result.ClearedChargingLimit()),
    Action.report_charging_profiles: _acknowledge(call_result.ReportChargingProfiles()),
    Action.notify_ev_charging_needs: _acknowledge(
        call_result.NotifyEVChargingNeeds(
            status=NotifyEVChargingNeedsStatusEnumType.rejected
        )
    ),
    Action.notify_ev_charging_schedule: _acknowledge(
        call_result.NotifyEVChargingSchedule(status=GenericStatusEnumType.accepted)
    ),
    # L Firmware Management
    Action.firmware_status_notification: _acknowledge(
        call_result.FirmwareStatusNotification()
    ),
    Action.publish_firmware_status_notification: _acknowledge(
        call_result.PublishFirmwareStatusNotification()
    ),
    # M ISO 15118 Certificate Management. Nothing here asks an OCSP responder, and a
    # box without plug and charge has no use for one.
    Action.get_certificate_status: _acknowledge(
        call_result.GetCertificateStatus(status=GetCertificateStatusEnumType.failed)
    ),
    Action.get_15118_ev_certificate: _acknowledge(
        call_result.Get15118EVCertificate(
            status=Iso15118EVCertificateStatusEnumType.failed, exi_response=""
        )
    ),
    # N Diagnostics. Delta boxes send a NotifyEvent every 300 s.
    Action.log_status_notification: _acknowledge(call_result.LogStatusNotification()),
    Action.notify_event: _acknowledge(call_result.NotifyEvent()),
    Action.notify_monitoring_report: _acknowledge(call_result.NotifyMonitoringReport()),
    Action.notify_customer_information: _acknowledge(
        call_result.NotifyCustomerInformation()
    ),
    # O Display Message
    Action.notify_display_messages: _acknowledge(call_result.NotifyDisplayMessages()),
    # P Data Transfer. No vendor's own messages are known.
    Action.data_transfer: _acknowledge(
        call_result.DataTransfer(status=DataTransferStatusEnumType.unknown_vendor_id)
    ),
}
