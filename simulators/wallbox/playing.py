"""A trace as it was lived through: its wallbox, its owner, and the time of both."""

from __future__ import annotations

from typing import Any, Final, Protocol

from .replay import ReplayedWallbox
from .trace import Wanted

_AT_ONCE_S: Final = 1e-6


class Home(Protocol):
    """A Home Assistant that knows the wallbox, and what time it is by us alone."""

    async def turn(self, seconds: float) -> None:
        """Let time pass."""

    async def rest(self) -> None:
        """Wait until all was said that can be said without time passing."""

    async def act(self, platform: str, service: str, key: str, **data: Any) -> None:
        """Do to an entity of the wallbox what its owner did, which may still wait."""


class Playing:
    """Lets a wallbox, its owner and Home Assistant live through a trace.

    How fast is a matter of how fast `Home.turn` is: a trace is minutes of Home
    Assistant's own time, or what is waited for, counted or out of date would be another
    thing at each speed. Time goes from one thing that happens to the next, `step_s`
    at most.
    """

    def __init__(self, box: ReplayedWallbox, home: Home, *, step_s: float) -> None:
        """Take a wallbox that has not begun yet."""
        self._box = box
        self._home = home
        self._step_s = step_s
        self._now = Wanted(at=0, current_limit=None, charging_allowed=True)
        box.owner = self._want

    async def begin(self) -> None:
        """Want what was wanted before the trace, and begin."""
        await self._want(self._box.trace.before)
        await self._box.pass_time(0)
        await self._home.rest()

    async def play(self, until: float) -> None:
        """Play on to a second of the trace."""
        box, home = self._box, self._home
        while (left := until - box.position) > _AT_ONCE_S:
            step = min(left, box.next_in_s, self._step_s)
            await home.turn(step)
            await box.pass_time(step)
            await home.rest()

    async def _want(self, wanted: Wanted) -> None:
        """Ask for what its owner wanted, once all before that was heard."""
        await self._home.rest()
        act, before, self._now = self._home.act, self._now, wanted
        if wanted.asked is not None:
            await act("button", "press", wanted.asked)
            return
        if wanted.current_limit not in (None, before.current_limit):
            value = wanted.current_limit
            await act("number", "set_value", "current_limit", value=value)
        if wanted.charging_allowed is not before.charging_allowed:
            on = wanted.charging_allowed
            await act("switch", "turn_on" if on else "turn_off", "charging")
