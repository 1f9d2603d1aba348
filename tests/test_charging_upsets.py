"""What upsets charging in Home Assistant: meters that lie, actions that never end."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from homeassistant.const import STATE_UNAVAILABLE
from homeassistant.core import HomeAssistant, ServiceCall, SupportsResponse
from homeassistant.util import dt as dt_util
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.bmw_wallbox_victron.charging.brain import Brain
from custom_components.bmw_wallbox_victron.charging.settings import (
    ChargingMode,
    LimitReason,
)
from simulators.wallbox import Car

from .kit.bench import Bench, MakeBench, charge
from .kit.charging import FUSE, GRID, configure, coordinator, live, says, station
from .kit.site import CHARGE_POINT_ID

CAR = Car(phases=3)


@pytest.mark.parametrize(
    "value", ["nan", "-inf", "1e309", "1e308", "-1e306", "", "on", STATE_UNAVAILABLE]
)
async def test_a_grid_meter_says_what_cannot_be(
    make_bench: MakeBench, value: str
) -> None:
    """That is no reading, also where its unit makes it so; the fuse goes on."""
    bench = make_bench(phases=3)
    configure(bench, **FUSE, **GRID)
    coordinator(bench).charging.set(station(bench), charging_mode=ChargingMode.SOLAR)
    await charge(bench, CAR)
    await live(bench, 150, base_a=5.0, surplus_w=7000.0, step=2)
    assert bench.amps == 10
    unit = {"unit_of_measurement": "MW"}
    bench.hass.states.async_set("sensor.grid", value, unit)
    await live(bench, 5, base_a=5.0)
    assert 6 <= bench.amps <= 10
    await live(bench, 5, base_a=24.0)
    assert says(bench, 0, LimitReason.MAIN_FUSE)
    assert bench.amps == 0


type Answer = Callable[[ServiceCall], Any]


def sell_power(hass: HomeAssistant, answer: Answer) -> tuple[str, list[ServiceCall]]:
    """Set up an integration that tells prices; return its entry, and who asked."""
    entry = MockConfigEntry(domain="nordpool")
    entry.add_to_hass(hass)
    calls: list[ServiceCall] = []

    async def handle(call: ServiceCall) -> Any:
        calls.append(call)
        return await answer(call)

    hass.services.async_register(
        "nordpool",
        "get_prices_for_date",
        handle,
        supports_response=SupportsResponse.ONLY,
    )
    return entry.entry_id, calls


async def ask_for(bench: Bench, answer: Answer, minutes: int) -> int:
    """Let time pass with such an integration; return how often it was asked."""
    entry_id, calls = sell_power(bench.hass, answer)
    configure(bench, price=entry_id)
    await bench.connect()
    await bench.pass_time(5)
    await bench.skip(minutes * 60)
    return len(calls)


@pytest.mark.parametrize("fault", [TimeoutError(), KeyError("area"), OSError()])
async def test_an_action_that_fails_is_asked_again(
    make_bench: MakeBench, fault: Exception
) -> None:
    """However it fails."""

    async def fail(_: ServiceCall) -> None:
        raise fault

    assert await ask_for(make_bench(), fail, 61) >= 4


async def test_an_action_that_never_ends_is_asked_again(make_bench: MakeBench) -> None:
    """It is given up after a minute."""

    async def hang(_: ServiceCall) -> None:
        await asyncio.Event().wait()

    assert await ask_for(make_bench(), hang, 61) >= 3


async def test_nobody_waits_for_an_action_after_the_unload(
    hass: HomeAssistant, make_bench: MakeBench
) -> None:
    """Its answer comes too late: no timer is left, and nothing is said of it."""
    bench = make_bench()
    told = asyncio.Event()

    async def late(_: ServiceCall) -> dict[str, Any]:
        await told.wait()
        return {}

    assert await ask_for(bench, late, 0) == 1
    await bench.box.disconnect()
    assert await hass.config_entries.async_unload(bench.site.entry.entry_id)
    told.set()
    await hass.async_block_till_done()
    assert await hass.config_entries.async_setup(bench.site.entry.entry_id)


def tell_prices(hass: HomeAssistant) -> None:
    """Let an entity tell prices: two cheap hours, and more that are dear."""
    begin = dt_util.utcnow().replace(minute=0, second=0, microsecond=0)
    hours = [begin + timedelta(hours=hour) for hour in range(24)]
    slots = [
        {
            "start": hour.isoformat(),
            "end": (hour + timedelta(hours=1)).isoformat(),
            "value": 0.1 if number < 2 else 0.9,
        }
        for number, hour in enumerate(hours)
    ]
    attributes = {"unit_of_measurement": "EUR/kWh", "raw_today": slots}
    hass.states.async_set("sensor.price", "0.1", attributes)


@pytest.mark.parametrize("come", [True, False])
async def test_a_restart_in_a_slot_pauses_no_car(
    hass: HomeAssistant, make_bench: MakeBench, come: bool
) -> None:
    """The prices may come later than we do; where they don't, it plans without."""
    bench = make_bench(phases=3)
    configure(bench, price="sensor.price")
    tell_prices(hass)
    ready_by = (dt_util.now() + timedelta(hours=8)).time().replace(microsecond=0)
    coordinator(bench).charging.set(
        station(bench), target_energy=45, plan=True, ready_by=ready_by
    )
    await charge(bench, CAR)
    assert bench.amps == 32
    hass.states.async_remove("sensor.price")
    await bench.box.disconnect()
    assert await hass.config_entries.async_reload(bench.site.entry.entry_id)
    await bench.connect()
    for _ in range(30):
        await bench.pass_time(3)
        assert bench.amps == 32
    if come:
        tell_prices(hass)
    await bench.pass_time(60, step=5)
    assert bench.amps == (32 if come else 0)
    active = station(bench).state.active
    assert active is not None
    assert active.record.pauses == (not come)


