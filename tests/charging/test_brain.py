"""All wallboxes of a house: from readings to limits, over time."""

from dataclasses import replace
from datetime import datetime, time, timedelta
from typing import Any

import pytest

from custom_components.bmw_wallbox_victron.charging.prices import Prices, PriceSlot
from custom_components.bmw_wallbox_victron.charging.record import SessionRecord
from custom_components.bmw_wallbox_victron.charging.settings import (
    ChargingSettings,
    HouseSettings,
    LimitReason,
)

from .world import LEAST_W, NOON, SOLAR, World, run


@pytest.fixture
def world() -> World:
    """Return a house without meters, and one wallbox with a car."""
    world = World()
    world.add()
    return world


def test_without_anything_the_owner_decides(world: World) -> None:
    """Nothing else limits, and no plan is made."""
    run(world, 60)
    outcome = world.outcomes["box"]
    assert (outcome.cap_a, outcome.plan, outcome.asleep) == (None, None, False)
    assert world.reason() is LimitReason.CURRENT_LIMIT


def test_a_fuse_that_nobody_measures_is_not_taken_for_room(world: World) -> None:
    """From the start to the first reading, and after the last one's timeout."""
    world.brain.configure(HouseSettings(main_fuse_a=25.0), [1, 2, 3])
    run(world, 5)
    assert (world.limit(), world.reason()) == (6, LimitReason.NO_METER)
    world.base_a = 5.0
    run(world, 60)
    assert world.limit() == 16
    world.base_a = None
    run(world, 5)
    assert (world.limit(), world.reason()) == (6, LimitReason.NO_METER)


@pytest.mark.parametrize("safe", [0.0, 8.0])
def test_the_safe_current_is_the_owners(world: World, safe: float) -> None:
    """0 is a pause."""
    settings = HouseSettings(main_fuse_a=25.0, safe_current_a=safe)
    world.brain.configure(settings, [1])
    run(world, 5)
    assert (world.limit(), world.reason()) == (safe, LimitReason.NO_METER)


def test_the_house_takes_more(world: World) -> None:
    """Lower at once, a pause below 6 A, higher after 30 s of room."""
    world.brain.configure(HouseSettings(main_fuse_a=25.0), [1, 2, 3])
    world.base_a = 5.0
    run(world, 60)
    world.base_a = 15.0
    run(world, 2)
    assert (world.limit(), world.reason()) == (10, LimitReason.MAIN_FUSE)
    world.base_a = 20.0
    run(world, 2)
    assert (world.limit(), world.reason()) == (0, LimitReason.MAIN_FUSE)
    assert world.outcomes["box"].forced
    world.base_a = 5.0
    run(world, 25)
    assert world.limit() == 0
    run(world, 25)
    assert world.limit() == 16
    assert world.boxes["box"].record.pauses == 0


def test_what_creeps_up_is_expected_to_go_on(world: World) -> None:
    """A cloud that takes the roof's power away is followed in few steps, not late."""
    world.brain.configure(HouseSettings(main_fuse_a=25.0), [1, 2, 3])
    world.base_a, world.late = 8.0, 5
    run(world, 60)
    above = longest = 0
    for _ in range(30):
        world.base_a += 0.25
        run(world, 1)
        over = world.base_a + (world.boxes["box"].drawn_a or 0.0) > 25.1
        above = above + 1 if over else 0
        longest = max(longest, above)
    assert longest <= 8


@pytest.mark.parametrize("base_a", [5.0, 13.0])
def test_an_oven_that_comes_and_goes_pauses_ever_more_seldom(
    world: World, base_a: float
) -> None:
    """Some cars take charge up no more after seven pauses, also where they get less."""
    world.brain.configure(HouseSettings(main_fuse_a=25.0), [1, 2, 3])
    world.base_a = base_a
    run(world, 60)
    pauses, charges = 0, True
    for minute in range(120):
        world.base_a = 22.0 if minute % 3 == 0 else base_a
        for _ in world.run(60):
            pauses += charges and world.limit() == 0
            charges = world.limit() > 0
    assert 3 <= pauses <= 7


