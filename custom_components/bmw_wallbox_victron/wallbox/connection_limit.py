"""Who may hold a connection to the server, and who has to make room.

A silent host must not keep a wallbox out (SPEC, "Security"), so a place is lent to who
has not shown yet that it is a wallbox, and taken back from the one that had it longest.
"""

from collections.abc import Hashable
from typing import Final

#: Connections at once, those that are not admitted yet included.
MAX_CONNECTIONS: Final = 32
#: So many of one address that are not admitted yet.
MAX_WAITING: Final = 4
#: So many of one wallbox: one is live, the others are on their way out.
MAX_ADMITTED: Final = 4


class ConnectionLimit[Connection: Hashable]:
    """Bounds how many connections there are.

    Each method that gives a connection names the one that has to go, now. It is not
    counted any more.
    """

    def __init__(self) -> None:
        """Start with none."""
        # By age: the first one is the oldest.
        self._waiting: dict[Connection, str] = {}
        self._admitted: dict[Connection, Hashable] = {}
        self._closed = False

    def __len__(self) -> int:
        """Count the connections."""
        return len(self._waiting) + len(self._admitted)

    def __contains__(self, connection: object) -> bool:
        """Return whether a connection has a place still."""
        return connection in self._waiting or connection in self._admitted

    @property
    def waiting(self) -> tuple[Connection, ...]:
        """Those that are not admitted yet, the oldest first."""
        return tuple(self._waiting)

    @property
    def admitted(self) -> tuple[Connection, ...]:
        """Those that are admitted, the oldest first."""
        return tuple(self._admitted)

    def enter(self, connection: Connection, address: str) -> Connection | None:
        """Take a new connection, and give the one that has to go for it.

        That is the new one itself where all others are admitted, or after `close`;
        None: there is room.
        """
        if self._closed:
            return connection
        alike = [each for each, whose in self._waiting.items() if whose == address]
        goes: Connection | None = None
        if len(alike) >= MAX_WAITING:
            goes = alike[0]
        elif len(self) >= MAX_CONNECTIONS:
            goes = next(iter(self._waiting), connection)
        if goes is connection:
            return goes
        if goes is not None:
            self.leave(goes)
        self._waiting[connection] = address
        return goes

    def admit(self, connection: Connection, owner: Hashable) -> Connection | None:
        """Take note whose connection it is, and give the one that has to go for it.

        Only a wallbox throws out one that is admitted, and only one of its own.
        """
        self.leave(connection)
        alike = [each for each, whose in self._admitted.items() if whose == owner]
        goes = alike[0] if len(alike) >= MAX_ADMITTED else None
        if goes is not None:
            self.leave(goes)
        self._admitted[connection] = owner
        return goes

    def close(self) -> None:
        """Let nobody enter any more."""
        self._closed = True

    def leave(self, connection: Connection) -> None:
        """Forget a connection that ended; again does no harm."""
        self._waiting.pop(connection, None)
        self._admitted.pop(connection, None)
