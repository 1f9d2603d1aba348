"""Time that passes."""

from datetime import datetime, timedelta

from freezegun.api import FrozenDateTimeFactory
from homeassistant.core import (
    HomeAssistant,
)
from homeassistant.util import dt as dt_util
from pytest_homeassistant_custom_component.common import (
    async_fire_time_changed,
)

from simulators.wallbox import SimulatedWallbox

from .site import settle


async def let_pass(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, seconds: float
) -> None:
    """Let time pass."""
    freezer.tick(timedelta(seconds=seconds))
    async_fire_time_changed(hass)
    await hass.async_block_till_done()


async def later(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    seconds: float,
    *wallboxes: SimulatedWallbox,
) -> None:
    """Let time pass, for the wallboxes and for Home Assistant."""
    # The clock moves timeouts as well: a call that is still out would end by its own.
    await settle(hass, *wallboxes)
    freezer.tick(seconds)
    for wallbox in wallboxes:
        await wallbox.tick(seconds)
    async_fire_time_changed(hass, dt_util.utcnow())
    await settle(hass, *wallboxes)


async def until(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    moment: datetime,
    wallbox: SimulatedWallbox,
) -> None:
    """Let time pass until a moment; what is far away the wallbox spends away."""
    if moment - dt_util.utcnow() > timedelta(hours=1):
        await wallbox.disconnect()
        freezer.move_to(moment - timedelta(minutes=1))
        async_fire_time_changed(hass, dt_util.utcnow())
        await wallbox.connect()
        await settle(hass, wallbox)
    while (left := (moment - dt_util.utcnow()).total_seconds()) > 0:
        await later(hass, freezer, min(left, 300), wallbox)


async def retry(hass: HomeAssistant, freezer: FrozenDateTimeFactory) -> None:
    """Wait until Home Assistant tries the entry again."""
    freezer.tick(120)
    async_fire_time_changed(hass)
    await hass.async_block_till_done(wait_background_tasks=True)
