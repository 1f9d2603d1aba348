"""What comes from a wallbox, frame by frame: checked, answered or dropped.

The `ocpp` library trusts the shape of a frame: one that is not JSON goes unanswered, an
action that is a list ends the connection, error details echo tokens. It also logs each
frame with its tokens, parses it anew and renames its keys one by one with regular
expressions, 50 ms for one of 240 kB. So its `ChargePoint` is not used at all; its
schemas, messages and payload classes are.

A frame is taken apart here, checked against the OCPP 2.0.1 schemas, and either admitted
or answered with the CALLERROR that OCPP-J (Part 4, section 4) names for its fault.
Nothing that a wallbox sent is repeated in an answer or in a log.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import blake2b
from importlib import resources
from itertools import islice
import json
import math
import re
from typing import Any, Final, Protocol, cast

from jsonschema import Draft6Validator, FormatChecker
from jsonschema.exceptions import ValidationError
from ocpp.messages import Call, CallError, CallResult
from ocpp.v201.enums import Action

#: A message id is a string of at most 36 characters (Part 4, 4.1.4).
MAX_ID: Final = 36
#: No message of OCPP is nested deeper, custom data included.
MAX_DEPTH: Final = 64
#: Integers have 64 bits at most: nothing that stores them takes more.
_MAX_INTEGER: Final = 2**63 - 1
_MAX_DIGITS: Final = 20
_CALL, _CALL_RESULT, _CALL_ERROR = 2, 3, 4
_KNOWN_ACTIONS: Final = frozenset(action.value for action in Action)
#: The error codes of OCPP-J; the last but one is how 2.0.1's own texts spell the other.
ERROR_CODES: Final = frozenset(
    {
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
        "OccurenceConstraintViolation",
        "TypeConstraintViolation",
    }
)
#: What is longer is read in a thread, in characters: that takes 1 ms.
LARGE: Final = 8 * 1024
#: So many frames a second a wallbox may send for long, and so many at once: what it
#: replays after a night without a network is no flood. A large frame counts as many.
FRAMES_A_SECOND: Final = 50
FRAMES_AT_ONCE: Final = 2000
#: How many answers are kept for requests that come twice.
_REMEMBERED_ANSWERS: Final = 32
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


#: Where something is in a payload: names of properties and numbers of items.
type Path = tuple[str | int, ...]
#: What the handlers can do without, though OCPP requires it, by message and by the type
#: that requires it (empty: the message itself): without a time it is now, and what a
#: station says of itself counts each for itself.
_SPARE: Final[Mapping[str, Mapping[str, Collection[str]]]] = {
    "BootNotificationRequest": {
        "": ("reason", "chargingStation"),
        "ChargingStationType": ("model", "vendorName"),
    },
    "StatusNotificationRequest": {
        "": ("timestamp", "connectorStatus", "evseId", "connectorId")
    },
    "TransactionEventRequest": {
        "": ("eventType", "timestamp", "triggerReason", "seqNo"),
        "MeterValueType": ("timestamp",),
    },
    "MeterValuesRequest": {"MeterValueType": ("timestamp",)},
    "NotifyReportRequest": {"": ("generatedAt", "seqNo")},
    "NotifyChargingLimitRequest": {"": ("chargingLimit",)},
    "ClearedChargingLimitRequest": {"": ("chargingLimitSource",)},
}
#: What is one thing, each item for itself where it is a list: what would be left of it
#: means something else, as a value without its measurand is one of energy.
_INDIVISIBLE: Final = frozenset(
    {"sampledValue", "reportData", "getVariableResult", "setVariableResult", "schedule"}
)
#: So many bent details are looked for one by one; where there are more, all at once.
_FEW: Final = 8
#: With more bent details than this, nothing of a frame counts.
_MAX_FAULTS: Final = 10_000


@dataclass(frozen=True, slots=True)
class Refused:
    """A frame that is answered with a CALLERROR."""

    answer: str
    """The CALLERROR, ready to be sent."""
    reason: str
    """What was wrong, without anything that the wallbox sent but known names."""
    whole: Call | None = None
    """What is left of it without what was wrong, to be used all the same."""


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


@dataclass(frozen=True, slots=True)
class Fault:
    """One place where a payload is not what its schema asks for."""

    path: Path
    """Where, from the payload's top."""
    rule: str
    """The schema's keyword that does not hold."""
    names: tuple[str, ...] = ()
    """The properties that are missing there, or that may not be there."""

    @property
    def code(self) -> str:
        """The error code that OCPP-J has for it."""
        return _CODE_OF_RULE.get(self.rule, "PropertyConstraintViolation")

    def __str__(self) -> str:
        """Describe it by names that the schema knows, and by nothing that was sent."""
        where = ".".join(str(part) for part in self.path) or "payload"
        if self.rule == "required":
            return f"{where}: {self.names[0]} is missing"
        return f"{where}: {self.rule}"

    @property
    def places(self) -> Iterable[Path]:
        """What has to go for the fault to be gone."""
        for end, part in enumerate(self.path, 1):
            if part in _INDIVISIBLE:
                rest = self.path[end:]
                items = rest[:1] if rest and isinstance(rest[0], int) else ()
                return [(*self.path[:end], *items)]
        if self.rule == "additionalProperties":
            return [(*self.path, name) for name in self.names]
        return [self.path]


