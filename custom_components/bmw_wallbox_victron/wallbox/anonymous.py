"""Frames without what is private: only what is known to be harmless stays.

Numbers, and words that OCPP defines, stay where OCPP has such. Times are told relative
to the clock of Home Assistant. Identifiers become placeholders, the same one for the
same identifier, so that a trace can be replayed; any other text is `text`.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
import ipaddress
import re
from typing import Final

from .vocabulary import ERROR_CODES, is_plain_variable, properties, words

#: What identifies something, and what it is called instead.
_IDENTIFIERS: Final[Mapping[str, str]] = {
    "additionalIdToken": "token",
    "certificateHashData": "certificate",
    "customerIdentifier": "customer",
    "iccid": "iccid",
    "idToken": "token",
    "imsi": "imsi",
    "serialNumber": "serial",
    "transactionId": "transaction",
}
#: What a wallbox says of itself, by property and by variable.
_MODEL: Final = frozenset({"model", "Model"})
_VENDOR: Final = frozenset({"vendorName", "VendorName"})
_FIRMWARE: Final = frozenset({"firmwareVersion", "FirmwareVersion"})
#: Its makers, as far as they are known; another one's name may be anybody's.
_MAKERS: Final = frozenset(
    {
        "abb",
        "alfen",
        "bmw",
        "bmw group",
        "delta",
        "delta electronics",
        "easee",
        "keba",
        "mennekes",
        "mini",
        "wallbox",
    }
)
#: A model of Delta's AC MAX, as on its nameplate: EIAW-E22KTSE6B04.
_MODELS: Final = re.compile(r"EIAW-[A-Z]\d{1,2}[A-Z0-9]{3,12}")
_VERSION: Final = re.compile(r"\d{1,3}(\.\d{1,4}){1,4}")
#: What a text of a variable may be.
_VALUE: Final = re.compile(
    r"-?\d{1,6}(\.\d{1,6})?|[Tt]rue|[Ff]alse|-?inf|nan", re.ASCII
)
_TIME: Final = re.compile(
    r"(\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d{1,9})?)([Zz]|[+-]\d\d:\d\d)?", re.ASCII
)
_TIMES: Final = frozenset(
    {"timestamp", "currentTime", "scheduleStart", "startSchedule"}
)
#: A clock further off than this was never set: what it shows is told as it is, in s.
_NEVER_SET_S: Final = 10 * 365 * 86400.0
#: An identifier of so many characters is one that OCPP takes; it is 36 where not named.
_LENGTHS: Final = {"model": 20, "serialNumber": 25, "reasonCode": 20}
_LENGTH: Final = 36
#: What is too long stays too long, but is not told at any length, in characters.
_LONGEST: Final = 300
#: What is shorter is found in any text by chance.
_SHORTEST_SECRET: Final = 4
_CALL, _CALL_RESULT, _CALL_ERROR = 2, 3, 4
_TEXT: Final = "text"


class Anonymizer:
    """Makes frames of one trace anonymous: what is the same in two stays the same."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        """Take what is known to be secret: no model or version has that in it."""
        self._secrets = {
            text.casefold() for text in secrets if len(text) >= _SHORTEST_SECRET
        }
        self._placeholders: dict[tuple[str, str], str] = {}
        self._counts: dict[str, int] = {}
        self._zero = 0.0

    def learn(self, value: object) -> None:
        """Take note of the identifiers in a frame, before anything of it is told."""
        if isinstance(value, dict):
            for key, item in value.items():
                if key in _IDENTIFIERS and isinstance(item, str):
                    if len(item) >= _SHORTEST_SECRET:
                        self._secrets.add(item.casefold())
                else:
                    self.learn(item)
        elif isinstance(value, list):
            for item in value:
                self.learn(item)

    def frame(self, frame: object, zero: float) -> object:
        """Return a frame without what is private.

        `zero`: what wall time was when the trace began, in s since 1970.
        """
        self._zero = zero
        match frame:
            case [2, message_id, action, payload]:
                return [
                    _CALL,
                    self._placeholder("m", message_id),
                    self._word(action),
                    self._value(payload, "", None),
                ]
            case [3, message_id, payload]:
                return [
                    _CALL_RESULT,
                    self._placeholder("m", message_id),
                    self._value(payload, "", None),
                ]
            case [4, message_id, code, *_]:
                return [
                    _CALL_ERROR,
                    "-1" if message_id == "-1" else self._placeholder("m", message_id),
                    code if isinstance(code, str) and code in ERROR_CODES else _TEXT,
                    "",
                    {},
                ]
        # No frame at all: only what it is made of.
        return self._value(frame, "", None)

    def _placeholder(self, kind: str, value: object) -> str:
        """Return what stands for an identifier."""
        same = (kind, str(value).casefold())
        if same not in self._placeholders:
            self._counts[kind] = number = self._counts.get(kind, 0) + 1
            gap = "" if kind == "m" else "-"
            self._placeholders[same] = f"{kind}{gap}{number}"
        return self._placeholders[same]

    def _value(self, value: object, key: str, variable: str | None) -> object:
        """Return a value; `key`: its property; `variable`: of what it tells."""
        if isinstance(value, dict):
            return self._object(value, variable)
        if isinstance(value, list):
            return [self._value(item, key, variable) for item in value]
        if value is None:
            return None
        if isinstance(value, str):
            return self._string(value, key, variable)
        if not properties().get(key, False):
            return self._bent_number(value, key)
        if variable is not None and not is_plain_variable(variable) and key == "value":
            return 0  # a variable's value is a text, and this one's may be private
        return value

    def _object(self, value: dict[str, object], variable: str | None) -> object:
        """Return an object; a property that OCPP does not know keeps its place only."""
        about = value.get("variable")
        if isinstance(about, dict):
            name = about.get("name")
            variable = name if isinstance(name, str) else ""
        known = properties()
        told: dict[str, object] = {}
        for key, item in value.items():
            if key in known:
                told[key] = self._value(item, key, variable)
            else:
                told[f"field-{len(told) + 1}"] = _TEXT
        return told

    def _bent_number(self, value: object, key: str) -> object:
        """Return a number where OCPP has a text: it may be a time."""
        if key in _TIMES and isinstance(value, int | float) and value > 1e9:
            return f"@{value - self._zero:+.3f}#"
        return 0

    def _string(self, text: str, key: str, variable: str | None) -> str:
        """Return a text, or what stands for it."""
        if not text:
            return text
        if (kind := _IDENTIFIERS.get(key)) is not None:
            return _as_long(self._placeholder(kind, text), text, key)
        about: set[str | None] = (
            {key, variable} if key in ("attributeValue", "value") else {key}
        )
        if about & (_MODEL | _VENDOR | _FIRMWARE):
            return self._product(text, key, about)
        if (time := _TIME.fullmatch(text)) is not None:
            return self._time(text, time)
        if text in words():
            return text
        if is_plain_variable(variable) and key in ("attributeValue", "value"):
            members = text.split(",")
            if _VALUE.fullmatch(text) or all(
                each.strip() in words() for each in members
            ):
                return text
        if key == "actualValue" and is_plain_variable(variable):
            return text if _VALUE.fullmatch(text) else _TEXT
        if key in ("name", "instance"):
            return _as_long(self._placeholder(key, text), text, key)
        return _as_long(_TEXT, text, key)

    def _word(self, text: object) -> str:
        """Return a word that OCPP knows, or what stands for it."""
        if isinstance(text, str) and text in words():
            return text
        return self._placeholder("action", text)

    def _product(self, text: str, key: str, about: set[str | None]) -> str:
        """Return what a wallbox is, where that can be nothing else."""
        if about & _MODEL:
            kind, harmless = "model", _MODELS.fullmatch(text) is not None
        elif about & _VENDOR:
            kind, harmless = "vendor", text.casefold() in _MAKERS
        else:
            kind = "firmware"
            harmless = _VERSION.fullmatch(text) is not None and not _is_address(text)
        folded = text.casefold()
        if harmless and not any(secret in folded for secret in self._secrets):
            return text
        return _as_long(self._placeholder(kind, text), text, key)

    def _time(self, text: str, parts: re.Match[str]) -> str:
        """Return a time relative to the trace's beginning, `@+1.500Z`."""
        try:
            moment = datetime.fromisoformat(text.upper())
        except ValueError:
            return _TEXT
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        seconds = moment.timestamp() - self._zero
        if abs(seconds) > _NEVER_SET_S:
            return text
        return f"@{seconds:+.3f}{parts[2] or ''}"


def _as_long(placeholder: str, text: str, key: str) -> str:
    """Return a placeholder that is too long where the text is."""
    if len(text) <= _LENGTHS.get(key, _LENGTH):
        return placeholder
    return placeholder.ljust(min(len(text), _LONGEST), ".")


def _is_address(text: str) -> bool:
    """Return whether a text is an IP address."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
