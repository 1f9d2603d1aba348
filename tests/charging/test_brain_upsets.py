"""What upsets the limits of a house: wallboxes that go, restarts, clocks that jump."""

from dataclasses import replace
from datetime import UTC, time, timedelta
from typing import Any

import pytest

from custom_components.bmw_wallbox_victron.charging.brain import Brain
from custom_components.bmw_wallbox_victron.charging.record import SessionRecord
from custom_components.bmw_wallbox_victron.charging.settings import (
    ChargingSettings,
    HouseSettings,
    LimitReason,
)

from .world import NOON, SOLAR, World, run

FUSE_A = 25.0
FUSED = HouseSettings(main_fuse_a=FUSE_A, phase_order="123")


def fused(**away: Any) -> World:
    """Return a house with a fuse, a wallbox with a car, and one that is away."""
    world = World()
    world.brain.configure(FUSED, [1, 2, 3])
    world.base_a = 5.0
    world.add()
    world.add("away", **away)
    return world


def live(world: World, seconds: int) -> list[float]:
    """Let time pass while a wallbox is away; return what the other may draw."""
    limits = []
    for _ in range(seconds):
        # Nothing is heard of it: any limit may be in force.
        world.change(
            "away",
            connected=False,
            idle=False,
            holds=False,
            charging=False,
            in_force_a=32.0,
            lowest_a=0.0,
            currents={},
            drawn_a=None,
            power_w=None,
            heard_at=None,
        )
        world.step()
        limits.append(world.limit())
    return limits


@pytest.mark.parametrize("session", [None, "of before"])
def test_a_wallbox_that_is_away_holds_nobody_back(session: str | None) -> None:
    """What it draws is the house's; the other one has the rest, also after a pause."""
    began = None if session is None else NOON - timedelta(hours=1)
    world = fused(session=session, began=began)
    live(world, 100)
    world.base_a = 24.0
    assert live(world, 60)[-1] == 0
    world.base_a = 9.0
    assert live(world, 40)[-1] == FUSE_A - 9
    world.base_a = 14.0
    assert live(world, 1)[-1] == FUSE_A - 14


def test_a_wallbox_that_comes_back_gets_what_is_left() -> None:
    """It is told so before it is heard of, and the house stays below its fuse."""
    world = fused(session=None, began=None)
    live(world, 200)
    assert world.limit() == 16
    assert world.limit("away") == 0
    world.change("away", connected=True, idle=True, holds=True, in_force_a=0.0)
    over_s = 0
    for _ in range(120):
        world.step()
        drawn_a = sum(box.drawn_a or 0.0 for box in world.boxes.values())
        over_s += 5 + drawn_a > FUSE_A
    assert over_s == 0
    began = world.wall
    world.change("away", session="new", began=began, idle=False)
    for _ in range(120):
        world.step()
        drawn_a = sum(box.drawn_a or 0.0 for box in world.boxes.values())
        over_s += 5 + drawn_a > FUSE_A
    assert over_s == 0
    assert (world.limit(), world.limit("away")) == (10, 10)
    assert world.reason("away") is LimitReason.MAIN_FUSE


def sunny() -> World:
    """Return a house with surplus for 10 A, on which a car charges."""
    world = World()
    world.add(settings=SOLAR)
    world.surplus_w = 7000.0
    run(world, 180)
    assert world.limit() == 10
    return world


@pytest.mark.parametrize(
    "changes", [{"feed_in_price": 0.1}, {"main_fuse_a": 63.0}, {"meter_timeout_s": 90}]
)
def test_another_option_pauses_no_car(changes: dict[str, Any]) -> None:
    """What was seen of the sun still counts."""
    world = sunny()
    world.brain.configure(replace(world.house, **changes), [])
    assert min(each.decision.limit_a for each in run(world, 60)) >= 10


def test_a_restart_pauses_no_car_that_the_sun_charges() -> None:
    """It ends after five minutes without surplus, as ever."""
    world = sunny()
    world.brain = Brain(UTC)
    world.brain.configure(world.house, [])
    surplus_w, world.surplus_w = world.surplus_w, None
    assert {each.decision.limit_a for each in run(world, 30)} == {6}
    world.surplus_w = surplus_w
    run(world, 60)
    assert world.limit() == 10
    world.surplus_w = 0.0
    run(world, 400)
    assert world.limit() == 0
    assert world.boxes["box"].record.pauses == 1


def test_a_restart_begins_no_charge() -> None:
    """What waited for the sun still does."""
    world = World()
    world.add(settings=SOLAR)
    world.surplus_w = 0.0
    run(world, 10)
    world.brain = Brain(UTC)
    world.brain.configure(world.house, [])
    assert max(each.decision.limit_a for each in run(world, 60)) == 0


def test_a_restart_ends_no_hold() -> None:
    """A car that was paused often enough has 6 A, also after it."""
    world = sunny()
    world.change(record=SessionRecord(pauses=5))
    world.surplus_w = 0.0
    run(world, 600)
    assert world.limit() == 6
    world.brain = Brain(UTC)
    world.brain.configure(world.house, [])
    assert {each.decision.limit_a for each in run(world, 600)} == {6}


@pytest.mark.parametrize("field", ["began", "planned_from"])
def test_a_plan_made_while_a_clock_was_ahead(field: str) -> None:
    """The next time of that day counts, not the one after a moment to come."""
    world = World()
    settings = ChargingSettings(target_energy=10, plan=True, ready_by=time(18))
    ahead = NOON + timedelta(days=30)
    if field == "began":
        world.add(settings=settings, began=ahead)
    else:
        world.add(settings=replace(settings, planned_from=ahead))
    world.step()
    plan = world.outcomes["box"].plan
    assert plan is not None
    assert plan.slots[-1].end == NOON.replace(hour=18)


def test_a_waived_target_that_comes_back_counts() -> None:
    """10 was passed by its owner's will; after 20, 10 means 10 again."""
    world = World()
    settings = ChargingSettings(target_energy=10)
    world.add(settings=settings, energy_wh=20_500.0, record=SessionRecord(waived=10.0))
    world.step()
    assert world.limit() == 16
    world.change(settings=replace(settings, target_energy=20))
    world.step()
    assert world.reason() is LimitReason.TARGET_REACHED
    world.change(settings=settings)
    world.step()
    assert world.reason() is LimitReason.TARGET_REACHED


def test_a_voltage_that_varies_does_not_pause_again_and_again() -> None:
    """At 233.3 V, 6 A on three phases are 4.2 kW: the highest of a session counts."""
    world = World()
    world.add()
    world.external_w = 4200.0
    limits = []
    for second in range(600):
        world.change(volts=233.0 + second // 10 % 2)
        world.step()
        limits.append(world.limit())
    assert limits[0] == 6
    assert set(limits[60:]) == {0}
    world.change(session="another", volts=232.0)
    world.step()
    assert world.limit() == 6


def test_a_wallbox_that_is_faulted_leaves_room_to_others() -> None:
    """Its session began first, and gets nothing."""
    world = World()
    world.brain.configure(FUSED, [1, 2, 3])
    world.base_a = 17.0
    world.add("faulted", began=NOON - timedelta(hours=1))
    world.add()
    run(world, 60)
    assert (world.limit("faulted"), world.limit()) == (8, 0)
    world.change("faulted", out_of_service=True, authorized=False)
    run(world, 60)
    assert (world.limit("faulted"), world.limit()) == (0, 8)
