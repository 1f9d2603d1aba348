"""A trace instead of a simulated wallbox: what its owner sent, in a Home Assistant."""

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
import ssl
import time
from typing import Any, Final

from simulators.wallbox.playing import Playing
from simulators.wallbox.replay import ReplayedWallbox
from simulators.wallbox.trace import Trace, Wanted

from .console import DemoError
from .layout import CHARGE_POINT_ID, WALLBOX_PASSWORD
from .past.guide import Guide

_LOOK_S: Final = 0.2
_STEP_REAL_S: Final = 0.1
"""What a step takes of our time, s."""
_COARSEST_S: Final = 1.0
"""A step of theirs, s: what the integration does each second is done then."""
_TIME_TO_START_S: Final = 1.0
"""So much before it has to be there Home Assistant begins, s: it waits."""


def behind_s(trace: Trace, speed: float) -> float:
    """Return how far back Home Assistant has to start, s."""
    return _begins_s(trace, speed) + _TIME_TO_START_S


def _begins_s(trace: Trace, speed: float) -> float:
    """Return how far back a trace begins, s: its end is the present."""
    return trace.length_s * (1 - 1 / speed)


def step_s(speed: float) -> float:
    """Return how fine their time is, s."""
    return min(_STEP_REAL_S * speed, _COARSEST_S)


class Replay:
    """Has Home Assistant live through a trace, and says what happens in it."""

    def __init__(
        self,
        path: Path,
        box: ReplayedWallbox,
        guide: Guide,
        entity_ids: Mapping[tuple[str, str], str],
        *,
        speed: float,
    ) -> None:
        """Take the wallbox, where its trace comes from, and Home Assistant's clock.

        `entity_ids`: of the wallbox, by platform and key. `speed`: how many times as
        fast as we they live, Home Assistant included.
        """
        self.path = path
        self.box = box
        self._guide = guide
        self._entity_ids = entity_ids
        self._speed = speed
        self._due = 0.0

    async def live(self) -> None:
        """Live through the trace, then in the present, connected until cancelled.

        Raises DemoError where Home Assistant ends before.
        """
        trace, guide = self.box.trace, self._guide
        playing = Playing(self.box, self, step_s=step_s(self._speed))
        try:
            # While it started and was set up, our time went on.
            await guide.step(guide.behind_s - _begins_s(trace, self._speed))
            self._due = time.monotonic()
            await playing.begin()
            await playing.play(trace.length_s)
            await guide.leave()
            await self.box.run()
        except ConnectionError as err:
            raise DemoError(f"the trace cannot go on: {err}") from err
        finally:
            await self.box.close()

    async def turn(self, seconds: float) -> None:
        """Let time pass for Home Assistant."""
        # No faster than was asked for; what was too slow is not caught up.
        self._due = max(self._due + seconds / self._speed, time.monotonic() - 1)
        await asyncio.sleep(self._due - time.monotonic())
        await self._guide.step(seconds)

    async def rest(self) -> None:
        """Wait until all was said that can be said without time passing."""
        await self.box.settle()

    async def act(self, platform: str, service: str, key: str, **data: Any) -> None:
        """Do what its owner did."""
        entity_id = self._entity_ids[platform, key]
        await self._guide.act(f"{platform}.{service}", {"entity_id": entity_id} | data)
        await self.rest()

    async def tell(self, say: Callable[[str], None]) -> None:
        """Say what its owner did in the trace, and what nobody asked in it."""
        box, trace = self.box, self.box.trace
        say(f"{self.path.name} plays, {trace.length_s / self._speed:.0f} s of it")
        wanted, unknown, over = list(trace.wanted), 0, False
        while True:
            while wanted and wanted[0].at <= box.position:
                say(f"{wanted[0].at:.0f} s: its owner {_did(wanted.pop(0))}")
            for action, _ in box.unknown_calls[unknown:]:
                say(f"{box.position:.0f} s: nobody asked for {action} in the trace")
            unknown = len(box.unknown_calls)
            if box.over and box.position >= trace.length_s and not over:
                over = True
                say("the trace is over; the wallbox stays as it was")
            await asyncio.sleep(_LOOK_S)


def make_replay(
    path: Path,
    trace: Trace,
    guide: Guide,
    entity_ids: Mapping[tuple[str, str], str],
    ocpp_port: int,
    context: ssl.SSLContext,
    *,
    speed: float,
) -> Replay:
    """Make the wallbox of a trace."""
    box = ReplayedWallbox(
        trace,
        url=f"wss://localhost:{ocpp_port}",
        charge_point_id=CHARGE_POINT_ID,
        ssl_context=context,
        password=WALLBOX_PASSWORD,
        clock=lambda: guide.now,
        # The name may be ::1 here, where somebody else may be listening.
        host="127.0.0.1",
    )
    return Replay(path, box, guide, entity_ids, speed=speed)


def _did(wanted: Wanted) -> str:
    """Say what somebody wanted."""
    if wanted.asked is not None:
        return f"pressed {wanted.asked}"
    limit = wanted.current_limit
    what = "no limit" if limit is None else f"{limit} A"
    return f"wanted {what}" if wanted.charging_allowed else f"paused, with {what}"
