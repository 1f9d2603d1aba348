"""Without Home Assistant the wallbox steps down by itself; with it, it never does."""

from collections.abc import Callable

from hypothesis import given, strategies as st
import pytest

from custom_components.bmw_wallbox_victron.wallbox.steps import (
    AskComposite,
    AskReading,
    Call,
    Outcome,
    SetLimit,
)
from custom_components.bmw_wallbox_victron.wallbox.target import (
    ChargingSchedule,
    Fallback,
    ProfileKind,
    ProfilePurpose,
    Setpoint,
    Target,
)

from ..kit.wallbox import RULE, at
from .model import Box, Obedience, World

HOUR_S = 3600
SHORTEST_S, LONGEST_S = 360, 3600
#: No profile is renewed later than this before its step, s.
LEFT_S = 45
#: A meter is read so often, and tells the time, s.
READING_S = 10

AFTER = st.integers(SHORTEST_S, LONGEST_S)
LIMITS = st.integers(6, 32)


def charging(
    after_s: float = SHORTEST_S,
    most_a: float = 6.0,
    *,
    limit: int = 16,
    box: Box | None = None,
) -> World:
    """Have a car charge with a fallback."""
    world = World(box or Box())
    world.fallback = Fallback(after_s=after_s, most_a=most_a)
    world.target = Target(current_limit=limit)
    world.box.plug_in("session")
    world.run(60)
    return world


def alone(world: World, seconds: int) -> list[float]:
    """Let Home Assistant die, and the box go on: what it allows each second, A."""
    world.disconnect()
    begin = world.second
    return [world.box.limit_a(begin + second) for second in range(seconds)]


@RULE
@given(AFTER, st.sampled_from([0.0, 6.0, 10.0, 32.0]), LIMITS, st.integers(0, 4000))
def test_it_steps_down_in_time(
    after_s: int, most_a: float, limit: int, lived_s: int
) -> None:
    """To the lower of both, whenever Home Assistant dies; and not at once."""
    world = charging(after_s, most_a, limit=limit)
    world.run(lived_s)
    amps = alone(world, after_s + 2)
    assert amps[-1] == min(limit, most_a)
    assert set(amps[: LEFT_S - 1]) == {limit}
    assert amps == sorted(amps, reverse=True)


@RULE
@given(AFTER, LIMITS)
def test_a_pause_stays_one(after_s: int, limit: int) -> None:
    """What is not allowed with Home Assistant is not without."""
    world = charging(after_s, limit=limit)
    world.target = Target(charging_allowed=False)
    world.run(60)
    sent = len(world.profiles)
    world.run(HOUR_S)
    assert len(world.profiles) == sent
    assert set(alone(world, after_s + 2)) == {0.0}


def test_a_night() -> None:
    """Eight healthy hours: twelve profiles an hour, no dip, and little else."""
    world = charging()
    world.run(HOUR_S)
    for _ in range(8):
        before = len(world.calls)
        for _ in range(HOUR_S):
            world.run(1)
            assert world.state.holds
            assert not world.state.failing
            assert world.box.limit_a(world.second + LEFT_S) == 16
        sent = [call for _, call in world.calls[before:]]
        assert sum(isinstance(call, SetLimit) for call in sent) <= 12
        assert sum(isinstance(call, AskComposite) for call in sent) <= 12
        assert not [call for call in sent if isinstance(call, AskReading)]
    assert world.under_s == 0


@pytest.mark.parametrize(("after_s", "an_hour"), [(600, 12), (1200, 6), (3600, 2)])
def test_no_more_often_than_it_has_to(after_s: int, an_hour: int) -> None:
    """Half of the time is left when it is renewed, where that is enough."""
    world = charging(after_s)
    before = len(world.profiles)
    world.run(4 * HOUR_S)
    assert len(world.profiles) - before <= 4 * an_hour
    assert world.under_s == 0


@RULE
@given(
    st.integers(SHORTEST_S, 1000),
    st.sampled_from([0, 1, 5, 20]),
    st.sampled_from([-10, 0, 10]),
    st.lists(st.tuples(LIMITS, st.integers(1, 700)), max_size=15),
)
def test_never_a_dip(
    after_s: int, delay_s: int, clock_s: int, limits: list[tuple[int, int]]
) -> None:
    """Whatever the limits, how long an answer takes, and a clock that is 10 s off."""
    world = charging(after_s, box=Box(clock_s=clock_s))
    world.delay_s = delay_s
    for number, (limit, seconds) in enumerate(limits):
        world.target = Target(current_limit=limit)
        world.run(delay_s + 30)
        world.under_s = 0
        if number % 2:
            world.box.clock_s = -world.box.clock_s
        world.run(seconds)
        assert world.under_s == 0
    assert set(alone(world, 20)) == {world.target_a}


@pytest.mark.parametrize("fate", [Outcome.LOST, Outcome.REFUSED])
def test_a_renewal_that_fails_once(fate: Outcome) -> None:
    """It is sent again before the step, and nobody hears of it."""
    world = charging()
    failed: list[Call] = []

    def once(call: Call) -> Outcome | None:
        if not isinstance(call, SetLimit) or len(failed) % 2:
            failed.clear()
            return None
        failed.append(call)
        return fate

    world.fate = once
    for _ in range(2 * HOUR_S):
        world.run(1)
        assert world.state.holds
        assert not world.state.failing
    assert world.under_s == 0


