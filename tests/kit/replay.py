"""A trace as a wallbox, and a clock that a test turns."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from freezegun.api import FrozenDateTimeFactory
from homeassistant.const import STATE_UNAVAILABLE, STATE_UNKNOWN
from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er
from homeassistant.util import dt as dt_util

from simulators.wallbox.playing import Playing
from simulators.wallbox.replay import ReplayedWallbox
from simulators.wallbox.trace import Trace, load_trace

from .bench import TURNS, turn
from .site import CHARGE_POINT_ID, Site

TRACES: Final = Path(__file__).parents[1] / "data" / "traces"


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


async def set_up(site: Site, max_current: int, meter_interval: int) -> None:
    """Set what of the settings bears on what a wallbox is asked."""
    entry, entries = site.entry, site.hass.config_entries
    (subentry,) = entry.subentries.values()
    data = {**subentry.data, "max_current": max_current}
    entries.async_update_subentry(entry, subentry, data=data)
    options = {**entry.options, "meter_interval": meter_interval}
    entries.async_update_entry(entry, options=options)
    await site.hass.async_block_till_done()


class Replay:
    """A wallbox of a trace, Home Assistant, and a clock that a test turns."""

    def __init__(
        self,
        hass: HomeAssistant,
        site: Site,
        freezer: FrozenDateTimeFactory,
        box: ReplayedWallbox,
        *,
        step_s: float = 1.0,
    ) -> None:
        """Take a wallbox that has not begun yet; `step_s`: how fine the clock is."""
        self.hass = hass
        self.site = site
        self.freezer = freezer
        self.box = box
        self.asked: list[asyncio.Task[object]] = []
        self.begin = next_second(freezer)
        self._playing = Playing(box, self, step_s=step_s)

    async def turn(self, seconds: float) -> None:
        """Let time pass for Home Assistant."""
        self.freezer.tick(seconds)

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

    async def act(self, platform: str, service: str, key: str, **data: Any) -> None:
        """Call an action on an entity, which may still wait when this returns."""
        target = {"entity_id": self.site.entity_id(platform, key)}
        action = self.hass.services.async_call(
            platform, service, target | data, blocking=True
        )
        self.asked.append(asyncio.create_task(action))
        await self.rest()

    async def play(self, until: float | None = None) -> None:
        """Play the trace, as far as a second of it; None: to its end."""
        trace = self.box.trace
        if self.box.position == 0:
            await set_up(self.site, trace.max_current, trace.meter_interval)
            await self._playing.begin()
        await self._playing.play(trace.length_s if until is None else until)

    def shown(self) -> dict[str, str]:
        """Give the states of all entities of the wallbox."""
        return shown(self.hass, self.site, self.begin)

    async def close(self) -> None:
        """Hang up."""
        await self.box.close()
        await self.rest()
        await asyncio.gather(*self.asked, return_exceptions=True)


def read(name: str) -> Trace:
    """Read a trace of the corpus, or one that an owner sent."""
    return load_trace(TRACES / f"{name}.jsonl")


type MakeReplay = Callable[..., Replay]
