"""What a wallbox tells after an outage: queue and live events, in any mixture."""

from collections.abc import Iterable
from dataclasses import replace

from hypothesis import given, strategies as st
import pytest

from custom_components.bmw_wallbox_victron.wallbox.state import (
    TransactionEvent,
    WallboxState,
)
from custom_components.bmw_wallbox_victron.wallbox.transitions import (
    connected,
    transaction_event,
)

from ..kit.wallbox import RULE, ended, event, now, play, started

LIFETIME = 1_234_567.0
#: A step within a session: seconds, W, and whether the register stutters to zero.
STEP = st.tuples(st.integers(30, 600), st.integers(0, 11_000), st.booleans())
#: Sessions with the seconds of pause before each.
SESSIONS = st.lists(
    st.tuples(st.integers(60, 7200), st.lists(STEP, min_size=1, max_size=6)),
    min_size=1,
    max_size=4,
)
type Sessions = list[tuple[int, list[tuple[int, int, bool]]]]


def story(
    sessions: Sessions, *, per_session: bool, zeros: bool
) -> tuple[list[TransactionEvent], dict[str, float]]:
    """Tell these sessions in order, and what each of them took, in Wh."""
    events: list[TransactionEvent] = []
    taken: dict[str, float] = {}
    register, seconds = LIFETIME, 0
    for number, (pause, steps) in enumerate(sessions):
        name = f"T{number}"
        seconds += pause
        if per_session:
            register = 0.0
        start = register
        events.append(started(0, seconds, register=register, transaction_id=name))
        for step, (passed, watts, zero) in enumerate(steps, 1):
            seconds += passed
            register += passed * watts / 3600
            last = step == len(steps)
            events.append(
                (ended if last else event)(
                    step,
                    seconds,
                    register=0.0 if zeros and zero and not last else register,
                    transaction_id=name,
                )
            )
        taken[name] = register - start
    return events, taken


def mix(
    data: st.DataObject, events: list[TransactionEvent], *, in_order: bool
) -> list[TransactionEvent]:
    """Lose the connection somewhere; the queue then comes among the live events."""
    gone = data.draw(st.integers(0, len(events)), "connection lost before")
    back = data.draw(st.integers(gone, len(events)), "and back before")
    queue = [replay(item) for item in events[gone:back]]
    live = events[back:]
    if not in_order:
        turns = data.draw(st.permutations([0] * len(queue) + [1] * len(live)), "turns")
        sources = (iter(queue), iter(live))
        mixed = [next(sources[turn]) for turn in turns]
    else:
        mixed = [*queue, *live]
    result = events[:gone]
    for item in mixed:
        result.append(item)
        if data.draw(st.booleans(), "its answer is lost"):
            result.append(item)
    return result


def replay(item: TransactionEvent) -> TransactionEvent:
    """Give the event as it comes from the queue."""
    return replace(item, offline=True)


def totals(events: Iterable[TransactionEvent]) -> tuple[WallboxState, list[float]]:
    """Hand over the events; give the end and the totals on the way."""
    state, seen = connected(WallboxState()), [0.0]
    for item in events:
        state = transaction_event(state, item, now(10**6))
        seen.append(state.energy_total or 0.0)
    return state, seen


def sessions_of(state: WallboxState) -> dict[str, float]:
    """Give the energy of each session that is remembered."""
    everything = (state.transaction, *state.recent)
    return {item.id: item.energy.counted_wh for item in everything if item is not None}


# Energy


@RULE
@given(SESSIONS, st.booleans(), st.booleans(), st.data())
def test_lifetime_register(
    sessions: Sessions, zeros: bool, in_order: bool, data: st.DataObject
) -> None:
    """Zeros, replays, repeats: the total is what the register says, at its end."""
    events, taken = story(sessions, per_session=False, zeros=zeros)
    state, seen = totals(mix(data, events, in_order=in_order))
    assert seen == sorted(seen)
    total = LIFETIME + sum(taken.values())
    assert seen[-1] == pytest.approx(total, abs=1)
    if not zeros:
        assert sessions_of(state) == pytest.approx(taken, abs=1)


