"""The energy count: never falls, counts each watt-hour once, survives the register."""

from collections.abc import Callable, Iterable
from datetime import datetime
from itertools import accumulate, pairwise

from hypothesis import given, strategies as st
import pytest

from custom_components.bmw_wallbox_victron.wallbox.energy import (
    RegisterCount,
    lifetime,
)

from ..kit.wallbox import RULE, at

#: A register reading in Wh, and its moment in seconds.
type Reading = tuple[float, float]
type Advance = Callable[[RegisterCount, float, datetime], RegisterCount]

#: Steps between two readings: seconds that passed, W that flowed (22 kW at most).
STEP = st.tuples(st.floats(1, 3600), st.floats(0, 22_000))
STEPS = st.lists(STEP, min_size=1, max_size=12)
#: A register that has seen some life.
OLD_REGISTER = st.floats(50_000, 1e7)
ADVANCE = st.sampled_from([RegisterCount.advance, lifetime])


def count(readings: Iterable[Reading], advance: Advance) -> RegisterCount:
    state = RegisterCount()
    for wh, seconds in readings:
        state = advance(state, wh, at(seconds))
    return state


def counted(*whs: float, every: float = 10) -> float:
    """Give what was counted from readings that came every so many seconds."""
    readings = [(wh, number * every) for number, wh in enumerate(whs)]
    return count(readings, RegisterCount.advance).counted_wh


def register(first: float, steps: list[tuple[float, float]]) -> list[Reading]:
    """Give what a faultless register shows while that flows."""
    readings = [(first, 0.0)]
    for passed, watts in steps:
        wh, seconds = readings[-1]
        readings.append((wh + watts * passed / 3600, seconds + passed))
    return readings


# Never down

ANY_WH = st.one_of(
    st.floats(0, 1e10),
    st.floats(0, 20_000),
    st.sampled_from([0.0, 0.5, 1.0, 99_999.0, 100_000.0, 100_001.0, 1e10]),
)
ANY_OPERATION = st.tuples(
    st.sampled_from(["advance", "lifetime", "late", "earlier_start"]),
    ANY_WH,
    st.integers(-100_000, 1_000_000),
)


@RULE
@given(st.lists(ANY_OPERATION, max_size=30))
def test_never_falls(operations: list[tuple[str, float, int]]) -> None:
    """Any values at any times, in order, late or as an earlier start."""
    state = RegisterCount()
    for operation, wh, seconds in operations:
        before = state.counted_wh
        match operation:
            case "advance":
                state = state.advance(wh, at(seconds))
            case "lifetime":
                state = lifetime(state, wh, at(seconds))
            case "late":
                state = state.late(wh, wh / 2, followed_by_wh=state.highest_wh)
            case _:
                state = state.earlier_start(wh, at(seconds))
        assert state.counted_wh >= before


def test_never_falls_below_zero_readings() -> None:
    """A reading below zero is no energy given back."""
    assert counted(100, 150, -50) == 50


# A faultless register


@RULE
@given(st.floats(0, 1e9), STEPS, ADVANCE)
def test_counts_the_difference(
    first: float, steps: list[tuple[float, float]], advance: Advance
) -> None:
    """A register that only grows counts exactly what it grew by."""
    readings = register(first, steps)
    start = 0.0 if advance is RegisterCount.advance else first
    expected = start + readings[-1][0] - first
    assert count(readings, advance).counted_wh == pytest.approx(expected)


@RULE
@given(OLD_REGISTER, STEPS, st.lists(st.integers(0, 11), max_size=10))
def test_repeated_readings_count_once(
    first: float, steps: list[tuple[float, float]], repeats: list[int]
) -> None:
    """A reading that comes again, at once or later, adds nothing."""
    readings = register(first, steps)
    again = list(readings)
    for number in repeats:
        again.insert(min(number, len(readings)) + 1, readings[number % len(readings)])
    # Only those may stand anywhere that were read before.
    seen: list[Reading] = []
    for item in again:
        if not seen or item in seen or item[1] >= max(s for _, s in seen):
            seen.append(item)
    expected = seen and max(seen, key=lambda item: item[1])[0] - seen[0][0]
    state = count(seen, RegisterCount.advance)
    assert state.counted_wh == pytest.approx(expected)


