"""Provisioning: variables, reports, messages on demand, reset and availability."""

from __future__ import annotations

from typing import Any, Final

from ocpp.v201 import call_result
from ocpp.v201.enums import Action

from .. import device_model
from ..device_model import Mutability, Variable, VariableId, VariableStatus
from ..records import Payload
from .base import ACCEPTED, REJECTED, Handler, on, reply, status_info

_REPORT_PART: Final = 10
"""Variables in one NotifyReport, ItemsPerMessage of the inventory."""


class ProvisioningHandlers(Handler):
    """Answers what is asked and told of the box as a whole."""

    @on(Action.get_variables)
    def on_get_variables(self, **_: Any) -> object:
        """Return the values of variables."""
        wanted: list[Payload] = self.request.payload["getVariableData"]
        box = self.box
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
        return reply(call_result.GetVariables, get_variable_result=results)

    def _read(self, item: Payload) -> tuple[VariableStatus, str | None]:
        place = _place(item)
        if (
            self.box.quirks.identity_unknown
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
        found = self.box.model.find(_place(item))
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
        for item in self.request.payload["setVariableData"]:
            result: Payload = {
                "attributeStatus": self._write(item).value,
                "component": item["component"],
                "variable": item["variable"],
            }
            if "attributeType" in item:
                result["attributeType"] = item["attributeType"]
            results.append(result)
        return reply(call_result.SetVariables, set_variable_result=results)

    def _write(self, item: Payload) -> VariableStatus:
        box = self.box
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
        request: Payload = self.request.payload
        box = self.box
        if request["reportBase"] == "SummaryInventory":
            return reply(call_result.GetBaseReport, status="NotSupported")
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
        return reply(call_result.GetBaseReport, status=ACCEPTED)

    @on(Action.trigger_message)
    def on_trigger_message(self, **_: Any) -> object:
        """Send a message of the asked kind, or refuse."""
        box, quirks = self.box, self.box.quirks
        match self.request.payload["requestedMessage"]:
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
                return reply(call_result.TriggerMessage, status=REJECTED)
            case _:
                return reply(call_result.TriggerMessage, status="NotImplemented")
        return reply(call_result.TriggerMessage, status=ACCEPTED)

    @on(Action.reset)
    def on_reset(self, **_: Any) -> object:
        """Reboot now, or when the transaction ends."""
        request: Payload = self.request.payload
        if "evseId" in request:
            return reply(
                call_result.Reset,
                status=REJECTED,
                status_info=status_info("UnsupportedParam"),
            )
        if request["type"] == "OnIdle" and self.box.transaction:
            self.box.reset_scheduled = True
            return reply(call_result.Reset, status="Scheduled")
        self.box.afterwards(self.box.begin_reset)
        return reply(call_result.Reset, status=ACCEPTED)

    @on(Action.change_availability)
    def on_change_availability(self, **_: Any) -> object:
        """Take the box out of service or back, after a running transaction."""
        request: Payload = self.request.payload
        if request.get("evse", {}).get("id", 1) not in (0, 1):
            return reply(
                call_result.ChangeAvailability,
                status=REJECTED,
                status_info=status_info("UnknownEvse"),
            )
        operative = request["operationalStatus"] == "Operative"
        if not operative and self.box.transaction:
            self.box.inoperative_scheduled = True
            return reply(call_result.ChangeAvailability, status="Scheduled")
        self.box.afterwards(lambda: self.box.set_operative(operative))
        return reply(call_result.ChangeAvailability, status=ACCEPTED)


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
