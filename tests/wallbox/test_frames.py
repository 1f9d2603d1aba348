"""The gate: every frame is admitted, answered with the right CALLERROR, or dropped."""

from datetime import datetime
from functools import cache
import gc
from importlib import resources
import json
import threading
import time
from typing import Any

from hypothesis import given, strategies as st
from jsonschema import Draft6Validator, FormatChecker
from ocpp.messages import Call, CallError, CallResult
import pytest

from custom_components.bmw_wallbox_victron.wallbox import json_text
from custom_components.bmw_wallbox_victron.wallbox.frames import (
    Dropped,
    Frames,
    Gate,
    Refused,
    call_error,
)
from custom_components.bmw_wallbox_victron.wallbox.handlers import HANDLERS
from custom_components.bmw_wallbox_victron.wallbox.schemas import Schemas
from custom_components.bmw_wallbox_victron.wallbox.station_config import StationConfig
from custom_components.bmw_wallbox_victron.wallbox.trace import Trace

from ..kit.wallbox import RULE, now

#: What a station may send by OCPP 2.0.1.
STATION_REQUESTS = (
    "Authorize",
    "BootNotification",
    "ClearedChargingLimit",
    "DataTransfer",
    "FirmwareStatusNotification",
    "Get15118EVCertificate",
    "GetCertificateStatus",
    "Heartbeat",
    "LogStatusNotification",
    "MeterValues",
    "NotifyChargingLimit",
    "NotifyCustomerInformation",
    "NotifyDisplayMessages",
    "NotifyEVChargingNeeds",
    "NotifyEVChargingSchedule",
    "NotifyEvent",
    "NotifyMonitoringReport",
    "NotifyReport",
    "PublishFirmwareStatusNotification",
    "ReportChargingProfiles",
    "ReservationStatusUpdate",
    "SecurityEventNotification",
    "SignCertificate",
    "StatusNotification",
    "TransactionEvent",
)
CODES = {
    "FormatViolation",
    "GenericError",
    "InternalError",
    "MessageTypeNotSupported",
    "NotImplemented",
    "NotSupported",
    "OccurrenceConstraintViolation",
    "PropertyConstraintViolation",
    "ProtocolError",
    "RpcFrameworkError",
    "SecurityError",
    "TypeConstraintViolation",
}
SCHEMAS = Schemas.load()
GATE = Gate(SCHEMAS, frozenset(STATION_REQUESTS))
SECRET = "04A1B2C3D4E5F6"

STATUS = {
    "timestamp": "2026-03-01T12:00:00Z",
    "connectorStatus": "Available",
    "evseId": 1,
    "connectorId": 1,
}
TOKEN = {"idToken": {"idToken": SECRET, "type": "ISO14443"}}


def frame(action: Any, payload: Any, unique_id: str = "id-1") -> str:
    """Write a CALL."""
    return json.dumps([2, unique_id, action, payload])


def refusal(raw: str | bytes) -> tuple[str, str]:
    """Give id and code of the CALLERROR that answers a frame."""
    verdict = GATE.admit(raw)
    assert isinstance(verdict, Refused), verdict
    kind, unique_id, code, description, details = json.loads(verdict.answer)
    assert kind == 4
    assert isinstance(unique_id, str)
    assert len(unique_id) <= 36
    assert code in CODES
    assert isinstance(description, str)
    assert len(description) <= 255
    assert details == {}
    return unique_id, code


def code_of(action: Any, payload: Any) -> str:
    unique_id, code = refusal(frame(action, payload))
    assert unique_id == "id-1"
    return code


def minimal(schema: dict[str, Any], root: dict[str, Any] | None = None) -> Any:
    """Build the smallest value that a schema allows."""
    root = root or schema
    if reference := schema.get("$ref"):
        return minimal(root["definitions"][reference.split("/")[-1]], root)
    match schema.get("type"):
        case "object":
            properties = schema.get("properties", {})
            return {
                name: minimal(properties[name], root)
                for name in schema.get("required", ())
            }
        case "array":
            return [minimal(schema["items"], root)] * schema.get("minItems", 0)
        case "string" if "enum" in schema:
            return schema["enum"][0]
        case "string":
            return STATUS["timestamp"] if schema.get("format") else "x"
        case "integer" | "number":
            return int(schema.get("minimum", 1))
        case "boolean":
            return False
        case _:
            return "x"


@cache
def schema_of(action: str) -> dict[str, Any]:
    """Read the schema of a request."""
    file = resources.files("ocpp.v201") / "schemas" / f"{action}Request.json"
    found: dict[str, Any] = json.loads(file.read_text("utf-8-sig"))
    return found


