"""What the simulator remembers, so that a test can ask it later."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

type Payload = dict[str, Any]
"""The payload of an OCPP message, keys in camelCase as on the wire."""

RECORD_LIMIT: Final = 5_000
"""Items a list keeps; a demo runs for weeks and must not grow."""


def keep[T](records: list[T], item: T) -> None:
    """Append an item and forget the oldest tenth when the list is full."""
    records.append(item)
    if len(records) > RECORD_LIMIT:
        del records[: RECORD_LIMIT // 10]


def wire_time(moment: datetime) -> str:
    """Write a time as OCPP wants it: RFC 3339, UTC, three decimals, Z."""
    text = moment.astimezone(UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


@dataclass(frozen=True, kw_only=True)
class ReceivedCall:
    """A CALL of the central system."""

    time: datetime
    """When it came, by the box's own clock."""
    message_id: str
    action: str
    payload: Payload


@dataclass(frozen=True, kw_only=True)
class SentCall:
    """A CALL of the box."""

    time: datetime
    """When it went out, by the box's own clock."""
    message_id: str
    action: str
    payload: Payload


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A CALLRESULT, or a CALLERROR where `error` is set."""

    time: datetime
    """When it came or went out, by the box's own clock."""
    message_id: str
    action: str
    payload: Payload
    """The payload of a CALLRESULT, the details of a CALLERROR."""
    error: str | None = None
    """The code of a CALLERROR."""


@dataclass(kw_only=True)
class Message:
    """A message that waits to be sent."""

    action: str
    payload: Payload
    on_answer: Callable[[Payload], None] | None = None
    attempts: int = 0
    bent: bool = False
    """Whether it breaks the schema, as a quirk wants it."""


class CallFailed(Exception):  # noqa: N818 - it reads as what happened
    """The central system answered a CALL with a CALLERROR."""

    def __init__(self, code: str, description: str, details: Payload) -> None:
        """Keep the three parts of the CALLERROR."""
        super().__init__(f"{code}: {description}")
        self.code = code
        self.description = description
        self.details = details
