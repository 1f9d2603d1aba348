"""A trace says all that helps, and nothing that is private."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib import resources
import json
import time
from typing import Any

from hypothesis import given, settings, strategies as st
import pytest

from custom_components.bmw_wallbox_victron.wallbox.clock import Now
from custom_components.bmw_wallbox_victron.wallbox.schemas import Schemas
from custom_components.bmw_wallbox_victron.wallbox.station_config import StationConfig
from custom_components.bmw_wallbox_victron.wallbox.trace import (
    FRAMES,
    MOST_CHARACTERS,
    WHOLE,
    Settings,
    Trace,
)
from simulators.wallbox.trace import moved

from ..kit.wallbox import RULE, START

CONFIG = StationConfig(charge_point_id="DE*BMW*E1234567890ABCDEF")
SCHEMAS = Schemas.load()


class Recorded:
    """A trace, and the time."""

    def __init__(self, config: StationConfig = CONFIG) -> None:
        """Begin."""
        self.seconds, self.jump = 0.0, 0.0
        self.trace = Trace(self.now, lambda: config)

    def now(self) -> Now:
        """Give the time; `jump` is by how much wall time was set, s."""
        wall = START + timedelta(seconds=self.seconds + self.jump)
        return Now(wall, 7_000 + self.seconds)

    def hear(self, *frame: object) -> None:
        """Let the wallbox say something."""
        self.trace.received(8, json.dumps(frame))

    @property
    def told(self) -> list[dict[str, Any]]:
        """What the trace says, but for its first line."""
        return [json.loads(line) for line in self.trace.lines()[1:]]


@cache
def schemas() -> dict[str, dict[str, Any]]:
    """Give OCPP's schemas, by message."""
    folder = resources.files("ocpp.v201") / "schemas"
    return {
        file.name.removesuffix(".json"): json.loads(file.read_text("utf-8-sig"))
        for file in folder.iterdir()
        if file.name.endswith(".json")
    }


class Planter:
    """Makes messages in which everything that may be a text is a secret."""

    def __init__(self, secrets: list[str]) -> None:
        """Take the secrets, which take turns."""
        self._secrets = secrets
        self._next = 0
        self.planted: set[str] = set()

    def secret(self) -> str:
        """Give the next secret."""
        self._next += 1
        secret = self._secrets[self._next % len(self._secrets)]
        self.planted.add(secret)
        return secret

    def message(self, name: str) -> Any:
        """Make a message with all its properties."""
        schema = schemas()[name]
        return self._value(schema, schema.get("definitions", {}))

    def _value(self, schema: dict[str, Any], known: dict[str, Any]) -> Any:
        """Make a value."""
        if (reference := schema.get("$ref")) is not None:
            name = reference.removeprefix("#/definitions/")
            if name == "CustomDataType":
                return {"vendorId": self.secret(), self.secret(): self.secret()}
            return self._value(known[name], known)
        match schema.get("type"):
            case "object":
                return {
                    key: self._value(each, known)
                    for key, each in schema.get("properties", {}).items()
                } | {self.secret(): {self.secret(): [self.secret()]}}
            case "array":
                items = max(1, schema.get("minItems", 1))
                return [self._value(schema["items"], known) for _ in range(items)]
            case "string" if "enum" in schema:
                return schema["enum"][0]
            case "string" if schema.get("format") == "date-time":
                return "2026-03-01T12:00:05Z"
            case "string" | None:
                return self.secret()
            case "boolean":
                return True
        return 1


