"""What the sun lets a wallbox draw."""

from collections import deque
from random import Random
from typing import Any

from hypothesis import given, strategies as st
import pytest

from custom_components.bmw_wallbox_victron.charging.settings import ChargingMode
from custom_components.bmw_wallbox_victron.charging.sun import (
    Sun,
    SunLimit,
    SunLimits,
    SunLoad,
)

from .sun_days import run

WATTS_PER_AMP = 690.0
SOLAR, SOLAR_MIN = ChargingMode.SOLAR, ChargingMode.SOLAR_MIN


class Bench:
    """Wallboxes whose cars draw what they may at once, and the sun as a test says."""

    def __init__(self, *modes: ChargingMode, **changes: Any) -> None:
        self.sun = Sun(meter_timeout_s=60.0)
        self.now = 1000.0
        self.loads = [
            SunLoad(
                key=f"box{number}",
                mode=mode,
                watts_per_amp=WATTS_PER_AMP,
                wish_a=changes.get("wish_a", 16.0),
                idle=changes.get("idle", False),
            )
            for number, mode in enumerate(modes)
        ]
        self.drawn: dict[str, float] = dict.fromkeys(
            [load.key for load in self.loads], 0.0
        )
        self.most: dict[str, float] = {}
        self.changes: list[float] = []

    def read(self, surplus_w: float) -> SunLimits:
        """Read the wallboxes and the grid; return what the sun gives."""
        watts = {key: amps * WATTS_PER_AMP for key, amps in self.drawn.items()}
        for key, power in watts.items():
            self.sun.note_power(key, power, self.now)
        self.sun.note_grid(sum(watts.values()) - surplus_w, self.now)
        limits = self.sun.take(self.loads, self.now)
        before = dict(self.drawn)
        for key, limit in limits.limits.items():
            self.drawn[key] = min(limit.amps, self.most.get(key, 99.0))
        if self.drawn != before:
            self.changes.append(self.now)
        return limits

    def run(self, surplus_w: float, seconds: float) -> dict[str, int]:
        """Let the sun shine for a while; return the limits."""
        limits: SunLimits | None = None
        end = self.now + seconds
        while self.now < end:
            self.now += 1.0
            limits = self.read(surplus_w)
        assert limits is not None
        return {key: limit.amps for key, limit in limits.limits.items()}


def watts(amps: float) -> float:
    """Return the power of a current on three phases."""
    return amps * WATTS_PER_AMP


def test_starts_after_two_minutes_and_ends_after_five() -> None:
    """6 A are held while the five minutes run."""
    bench = Bench(SOLAR)
    assert bench.run(watts(8), 120) == {"box0": 0}
    assert bench.run(watts(8), 1) == {"box0": 8}
    # The mean of the last minute falls below 6 A after 24 s.
    assert bench.run(watts(3), 23) == {"box0": 6}
    assert bench.run(watts(3), 301) == {"box0": 6}
    assert bench.run(watts(3), 2) == {"box0": 0}


def test_a_short_sun_and_a_short_cloud_start_and_end_nothing() -> None:
    """Both delays begin anew."""
    bench = Bench(SOLAR)
    bench.run(0.0, 60)
    assert bench.run(watts(10), 120) == {"box0": 0}
    assert bench.run(0.0, 60) == {"box0": 0}
    assert bench.run(watts(10), 120) == {"box0": 0}
    assert bench.run(watts(10), 60) == {"box0": 10}
    for _ in range(4):
        assert bench.run(0.0, 240) == {"box0": 6}
        bench.run(watts(10), 60)


def test_one_that_is_never_paused_waits_for_no_start() -> None:
    """The mean of a minute is enough for more than 6 A."""
    bench = Bench(SOLAR_MIN)
    assert bench.run(0.0, 60) == {"box0": 6}
    assert bench.run(watts(10), 41) == {"box0": 6}
    assert bench.run(watts(10), 2) == {"box0": 10}


def test_a_cloud_counts_at_once_and_a_little_less_later() -> None:
    """3 A that are missing for 10 s, or half an ampere for a minute."""
    bench = Bench(SOLAR)
    bench.run(watts(12), 300)
    assert bench.run(watts(9), 9) == {"box0": 12}
    assert bench.run(watts(9), 2) == {"box0": 9}
    assert bench.run(watts(8.4), 48) == {"box0": 9}
    assert bench.run(watts(8.4), 4) == {"box0": 8}


