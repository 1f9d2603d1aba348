"""The brain in Home Assistant: meters and settings in, frames on the socket out."""

from collections.abc import Callable
from datetime import timedelta

from homeassistant.const import STATE_UNAVAILABLE
from homeassistant.core import HomeAssistant
from homeassistant.util import dt as dt_util
import pytest

from custom_components.bmw_wallbox_victron.charging.settings import (
    ChargingMode,
    LimitReason,
)
from simulators.wallbox import Car

from .kit.bench import MakeBench, charge
from .kit.charging import (
    CAR,
    FUSE,
    GRID,
    configure,
    coordinator,
    live,
    says,
    station,
    status,
)


async def test_without_options_nothing_changes(make_bench: MakeBench) -> None:
    """The owner's limit is what counts."""
    bench = make_bench(phases=3)
    await charge(bench, CAR)
    assert bench.amps == 32
    assert station(bench).state.cap_a is None
    assert status(bench).reason is LimitReason.CURRENT_LIMIT


async def test_the_main_fuse(make_bench: MakeBench) -> None:
    """Safe until the first reading, then what is left, at once where it is less."""
    bench = make_bench(phases=3)
    configure(bench, **FUSE)
    await charge(bench, CAR)
    assert bench.amps == 6
    assert says(bench, 6, LimitReason.NO_METER)
    await live(bench, 60, base_a=5.0)
    assert bench.amps == pytest.approx(20, abs=0.5)
    assert says(bench, 20, LimitReason.MAIN_FUSE)
    await live(bench, 9, base_a=14.0)
    assert bench.amps <= 11
    await live(bench, 9, base_a=21.0)
    assert bench.amps == 0
    assert says(bench, 0, LimitReason.MAIN_FUSE)
    await live(bench, 60, base_a=2.0)
    assert bench.amps == pytest.approx(23, abs=0.5)
    assert not bench.problem()


@pytest.mark.parametrize("held", ["paused", "limited"])
async def test_what_its_owner_allows_passes_no_fuse(
    make_bench: MakeBench, held: str
) -> None:
    """The first frame has what the house leaves: nobody decides on it before."""
    bench = make_bench(phases=3)
    configure(bench, **FUSE)
    await charge(bench, CAR)
    if held == "paused":
        bench.allow(False)
    else:
        bench.limit(8)
    await live(bench, 60, base_a=15.0)
    before = len(bench.box.received_calls)
    if held == "paused":
        bench.allow(True)
    else:
        bench.limit(32)
    await bench.pass_time(1)
    await live(bench, 60, base_a=15.0)
    assert max(amps for _, amps in bench.limits_since(before)) == 10
    assert bench.amps == pytest.approx(10, abs=0.5)


@pytest.mark.parametrize("silence", ["unavailable", "nothing"])
async def test_a_meter_that_falls_silent(make_bench: MakeBench, silence: str) -> None:
    """Safe at once where it says so, else after its timeout; then as before."""
    bench = make_bench(phases=3)
    configure(bench, **FUSE, safe_current=8)
    await charge(bench, CAR)
    await live(bench, 60, base_a=5.0)
    assert bench.amps >= 19
    if silence == "unavailable":
        bench.hass.states.async_set("sensor.house_l2", STATE_UNAVAILABLE)
        await bench.pass_time(3)
    else:
        await bench.pass_time(58)
        assert bench.amps >= 19
        await bench.pass_time(5)
    assert bench.amps == 8
    assert says(bench, 8, LimitReason.NO_METER)
    await live(bench, 60, base_a=5.0)
    assert bench.amps >= 19


async def test_a_meter_that_reports_the_same_is_alive(make_bench: MakeBench) -> None:
    """It counts when it was reported, not when it changed."""
    bench = make_bench(phases=3)
    configure(bench, house_current_l1="sensor.house_l1", main_fuse=40)
    await charge(bench, Car(phases=1))
    for _ in range(30):
        bench.hass.states.async_set("sensor.house_l1", "6.00")
        await bench.pass_time(5)
        assert status(bench).reason is not LimitReason.NO_METER or _ == 0


async def test_solar(make_bench: MakeBench) -> None:
    """It starts with the sun after two minutes, follows it, and ends after five."""
    bench = make_bench(phases=3)
    configure(bench, **GRID)
    coordinator(bench).charging.set(station(bench), charging_mode=ChargingMode.SOLAR)
    await charge(bench, CAR)
    assert bench.amps == 0
    assert says(bench, 0, LimitReason.SOLAR)
    await live(bench, 110, surplus_w=7000.0, step=2)
    assert bench.amps == 0
    await live(bench, 60, surplus_w=7000.0, step=2)
    assert says(bench, 10, LimitReason.SOLAR)
    assert bench.amps == pytest.approx(10, abs=0.5)
    await live(bench, 280, surplus_w=0.0, step=5)
    assert bench.amps == pytest.approx(6, abs=0.5)
    await live(bench, 120, surplus_w=0.0, step=5)
    assert bench.amps == 0
    assert not bench.problem()