def test_the_first_reading_of_a_session_is_its_start() -> None:
    """A lifetime register does not hand its past to a session."""
    assert counted(1_234_567) == 0
    assert counted(1_234_567, 1_234_600) == 33


def test_the_first_reading_of_the_total_is_its_value() -> None:
    """The total agrees with the wallbox's own display."""
    assert lifetime(RegisterCount(), 1_234_567, at(0)).counted_wh == 1_234_567


def test_a_long_outage_is_caught_up() -> None:
    """What flowed while nobody listened is counted by the next reading."""
    state = count([(100_000, 0), (180_000, 8 * 3600)], RegisterCount.advance)
    assert state.counted_wh == 80_000


# Glitches

#: Some readings that are wrong, made from the last right one.
GLITCH = st.one_of(
    st.integers(1, 4).map(lambda times: (lambda _wh: 0.0, times)),
    st.floats(1.5, 20_000).map(lambda drop: (lambda wh: wh - drop, 1)),
    st.floats(1e6, 1e9).map(lambda rise: (lambda wh: wh + rise, 1)),
)


@RULE
@given(
    OLD_REGISTER,
    st.lists(st.tuples(STEP, st.none() | GLITCH), min_size=1, max_size=8),
    ADVANCE,
)
def test_a_glitch_leaves_no_trace(
    first: float,
    steps: list[
        tuple[tuple[float, float], tuple[Callable[[float], float], int] | None]
    ],
    advance: Advance,
) -> None:
    """Zeros, a drop, a reading from the moon: the count is as if they had not been."""
    right = register(first, [step for step, _ in steps])
    readings: list[Reading] = []
    for (here, there), (_, glitch) in zip(pairwise(right), steps, strict=True):
        readings.append(here)
        if glitch is not None:
            wrong, times = glitch
            gap = (there[1] - here[1]) / (times + 1)
            readings += [
                (wrong(here[0]), here[1] + gap * number)
                for number in range(1, times + 1)
            ]
    readings.append(right[-1])
    assert count(readings, advance).counted_wh == pytest.approx(
        count(right, advance).counted_wh, abs=1e-3
    )


@pytest.mark.parametrize(
    "wrong",
    [
        [0],
        [0, 0, 0],
        [99_950],
        [99_950, 99_950],
        [9_999_999],
        [9_999_999, 0],
        [0, 9_999_999],
        [0, 99_950],
        [99_950, 0],
        [0, 9_999_999, 0],
    ],
)
def test_glitch_between_two_right_readings(wrong: list[float]) -> None:
    """Whatever stands between them: what flowed is 60 Wh."""
    assert counted(99_990, 100_000, *wrong, 100_050) == 60


def test_falling_twice() -> None:
    """The register falls, falls further, and comes back: nothing flowed but 20 Wh."""
    assert counted(100_000, 99_990, 99_980, 100_020) == 20


def test_zeros_then_a_long_outage() -> None:
    """A zero, eight hours of silence, and the register is back with 80 kWh more."""
    readings = [(5_000_000, 0), (0, 10), (0, 20), (5_080_000, 8 * 3600)]
    assert count(readings, RegisterCount.advance).counted_wh == 80_000


def test_every_third_reading_is_zero() -> None:
    """So a box in the field: each Wh is counted all the same."""
    right = [1_000_000 + 30.0 * number for number in range(60)]
    shown = [0.0 if number % 3 == 2 else wh for number, wh in enumerate(right)]
    assert counted(*shown, right[-1] + 30) == 60 * 30


def test_every_third_reading_is_zero_on_a_new_box() -> None:
    """The same where the register is small."""
    right = [40.0 + 30.0 * number for number in range(60)]
    shown = [0.0 if number % 3 == 2 else wh for number, wh in enumerate(right)]
    assert counted(*shown, right[-1] + 30) == 60 * 30


def test_another_meter() -> None:
    """A jump that stays is another meter, not energy; what flows then is counted."""
    assert counted(100_000, 100_010, 7_000_000, 7_000_020, 7_000_050) == 60 - 20 + 20


def test_rounding() -> None:
    """A register that wavers by its rounding counts what it gains, no more."""
    assert counted(1000, 1001, 1000, 1001, 1000, 1002) == 2