SECRETS = st.lists(
    st.one_of(
        st.from_regex(r"[0-9A-F]{14}", fullmatch=True),  # a card
        st.from_regex(r"[A-Z]{2,4}[0-9]{7,12}", fullmatch=True),  # a serial number
        st.from_regex(r"[0-9]{8,12}", fullmatch=True),
        st.from_regex(r"DE\*[A-Z]{3}\*E[0-9]{10}", fullmatch=True),
        st.from_regex(r"WBA[0-9A-HJ-NPR-Z]{14}", fullmatch=True),  # a car
        st.from_regex(r"192\.168\.[1-9][0-9]\.[1-9][0-9]", fullmatch=True),
        st.from_regex(r"([0-9a-f]{2}:){5}[0-9a-f]{2}", fullmatch=True),
        st.from_regex(r"https://[a-z]{5}\.example/[a-z0-9]{6}", fullmatch=True),
        st.uuids().map(str),
        st.sampled_from(
            ["Erika Mustermann", "Garage Mustermann", "Lindenweg 7, Sylt", "Mustermänn"]
        ),
        st.from_regex(r"hunter[0-9]{3}[!?]", fullmatch=True),
    ),
    min_size=1,
    max_size=8,
    unique=True,
)


def leaked(lines: list[str], secrets: set[str]) -> list[str]:
    """Give the secrets that are found in a trace, in whatever spelling."""
    text = "\n".join(lines)
    folded = (text + text.encode().decode("unicode_escape")).casefold()
    return [secret for secret in secrets if secret.casefold() in folded]


@RULE
@given(secrets=SECRETS, name=st.sampled_from(sorted(schemas())), out=st.booleans())
def test_no_secret_in_any_field_of_any_message(
    secrets: list[str], name: str, out: bool
) -> None:
    """Whatever message it is, of the wallbox or ours, and wherever the secret is."""
    recorded, planter = Recorded(), Planter(secrets)
    payload = planter.message(name)
    action = name.removesuffix("Request").removesuffix("Response")
    frame: list[object]
    if name.endswith("Request"):
        frame = [2, planter.secret(), action, payload]
    else:
        frame = [3, planter.secret(), payload]
    if out:
        recorded.trace.sent(1, json.dumps(frame))
    else:
        recorded.trace.received(1, json.dumps(frame))
    assert leaked(recorded.trace.lines(), planter.planted) == []
    assert planter.planted


def test_every_message_was_planted_in() -> None:
    """All of OCPP's messages, each with secrets in all that may be a text."""
    recorded = Recorded()
    planter = Planter([f"SECRET{number}" for number in range(40)])
    for name in sorted(schemas()):
        recorded.hear(3, "1", planter.message(name))
    assert len(schemas()) == 128
    assert len(recorded.told) == 128
    assert leaked(recorded.trace.lines(), planter.planted) == []


ODD = st.recursive(
    SECRETS.map(lambda secrets: secrets[0]),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(
            st.one_of(
                SECRETS.map(lambda secrets: secrets[0]),
                st.sampled_from(
                    ["idToken", "model", "value", "variable", "name", "timestamp"]
                ),
            ),
            inner,
            max_size=4,
        ),
    ),
    max_leaves=12,
)