def _fault(error: ValidationError) -> Fault:
    """Read what `jsonschema` found."""
    rule = str(error.validator)
    names: tuple[str, ...] = ()
    if rule == "required":
        names = tuple(
            name
            for name in cast(list[str], error.validator_value)
            if name not in cast(dict[str, Any], error.instance)
        )
    elif rule == "additionalProperties":
        known = cast(dict[str, Any], error.schema).get("properties", {})
        names = tuple(
            name for name in cast(dict[str, Any], error.instance) if name not in known
        )
    return Fault(tuple(error.absolute_path), rule, names)


def _compiled() -> Any:
    """Return the module `jsonschema_rs`; None: there is none for this machine."""
    try:
        import jsonschema_rs
    except ImportError:
        return None
    return jsonschema_rs


class _Check:
    """Finds where a payload is not what a schema asks for.

    The compiled library takes 1 us for a TransactionEvent and 2 ms for 1 MB, but lets
    no other thread run until it has found all that is wrong: it is asked for the first
    fault only. `jsonschema` takes 300 times as long, lets others run, and can be
    stopped; without the other it does both.
    """

    def __init__(self, schema: dict[str, Any]) -> None:
        """Take the schema."""
        self._thorough = Draft6Validator(schema, format_checker=_FORMATS)
        self._quick: Any = None
        if (library := _compiled()) is not None:
            self._refusal = library.ValidationError
            self._quick = library.Draft6Validator(
                schema, formats={"date-time": _is_date_time}, validate_formats=True
            )

    def first(self, payload: Any) -> Fault | None:
        """Return the first fault; None: there is none."""
        if self._quick is None:
            return next(iter(self.all(payload, 1)), None)
        if self._quick.is_valid(payload):
            return None
        try:
            self._quick.validate(payload)
        except self._refusal as err:
            names: tuple[str, ...] = ()
            if err.kind.name == "required":
                names = (err.kind.property,)
            elif err.kind.name == "additionalProperties":
                names = tuple(err.kind.unexpected)
            return Fault(tuple(err.instance_path), err.kind.name, names)
        return None

    def all(self, payload: Any, most: int) -> list[Fault]:
        """Return all faults, or the first so many."""
        found = islice(self._thorough.iter_errors(payload), most)
        return [_fault(each) for each in found]


def _spared(schema: dict[str, Any], spare: Mapping[str, Collection[str]]) -> Any:
    """Copy a schema that requires less."""
    schema = deepcopy(schema)
    for name, properties in spare.items():
        kind = schema["definitions"][name] if name else schema
        kind["required"] = [each for each in kind["required"] if each not in properties]
        if not kind["required"]:
            del kind["required"]  # an empty list is no schema of draft 4
    return schema


class Schemas:
    """The OCPP 2.0.1 schemas, as the `ocpp` library ships them."""

    def __init__(self, schemas: Mapping[str, Any]) -> None:
        """Take schemas by the name of their message."""
        self._checks = {name: _Check(schema) for name, schema in schemas.items()}
        self._spared = self._checks | {
            name: _Check(_spared(schemas[name], spare))
            for name, spare in _SPARE.items()
        }

    @classmethod
    def load(cls) -> Schemas:
        """Read all schemas. Blocks for some 50 ms: call it in a thread."""
        folder = resources.files("ocpp.v201") / "schemas"
        return cls(
            {
                file.name.removesuffix(".json"): json.loads(file.read_text("utf-8-sig"))
                for file in folder.iterdir()
                if file.name.endswith(".json")
            }
        )

    def fault(self, message: str, payload: Any) -> Fault | None:
        """Return the first fault of a payload; None: there is none.

        `message` is the schema's name, as in `HeartbeatRequest`.
        """
        return self._checks[message].first(payload)

    def whole(self, message: str, payload: Any) -> dict[str, Any] | None:
        """Leave out of a payload what is bent; None: nothing useful would be left.

        A bad property goes; where it was required, what it belongs to goes with it, up
        to the next item of a list or the next property that is optional. What the
        handlers can do without (`_SPARE`) may be missing.
        """
        check = self._spared[message]
        tries = 0
        while (fault := check.first(payload)) is not None:
            tries += 1
            faults = [fault]
            if tries > _FEW:
                faults = check.all(payload, _MAX_FAULTS + 1)
            places = {place for each in faults for place in each.places}
            if () in places or len(faults) > _MAX_FAULTS:
                return None
            payload = _without(payload, places)
        return cast(dict[str, Any], payload)


