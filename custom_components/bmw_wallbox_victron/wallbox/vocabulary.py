"""The words that OCPP 2.0.1 itself defines: whatever is none of them may be private.

They are those of the `ocpp` library's classes, which have all that the schemas have.
"""

from collections.abc import Iterator
from dataclasses import is_dataclass
from enum import StrEnum
from functools import cache
import re
from types import ModuleType
from typing import Any, Final, get_args, get_type_hints

from ocpp.v201 import call, call_result, datatypes, enums

from .device_model import LIGHTS
from .payloads import camel_case

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
#: Security events of OCPP 2.0.1 (appendix 1); the library has no list of them.
_SECURITY_EVENTS: Final = frozenset(
    {
        "AttemptedReplayAttacks",
        "CsmsFailedToAuthenticate",
        "FailedToAuthenticateAtCsms",
        "FirmwareUpdated",
        "InvalidChargingStationCertificate",
        "InvalidCsmsCertificate",
        "InvalidFirmwareSignature",
        "InvalidFirmwareSigningCertificate",
        "InvalidMessages",
        "InvalidTLSCipherSuite",
        "InvalidTLSVersion",
        "MemoryExhaustion",
        "ReconfigurationOfSecurityParameters",
        "ResetOrReboot",
        "SecurityLogWasCleared",
        "SettingSystemTime",
        "StartupOfTheDevice",
        "TamperDetectionActivated",
    }
)
#: What is asked for beside OCPP's own variables.
_ASKED_FOR: Final = frozenset(
    {"MaxCurrent", *(name for light in LIGHTS for name in light)}
)
#: Variables whose value may say who or where somebody is, by what is in their name.
_PRIVATE_VARIABLE: Final = re.compile(
    r"serial|ident|iccid|imsi|passw|cert|vin|token|mac|address|url|uri|name|phone|pin"
    r"|id$|number|organi|contract|vehicle|message|text",
    re.IGNORECASE,
)
#: A number that is private.
_PRIVATE_NUMBERS: Final = frozenset({"simPin"})


def _types(hint: object) -> Iterator[object]:
    """Return the types that an annotation is made of."""
    inner = get_args(hint)
    if not inner:
        yield hint
    for each in inner:
        yield from _types(each)


def _classes(module: ModuleType) -> Iterator[type]:
    """Return the classes of a module."""
    return (each for each in vars(module).values() if isinstance(each, type))


@cache
def properties() -> dict[str, bool]:
    """Return the names of all properties, and of each whether it may be a number."""
    found: dict[str, bool] = {}
    for module in (datatypes, call, call_result):
        for kind in _classes(module):
            if not is_dataclass(kind):
                continue
            for name, hint in get_type_hints(kind).items():
                key = camel_case(name)
                counts = bool({int, float, bool} & set(_types(hint)))
                found[key] = found.get(key, False) or counts
    return {
        name: counts and name not in _PRIVATE_NUMBERS for name, counts in found.items()
    }


@cache
def words() -> frozenset[str]:
    """Return all values of enumerations, and the names of components and variables."""
    values: set[Any] = {
        each.value
        for kind in _classes(enums)
        if issubclass(kind, StrEnum)
        for each in kind
    }
    return frozenset(map(str, values)) | _SECURITY_EVENTS | _ASKED_FOR


def is_plain_variable(name: str | None) -> bool:
    """Return whether a variable is known, and its value says nothing of anybody."""
    return (
        name is not None and name in words() and _PRIVATE_VARIABLE.search(name) is None
    )