def test_a_car_that_takes_less_sets_the_limit_whatever_that_is(world: World) -> None:
    """What the limit is meanwhile is no news: it takes as much as before."""
    world.brain.configure(HouseSettings(main_fuse_a=32.0), [1, 2, 3])
    world.most_a = 9.0
    world.base_a = 5.0
    run(world, 60)
    limits, reasons = set(), set()
    for world.base_a in (18.0, 5.0, 17.0):
        for outcome in run(world, 60):
            limits.add(outcome.decision.limit_a)
            reasons.add(outcome.decision.reason)
    assert limits == {14, 16, 15}
    assert reasons == {LimitReason.CAR}
    world.base_a = 25.0
    run(world, 5)
    assert (world.limit(), world.reason()) == (7, LimitReason.MAIN_FUSE)


def test_without_the_fuse_nobody_waits_for_it(world: World) -> None:
    """Its owner may take the option back while a session waits for a while."""
    world.brain.configure(HouseSettings(main_fuse_a=25.0), [1, 2, 3])
    for base_a in (5.0, 22.0, 5.0, 22.0):
        world.base_a = base_a
        run(world, 60)
    world.base_a = 5.0
    run(world, 45)
    assert (world.limit(), world.reason()) == (0, LimitReason.MAIN_FUSE)
    world.brain.configure(HouseSettings(), [])
    run(world, 2)
    assert world.limit() == 16


@pytest.mark.parametrize("held", [{"allowed": False}, {"current_limit_a": 8.0}])
def test_what_its_owner_may_allow_is_limited_before(
    world: World, held: dict[str, Any]
) -> None:
    """No limit goes out above the fuse, until it was decided on."""
    world.brain.configure(HouseSettings(main_fuse_a=25.0), [1, 2, 3])
    world.base_a = 15.0
    world.change(**held)
    run(world, 60)
    assert world.outcomes["box"].cap_a == 10


def test_what_another_has_is_not_what_pauses(world: World) -> None:
    """It would give way; until it has, nothing goes out for the one that came first."""
    world.brain.configure(HouseSettings(main_fuse_a=16.0), [1, 2, 3])
    world.base_a = 0.0
    world.change(allowed=False)
    world.add("second", current_limit_a=32.0)
    run(world, 60)
    assert (world.limit("second"), world.reason()) == (16, LimitReason.PAUSED)
    assert world.outcomes["box"].cap_a == 0
    world.change(allowed=True)
    run(world, 60)
    assert (world.limit("box"), world.limit("second")) == (8, 8)


def test_what_is_named_first(world: World) -> None:
    """Of what pauses, the fuse comes first, then the owner, a start, a plan."""
    waits = ChargingSettings(
        target_energy=1.0,
        plan=True,
        ready_by=time(8),
        start_at=NOON + timedelta(hours=5),
    )
    world.brain.configure(HouseSettings(main_fuse_a=25.0), [1, 2, 3])
    world.base_a = 24.0
    world.change(settings=waits, allowed=False)
    run(world, 40)
    assert world.reason() is LimitReason.MAIN_FUSE
    world.base_a = 5.0
    run(world, 40)
    assert world.reason() is LimitReason.PAUSED
    world.change(allowed=True)
    run(world, 1)
    assert world.reason() is LimitReason.START_AT
    world.change(settings=replace(waits, start_at=None))
    run(world, 1)
    assert world.reason() is LimitReason.PLAN


def test_who_came_first_keeps_charging(world: World) -> None:
    """Where there is not 6 A for each; with more both have their share."""
    world.brain.configure(HouseSettings(main_fuse_a=16.0), [1, 2, 3])
    world.base_a = 0.0
    run(world, 60)
    world.add("second")
    run(world, 60)
    assert (world.limit("box"), world.limit("second")) == (8, 8)
    world.base_a = 6.0
    run(world, 10)
    assert world.limit("second") == 0
    assert world.reason("second") is LimitReason.MAIN_FUSE
    assert world.limit("box") >= 6


