"""OCPP's payloads: as JSON, and as the `ocpp` library's classes.

The library spells the keys of its classes in snake case and ships what converts them.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
import re
from typing import Any, Final, cast

from ocpp.charge_point import (
    camel_to_snake_case,
    remove_nones,
    serialize_as_dict,
    snake_to_camel_case,
)
from ocpp.v201 import call_result

_BOUNDARY: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def snake_case(text: str) -> str:
    """Spell one of OCPP's names as Home Assistant spells states."""
    return _BOUNDARY.sub("_", text).lower()


def ocpp_time(moment: datetime) -> str:
    """Write RFC 3339 with `Z` and milliseconds: some stations refuse `+00:00`."""
    text = moment.astimezone(UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


#: No name of OCPP 2.0.1 is longer, in characters.
_MAX_KEY: Final = 64


@lru_cache(maxsize=1024)
def _snake_key(key: str) -> str:
    """Spell a key as the library spells it, which takes 3 us."""
    return cast(str, next(iter(camel_to_snake_case({key: None}))))


def to_snake(value: Any) -> Any:
    """Copy JSON with its keys in snake case."""
    if isinstance(value, dict):
        return {
            # A key that no message has is not kept.
            (_snake_key if len(key) <= _MAX_KEY else _snake_key.__wrapped__)(key): (
                to_snake(each)
            )
            for key, each in value.items()
        }
    if isinstance(value, list):
        return [to_snake(each) for each in value]
    return value


def to_json(payload: Any) -> dict[str, Any]:
    """Write one of `ocpp.v201.call` or `call_result` as what goes on the wire."""
    return cast(
        dict[str, Any],
        remove_nones(snake_to_camel_case(serialize_as_dict(payload))),
    )


def to_result(action: str, payload: Mapping[str, Any]) -> Any:
    """Read the payload of a CALLRESULT as the matching one of `call_result`."""
    return getattr(call_result, action)(**to_snake(payload))