def test_all_that_are_refused() -> None:
    """Then it steps down, that is seen, and put right once it is taken again."""
    world = charging()

    def refuse(call: Call) -> Outcome | None:
        return Outcome.REFUSED if isinstance(call, SetLimit) else None

    world.fate = refuse
    world.run(SHORTEST_S + 30)
    assert world.box.limit_a(world.second) == 6
    assert world.state.failing
    world.fate = lambda call: None
    world.run(130)
    assert world.box.limit_a(world.second) == 16
    assert not world.state.failing


@pytest.mark.parametrize("away_s", [5, 200, 1000])
def test_a_reconnect(away_s: int) -> None:
    """The limit is sent anew, whether it stepped down meanwhile or not."""
    world = charging()
    world.disconnect()
    world.run(away_s)
    world.connect()
    world.look()
    assert world.box.limit_a(world.second) == 16
    world.under_s = 0
    world.run(2 * HOUR_S)
    assert world.under_s == 0


@pytest.mark.parametrize("clock_s", [-1000, 60, 3600, 20_000 * 86_400])
def test_no_step_where_the_clocks_differ(clock_s: int) -> None:
    """Nobody knows when it would come."""
    world = charging(box=Box(clock_s=clock_s))
    assert [call.setpoint.step for _, call in world.profiles] == [None]
    assert set(alone(world, HOUR_S)) == {16.0}


@pytest.mark.parametrize("clock_s", [-3600, 40, 200, 3600])
def test_a_clock_that_is_set(clock_s: int) -> None:
    """The step is taken back once the wallbox tells the time, and given again."""
    world = charging()
    world.run(100)
    world.box.clock_s = clock_s
    world.run(READING_S + 1)
    assert set(alone(world, HOUR_S)) == {16.0}
    world.connect()
    world.run(HOUR_S)
    assert world.under_s <= READING_S
    world.box.clock_s = 0
    world.run(600)
    assert alone(world, SHORTEST_S + 2)[-1] == 6


@RULE
@given(
    st.lists(st.sampled_from([0.0, 6.0, 8.0, 20.0]), min_size=4, max_size=4),
    st.sampled_from([0.0, 6.0, 10.0]),
    st.integers(0, 1500),
)
def test_a_schedule(amps: list[float], most_a: float, lived_s: int) -> None:
    """Its periods are never passed, before the step and after it."""
    world = charging(most_a=most_a)
    periods = tuple((400 * number, each) for number, each in enumerate(amps))
    schedule = ChargingSchedule(
        periods=periods, start=at(world.second), anchor=world.second
    )
    world.target = Target(current_limit=16, schedule=schedule)
    world.run(30)
    world.under_s = 0
    world.run(lived_s)
    assert world.under_s <= 1  # the second in which a period begins
    begin = world.second
    for second, allowed in enumerate(alone(world, 2000)):
        # To the second: a profile has whole ones.
        around = [
            min(16.0, schedule.limit_at(begin + second + off)) for off in (-1, 0, 1)
        ]
        assert min(*around, most_a) <= allowed <= max(around)
        if second > SHORTEST_S:
            assert allowed <= most_a


def test_one_profile_alone_has_it() -> None:
    """Where the default is not followed: the one that is, and no other one."""
    box = Box(default=Obedience.IGNORES)
    world = charging(box=box)
    world.run(600)
    stepping = {
        purpose for purpose, taken in world.state.accepted.items() if taken.step
    }
    assert stepping == {ProfilePurpose.STATION_MAX}
    before = len(world.profiles)
    world.run(HOUR_S)
    assert len(world.profiles) - before <= 12
    assert world.under_s == 0
    assert alone(world, SHORTEST_S + 2)[-1] == 6


@pytest.mark.parametrize(
    "box",
    [
        lambda: Box(heeds=frozenset({ProfileKind.RELATIVE})),
        lambda: Box(default=Obedience.REFUSES, station=Obedience.REFUSES),
    ],
    ids=["relative", "transaction"],
)
def test_where_it_cannot_be(box: Callable[[], Box]) -> None:
    """A profile without a clock, or one that cannot be replaced in place."""
    world = charging(box=box())
    world.run(HOUR_S)
    assert world.box.limit_a(world.second) == 16
    assert world.under_s == 0
    assert set(alone(world, HOUR_S)) == {16.0}


def test_another_setting_counts_at_once() -> None:
    """Shorter, and to less; or not at all any more."""
    world = charging(LONGEST_S)
    world.fallback = Fallback(after_s=SHORTEST_S, most_a=0.0)
    world.run(5)
    assert alone(world, SHORTEST_S + 2)[-1] == 0
    world.connect()
    world.fallback = None
    world.run(5)
    assert set(alone(world, HOUR_S)) == {16.0}


def test_what_is_left_of_a_setpoint() -> None:
    """Its step counts once it has passed, and not before."""
    setpoint = Setpoint(amps=16.0, following=((50.0, 5.0), (90.0, 20.0)))
    stepping = setpoint.stepping(70.0, 8.0)
    assert stepping == setpoint
    assert stepping.changes == ((50.0, 5.0), (70.0, 5.0), (90.0, 8.0))
    assert stepping.at(60.0) == Setpoint(amps=5.0, following=((90.0, 20.0),))
    assert stepping.at(70.0) == Setpoint(amps=5.0, following=((90.0, 8.0),))
    assert stepping.at(90.0) == Setpoint(amps=8.0)
    assert setpoint.stepping(50.0, 20.0).step is None