def request(action: str) -> Any:
    """Build the smallest valid payload of a request."""
    return minimal(schema_of(action))


FORMATS = FormatChecker(formats=())


@FORMATS.checks("date-time", raises=ValueError)
def is_date_time(value: object) -> bool:
    return not isinstance(value, str) or bool(datetime.fromisoformat(value))


@cache
def validator(action: str) -> Draft6Validator:
    """Return another judge of a request's payload."""
    return Draft6Validator(schema_of(action), format_checker=FORMATS)


# What is admitted


@pytest.mark.parametrize("action", STATION_REQUESTS)
def test_what_a_station_may_send(action: str) -> None:
    """The smallest valid payload of each of the 25 requests."""
    payload = request(action)
    verdict = GATE.admit(frame(action, payload))
    assert isinstance(verdict, Call)
    assert (verdict.unique_id, verdict.action) == ("id-1", action)
    assert verdict.payload == payload


def test_all_of_them_are_served() -> None:
    """Each has a handler, so none is answered NotSupported."""
    assert set(HANDLERS) == set(STATION_REQUESTS)


@pytest.mark.parametrize("length", [1, 36])
def test_ids_that_may_be(length: int) -> None:
    verdict = GATE.admit(frame("Heartbeat", {}, "x" * length))
    assert isinstance(verdict, Call)


@pytest.mark.parametrize(
    "time",
    [
        "2026-03-01T12:00:00Z",
        "2026-03-01T12:00:00.123456789Z",
        "2026-03-01T12:00:00+14:00",
        "1970-01-01T00:00:00.0-00:00",
        "2026-03-01t12:00:00z",
    ],
)
def test_times_that_may_be(time: str) -> None:
    """RFC 3339, in either case."""
    verdict = GATE.admit(frame("StatusNotification", STATUS | {"timestamp": time}))
    assert isinstance(verdict, Call)


def test_emoji_is_no_lone_surrogate() -> None:
    """A character beyond 16 bits is a pair of them, in ASCII JSON."""
    payload = {"vendorId": "x", "data": "\U0001f50c"}
    verdict = GATE.admit(frame("DataTransfer", payload))
    assert isinstance(verdict, Call)
    assert verdict.payload == payload


def test_vendors_own_data_is_left_alone() -> None:
    payload = {"customData": {"vendorId": "x", "any_Thing": [1, {"Some-Key": None}]}}
    verdict = GATE.admit(frame("Heartbeat", payload))
    assert isinstance(verdict, Call)
    assert verdict.payload == payload


# No frame at all: the answer has the id "-1"


@pytest.mark.parametrize(
    "raw",
    [
        "",
        "hello",
        "{",
        "[2,",
        "{}",
        "null",
        "2",
        '"text"',
        "[]",
        "[2]",
        "[5]",
        '[2,5,"Heartbeat",{}]',
        '[2,null,"Heartbeat",{}]',
        '[2,["id"],"Heartbeat",{}]',
        '[2,"","Heartbeat",{}]',
        json.dumps([2, "x" * 37, "Heartbeat", {}]),
        "\ufeff[]",
        '[2,"id-1","Heartbeat",{}]x',
    ],
)
def test_no_readable_id(raw: str) -> None:
    """Not JSON, no array, no id of at most 36 characters."""
    assert refusal(raw) == ("-1", "RpcFrameworkError")


HOSTILE = {
    "deep array": "[" * 100_000,
    "deep array that ends": "[" * 100_000 + "]" * 100_000,
    "deep object": '{"a":' * 100_000,
    "endless integer": "1" * 5000,
    "endless integer inside": '[2,"id-1","Heartbeat",{"x":-' + "1" * 5000 + "}]",
    "NaN": '[2,"id-1","Heartbeat",{"x":NaN}]',
    "Infinity": '[2,"id-1","Heartbeat",{"x":-Infinity}]',
    "1e999": '[2,"id-1","Heartbeat",{"x":1e999}]',
    "lone surrogate": '[2,"id-1","DataTransfer",{"vendorId":"\\ud800"}]',
    "lone surrogate in capitals": '[2,"id-1","DataTransfer",{"vendorId":"\\uDFFF"}]',
    "lone surrogate as a key": '[2,"id-1","Heartbeat",{"\\udc00":1}]',
    "lone surrogate as the id": '[2,"\\ud800","Heartbeat",{}]',
    "2 MiB of blanks": " " * 2**21,
}


@pytest.mark.parametrize("raw", HOSTILE.values(), ids=HOSTILE)
def test_hostile_text(raw: str) -> None:
    assert refusal(raw) == ("-1", "RpcFrameworkError")