def _without(payload: Any, places: Iterable[Path]) -> Any:
    """Copy a payload without what is at some places."""
    # Parts of paths, each with what follows it; None: goes, with all that is in it.
    cuts: dict[str | int, Any] = {}
    for place in places:
        inner: Any = cuts
        for part in place[:-1]:
            inner = inner.setdefault(part, {})
            if inner is None:
                break
        else:
            inner[place[-1]] = None
    return _cut(payload, cuts)


def _cut(value: Any, cuts: Mapping[str | int, Any]) -> Any:
    """Copy an object or a list without what the cuts name."""
    kept = [
        (key, _cut(each, cuts[key]) if key in cuts else each)
        for key, each in (
            value.items() if isinstance(value, dict) else enumerate(value)
        )
        if cuts.get(key, cuts) is not None
    ]
    return dict(kept) if isinstance(value, dict) else [each for _, each in kept]


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
            frame, fault = _parse(raw)
        except (ValueError, RecursionError) as err:
            return _refuse("-1", "RpcFrameworkError", f"not JSON: {type(err).__name__}")
        if len(raw) > MAX_DEPTH and _too_deep(frame):
            return _refuse("-1", "RpcFrameworkError", "nested too deeply")
        if not isinstance(frame, list) or not frame:
            return _refuse("-1", "RpcFrameworkError", "not an OCPP frame")
        if fault is not None:
            return self._not_json(frame, fault)
        return self._frame(frame)

    def _not_json(self, frame: list[Any], fault: str) -> Refused:
        """Refuse what is JSON but for some numbers; what else it says may count."""
        verdict = self._frame(frame)
        refused = _refuse("-1", "RpcFrameworkError", f"not JSON: {fault}")
        if isinstance(verdict, Call):
            return replace(refused, whole=verdict)
        if isinstance(verdict, Refused):
            return replace(refused, whole=verdict.whole)
        return refused

    def _frame(
        self, frame: list[Any]
    ) -> Call | CallResult | CallError | Refused | Dropped:
        """Check a frame by its kind."""
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
        message = f"{action}Request"
        if (fault := self._schemas.fault(message, payload)) is None:
            return Call(unique_id, action, payload)
        refused = _refuse(unique_id, fault.code, f"{action}, {fault}")
        if (whole := self._schemas.whole(message, payload)) is None:
            return refused
        return replace(refused, whole=Call(unique_id, action, whole))

    def check_result(
        self, action: str, payload: Any
    ) -> tuple[dict[str, Any] | None, str | None]:
        """Find what is whole in the answer to a call of ours, and what is not.

        The first is None where it is of no use, the second where nothing is wrong.
        """
        message = f"{action}Response"
        if not isinstance(payload, dict):
            return None, f"{message}: not an object"
        if (fault := self._schemas.fault(message, payload)) is None:
            return payload, None
        return self._schemas.whole(message, payload), f"{message}, {fault}"


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


def _parse(raw: str | bytes) -> tuple[Any, str | None]:
    """Parse JSON, and tell what about its numbers is none (they are null then).

    Raises ValueError or RecursionError where it cannot be read at all.
    """
    if isinstance(raw, bytes):
        raise ValueError("a binary frame")  # noqa: TRY004 - a value, to its sender
    faults: list[str] = []

    def no_number(_: str) -> None:
        faults.append("NaN")

    def number(text: str) -> float | None:
        if math.isfinite(value := float(text)):
            return value
        faults.append("an endless number")
        return None

    def integer(text: str) -> int | None:
        # Not read before it is measured: that takes the square of its length.
        if len(text) <= _MAX_DIGITS and abs(value := int(text)) <= _MAX_INTEGER:
            return value
        faults.append("too many digits")
        return None

    frame = json.loads(
        raw, parse_constant=no_number, parse_float=number, parse_int=integer
    )
    if "\\ud" in raw or "\\uD" in raw:
        json.dumps(frame, ensure_ascii=False).encode()  # a lone surrogate raises
    return frame, faults[0] if faults else None


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


class Socket(Protocol):
    """A WebSocket, as far as it is used here."""

    async def recv(self) -> str | bytes:
        """Return the next frame."""
        ...

    async def send(self, message: str) -> None:
        """Send a text frame."""


