"""Remote control under way, once for all who ask for it at the same time."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Final

from .errors import CommandError, log_bug
from .state import ChargingState, WallboxState

#: A current up to this is noise of the meter, in A: no car draws less than 6 A.
NOISE_A: Final = 2.0


def draws_current(state: WallboxState) -> bool:
    """Return whether the car is measured to draw current in a session."""
    amps = None if state.active is None else state.current
    return amps is not None and amps > NOISE_A


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteStart:
    """A RequestStartTransaction that the wallbox has accepted."""

    id: int
    """Its remoteStartId."""
    before: str | None
    """The transaction that was the current one before; None: there was none."""
    until: float
    """Until when a session may follow, by the steady clock, in s."""

    def led_to(self, state: WallboxState) -> bool:
        """Return whether a session has followed."""
        current = state.transaction
        if any(
            each is not None and each.remote_start_id == self.id
            for each in (current, *state.recent)
        ):
            return True
        active = state.active
        if active is None:
            return False
        if active.charging_state is not ChargingState.EV_CONNECTED or (
            draws_current(state)
        ):
            return True
        # One that has begun since names no start, or another one's, which is not ours.
        return active.id != self.before and active.remote_start_id is None


class RemoteRequests:
    """Holds the requests that are under way, by name.

    Whoever asks for what is under way joins it, and has its outcome. One that gave up
    waiting does not end it for the others.
    """

    def __init__(self) -> None:
        """Start with nothing under way."""
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def join(
        self, name: str, begin: Callable[[], Coroutine[Any, Any, None]]
    ) -> None:
        """Wait for an attempt, which begins where none is under way.

        Raises what the attempt raises, and CommandError where it is closed.
        """
        task = self._tasks.get(name)
        if task is None or task.done():
            task = self._tasks[name] = asyncio.create_task(begin())
            task.add_done_callback(_look_at)
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            if task.cancelled():
                raise CommandError("connection_lost") from None
            raise

    async def over(self, name: str) -> bool:
        """Wait until no attempt of that name is under way, whatever becomes of it.

        Return whether there was one.
        """
        task = self._tasks.get(name)
        if task is None or task.done():
            return False
        await asyncio.wait([task])
        return True

    def close(self) -> None:
        """End all that is under way."""
        for task in self._tasks.values():
            task.cancel()


def _look_at(task: asyncio.Task[None]) -> None:
    """Take the outcome of an attempt for which nobody may wait any more."""
    if task.cancelled():
        return
    err = task.exception()
    if err is not None and not isinstance(err, CommandError):
        log_bug(err)
