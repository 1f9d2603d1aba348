"""What was said between us and a wallbox while it is checked."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from ocpp.messages import Call


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """A call of ours, and what came back."""

    at: float
    """When that came, or did not, by the steady clock, in s."""
    took: float
    """How long it took, in s."""
    request: object
    """What was asked: one of `ocpp.v201.call`."""
    answer: Mapping[str, Any] | None = None
    """The answer, with keys in snake case; None: there was none, or an error."""
    error: str | None = None
    """The code of a CALLERROR."""

    @property
    def lost(self) -> bool:
        """Whether nothing came back."""
        return self.answer is None and self.error is None

    @property
    def status(self) -> str | None:
        """The status of the answer, or the error; None: neither."""
        if self.answer is None:
            return self.error
        status = self.answer.get("status")
        return status if isinstance(status, str) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A call of the wallbox."""

    at: float
    """When it came, by the steady clock, in s."""
    action: str
    """What it is."""
    payload: Mapping[str, Any]
    """What it says, with keys in snake case."""

    @classmethod
    def of(cls, said: Call, at: float) -> Message:
        """Return what a CALL says that came `at` that time."""
        return cls(at=at, action=said.action, payload=said.payload)


class Witness(Protocol):
    """Who is told of all that is said."""

    def answered(self, exchange: Exchange) -> None:
        """Take a call of ours that is over."""
        ...

    def said(self, message: Message) -> None:
        """Take a call of the wallbox."""
        ...

    def bent(self, reason: str) -> None:
        """Take what was wrong with a frame of the wallbox."""
        ...


@dataclass(slots=True)
class CheckLog:
    """All that was said since it began to listen."""

    exchanges: list[Exchange] = field(default_factory=list)
    """Our calls, the oldest first."""
    messages: list[Message] = field(default_factory=list)
    """The wallbox's calls, the oldest first."""
    faults: list[str] = field(default_factory=list)
    """What was wrong with frames of the wallbox."""

    def answered(self, exchange: Exchange) -> None:
        """Take a call of ours that is over."""
        self.exchanges.append(exchange)

    def said(self, message: Message) -> None:
        """Take a call of the wallbox."""
        self.messages.append(message)

    def bent(self, reason: str) -> None:
        """Take what was wrong with a frame of the wallbox."""
        self.faults.append(reason)

    def asked[R](self, kind: type[R]) -> list[tuple[R, Exchange]]:
        """Return our calls of a kind, each with what came back."""
        return [
            (each.request, each)
            for each in self.exchanges
            if isinstance(each.request, kind)
        ]

    def count(self, action: str) -> int:
        """Return how many messages of an action came."""
        return sum(each.action == action for each in self.messages)
