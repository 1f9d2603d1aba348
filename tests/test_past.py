"""The demo's week: how time passes in it, and what Home Assistant records of it."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import pairwise
import socket
from typing import Any, override
from unittest import mock

from freezegun.api import FrozenDateTimeFactory
from homeassistant.components import recorder
from homeassistant.core import (
    Event,
    EventStateChangedData,
    HomeAssistant,
    ServiceCall,
    callback,
)
from homeassistant.helpers.event import async_track_state_change_event
from homeassistant.util import dt as dt_util
import pytest
from pytest_homeassistant_custom_component.common import async_fire_time_changed

from demo.clock import SteppedClock
from demo.past.guide import (
    HOUR_S,
    LENGTH_S,
    TARGETS,
    VISITS,
    BoxClock,
    Guide,
    Target,
    Visit,
    Week,
)
from demo.past.instance import Follower
from demo.scenario import CAR_A
from simulators.wallbox import SimulatedWallbox

from .kit.site import Site, settle


def test_a_clock_that_is_behind() -> None:
    clock = SteppedClock(behind_s=3600)
    behind = dt_util.utcnow() - clock.now()
    assert behind.total_seconds() == pytest.approx(3600, abs=5)
    assert clock.behind_s == pytest.approx(3600, abs=5)
    clock.hold()
    assert clock.local() == clock.now()
    assert clock.local().tzinfo is dt_util.get_default_time_zone()
    clock.step(3600)
    assert clock.behind_s == pytest.approx(0, abs=5)


async def test_time_passes_as_the_guide_says(
    hass: HomeAssistant, monkeypatch: pytest.MonkeyPatch
) -> None:
    instance = mock.AsyncMock()
    monkeypatch.setattr(recorder, "get_instance", lambda _: instance)
    clock = SteppedClock(behind_s=7200)
    called: list[dict[str, Any]] = []

    async def note(call: ServiceCall) -> None:
        called.append(dict(call.data))

    hass.services.async_register("test", "act", note)
    ours, theirs = socket.socketpair()
    follower = Follower(hass, clock, theirs.detach())
    following = asyncio.create_task(follower.follow())
    guide = await Guide.meet(ours)
    begin = guide.now
    assert guide.behind_s == pytest.approx(7200, abs=5)
    await guide.step(5400)
    assert guide.now - begin == timedelta(seconds=5400)
    assert guide.behind_s == pytest.approx(1800, abs=5)
    # Home Assistant writes it down before more than an hour is in line.
    instance.async_block_till_done.assert_awaited_once()
    await guide.act("test.act", {"value": 8})
    await hass.async_block_till_done()
    assert called == [{"value": 8}]
    assert guide.now - begin == timedelta(seconds=5400)
    await guide.leave()
    await following
    assert clock.behind_s == pytest.approx(0, abs=5)
    # It goes on by itself.
    with pytest.raises(RuntimeError, match="runs"):
        clock.step(1)


async def test_a_home_assistant_that_ends_in_the_past() -> None:
    ours, theirs = socket.socketpair()
    theirs.close()
    with pytest.raises(ConnectionError, match="ended in the past"):
        await Guide.meet(ours)


def test_what_happens_in_the_week_is_possible() -> None:
    assert VISITS[0].comes_h * HOUR_S < LENGTH_S
    for visit, following in pairwise(VISITS):
        assert visit.leaves_h is not None
        assert visit.comes_h > visit.leaves_h > following.comes_h
    full_h = [visit.wants_wh / (3 * 225 * CAR_A) for visit in VISITS]
    for visit, takes_h in zip(VISITS[:-1], full_h, strict=False):
        assert visit.leaves_h is not None
        assert takes_h < visit.comes_h - visit.leaves_h
    # The last car charges when the demo begins, and for some time on.
    assert VISITS[-1].leaves_h is None
    assert full_h[-1] > VISITS[-1].comes_h + 0.5
    times = [target.at_h for target in TARGETS]
    assert times == sorted(times, reverse=True)


class FrozenGuide(Guide):
    """Lets time pass in the Home Assistant of a test."""

    def __init__(
        self,
        hass: HomeAssistant,
        box: SimulatedWallbox,
        freezer: FrozenDateTimeFactory,
        behind_s: float,
    ) -> None:
        """Begin now."""
        self._hass = hass
        self._box = box
        self._freezer = freezer
        self.now = dt_util.utcnow()
        self.behind_s = behind_s

    @override
    async def step(self, seconds: float) -> None:
        # Both are in this process, and have only now a turn.
        await settle(self._hass, self._box)
        self._freezer.tick(seconds)
        async_fire_time_changed(self._hass)
        await self._hass.async_block_till_done()
        self.now = dt_util.utcnow()
        self.behind_s -= seconds

    @override
    async def act(self, action: str, data: dict[str, Any]) -> None:
        domain, _, service = action.partition(".")
        self._hass.async_create_task(
            self._hass.services.async_call(domain, service, data)
        )

    @override
    async def leave(self) -> None:
        assert self.behind_s < 1


async def test_what_is_recorded_is_the_simulators(
    hass: HomeAssistant,
    site: Site,
    make_wallbox: Callable[..., SimulatedWallbox],
    freezer: FrozenDateTimeFactory,
) -> None:
    clock = BoxClock()
    box = make_wallbox(phases=3, clock=clock, register_wh=1_000_000)
    limit = site.entity_id("number", "current_limit")
    told: list[str] = []
    week = Week(
        FrozenGuide(hass, box, freezer, 1.5 * HOUR_S),
        box,
        clock,
        say=told.append,
        visits=(
            Visit(comes_h=1.45, leaves_h=1.2, wants_wh=2_000),
            Visit(comes_h=0.5, leaves_h=None, wants_wh=50_000),
        ),
        targets=(Target(0.25, "number.set_value", limit, 8),),
    )
    seen: dict[str, list[tuple[datetime, str]]] = {}

    @callback
    def note(event: Event[EventStateChangedData]) -> None:
        if state := event.data["new_state"]:
            seen.setdefault(state.entity_id, []).append(
                (state.last_updated, state.state)
            )

    keys = ("status", "power", "energy_total")
    async_track_state_change_event(
        hass, [site.entity_id("sensor", key) for key in keys], note
    )
    begin = dt_util.utcnow()
    await week.live()
    await settle(hass, box)

    status, power, energy = (
        [each for each in seen[site.entity_id("sensor", key)] if each[1] != "unknown"]
        for key in keys
    )
    assert [state for _, state in status if state != "connected"] == [
        *("available", "charging", "car_paused", "available", "charging"),
    ]
    assert [time for time, _ in energy] == sorted(time for time, _ in energy)
    # As the meter says it: what is shown when the limit has settled, and from then on.
    settled = begin + timedelta(hours=1, minutes=17)
    early = [float(value) for time, value in power if time < settled]
    late = [float(value) for time, value in power if time >= settled]
    assert all(5_000 < value < 6_000 for value in (early[-1], *late))
    assert 10_500 < max(early) < 22_500
    register = [float(value) for _, value in energy]
    assert register == sorted(register)
    assert register[-1] == pytest.approx(box.charger.register_wh / 1000, abs=0.2)
    assert told == []
    # It lives in the present from now on.
    assert clock.held is None
