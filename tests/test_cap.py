"""What is decided outside of the owner's limits: a cap, and a step down without us."""

from collections import Counter
from dataclasses import replace
from datetime import timedelta

from homeassistant.core import Event, EventStateChangedData, HomeAssistant, callback
from homeassistant.helpers.event import async_track_state_change_event
from homeassistant.util import dt as dt_util
import pytest

from custom_components.bmw_wallbox_victron.wallbox.state import Status
from custom_components.bmw_wallbox_victron.wallbox.station import Station
from simulators.wallbox import DELTA, Car

from .kit.bench import (
    FULL,
    KEEPS_NO_LIMIT,
    TOLERANCE,
    Bench,
    MakeBench,
    charge,
    profile_of,
)
from .kit.site import CHARGE_POINT_ID, Site

# What a wallbox does, whichever Home Assistant it is shown by.
pytestmark = pytest.mark.any_homeassistant

FALLBACK_S = 360


@pytest.fixture(autouse=True)
def _nobody_else_decides(site: Site) -> None:
    """Have the test alone set the cap."""
    site.entry.runtime_data.charging.async_stop()


def station_of(bench: Bench) -> Station:
    """Find the wallbox as the server has it."""
    station: Station = bench.site.entry.runtime_data.stations[CHARGE_POINT_ID]
    return station


def changes_of(hass: HomeAssistant, *entity_ids: str) -> Counter[str]:
    """Count how often entities change, attributes included."""
    counted: Counter[str] = Counter()

    @callback
    def count(event: Event[EventStateChangedData]) -> None:
        counted[event.data["entity_id"]] += 1

    async_track_state_change_event(hass, entity_ids, count)
    return counted


def fall_back(bench: Bench, *, safe_a: float = 6.0) -> None:
    """Let the wallbox step down without Home Assistant."""
    station = station_of(bench)
    station.configure(
        replace(station.config, fallback_s=FALLBACK_S, safe_current_a=safe_a)
    )


def verdicts(station: Station) -> tuple[bool, bool]:
    """Tell whether energy flowed in the session, and whether the car is full."""
    session = station.state.transaction
    assert session is not None
    return session.charged, session.full


def periods(bench: Bench) -> list[int]:
    """Tell how many periods each profile had that came so far."""
    return [
        len(
            call.payload["chargingProfile"]["chargingSchedule"][0][
                "chargingSchedulePeriod"
            ]
        )
        for call in bench.box.calls("SetChargingProfile")
    ]


async def test_a_cap_is_the_next_call(charging: Bench) -> None:
    """Before all that waits, one fall after another; the owner's limit stays."""
    bench, box = charging, charging.box
    box.quirks = replace(box.quirks, answer_delay_s=2.0)
    bench.press("refresh")
    bench.press("refresh")
    await bench.rest()
    before = len(box.received_calls)
    station_of(bench).cap(13.78)
    station_of(bench).cap(13.71)
    await bench.pass_time(3)
    assert profile_of(bench.calls_since(before)[0]) == ("TxDefaultProfile", 13.7)
    before = len(box.received_calls)
    station_of(bench).cap(9)
    await bench.pass_time(9)
    assert profile_of(bench.calls_since(before)[0]) == ("TxDefaultProfile", 9)
    assert bench.amps == pytest.approx(9, abs=TOLERANCE)
    assert bench.site.state("current_limit", "number") == str(FULL)
    station_of(bench).cap(5.9)
    await bench.pass_time(30)
    assert bench.keeps(0)
    assert bench.site.state("charging", "switch") == "on"
    station_of(bench).cap(None)
    await bench.pass_time(30)
    assert bench.keeps(FULL)
    assert len(box.calls("RequestStopTransaction")) == 0


