"""What is wished and what the wallbox does: the loop that closes the difference.

A model of a wallbox answers late, never, or with what is not true. Whatever it does, in
the end the limit holds or is shown not to.
"""

from dataclasses import replace

from hypothesis import given, settings, strategies as st
import pytest

from custom_components.bmw_wallbox_victron.wallbox import (
    enforcement,
    observation,
    smart_charging,
)
from custom_components.bmw_wallbox_victron.wallbox.enforcement import (
    Enforcement,
    Observed,
)
from custom_components.bmw_wallbox_victron.wallbox.steps import (
    AskComposite,
    AskReading,
    ClearTxProfile,
    Outcome,
    Reboot,
    SetLimit,
    Wait,
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
from .model import MAX_CURRENT, Box, Obedience, World, constant

#: Long enough for everything to be tried, each answer lost once, and tried again.
QUIET_S = 900
DAY = 86_400
#: By how much clocks are set, s.
SET_BY_S = [0, 3600, -3600, 2 * DAY, -2 * DAY, 20_000 * DAY, -20_000 * DAY]


OPERATIONS = st.one_of(
    st.tuples(st.just("limit"), st.integers(6, 32)),
    st.tuples(st.sampled_from(["pause", "resume", "plug", "unplug"]), st.just(0)),
    st.tuples(st.sampled_from(["drop", "connect", "restart", "reboot"]), st.just(0)),
    st.tuples(st.just("delay"), st.sampled_from([0, 1, 5, 20])),
    st.tuples(st.just("lose"), st.integers(1, 3)),
    st.tuples(st.just("run"), st.integers(1, 90)),
    # Either clock is set: to the past, to the future, and right again.
    st.tuples(
        st.sampled_from(["box clock", "wall clock"]),
        st.sampled_from(
            [0, 3600, -3600, 2 * DAY, -2 * DAY, 20_000 * DAY, -20_000 * DAY]
        ),
    ),
    st.tuples(st.just("schedule"), st.integers(10, 120)),
    st.tuples(st.just("cap"), st.integers(0, 40)),
    st.tuples(st.just("fallback"), st.sampled_from([0, 360, 600])),
)


def act(world: World, operations: list[tuple[str, int]]) -> None:
    """Let things happen."""
    for number, (name, value) in enumerate(operations):
        match name:
            case "limit":
                world.target = replace(world.target, current_limit=value)
            case "pause":
                world.target = replace(world.target, charging_allowed=False)
            case "resume":
                world.target = replace(world.target, charging_allowed=True)
            case "cap":
                world.cap_a = None if value > MAX_CURRENT else float(value)
            case "fallback":
                world.fallback = Fallback(after_s=value, most_a=6.0) if value else None
            case "plug":
                if world.box.session is None:
                    world.box.plug_in(f"session {number}")
            case "unplug":
                world.box.unplug()
            case "drop":
                world.disconnect()
            case "connect":
                world.connect()
            case "restart":
                world.restart()
            case "reboot":
                world.reboot()
            case "delay":
                world.delay_s = value
            case "lose":
                world.lose = value
            case "run":
                world.run(value)
            case "box clock":
                world.box.clock_s = value
            case "wall clock":
                world.wall_s = value
            case "schedule":
                periods = ((0, 6.0), (value, 32.0), (2 * value, 0.0), (3 * value, 13.0))
                schedule = ChargingSchedule(
                    periods=periods,
                    start=at(world.second + world.wall_s),
                    anchor=world.second,
                )
                world.target = replace(world.target, schedule=schedule)
        world.look()


BOXES = st.builds(
    Box,
    default=st.sampled_from(Obedience),
    station=st.sampled_from([Obedience.KEEPS, Obedience.REFUSES, Obedience.IGNORES]),
    transaction=st.sampled_from(
        [Obedience.KEEPS, Obedience.REFUSES, Obedience.IGNORES]
    ),
    shows_target=st.booleans(),
    shows_nothing=st.booleans(),
    reads=st.booleans(),
    heeds=st.sampled_from(
        [
            frozenset(ProfileKind),
            *(frozenset({kind}) for kind in ProfileKind),
            frozenset[ProfileKind](),
        ]
    ),
    refuses_kinds=st.booleans(),
)


@settings(RULE, max_examples=2 * RULE.max_examples)
@given(BOXES, st.lists(OPERATIONS, max_size=25))
def test_in_the_end_it_holds_or_is_shown(
    box: Box, operations: list[tuple[str, int]]
) -> None:
    """Whatever happens: enforced is what is wished, or it is shown that it is not."""
    world = World(box)
    act(world, operations)
    world.lose = 0
    world.restart()
    world.run(QUIET_S)
    enforced, target_changed = box.limit_a(world.second), world.target_a
    shown = world.state.failing and not world.state.holds
    assert shown or world.state.holds
    if box.shows_nothing or (box.shows_target and not box.reads):
        return  # nothing on earth tells the truth of this box
    exceeded = box.amps(world.second) > target_changed + observation.TOLERANCE_A
    if box.shows_target:
        assert shown or not exceeded
    else:
        assert shown or (enforced == pytest.approx(target_changed) and not exceeded)


@settings(RULE, max_examples=2 * RULE.max_examples)
@given(st.lists(OPERATIONS, max_size=25))
def test_an_honest_box_always_gets_there(operations: list[tuple[str, int]]) -> None:
    """One that keeps what it accepts ends with what is wished, and nothing is shown."""
    world = World(Box())
    act(world, operations)
    world.lose = 0
    if not world.state.ready:
        world.connect()
    world.run(QUIET_S)
    assert world.box.limit_a(world.second) == world.target_a
    assert world.state.holds
    assert not world.state.failing


CALM = st.one_of(
    st.tuples(st.sampled_from(["limit", "cap"]), st.integers(6, 32)),
    st.tuples(st.sampled_from(["pause", "resume", "plug", "unplug"]), st.just(0)),
    st.tuples(st.just("run"), st.integers(1, 90)),
    st.tuples(
        st.sampled_from(["box clock", "wall clock"]),
        st.sampled_from(
            [0, 3600, -3600, 2 * DAY, -2 * DAY, 20_000 * DAY, -20_000 * DAY]
        ),
    ),
)
SCHEDULED = st.one_of(CALM, st.tuples(st.just("schedule"), st.integers(10, 120)))


@RULE
@given(st.sampled_from([0, 1, 5, 20]), st.lists(CALM, max_size=25))
def test_never_more_than_wanted_for_longer_than_the_answer(
    delay_s: int, operations: list[tuple[str, int]]
) -> None:
    """What is on the wire is waited for, then the limit is sent: nothing else.

    Whatever either clock shows meanwhile.
    """
    world = World(Box())
    world.delay_s = delay_s
    world.run(60)
    act(world, operations)
    world.run(60)
    pace_s = smart_charging.PACE
    assert world.longest_over_s <= delay_s + pace_s


@RULE
@given(st.sampled_from([0, 1, 5, 20]), st.lists(SCHEDULED, max_size=25))
def test_a_schedule_is_followed_whatever_the_clocks_show(
    delay_s: int, operations: list[tuple[str, int]]
) -> None:
    """What a clock that was set makes of it lasts until the box tells the time."""
    world = World(Box())
    world.delay_s = delay_s
    world.run(60)
    act(world, operations)
    world.run(400)
    reading_s = 10
    assert world.longest_over_s <= 2 * delay_s + smart_charging.PACE + reading_s
    assert world.box.limit_a(world.second) == world.target_a


@RULE
@given(st.lists(st.integers(6, 32), min_size=10, max_size=10), st.booleans())
def test_targets_in_a_row_collapse(limits: list[int], charging: bool) -> None:
    """Ten changes within a second send two profiles at most, the last the newest."""
    world = World(Box())
    if charging:
        world.box.plug_in("session")
    world.run(60)
    before = len(world.profiles)
    for limit in limits:
        world.target = replace(world.target, current_limit=limit)
        world.look()
        world.second += 0.09
    world.run(10)
    sent = world.profiles[before:]
    assert len(sent) <= 2
    assert world.box.limit_a(world.second) == limits[-1]


def test_a_pause_does_not_wait_for_its_turn() -> None:
    """A limit that was just sent does not hold a pause back."""
    world = World(Box())
    world.box.plug_in("session")
    world.run(60)
    world.target = replace(world.target, current_limit=16)
    world.look()
    world.target = replace(world.target, charging_allowed=False)
    world.look()
    assert world.box.limit_a(world.second) == 0


@pytest.mark.parametrize("purpose", [ProfilePurpose.STATION_MAX, ProfilePurpose.TX])
def test_other_ways(purpose: ProfilePurpose) -> None:
    """A limit that one kind of profile does not hold is put another way."""
    box = Box(default=Obedience.IGNORES)
    if purpose is ProfilePurpose.TX:
        box.station = Obedience.IGNORES
    world = World(box)
    box.plug_in("session")
    world.target = Target(current_limit=10)
    world.run(20)
    assert box.limit_a(world.second) == 10
    assert world.state.holds
    assert not world.state.failing
    assert purpose in box.profiles


def test_a_limit_that_only_the_meter_contradicts() -> None:
    """A composite schedule that repeats the wish proves nothing while amps flow."""
    box = Box(default=Obedience.IGNORES, shows_target=True)
    world = World(box)
    box.plug_in("session")
    world.target = Target(current_limit=10)
    world.run(20)
    assert box.limit_a(world.second) == 10


def test_shown_after_ten_seconds() -> None:
    """A limit that nothing enforces is shown ten seconds after it was accepted."""
    ignores = Obedience.IGNORES
    box = Box(default=ignores, station=ignores, transaction=ignores, shows_target=True)
    world = World(box)
    box.plug_in("session")
    world.target = Target(current_limit=10)
    world.run(7)
    assert not world.state.failing
    world.run(4)
    assert world.state.failing


def test_one_reboot_an_hour() -> None:
    """A reboot is the last way, and needs leave."""
    refuses = Obedience.REFUSES
    box = Box(default=refuses, station=refuses, transaction=refuses)
    for allowed in (False, True):
        world = World(box, allow_reboot=allowed)
        box.plug_in("session")
        world.target = Target(current_limit=10)
        world.run(3000)
        reboots = [call for _, call in world.calls if isinstance(call, Reboot)]
        assert len(reboots) == (1 if allowed else 0)


def test_no_reboot_without_a_session() -> None:
    refuses = Obedience.REFUSES
    box = Box(default=refuses, station=refuses, transaction=refuses)
    world = World(box, allow_reboot=True)
    world.run(3000)
    assert not [call for _, call in world.calls if isinstance(call, Reboot)]
    assert world.state.failing


def test_a_holding_limit_asks_for_little() -> None:
    """An hour of a session that goes well costs a call every five minutes."""
    world = World(Box())
    world.box.plug_in("session")
    world.run(60)
    before = len(world.calls)
    world.run(3600)
    assert len(world.calls) - before <= 13


def test_schedule() -> None:
    """Limits over time change when they are due, and never exceed the wish."""
    world = World(Box())
    world.box.plug_in("session")
    world.run(30)
    world.target = Target(
        current_limit=16,
        schedule=ChargingSchedule(
            periods=((0, 6.0), (600, 32.0)), start=at(30), anchor=30.0
        ),
    )
    world.run(30)
    assert world.box.limit_a(world.second) == 6
    sent = len(world.profiles)
    world.run(600)
    assert world.box.limit_a(world.second) == 16
    assert world.state.holds
    assert len(world.profiles) == sent


REFUSES, IGNORES = Obedience.REFUSES, Obedience.IGNORES


def test_shown_at_once_where_everything_is_refused() -> None:
    """There is nothing to wait for, and whoever asked is told."""
    world = World(Box(default=REFUSES, station=REFUSES, transaction=REFUSES))
    world.look()
    assert world.state.failing
    assert world.state.refusal == "NotReady"


def test_a_boot_on_a_standing_connection() -> None:
    """A box that boots may have forgotten its profiles: they are sent again."""
    world = World(Box())
    world.run(30)
    world.box.profiles.clear()
    world.connect()
    world.look()
    assert world.box.limit_a(world.second) == MAX_CURRENT
    assert ProfilePurpose.TX_DEFAULT in world.box.profiles


@pytest.mark.parametrize("edge", ["start", "resume"])
def test_confirmed_where_boxes_were_seen_to_forget(edge: str) -> None:
    """A session's start and leaving a suspended state: the limit is confirmed."""
    world = World(Box())
    world.target = Target(current_limit=10)
    world.run(30)
    if edge == "resume":
        world.box.plug_in("session")
        world.run(30)
        world.target = replace(world.target, charging_allowed=False)
        world.run(30)
        world.target = replace(world.target, charging_allowed=True)
    before = len(world.calls)
    if edge == "start":
        world.box.plug_in("session")
    world.run(10)
    asked = [type(call) for _, call in world.calls[before:]]
    assert AskComposite in asked
    assert AskReading in asked
    assert world.state.holds


def test_sent_again_after_a_while() -> None:
    """What a box accepted and did not keep, it may keep the next time."""
    box = Box(default=IGNORES, station=REFUSES, transaction=REFUSES)
    world = World(box)
    box.plug_in("session")
    world.target = Target(current_limit=10)
    world.run(25)
    assert world.state.failing
    box.default = Obedience.KEEPS
    box.profiles.clear()
    world.run(60)
    assert box.limit_a(world.second) == 10
    assert world.state.holds
    assert not world.state.failing


def test_an_excess_is_not_left_alone_for_long() -> None:
    """A box that refused for ten minutes is asked within one, while too much flows."""
    refuses = Obedience.REFUSES
    box = Box(default=refuses, station=refuses, transaction=refuses)
    world = World(box)
    box.plug_in("session")
    world.target = Target(current_limit=9)
    world.run(600)
    box.default = Obedience.KEEPS
    world.run(70)
    assert box.limit_a(world.second) == 9


def test_the_default_profile_is_tried_again() -> None:
    """While another profile holds the limit: the next session needs the default."""
    box = Box(default=REFUSES)
    world = World(box)
    world.target = Target(current_limit=10)
    world.run(30)
    assert world.state.holds
    assert ProfilePurpose.TX_DEFAULT not in box.profiles
    box.default = Obedience.KEEPS
    world.run(60)
    assert ProfilePurpose.TX_DEFAULT in box.profiles


def test_a_profile_for_a_session_ends_with_it() -> None:
    """The next session needs one of its own."""
    box = Box(default=REFUSES, station=REFUSES)
    world = World(box)
    world.target = Target(current_limit=10)
    for session in ("first", "second"):
        box.plug_in(session)
        world.run(3)
        assert box.limit_a(world.second) == 10
        world.run(30)
        assert world.state.holds
        box.unplug()
        world.run(1)


def test_two_forms_at_once_prove_nothing() -> None:
    """One of them is ignored, and must not be taken for the one that is heeded."""
    box = Box(heeds=frozenset({ProfileKind.RELATIVE}))
    world = World(box)
    box.plug_in("session")
    world.target = Target(current_limit=24)
    world.run(60)
    world.state = replace(
        world.state,
        kind=None,
        kinds={ProfilePurpose.TX_DEFAULT: ProfileKind.RELATIVE},
        accepted={
            **world.state.accepted,
            ProfilePurpose.STATION_MAX: Setpoint(amps=24.0),
        },
        accepted_kinds={
            **world.state.accepted_kinds,
            ProfilePurpose.STATION_MAX: ProfileKind.EPOCH,
        },
        used=world.state.used | {ProfilePurpose.STATION_MAX},
        latest=ProfilePurpose.STATION_MAX,
        holds=False,
    )
    world.run(30)
    assert world.state.holds
    assert world.state.kind is not ProfileKind.EPOCH
    world.target = replace(world.target, charging_allowed=False)
    world.run(8)
    assert box.limit_a(world.second) == 0


def test_a_form_that_is_not_heeded_any_more() -> None:
    """After new firmware, say: the next one is tried at once."""
    box = Box()
    world = World(box)
    box.plug_in("session")
    world.target = Target(current_limit=24)
    world.run(30)
    box.heeds = frozenset({ProfileKind.NOW})
    world.target = replace(world.target, charging_allowed=False)
    world.run(9)
    assert box.limit_a(world.second) == 0


def test_what_is_cleared_leaves_no_gap() -> None:
    """A transaction's profile goes only once the others hold what is wished."""
    box = Box(default=IGNORES, station=REFUSES)
    world = World(box)
    box.plug_in("session")
    world.target = Target(current_limit=16)
    world.run(60)
    assert box.limit_a(world.second) == 16
    box.default = Obedience.KEEPS
    world.target = replace(world.target, charging_allowed=False)
    before = len(world.calls)
    world.run(20)
    sent = [call for _, call in world.calls[before:]]
    first, cleared = sent[0], sent[1]
    assert isinstance(first, SetLimit)
    assert (first.purpose, first.setpoint.amps) == (ProfilePurpose.TX_DEFAULT, 0)
    assert isinstance(cleared, ClearTxProfile)
    assert box.limit_a(world.second) == 0
    assert world.state.holds


def test_a_lost_answer_leaves_nothing_certain() -> None:
    """The wallbox may have done it: going back to the old limit sends that again."""
    world = World(Box())
    world.run(30)
    world.lose = 2  # the first of them is carried out
    world.target = Target(current_limit=16)
    world.look()
    assert world.box.limit_a(world.second) == 16
    world.target = Target()
    world.lose = 0
    world.run(31)
    assert world.box.limit_a(world.second) == MAX_CURRENT
    assert {call.purpose for _, call in world.profiles} == {ProfilePurpose.TX_DEFAULT}


def test_a_box_that_takes_its_time() -> None:
    """What is applied two seconds after it was accepted needs no other way."""
    box = Box()
    world = World(box, allow_reboot=True)
    box.plug_in("session")
    world.run(30)
    box.default = IGNORES
    world.target = Target(current_limit=10)
    world.run(2)
    box.default = Obedience.KEEPS
    world.run(30)
    assert {call.purpose for _, call in world.profiles} == {ProfilePurpose.TX_DEFAULT}
    assert world.state.holds
    assert not world.state.failing


def observed_of(world: World, **changes: float | bool | None) -> Observed:
    """Give the situation with something changed."""
    return replace(world.observed, **changes)  # type: ignore[arg-type]  # by name


def test_current_that_flows_in_a_pause() -> None:
    """A box that says that it is suspended, and lets current flow, is found out."""
    world = World(Box())
    world.box.plug_in("session")
    world.target = Target(charging_allowed=False)
    world.run(30)
    assert world.state.holds
    flowing = observed_of(world, current_a=32.0, suspended=True, charging=False)
    seen = replace(flowing, current_heard_at=world.second)
    state, step, _ = smart_charging.advance(
        world.state, world.schedule, seen, world.second, allow_reboot=False
    )
    assert not state.holds
    assert isinstance(step, SetLimit)


@pytest.mark.parametrize(("limit", "amps"), [(48, 49.4), (10, 10.9), (32, 33.2)])
def test_a_meter_is_not_exact(limit: int, amps: float) -> None:
    """A reading within three percent, or an ampere, is no excess."""
    world = World(Box())
    world.box.plug_in("session")
    world.target = Target(current_limit=min(limit, MAX_CURRENT))
    world.run(30)
    schedule = ChargingSchedule(periods=((0, float(limit)),))
    state = replace(
        world.state,
        schedule=schedule,
        setpoint=Setpoint(amps=float(limit)),
        accepted={ProfilePurpose.TX_DEFAULT: Setpoint(amps=float(limit))},
        composite_a=float(limit),
    )
    noisy = observed_of(world, current_a=amps)
    now = world.second
    state, step, _ = smart_charging.advance(
        state, schedule, replace(noisy, current_heard_at=now), now
    )
    assert state.holds
    assert not isinstance(step, SetLimit)


def test_less_than_wanted_is_no_reason_to_reboot() -> None:
    """A limit of the wallbox's own, or of its cable, is shown and left alone."""
    box = Box(station=REFUSES, transaction=REFUSES)
    world = World(box, allow_reboot=True)
    box.default = Obedience.NEXT_SESSION
    box.profiles[ProfilePurpose.TX_DEFAULT] = constant(16.0)
    box.plug_in("session")
    world.run(2000)
    assert world.state.failing
    assert not [call for _, call in world.calls if isinstance(call, Reboot)]


def test_less_than_wanted_waits_for_the_survey() -> None:
    """Before the wallbox was asked what it can give, less may be all that it has."""
    world = World(Box(default=IGNORES, station=IGNORES, transaction=IGNORES))
    state, now = enforcement.ready(Enforcement()), world.second
    schedule = ChargingSchedule(periods=((0, 32.0),))
    unknown = Observed(transaction_id="t", charging=True, surveyed=False)
    sent: list[ProfilePurpose] = []
    for _ in range(40):
        state, step, _ = smart_charging.advance(state, schedule, unknown, now)
        if isinstance(step, SetLimit):
            sent.append(step.purpose)
        if step is None or isinstance(step, Wait):
            now += 1
            continue
        composite = 16.0 if isinstance(step, AskComposite) else None
        state = enforcement.answered(
            enforcement.sent(state, step, now),
            step,
            Outcome.ACCEPTED,
            now,
            composite_a=composite,
        )
    assert sent == [ProfilePurpose.TX_DEFAULT]
    known = replace(unknown, surveyed=True, ceiling_a=16.0)
    state, step, _ = smart_charging.advance(state, schedule, known, now)
    assert not isinstance(step, SetLimit)


def test_an_excess_is_disproved_by_a_reading_alone() -> None:
    """A composite schedule that repeats the wish does not, nor does silence."""
    ignores = Box(
        default=IGNORES, station=IGNORES, transaction=IGNORES, shows_target=True
    )
    world = World(ignores)
    ignores.plug_in("session")
    world.target = Target(current_limit=10)
    world.run(40)
    assert world.state.failing
    ignores.reads = False
    world.run(100)
    assert world.state.failing
    assert not world.state.holds
