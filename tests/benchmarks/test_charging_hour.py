"""What a charging session costs the database, and how well it is shown for that."""

from collections.abc import Iterator
from dataclasses import replace
import json
from pathlib import Path
import subprocess
import sys
from typing import Any

from homeassistant.const import EVENT_STATE_CHANGED
from homeassistant.core import Event, EventStateChangedData, callback
import pytest

from demo.layout import ROOT
from simulators.wallbox import DELTA, Car
from simulators.wallbox.noise import NoisyCharger
from tests.kit.bench import Bench, MakeBench

REGISTER_KWH = 910.0


def play(folder: Path, *arguments: str) -> dict[str, Any]:
    """Play an hour of charging, and return its figures."""
    done = subprocess.run(  # noqa: S603 - our own program
        [
            sys.executable,
            "-m",
            "benchmarks.charging_hour",
            f"--folder={folder}",
            *arguments,
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=240,
    )
    figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return figures


def test_rows_of_a_charging_hour(tmp_path: Path) -> None:
    """In the real recorder, all default entities together: 400 at most."""
    figures = play(tmp_path)
    assert figures["readings"] >= 360
    assert figures["kwh"] == pytest.approx(11, abs=0.2)
    assert 150 < figures["rows"]["states"] <= 400
    # Home Assistant's own, not ours: one for each attribute's new value would be.
    assert figures["rows"]["state_attributes"] < 40
    assert figures["rows"]["events"] < 25


def test_rows_of_a_cloudy_hour(tmp_path: Path) -> None:
    """With the sun, two pauses, and what its energy cost: a little more."""
    figures = play(tmp_path, "--sky=broken")
    assert figures["kwh"] > 3
    assert 6 < figures["limits"] <= 18
    assert figures["rows"]["states"] <= 420


class Writes:
    """What was written of each entity: what a row of the database is."""

    def __init__(self, bench: Bench) -> None:
        """Listen from now on."""
        self._bench = bench
        self._counts: dict[str, int] = {}
        bench.hass.bus.async_listen(EVENT_STATE_CHANGED, self._on_change)

    @callback
    def _on_change(self, event: Event[EventStateChangedData]) -> None:
        """Count."""
        entity_id = event.data["entity_id"]
        self._counts[entity_id] = self._counts.get(entity_id, 0) + 1

    def take(self) -> dict[str, int]:
        """Return the counts since the last look."""
        counts, self._counts = self._counts, {}
        return counts


@pytest.fixture
async def noisy(make_bench: MakeBench) -> Bench:
    """A box with three phases whose readings never stand still, and a car at it."""
    bench = make_bench(replace(DELTA, phases=3))
    bench.box.charger = NoisyCharger(phases=3, register_wh=REGISTER_KWH * 1000)
    await bench.connect()
    await bench.box.plug_in(Car(phases=3, max_current_a=16))
    await bench.pass_time(30)
    return bench


def read(bench: Bench) -> Iterator[tuple[str, float]]:
    """Return what the box told last, by key of the sensor."""
    for call in reversed(bench.box.sent_of("TransactionEvent")):
        for values in call.payload.get("meterValue", ()):
            for sample in values["sampledValue"]:
                match sample.get("measurand"):
                    case "Power.Active.Import":
                        yield "power", sample["value"]
                    case "Current.Import" if "phase" in sample:
                        yield f"current_{sample['phase'].lower()}", sample["value"]
                    case "Voltage":
                        phase = sample["phase"].lower().removesuffix("-n")
                        yield f"voltage_{phase}", sample["value"]
            return


def deadband(key: str, shown: float) -> float:
    """Return how far what is shown may be from what was read, W, A or V."""
    if key == "power":
        return max(50.0, 0.02 * shown)
    return 0.3 if key.startswith("current") else 2.0


async def test_what_is_shown_is_near_what_was_read(noisy: Bench) -> None:
    """Never wrong by more than the deadband for longer than a second."""
    looked, before = 0, dict(read(noisy))
    for _ in range(300):
        await noisy.pass_time(1)
        told = dict(read(noisy))
        if told != before:
            before = told
            continue  # it may be a second late
        for key, value in told.items():
            shown = noisy.site.number(key)
            assert abs(shown - value) < deadband(key, shown) + 1e-6, key
            looked += 1
    assert looked > 300 * 5


async def test_a_pause_writes_next_to_nothing(noisy: Bench) -> None:
    """Ten minutes in which nothing but the mains' voltage moves."""
    noisy.allow(False)
    await noisy.succeed()
    await noisy.pass_time(30)
    writes = Writes(noisy)
    await noisy.pass_time(600, step=5)
    assert sum(writes.take().values()) <= 3 * 600 / 60


async def test_a_pause_and_an_end_are_exact(noisy: Bench) -> None:
    """To the Wh, though energy is written every two minutes while it counts up."""
    site = noisy.site

    def delivered() -> float:
        return noisy.box.charger.register_wh / 1000 - REGISTER_KWH

    await noisy.pass_time(900, step=5)
    noisy.allow(False)
    await noisy.succeed()
    await noisy.pass_time(12)
    assert site.number("power") == 0
    assert [site.number(f"current_l{phase}") for phase in (1, 2, 3)] == [0, 0, 0]
    assert site.number("energy_session") == pytest.approx(delivered(), abs=0.0011)
    assert site.number("energy_total") == pytest.approx(
        REGISTER_KWH + delivered(), abs=0.0011
    )
    noisy.allow(True)
    await noisy.succeed()
    await noisy.pass_time(300, step=5)
    assert site.number("power") > 10_000
    await noisy.box.unplug()
    await noisy.pass_time(2)
    assert site.state("status") == "available"
    assert site.number("power") == 0
    assert site.number("energy_session") == pytest.approx(delivered(), abs=0.0011)


async def test_never_more_than_once_a_second(noisy: Bench) -> None:
    """However often the box tells its readings, with a limit that goes up and down."""
    writes = Writes(noisy)
    for index in range(40):
        noisy.box.charger.limit_a = 6 + index % 10
        noisy.box.send_triggered_event()
        await noisy.pass_time(0.25, step=0.25)
    measured = {
        entity_id: count
        for entity_id, count in writes.take().items()
        if entity_id.startswith("sensor.")
    }
    assert measured[noisy.site.entity_id("sensor", "power")] >= 8
    assert max(measured.values()) <= 11


async def test_a_wallbox_that_comes_back_is_shown_at_once(noisy: Bench) -> None:
    """Nothing that was shown before says anything about what is shown then."""
    assert noisy.site.number("power") > 10_000
    await noisy.box.disconnect()
    await noisy.rest()
    assert noisy.site.state("power") == "unavailable"
    assert noisy.site.number("energy_session") > 0
    await noisy.connect(boot=False)
    await noisy.pass_time(12)
    assert noisy.site.number("power") > 10_000
