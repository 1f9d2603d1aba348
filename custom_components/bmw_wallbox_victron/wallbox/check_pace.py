"""The pace of a check: how it waits, asks, and comes to an end."""

import asyncio
from collections.abc import Callable
from typing import Final

from .calls import LiveConnection
from .errors import CallFailedError
from .findings import Detail
from .state import WallboxState
from .station import Station

#: How long it may take until nothing is being asked any more, in s.
REST_S: Final = 60.0
#: So many calls in a row are not answered before the check ends.
_LOSSES: Final = 3
_STEP_S: Final = 1.0


class OverError(Exception):
    """The check ends before its end; `reason` says why."""

    def __init__(self, reason: Detail) -> None:
        super().__init__(reason)
        self.reason = reason


class Pace:
    """Takes the steps of a check, each within its time."""

    def __init__(self, station: Station, duration_s: float) -> None:
        """Take the wallbox; it ends after `duration_s` in any case."""
        self._station = station
        self._stopped = False
        self._wake: asyncio.Event | None = None
        self._deadline = self._now + duration_s
        self._losses = 0
        """How many calls in a row were not answered."""
        self._returning = False
        """Whether the wallbox was sent away, and is to come back."""
        active = station.state.active
        self._session = None if active is None else active.key
        """The session that runs: with it, the check ends."""

    def stop(self) -> None:
        """End it; what is known by then is its result."""
        self._stopped = True
        if self._wake is not None:
            self._wake.set()

    @property
    def _now(self) -> float:
        return self._station.now().steady

    @property
    def _state(self) -> WallboxState:
        return self._station.state

    async def _pause(self, seconds: float = _STEP_S) -> None:
        """Let time pass. Raises OverError where the check is to end."""
        wake = self._wake = asyncio.Event()
        cancel = self._station.call_later(seconds, wake.set)
        try:
            if not self._stopped:
                await wake.wait()
        finally:
            cancel()
        self._look()

    def _look(self) -> None:
        """Raise OverError where the check is to end."""
        if self._stopped:
            raise OverError(Detail.STOPPED)
        if self._now >= self._deadline:
            raise OverError(Detail.TIME)
        if self._losses >= _LOSSES:
            raise OverError(Detail.UNANSWERED)
        if self._returning:
            return
        if self._station.connection is None:
            raise OverError(Detail.AWAY)
        active = self._state.active
        if self._session is not None and (
            active is None or active.key != self._session
        ):
            raise OverError(Detail.CAR_GONE)

    async def _until(self, done: Callable[[], bool], patience_s: float) -> bool:
        """Wait until something is so, and return whether it is."""
        end = self._now + patience_s
        while not done():
            if self._now >= end:
                return False
            await self._pause(min(_STEP_S, max(end - self._now, 0.1)))
        return True

    async def _rest(self) -> None:
        """Wait until nothing else is being asked."""
        await self._until(lambda: self._connection.at_rest, REST_S)

    @property
    def _connection(self) -> LiveConnection:
        connection = self._station.connection
        if connection is None:
            raise OverError(Detail.AWAY)
        return connection

    async def _call[A](self, payload: object, answer: Callable[..., A]) -> A | None:
        """Make a call; None: it had no success."""
        self._look()
        try:
            result = await self._connection.request(payload, answer)
        except CallFailedError as err:
            self._losses = 0 if err.answered else self._losses + 1
            self._look()
            return None
        self._losses = 0
        self._look()
        return result