def test_a_full_car_leaves_room_to_others(world: World) -> None:
    """Though its session began first."""
    world.brain.configure(HouseSettings(main_fuse_a=16.0), [1, 2, 3])
    world.base_a = 6.0
    world.change(full=True)
    run(world, 60)
    world.add("second")
    run(world, 60)
    assert (world.limit("box"), world.limit("second")) == (0, 10)


def test_the_grid_operator_limits(world: World) -> None:
    """All wallboxes together; one whose value is not known is no freedom."""
    world.external_w = 4200.0
    run(world, 5)
    assert (world.limit(), world.reason()) == (6, LimitReason.EXTERNAL_LIMIT)
    world.external_w = 0.0
    run(world, 5)
    assert (world.limit(), world.reason()) == (0, LimitReason.EXTERNAL_LIMIT)
    world.external_w, world.external_unknown = None, True
    run(world, 5)
    assert (world.limit(), world.reason()) == (6, LimitReason.NO_METER)


def test_clouds_pause_five_times_and_no_more(world: World) -> None:
    """Then it goes on with 6 A, whatever the sun does."""
    world.change(settings=SOLAR)
    for sunny in range(8):
        world.surplus_w = LEAST_W * 1.5
        run(world, 300)
        assert world.limit() >= 6
        world.surplus_w = 0.0
        run(world, 500)
        assert world.limit() == (0 if sunny < 5 else 6)
        assert world.boxes["box"].record.pauses == min(sunny + 1, 5)
    # It goes on already: more than 6 A need no start.
    world.surplus_w = LEAST_W * 2
    run(world, 70)
    assert world.limit() == 12
    world.change(session="another", record=SessionRecord(), charged=False)
    run(world, 10)
    assert world.limit() == 0


def test_without_a_grid_meter_no_mode_follows_the_sun(world: World) -> None:
    """The choice went with the meter: a car must not wait for ever."""
    world.change(settings=SOLAR)
    world.brain.configure(HouseSettings(), [])
    run(world, 10)
    assert world.limit() == 16


@pytest.mark.parametrize(("fuse_pauses", "left"), [(0, 5), (1, 5), (3, 3), (9, 0)])
def test_what_the_fuse_paused_counts_as_well(
    world: World, fuse_pauses: int, left: int
) -> None:
    """A car bears seven of all: the sun holds 6 A sooner where the fuse paused it."""
    world.change(settings=SOLAR, record=SessionRecord(fuse_pauses=fuse_pauses))
    for _ in range(7):
        world.surplus_w = LEAST_W * 1.1
        run(world, 200)
        world.surplus_w = 0.0
        run(world, 500)
    assert world.boxes["box"].record.pauses == left
    assert world.limit() == 6


def test_a_change_to_the_sun_pauses_nobody_while_it_shines(world: World) -> None:
    """It goes on with what the sun gives; without sun it ends at once."""
    world.surplus_w = LEAST_W * 2
    run(world, 120)
    world.change(settings=SOLAR)
    limits = [outcome.decision.limit_a for outcome in run(world, 120)]
    assert 11 <= min(limits) <= max(limits) <= 12
    world.change(settings=ChargingSettings())
    world.surplus_w = 0.0
    run(world, 120)
    world.change(settings=SOLAR)
    run(world, 2)
    assert world.limit() == 0


def test_waiting_for_the_sun_is_no_pause(world: World) -> None:
    """A car that has not charged yet was not paused."""
    world.change(settings=SOLAR)
    world.surplus_w = 0.0
    run(world, 600)
    assert (world.limit(), world.reason()) == (0, LimitReason.SOLAR)
    assert world.boxes["box"].record.pauses == 0


def test_a_target_is_reached_and_goes_on(world: World) -> None:
    """By a higher target, by a start; the next session begins anew."""
    world.change(settings=ChargingSettings(target_energy=5.0), energy_wh=5001.0)
    run(world, 3)
    assert (world.limit(), world.reason()) == (0, LimitReason.TARGET_REACHED)
    world.change(settings=ChargingSettings(target_energy=6.0))
    run(world, 3)
    assert world.limit() == 16
    world.change(energy_wh=6001.0)
    run(world, 3)
    assert world.limit() == 0
    world.change(record=replace(world.boxes["box"].record, waived=6.0))
    run(world, 3)
    assert world.limit() == 16
    world.change(session="another", energy_wh=0.0, record=SessionRecord())
    run(world, 3)
    assert world.limit() == 16


