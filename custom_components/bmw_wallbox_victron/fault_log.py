"""The log: each fault once when it begins, and once when it is over."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
import logging
from typing import Final

#: Whose fault, an id or an address; and which.
type Key = tuple[str, str]
#: Whose are those of the server, and of whoever knocks at it.
SERVER: Final = "server"

#: So many faults of one kind are kept of those who are no devices of ours.
_MAX_OF_STRANGERS: Final = 16

type _Line = tuple[logging.Logger, str, tuple[object, ...]]


@dataclass(slots=True)
class _Fault:
    """A fault that is not over."""

    start: _Line | None
    """What is to be said of its start; None: that is said."""
    start_at: float
    """When, in s."""
    end: _Line | None = None
    """What is to be said of its end; None: it goes on."""
    end_at: float | None = None
    """When, in s, unless it begins again until then."""


class FaultLog:
    """Keeps which faults there are, and says so.

    Whoever sees a fault says so each time that it does. What comes and goes, as a bad
    connection, is one fault and not many: its end may wait for some calm.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        """Start with nothing wrong. `clock` gives seconds, and is never set."""
        self._clock = clock
        self._faults: dict[Key, _Fault] = {}

    def is_on(self, key: Key) -> bool:
        """Return whether a fault is not over."""
        return key in self._faults

    def has_room(self, key: Key, kind: str) -> bool:
        """Return whether a fault may be told of that a stranger to us has named.

        Such are few at a time: whoever tries many names or addresses says nothing new.
        The names of a kind begin with it.
        """
        if key in self._faults:
            return True
        alike = sum(each[1].startswith(kind) for each in self._faults)
        return alike < _MAX_OF_STRANGERS

    def begin(
        self,
        logger: logging.Logger,
        key: Key,
        message: str,
        *args: object,
        after_s: float = 0.0,
    ) -> None:
        """Say that there is a fault, if that is new.

        The message names the device and says what to do next. `after_s`: what is over
        by then is not worth a line.
        """
        fault = self._faults.get(key)
        if fault is None:
            fault = self._faults[key] = _Fault(
                (logger, message, args), self._clock() + after_s
            )
        fault.end = fault.end_at = None
        self._look(key, fault)

    def note(self, key: Key) -> None:
        """Take note of a fault of which Home Assistant itself has told."""
        self._faults[key] = _Fault(None, self._clock())

    def end(
        self,
        logger: logging.Logger,
        key: Key,
        message: str,
        *args: object,
        calm_s: float = 0.0,
    ) -> None:
        """Say that a fault is over, if there was one, and after so long without it."""
        fault = self._faults.get(key)
        if fault is None:
            return
        if fault.start is not None:
            del self._faults[key]
            return
        end_at = self._clock() + calm_s
        if fault.end_at is None or end_at < fault.end_at:
            fault.end, fault.end_at = (logger, message, args), end_at
        self._look(key, fault)

    def drop(self, key: Key) -> None:
        """Forget a fault: another one tells more."""
        self._faults.pop(key, None)

    def keep(self, owners: Collection[str]) -> None:
        """Forget the faults of all others."""
        for key in tuple(self._faults):
            if key[0] not in owners:
                del self._faults[key]

    def sweep(self) -> None:
        """Say what is due by now; called every few seconds."""
        for key, fault in tuple(self._faults.items()):
            self._look(key, fault)

    def _look(self, key: Key, fault: _Fault) -> None:
        """Say what is due of one fault."""
        now = self._clock()
        if fault.start is not None and now >= fault.start_at:
            logger, message, args = fault.start
            fault.start = None
            logger.warning(message, *args)
        if fault.end is not None and fault.end_at is not None and now >= fault.end_at:
            logger, message, args = fault.end
            del self._faults[key]
            logger.info(message, *args)
