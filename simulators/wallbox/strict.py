"""The strict reader: everything that can be wrong with a frame, in words.

Rules are those of OCPP 2.0.1 part 4 (JSON over WebSocket) and of the schemas that
the `ocpp` library carries.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from functools import cache
import json
import re
from typing import Any, Final, NoReturn

from jsonschema import Draft4Validator, FormatChecker
import jsonschema_rs
from ocpp.messages import get_validator
from ocpp.v201.enums import Action

from .records import Payload

MAX_ID_LENGTH: Final = 36
"""Characters of a message id, part 4 section 4.1.4."""

MAX_DESCRIPTION_LENGTH: Final = 255
"""Characters of an error description, part 4 section 4.2.3."""

ERROR_CODES: Final = frozenset(
    {
        "FormatViolation",
        "GenericError",
        "InternalError",
        "MessageTypeNotSupported",
        "NotImplemented",
        "NotSupported",
        "OccurrenceConstraintViolation",
        # The 2.0.1 text also spells it like this.
        "OccurenceConstraintViolation",
        "PropertyConstraintViolation",
        "ProtocolError",
        "RpcFrameworkError",
        "SecurityError",
        "TypeConstraintViolation",
    }
)
"""Error codes of part 4 section 4.3."""

ACTIONS: Final = frozenset(str(action.value) for action in Action)
"""Every action that OCPP 2.0.1 knows."""

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,3})?Z", re.ASCII)
_FORMATS = FormatChecker(formats=())


class Kind(IntEnum):
    """Message types, part 4 section 4.1.3."""

    CALL = 2
    RESULT = 3
    ERROR = 4


@dataclass(frozen=True, kw_only=True)
class Frame:
    """A well-formed frame."""

    kind: Kind
    message_id: str
    payload: Payload
    """Payload, or the details of a CALLERROR."""
    action: str = ""
    code: str = ""
    description: str = ""


class FrameFault(ValueError):  # noqa: N818 - it reads as what it is
    """A frame that is not OCPP at all; the text says why."""


def is_strict_time(value: object) -> bool:
    """Return whether a value is RFC 3339 in UTC with Z and at most three decimals."""
    if not isinstance(value, str):
        return True  # the wrong type is the schema's own complaint
    if not _TIME.fullmatch(value):
        return False
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return False
    return True


_FORMATS.checks("date-time")(is_strict_time)


@cache
def _validator(kind: Kind, action: str) -> Draft4Validator:
    library: Any = get_validator(int(kind), action, "2.0.1")
    return Draft4Validator(library.schema, format_checker=_FORMATS)


@cache
def _fast_validator(kind: Kind, action: str) -> jsonschema_rs.Draft4Validator:
    """Return what says no more than whether there is a fault, in no time."""
    library: Any = get_validator(int(kind), action, "2.0.1")
    return jsonschema_rs.Draft4Validator(
        library.schema,
        formats={"date-time": is_strict_time},
        validate_formats=True,
    )


def load_schemas() -> None:
    """Read every schema once; it is slow, call it in a thread."""
    for action in ACTIONS:
        for kind in (Kind.CALL, Kind.RESULT):
            try:
                _fast_validator(kind, action)
            except OSError:
                continue  # the library lists actions that have no schema


def payload_faults(kind: Kind, action: str, payload: Payload) -> list[str]:
    """Name everything in a payload that breaks its schema or a date-time."""
    if action not in ACTIONS:
        return [f"{action} is not an action of OCPP 2.0.1"]
    if _fast_validator(kind, action).is_valid(payload):
        return []
    return [
        f"{action} {kind.name}: {'/'.join(map(str, error.absolute_path)) or 'payload'}:"
        f" {error.message}"
        for error in _validator(kind, action).iter_errors(payload)
    ]


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def decode(raw: str | bytes) -> object:
    """Read JSON as RFC 8259 has it, without NaN; ValueError where it is not."""
    try:
        decoded: object = json.loads(raw, parse_constant=_no_constant)
    except RecursionError as error:
        raise ValueError("nested too deep") from error
    return decoded


def parse(raw: str | bytes) -> Frame:
    """Read a frame strictly; raises FrameFault."""
    if not isinstance(raw, str):
        raise FrameFault("a binary frame; OCPP is text")
    try:
        parts = decode(raw)
    except ValueError as error:
        raise FrameFault(f"not JSON: {error}") from error
    match parts:
        case [2, str(message_id), str(action), dict(payload)]:
            frame = Frame(
                kind=Kind.CALL, message_id=message_id, action=action, payload=payload
            )
        case [3, str(message_id), dict(payload)]:
            frame = Frame(kind=Kind.RESULT, message_id=message_id, payload=payload)
        case [4, str(message_id), str(code), str(description), dict(payload)]:
            frame = Frame(
                kind=Kind.ERROR,
                message_id=message_id,
                code=code,
                description=description,
                payload=payload,
            )
        case _:
            raise FrameFault("neither a CALL, a CALLRESULT nor a CALLERROR")
    if type(parts[0]) is not int:
        raise FrameFault("the message type is not an integer")
    if not 0 < len(frame.message_id) <= MAX_ID_LENGTH:
        raise FrameFault(f"message id of {len(frame.message_id)} characters")
    if frame.kind is Kind.ERROR:
        if frame.code not in ERROR_CODES:
            raise FrameFault(f"unknown error code {frame.code!r}")
        if len(frame.description) > MAX_DESCRIPTION_LENGTH:
            raise FrameFault("error description above 255 characters")
    return frame
