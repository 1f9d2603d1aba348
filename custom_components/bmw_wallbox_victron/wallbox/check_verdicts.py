"""What was said while a wallbox was checked -> what is different about it.

Pure functions. Each returns what is different, nothing where all is as OCPP lets
expect, and None where nothing was said that could tell.
"""

from collections.abc import Iterator, Mapping
from statistics import median
from typing import Any, Final

from ocpp.v201 import call

from .check_log import CheckLog, Exchange, Message
from .findings import Detail
from .meter_values import MAX_REGISTER_WH
from .observation import TOLERANCE_A

type Details = tuple[Detail, ...] | None

#: A wallbox on a good network answers well within this, in s.
SLOW_ANSWER_S: Final = 2.0
_SETTINGS: Final = ("SampledDataCtrlr", "AlignedDataCtrlr")
_TAKEN: Final = ("Accepted", "RebootRequired")
_CURRENT: Final = "Current.Import"
_REGISTER: Final = "Energy.Active.Import.Register"


def metering(log: CheckLog, *, session: bool, unmetered: bool) -> Details:
    """Judge how it tells what flows; `unmetered`: it did not tell the current."""
    found: list[Detail] = []
    settings = {
        place: status in _TAKEN
        for place, status in _written(log)
        if place[0] in _SETTINGS
    }
    if not all(settings.values()):
        found.append(Detail.SETTINGS_REFUSED)
    refused = {
        trigger: exchange.status != "Accepted"
        for trigger, exchange in _triggered(log)
        if not exchange.lost
    }
    if session and refused.get("TransactionEvent"):
        found.append(Detail.EVENTS_REFUSED)
    if refused.get("MeterValues"):
        found.append(Detail.METER_VALUES_REFUSED)
    updates = [
        each.payload
        for each in _of(log, "TransactionEvent")
        if each.payload.get("event_type") == "Updated"
    ]
    if updates and not any(each.get("meter_value") for each in updates):
        found.append(Detail.EVENTS_WITHOUT_VALUES)
    if unmetered:
        found.append(Detail.NO_CURRENT)
    return tuple(found) if found or settings or refused or updates else None


def _written(log: CheckLog) -> Iterator[tuple[tuple[str, str], str]]:
    """Return what of each variable became that we have written, the newest last."""
    for request, exchange in log.asked(call.SetVariables):
        if exchange.answer is None:
            if exchange.error is not None and len(request.set_variable_data) == 1:
                item = request.set_variable_data[0]
                yield (item.component.name, item.variable.name), exchange.error
            continue
        for result in exchange.answer["set_variable_result"]:
            place = result["component"]["name"], result["variable"]["name"]
            yield place, result["attribute_status"]


def _triggered(log: CheckLog) -> Iterator[tuple[str, Exchange]]:
    for request, exchange in log.asked(call.TriggerMessage):
        yield str(request.requested_message), exchange


def _of(log: CheckLog, action: str) -> list[Message]:
    return [each for each in log.messages if each.action == action]


def _samples(log: CheckLog) -> Iterator[list[Mapping[str, Any]]]:
    """Return what the meter said of now, each moment by itself."""
    for message in log.messages:
        if message.action not in ("MeterValues", "TransactionEvent") or (
            message.payload.get("offline")
        ):
            continue
        for item in message.payload.get("meter_value") or ():
            yield [
                each
                for each in item.get("sampled_value") or ()
                if each.get("context") != "Transaction.Begin"
            ]


def phaseless_current(log: CheckLog) -> Details:
    """Judge whether a current without a phase agrees with those of the phases."""
    compared = False
    for sampled in _samples(log):
        currents = [each for each in sampled if each.get("measurand") == _CURRENT]
        whole = [each["value"] for each in currents if "phase" not in each]
        phases = [
            each["value"]
            for each in currents
            if str(each.get("phase", "")) in ("L1", "L2", "L3")
        ]
        if not whole or not phases:
            continue
        compared = True
        # Of several phases: the highest, all together, or their mean.
        means = (max(phases), sum(phases), sum(phases) / len(phases))
        if all(abs(whole[0] - each) > TOLERANCE_A for each in means):
            return (Detail.FROZEN,)
    return () if compared else None