@pytest.mark.parametrize(
    "raw", [b"", b"\x00\xff", b'[2,"id-1","Heartbeat",{}]', b"x" * 2**21]
)
def test_binary_frames(raw: bytes) -> None:
    """OCPP-J is text."""
    assert refusal(raw) == ("-1", "RpcFrameworkError")


@pytest.mark.parametrize("depth", [50, 500, 5000, 20_000])
@pytest.mark.parametrize(
    "template",
    [
        '[2,"id-1","Heartbeat",{"x":%s}]',
        '[2,"id-1","StatusNotification",{"timestamp":%s}]',
        '[2,"id-1","StatusNotification",%s]',
        '[2,"id-1",%s,{}]',
        '[3,"id-1",%s]',
        '[4,"id-1",%s,%s,%s]',
    ],
)
def test_deep_payloads(template: str, depth: int) -> None:
    """Deep enough to trouble whoever looks into it: no exception, whatever comes."""
    deep = "[" * depth + "]" * depth
    verdict = GATE.admit(template.replace("%s", deep))
    assert isinstance(verdict, Refused | Dropped | CallResult | CallError)


def test_long_messages() -> None:
    """No length is too long for what is whole: the server bounds it, at 4 MiB."""
    raw = frame("Heartbeat", {})
    assert isinstance(GATE.admit(raw + " " * (2**22 - len(raw))), Call)
    text = {"vendorId": "x" * 2**21}
    assert code_of("DataTransfer", text) == "PropertyConstraintViolation"


# A frame with an id, and a fault


@pytest.mark.parametrize(
    "raw",
    [
        '[2,"id-1"]',
        '[2,"id-1","Heartbeat"]',
        '[2,"id-1","Heartbeat",{},{}]',
        '[2,"id-1",5,{}]',
        '[2,"id-1",null,{}]',
        '[2,"id-1",["Heartbeat"],{}]',
        '[2,"id-1",{"a":1},{}]',
    ],
)
def test_action_or_payload_missing(raw: str) -> None:
    """Also an action that cannot be looked up, such as a list."""
    assert refusal(raw) == ("id-1", "RpcFrameworkError")


@pytest.mark.parametrize("kind", ["0", "1", "5", "6", "-2", '"2"', "null", "2.5", "[]"])
def test_unknown_message_type(kind: str) -> None:
    raw = f'[{kind},"id-1","Heartbeat",{{}}]'
    assert refusal(raw) == ("id-1", "MessageTypeNotSupported")


@pytest.mark.parametrize(
    "action",
    [
        "StartTransaction",  # OCPP 1.6
        "NotifySettlement",  # OCPP 2.1
        "heartbeat",
        "Heartbeat ",
        "HeartbeatRequest",
        "",
        "Nonsense",
        "x" * 1000,
    ],
)
def test_action_that_ocpp_201_does_not_know(action: str) -> None:
    assert code_of(action, {}) == "NotImplemented"


@pytest.mark.parametrize("action", ["Reset", "SetVariables", "TriggerMessage"])
def test_action_in_the_wrong_direction(action: str) -> None:
    assert code_of(action, {}) == "NotSupported"


def test_action_that_is_not_served() -> None:
    gate = Gate(SCHEMAS, frozenset({"Heartbeat"}))
    verdict = gate.admit(frame("SignCertificate", {"csr": "x"}))
    assert isinstance(verdict, Refused)
    assert json.loads(verdict.answer)[2] == "NotSupported"


@pytest.mark.parametrize("payload", [[], "text", 5, None, True])
def test_payload_that_is_no_object(payload: Any) -> None:
    assert code_of("Heartbeat", payload) == "FormatViolation"


def test_property_that_the_action_does_not_have() -> None:
    assert code_of("Heartbeat", {"surplus": 1}) == "FormatViolation"


@pytest.mark.parametrize("missing", STATUS)
def test_required_field_missing(missing: str) -> None:
    payload = {key: value for key, value in STATUS.items() if key != missing}
    assert code_of("StatusNotification", payload) == "OccurrenceConstraintViolation"


