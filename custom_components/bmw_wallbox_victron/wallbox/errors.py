"""What can go wrong with a wallbox, and with us."""

import logging
import traceback

_LOGGER = logging.getLogger(__name__)


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