def register(log: CheckLog) -> Details:
    """Judge whether the energy register goes on."""
    found: list[Detail] = []
    last: dict[str, float] = {}
    told = False
    for sampled in _samples(log):
        for each in sampled:
            if each.get("measurand", _REGISTER) != _REGISTER:
                continue
            told = True
            unit = each.get("unit_of_measure") or {}
            factor = 10.0 ** unit.get("multiplier", 0)
            if str(unit.get("unit", "Wh")).lower() == "kwh":
                factor *= 1000
            value, phase = each["value"] * factor, str(each.get("phase", ""))
            if not 0 <= value <= MAX_REGISTER_WH:
                continue
            before = last.get(phase, 0.0)
            if not value and before:
                found.append(Detail.REGISTER_ZERO)
            elif value < before - 1:
                found.append(Detail.REGISTER_FELL)
            last[phase] = value or before
    return tuple(dict.fromkeys(found)) if told else None


def identity(log: CheckLog) -> Details:
    """Judge whether it says who and how it is."""
    found: list[Detail] = []
    statuses: dict[tuple[str, str], str] = {}
    asked = False
    for request, exchange in log.asked(call.GetVariables):
        if exchange.lost:
            continue
        asked = True
        results = [] if exchange.answer is None else _results(exchange.answer)
        refused = all(status == "Rejected" for _, status in results)
        if refused and len(request.get_variable_data) > 1:
            found.append(Detail.ONE_BY_ONE)
        else:
            statuses.update(results)
    if statuses.get(("ChargingStation", "Model"), "Accepted") != "Accepted":
        found.append(Detail.IDENTITY_UNKNOWN)
    for trigger, exchange in _triggered(log):
        if trigger == "StatusNotification" and not exchange.lost:
            asked = True
            if exchange.status != "Accepted":
                found.append(Detail.STATUS_REFUSED)
    return tuple(dict.fromkeys(found)) if asked else None


def _results(answer: Mapping[str, Any]) -> list[tuple[tuple[str, str], str]]:
    return [
        (
            (each["component"]["name"], each["variable"]["name"]),
            each["attribute_status"],
        )
        for each in answer["get_variable_result"]
    ]


def answers(log: CheckLog) -> Details:
    """Judge how soon it answers."""
    took = [each.took for each in log.exchanges if not each.lost]
    if not took:
        return None
    return (Detail.SLOW_ANSWERS,) if median(took) >= SLOW_ANSWER_S else ()


def responsive(log: CheckLog) -> Details:
    """Judge whether it answers each call."""
    if not log.exchanges:
        return None
    return (Detail.UNANSWERED,) if any(each.lost for each in log.exchanges) else ()


def sessions(log: CheckLog, transaction_id: str, *, paused: bool) -> Details:
    """Judge what it says of a session that runs; `paused`: it was, meanwhile."""
    found: list[Detail] = []
    free = {
        each.payload.get("connector_status") for each in _of(log, "StatusNotification")
    }
    if "Available" in free:
        found.append(Detail.FREE_IN_SESSION)
    infos = [each["transaction_info"] for each in _events(log, transaction_id)]
    if paused and infos and not any("charging_state" in each for each in infos):
        found.append(Detail.STATE_OMITTED)
    return tuple(found) if infos else None


def _events(log: CheckLog, transaction_id: str) -> list[Mapping[str, Any]]:
    return [
        each.payload
        for each in _of(log, "TransactionEvent")
        if (each.payload.get("transaction_info") or {}).get("transaction_id")
        == transaction_id
    ]


def queue(log: CheckLog, transaction_id: str) -> Details:
    """Judge whether what happened while it was away came afterwards."""
    events = _events(log, transaction_id)
    numbers = {each["seq_no"] for each in events if "seq_no" in each}
    if numbers and len(numbers) < max(numbers) - min(numbers) + 1:
        return (Detail.EVENTS_LOST,)
    return () if any(each.get("offline") for each in events) else None


def boots(log: CheckLog, returned_at: float | None) -> tuple[Detail, ...]:
    """Judge when it says that it has booted; `returned_at`: when it came back."""
    found: list[Detail] = []
    if returned_at is not None:
        since = [each for each in log.messages if each.at >= returned_at]
        # It is not allowed to say anything else before that (B01).
        if since and since[0].action == "BootNotification":
            found.append(Detail.BOOTS_ON_CONNECT)
    if len(_of(log, "BootNotification")) > len(found):
        found.append(Detail.BOOTS_AGAIN)
    return tuple(found)


def tells_current(log: CheckLog) -> bool:
    """Return whether a current was told at all."""
    return any(
        each.get("measurand") == _CURRENT
        for sampled in _samples(log)
        for each in sampled
    )