def test_it_rises_a_minute_after_it_changed() -> None:
    """To all that there is then."""
    bench = Bench(SOLAR)
    bench.run(watts(12), 300)
    assert bench.run(watts(7), 10) == {"box0": 7}
    assert bench.run(watts(12), 50) == {"box0": 7}
    assert bench.run(watts(12), 10) == {"box0": 12}


def test_an_oven_that_comes_and_goes_is_waited_for() -> None:
    """Each rise that did not last makes the next wait longer, up to four minutes."""
    bench = Bench(SOLAR)
    bench.run(watts(12), 300)
    bench.changes.clear()
    for _ in range(40):
        bench.run(watts(8.5), 45)
        bench.run(watts(12), 45)
    assert 10 < len(bench.changes) <= 2 * 3600 / 240
    bench.run(watts(12), 240)
    bench.changes.clear()
    bench.run(watts(8.5), 60)
    assert bench.run(watts(12), 245) == {"box0": 12}
    assert len(bench.changes) == 2


def test_a_late_meter_makes_nothing_swing() -> None:
    """What it says of the time before a change is over when the limit may rise."""
    bench = Bench(SOLAR)
    late: deque[float] = deque()

    def shine(surplus_w: float, seconds: int) -> None:
        for _ in range(seconds):
            bench.now += 1
            drawn_w = watts(bench.drawn["box0"])
            late.append(drawn_w - surplus_w)
            bench.sun.note_power("box0", drawn_w, bench.now)
            if len(late) > 30:
                bench.sun.note_grid(late.popleft(), bench.now)
            before = dict(bench.drawn)
            limits = bench.sun.take(bench.loads, bench.now).limits
            bench.drawn = {"box0": float(limits["box0"].amps)}
            if bench.drawn != before:
                bench.changes.append(bench.now)

    shine(watts(9.5), 900)
    assert bench.drawn == {"box0": 9}
    assert len(bench.changes) <= 3
    shine(watts(14.5), 300)
    shine(watts(9.5), 900)
    assert bench.drawn == {"box0": 9}
    assert len(bench.changes) <= 10


def test_whole_amperes_downwards() -> None:
    """7.9 A are 7 A, and more than the wish is the wish."""
    bench = Bench(SOLAR)
    assert bench.run(watts(7.9), 200) == {"box0": 7}
    assert bench.run(watts(40), 100) == {"box0": 16}


def test_a_limit_changes_once_in_10_s_at_most() -> None:
    """Also while the surplus falls by an ampere each second."""
    bench = Bench(SOLAR, wish_a=99.0)
    bench.run(watts(80), 200)
    for step in range(74):
        bench.run(watts(80 - step), 1)
    gaps = [b - a for a, b in zip(bench.changes, bench.changes[1:], strict=False)]
    assert len(gaps) > 5
    assert min(gaps) >= 10


@pytest.mark.parametrize("gone", ["silent", "unavailable"])
def test_no_reading_of_the_grid_is_no_surplus(gone: str) -> None:
    """6 A are held for five minutes, as without the sun."""
    bench = Bench(SOLAR)
    bench.run(watts(12), 200)
    if gone == "unavailable":
        bench.sun.note_grid(None, bench.now)
    else:
        assert bench.sun.take(bench.loads, bench.now).due == bench.now + 60
        bench.now += 60
    limits = bench.sun.take(bench.loads, bench.now)
    assert limits.surplus_w == 0
    assert limits.limits["box0"] == SunLimit(amps=6, surplus=False)
    assert limits.due == bench.now + 300
    bench.now += 300
    assert bench.sun.take(bench.loads, bench.now).limits["box0"].amps == 0


def test_the_first_has_it_first() -> None:
    """The second has what the first cannot use, also where its car takes less."""
    bench = Bench(SOLAR, SOLAR)
    assert bench.run(watts(21), 200) == {"box0": 16, "box1": 0}
    assert bench.run(watts(24), 200) == {"box0": 16, "box1": 8}
    bench.most["box0"] = 10.0
    assert bench.run(watts(24), 200) == {"box0": 16, "box1": 13}


def test_nothing_is_kept_for_an_idle_one() -> None:
    """One without a session shows what it would have."""
    bench = Bench(SOLAR, SOLAR, idle=True)
    bench.most = {"box0": 0.0, "box1": 0.0}
    assert bench.run(watts(10), 200) == {"box0": 10, "box1": 10}


