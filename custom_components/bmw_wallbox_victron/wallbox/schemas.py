"""What OCPP 2.0.1's schemas ask of a payload, and what is left of one that is bent."""

from collections.abc import Callable, Collection, Iterable, Mapping
import contextlib
from copy import deepcopy
from dataclasses import dataclass
from datetime import datetime
from importlib import resources
import json
import re
from typing import Any, Final, cast

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
#: that requires it (empty: the message itself): without a time it is now, without a
#: transaction it is of the one that runs, and what a station says of itself counts each
#: for itself.
_SPARE: Final[Mapping[str, Mapping[str, Collection[str]]]] = {
    "BootNotificationRequest": {
        "": ("reason", "chargingStation"),
        "ChargingStationType": ("model", "vendorName"),
    },
    "StatusNotificationRequest": {
        "": ("timestamp", "connectorStatus", "evseId", "connectorId")
    },
    "TransactionEventRequest": {
        "": ("eventType", "timestamp", "triggerReason", "seqNo", "transactionInfo"),
        "TransactionType": ("transactionId",),
        "MeterValueType": ("timestamp",),
    },
    "MeterValuesRequest": {"": ("evseId",), "MeterValueType": ("timestamp",)},
    "NotifyReportRequest": {"": ("generatedAt", "seqNo")},
    "NotifyChargingLimitRequest": {"": ("chargingLimit",)},
    "ClearedChargingLimitRequest": {"": ("chargingLimitSource",)},
}
#: What is one thing, each item for itself where it is a list: what would be left of it
#: means something else, as a value without its measurand is one of energy.
_INDIVISIBLE: Final = frozenset(
    {"sampledValue", "reportData", "getVariableResult", "setVariableResult", "schedule"}
)
#: With more bent details than this, nothing of a frame counts.
_MAX_FAULTS: Final = 10_000


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


class _EnoughError(Exception):
    """So many faults were asked for."""


class _Faults:
    """What was found, up to so many."""

    def __init__(self, most: int) -> None:
        """Start with nothing."""
        self.found: list[Fault] = []
        self._most = most

    def add(self, at: _At, rule: str, names: tuple[str, ...] = ()) -> None:
        """Note a fault. Raises _EnoughError."""
        path: list[str | int] = []
        while at is not None:
            at, part = at
            path.append(part)
        self.found.append(Fault(tuple(reversed(path)), rule, names))
        if len(self.found) >= self._most:
            raise _EnoughError


#: Where something is, as it is gone down to: the last part, after where its owner is.
type _At = tuple[_At, str | int] | None
#: Notes what about a value is wrong.
type _Rule = Callable[[object, _At, _Faults], None]
#: What the schemas say beside what is checked here.
_SILENT: Final = frozenset(
    {
        "$schema",
        "additionalItems",
        "comment",
        "default",
        "definitions",
        "description",
        "javaType",
    }
)


