"""What upsets the limits of a house: wallboxes that go, restarts, clocks that jump."""

from datetime import timedelta
from typing import Any

import pytest

from custom_components.bmw_wallbox_victron.charging.settings import (
    HouseSettings,
    LimitReason,
)

from .test_brain import NOON, World

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