def texts(value: object) -> Iterator[str]:
    """Give all texts in something."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from texts(item)
    elif isinstance(value, dict):
        for item in value.values():
            yield from texts(item)


@RULE
@given(
    odd=ODD, begin=st.sampled_from([[2, "1", "DataTransfer"], [3, "1"], [4], [9], []])
)
def test_no_secret_in_what_is_no_good_frame(odd: Any, begin: list[object]) -> None:
    """Nor in frames that are bent in any way, in error texts, or in what is no JSON."""
    recorded = Recorded()
    recorded.hear(*begin, odd)
    recorded.hear(odd)
    recorded.hear(4, "1", odd, odd, odd)
    recorded.trace.received(1, json.dumps(odd)[1:])
    recorded.trace.received(1, json.dumps(odd).encode())
    assert leaked(recorded.trace.lines(), set(texts(odd))) == []


@RULE
@given(secrets=SECRETS)
def test_no_secret_in_what_its_variables_say(secrets: list[str]) -> None:
    """In values of the device model: of known variables, unknown ones, lists."""
    recorded = Recorded()
    names = ["SerialNumber", "Model", "Identity", "MaxCurrent", "BasicAuthPassword"]
    for secret in secrets:
        for name in (*names, secret):
            variable = {"component": {"name": secret}, "variable": {"name": name}}
            values = [{"value": f"Voltage,{secret}"}, {"value": secret}]
            report = {"reportData": [variable | {"variableAttribute": values}]}
            recorded.hear(2, "1", "NotifyReport", report)
            result = variable | {
                "attributeValue": secret,
                "attributeStatus": "Accepted",
            }
            recorded.hear(3, "1", {"getVariableResult": [result]})
    assert leaked(recorded.trace.lines(), set(secrets)) == []


NUMBER = 4_556_677_889


def numbers(value: object) -> object:
    """Put a private number wherever a text could be."""
    if isinstance(value, dict):
        return {key: numbers(item) for key, item in value.items()}
    if isinstance(value, list):
        return [numbers(item) for item in value]
    return NUMBER if isinstance(value, str) else value


@pytest.mark.parametrize("name", sorted(schemas()))
def test_no_number_where_a_text_could_be(name: str) -> None:
    """A card number without quotes is one all the same."""
    recorded = Recorded()
    payload = Planter(["x"]).message(name)
    about = {"component": {"name": "EVSE"}, "variable": {"name": "SerialNumber"}}
    recorded.hear(2, "1", name.removesuffix("Request"), numbers(payload))
    told = {"reportData": [about | {"variableAttribute": [{"value": NUMBER}]}]}
    recorded.hear(2, NUMBER, "NotifyReport", told)
    recorded.hear(NUMBER, NUMBER, NUMBER)
    recorded.hear(4, NUMBER, NUMBER, NUMBER, {"idToken": NUMBER})
    assert str(NUMBER) not in "".join(recorded.trace.lines())


@RULE
@given(
    seconds=st.integers(-(10**6), 10**6),
    milliseconds=st.integers(0, 999),
    zone=st.sampled_from(["Z", "+02:00", "-11:30", ""]),
)
def test_times_come_back_in_a_replay(
    seconds: int, milliseconds: int, zone: str
) -> None:
    """As far from the replay's beginning, in the same zone."""
    recorded = Recorded()
    moment = START + timedelta(seconds=seconds, milliseconds=milliseconds)
    there = (
        UTC
        if zone in ("Z", "")
        else datetime.fromisoformat(f"2000-01-01T00:00:00{zone}").tzinfo
    )
    text = moment.astimezone(there).isoformat(timespec="milliseconds")[:23] + zone
    recorded.hear(2, "1", "StatusNotification", {"timestamp": text})
    told = recorded.told[0]["in"][3]["timestamp"]
    begin = START + timedelta(days=40)
    again = moved(told, begin)
    assert again[23:] == zone
    came = datetime.fromisoformat(again)
    if came.tzinfo is None:
        came = came.replace(tzinfo=UTC)
    expected = begin + (moment - START)
    assert abs((came - expected).total_seconds()) <= 0.002


def test_what_is_configured_is_in_no_model() -> None:
    """A token that looks like a version, and a serial number that is in the model."""
    config = StationConfig(charge_point_id="EIAW-E22KTSE6B04", rfid_token="04.55.66.77")
    recorded = Recorded(config)
    station = {
        "model": "EIAW-E22KTSE6B04",
        "vendorName": "Delta",
        "firmwareVersion": "04.55.66.77",
    }
    recorded.hear(2, "1", "BootNotification", {"chargingStation": station})
    assert recorded.told[0]["in"][3]["chargingStation"] == {
        "model": "model-1",
        "vendorName": "Delta",
        "firmwareVersion": "firmware-1",
    }