async def test_a_limit_that_rises_is_not_the_wallboxs(make_bench: MakeBench) -> None:
    """What it was not told yet is no limit of its own; what it gives less is."""
    bench = make_bench(phases=3)
    configure(bench, external_limit="sensor.limit")
    await charge(bench, CAR)
    reasons = set()
    for amps in range(6, 14):
        unit = {"unit_of_measurement": "A"}
        bench.hass.states.async_set("sensor.limit", f"{amps}", unit)
        for _ in range(48):
            await bench.pass_time(0.25, step=0.25)
            reasons.add(coordinator(bench).charging.statuses[CHARGE_POINT_ID].reason)
        assert bench.amps == amps
    assert reasons == {LimitReason.EXTERNAL_LIMIT}


async def test_a_restart_passes_no_fuse_and_pauses_no_car(
    hass: HomeAssistant, make_bench: MakeBench
) -> None:
    """It begins with 6 A, as nobody knows what was in force, and rises after 30 s."""
    bench = make_bench(phases=3)
    configure(bench, **FUSE)
    await charge(bench, CAR)
    await live(bench, 60, base_a=5.0)
    assert bench.amps == 20
    await bench.box.disconnect()
    assert await hass.config_entries.async_reload(bench.site.entry.entry_id)
    await bench.connect()
    for _ in range(120):
        await live(bench, 1, base_a=5.0)
        assert 6 <= bench.amps <= 20
    assert bench.amps == 20


async def test_a_bug_leaves_no_fuse_unwatched(
    make_bench: MakeBench,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It is safe at once, said once, and tried again."""
    bench = make_bench(phases=3)
    configure(bench, **FUSE)
    await charge(bench, CAR)
    await live(bench, 60, base_a=5.0)
    assert bench.amps >= 19
    with monkeypatch.context() as patch:
        patch.setattr(Brain, "step", lambda *_, **__: 1 / 0)
        await live(bench, 25, base_a=5.0)
        assert bench.amps == 6
    assert caplog.text.count("Limits cannot be decided on") == 1
    await live(bench, 60, base_a=5.0)
    assert bench.amps >= 19
