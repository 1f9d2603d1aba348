"""Days of a simulated house, with the integration's own rules: what holds on all."""

from hypothesis import settings
import pytest

from benchmarks.house_brain import live
from benchmarks.house_figures import Figures
from benchmarks.house_scenarios import KINDS

#: One or two of each kind at each run of the gate, many each week.
MANY = settings().max_examples > 100


def seeds(*few: int) -> pytest.MarkDecorator:
    """Try these, or many."""
    return pytest.mark.parametrize("seed", range(25) if MANY else few)


def hold(kind: str, seed: int) -> Figures:
    """Live through a day, and look at what holds on every one."""
    scenario = KINDS[kind](seed)
    figures = live(scenario, step_s=2.0)
    assert figures.above_s == 0
    assert figures.chosen <= 5
    return figures


@seeds(1, 12)
def test_the_sun(seed: int) -> None:
    """What perfect knowledge could take but for 5 %, and limits at their pace.

    From the grid comes what 6 A held through clouds cost, and a little for edges.
    """
    figures = hold("solar", seed)
    assert not figures.asleep
    assert figures.sun_kwh > 0.95 * figures.bound_kwh
    assert figures.import_kwh < figures.bound_import_kwh + 1.0
    assert figures.busiest == 1
    assert figures.shortest_s >= 10


@seeds(1, 4)
def test_the_plan(seed: int) -> None:
    """The target is there in time, at nearly the cheapest quarter hours."""
    figures = hold("plan", seed)
    assert figures.target_met
    assert not figures.asleep
    assert figures.cost < 1.05 * figures.cheapest


@seeds(2)
def test_the_fuse(seed: int) -> None:
    """It holds, and the car has nearly all that it left."""
    figures = hold("fuse", seed)
    assert figures.energy_kwh > 70


@seeds(0, 1)
def test_all_that_goes_wrong(seed: int) -> None:
    """Outages, restarts, clocks, two wallboxes: more than nothing is charged."""
    assert hold("rough", seed).energy_kwh > 5
