"""The live connection to a wallbox: messages become state, calls become frames."""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
import logging
import re
import sys
from typing import Any, Final, override
import uuid

from ocpp.exceptions import OCPPError, UnknownCallErrorCodeError
from ocpp.messages import Call, CallError, CallResult
from ocpp.routing import on
from ocpp.v201 import ChargePoint as OcppChargePoint, call_result
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
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from ..fault_log import Key
from . import state as transitions
from .attempts import RemoteStart
from .device_model import learn, parse_report
from .errors import CallFailedError, log_bug
from .gate import Dropped, Gate, Refused, Schemas, call_error
from .meter import device_time, samples
from .metering import Heard, ReadingRequests
from .provisioning import Provisioning
from .state import (
    ChargingState,
    ConnectorStatus,
    EventType,
    Identity,
    TransactionEvent,
    WallboxState,
)
from .station import Station

_LOGGER = logging.getLogger(__name__)

#: What the wallbox is told to send Heartbeats by, in s; a dead line is found by pings.
HEARTBEAT_INTERVAL: Final = 60
#: MessageTimeout of a Delta box. Giving up earlier would orphan its answer, in s.
CALL_TIMEOUT: Final = 30
#: A station that boots says so at once; later, it has only reconnected, in s.
BOOT_GRACE: Final = 5
#: What a call failed of where no answer came.
NO_ANSWER: Final = "no answer within 30 s"
#: So many calls in a row are not answered before it is worth a line in the log.
_LOSSES_WORTH_A_LINE: Final = 3
#: Bad frames are over after so long without one, in s.
_FRAMES_GOOD_S: Final = 3600
#: How many answers are kept for requests that come twice.
_REMEMBERED_ANSWERS: Final = 32

_BOUNDARY: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_CHARGING_STATES: Final = {
    "Charging": ChargingState.CHARGING,
    "EVConnected": ChargingState.EV_CONNECTED,
    "SuspendedEV": ChargingState.SUSPENDED_EV,
    "SuspendedEVSE": ChargingState.SUSPENDED_EVSE,
    "Idle": ChargingState.IDLE,
}


@dataclass(slots=True)
class _Request:
    """A call that waits for its turn or its answer."""

    choose: Callable[[], Any]
    """Gives one of `ocpp.v201.call` when its turn has come, or None."""
    answer: asyncio.Future[Any]
    """Gets the matching one of `ocpp.v201.call_result`."""
    action: str = ""
    """What is called, once that is chosen."""


class _LibraryLogger(logging.Logger):
    """Takes what the library logs (frames with tokens!) and keeps only the bugs."""

    @override
    def exception(self, msg: object, *args: object, **kwargs: Any) -> None:
        log_bug(sys.exception())


_LIBRARY_LOGGER: Final = _LibraryLogger("ocpp", logging.CRITICAL + 1)


def mute_fault(charge_point_id: str) -> Key:
    """Name the fault that a wallbox does not answer."""
    return charge_point_id, "mute"


def limit_fault(charge_point_id: str) -> Key:
    """Name the fault that a wallbox does not keep a limit."""
    return charge_point_id, "limit"


def snake_case(text: str) -> str:
    """Spell one of OCPP's names as Home Assistant spells states."""
    return _BOUNDARY.sub("_", text).lower()


