"""Whether a connection is alive: of a dead one nothing but silence tells."""

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final, Protocol

#: A connection on which nothing came for so long is tried with a ping, in s.
PING_AFTER: Final = 30
#: One on which nothing came for so long is dead, in s: a Heartbeat is due every 60.
DEAD_AFTER: Final = 65


class PingSocket(Protocol):
    """A WebSocket, as far as it is used here."""

    async def ping(self) -> Awaitable[float]:
        """Send a ping, and return what ends with its pong."""
        ...


class Liveness:
    """Knows when a connection last showed a sign of life, and asks for one."""

    def __init__(
        self,
        socket: PingSocket,
        *,
        clock: Callable[[], float],
        pause: Callable[[float], Awaitable[None]],
        start: Callable[[Callable[[], Coroutine[Any, Any, None]]], object],
        on_life: Callable[[], None],
        on_death: Callable[[], None],
    ) -> None:
        """Take the connection, which has shown no life yet.

        `clock` is a steady one, in s; `pause` lets time pass, `start` does work beside
        everything else. `on_life` is told of a pong, `on_death` of too long a silence.
        """
        self._socket = socket
        self._clock = clock
        self._pause = pause
        self._start = start
        self._on_life = on_life
        self._on_death = on_death
        self._heard_at: float | None = None
        """When the last sign of life came, by the steady clock, in s."""

    def heard(self) -> None:
        """Take note of a sign of life: a frame, whatever it is, or a pong."""
        self._heard_at = self._clock()

    def since(self, moment: float) -> bool:
        """Return whether it showed life after a moment of the steady clock."""
        return self._heard_at is not None and self._heard_at >= moment

    def probe(self) -> None:
        """Ask for a sign of life."""
        self._start(self._ping)

    async def _ping(self) -> None:
        """Send a ping; its pong is a sign of life."""
        await (await self._socket.ping())
        self._on_life()

    async def watch(self) -> None:
        """Look for signs of life, until there is none for too long."""
        opened = self._clock()
        self.probe()
        while True:
            heard_at = self._heard_at
            silent = self._clock() - (opened if heard_at is None else heard_at)
            if silent < PING_AFTER:
                await self._pause(PING_AFTER - silent)
                continue
            self.probe()
            await self._pause(DEAD_AFTER - PING_AFTER)
            if self._heard_at == heard_at:
                self._on_death()
                return
