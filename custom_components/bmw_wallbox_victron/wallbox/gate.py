"""The gate that every frame from a wallbox passes before the `ocpp` library sees it.

The library trusts the shape of a frame: one that is not JSON goes unanswered, an action
that is a list ends the connection, error details echo tokens. So a frame is taken apart
here, checked against the OCPP 2.0.1 schemas, and either admitted as the library's own
message object or answered with the CALLERROR that OCPP-J (Part 4, section 4) names for
its fault. Nothing that a wallbox sent is repeated in an answer or in a log.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from importlib import resources
import json
import math
import re
from typing import Any, Final, NoReturn, cast

from jsonschema import Draft6Validator, FormatChecker
from jsonschema.exceptions import ValidationError
from ocpp.messages import Call, CallError, CallResult
from ocpp.v201.enums import Action

#: A message id is a string of at most 36 characters (Part 4, 4.1.4).
MAX_ID: Final = 36
#: No message of a home wallbox is longer, in characters; parsing more would hold up the
#: event loop for the sake of garbage.
MAX_MESSAGE: Final = 256 * 1024
#: No message of OCPP is nested deeper, custom data included.
MAX_DEPTH: Final = 64
#: Integers have 64 bits at most: nothing that stores them takes more.
_MAX_INTEGER: Final = 2**63 - 1
_MAX_DIGITS: Final = 20
_CALL, _CALL_RESULT, _CALL_ERROR = 2, 3, 4
_KNOWN_ACTIONS: Final = frozenset(action.value for action in Action)
_DATE_TIME: Final = re.compile(
    r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII
)
_CODE_OF_RULE: Final = {
    "required": "OccurrenceConstraintViolation",
    "minItems": "OccurrenceConstraintViolation",
    "maxItems": "OccurrenceConstraintViolation",
    "type": "TypeConstraintViolation",
    "additionalProperties": "FormatViolation",
}


@dataclass(frozen=True, slots=True)
class Refused:
    """A frame that is answered with a CALLERROR."""

    answer: str
    """The CALLERROR, ready to be sent."""
    reason: str
    """What was wrong, without anything that the wallbox sent but known names."""


@dataclass(frozen=True, slots=True)
class Dropped:
    """A frame that OCPP forbids to answer."""

    reason: str
    """What was wrong."""


def _is_date_time(value: object) -> bool:
    """Check an RFC 3339 date-time with its offset."""
    if not isinstance(value, str):
        return True  # the type is another rule's business
    if not _DATE_TIME.fullmatch(value):
        return False
    try:
        datetime.fromisoformat(value.upper())
    except ValueError:
        return False
    return True


_FORMATS = FormatChecker(formats=())
_FORMATS.checks("date-time")(_is_date_time)


class Schemas:
    """The OCPP 2.0.1 schemas, as the `ocpp` library ships them."""

    def __init__(self, validators: Mapping[str, Any]) -> None:
        """Take validators by the name of their message."""
        self._validators = validators

    @classmethod
    def load(cls) -> Schemas:
        """Read all schemas. Blocks for some 50 ms: call it in a thread."""
        folder = resources.files("ocpp.v201") / "schemas"
        return cls(
            {
                file.name.removesuffix(".json"): Draft6Validator(
                    json.loads(file.read_text("utf-8-sig")), format_checker=_FORMATS
                )
                for file in folder.iterdir()
                if file.name.endswith(".json")
            }
        )

    def fault(self, message: str, payload: Any) -> tuple[str, str] | None:
        """Find the first fault of a payload: error code and a description of it.

        `message` is the schema's name, as in `HeartbeatRequest`.
        """
        error: ValidationError | None = next(
            self._validators[message].iter_errors(payload), None
        )
        if error is None:
            return None
        rule = str(error.validator)
        code = _CODE_OF_RULE.get(rule, "PropertyConstraintViolation")
        where = ".".join(str(part) for part in error.absolute_path) or "payload"
        what = f"{where}: {rule}"
        if rule == "required":
            required = cast(list[str], error.validator_value)
            there = cast(dict[str, Any], error.instance)
            missing = next(name for name in required if name not in there)
            what = f"{where}: {missing} is missing"
        return code, what


class Gate:
    """Admits frames of one wallbox."""

    def __init__(self, schemas: Schemas, supported: frozenset[str]) -> None:
        """Take the actions that are served; of the others only the names are known."""
        self._schemas = schemas
        self._supported = supported

    def admit(
        self, raw: str | bytes
    ) -> Call | CallResult | CallError | Refused | Dropped:
        """Take a frame apart. Never raises, whatever it is."""
        try:
            frame = _parse(raw)
        except (ValueError, RecursionError) as err:
            return _refuse("-1", "RpcFrameworkError", f"not JSON: {type(err).__name__}")
        if len(raw) > MAX_DEPTH and _too_deep(frame):
            return _refuse("-1", "RpcFrameworkError", "nested too deeply")
        if not isinstance(frame, list) or not frame:
            return _refuse("-1", "RpcFrameworkError", "not an OCPP frame")
        kind = frame[0] if type(frame[0]) is int else None
        unique_id = frame[1] if len(frame) > 1 else None
        if kind in (_CALL_RESULT, _CALL_ERROR):
            if not isinstance(unique_id, str):
                return Dropped("an answer without an id")
            return _answer(kind, unique_id, frame)
        if not isinstance(unique_id, str) or not 0 < len(unique_id) <= MAX_ID:
            return _refuse("-1", "RpcFrameworkError", "no readable message id")
        if kind != _CALL:
            return _refuse(unique_id, "MessageTypeNotSupported", "unknown message type")
        return self._call(unique_id, frame)

    def _call(self, unique_id: str, frame: list[Any]) -> Call | Refused:
        """Check a CALL."""
        if len(frame) != 4 or not isinstance(frame[2], str):
            return _refuse(
                unique_id, "RpcFrameworkError", "a CALL is [2, id, action, payload]"
            )
        _, _, action, payload = frame
        if action not in self._supported:
            if action in _KNOWN_ACTIONS:
                return _refuse(
                    unique_id, "NotSupported", f"{action} is not served here"
                )
            return _refuse(unique_id, "NotImplemented", "no action of OCPP 2.0.1")
        if not isinstance(payload, dict):
            return _refuse(unique_id, "FormatViolation", f"{action}: not an object")
        if fault := self._schemas.fault(f"{action}Request", payload):
            code, what = fault
            return _refuse(unique_id, code, f"{action}, {what}")
        return Call(unique_id, action, payload)

    def check_result(self, action: str, payload: Any) -> str | None:
        """Find what is wrong with the answer to a call of ours; None: nothing."""
        if not isinstance(payload, dict):
            return f"{action}Response: not an object"
        fault = self._schemas.fault(f"{action}Response", payload)
        return None if fault is None else f"{action}Response, {fault[1]}"


def call_error(unique_id: str, code: str, description: str) -> str:
    """Write a CALLERROR: the description at most 255 characters, details empty."""
    return json.dumps(
        [_CALL_ERROR, unique_id, code, description[:255], {}], separators=(",", ":")
    )


def _refuse(unique_id: str, code: str, description: str) -> Refused:
    """Refuse a frame with a CALLERROR."""
    return Refused(call_error(unique_id, code, description), f"{code}: {description}")


def _answer(
    kind: int, unique_id: str, frame: list[Any]
) -> CallResult | CallError | Dropped:
    """Read an answer to a call of ours. One is never answered itself."""
    if kind == _CALL_RESULT:
        if len(frame) != 3:
            return Dropped("a CALLRESULT is [3, id, payload]")
        return CallResult(unique_id, frame[2])
    texts = [part if isinstance(part, str) else "" for part in (*frame, "", "")[2:4]]
    return CallError(unique_id, texts[0] or "GenericError", texts[1][:255], {})


def _parse(raw: str | bytes) -> Any:
    """Parse strict JSON: no NaN, no endless number, no half a character."""
    if len(raw) > MAX_MESSAGE:
        raise ValueError("too long")
    if isinstance(raw, bytes):
        raise ValueError("a binary frame")  # noqa: TRY004 - a value, to its sender
    frame = json.loads(
        raw, parse_constant=_no_number, parse_float=_finite, parse_int=_integer
    )
    if "\\ud" in raw or "\\uD" in raw:
        json.dumps(frame, ensure_ascii=False).encode()  # a lone surrogate raises
    return frame


def _no_number(text: str) -> NoReturn:
    raise ValueError(text)


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError("not finite")
    return value


def _integer(text: str) -> int:
    if len(text) > _MAX_DIGITS or abs(value := int(text)) > _MAX_INTEGER:
        raise ValueError("too many digits")
    return value


def _too_deep(value: Any) -> bool:
    """Tell whether a value is nested deeper than `MAX_DEPTH`."""
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [
            item
            for outer in level
            if isinstance(outer, (dict, list))
            for item in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not level:
            return False
    return True
