"""How the box answers the central system's calls.

`ocpp.v201.ChargePoint` finds the handler of a call. The handlers read the payload as it
came on the wire, in camelCase.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
import json
import logging
from typing import TYPE_CHECKING, Any, Final

from ocpp import routing
from ocpp.v201 import ChargePoint, call_result
from ocpp.v201.enums import Action

from . import device_model
from .device_model import Mutability, Variable, VariableId, VariableStatus
from .physics import NOMINAL_VOLTAGE_V, ChargingState
from .profiles import (
    MAX_PERIODS,
    Profile,
    ProfileKind,
    Purpose,
    RateUnit,
    composite,
    profile_faults,
    read_profile,
)
from .quirks import CompositeOddity, SmartCharging
from .records import Payload
from .strict import ACTIONS, Frame, Kind, payload_faults

if TYPE_CHECKING:
    from .link import Link
    from .simulator import SimulatedWallbox

_LOGGER = logging.getLogger(__name__)

_REPORT_PART: Final = 10
"""Variables in one NotifyReport, ItemsPerMessage of the inventory."""

_SMART_CHARGING: Final = frozenset(
    {
        "SetChargingProfile",
        "ClearChargingProfile",
        "GetChargingProfiles",
        "GetCompositeSchedule",
    }
)

_ACCEPTED: Final = "Accepted"
_REJECTED: Final = "Rejected"


def on[F: Callable[..., object]](action: Action) -> Callable[[F], F]:
    """Register a handler.

    Payloads are checked here, by the strict reader, which is also far quicker.
    """
    return routing.on(action, skip_schema_validation=True)


def _reply(make: Callable[..., object], **fields: Any) -> object:
    """Make an answer; it is checked against its schema before it goes."""
    return make(**fields)


def _because(code: str) -> Payload:
    return {"reasonCode": code}


class Station(ChargePoint):
    """Answers the calls that come over one connection, one after the other."""

    def __init__(self, box: SimulatedWallbox, link: Link) -> None:
        """Answer for a box over a link."""
        super().__init__(box.charge_point_id, None, logger=_LOGGER)
        self._box = box
        self._link = link
        self._request = Frame(kind=Kind.CALL, message_id="", payload={})
        self._lost = False

    async def answer(self, call: Frame, raw: str, *, lost: bool) -> None:
        """Act on a call and answer it; a lost answer is not sent."""
        self._request = call
        self._lost = lost
        smart = self._box.quirks.smart_charging
        if call.action in _SMART_CHARGING and smart in (
            SmartCharging.NOT_IMPLEMENTED,
            SmartCharging.NOT_SUPPORTED,
        ):
            if not lost:
                await self._link.reply_error(call, smart.value, "")
            return
        if call.action in self.route_map:
            if payload_faults(Kind.CALL, call.action, call.payload):
                if not lost:
                    await self._link.reply_error(call, "FormatViolation", "")
            else:
                await self.route_message(raw)
            return
        # The library has these two the wrong way round for OCPP 2.0.1.
        known = call.action in ACTIONS
        code = "NotSupported" if known else "NotImplemented"
        if not lost:
            await self._link.reply_error(call, code, "")

    async def _send(self, message: str) -> None:
        """Send what the library made of the answer."""
        kind, _, *rest = json.loads(message)
        error: str | None = rest[0] if kind == Kind.ERROR else None
        payload: Payload = {} if error else rest[0]
        if error:
            # The request was good, so the answer that was made of it was not.
            self._box.blame(f"simulator: {self._request.action} failed: {rest}")
        else:
            for fault in payload_faults(Kind.RESULT, self._request.action, payload):
                self._box.blame(f"simulator: {fault}")
        if not self._lost:
            await self._link.reply(self._request, message, error=error, payload=payload)

    # --- Device model ---

    @on(Action.get_variables)
    def on_get_variables(self, **_: Any) -> object:
        """Return the values of variables."""
        wanted: list[Payload] = self._request.payload["getVariableData"]
        box = self._box
        box.refresh_model()
        bulk = box.quirks.get_variables_rejected_in_bulk and len(wanted) > 1
        results = []
        for item in wanted:
            status, value = self._read(item)
            if bulk:
                status, value = VariableStatus.REJECTED, None
            result: Payload = {
                "attributeStatus": status.value,
                "component": item["component"],
                "variable": item["variable"],
            }
            if "attributeType" in item:
                result["attributeType"] = item["attributeType"]
            if value is not None:
                result["attributeValue"] = value
            results.append(result)
        return _reply(call_result.GetVariables, get_variable_result=results)

    def _read(self, item: Payload) -> tuple[VariableStatus, str | None]:
        place = _place(item)
        if (
            self._box.quirks.identity_unknown
            and place.variable.casefold() in device_model.IDENTITY
        ):
            return VariableStatus.UNKNOWN_COMPONENT, None
        found = self._find(item)
        if isinstance(found, VariableStatus):
            return found, None
        if found.mutability is Mutability.WRITE_ONLY:
            return VariableStatus.REJECTED, None
        return VariableStatus.ACCEPTED, found.value

    def _find(self, item: Payload) -> Variable | VariableStatus:
        found = self._box.model.find(_place(item))
        if (
            isinstance(found, Variable)
            and item.get("attributeType", "Actual") != "Actual"
        ):
            return VariableStatus.NOT_SUPPORTED_ATTRIBUTE
        return found

    @on(Action.set_variables)
    def on_set_variables(self, **_: Any) -> object:
        """Change variables."""
        results = []
        for item in self._request.payload["setVariableData"]:
            result: Payload = {
                "attributeStatus": self._write(item).value,
                "component": item["component"],
                "variable": item["variable"],
            }
            if "attributeType" in item:
                result["attributeType"] = item["attributeType"]
            results.append(result)
        return _reply(call_result.SetVariables, set_variable_result=results)

    def _write(self, item: Payload) -> VariableStatus:
        box = self._box
        found = self._find(item)
        if isinstance(found, VariableStatus):
            return found
        value: str = item["attributeValue"]
        component = found.place.component
        if (
            found.mutability is Mutability.READ_ONLY
            or not found.accepts(value)
            or (
                component == "SampledDataCtrlr"
                and box.quirks.metering_settings_rejected
            )
            or (
                component == "AlignedDataCtrlr" and box.quirks.aligned_settings_rejected
            )
            or (
                found.place.variable in ("brightness", "StatusLedBrightness")
                and box.quirks.light_rejected
            )
        ):
            return VariableStatus.REJECTED
        if found.place.variable == "BasicAuthPassword":
            box.password = value
        else:
            box.model.set(found.place, value)
        return VariableStatus.ACCEPTED

    @on(Action.get_base_report)
    def on_get_base_report(self, **_: Any) -> object:
        """Report the variables in several messages."""
        request: Payload = self._request.payload
        box = self._box
        if request["reportBase"] == "SummaryInventory":
            return _reply(call_result.GetBaseReport, status="NotSupported")
        box.refresh_model()
        writable = request["reportBase"] == "ConfigurationInventory"
        data = box.model.report(writable_only=writable)
        parts = [
            data[begin : begin + _REPORT_PART]
            for begin in range(0, len(data), _REPORT_PART)
        ]

        def report() -> None:
            for number, part in enumerate(parts):
                box.send(
                    "NotifyReport",
                    {
                        "requestId": request["requestId"],
                        "generatedAt": box.wire_now(),
                        "seqNo": number,
                        "tbc": number < len(parts) - 1,
                        "reportData": part,
                    },
                )

        box.afterwards(report)
        return _reply(call_result.GetBaseReport, status=_ACCEPTED)

    # --- Messages on demand ---

    @on(Action.trigger_message)
    def on_trigger_message(self, **_: Any) -> object:
        """Send a message of the asked kind, or refuse."""
        box, quirks = self._box, self._box.quirks
        match self._request.payload["requestedMessage"]:
            case "BootNotification" if not quirks.trigger_boot_rejected:
                box.afterwards(lambda: box.send_boot("Triggered"))
            case "StatusNotification" if not quirks.trigger_status_rejected:
                box.afterwards(box.send_status)
            case "Heartbeat":
                box.afterwards(lambda: box.send("Heartbeat", {}))
            case "MeterValues" if not quirks.trigger_meter_values_rejected:
                box.afterwards(box.send_meter_values)
            case "TransactionEvent" if (
                box.transaction and not quirks.trigger_transaction_event_rejected
            ):
                box.afterwards(box.send_triggered_event)
            case "FirmwareStatusNotification" | "LogStatusNotification" as message:
                box.afterwards(lambda: box.send(message, {"status": "Idle"}))
            case (
                "BootNotification"
                | "StatusNotification"
                | "MeterValues"
                | "TransactionEvent"
            ):
                return _reply(call_result.TriggerMessage, status=_REJECTED)
            case _:
                return _reply(call_result.TriggerMessage, status="NotImplemented")
        return _reply(call_result.TriggerMessage, status=_ACCEPTED)

    @on(Action.get_transaction_status)
    def on_get_transaction_status(self, **_: Any) -> object:
        """Return whether a transaction runs and whether messages wait."""
        box = self._box
        wanted = self._request.payload.get("transactionId")
        running = box.transaction.id if box.transaction else None
        return _reply(
            call_result.GetTransactionStatus,
            ongoing_indicator=None if wanted is None else wanted == running,
            messages_in_queue=box.has_queue,
        )

    # --- Charging profiles ---

    @on(Action.set_charging_profile)
    def on_set_charging_profile(self, **_: Any) -> object:
        """Take a charging profile or refuse it."""
        request: Payload = self._request.payload
        profile = read_profile(request["evseId"], request["chargingProfile"])
        reason = self._refusal(profile)
        if reason is None:
            return _reply(call_result.SetChargingProfile, status=_ACCEPTED)
        return _reply(
            call_result.SetChargingProfile,
            status=_REJECTED,
            status_info=_because(reason),
        )

    def _refusal(self, profile: Profile) -> str | None:
        """Store a profile; why not, where it is refused."""
        box, quirks = self._box, self._box.quirks
        faults = profile_faults(profile)
        for fault in faults:
            box.blame(f"SetChargingProfile: {fault}")
        if faults:
            return "InvalidProfile"
        if quirks.smart_charging is SmartCharging.REJECTED:
            return "NotSupported"
        if quirks.relative_rejected and profile.kind is ProfileKind.RELATIVE:
            return "UnsupportedKind"
        if quirks.absolute_epoch_rejected and profile.before_any_clock:
            return "InvalidSchedule"
        if profile.evse_id > 1:
            return "UnknownEvse"
        if len(profile.periods) > MAX_PERIODS:
            return "TooManyElements"
        highest = 0 if quirks.stack_level_above_zero_rejected else 5
        if profile.stack_level > highest:
            return "InvalidStackLevel"
        if profile.purpose is Purpose.TX:
            return self._refusal_of_tx_profile(profile)
        if profile.purpose is Purpose.TX_DEFAULT and box.just_started:
            return "NotReady"
        if profile.purpose is Purpose.STATION_MAX and quirks.station_profile_rejected:
            return "NotSupported"
        return None if box.profiles.put(profile) else "OutOfStorage"

    def _refusal_of_tx_profile(self, profile: Profile) -> str | None:
        box, quirks = self._box, self._box.quirks
        transaction = box.transaction
        if transaction is None or transaction.id != profile.transaction_id:
            return "TxNotFound"
        if transaction.refuses_profiles:
            return "InternalError"
        present = box.profiles.of(Purpose.TX)
        if box.poisoned and present:
            return "InternalError"
        in_use = {each.id for each in box.profiles.all()}
        if quirks.tx_profile_id_reuse_rejects_all and profile.id in in_use:
            transaction.refuses_profiles = True
            return "DuplicateProfile"
        if quirks.tx_profile_other_id_rejected and any(
            each.id != profile.id and each.stack_level == profile.stack_level
            for each in present
        ):
            return "DuplicateProfile"
        if quirks.tx_profile_dropped_while_suspended and box.charger.state in (
            ChargingState.SUSPENDED_EVSE,
            ChargingState.SUSPENDED_EV,
        ):
            # Owners saw full power next, so the 0 A that paused it goes as well.
            box.profiles.remove(present)
            return None
        return None if box.profiles.put(profile) else "OutOfStorage"

    @on(Action.clear_charging_profile)
    def on_clear_charging_profile(self, **_: Any) -> object:
        """Forget profiles; Unknown where none matches."""
        request: Payload = self._request.payload
        criteria: Payload = request.get("chargingProfileCriteria", {})
        wanted = request.get("chargingProfileId")
        chosen = [
            each
            for each in self._box.profiles.all()
            if (wanted is None or each.id == wanted)
            and criteria.get("evseId", each.evse_id) == each.evse_id
            and criteria.get("stackLevel", each.stack_level) == each.stack_level
            and criteria.get("chargingProfilePurpose", each.purpose) == each.purpose
            and not (self._box.poisoned and each.purpose is Purpose.TX)
        ]
        gone = self._box.profiles.remove(chosen)
        return _reply(
            call_result.ClearChargingProfile, status=_ACCEPTED if gone else "Unknown"
        )

    @on(Action.get_charging_profiles)
    def on_get_charging_profiles(self, **_: Any) -> object:
        """Report the profiles, one message for each."""
        request: Payload = self._request.payload
        criterion: Payload = request["chargingProfile"]
        sources = criterion.get("chargingLimitSource", ["CSO"])
        box = self._box
        chosen = [
            each
            for each in box.profiles.all()
            if request.get("evseId", each.evse_id) == each.evse_id
            and criterion.get("chargingProfilePurpose", each.purpose) == each.purpose
            and criterion.get("stackLevel", each.stack_level) == each.stack_level
            and each.id in criterion.get("chargingProfileId", [each.id])
            and "CSO" in sources
        ]
        if not chosen:
            return _reply(call_result.GetChargingProfiles, status="NoProfiles")

        def report(profiles: Iterable[Profile] = tuple(chosen)) -> None:
            for left, profile in enumerate(reversed(tuple(profiles))):
                box.send(
                    "ReportChargingProfiles",
                    {
                        "requestId": request["requestId"],
                        "chargingLimitSource": "CSO",
                        "evseId": profile.evse_id,
                        "chargingProfile": [profile.raw],
                        "tbc": left < len(chosen) - 1,
                    },
                )

        box.afterwards(report)
        return _reply(call_result.GetChargingProfiles, status=_ACCEPTED)

    @on(Action.get_composite_schedule)
    def on_get_composite_schedule(self, **_: Any) -> object:
        """Return what limits are in force for the next so many seconds."""
        request: Payload = self._request.payload
        box = self._box
        if request["evseId"] > 1:
            return _reply(
                call_result.GetCompositeSchedule,
                status=_REJECTED,
                status_info=_because("UnknownEvse"),
            )
        now = box.now()
        known = (
            box.profiles.all()
            if box.quirks.composite_shows_target
            else box.enforced_profiles()
        )
        schedule = composite(
            known,
            begin=now,
            duration_s=request["duration"],
            started=box.transaction_began,
            phases=box.charger.phases,
            hardware_limit_a=box.station_limit_a,
            unit=RateUnit(request.get("chargingRateUnit", "A")),
            evse_id=request["evseId"],
        )
        match box.quirks.composite_oddity:
            case CompositeOddity.NONE:
                pass
            case CompositeOddity.MISSING:
                return _reply(call_result.GetCompositeSchedule, status=_ACCEPTED)
            case oddity:
                _make_odd(schedule, oddity, box.station_limit_a)
        return _reply(
            call_result.GetCompositeSchedule, status=_ACCEPTED, schedule=schedule
        )

    # --- Transactions ---

    @on(Action.request_start_transaction)
    def on_request_start_transaction(self, **_: Any) -> object:
        """Start a transaction, or authorize the one that waits for it."""
        request: Payload = self._request.payload
        box = self._box
        reason: str | None = None
        if box.finishing and box.quirks.start_rejected_after_stop:
            reason = "NotReady"
        elif request.get("evseId", 1) != 1:
            reason = "UnknownEvse"
        elif not box.operative or box.charger.faulted:
            reason = "NotEnabled"
        elif box.transaction and (
            box.transaction.authorized or not box.quirks.auth_enabled
        ):
            reason = "TxInProgress"
        profile = None
        if reason is None and "chargingProfile" in request:
            profile = read_profile(1, request["chargingProfile"])
            if profile.purpose is not Purpose.TX or profile.transaction_id:
                box.blame(
                    "RequestStartTransaction: its profile must be a TxProfile "
                    "without transactionId"
                )
                reason = "InvalidProfile"
        if reason:
            return _reply(
                call_result.RequestStartTransaction,
                status=_REJECTED,
                status_info=_because(reason),
            )
        waiting = box.transaction
        box.afterwards(
            lambda: box.start_remotely(
                request["idToken"], request["remoteStartId"], profile
            )
        )
        return _reply(
            call_result.RequestStartTransaction,
            status=_ACCEPTED,
            transaction_id=waiting.id if waiting else None,
        )

    @on(Action.request_stop_transaction)
    def on_request_stop_transaction(self, **_: Any) -> object:
        """End the running transaction; the cable stays in."""
        box = self._box
        wanted = self._request.payload["transactionId"]
        if box.transaction is None or box.transaction.id != wanted:
            return _reply(
                call_result.RequestStopTransaction,
                status=_REJECTED,
                status_info=_because("TxNotFound"),
            )
        box.afterwards(box.stop_remotely)
        return _reply(call_result.RequestStopTransaction, status=_ACCEPTED)

    # --- The box as a whole ---

    @on(Action.reset)
    def on_reset(self, **_: Any) -> object:
        """Reboot now, or when the transaction ends."""
        request: Payload = self._request.payload
        if "evseId" in request:
            return _reply(
                call_result.Reset,
                status=_REJECTED,
                status_info=_because("UnsupportedParam"),
            )
        if request["type"] == "OnIdle" and self._box.transaction:
            self._box.reset_scheduled = True
            return _reply(call_result.Reset, status="Scheduled")
        self._box.afterwards(self._box.begin_reset)
        return _reply(call_result.Reset, status=_ACCEPTED)

    @on(Action.change_availability)
    def on_change_availability(self, **_: Any) -> object:
        """Take the box out of service or back, after a running transaction."""
        request: Payload = self._request.payload
        if request.get("evse", {}).get("id", 1) not in (0, 1):
            return _reply(
                call_result.ChangeAvailability,
                status=_REJECTED,
                status_info=_because("UnknownEvse"),
            )
        operative = request["operationalStatus"] == "Operative"
        if not operative and self._box.transaction:
            self._box.inoperative_scheduled = True
            return _reply(call_result.ChangeAvailability, status="Scheduled")
        self._box.afterwards(lambda: self._box.set_operative(operative))
        return _reply(call_result.ChangeAvailability, status=_ACCEPTED)

    @on(Action.unlock_connector)
    def on_unlock_connector(self, **_: Any) -> object:
        """Let go of the plug, unless a transaction runs."""
        request: Payload = self._request.payload
        if (request["evseId"], request["connectorId"]) != (1, 1):
            return _reply(call_result.UnlockConnector, status="UnknownConnector")
        if self._box.transaction:
            return _reply(
                call_result.UnlockConnector, status="OngoingAuthorizedTransaction"
            )
        return _reply(call_result.UnlockConnector, status="Unlocked")


def _place(item: Payload) -> VariableId:
    component: Payload = item["component"]
    variable: Payload = item["variable"]
    evse: Payload = component.get("evse", {})
    return VariableId(
        component=component["name"],
        variable=variable["name"],
        instance=variable.get("instance", ""),
        evse=evse.get("id"),
        connector=evse.get("connectorId"),
    )


def _make_odd(schedule: Payload, oddity: CompositeOddity, most_a: float) -> None:
    """Tell a composite schedule another way; `most_a` is the hardware's limit in A."""
    periods: list[Payload] = schedule["chargingSchedulePeriod"]
    watts = schedule["chargingRateUnit"] == RateUnit.WATT.value
    for period in periods:
        phases: int = period["numberPhases"]
        ampere = NOMINAL_VOLTAGE_V * phases if watts else 1.0
        match oddity:
            case CompositeOddity.UNLIMITED_IS_MINUS_ONE:
                if period["limit"] >= most_a * ampere:
                    period["limit"] = -1.0
            case CompositeOddity.ALWAYS_MINUS_ONE:
                period["limit"] = -1.0
            case CompositeOddity.WATTS_OF_ONE_PHASE:
                amperes = period["limit"] / ampere
                period["limit"] = round(amperes * NOMINAL_VOLTAGE_V, 1)
                period["numberPhases"] = 1
            case _:
                pass
    if oddity is CompositeOddity.WATTS_OF_ONE_PHASE:
        schedule["chargingRateUnit"] = RateUnit.WATT.value
