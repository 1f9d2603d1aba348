"""What caps the owner's limits from outside, and may do so every few seconds."""

from dataclasses import replace

from hypothesis import given, strategies as st
import pytest

from custom_components.bmw_wallbox_victron.wallbox import smart_charging
from custom_components.bmw_wallbox_victron.wallbox.steps import (
    AskReading,
    Outcome,
    Reboot,
    SetLimit,
    StopTransaction,
)
from custom_components.bmw_wallbox_victron.wallbox.target import (
    ChargingSchedule,
    Target,
)

from ..kit.wallbox import RULE, at
from .model import FULL_A, MAX_CURRENT, Box, Obedience, World

IGNORES, REFUSES = Obedience.IGNORES, Obedience.REFUSES
#: How often a meter is read, s.
READING_S = 10

CAPS = st.one_of(st.none(), st.just(0.0), st.floats(5, 40).map(lambda a: round(a, 1)))


def charging(box: Box | None = None, *, target: Target | None = None) -> World:
    """Have a car charge that a box limits, or not."""
    world = World(box or Box())
    world.box.plug_in("session")
    world.target = target or Target()
    world.run(30)
    return world


def deaf(*, shows_target: bool = False) -> Box:
    """Make a box that accepts every limit and keeps none."""
    return Box(
        default=IGNORES,
        station=IGNORES,
        transaction=IGNORES,
        shows_target=shows_target,
    )


@RULE
@given(CAPS, st.integers(6, 32), st.booleans(), st.booleans())
def test_it_lowers_and_never_raises(
    cap_a: float | None, limit: int, allowed: bool, scheduled: bool
) -> None:
    """What flows at each moment is the lower of both; less than 6 A is a pause."""
    schedule = ChargingSchedule(
        periods=((0, 10.0), (60, 0.0), (120, 32.0)), start=at(0), anchor=0.0
    )
    world = World(Box())
    world.box.plug_in("session")
    world.target = Target(
        current_limit=limit,
        charging_allowed=allowed,
        schedule=schedule if scheduled else None,
    )
    world.cap_a = cap_a
    for _ in range(3):
        world.run(40)
        owner = world.schedule.limit_at(world.second)
        capped = owner if cap_a is None else min(owner, cap_a if cap_a >= 6 else 0.0)
        assert world.box.limit_a(world.second) == pytest.approx(capped, abs=0.1)
        assert world.state.holds
        world.run(20)


@RULE
@given(
    st.sampled_from([0, 1, 3, 8]),
    st.lists(st.tuples(CAPS, st.integers(1, 15)), min_size=1, max_size=20),
)
def test_a_lower_one_waits_for_nothing_but_the_wire(
    delay_s: int, caps: list[tuple[float | None, int]]
) -> None:
    """Not even for the pace of limits, whatever comes before it."""
    world = World(Box())
    world.run(60)
    world.box.plug_in("session")
    world.run(60)
    world.delay_s = delay_s
    for cap_a, seconds in caps:
        world.cap_a = cap_a
        world.run(seconds)
    world.run(60)
    assert world.longest_over_s <= 2 * delay_s
    assert world.state.holds


def test_a_higher_one_keeps_the_pace() -> None:
    """Up, the newest of them counts; down, each goes out."""
    world = charging()
    before = len(world.profiles)
    for cap_a in (10.0, 12.0, 14.0, 16.0, 15.0, 9.0):
        world.cap_a = cap_a
        world.look()
        world.second += 0.1
    assert [call.setpoint.amps for _, call in world.profiles[before:]] == [10, 9]
    world.cap_a = 20.0
    world.run(3)
    sent = [when for when, _ in world.profiles[before:]]
    assert sent[-1] - sent[-2] >= smart_charging.PACE
    assert world.box.limit_a(world.second) == 20


@RULE
@given(
    st.booleans(),
    st.integers(1, 15),
    st.lists(st.integers(0, 26), min_size=40, max_size=40),
    st.integers(0, 9),
)
def test_a_deaf_box_is_shown(
    shows_target: bool, every_s: int, caps: list[int], phase_s: int
) -> None:
    """Within ten seconds and a reading, however often the cap changes; and it stays."""
    world = charging(deaf(shows_target=shows_target))
    world.run(phase_s)
    passed = 0
    for cap_a in caps:
        world.cap_a = float(cap_a)
        for _ in range(every_s):
            world.run(1)
            passed += 1
            assert world.state.failing or passed <= 10 + READING_S
    assert not world.state.holds


@RULE
@given(
    st.integers(0, 4),
    st.sampled_from([0, 1, 2]),
    st.lists(
        st.tuples(st.integers(6, 32), st.integers(1, 20)), min_size=1, max_size=40
    ),
)
def test_an_honest_box_is_never_shown(
    lag_s: int, delay_s: int, caps: list[tuple[int, int]]
) -> None:
    """Its car follows each step within 5 s, and is measured in between.

    Nor does the owner's limit seem to be pending at each of them.
    """
    world = charging()
    world.lag_s, world.delay_s = lag_s, delay_s
    for cap_a, seconds in caps:
        world.cap_a = float(cap_a)
        for _ in range(seconds):
            world.run(1)
            assert not world.state.failing
            assert world.state.holds


