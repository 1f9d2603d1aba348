"""Messages with one detail that breaks the schema, as some firmware sends them."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from copy import deepcopy
from datetime import datetime
from typing import Any

from .quirks import Bent
from .records import Payload

_SAMPLING = frozenset({"TransactionEvent", "MeterValues"})
_STAMPED = frozenset({"TransactionEvent", "StatusNotification"})


def bend(action: str, payload: Payload, bent: AbstractSet[Bent]) -> Payload:
    """Return the payload with those details bent that its action has."""
    if not bent:
        return payload
    result = deepcopy(payload)
    for detail in bent:
        _bend(detail, action, result)
    return result


def _bend(detail: Bent, action: str, payload: Payload) -> None:
    match detail:
        case Bent.FIRMWARE_TOO_LONG if action == "BootNotification":
            firmware = "01.20.06.71-release-" + "0123456789" * 4
            payload["chargingStation"]["firmwareVersion"] = firmware
        case Bent.FIRMWARE_NULL if action == "BootNotification":
            payload["chargingStation"]["firmwareVersion"] = None
        case Bent.MEASURAND_OF_2_1 if action in _SAMPLING:
            for value in _meter_values(payload):
                value["sampledValue"].append(
                    {"value": 57.0, "measurand": "Display.PresentSOC"}
                )
        case Bent.TIME_WITHOUT_ZONE:
            _strip_zones(payload)
        case Bent.TIME_IN_EPOCH_SECONDS if action in _STAMPED:
            moment = datetime.fromisoformat(payload["timestamp"])
            payload["timestamp"] = int(moment.timestamp())
        case Bent.EMPTY_SAMPLED_VALUE if action in _SAMPLING:
            if values := _meter_values(payload):
                empty = {"timestamp": values[0]["timestamp"], "sampledValue": []}
                values.insert(0, empty)
        case Bent.VALUE_AS_TEXT if action in _SAMPLING:
            for value in _meter_values(payload):
                for sampled in value["sampledValue"]:
                    if sampled.get("measurand") == "Voltage":
                        sampled["value"] = str(sampled["value"])
        case Bent.REASON_OF_2_1 if action == "TransactionEvent":
            payload["triggerReason"] = "CostLimitReached"
        case Bent.FIELD_OF_2_1 if action == "TransactionEvent":
            payload["costDetails"] = {"failureToCalculate": True}
        case Bent.STATUS_OF_1_6 if action == "StatusNotification":
            status = {"Occupied": "Charging", "Available": "Available"}
            payload["connectorStatus"] = status.get(
                payload["connectorStatus"], "SuspendedEV"
            )
        case _:
            pass


def _meter_values(payload: Payload) -> list[Payload]:
    values: list[Payload] = payload.get("meterValue", [])
    return values


def _strip_zones(value: Any) -> None:
    match value:
        case dict():
            for key, item in value.items():
                if key in ("timestamp", "generatedAt") and isinstance(item, str):
                    value[key] = item.removesuffix("Z")
                else:
                    _strip_zones(item)
        case list():
            for item in value:
                _strip_zones(item)