class _Rules:
    """A schema as functions.

    Only what OCPP's schemas are made of, and so twenty times as fast as a library that
    knows all of JSON schema. A compiled one takes a tenth of that, 1 us for a
    TransactionEvent, but lets no other thread run until it is done, 0.3 s for 4 MiB.
    Here all that takes long is Python: other threads go on.
    """

    def __init__(self, schema: dict[str, Any]) -> None:
        """Take the schema of a message. Raises ValueError where it says more."""
        self._definitions = schema.get("definitions", {})
        self._known: dict[str, _Rule] = {}
        self._rule = self._read(schema)

    def faults(self, payload: object, most: int) -> list[Fault]:
        """Return what is wrong with a payload, or the first so many faults."""
        faults = _Faults(most)
        with contextlib.suppress(_EnoughError):
            self._rule(payload, None, faults)
        return faults.found

    def _read(self, schema: Mapping[str, Any]) -> _Rule:
        """Make the function of a schema."""
        said = {key: value for key, value in schema.items() if key not in _SILENT}
        if (reference := said.pop("$ref", None)) is not None:
            name = reference.removeprefix("#/definitions/")
            if name not in self._known:
                self._known[name] = self._read(self._definitions[name])
            return self._known[name]
        is_open = said.pop("additionalProperties", True)  # texts say it as well
        match said.pop("type", None):
            case "object":
                rule = self._read_object(said, is_open=is_open)
            case "array":
                rule = self._read_array(said)
            case "string":
                rule = _read_string(said)
            case "integer" | "number" as kind:
                rule = _read_number(said, whole=kind == "integer")
            case "boolean":
                rule = _boolean
            case _:
                rule = _anything
        if said:
            raise ValueError(f"a schema says {', '.join(said)}")
        return rule

    def _read_object(self, said: dict[str, Any], *, is_open: bool) -> _Rule:
        """Make the function of an object's schema."""
        rules = {
            name: self._read(schema)
            for name, schema in said.pop("properties", {}).items()
        }
        required = tuple(said.pop("required", ()))

        def check(value: object, at: _At, faults: _Faults) -> None:
            if not isinstance(value, dict):
                faults.add(at, "type")
                return
            for name in required:
                if name not in value:
                    faults.add(at, "required", (name,))
            unknown: list[str] = []
            for name, item in value.items():
                if (rule := rules.get(name)) is not None:
                    rule(item, (at, name), faults)
                else:
                    unknown.append(name)
            if unknown and not is_open:
                faults.add(at, "additionalProperties", tuple(unknown))

        return check

    def _read_array(self, said: dict[str, Any]) -> _Rule:
        """Make the function of a list's schema."""
        rule = self._read(said.pop("items"))
        least, most = said.pop("minItems", 0), said.pop("maxItems", None)

        def check(value: object, at: _At, faults: _Faults) -> None:
            if not isinstance(value, list):
                faults.add(at, "type")
                return
            if len(value) < least:
                faults.add(at, "minItems")
            if most is not None and len(value) > most:
                faults.add(at, "maxItems")
            for number, item in enumerate(value):
                rule(item, (at, number), faults)

        return check


def _read_string(said: dict[str, Any]) -> _Rule:
    """Make the function of a text's schema."""
    longest, choices = said.pop("maxLength", None), said.pop("enum", None)
    known = None if choices is None else frozenset(choices)
    is_time = said.pop("format", None) == "date-time"

    def check(value: object, at: _At, faults: _Faults) -> None:
        if not isinstance(value, str):
            faults.add(at, "type")
        elif longest is not None and len(value) > longest:
            faults.add(at, "maxLength")
        elif known is not None and value not in known:
            faults.add(at, "enum")
        elif is_time and not _is_date_time(value):
            faults.add(at, "format")

    return check


def _read_number(said: dict[str, Any], *, whole: bool) -> _Rule:
    """Make the function of a number's schema."""
    least, most = said.pop("minimum", None), said.pop("maximum", None)

    def check(value: object, at: _At, faults: _Faults) -> None:
        if (
            isinstance(value, bool)
            or not isinstance(value, int | float)
            or (whole and not value.is_integer())
        ):
            faults.add(at, "type")
        elif least is not None and value < least:
            faults.add(at, "minimum")
        elif most is not None and value > most:
            faults.add(at, "maximum")

    return check


def _anything(_value: object, _at: _At, _faults: _Faults) -> None:
    """Check what may be anything."""


def _boolean(value: object, at: _At, faults: _Faults) -> None:
    """Check a boolean."""
    if not isinstance(value, bool):
        faults.add(at, "type")


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
        self._rules = {name: _Rules(schema) for name, schema in schemas.items()}
        self._spared = self._rules | {
            name: _Rules(_spared(schemas[name], spare))
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

    def fault(self, message: str, payload: object) -> Fault | None:
        """Return the first fault of a payload; None: there is none.

        `message` is the schema's name, as in `HeartbeatRequest`.
        """
        return next(iter(self._rules[message].faults(payload, 1)), None)

    def whole(
        self, message: str, payload: dict[str, object]
    ) -> dict[str, object] | None:
        """Leave out of a payload what is bent; None: nothing useful would be left.

        A bad property goes; where it was required, what it belongs to goes with it, up
        to the next item of a list or the next property that is optional. What the
        handlers can do without (`_SPARE`) may be missing.
        """
        rules = self._spared[message]
        while faults := rules.faults(payload, _MAX_FAULTS + 1):
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
