"""A trace as a wallbox, and a clock that a test turns."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from freezegun.api import FrozenDateTimeFactory
from homeassistant.const import STATE_UNAVAILABLE, STATE_UNKNOWN
from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er
from homeassistant.util import dt as dt_util

from simulators.wallbox.replay import ReplayedWallbox
from simulators.wallbox.trace import Trace, Wanted, load_trace

from .bench import TURNS, turn
from .site import CHARGE_POINT_ID, Site

TRACES: Final = Path(__file__).parents[1] / "data" / "traces"
#: How fine the clock is turned where nothing is known of what comes, s.
STEP_S: Final = 1.0
#: So long after the last word of a story all is shown that is shown at a pace, s.
SETTLES_S: Final = 30


def next_second(freezer: FrozenDateTimeFactory) -> datetime:
    """Turn the clock to a whole second, for moments are shown in those."""
    moment = dt_util.utcnow().replace(microsecond=0) + timedelta(seconds=1)
    freezer.move_to(moment)
    return moment


def shown(hass: HomeAssistant, site: Site, begin: datetime) -> dict[str, str]:
    """Give the states of all entities of the wallbox, by `platform.key`.

    Moments are told relative to `begin`, in whole seconds.
    """
    device = site.device()
    states: dict[str, str] = {}
    for entry in er.async_entries_for_device(er.async_get(hass), device.id):
        if (state := hass.states.get(entry.entity_id)) is None:
            continue
        text = state.state
        if entry.original_device_class == "timestamp" and text not in (
            STATE_UNAVAILABLE,
            STATE_UNKNOWN,
        ):
            seconds = (datetime.fromisoformat(text) - begin).total_seconds()
            text = f"@{seconds:+.0f}"
        if entry.domain not in ("button", "event"):  # states that are moments of now
            key = entry.unique_id.removeprefix(f"{CHARGE_POINT_ID}_")
            states[f"{entry.domain}.{key}"] = text
    return dict(sorted(states.items()))


class Replay:
    """A wallbox of a trace, Home Assistant, and a clock that a test turns."""

    def __init__(
        self,
        hass: HomeAssistant,
        site: Site,
        freezer: FrozenDateTimeFactory,
        box: ReplayedWallbox,
    ) -> None:
        """Take a wallbox that has not begun yet."""
        self.hass = hass
        self.site = site
        self.freezer = freezer
        self.box = box
        self.asked: list[asyncio.Task[object]] = []
        self._wanted = list(box.trace.wanted)
        self._now = box.trace.before
        self.begin = next_second(freezer)

    async def rest(self) -> None:
        """Let both sides say all that they can say without time passing."""
        before = -1
        while before != self.box.spoken:
            before = self.box.spoken
            await turn(TURNS)
            await self.box.ping()
            await turn(TURNS)
        # What hung up is noticed.
        await turn(20 * TURNS)

    async def play(
        self,
        until: float | None = None,
        *,
        on_step: Callable[[float], Awaitable[None]] | None = None,
    ) -> None:
        """Play the trace, as far as a second of it; None: to its end.

        What its owner wanted is asked for again when it was.
        """
        trace, box = self.box.trace, self.box
        end = trace.length_s if until is None else until
        if box.position == 0:
            await self._want(Wanted(at=0, **_wishes(trace.before)))
            await box.pass_time(0)
            await self.rest()
        while box.position < end - 1e-6:
            step = min(STEP_S, (end - box.position) / box.speed)
            self.freezer.tick(step)
            await box.pass_time(step)
            await self.rest()
            while self._wanted and self._wanted[0].at <= box.position + 1e-6:
                await self._want(self._wanted.pop(0))
            if on_step is not None:
                await on_step(box.position)

    async def _want(self, wanted: Wanted) -> None:
        """Ask for what the owner of the wallbox wanted."""
        if wanted.starts:
            await self._act("button", "press", "start_charging")
            return
        if wanted.current_limit not in (None, self._now.current_limit):
            await self._act(
                "number", "set_value", "current_limit", value=wanted.current_limit
            )
        if wanted.charging_allowed is not self._now.charging_allowed:
            on = wanted.charging_allowed
            await self._act("switch", "turn_on" if on else "turn_off", "charging")
        self._now = wanted

    async def _act(self, platform: str, service: str, key: str, **data: Any) -> None:
        """Call an action on an entity, which may still wait when this returns."""
        target = {"entity_id": self.site.entity_id(platform, key)}
        action = self.hass.services.async_call(
            platform, service, target | data, blocking=True
        )
        self.asked.append(asyncio.create_task(action))
        await self.rest()

    async def settle(self) -> None:
        """Let all be shown that is shown at a pace, with nothing more said."""
        for _ in range(SETTLES_S):
            self.freezer.tick(1)
            await self.rest()

    def shown(self) -> dict[str, str]:
        """Give the states of all entities of the wallbox."""
        return shown(self.hass, self.site, self.begin)

    async def close(self) -> None:
        """Hang up."""
        await self.box.close()
        await self.rest()
        await asyncio.gather(*self.asked, return_exceptions=True)


def _wishes(wanted: Wanted) -> dict[str, Any]:
    """Give what is wished, without when."""
    return {
        "current_limit": wanted.current_limit,
        "charging_allowed": wanted.charging_allowed,
    }


def read(name: str) -> Trace:
    """Read a trace of the corpus, or one that an owner sent."""
    return load_trace(TRACES / f"{name}.jsonl")


type MakeReplay = Callable[..., Replay]
