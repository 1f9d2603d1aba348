"""An event loop whose time passes only while nobody has anything to do.

Sockets, TLS and threads are real: what was sent over loopback has arrived when it is
looked for. A timer that is due in an hour is due at once when nothing else is.
"""

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
import selectors
import time
from typing import Any, override

#: How long a thread is waited for at a time, in real s.
_THREAD_S = 0.0005
#: How long each turn of the loop takes, s.
_TURN_S = 1e-6
#: How much of real time a loop may wait for a thread, s.
_THREAD_PATIENCE_S = 20.0


class _Selector(selectors.BaseSelector):
    """Looks at sockets without waiting, and lets virtual time pass instead."""

    def __init__(self) -> None:
        self._real = selectors.DefaultSelector()
        self.now = 0.0
        self.threads = 0
        """How many jobs run in threads, of which nobody knows when they end."""
        self._waited_s = 0.0

    @override
    def register(
        self, fileobj: Any, events: int, data: Any = None
    ) -> selectors.SelectorKey:
        return self._real.register(fileobj, events, data)

    @override
    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._real.unregister(fileobj)

    @override
    def modify(
        self, fileobj: Any, events: int, data: Any = None
    ) -> selectors.SelectorKey:
        return self._real.modify(fileobj, events, data)

    @override
    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._real.get_map()

    @override
    def close(self) -> None:
        self._real.close()

    @override
    def select(
        self, timeout: float | None = None
    ) -> list[tuple[selectors.SelectorKey, int]]:
        # Never quite still: what is due in less than a float can tell would not be.
        self.now += _TURN_S
        events = self._real.select(0)
        if events or (timeout is not None and timeout <= 0):
            self._waited_s = 0.0
            return events
        if self.threads:
            # They live in real time, while the virtual one stands still.
            began = time.perf_counter()
            events = self._real.select(_THREAD_S)
            self._waited_s += time.perf_counter() - began
            if self._waited_s > _THREAD_PATIENCE_S:
                raise RuntimeError("a thread takes too long")
            return events
        if timeout is None:
            raise RuntimeError("everybody waits, and no timer will ever end that")
        self.now += timeout
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop that a simulated day passes in no time."""

    def __init__(self) -> None:
        """Begin at 0 s."""
        self._virtual = _Selector()
        super().__init__(self._virtual)

    @override
    def time(self) -> float:
        """Return virtual seconds."""
        return self._virtual.now

    @override
    def run_in_executor[*Ts, T](
        self, executor: Executor | None, func: Callable[[*Ts], T], *args: *Ts
    ) -> asyncio.Future[T]:
        """Run in a thread; virtual time stands still until it is over."""
        self._virtual.threads += 1
        future = super().run_in_executor(executor, func, *args)
        future.add_done_callback(self._thread_ended)
        return future

    def _thread_ended(self, _: object) -> None:
        self._virtual.threads -= 1

    @property
    def timers(self) -> list[asyncio.TimerHandle]:
        """Timers that wait."""
        # What a loop keeps to itself, and nobody else can tell.
        handles: list[asyncio.TimerHandle] = vars(self)["_scheduled"]
        return [handle for handle in handles if not handle.cancelled()]