def test_what_helps_is_told() -> None:
    """Who it is, what it measures; an id that is the same stays the same."""
    recorded = Recorded()
    station = {
        "model": "EIAW-E22KTSE6B04",
        "vendorName": "Delta",
        "serialNumber": "AB12345678",
        "firmwareVersion": "01.20.06.71",
    }
    recorded.hear(
        2, "a", "BootNotification", {"reason": "PowerUp", "chargingStation": station}
    )
    recorded.seconds = 2.5
    event = {
        "eventType": "Updated",
        "timestamp": "2026-03-01T12:00:01.500Z",
        "triggerReason": "MeterValuePeriodic",
        "seqNo": 3,
        "transactionInfo": {"transactionId": "f00-1", "chargingState": "Charging"},
        "idToken": {"idToken": "04556677", "type": "ISO14443"},
        "meterValue": [
            {
                "timestamp": "1970-01-01T00:00:09Z",
                "sampledValue": [
                    {"value": 16.1, "measurand": "Current.Import", "phase": "L1"}
                ],
            }
        ],
    }
    recorded.hear(2, "b", "TransactionEvent", event)
    recorded.trace.sent(
        8, json.dumps([3, "b", {"idTokenInfo": {"status": "Accepted"}}])
    )
    recorded.hear(3, "c", {"transactionId": "f00-1", "limit": 32})
    variable = {
        "component": {"name": "EVSE"},
        "variable": {"name": "AvailabilityState"},
    }
    recorded.hear(
        3,
        "d",
        {
            "getVariableResult": [
                variable | {"attributeStatus": "Accepted", "attributeValue": "Occupied"}
            ]
        },
    )
    boot, said, answer, same, result = recorded.told
    assert boot == {
        "at": 0,
        "connection": 1,
        "in": [
            2,
            "m1",
            "BootNotification",
            {
                "reason": "PowerUp",
                "chargingStation": station | {"serialNumber": "serial-1"},
            },
        ],
    }
    assert said["at"] == 2.5
    assert said["in"][3] == event | {
        "timestamp": "@+1.500Z",
        "transactionInfo": {
            "transactionId": "transaction-1",
            "chargingState": "Charging",
        },
        "idToken": {"idToken": "token-1", "type": "ISO14443"},
        # A clock that was never set.
        "meterValue": event["meterValue"],
    }
    assert answer["out"] == [3, "m2", {"idTokenInfo": {"status": "Accepted"}}]
    assert same["in"][2] == {"transactionId": "transaction-1", "limit": 32}
    assert result["in"][2]["getVariableResult"][0]["attributeValue"] == "Occupied"


def test_times_are_relative_to_the_clock_of_home_assistant() -> None:
    """However that is set: what the box's clock differs by stays to be seen."""
    recorded = Recorded()
    recorded.hear(2, "1", "StatusNotification", {"timestamp": "2026-03-01T13:00:00Z"})
    recorded.seconds, recorded.jump = 10, 86400
    recorded.hear(
        2, "1", "StatusNotification", {"timestamp": "2026-03-02T15:00:10+02:00"}
    )
    recorded.hear(2, "1", "StatusNotification", {"timestamp": 1772452810})
    recorded.hear(2, "1", "StatusNotification", {"timestamp": "2026-03-02T12:00:10"})
    assert [each["in"][3]["timestamp"] for each in recorded.told] == [
        "@+3600.000Z",
        "@+3610.000+02:00",
        "@+10.000#",
        "@+10.000",
    ]


def test_what_is_too_long_stays_too_long() -> None:
    """A detail that breaks the schema breaks it in a replay as well."""
    recorded = Recorded()
    station = {"model": "X", "vendorName": "V", "firmwareVersion": "9" * 51}
    message = {"reason": "PowerUp", "chargingStation": station, "later": ""}
    recorded.hear(2, "1", "BootNotification", message)
    told = recorded.told[0]["in"][3]
    fault = SCHEMAS.fault("BootNotificationRequest", told)
    assert str(fault) == "chargingStation.firmwareVersion: maxLength"
    told["chargingStation"]["firmwareVersion"] = "1.0"
    fault = SCHEMAS.fault("BootNotificationRequest", told)
    assert str(fault) == "payload: additionalProperties"