def quarters(begin: datetime, prices: list[float]) -> Prices:
    """Return prices of quarter hours."""
    step = timedelta(minutes=15)
    return tuple(
        PriceSlot(
            start=begin + index * step, end=begin + (index + 1) * step, price=price
        )
        for index, price in enumerate(prices)
    )


def test_a_plan_charges_at_the_cheapest_hours(world: World) -> None:
    """Outside of them what the mode allows; the target is met, and it ends."""
    world.change(
        settings=ChargingSettings(target_energy=11.0, plan=True, ready_by=time(16))
    )
    world.prices = quarters(NOON, [0.3] * 4 + [0.1] * 5 + [0.3] * 7)
    charged = []
    for _ in range(4 * 60):
        world.step(60.0)
        if world.limit() > 0:
            charged.append(world.wall)
        world.change(
            energy_wh=world.boxes["box"].energy_wh + world.limit() * 690 * 59 / 3600
        )
    assert charged[0] >= NOON + timedelta(minutes=59)
    assert charged[-1] <= NOON + timedelta(minutes=136)
    assert world.reason() is LimitReason.TARGET_REACHED
    assert world.boxes["box"].record.pauses == 0


@pytest.mark.parametrize(("pauses", "windows"), [(0, 4), (2, 4), (3, 3), (5, 1)])
def test_a_plan_has_the_pauses_that_are_left(
    world: World, pauses: int, windows: int
) -> None:
    """Five in all: it is not to be in more windows than the car is woken for."""
    world.change(
        record=SessionRecord(pauses=pauses),
        settings=ChargingSettings(target_energy=11.0, plan=True, ready_by=time(16)),
    )
    world.prices = quarters(NOON, [0.9, 0.1, 0.9, 0.9] * 4)
    world.step()
    plan = world.outcomes["box"].plan
    assert plan is not None
    assert len(plan.windows) == windows


def test_a_plan_that_was_missed_goes_on(world: World) -> None:
    """At full power until it has what it was to have."""
    world.change(
        settings=ChargingSettings(target_energy=50.0, plan=True, ready_by=time(13))
    )
    world.prices = quarters(NOON, [0.1, 0.9] * 20)
    for _ in range(180):
        world.step(60.0)
        assert world.limit() == 16


def test_without_prices_a_plan_is_as_late_as_is_safe(world: World) -> None:
    """So that the car is ready in time, with a reserve."""
    world.change(
        settings=ChargingSettings(target_energy=11.04, plan=True, ready_by=time(16))
    )
    begun = None
    for _ in range(240):
        world.step(60.0)
        if world.limit() > 0:
            begun = begun or world.wall
            world.change(energy_wh=world.boxes["box"].energy_wh + 16 * 690 * 59 / 3600)
    assert begun is not None
    assert (
        timedelta(minutes=60)
        < NOON + timedelta(hours=4) - begun
        < timedelta(minutes=66)
    )
    assert world.boxes["box"].energy_wh >= 11040


def test_a_plan_reckons_with_what_the_car_takes(world: World) -> None:
    """Where that is half of the limit, it begins twice as early."""
    world.most_a = 8.0
    run(world, 30)
    assert world.boxes["box"].record.takes_a == 8
    world.change(
        session="another",
        takes_a=8.0,
        energy_wh=0.0,
        settings=ChargingSettings(target_energy=11.04, plan=True, ready_by=time(16)),
    )
    for _ in range(4 * 60 - 1):
        world.step(60.0)
        more_wh = min(world.limit(), world.most_a) * 690 * 59 / 3600
        world.change(energy_wh=world.boxes["box"].energy_wh + more_wh)
    assert world.reason() is LimitReason.TARGET_REACHED