@dataclass(frozen=True, slots=True)
class Received:
    """A CALL of the wallbox."""

    call: Call
    """What it says, as far as it is whole."""
    refused: bool
    """Whether it was answered with a CALLERROR already; nothing else is due then."""
    large: bool
    """Whether it says much: looking at all of it takes a thread."""


class Budget:
    """How fast frames are taken: a bucket of tokens that time fills."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """Start with all that may come at once. `clock` is a steady one, in s."""
        self._clock = clock
        self._tokens = float(FRAMES_AT_ONCE)
        self._at = clock()

    def spend(self, tokens: float) -> float:
        """Take tokens; return how long to wait for those that are not there yet, in s.

        Who waits owes nothing afterwards, whatever the clock did meanwhile.
        """
        now = self._clock()
        filled = self._tokens + (now - self._at) * FRAMES_A_SECOND
        self._at = now
        self._tokens = max(min(filled, FRAMES_AT_ONCE) - tokens, -tokens)
        return max(0.0, -self._tokens / FRAMES_A_SECOND)


class Frames:
    """The frames of one connection; only what is to be handled comes out.

    What is wrong is answered or dropped in here, what was asked before is answered
    again, and who sends too much is slowed: its frames wait on the wire.
    """

    def __init__(
        self,
        socket: Socket,
        gate: Gate,
        *,
        clock: Callable[[], float],
        on_life: Callable[[], None],
        on_bad_frame: Callable[[str], None],
    ) -> None:
        """Take the connection.

        `on_life` is told of each frame, whatever it is; `on_bad_frame` what was wrong
        with one. `clock` is a steady one, in s.
        """
        self._socket = socket
        self._gate = gate
        self._budget = Budget(clock)
        self._on_life = on_life
        self._on_bad_frame = on_bad_frame
        self._answers: OrderedDict[str, tuple[bytes, str]] = OrderedDict()
        """By message id: what was asked, and the answer."""
        self._asked = b""

    async def recv(self) -> Received | CallResult | CallError:
        """Return the next message that is to be handled. Raises ConnectionClosed."""
        while True:
            # Everybody else first: frames that wait already would never let go.
            await asyncio.sleep(0)
            raw = await self._socket.recv()
            self._on_life()
            large = len(raw) > LARGE
            if wait := self._budget.spend(1 + len(raw) / LARGE):
                await asyncio.sleep(wait)
            if large:
                verdict, asked = await asyncio.to_thread(self._read, raw)
            else:
                verdict, asked = self._read(raw)
            match verdict:
                case Dropped():
                    self._on_bad_frame(verdict.reason)
                case CallResult() | CallError():
                    return verdict
                case Call() if not await self._answer_again(verdict, asked):
                    self._asked = asked
                    return Received(verdict, refused=False, large=large)
                case Refused(whole=None):
                    self._on_bad_frame(verdict.reason)
                    await self.send(verdict.answer)
                case Refused(whole=whole) if not await self._answer_again(whole, asked):
                    self._on_bad_frame(verdict.reason)
                    self._asked = asked
                    await self._answer(whole, verdict.answer)
                    return Received(whole, refused=True, large=large)

    def _read(
        self, raw: str | bytes
    ) -> tuple[Call | CallResult | CallError | Refused | Dropped, bytes]:
        """Read a frame, and take the print of it."""
        text = raw.encode("utf-8", "surrogatepass") if isinstance(raw, str) else raw
        return self._gate.admit(raw), blake2b(text, digest_size=16).digest()

    async def _answer_again(self, call: Call, asked: bytes) -> bool:
        """Answer a message that came before; False: none such did.

        But a Heartbeat asks for the time of now, whatever its id.
        """
        known = self._answers.get(call.unique_id)
        if known is None or known[0] != asked or call.action == Action.heartbeat:
            return False
        await self.send(known[1])
        return True

    async def answer(self, call: Call, payload: dict[str, Any]) -> None:
        """Send the CALLRESULT for the message that came last."""
        frame = [_CALL_RESULT, call.unique_id, payload]
        await self._answer(call, json.dumps(frame, separators=(",", ":")))

    async def fail(self, call: Call) -> None:
        """Send the CALLERROR that a bug of ours is answered with."""
        text = "An error of the server"
        await self._answer(call, call_error(call.unique_id, "InternalError", text))

    async def _answer(self, call: Call, text: str) -> None:
        """Send an answer, and keep it for the same message."""
        self._answers[call.unique_id] = (self._asked, text)
        self._answers.move_to_end(call.unique_id)
        if len(self._answers) > _REMEMBERED_ANSWERS:
            self._answers.popitem(last=False)
        await self.send(text)

    async def send(self, text: str) -> None:
        """Send a frame. Raises ConnectionClosed."""
        await self._socket.send(text)