async def test_the_grid_operator(make_bench: MakeBench) -> None:
    """A switch that is on means 4.2 kW; whatever cannot be read means safe."""
    bench = make_bench(phases=3)
    configure(bench, external_limit="binary_sensor.paragraph_14a")
    await charge(bench, CAR)
    assert says(bench, 6, LimitReason.NO_METER)
    set_state: Callable[..., None] = bench.hass.states.async_set
    for state, amps, reason in (
        ("off", 32, LimitReason.CURRENT_LIMIT),
        ("on", 6, LimitReason.EXTERNAL_LIMIT),
        ("unavailable", 6, LimitReason.NO_METER),
        ("off", 32, LimitReason.CURRENT_LIMIT),
    ):
        set_state("binary_sensor.paragraph_14a", state)
        await bench.pass_time(15)
        assert says(bench, amps, reason)
        assert bench.amps == amps


@pytest.mark.parametrize(
    ("state", "unit", "amps"),
    [
        ("10", "A", 10),
        ("7.0", "kW", 10),
        ("5000", "W", 7),
        ("0", "A", 0),
        ("-3", "A", 0),
    ],
)
async def test_an_external_limit_with_a_number(
    make_bench: MakeBench, state: str, unit: str, amps: int
) -> None:
    """In A, W or kW, for all wallboxes together."""
    bench = make_bench(phases=3)
    bench.hass.states.async_set("number.x", state, {"unit_of_measurement": unit})
    configure(bench, external_limit="number.x")
    await charge(bench, CAR)
    await bench.pass_time(20)
    assert says(bench, amps, LimitReason.EXTERNAL_LIMIT)
    assert bench.amps == amps


async def test_a_target_is_reached(make_bench: MakeBench) -> None:
    """Then it pauses; a start goes on."""
    bench = make_bench(phases=3)
    coordinator(bench).charging.set(station(bench), target_energy=1.0)
    await charge(bench, CAR)
    await bench.pass_time(200, step=5)
    assert bench.amps == 0
    assert says(bench, 0, LimitReason.TARGET_REACHED)
    assert 1.0 <= bench.site.number("energy_session") <= 1.2
    coordinator(bench).charging.started(station(bench))
    await bench.pass_time(10)
    assert bench.amps == 32


async def test_it_starts_at_a_time(make_bench: MakeBench) -> None:
    """Also where its owner had paused; until then nothing flows."""
    bench = make_bench(phases=3)
    await charge(bench, CAR)
    bench.allow(False)
    await bench.pass_time(5)
    await bench.succeed()
    start_at = dt_util.utcnow() + timedelta(minutes=10)
    coordinator(bench).charging.set(station(bench), start_at=start_at)
    assert bench.amps == 0
    assert says(bench, 0, LimitReason.PAUSED)
    await bench.pass_time(590, step=10)
    assert bench.amps == 0
    await bench.pass_time(20, step=5)
    assert bench.amps == 32
    assert station(bench).state.target.charging.start_at is None
    assert bench.site.state("charging", "switch") == "on"


async def test_what_waits_is_cleared_by_the_switch(make_bench: MakeBench) -> None:
    """And by a start: its owner has decided anew."""
    bench = make_bench(phases=3)
    await charge(bench, CAR)
    for how in ("switch", "button"):
        start_at = dt_util.utcnow() + timedelta(minutes=10)
        coordinator(bench).charging.set(station(bench), start_at=start_at)
        await bench.pass_time(10)
        assert bench.amps == 0
        assert says(bench, 0, LimitReason.START_AT)
        if how == "switch":
            bench.allow(True)
        else:
            bench.press("start_charging")
        await bench.pass_time(10)
        assert bench.amps == 32
        assert station(bench).state.target.charging.start_at is None


async def test_limits_survive_a_reload(
    hass: HomeAssistant, make_bench: MakeBench
) -> None:
    """What is set, and what was decided in the session."""
    bench = make_bench(phases=3)
    configure(bench, **GRID)
    coordinator(bench).charging.set(
        station(bench), charging_mode=ChargingMode.SOLAR_MIN, target_energy=7.5
    )
    await charge(bench, CAR)
    await bench.pass_time(10)
    before = station(bench).state.target.charging
    await bench.box.disconnect()
    assert await hass.config_entries.async_reload(bench.site.entry.entry_id)
    await bench.connect()
    assert station(bench).state.target.charging == before
    await bench.pass_time(10)
    assert bench.amps == 6