def ocpp_time(moment: datetime) -> str:
    """Write RFC 3339 with `Z` and milliseconds: some stations refuse `+00:00`."""
    text = moment.astimezone(UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def _on[Handler: Callable[..., object]](
    action: Action,
) -> Callable[[Handler], Handler]:
    """Route a message to a handler. The gate has checked its payload already."""
    route: Callable[[Handler], Handler] = on(action, skip_schema_validation=True)
    return route


class ChargePoint(OcppChargePoint):
    """Serves one connection of a station.

    Frames are handled one after the other, in the order in which they came; our own
    calls go out one at a time, each waiting its full 30 s: a Delta box answers late,
    and giving up before it does leaves it busy when the next call comes.
    """

    def __init__(
        self, station: Station, connection: ServerConnection, schemas: Schemas
    ) -> None:
        """Take a connection that passed the handshake."""
        super().__init__(
            station.config.charge_point_id,
            connection,
            response_timeout=CALL_TIMEOUT,
            logger=_LIBRARY_LOGGER,
        )
        self.station = station
        self._websocket = connection
        self._gate = Gate(schemas, frozenset(self.route_map))
        self._requests: deque[_Request] = deque()
        self._requested = asyncio.Event()
        self._pending: _Request | None = None
        self._pending_id: str | None = None
        self._called_at = 0.0
        self._closed = False
        self.told_to_reboot = False
        """Whether the wallbox goes because it was told to."""
        self._greeted = asyncio.Event()
        self._interview_wanted = asyncio.Event()
        self._booted = False
        self._known = False
        self.status_heard = False
        """Whether the wallbox told its status by itself, on this connection."""
        self._answering: tuple[str, str] | None = None
        self._answers: OrderedDict[str, tuple[str, str]] = OrderedDict()
        self._interview = Provisioning(self)
        self._polling: asyncio.Task[None] | None = None
        self.remote_start: RemoteStart | None = None
        """The start that was accepted last."""
        self.reset_at: float | None = None
        """When a reset was accepted, by the steady clock, in s."""
        self.readings = ReadingRequests(self._heard, self.request)

    # The connection

    async def serve(self) -> None:
        """Serve until the connection ends."""
        self.station.attach(self)
        tasks = [
            asyncio.create_task(self._work()),
            asyncio.create_task(self._get_to_know()),
        ]
        try:
            with suppress(ConnectionClosed):
                while True:
                    await self._receive(await self._websocket.recv())
        finally:
            self._closed = True
            if self._polling is not None:
                tasks.append(self._polling)
            for task in tasks:
                task.cancel()
            for result in await asyncio.gather(*tasks, return_exceptions=True):
                if isinstance(result, Exception):
                    log_bug(result)
            self._fail_all("the connection was lost")
            self.station.detach(self)

    def close(self, reason: str) -> None:
        """End the connection; calls that wait fail at once."""
        self._closed = True
        self._fail_all(reason)
        self._closing = asyncio.ensure_future(self._websocket.close(1000, reason))

    @property
    def closed(self) -> bool:
        """Whether no call can be made any more."""
        return self._closed

    def _take(self, state: WallboxState) -> None:
        """Take a state in which a free socket may end a session.

        Right after a reconnect its real end may follow, from the wallbox's queue.
        """
        ends = self.station.state.active is not None and state.active is None
        self.station.update(state, replayed=ends and not self._known)

    async def _receive(self, raw: str | bytes) -> None:
        """Handle one frame, whatever it is."""
        frame = self._gate.admit(raw)
        if isinstance(frame, Call):
            await self._handle(frame, str(raw))
        elif isinstance(frame, Refused):
            self._report(frame.reason)
            await self._send(frame.answer)
        elif isinstance(frame, Dropped):
            self._report(frame.reason)
        else:
            self._take_answer(frame)

    def _report(self, reason: str) -> None:
        """Say that a wallbox sends frames that OCPP 2.0.1 does not know."""
        _LOGGER.debug("Wallbox %s sent a bad frame: %s", self.id, reason)
        fault, faults = (self.id, "frames"), self.station.faults
        faults.begin(
            _LOGGER,
            fault,
            "Wallbox %s sent a frame that was refused (%s). All others count. If "
            "something is missing, look for newer firmware of the wallbox, and report "
            "this line with the diagnostics",
            self.id,
            reason,
        )
        faults.end(
            _LOGGER,
            fault,
            "Wallbox %s has sent no bad frame for an hour",
            self.id,
            calm_s=_FRAMES_GOOD_S,
        )

    async def _handle(self, frame: Call, raw: str) -> None:
        """Answer a CALL. The same one twice is answered twice and applied once."""
        known = self._answers.get(frame.unique_id)
        if known is not None and known[0] == raw and frame.action != Action.heartbeat:
            await self._send(known[1])
            return
        self._answering = (frame.unique_id, raw)
        try:
            await self._handle_call(frame)
        except ConnectionClosed:
            raise
        except Exception as err:  # noqa: BLE001 - a bug of ours must not end the connection
            log_bug(err)
            await self._send(
                call_error(frame.unique_id, "InternalError", "An error of the server")
            )
        finally:
            self._answering = None
        self._greeted.set()

    @override
    async def _send(self, message: str) -> None:
        """Send a frame and keep it, where it answers a CALL."""
        if self._answering is not None and message[1] in "34":
            unique_id, raw = self._answering
            self._answers[unique_id] = (raw, message)
            if len(self._answers) > _REMEMBERED_ANSWERS:
                self._answers.popitem(last=False)
        await self._websocket.send(message)

    # Our calls

    async def request(self, payload: Any) -> Any:
        """Make a call (one of `ocpp.v201.call`) and give its answer.

        The call waits for those before it. Once it is on the wire it stays there, even
        where the caller gives up. Raises CallFailedError.
        """
        request = self._request(type(payload).__name__, lambda: payload)
        self._requests.append(request)
        self._requested.set()
        return await request.answer

    async def request_late(self, choose: Callable[[], Any]) -> Any:
        """Make the next call, and choose only then which; None: none after all.

        It goes before all that wait: nothing but the call that is on the wire lies
        between pressing stop and the frame that limits charging.
        """
        request = self._request("", choose)
        self._requests.appendleft(request)
        self._requested.set()
        return await request.answer

    def _request(self, action: str, choose: Callable[[], Any]) -> _Request:
        """Make a request, where there is still a connection."""
        if self._closed:
            raise CallFailedError(action, "the connection was lost")
        return _Request(choose, asyncio.get_running_loop().create_future(), action)

    async def _work(self) -> None:
        """Make the calls, one at a time."""
        while True:
            while not self._requests:
                self._requested.clear()
                await self._requested.wait()
            request = self._requests.popleft()
            if request.answer.done():
                continue  # its caller gave up before it was sent
            self._pending, self._pending_id = request, str(uuid.uuid4())
            try:
                result = await self._make(request, self._pending_id)
            except TimeoutError:
                self._unanswered()
                self._fail(request, NO_ANSWER)
            except OCPPError as err:
                # Not its description: that may repeat what we sent, tokens included.
                self._fail(request, err.code, answered=True)
            except UnknownCallErrorCodeError:
                reason = "an error code that OCPP 2.0.1 does not know"
                self._fail(request, reason, answered=True)
            except ConnectionClosed:
                self._fail(request, "the connection was lost")
            except Exception as err:  # noqa: BLE001 - or no call would ever go out again
                log_bug(err)
                self._fail(request, "an error of the server")
            else:
                if isinstance(result, call_result.Reset):
                    self.told_to_reboot = result.status != "Rejected"
                if not request.answer.done():
                    request.answer.set_result(result)
            finally:
                self._pending_id = None
            # Whoever had this answer goes first with what follows from it.
            await asyncio.sleep(0)

    async def _make(self, request: _Request, unique_id: str) -> Any:
        """Make a call, if there is still one to be made."""
        payload = request.choose()
        if payload is None:
            return None
        request.action = type(payload).__name__
        self._called_at = self.station.now().steady
        return await self.call(
            payload,
            suppress=False,
            unique_id=unique_id,
            skip_schema_validation=True,
        )

    def _fail(self, request: _Request, reason: str, *, answered: bool = False) -> None:
        """Tell a caller that its call had no success."""
        if not request.answer.done():
            request.answer.set_exception(
                CallFailedError(request.action, reason, answered=answered)
            )

    def _fail_all(self, reason: str) -> None:
        """Tell all callers."""
        if self._pending is not None:
            self._fail(self._pending, reason)
        while self._requests:
            self._fail(self._requests.popleft(), reason)

    def _take_answer(self, frame: CallResult | CallError) -> None:
        """Hand an answer to the call that waits for it; others are dropped."""
        pending_id, pending = self._pending_id, self._pending
        about_ours = isinstance(frame, CallError) and frame.unique_id == "-1"
        if pending_id is None or pending is None:
            _LOGGER.debug("Dropped an answer of %s to no call", self.id)
            return
        if frame.unique_id != pending_id and not about_ours:
            _LOGGER.debug("Dropped a late answer of %s", self.id)
            return
        self._pending_id = None  # a second answer is one too many
        self._answered()
        if about_ours:
            self._report(f"CALLERROR -1: it could not read our {pending.action}")
        if isinstance(frame, CallResult) and (
            fault := self._gate.check_result(pending.action, frame.payload)
        ):
            self._report(fault)
            frame = CallError(pending_id, "FormatViolation", fault, {})
        frame.unique_id = pending_id
        self._response_queue.put_nowait(frame)

    def _unanswered(self) -> None:
        """Say that a wallbox does not answer, unless that is only lost now and then."""
        self.station.unanswered += 1
        faults = self.station.faults
        if self.station.unanswered >= _LOSSES_WORTH_A_LINE and not faults.is_on(
            limit_fault(self.id)  # that is said already
        ):
            faults.begin(
                _LOGGER,
                mute_fault(self.id),
                "Wallbox %s is connected but does not answer. If it goes on, check its "
                "network, or switch it off and on again",
                self.id,
            )

    def _answered(self) -> None:
        """Say that a wallbox answers again."""
        took = self.station.now().steady - self._called_at
        self.station.controller.answered(took)
        self.station.unanswered = 0
        self.station.faults.end(
            _LOGGER, mute_fault(self.id), "Wallbox %s answers again", self.id
        )

    # What the connection needs by itself

    @property
    def at_rest(self) -> bool:
        """Whether nothing is being asked, and nothing waits to be asked."""
        return (
            self._known
            and not self._interview_wanted.is_set()
            and not self._interview.running
            and not self.station.controller.busy
            and not self._requests
            and self._pending_id is None
            and (self._polling is None or self._polling.done())
        )

    async def _get_to_know(self) -> None:
        """Ask the station what it does not say by itself, once it may be asked.

        It may not be before its BootNotification is answered. One that only reconnected
        sends none: any other message shows that, or its silence.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(BOOT_GRACE):
                await self._greeted.wait()
        self._interview_wanted.clear()
        self.station.controller.connected(self)
        while True:
            booted, self._booted = self._booted, False
            await self._interview.run(booted=booted)
            self._known = True
            await self._interview_wanted.wait()
            self._interview_wanted.clear()
            if self._booted:
                self.station.controller.connected(self)

    def refresh(self) -> None:
        """Ask again for all that the wallbox was asked when it connected."""
        self._interview_wanted.set()

    def poll(self) -> None:
        """Ask for a reading where a session runs and none came for an interval.

        Where energy flows, a reading of something else than the current is none.
        """
        station = self.station
        if self._polling is not None and not self._polling.done():
            return
        if self._interview.running or station.state.active is None:
            return
        state = station.state
        heard = (
            state.current_heard_at
            if state.charging_state is ChargingState.CHARGING
            else state.meter_heard_at
        )
        patience = station.config.meter_interval * 1.5
        if heard is not None and station.now().steady - heard < patience:
            return
        self._polling = asyncio.create_task(self._poll())

    async def _poll(self) -> None:
        """Ask once."""
        with suppress(CallFailedError):
            await self.readings.ask()

    def _heard(self) -> Heard:
        """Tell what is known of the current, and since when."""
        state, now = self.station.state, self.station.now()
        return Heard(
            None if state.active is None else state.active.id,
            state.current_heard_at,
            now.steady,
        )

    # What the station says. Payloads passed the gate: what is required is there.

    @_on(Action.boot_notification)
    def on_boot_notification(
        self, charging_station: Mapping[str, Any], **_: Any
    ) -> call_result.BootNotification:
        """Accept: who added the wallbox to Home Assistant has decided that (B01)."""
        now = self.station.clock()
        self.station.update(
            transitions.identified(
                self.station.state,
                Identity(
                    vendor=charging_station["vendor_name"],
                    model=charging_station["model"],
                    serial_number=charging_station.get("serial_number"),
                    firmware_version=charging_station.get("firmware_version"),
                ),
            )
        )
        self._booted = True
        self._interview_wanted.set()
        return call_result.BootNotification(
            current_time=ocpp_time(now),
            interval=HEARTBEAT_INTERVAL,
            status=RegistrationStatusEnumType.accepted,
        )

    @_on(Action.heartbeat)
    def on_heartbeat(self, **_: Any) -> call_result.Heartbeat:
        """Give the time."""
        now = self.station.now()
        self.station.update(transitions.heartbeat(self.station.state, now))
        return call_result.Heartbeat(current_time=ocpp_time(now.wall))

    @_on(Action.status_notification)
    def on_status_notification(
        self, timestamp: str, connector_status: str, evse_id: int, **_: Any
    ) -> call_result.StatusNotification:
        """Take the status of the socket; the box has one."""
        if evse_id <= 1:
            now = self.station.now()
            before = self.station.state
            state = transitions.connector(
                before,
                ConnectorStatus(connector_status.lower()),
                device_time(timestamp),
                now,
            )
            self._take(state)
            # An old one says nothing about now: then the answer to our question counts.
            if state.connector_at != before.connector_at:
                self.status_heard = True
        return call_result.StatusNotification()

    @_on(Action.transaction_event)
    def on_transaction_event(
        self,
        event_type: str,
        timestamp: str,
        trigger_reason: str,
        seq_no: int,
        transaction_info: Mapping[str, Any],
        **rest: Any,
    ) -> call_result.TransactionEvent:
        """Take what happened in a session, now or long ago."""
        now = self.station.now()
        token: Mapping[str, Any] | None = rest.get("id_token")
        reason = transaction_info.get("stopped_reason")
        event = TransactionEvent(
            transaction_id=transaction_info["transaction_id"],
            event_type=EventType(event_type.lower()),
            at=device_time(timestamp),
            sequence_number=seq_no,
            trigger_reason=snake_case(trigger_reason),
            offline=rest.get("offline", False),
            charging_state=_CHARGING_STATES.get(
                transaction_info.get("charging_state", "")
            ),
            stopped_reason=None if reason is None else snake_case(reason),
            id_token=None if token is None else token["id_token"] or None,
            remote_start_id=transaction_info.get("remote_start_id"),
            phases_used=rest.get("number_of_phases_used"),
            samples=samples(rest.get("meter_value")),
        )
        self.station.update(
            transitions.transaction_event(self.station.state, event, now),
            replayed=event.offline,
        )
        if trigger_reason == "Trigger":
            self.readings.event_came()
        if self.station.state.awaits_reading:
            self.poll()
        if token is None:
            return call_result.TransactionEvent()
        return call_result.TransactionEvent(id_token_info=self._token_info(token))

    @_on(Action.meter_values)
    def on_meter_values(
        self, evse_id: int, meter_value: list[Mapping[str, Any]], **_: Any
    ) -> call_result.MeterValues:
        """Take meter values outside a TransactionEvent; EVSE 0 is the house's meter."""
        if evse_id == 1:
            now = self.station.now()
            self.station.update(
                transitions.metered(self.station.state, samples(meter_value), now)
            )
        return call_result.MeterValues()

    @_on(Action.authorize)
    def on_authorize(
        self, id_token: Mapping[str, Any], **_: Any
    ) -> call_result.Authorize:
        """Say whether a card may charge (C01)."""
        return call_result.Authorize(id_token_info=self._token_info(id_token))

    def _token_info(self, id_token: Mapping[str, Any]) -> IdTokenInfoType:
        """Say whether a token is good."""
        accepted = self.station.config.accepts(id_token["id_token"], id_token["type"])
        return IdTokenInfoType(
            status=AuthorizationStatusEnumType.accepted
            if accepted
            else AuthorizationStatusEnumType.invalid
        )

    @_on(Action.notify_report)
    def on_notify_report(
        self, report_data: list[Mapping[str, Any]] | None = None, **rest: Any
    ) -> call_result.NotifyReport:
        """Take a part of an inventory (B07)."""
        self.take_variables(parse_report(report_data or ()))
        self._interview.report_part(rest["request_id"], last=not rest.get("tbc", False))
        return call_result.NotifyReport()

    def take_variables(self, found: Mapping[tuple[str, str], str]) -> None:
        """Take what variables of the device model say of the wallbox."""
        self._take(
            learn(
                self.station.state,
                found,
                self.station.now(),
                status_known=self.status_heard,
                ends_session=not self._interview.queue_expected,
            )
        )

    @_on(Action.security_event_notification)
    def on_security_event_notification(
        self, **_: Any
    ) -> call_result.SecurityEventNotification:
        """Acknowledge; Delta boxes report that they set their clock."""
        return call_result.SecurityEventNotification()

    @_on(Action.notify_event)
    def on_notify_event(self, **_: Any) -> call_result.NotifyEvent:
        """Acknowledge; Delta boxes send one every 300 s."""
        return call_result.NotifyEvent()

    @_on(Action.notify_ev_charging_needs)
    def on_notify_ev_charging_needs(
        self, **_: Any
    ) -> call_result.NotifyEVChargingNeeds:
        """Reject: anything else would promise a profile made for the needs (K15)."""
        return call_result.NotifyEVChargingNeeds(
            status=NotifyEVChargingNeedsStatusEnumType.rejected
        )

    @_on(Action.notify_ev_charging_schedule)
    def on_notify_ev_charging_schedule(
        self, **_: Any
    ) -> call_result.NotifyEVChargingSchedule:
        """Acknowledge the car's plan."""
        return call_result.NotifyEVChargingSchedule(
            status=GenericStatusEnumType.accepted
        )

    @_on(Action.notify_charging_limit)
    def on_notify_charging_limit(self, **_: Any) -> call_result.NotifyChargingLimit:
        """Look what it made of our limit; Delta boxes send it even when idle."""
        self.station.controller.recheck()
        return call_result.NotifyChargingLimit()

    @_on(Action.cleared_charging_limit)
    def on_cleared_charging_limit(self, **_: Any) -> call_result.ClearedChargingLimit:
        """Look what it made of our limit."""
        self.station.controller.recheck()
        return call_result.ClearedChargingLimit()

    @_on(Action.report_charging_profiles)
    def on_report_charging_profiles(
        self, **_: Any
    ) -> call_result.ReportChargingProfiles:
        """Acknowledge."""
        return call_result.ReportChargingProfiles()

    @_on(Action.firmware_status_notification)
    def on_firmware_status_notification(
        self, **_: Any
    ) -> call_result.FirmwareStatusNotification:
        """Acknowledge."""
        return call_result.FirmwareStatusNotification()

    @_on(Action.publish_firmware_status_notification)
    def on_publish_firmware_status_notification(
        self, **_: Any
    ) -> call_result.PublishFirmwareStatusNotification:
        """Acknowledge."""
        return call_result.PublishFirmwareStatusNotification()

    @_on(Action.log_status_notification)
    def on_log_status_notification(self, **_: Any) -> call_result.LogStatusNotification:
        """Acknowledge."""
        return call_result.LogStatusNotification()

    @_on(Action.notify_monitoring_report)
    def on_notify_monitoring_report(
        self, **_: Any
    ) -> call_result.NotifyMonitoringReport:
        """Acknowledge."""
        return call_result.NotifyMonitoringReport()

    @_on(Action.notify_customer_information)
    def on_notify_customer_information(
        self, **_: Any
    ) -> call_result.NotifyCustomerInformation:
        """Acknowledge."""
        return call_result.NotifyCustomerInformation()

    @_on(Action.notify_display_messages)
    def on_notify_display_messages(self, **_: Any) -> call_result.NotifyDisplayMessages:
        """Acknowledge."""
        return call_result.NotifyDisplayMessages()

    @_on(Action.reservation_status_update)
    def on_reservation_status_update(
        self, **_: Any
    ) -> call_result.ReservationStatusUpdate:
        """Acknowledge."""
        return call_result.ReservationStatusUpdate()

    @_on(Action.sign_certificate)
    def on_sign_certificate(self, **_: Any) -> call_result.SignCertificate:
        """Reject: nothing here signs certificates."""
        return call_result.SignCertificate(status=GenericStatusEnumType.rejected)

    @_on(Action.get_certificate_status)
    def on_get_certificate_status(self, **_: Any) -> call_result.GetCertificateStatus:
        """Fail: nothing here asks an OCSP responder."""
        return call_result.GetCertificateStatus(
            status=GetCertificateStatusEnumType.failed
        )

    @_on(Action.get_15118_ev_certificate)
    def on_get_15118_ev_certificate(
        self, **_: Any
    ) -> call_result.Get15118EVCertificate:
        """Fail: a box without plug and charge has no use for it."""
        return call_result.Get15118EVCertificate(
            status=Iso15118EVCertificateStatusEnumType.failed, exi_response=""
        )

    @_on(Action.data_transfer)
    def on_data_transfer(self, **_: Any) -> call_result.DataTransfer:
        """Know no vendor's own messages."""
        return call_result.DataTransfer(
            status=DataTransferStatusEnumType.unknown_vendor_id
        )