def test_too_few_and_too_many_items() -> None:
    assert (
        code_of("MeterValues", {"evseId": 1, "meterValue": []})
        == "OccurrenceConstraintViolation"
    )
    certificate = {
        "hashAlgorithm": "SHA256",
        "issuerNameHash": "x",
        "issuerKeyHash": "x",
        "serialNumber": "x",
        "responderURL": "x",
    }
    assert (
        code_of("Authorize", TOKEN | {"iso15118CertificateHashData": [certificate] * 5})
        == "OccurrenceConstraintViolation"
    )


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("evseId", "1"),
        ("evseId", 1.5),
        ("evseId", True),
        ("evseId", None),
        ("timestamp", 5),
        ("connectorStatus", ["Available"]),
        ("connectorStatus", 1),
    ],
)
def test_wrong_json_type(field: str, value: Any) -> None:
    payload = STATUS | {field: value}
    assert code_of("StatusNotification", payload) == "TypeConstraintViolation"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("connectorStatus", "available"),
        ("connectorStatus", ""),
        ("timestamp", ""),
        ("timestamp", "yesterday"),
        ("timestamp", "2026-03-01"),
        ("timestamp", "2026-03-01T12:00:00"),
        ("timestamp", "2026-02-30T12:00:00Z"),
        ("timestamp", "2026-03-01T25:00:00Z"),
        ("timestamp", "2026-03-01 12:00:00Z"),
        ("timestamp", "٢٠٢٦-03-01T12:00:00Z"),
        ("timestamp", "2026-03-01T12:00:00Z\n"),
    ],
)
def test_value_that_may_not_be(field: str, value: Any) -> None:
    """Not in the enum, no date-time with its offset."""
    payload = STATUS | {field: value}
    assert code_of("StatusNotification", payload) == "PropertyConstraintViolation"


def test_integer_beyond_all_bounds() -> None:
    """OCPP's have 32 bits; what has more than 64 could not even be stored."""
    payload = request("TransactionEvent") | {"seqNo": 2**64}
    refused = GATE.admit(json.dumps([2, "id-1", "TransactionEvent", payload]))
    assert isinstance(refused, Refused)
    assert json.loads(refused.answer)[:3] == [4, "-1", "RpcFrameworkError"]


def test_text_too_long() -> None:
    payload = {"idToken": {"idToken": "x" * 37, "type": "ISO14443"}}
    assert code_of("Authorize", payload) == "PropertyConstraintViolation"


# One bent detail costs that detail

GOOD = {"value": 230.5, "measurand": "Voltage", "phase": "L1-N"}
EVENT: dict[str, Any] = {
    "eventType": "Ended",
    "timestamp": "2026-03-01T12:00:00Z",
    "triggerReason": "StopAuthorized",
    "seqNo": 7,
    "transactionInfo": {"transactionId": "x", "stoppedReason": "Local"},
    "meterValue": [{"timestamp": "2026-03-01T12:00:00Z", "sampledValue": [GOOD]}],
}


def whole(action: str, payload: Any) -> Any:
    """Give what is left of a payload that is refused; None: nothing."""
    verdict = GATE.admit(frame(action, payload))
    assert isinstance(verdict, Refused)
    if verdict.whole is None:
        return None
    assert (verdict.whole.unique_id, verdict.whole.action) == ("id-1", action)
    return verdict.whole.payload


def values(*sampled: Any) -> dict[str, Any]:
    """Give meter values with these sampled values, and a good one in an item before."""
    return {
        "evseId": 1,
        "meterValue": [
            {"timestamp": "2026-03-01T11:59:00Z", "sampledValue": [GOOD]},
            {"timestamp": "2026-03-01T12:00:00Z", "sampledValue": list(sampled)},
        ],
    }


@pytest.mark.parametrize(
    "bent",
    [
        {"value": 5, "measurand": "Power.Active.Setpoint"},  # OCPP 2.1
        {"value": "230"},
        {"value": None},
        {"value": 5, "surplus": 1},
        {"value": 5, "phase": "L4"},
        {"value": 5, "unitOfMeasure": {"multiplier": 0.5}},
        {"measurand": "Voltage"},
        5,
        [],
    ],
    ids=str,
)
def test_bent_sampled_value_costs_no_other(bent: Any) -> None:
    """All of it goes: without its measurand, a value would be one of energy."""
    assert whole("MeterValues", values(GOOD, bent, GOOD)) == values(GOOD, GOOD)


def test_empty_sampled_value_costs_its_moment() -> None:
    assert whole("MeterValues", values())["meterValue"] == values()["meterValue"][:1]


def test_list_in_which_nothing_is_whole_goes() -> None:
    """And with it what needs it; what does not stays."""
    bent = EVENT | {"meterValue": values({"value": "x"})["meterValue"][1:]}
    assert "meterValue" not in whole("TransactionEvent", bent)
    assert whole("TransactionEvent", bent)["seqNo"] == 7
    assert whole("MeterValues", {"evseId": 1, "meterValue": []}) is None