@pytest.mark.parametrize(("ready_by", "enough"), [(22, True), (16, False)])
def test_a_plan_begins_after_what_it_waits_for(
    world: World, ready_by: int, enough: bool
) -> None:
    """Nothing is planned for a time in which `start_at` holds back."""
    starts = [NOON + timedelta(hours=hour) for hour in range(12)]
    world.prices = tuple(
        PriceSlot(start=start, end=start + timedelta(hours=1), price=price)
        for start, price in zip(
            starts, [0.3, 0.1, *[0.3] * 5, 0.2, *[0.3] * 4], strict=True
        )
    )
    settings = ChargingSettings(
        target_energy=5.0,
        plan=True,
        ready_by=time(ready_by),
        start_at=NOON + timedelta(hours=5),
    )
    world.change(settings=settings)
    run(world, 1)
    plan = world.outcomes["box"].plan
    assert plan is not None
    assert plan.enough is enough
    begins = NOON + timedelta(hours=7 if enough else 5)
    assert begins <= plan.slots[0].start < begins + timedelta(hours=1)
    assert world.reason() is LimitReason.START_AT
    # Whoever lets it charge at once has the whole time again.
    world.change(settings=replace(settings, start_at=None))
    run(world, 1)
    plan = world.outcomes["box"].plan
    assert plan is not None
    assert plan.enough
    assert NOON + timedelta(hours=1) <= plan.slots[0].start < NOON + timedelta(hours=2)


def test_nobody_pauses_for_the_last_trifle(world: World) -> None:
    """What is missing at the end of a cheap hour is charged at once."""
    world.change(
        settings=ChargingSettings(target_energy=11.0, plan=True, ready_by=time(23))
    )
    world.prices = quarters(NOON, [0.1] * 4 + [0.4] * 4 + [0.3] * 40)
    for _ in range(90):
        world.step(60.0)
        # It takes a little less than it may, all the time.
        world.change(
            energy_wh=world.boxes["box"].energy_wh + world.limit() * 672 * 59 / 3600
        )
    assert world.reason() is LimitReason.TARGET_REACHED
    assert world.boxes["box"].record.pauses == 0


def test_it_waits_for_its_time(world: World) -> None:
    """Nothing before `start_at`, all after it."""
    begin = NOON + timedelta(minutes=10)
    world.change(settings=ChargingSettings(start_at=begin))
    run(world, 590)
    assert (world.limit(), world.reason()) == (0, LimitReason.START_AT)
    run(world, 20)
    assert world.limit() == 16


def test_a_car_that_sleeps_is_woken(world: World) -> None:
    """Twice, by a limit that is off for a moment; then it is left alone."""
    world.change(car_paused=True)
    outcomes = run(world, 1200)
    off = [outcome for outcome in outcomes if outcome.cap_a == 0]
    assert 20 <= len(off) <= 40
    assert world.outcomes["box"].asleep
    assert world.boxes["box"].record.wakes == 2
    assert world.reason() is LimitReason.CAR
    world.change(car_paused=False)
    run(world, 3)
    assert not world.outcomes["box"].asleep


@pytest.mark.parametrize(
    "changes", [{"full": True}, {"authorized": False}, {"allowed": False}]
)
def test_a_car_that_may_not_or_is_full_is_left_alone(
    world: World, changes: dict[str, Any]
) -> None:
    """It does not sleep."""
    world.change(car_paused=True, **changes)
    outcomes = run(world, 600)
    assert not any(outcome.asleep or outcome.record.wakes for outcome in outcomes)


def test_what_would_limit_without_a_car(world: World) -> None:
    """The limit is there before the car comes."""
    world.change(session=None, began=None, idle=True, settings=SOLAR)
    world.surplus_w = 0.0
    run(world, 5)
    assert (world.limit(), world.reason()) == (0, LimitReason.SOLAR)
    plan = ChargingSettings(plan=True, target_energy=5.0, ready_by=time(16))
    world.change(settings=plan)
    run(world, 5)
    assert (world.limit(), world.reason()) == (0, LimitReason.PLAN)