@RULE
@given(
    st.integers(1000, 10**7),
    st.lists(st.tuples(st.integers(0, 60), st.booleans()), min_size=1, max_size=40),
)
def test_rounding_never_adds_up(first: int, steps: list[tuple[int, bool]]) -> None:
    """However often it wavers by 1 Wh, the count is right to 1 Wh."""
    right = list(accumulate((step for step, _ in steps), initial=first))
    shown = [wh - down for wh, (_, down) in zip(right[1:], steps, strict=True)]
    assert counted(first, *shown) == pytest.approx(right[-1] - first, abs=1)


# Restarts


@RULE
@given(
    st.floats(50_000, 1e7),
    st.lists(st.tuples(st.floats(5, 600), st.floats(0, 22_000)), max_size=40),
    st.booleans(),
    ADVANCE,
)
def test_restart_at_zero(
    before: float,
    steps: list[tuple[float, float]],
    zero_first: bool,
    advance: Advance,
) -> None:
    """A register that restarts counts all that flowed since it did."""
    since = [(wh, seconds + 60) for wh, seconds in register(0, steps)]
    readings = since if zero_first else since[1:]
    base = [(before - 100, 0.0), (before, 30.0)]
    flowed = since[-1][0] if readings else 0.0
    assert count([*base, *readings], advance).counted_wh == pytest.approx(
        count(base, advance).counted_wh + flowed, abs=1e-3
    )


def test_restart_seen_only_after_energy_flowed() -> None:
    """The first reading after a reboot shows what flowed since."""
    assert counted(100_000, 400, 900, every=60) == 900


def test_many_restarts_in_a_row() -> None:
    """Each reboot takes the register back to zero."""
    assert counted(5000, 0, 100, 0, 80, 0, 60) == 240


@RULE
@given(
    st.lists(
        st.lists(st.integers(100, 300), min_size=15, max_size=25),
        min_size=1,
        max_size=6,
    ),
    ADVANCE,
)
def test_registers_of_the_session_add_up(
    sessions: list[list[int]], advance: Advance
) -> None:
    """A register that restarts with each session, read every 30 s."""
    shown = [float(wh) for steps in sessions for wh in accumulate(steps, initial=0)]
    readings = [(wh, 30.0 * number) for number, wh in enumerate(shown)]
    expected = sum(map(sum, sessions))
    assert count(readings, advance).counted_wh == pytest.approx(expected)


def test_registers_of_the_session_with_zeros() -> None:
    """A register that restarts with each session, and every third reading is zero."""
    session = [30.0 * number for number in range(101)]
    shown = [
        0.0 if number % 3 == 2 else wh
        for number, wh in enumerate([*session, *session, *session])
    ]
    assert counted(*shown, session[-1]) == 3 * session[-1]


def test_small_sessions_add_up() -> None:
    """Also those of a few Wh, each larger than the one before."""
    assert counted(0, 30, 0, 20, 40, 0, 25, 50, 75) == 30 + 40 + 75


# Late readings


def test_late_reading_of_a_lifetime_register() -> None:
    """The newer reading includes it."""
    state = count([(100_000, 0), (105_000, 3600)], lifetime)
    assert state.late(102_000, 2000, followed_by_wh=state.highest_wh) == state


def test_late_reading_of_a_register_that_restarted() -> None:
    """It stands higher than the newest one: it is still missing."""
    state = count([(0, 0), (500, 3600)], lifetime)
    assert state.late(7000, 6500, followed_by_wh=state.highest_wh).counted_wh == 7000


def test_late_reading_after_a_zero() -> None:
    """A stray zero as the newest reading does not make it count twice."""
    state = count([(100_000, 0), (0, 20)], lifetime)
    state = state.late(99_990, 20, followed_by_wh=state.highest_wh)
    assert lifetime(state, 100_050, at(30)).counted_wh == 100_050


def test_an_older_reading_does_not_advance() -> None:
    """`advance` takes nothing from the past."""
    state = count([(100_000, 0), (100_500, 60)], RegisterCount.advance)
    assert state.advance(100_700, at(30)) == state


def test_earlier_start() -> None:
    """What a session's first message says extends it backwards, once."""
    state = count([(100_500, 60), (100_700, 90)], RegisterCount.advance)
    earlier = state.earlier_start(100_000, at(0))
    assert earlier.counted_wh == 700
    assert earlier.earlier_start(99_000, at(0)) == earlier
    assert state.earlier_start(100_600, at(0)) == state
    assert state.earlier_start(100_000, at(70)) == state