@RULE
@given(SESSIONS, st.data())
def test_register_of_the_session(sessions: Sessions, data: st.DataObject) -> None:
    """The queue comes first, as it should: sessions and total are exact."""
    events, taken = story(sessions, per_session=True, zeros=False)
    state, seen = totals(mix(data, events, in_order=True))
    assert seen == sorted(seen)
    assert sessions_of(state) == pytest.approx(taken, abs=1)
    assert seen[-1] == pytest.approx(sum(taken.values()), abs=1)


@RULE
@given(SESSIONS, st.data())
def test_register_of_the_session_in_any_mixture(
    sessions: Sessions, data: st.DataObject
) -> None:
    """Nothing counts twice, whatever comes when."""
    events, taken = story(sessions, per_session=True, zeros=False)
    state, seen = totals(mix(data, events, in_order=False))
    assert seen == sorted(seen)
    for name, counted in sessions_of(state).items():
        assert counted <= taken[name] + 1
    assert seen[-1] <= sum(taken.values()) + 1


def test_the_end_of_a_session_before_the_queue_of_two() -> None:
    """The first thing ever heard is a live end; then all that was before it comes.

    The queue begins earlier than that end, which is no clock that was set back.
    """
    sessions: Sessions = [(60, [(30, 0, False)]), (60, [(30, 12_000, False)] * 2)]
    events, taken = story(sessions, per_session=True, zeros=False)
    *queue, end = events
    state, seen = totals([end, *map(replay, queue)])
    assert seen == sorted(seen)
    assert sessions_of(state) == pytest.approx(taken)
    assert seen[-1] == pytest.approx(sum(taken.values()))


def test_zero_before_the_queue() -> None:
    """The new session begins with a zero, then the end of the one before arrives."""
    state = play(
        [
            started(0, 0, register=1_000_000),
            event(1, 600, register=1_001_000),
            event(1, 3700, register=0, transaction_id="B"),
            ended(2, 1200, register=1_001_700, offline=True),
            started(0, 3600, register=1_001_700, transaction_id="B", offline=True),
            event(2, 3800, register=1_001_800, transaction_id="B"),
        ]
    )
    assert state.energy_total == 1_001_800
    assert state.energy_session == 100


def test_queue_after_a_first_zero() -> None:
    """The very first reading of all is a zero, and the queue tells the truth."""
    state = play(
        [
            event(1, 6484, register=0, transaction_id="B"),
            started(0, 1314, register=1_000_000, offline=True),
            event(1, 1350, register=1_000_001, offline=True),
            ended(2, 6924, register=1_000_009, transaction_id="B"),
            ended(2, 1380, register=1_000_007, offline=True),
        ]
    )
    assert state.energy_total == 1_000_009


def test_queue_after_a_zero_that_is_over() -> None:
    """The register is back already when the end of the session before arrives."""
    state = play(
        [
            started(0, 0, register=1_000_000),
            event(1, 600, register=1_001_000),
            event(1, 3700, register=0, transaction_id="B"),
            event(2, 3800, register=1_001_800, transaction_id="B"),
            ended(2, 1200, register=1_001_700, offline=True),
        ]
    )
    assert state.energy_total == 1_001_800


@pytest.mark.parametrize("first", [100, 1_400])
def test_start_that_comes_last_with_a_register_of_the_session(first: float) -> None:
    """The first reading had been counted from zero already, or is now."""
    state = play(
        [
            started(0, 0, register=0),
            ended(1, 600, register=1500),
            event(1, 3700, register=first, transaction_id="B"),
            started(0, 3600, register=0, transaction_id="B", offline=True),
        ]
    )
    assert state.energy_session == first
    assert state.energy_total == 1500 + first
