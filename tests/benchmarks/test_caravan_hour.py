"""The hour of the benchmark: what is in it, and what counts as an error."""

import json
from pathlib import Path
import subprocess
import sys
from typing import Any

import pytest

from benchmarks.caravan_hour import PACE_S, Watch, play
from demo.clock import SteppedClock
from demo.layout import ROOT
from simulators.caravan.identity import ALTERNATOR_CHARGER, MAINS_CHARGER, SHUNT


def test_who_is_heard_how_long() -> None:
    heard: dict[str, int] = {}
    new: dict[str, set[bytes]] = {}
    for tick in play():
        for frame in tick.frames:
            heard[frame.address] = heard.get(frame.address, 0) + 1
            new.setdefault(frame.address, set()).add(frame.data)
    minutes = {SHUNT: 60, MAINS_CHARGER: 20, ALTERNATOR_CHARGER: 10}
    for device, expected in minutes.items():
        assert heard[device.address] == pytest.approx(expected * 300, abs=2)
        assert len(new[device.address]) == pytest.approx(expected * 60, abs=2)


def look_at(patience_s: float, *pairs: tuple[float | None, float | None]) -> Watch:
    watch = Watch(patience_s)
    for said, shown in pairs:
        watch.look(said, shown)
    return watch


def test_an_error_may_last_for_a_second() -> None:
    right, wrong = (10.0, 10.0), (10.0, 13.0)
    looks = round(1 / PACE_S)
    assert look_at(1, *[right] * 9, *[wrong] * (looks + 1), *[right] * 9).worst == 0
    late = look_at(1, *[right] * 9, *[wrong] * (looks + 2), *[right] * 9)
    assert (late.worst, late.worst_of) == (3, 10)


def test_the_least_of_a_lasting_error_counts() -> None:
    watch = look_at(1, *[(0.0, 5.0), (0.0, 2.0), (0.0, 9.0)] * 10)
    assert watch.worst == 2


def test_known_and_unknown() -> None:
    both = look_at(1, *[(None, None)] * 20)
    assert (both.worst, both.seen) == (0, False)
    assert look_at(1, *[(None, 3.0)] * 20).worst == float("inf")
    assert look_at(1, *[(3.0, None)] * 20).worst == float("inf")
    assert look_at(1, *[(3.0, None)] * 3, *[(3.0, 3.0)] * 20).worst == 0


def test_a_clock_that_is_held() -> None:
    clock = SteppedClock()
    with pytest.raises(RuntimeError, match="runs"):
        clock.step(1)
    clock.hold()
    begin, wall = clock.monotonic(), clock.wall()
    assert clock.monotonic() == begin
    clock.step(3600)
    assert clock.monotonic() == begin + 3600
    assert clock.now().timestamp() == pytest.approx(wall + 3600)
    clock.release()
    clock.release()
    assert begin + 3600 <= clock.monotonic() < begin + 3660


@pytest.mark.parametrize("reader", ["ours", "core"])
def test_a_minute_is_played(tmp_path: Path, reader: str) -> None:
    done = subprocess.run(  # noqa: S603 - our own program
        [
            *(
                sys.executable,
                "-m",
                "benchmarks.caravan_replay",
                f"--folder={tmp_path}",
            ),
            *("--reader", reader, "--all-entities", "--seconds=60"),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=50,
    )
    figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    assert figures["advertisements"] == 300
    assert 0 < figures["microseconds"] < 10_000
    shown = {"voltage", "current", "soc", "consumed_ah", "time_to_go"}
    if reader == "ours":
        shown.add("power")
        assert 5 < figures["rows"]["states"] < 60
        assert figures["errors"]["voltage"][0] <= 0.05
        assert figures["errors"]["current"][0] <= 0.2
    else:
        assert 60 < figures["rows"]["states"] < 600
    assert figures["errors"].keys() == shown
