"""What can go wrong with a wallbox, and with us."""

import logging
import traceback
from typing import Final, Protocol

from .payloads import StatusInfo

_LOGGER = logging.getLogger(__name__)
#: So much of a reason is kept, in characters.
_MAX_REASON: Final = 200


def log_bug(err: BaseException | None) -> None:
    """Log a bug of ours by its place, without the message that brought it out."""
    frames = traceback.extract_tb(None if err is None else err.__traceback__)
    where = ", ".join(f"{frame.name}:{frame.lineno}" for frame in frames[-3:])
    _LOGGER.error("Failed to handle a message: %s in %s", type(err).__name__, where)


class CallFailedError(Exception):
    """A call to the wallbox had no success; `reason` says why, in a few words."""

    def __init__(self, action: str, reason: str, *, answered: bool = False) -> None:
        """Name the action and the reason, and whether the wallbox itself gave it."""
        super().__init__(f"{action}: {reason}")
        self.action = action
        self.reason = reason
        self.answered = answered


class CommandError(Exception):
    """The wallbox does not do what was asked.

    `key` names the sentence that tells its owner what to do next; `placeholders` are
    its blanks.
    """

    def __init__(self, key: str, **placeholders: str) -> None:
        """Name the sentence and fill its blanks."""
        super().__init__(f"{key} {placeholders}" if placeholders else key)
        self.key = key
        self.placeholders = placeholders


class StatusAnswer(Protocol):
    """An answer with a status: one of `ocpp.v201.call_result`."""

    status: str
    """What the wallbox makes of the call."""
    status_info: StatusInfo | None
    """Why."""


def refusal(answer: StatusAnswer) -> str:
    """Return the reason of an answer that is not Accepted, in the wallbox's words.

    It is shown and logged: one line, not too long, and nothing that is no text.
    """
    parts: list[object] = [answer.status]
    if (info := answer.status_info) is not None:
        parts += [info.get("reason_code"), info.get("additional_info")]
    words = ", ".join(str(part) for part in parts if part)
    text = "".join(each if each.isprintable() else " " for each in words)
    return " ".join(text.split())[:_MAX_REASON]
