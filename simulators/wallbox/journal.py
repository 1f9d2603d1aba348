"""What was said, kept for whoever asks later."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Final

from .records import Answer, ReceivedCall, SentCall, keep

_REMEMBERED_IDS: Final = 50_000
"""Message ids remembered to find one that is used again."""


@dataclass
class Journal:
    """All that was said, over every connection of one box."""

    received_calls: list[ReceivedCall] = field(default_factory=list)
    """CALLs of the central system."""
    replies: list[Answer] = field(default_factory=list)
    """What the box answered to them."""
    sent: list[SentCall] = field(default_factory=list)
    """CALLs of the box."""
    answers: list[Answer] = field(default_factory=list)
    """What the central system answered to them."""
    frames: list[str | bytes] = field(default_factory=list)
    """Every frame of the central system, as it came."""
    violations: list[str] = field(default_factory=list)
    """Everything that the central system did against the protocol."""
    strays: deque[str | bytes] = field(default_factory=lambda: deque(maxlen=1_000))
    """Answers to raw frames, not read yet."""
    reply_count: int = 0
    """Answers given so far, lost ones included."""
    _ids: dict[str, None] = field(default_factory=dict)

    def blame(self, fault: str) -> None:
        """Note a violation."""
        keep(self.violations, fault)

    def is_new_id(self, message_id: str) -> bool:
        """Return whether the central system never used this message id before."""
        if message_id in self._ids:
            return False
        self._ids[message_id] = None
        if len(self._ids) > _REMEMBERED_IDS:
            del self._ids[next(iter(self._ids))]
        return True