def test_a_meter_that_reports_on_change_only() -> None:
    """A reading stands until the next, and `due` says when the mean has moved."""
    bench = Bench(SOLAR)
    bench.run(0.0, 60)
    bench.sun.note_power("box0", 0.0, bench.now + 1)
    bench.sun.note_idle("box0", idle=True, now=bench.now + 1)
    bench.sun.note_grid(-watts(10), bench.now + 1)
    began = bench.now
    now: float | None = began + 1
    looks = 0
    while now is not None and now < began + 59:
        limits = bench.sun.take(bench.loads, now)
        assert limits.surplus_w == pytest.approx(watts(10) * (now - began - 1) / 60)
        looks += 1
        now = limits.due
    assert looks == 12
    assert now == began + 61


def test_the_mean_pairs_each_reading_of_the_grid_with_the_wallbox() -> None:
    """A car that begins between two of its readings looks like no cloud."""
    sun = Sun(meter_timeout_s=60.0)
    load = SunLoad(key="box", mode=SOLAR, watts_per_amp=WATTS_PER_AMP, wish_a=16.0)
    power, surplus = 0.0, watts(10)
    seen: list[float] = []
    for second in range(1000, 1300):
        now = float(second)
        if second >= 1193:
            power = watts(8)
        if second % 10 == 0:
            sun.note_power("box", power, now)
        sun.note_grid(power - surplus, now)
        seen.append(sun.take([load], now).surplus_w)
    assert max(seen) < watts(10.8)
    assert min(seen[1:]) > watts(9.2)


def test_a_wallbox_that_is_silent_draws_nothing() -> None:
    """What is known to be surplus is what goes to the grid."""
    bench = Bench(SOLAR)
    bench.run(watts(10), 200)
    bench.sun.note_grid(watts(0.5), bench.now + 95)
    limits = bench.sun.take(bench.loads, bench.now + 95)
    assert limits.surplus_w == pytest.approx(-watts(0.5))


def test_a_restart_counts_the_two_minutes_anew() -> None:
    """The mean is of what there is."""
    bench = Bench(SOLAR)
    bench.run(watts(10), 200)
    bench.sun = Sun(meter_timeout_s=60.0)
    assert bench.run(watts(10), 1) == {"box0": 0}
    assert bench.run(watts(10), 119) == {"box0": 0}
    assert bench.run(watts(10), 1) == {"box0": 10}


@given(
    seed=st.integers(0, 10**6),
    modes=st.lists(st.sampled_from([SOLAR, SOLAR_MIN]), min_size=1, max_size=3),
)
def test_limits_are_whole_slow_and_never_between(
    seed: int, modes: list[ChargingMode]
) -> None:
    """Whatever is read, and whenever somebody looks."""
    random = Random(seed)
    sun = Sun(meter_timeout_s=60.0)
    now = 1000.0
    changed: dict[str, float] = {}
    before: dict[str, int] = {}
    for _ in range(200):
        now += random.choice([0.1, 1.0, 5.0, 30.0, 100.0])
        if random.random() < 0.5:
            sun.note_grid(random.choice([None, random.uniform(-9e3, 3e3)]), now)
        loads = [
            SunLoad(
                key=str(number),
                mode=mode,
                watts_per_amp=random.choice([230.0, 690.0]),
                wish_a=random.choice([6.0, 16.0, 32.0]),
                idle=random.random() < 0.2,
            )
            for number, mode in enumerate(modes)
        ]
        for load in loads:
            if random.random() < 0.5:
                sun.note_power(load.key, random.uniform(0, 11e3), now)
        limits = sun.take(loads, now)
        assert limits.due is None or limits.due > now
        for load in loads:
            amps = limits.limits[load.key].amps
            assert amps == 0 or amps >= 6
            if load.mode is SOLAR_MIN:
                assert amps >= 6
            if load.key in before and before[load.key] != amps:
                assert now - changed.get(load.key, -1e9) >= 10
                changed[load.key] = now
            before[load.key] = amps


@pytest.mark.parametrize("seed", [1, 8])
def test_cloudy_days(seed: int) -> None:
    """House and car take 95 % at least of what they could with the day known."""
    figures = run(seed)
    assert figures.ratio >= 0.95
    assert figures.bought < 0.2 * figures.charged
    assert figures.least_gap_s >= 10
    assert figures.changes > 50
