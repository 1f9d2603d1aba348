"""Clocks that are set while a wallbox charges: what Home Assistant shows then."""

from collections.abc import Callable
from datetime import timedelta

from freezegun.api import FrozenDateTimeFactory
from homeassistant.core import HomeAssistant
from homeassistant.util import dt as dt_util
import pytest
from pytest_homeassistant_custom_component.common import async_fire_time_changed

from simulators.wallbox import Car, SimulatedWallbox

from .kit.site import CHARGE_POINT_ID, Site, settle

# What a wallbox does, whichever Home Assistant it is shown by.
pytestmark = pytest.mark.any_homeassistant


MakeWallbox = Callable[..., SimulatedWallbox]

HOUR = 3600.0


async def later(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    seconds: int,
    wallbox: SimulatedWallbox,
) -> None:
    """Let time pass, a second at a time, for Home Assistant and for the wallbox."""
    await settle(hass, wallbox)
    for _ in range(seconds):
        freezer.tick(1)
        async_fire_time_changed(hass, dt_util.utcnow())
        await wallbox.tick(1)
        await settle(hass, wallbox)


def power(amps: float) -> object:
    """Give what a single-phase car takes, W."""
    return pytest.approx(amps * 230, rel=0.05)


@pytest.mark.parametrize("jump", [-110, -2 * HOUR, 2 * HOUR, -20_000 * 24 * HOUR])
async def test_clock_of_the_wallbox_is_set_in_a_session(
    hass: HomeAssistant,
    site: Site,
    make_wallbox: MakeWallbox,
    freezer: FrozenDateTimeFactory,
    jump: float,
) -> None:
    """Within 30 s what is shown is what flows, and the energy is right."""
    wallbox = make_wallbox()
    await wallbox.connect()
    car = Car(max_current_a=20)
    await wallbox.plug_in(car)
    await later(hass, freezer, 25, wallbox)
    assert site.number("power") == power(20)
    wallbox.shift_clock(jump)
    wallbox.charger.car = Car(max_current_a=10)
    await later(hass, freezer, 30, wallbox)
    assert site.number("power") == power(10)
    assert site.state("status") == "charging"
    await wallbox.unplug()
    await settle(hass, wallbox)
    assert site.state("status") == "available"
    total = wallbox.charger.register_wh / 1000
    assert site.number("energy_total") == pytest.approx(total, abs=0.002)
    (session,) = site.entry.runtime_data.stations[CHARGE_POINT_ID].ledger.sessions
    assert session.duration.total_seconds() == pytest.approx(55, abs=2)


async def test_both_clocks_are_ahead_and_are_corrected_in_a_session(
    hass: HomeAssistant,
    site: Site,
    make_wallbox: MakeWallbox,
    freezer: FrozenDateTimeFactory,
) -> None:
    """After each of the two, and after a stop of the car, what is shown is live."""
    ahead = timedelta(hours=2)
    station = site.entry.runtime_data.stations[CHARGE_POINT_ID]
    right = station.clock
    station.clock = lambda: right() + ahead
    wallbox = make_wallbox()
    wallbox.shift_clock(ahead.total_seconds())
    await wallbox.connect()
    await wallbox.plug_in(Car(max_current_a=10))
    await later(hass, freezer, 25, wallbox)
    assert site.number("power") == power(10)
    station.clock = right
    wallbox.charger.car = Car(max_current_a=20)
    await later(hass, freezer, 30, wallbox)
    assert site.number("power") == power(20)
    wallbox.shift_clock(-ahead.total_seconds())
    wallbox.charger.car = Car(max_current_a=13)
    await later(hass, freezer, 30, wallbox)
    assert site.number("power") == power(13)
    await wallbox.unplug()
    await settle(hass, wallbox)
    assert site.number("power") == 0
    assert site.state("status") == "available"


async def test_clock_is_set_back_where_readings_are_rare(
    hass: HomeAssistant,
    site: Site,
    make_wallbox: MakeWallbox,
    freezer: FrozenDateTimeFactory,
) -> None:
    """With a reading a minute, the first one after it has another asked for."""
    hass.config_entries.async_update_entry(site.entry, options={"meter_interval": 60})
    await hass.async_block_till_done()
    wallbox = make_wallbox()
    await wallbox.connect()
    await wallbox.plug_in(Car(max_current_a=20))
    await later(hass, freezer, 65, wallbox)
    assert site.number("power") == power(20)
    wallbox.shift_clock(-2 * HOUR)
    wallbox.charger.car = Car(max_current_a=10)
    await later(hass, freezer, 70, wallbox)
    assert site.number("power") == power(10)


async def test_clock_is_set_back_between_two_sessions(
    hass: HomeAssistant,
    site: Site,
    make_wallbox: MakeWallbox,
    freezer: FrozenDateTimeFactory,
) -> None:
    """The second one is shown from its first second, and counts once."""
    wallbox = make_wallbox()
    await wallbox.connect()
    await wallbox.plug_in(Car(max_current_a=20))
    await later(hass, freezer, 65, wallbox)
    await wallbox.unplug()
    await settle(hass, wallbox)
    wallbox.shift_clock(-110)
    begin = wallbox.charger.register_wh
    await wallbox.plug_in(Car(max_current_a=16))
    await later(hass, freezer, 1, wallbox)
    assert site.state("status") == "charging"
    station = site.entry.runtime_data.stations[CHARGE_POINT_ID]
    for _ in range(5):
        await later(hass, freezer, 10, wallbox)
        # What is shown of it may wait for the disk, and for the database's sake.
        session, total = station.state.energy_session, station.state.energy_total
        flowed = wallbox.charger.register_wh - begin
        assert session == pytest.approx(flowed, abs=12)
        assert total == pytest.approx(wallbox.charger.register_wh, abs=12)
        assert site.number("power") == power(16)