@pytest.mark.parametrize(
    ("bent", "lost"),
    [
        ({"timestamp": "2026-03-01T12:00:00"}, "timestamp"),
        ({"triggerReason": "CostLimitReached"}, "triggerReason"),
        ({"eventType": "Finished"}, "eventType"),
        ({"seqNo": "7"}, "seqNo"),
        ({"idToken": {"idToken": "x" * 37, "type": "ISO14443"}}, "idToken"),
        ({"evse": {"id": "1"}}, "evse"),
        ({"surplus": {"deep": [1]}}, "surplus"),
        ({"offline": "yes"}, "offline"),
    ],
)
def test_bent_property_of_an_event(bent: dict[str, Any], lost: str) -> None:
    """Required or not: what the event says else counts."""
    left = {key: value for key, value in EVENT.items() if key != lost}
    assert whole("TransactionEvent", EVENT | bent) == left


def test_several_bent_details() -> None:
    info = {"transactionId": "x", "stoppedReason": "Boredom", "chargingState": 5}
    bent = EVENT | {"transactionInfo": info, "timestamp": "now", "a": 1, "b": 2}
    left = whole("TransactionEvent", bent)
    assert left == {
        key: value for key, value in EVENT.items() if key != "timestamp"
    } | {"transactionInfo": {"transactionId": "x"}}
    assert bent["a"] == 1, "what came is left as it was"


@pytest.mark.parametrize("bent", [5, "x" * 37, None])
def test_event_of_no_transaction(bent: Any) -> None:
    """It is of the one that runs, and says how that ended."""
    info = {"transactionId": bent, "stoppedReason": "Local"}
    left = whole("TransactionEvent", EVENT | {"transactionInfo": info})
    assert left == EVENT | {"transactionInfo": {"stoppedReason": "Local"}}


@pytest.mark.parametrize("lost", STATUS)
def test_bent_status(lost: str) -> None:
    """Whatever is bent in it, the rest of a StatusNotification counts."""
    left = {key: value for key, value in STATUS.items() if key != lost}
    assert whole("StatusNotification", STATUS | {lost: {}}) == left
    assert whole("StatusNotification", left) == left


def test_bent_boot() -> None:
    """A firmware's name is 50 characters at most, a model's 20."""
    station = {"model": "x" * 21, "vendorName": "Delta", "firmwareVersion": "x" * 51}
    left = whole("BootNotification", {"reason": "Boot", "chargingStation": station})
    assert left == {"chargingStation": {"vendorName": "Delta"}}
    assert whole("BootNotification", {}) == {}


@pytest.mark.parametrize("number", ["NaN", "-Infinity", "1e999", "9" * 5000])
def test_number_that_is_none(number: str) -> None:
    """It is no JSON, so the answer has no id; the other values count."""
    raw = frame("MeterValues", values(GOOD, {"value": 99}, GOOD))
    raw = raw.replace('"value": 99', f'"value": {number}')
    assert refusal(raw) == ("-1", "RpcFrameworkError")
    verdict = GATE.admit(raw)
    assert isinstance(verdict, Refused)
    assert verdict.whole is not None
    assert verdict.whole.payload == values(GOOD, GOOD)


def test_answer_with_a_bent_detail() -> None:
    """What a wallbox answers counts as well, but for what is bent."""
    good = {
        "attributeStatus": "Accepted",
        "attributeValue": "32",
        "component": {"name": "ChargingStation"},
        "variable": {"name": "MaxCurrent"},
    }
    bent = good | {"attributeStatus": "Perhaps"}
    payload = {"getVariableResult": [bent, good]}
    left, fault = GATE.check_result("GetVariables", payload)
    assert left == {"getVariableResult": [good]}
    assert fault == "GetVariablesResponse, getVariableResult.0.attributeStatus: enum"


def test_bent_item_of_a_report() -> None:
    """Without its type, an attribute would be taken for the actual value."""
    attribute = {"value": "6", "type": "Minimum"}
    item = {
        "component": {"name": "ChargingStation"},
        "variable": {"name": "MaxCurrent"},
        "variableAttribute": [{"value": "32"}],
    }
    payload = {"requestId": 1, "generatedAt": STATUS["timestamp"], "seqNo": 0}
    bent = item | {"variableAttribute": [attribute]}
    assert whole("NotifyReport", payload | {"reportData": [bent, item]}) == (
        payload | {"reportData": [item]}
    )


def test_bent_composite_schedule() -> None:
    """Without one of its periods it would be another schedule."""
    period = {"startPeriod": 0, "limit": 0}
    schedule = {
        "evseId": 1,
        "duration": 60,
        "scheduleStart": STATUS["timestamp"],
        "chargingRateUnit": "A",
        "chargingSchedulePeriod": [{"startPeriod": 0}, period],
    }
    payload = {"status": "Accepted", "schedule": schedule}
    left, fault = GATE.check_result("GetCompositeSchedule", payload)
    assert left == {"status": "Accepted"}
    assert fault is not None