@pytest.mark.parametrize("every_s", [9, 10, 11])
def test_a_ramp_is_no_excess(every_s: int) -> None:
    """The sun goes down: the car is a step behind at each reading."""
    world = charging()
    world.lag_s, world.delay_s = 4, 1
    world.run(8)
    for cap_a in range(31, 6, -1):
        world.cap_a = float(cap_a)
        for _ in range(every_s):
            world.run(1)
            assert not world.state.failing


def test_a_cap_above_the_one_that_failed_proves_nothing() -> None:
    """What is shown does not come and go with each cloud; at last it goes."""
    world = charging(deaf(shows_target=True))
    world.box.session = None
    world.box.plug_in("other")
    shown = []
    for cap_a in (10.0, 32.0, 10.0, 32.0, 10.0, 32.0):
        world.cap_a = cap_a
        world.run(30)
        shown.append(world.state.failing)
    assert shown == [True] * 6
    world.run(400)
    assert not world.state.failing
    assert world.state.holds


def test_the_owners_limit_proves_it() -> None:
    """Who wishes for more gets it at once, and no warning."""
    world = charging(deaf(shows_target=True))
    world.cap_a = 10.0
    world.run(30)
    assert world.state.failing
    world.cap_a = None
    world.target = Target(current_limit=MAX_CURRENT - 1)  # no meter is as exact
    world.run(30)
    assert not world.state.failing


def test_what_refused_a_limit_may_take_a_lower_one() -> None:
    """It does not wait for the next round; a higher one does."""
    box = Box(default=REFUSES, station=REFUSES, transaction=REFUSES)
    world = charging(box)
    world.run(600)
    world.cap_a = 20.0
    world.run(2)
    before = len(world.profiles)
    box.default = Obedience.KEEPS
    world.cap_a = 22.0
    world.run(2)
    assert len(world.profiles) == before
    world.cap_a = 10.0
    world.run(2)
    assert box.limit_a(world.second) == 10


@pytest.mark.parametrize("smart_charging_told", [None, False])
@pytest.mark.parametrize("forced", [False, True])
def test_only_a_forced_pause_ends_a_session(
    smart_charging_told: bool | None, forced: bool
) -> None:
    """A mode that pauses a box without limits would end one session after another."""
    box = Box(default=REFUSES, station=REFUSES, transaction=REFUSES)
    world = World(box, allow_reboot=False)
    if smart_charging_told is False:
        world.state = replace(world.state, unable=True)
    world.box.plug_in("session")
    world.run(30)
    world.cap_a, world.cap_forced = 0.0, forced
    world.run(60)
    ended = [call for _, call in world.calls if isinstance(call, StopTransaction)]
    assert bool(ended) is forced
    assert (box.session is None) is forced
    if not forced:
        assert world.state.failing
        assert box.amps(world.second) == FULL_A


def test_the_owners_stop_ends_it_under_any_cap() -> None:
    """The pause is the owner's as well, then."""
    box = Box(default=REFUSES, station=REFUSES, transaction=REFUSES)
    world = charging(box)
    world.cap_a = 0.0
    world.run(60)
    assert box.session is not None
    world.target = Target(charging_allowed=False)
    world.run(60)
    assert box.session is None


def test_it_costs_no_more_than_its_limits() -> None:
    """An hour of caps asks for a profile, a composite schedule and a reading each."""
    world = charging()
    before = len(world.calls)
    for minute in range(60):
        world.cap_a = 10.0 + minute % 2
        world.run(60)
    sent = [call for _, call in world.calls[before:]]
    assert sum(isinstance(call, SetLimit) for call in sent) == 60
    assert sum(isinstance(call, AskReading) for call in sent) <= 60
    assert len(sent) <= 3 * 60 + 12
    assert not any(isinstance(call, Reboot) for call in sent)


def test_what_was_lost_stays_pinned() -> None:
    """Neither the cap nor what is enforced is passed while the target is unreadable."""
    world = charging()
    observed, now = world.observed, world.second
    for cap_a, expected in ((None, 12.0), (20.0, 12.0), (8.0, 8.0), (3.0, 0.0)):
        state = replace(world.state, composite_a=12.0, composite_at=now)
        state, _, _ = smart_charging.advance(
            state, world.schedule, observed, now, unreadable=True, cap_a=cap_a
        )
        assert state.setpoint is not None
        assert state.setpoint.amps == expected


def test_a_lost_answer_to_a_cap() -> None:
    """It may have been taken or not: the next one is sent all the same."""
    world = charging()
    lost = iter([Outcome.LOST, None])
    world.fate = lambda call: next(lost, None)
    world.cap_a = 10.0
    world.run(5)
    world.cap_a = 8.0
    world.run(40)
    assert world.box.limit_a(world.second) == 8
    assert world.state.holds
