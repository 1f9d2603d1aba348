"""What the sun lets a wallbox draw."""

from typing import Any

import pytest

from custom_components.bmw_wallbox_victron.charging.settings import ChargingMode
from custom_components.bmw_wallbox_victron.charging.sun import (
    Sun,
    SunLimit,
    SunLimits,
    SunLoad,
)

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


@pytest.mark.parametrize("mode", [SOLAR, SOLAR_MIN])
def test_a_short_sun_and_a_short_cloud_start_and_end_nothing(
    mode: ChargingMode,
) -> None:
    """Both delays begin anew."""
    bench = Bench(mode)
    low = 6 if mode is SOLAR_MIN else 0
    bench.run(0.0, 60)
    assert bench.run(watts(10), 120) == {"box0": low}
    assert bench.run(0.0, 60) == {"box0": low}
    assert bench.run(watts(10), 120) == {"box0": low}
    assert bench.run(watts(10), 60) == {"box0": 10}
    for _ in range(4):
        assert bench.run(0.0, 240) == {"box0": 6}
        bench.run(watts(10), 60)


def test_whole_amperes_downwards() -> None:
    """7.9 A are 7 A, and more than the wish is the wish."""
    bench = Bench(SOLAR)
    assert bench.run(watts(7.9), 200) == {"box0": 7}
    assert bench.run(watts(40), 100) == {"box0": 16}


def test_a_limit_changes_once_in_10_s_at_most() -> None:
    """Also while the surplus rises all the time."""
    bench = Bench(SOLAR)
    bench.run(watts(6), 200)
    for step in range(120):
        bench.run(watts(6 + step / 10), 1)
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