@RULE
@given(
    st.sampled_from(STATION_REQUESTS),
    st.lists(st.integers(0, 9), max_size=5),
    st.integers(0, 3),
)
def test_what_is_left_is_whole(action: str, where: list[int], how: int) -> None:
    """Whatever was bent, nothing is left of it, and what is left was there before."""
    payload = spoilt(request(action), where, how)
    verdict = GATE.admit(frame(action, payload))
    if not isinstance(verdict, Refused) or verdict.whole is None:
        return
    assert SECRET not in json.dumps(verdict.whole.payload)
    assert within(verdict.whole.payload, payload)


def within(part: Any, all_of_it: Any) -> bool:
    """Tell whether a value is another with some of it left out."""
    if isinstance(part, dict):
        return all(
            key in all_of_it and within(value, all_of_it[key])
            for key, value in part.items()
        )
    if isinstance(part, list):
        return all(any(within(item, each) for each in all_of_it) for item in part)
    return bool(part == all_of_it)


@RULE
@given(
    st.sampled_from(STATION_REQUESTS),
    st.lists(st.integers(0, 9), max_size=5),
    st.sampled_from([None, 1, -1.5, "x", "", [], {}, True, "2026-03-01T12:00:00Z"]),
)
def test_a_library_agrees(action: str, where: list[int], value: Any) -> None:
    """What is said to be wrong is wrong, and nothing that is wrong goes unseen."""
    payload = request(action)
    outer, key = {"payload": payload}, "payload"
    for step in where:
        inner = outer[key]
        if not isinstance(inner, dict) or not inner:
            break
        outer, key = inner, list(inner)[step % len(inner)]
    outer[key] = value
    wrong = {
        (tuple(error.absolute_path), error.validator)
        for error in validator(action).iter_errors(payload)
    }
    fault = SCHEMAS.fault(f"{action}Request", payload)
    assert (not wrong) if fault is None else (fault.path, fault.rule) in wrong


@pytest.mark.parametrize("count", [1, 7, 100, 3000])
def test_any_number_of_bent_details(count: int) -> None:
    """A measurand that OCPP 2.0.1 does not know may be in each sample of a night."""
    bent = {"value": 57.0, "measurand": "Display.PresentSOC"}
    good = values(GOOD)["meterValue"]
    many = [{**item, "sampledValue": [GOOD, bent]} for item in good * count]
    left = whole("MeterValues", {"evseId": 1, "meterValue": many})
    assert left == {"evseId": 1, "meterValue": good * count}


def test_garbage_is_not_searched_for_gold() -> None:
    """A fault in each of many items is not one bent detail: that would take minutes."""
    began = time.thread_time()
    assert whole("MeterValues", {"evseId": 1, "meterValue": [0] * 200_000}) is None
    assert time.thread_time() - began < 2


# What is large is read so that everybody else goes on meanwhile


def inside(text: str) -> str:
    return f'[2,"id-1","TransactionEvent",{{"a":{text}}}]'


def many(samples: list[dict[str, Any]]) -> str:
    item = {"timestamp": EVENT["timestamp"], "sampledValue": samples}
    return frame("TransactionEvent", EVENT | {"meterValue": [item]})


UNFRIENDLY = {
    "empty lists": lambda: inside(f"[{','.join(['[]'] * 500_000)}]"),
    "lists in lists": lambda: inside(f"[{','.join(['[[[[[[]]]]]]'] * 150_000)}]"),
    "numbers": lambda: inside(f"[{','.join(['1.5'] * 500_000)}]"),
    "keys": lambda: inside(f"{{{','.join(f'"{n:06d}":1' for n in range(150_000))}}}"),
    "emoji": lambda: inside(f"[{','.join([r'"\ud83d\ude00"'] * 125_000)}]"),
    "too deep": lambda: f"[{','.join(['[]'] * 450_000)},{'[' * 99}{']' * 99}]",
    "samples": lambda: many([{"value": 1}] * 145_000),
    "bent samples": lambda: many([{"value": ""}] * 9000 + [{"value": 1}] * 100_000),
}


class NoSocket:
    async def recv(self) -> str:
        raise AssertionError

    async def send(self, message: str) -> None:
        raise AssertionError