def test_the_last_frames_are_kept() -> None:
    """So many; when they came, on which connection, and what the owner wanted then."""
    recorded = Recorded()
    recorded.trace.settings(Settings(current_limit=16))
    recorded.trace.opened(8)
    for number in range(FRAMES + 100):
        recorded.seconds = number
        if number == 50:
            recorded.trace.settings(Settings(current_limit=10, charging_allowed=False))
        recorded.hear(2, str(number), "Heartbeat", {})
    told = recorded.told
    assert len(told) == FRAMES
    assert told[0] == {"at": 0, "connection": 1, "in": [2, "m1", "Heartbeat", {}]}
    assert told[-1]["at"] == FRAMES - 1
    assert json.loads(recorded.trace.lines()[0]) == {
        "trace": 1,
        "max_current": 32,
        "meter_interval": 10,
        "target": {"current_limit": 10, "charging_allowed": False, "cap_a": None},
    }


@settings(RULE, max_examples=10)
@given(
    items=st.integers(1_000, 20_000), width=st.integers(1, 30), depth=st.integers(1, 12)
)
def test_a_long_frame_is_shortened(items: int, width: int, depth: int) -> None:
    """It stays JSON, says that it is shortened, and begins and ends as it did."""
    recorded = Recorded()
    inner: object = {f"key{number}": "x" * 200 for number in range(width)}
    for _ in range(depth):
        inner = [inner]
    sampled = [{"value": number, "customData": inner} for number in range(items)]
    frame = [2, "1", "MeterValues", {"meterValue": [{"sampledValue": sampled}]}]
    entry = recorded.trace.received(1, json.dumps(frame))
    entry.shorten(frame)
    assert entry.text is not None
    assert len(entry.text) <= WHOLE
    (told,) = recorded.told
    assert told["cut"] is True
    assert told["in"][2] == "MeterValues"
    values = told["in"][3]["meterValue"][0]["sampledValue"]
    assert values[0]["value"] == 0
    assert 1 <= len(values) <= 16


def test_who_comes_and_goes_does_not_fill_the_memory() -> None:
    """Without a word, or while its owner changes their mind."""
    recorded = Recorded()
    for number in range(3 * FRAMES):
        recorded.trace.opened(number)
        recorded.trace.settings(Settings(current_limit=number))
        recorded.trace.closed(number, ours=number % 2 == 0)
    assert len(recorded.told) == 2 * FRAMES
    head = json.loads(recorded.trace.lines()[0])
    # The last wish before the oldest entry.
    first = next(each for each in recorded.told if "target" in each)
    assert head["target"]["current_limit"] == first["target"]["current_limit"] - 1
    assert recorded.told[-1] == {
        "at": 0,
        "connection": recorded.told[-1]["connection"],
        "event": "closed",
        "by": "wallbox",
    }


def test_long_frames_do_not_fill_the_memory() -> None:
    """However many of them come."""
    recorded = Recorded()
    for _ in range(FRAMES):
        text = json.dumps([2, "1", "NotifyReport", {"reportData": ["x" * 15_000]}])
        recorded.trace.received(1, text)
    assert len(recorded.told) == MOST_CHARACTERS // len(text)


@pytest.mark.parametrize("raw", ["[2,", b"\x00\x01", '"x' + "x" * WHOLE])
def test_what_is_no_json_is_told_by_its_length(raw: str | bytes) -> None:
    """And by nothing else."""
    recorded = Recorded()
    recorded.trace.received(1, raw)
    assert recorded.told[0]["in"] is None
    assert recorded.told[0]["length"] == len(raw)


def test_recording_costs_little() -> None:
    """A flood of 1,000 frames a second takes less than a hundredth of that second."""
    recorded = Recorded()
    text = json.dumps([2, "1", "MeterValues", {"meterValue": [{"sampledValue": []}]}])
    begin = time.process_time()
    for _ in range(5_000):
        recorded.trace.received(1, text)
    assert (time.process_time() - begin) / 5 < 0.01