async def test_a_cap_lasts_over_connections(charging: Bench) -> None:
    """No session begins above it, whoever has forgotten what."""
    bench = charging
    station_of(bench).cap(10)
    await bench.pass_time(10)
    await bench.box.disconnect(abort=True)
    await bench.rest()
    await bench.connect()
    await bench.pass_time(15)
    assert bench.keeps(10)


async def test_the_owner_is_answered_whatever_the_cap(charging: Bench) -> None:
    """It changes faster than the wallbox answers: the call ends, and well."""
    bench, box = charging, charging.box
    box.quirks = replace(box.quirks, answer_delay_s=5.0)
    bench.limit(20)
    for second in range(30):
        station_of(bench).cap(8.0 + second % 4)
        await bench.pass_time(1)
    await bench.succeed()
    bench.allow(False)
    bench.allow(True)
    for second in range(40):
        station_of(bench).cap(8.0 + second % 4)
        await bench.pass_time(1)
    await bench.succeed()
    station_of(bench).cap(None)
    await bench.pass_time(40)
    assert bench.keeps(20)


@pytest.mark.parametrize("delay", [0.0, 2.0])
@pytest.mark.parametrize("up", [-1, 1])
async def test_a_refusal_is_told_whatever_the_cap(
    make_bench: MakeBench, up: int, delay: float
) -> None:
    """Where every limit is refused, the owner hears it."""
    bench = make_bench(
        replace(
            DELTA,
            default_profile_rejected_after_restart=True,
            restart_window_s=1e9,
            station_profile_rejected=True,
        )
    )
    await bench.connect()
    await bench.pass_time(15)
    bench.box.quirks = replace(bench.box.quirks, answer_delay_s=delay)
    bench.limit(30)
    for second in range(40):
        station_of(bench).cap(16.0 + up * second // 4)
        await bench.pass_time(1)
    assert await bench.fail() == "limit_refused"


async def test_what_ignores_a_cap_is_shown_once(
    hass: HomeAssistant, charging: Bench
) -> None:
    """However often it changes; with cars it does not flap, and it is not hidden."""
    bench, box = charging, charging.box
    box.quirks = replace(box.quirks, **KEEPS_NO_LIMIT)
    shown = bench.site.entity_id("binary_sensor", "limit_not_enforced")
    changes = changes_of(hass, shown)
    for step in range(12):
        station_of(bench).cap(10.0 + step % 3)
        await bench.pass_time(10)
        assert step == 0 or bench.problem()
    assert changes == {shown: 1}
    box.quirks = DELTA
    await bench.pass_time(90)
    assert not bench.problem()
    assert bench.keeps(12)


async def test_a_cap_writes_no_rows_of_its_own(
    hass: HomeAssistant, charging: Bench
) -> None:
    """Nothing is pending for the owner, at whatever pace it changes."""
    bench = charging
    station_of(bench).cap(12)
    await bench.pass_time(20)
    entities = (
        bench.site.entity_id("number", "current_limit"),
        bench.site.entity_id("switch", "charging"),
        bench.site.entity_id("binary_sensor", "limit_not_enforced"),
        bench.site.entity_id("binary_sensor", "charging"),
    )
    changes = changes_of(hass, *entities)
    for step in range(30):
        station_of(bench).cap(10.0 + step % 5)
        await bench.pass_time(10)
    assert changes == {}
    assert bench.keeps(14)


@pytest.mark.parametrize("safe_a", [0.0, 6.0, 20.0])
async def test_home_assistant_dies(charging: Bench, safe_a: float) -> None:
    """After six minutes the box allows the safe current, and no more than before."""
    bench = charging
    fall_back(bench, safe_a=safe_a)
    bench.limit(16)
    await bench.pass_time(100, step=5)
    await bench.succeed()
    await bench.box.disconnect(abort=True)
    await bench.rest()
    await bench.pass_time(60, step=5)
    assert bench.amps == 16
    await bench.pass_time(FALLBACK_S - 60, step=5)
    expected = min(safe_a, 16)
    assert bench.amps == expected
    await bench.connect()
    await bench.pass_time(15)
    assert bench.keeps(16)


async def test_a_healthy_night(hass: HomeAssistant, charging: Bench) -> None:
    """Two hours at the shortest time: twelve profiles an hour, and no dip at any."""
    bench, box = charging, charging.box
    fall_back(bench)
    bench.limit(16)
    await bench.pass_time(60)
    shown = bench.site.entity_id("number", "current_limit")
    changes = changes_of(hass, shown)
    for _ in range(2):
        before = len(box.received_calls)
        began = dt_util.utcnow()
        while dt_util.utcnow() - began < timedelta(hours=1):
            await bench.pass_time(10, step=10)
            assert bench.amps == pytest.approx(16, abs=TOLERANCE)
        sent = Counter(call.action for call in bench.calls_since(before))
        assert sent["SetChargingProfile"] <= 12
        assert sent["GetCompositeSchedule"] <= 12
        assert sent.total() <= 24
    assert changes == {}
    assert bench.keeps(16)


async def test_a_pause_has_no_step(charging: Bench) -> None:
    """It stays one, with Home Assistant or without."""
    bench = charging
    fall_back(bench, safe_a=10)
    bench.allow(False)
    await bench.pass_time(20)
    await bench.succeed()
    assert periods(bench)[-1] == 1
    await bench.box.disconnect(abort=True)
    await bench.pass_time(2 * FALLBACK_S, step=10)
    assert bench.amps == 0


async def test_a_clock_of_its_own_has_no_step(make_bench: MakeBench) -> None:
    """Only where both clocks agree is it known when it would come."""
    bench = make_bench()
    bench.box.clock.set(dt_util.utcnow() + timedelta(hours=1))
    fall_back(bench)
    await charge(bench)
    bench.limit(16)
    await bench.pass_time(30)
    await bench.succeed()
    assert set(periods(bench)) == {1}
    bench.box.clock.set(dt_util.utcnow())
    await bench.pass_time(30)
    assert periods(bench)[-1] == 2
    bench.box.clock.set(dt_util.utcnow() + timedelta(hours=1))
    await bench.pass_time(30)
    assert periods(bench)[-1] == 1
    assert bench.keeps(16)


async def test_what_a_session_has_shown(make_bench: MakeBench) -> None:
    """Which phases its car draws from, whether it charged, whether it is full."""
    bench = make_bench(replace(DELTA, phases=3))
    station = station_of(bench)
    await bench.connect()
    await bench.box.plug_in(Car(phases=1, pauses=True))
    await bench.pass_time(30)
    assert verdicts(station) == (False, False)
    assert station.state.session_phases == frozenset()
    await bench.box.car_resumes()
    await bench.pass_time(30)
    assert station.state.session_phases == {1}
    assert station.state.supplied_phases == {1, 2, 3}
    assert station.state.phase_currents == pytest.approx((FULL, 0, 0), abs=TOLERANCE)
    assert verdicts(station) == (True, False)
    # We pause: that does not fill it.
    station.cap(0)
    await bench.pass_time(30)
    station.cap(None)
    await bench.pass_time(30)
    assert verdicts(station) == (True, False)
    await bench.box.car_pauses()
    await bench.pass_time(20)
    assert verdicts(station) == (True, True)
    await bench.box.car_resumes()
    await bench.pass_time(20)
    assert verdicts(station) == (True, False)
    await bench.box.car_full()
    await bench.pass_time(20)
    assert verdicts(station) == (True, True)
    await bench.box.unplug()
    await bench.pass_time(20)
    assert station.state.status is Status.AVAILABLE
    assert station.state.session_phases == {1}
    assert set(station.state.phase_currents) == {0}
    await bench.box.plug_in(Car(phases=3))
    await bench.pass_time(1)
    await bench.pass_time(30)
    assert station.state.session_phases == {1, 2, 3}