def longest_turn(raw: str) -> float:
    """Read a frame in a thread; return the longest that it let nobody else run, in s.

    As its processor time from one turn of ours to the next.
    """
    frames = Frames(
        NoSocket(),
        GATE,
        clock=time.monotonic,
        on_life=lambda: None,
        on_bad_frame=lambda _: None,
        trace=Trace(lambda: now(0), lambda: StationConfig(charge_point_id="A")),
        number=1,
    )
    thread = threading.Thread(target=frames.read, args=(raw,))
    thread.start()
    assert thread.ident is not None
    clock, longest, before = time.pthread_getcpuclockid(thread.ident), 0.0, 0.0
    while thread.is_alive():
        try:
            used = time.clock_gettime(clock)
        except OSError:  # it has just ended
            break
        longest, before = max(longest, used - before), used
        time.sleep(0.0005)
    thread.join()
    return longest


@pytest.mark.parametrize("unfriendly", UNFRIENDLY)
def test_reading_lets_others_run(unfriendly: str) -> None:
    """The event loop gets its turn, whatever is read in a thread.

    What is done in one go takes as long as the frame is: half of the largest one may
    take half of the 50 ms. A busy machine only makes it longer, so the best of some
    tries counts.
    """
    raw = UNFRIENDLY[unfriendly]()
    assert len(raw) <= 2**21
    assert any(longest_turn(raw) < 0.025 for _ in range(5))
    assert gc.isenabled()


@RULE
@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-(2**63) + 1, 2**63 - 1)
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_large_json_means_the_same(value: Any) -> None:
    text = json.dumps(value, ensure_ascii=False)
    assert json_text.parse(text + " " * json_text.LARGE) == (value, None)


@pytest.mark.parametrize("bent", [{}, {"triggerReason": "Boredom"}, {"x": 1}])
def test_large_frames_are_checked_in_the_same_way(bent: dict[str, Any]) -> None:
    raw = frame("TransactionEvent", EVENT | bent)
    small, large = GATE.admit(raw), GATE.admit(raw + " " * json_text.LARGE)
    assert type(small) is type(large)
    if isinstance(small, Refused) and isinstance(large, Refused):
        assert (small.answer, str(small.whole)) == (large.answer, str(large.whole))


def test_answer_that_is_too_long_says_nothing() -> None:
    """What we ask for is short; reading more would keep the event loop."""
    verdict = GATE.admit(f'[3,"id-1",{{"x":"{"x" * 300_000}"}}]')
    assert isinstance(verdict, CallResult)
    assert verdict.payload is None
    assert GATE.check_result("Reset", verdict.payload)[0] is None


def test_schema_that_says_more_than_is_checked() -> None:
    """A newer library's schemas: better no start than a look that overlooks."""
    schema = {"type": "object", "properties": {"a": {"type": "string", "pattern": "x"}}}
    with pytest.raises(ValueError, match="pattern"):
        Schemas({"HeartbeatRequest": schema})


# Answers to calls of ours are never answered


@pytest.mark.parametrize(
    "raw",
    [
        "[3]",
        "[4]",
        '[3,"id-1"]',
        "[3,5,{}]",
        '[3,"id-1",{},{}]',
        "[4,null]",
        "[4,[],[],[],[]]",
    ],
)
def test_answer_that_cannot_be_read(raw: str) -> None:
    assert isinstance(GATE.admit(raw), Dropped)


def test_result() -> None:
    verdict = GATE.admit('[3,"id-1",{"status":"Accepted"}]')
    assert isinstance(verdict, CallResult)
    assert (verdict.unique_id, verdict.payload) == ("id-1", {"status": "Accepted"})


@pytest.mark.parametrize(
    ("raw", "code", "description"),
    [
        ('[4,"id-1","NotSupported","no",{}]', "NotSupported", "no"),
        ('[4,"id-1","NotSupported"]', "NotSupported", ""),
        ('[4,"id-1"]', "GenericError", ""),
        ('[4,"id-1",5,5,5]', "GenericError", ""),
        ('[4,"id-1","Own","' + "x" * 999 + '",{"a":1},7]', "Own", "x" * 255),
        ('[4,"-1","RpcFrameworkError","",{}]', "RpcFrameworkError", ""),
    ],
)
def test_error(raw: str, code: str, description: str) -> None:
    """A CALLERROR is taken as far as it can be read; its details are not."""
    verdict = GATE.admit(raw)
    assert isinstance(verdict, CallError)
    assert (verdict.error_code, verdict.error_description) == (code, description)
    assert verdict.error_details == {}


@pytest.mark.parametrize(
    ("payload", "fine"),
    [
        ({"status": "Accepted"}, True),
        ({"status": "Perhaps"}, False),
        ({"status": 5}, False),
        ({}, False),
        ([], False),
        (None, False),
    ],
)
def test_result_that_does_not_fit_the_call(payload: Any, fine: bool) -> None:
    whole, fault = GATE.check_result("Reset", payload)
    assert (whole is not None) is (fault is None) is fine


def test_result_that_does_not_fit_is_not_repeated() -> None:
    whole, fault = GATE.check_result("Reset", {"status": SECRET, SECRET: SECRET})
    assert whole is None
    assert fault is not None
    assert SECRET not in fault


def test_description_is_cut() -> None:
    assert len(json.loads(call_error("id", "InternalError", "ä" * 999))[3]) == 255


# For whatever comes

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**45), 10**45)
    | st.floats()
    | st.text(max_size=40)
    | st.sampled_from(["Heartbeat", "Authorize", "Reset", "2026-03-01T12:00:00Z"]),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner)
    ),
    max_leaves=12,
)
ALMOST_FRAME = st.tuples(
    st.sampled_from([2, 2, 2, 3, 4, 5, "2", None, 2.0, True]),
    st.text(max_size=40) | JSON,
    st.sampled_from(STATION_REQUESTS) | JSON,
    JSON,
).map(list)


def checked(raw: str | bytes) -> None:
    """Whatever it is, it is admitted, dropped, or refused as OCPP-J asks for."""
    verdict = GATE.admit(raw)
    if isinstance(verdict, Refused):
        refusal(raw)
    else:
        assert isinstance(verdict, Call | CallResult | CallError | Dropped)


@RULE
@given(st.text() | st.binary() | st.text(alphabet='[]{}",:24\\ud8e9.-NaN '))
def test_any_text(raw: str | bytes) -> None:
    checked(raw)


@RULE
@given(JSON | ALMOST_FRAME)
def test_any_json(value: Any) -> None:
    checked(json.dumps(value))
    checked(json.dumps(value, ensure_ascii=False))


@RULE
@given(st.sampled_from([3, 4]), st.lists(JSON, max_size=5))
def test_answers_are_never_answered(kind: int, rest: list[Any]) -> None:
    try:
        raw = json.dumps([kind, *rest], allow_nan=False)
    except ValueError:
        return  # not JSON
    verdict = GATE.admit(raw)
    if isinstance(verdict, Refused):
        # Only where it is not JSON for us: who sent it cannot be told.
        assert "not JSON" in verdict.reason
    else:
        assert isinstance(verdict, CallResult | CallError | Dropped)


def spoilt(value: Any, where: list[int], how: int) -> Any:
    """Put the secret somewhere into a value: instead of it, or as a key's name."""
    if where and isinstance(value, dict) and value:
        key = list(value)[where[0] % len(value)]
        return value | {key: spoilt(value[key], where[1:], how)}
    if where and isinstance(value, list) and value:
        return [spoilt(value[0], where[1:], how), *value[1:]]
    match how:
        case 0:
            return SECRET
        case 1:
            return {SECRET: SECRET}
        case 2:
            return [SECRET]
        case _:
            return {**value, SECRET: 1} if isinstance(value, dict) else SECRET * 300


@RULE
@given(
    st.sampled_from(STATION_REQUESTS),
    st.lists(st.integers(0, 9), max_size=5),
    st.integers(0, 3),
)
def test_nothing_is_repeated(action: str, where: list[int], how: int) -> None:
    """A token anywhere in a payload appears neither in the answer nor in the reason."""
    payload = spoilt(request(action), where, how)
    verdict = GATE.admit(frame(action, payload))
    if isinstance(verdict, Refused):
        assert SECRET not in verdict.answer
        assert SECRET not in verdict.reason


@pytest.mark.parametrize(
    "raw",
    [
        SECRET,
        json.dumps([SECRET]),
        json.dumps([SECRET, "id-1", {}]),
        json.dumps([2, {SECRET: 1}]),
        json.dumps([2, SECRET * 9, "Heartbeat", {}]),
        json.dumps([2, "id-1", SECRET, {}]),
        json.dumps([2, "id-1", [SECRET], {}]),
        json.dumps([2, "id-1", "Heartbeat", SECRET]),
        json.dumps([3, SECRET]),
        json.dumps([3, {SECRET: SECRET}, {}]),
        '[2,"id-1","Authorize",{"idToken":{"idToken":"' + SECRET + "\\ud800",
        '{"' + SECRET + '":NaN}',
    ],
)
def test_nothing_is_repeated_of_what_is_no_frame(raw: str) -> None:
    verdict = GATE.admit(raw)
    assert isinstance(verdict, Refused | Dropped)
    assert SECRET not in verdict.reason
    if isinstance(verdict, Refused):
        assert SECRET not in verdict.answer


def test_a_refused_frame_leaves_the_next_alone() -> None:
    """The gate remembers nothing."""
    for raw in HOSTILE.values():
        GATE.admit(raw)
        assert isinstance(GATE.admit(frame("Heartbeat", {})), Call)
