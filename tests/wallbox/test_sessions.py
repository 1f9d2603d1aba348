"""The ledger of sessions and what is told of them: rules that hold in any order."""

from collections.abc import Sequence
import copy
from dataclasses import replace
from datetime import timedelta
import itertools
from unittest.mock import patch

from hypothesis import given, strategies as st

from custom_components.bmw_wallbox_victron.wallbox import sessions
from custom_components.bmw_wallbox_victron.wallbox.sessions import (
    KEPT_SESSIONS,
    Ledger,
    Session,
    SessionEventType,
    ended_sessions,
    session_events,
)
from custom_components.bmw_wallbox_victron.wallbox.state import (
    ChargingState,
    ConnectorStatus,
    Transaction,
    TransactionEvent,
    WallboxState,
)
from custom_components.bmw_wallbox_victron.wallbox.transactions import (
    REMEMBERED_TRANSACTIONS,
)
from custom_components.bmw_wallbox_victron.wallbox.transitions import (
    connected,
    connector,
    connector_asked,
    disconnected,
    transaction_event,
)

from ..kit.wallbox import RULE, at, ended, event, now, play, started

#: A session lasts so long, and so long it is until the next one, in s.
LENGTH, PAUSE = 100, 1000


def session(number: int, *, reason: str = "ev_disconnected") -> list[TransactionEvent]:
    """Make a whole session: the register counts 1 Wh a second."""
    begin, name = number * PAUSE, f"tx-{number}"
    register = number * 1000.0
    return [
        started(0, begin, transaction_id=name, register=register),
        event(
            1,
            begin + 1,
            transaction_id=name,
            charging_state=ChargingState.CHARGING,
            register=register + 1,
        ),
        event(2, begin + 50, transaction_id=name, register=register + 50),
        ended(
            3,
            begin + LENGTH,
            transaction_id=name,
            register=register + LENGTH,
            stopped_reason=reason,
            id_token="04AB",
        ),
    ]


def expected(number: int) -> Session:
    """Make the session as it has to be written."""
    return Session(
        transaction_id=f"tx-{number}",
        start=at(number * PAUSE),
        end=at(number * PAUSE + LENGTH),
        energy_wh=LENGTH,
        id_token="04AB",
        stop_reason="ev_disconnected",
    )


def record(
    events: Sequence[TransactionEvent], ledger: Ledger, state: WallboxState
) -> WallboxState:
    """Let a ledger see the state after each event."""
    for item in events:
        state = transaction_event(state, item, now(1_000_000))
        ledger.record(state)
    return state


def told(events: Sequence[TransactionEvent]) -> list[tuple[str, str | None]]:
    """Give what is told while events come."""
    state = connected(WallboxState())
    result = []
    for item in events:
        before, state = state, transaction_event(state, item, now(1_000_000))
        result += [
            (str(told.type), told.reason) for told in session_events(before, state)
        ]
    return result


def sound(ledger: Ledger) -> None:
    """Check what holds for every ledger."""
    kept = ledger.sessions
    assert list(kept) == sorted(kept, key=lambda item: item.start)
    assert len(kept) <= KEPT_SESSIONS
    for item in kept:
        assert item.duration >= timedelta(0)
        assert item.energy_wh >= 0


# The ledger


@RULE
@given(
    st.integers(1, REMEMBERED_TRANSACTIONS).flatmap(
        lambda count: st.permutations(
            [item for number in range(count) for item in session(number)]
        )
    )
)
def test_any_order(events: list[TransactionEvent]) -> None:
    """In whatever order events come, each session is written once."""
    ledger = Ledger()
    state = record(events, ledger, connected(WallboxState()))
    sound(ledger)
    names = [item.transaction_id for item in ledger.sessions]
    assert len(names) == len(set(names))
    assert set(names) == {item.transaction_id for item in ended_sessions(state)}


@RULE
@given(st.data(), st.integers(1, 12))
def test_repeats(data: st.DataObject, count: int) -> None:
    """Events that come in order, and as often as they like, lose nothing."""
    events: list[TransactionEvent] = []
    for number in range(count):
        for item in session(number):
            events.append(item)
            # A repeat is of what was sent lately: what is not answered is sent again.
            back = data.draw(st.lists(st.integers(1, 8), max_size=2))
            events += [events[-step] for step in back if step <= len(events)]
    ledger = Ledger()
    record(events, ledger, connected(WallboxState()))
    assert ledger.sessions == tuple(expected(number) for number in range(count))


def test_a_repeat_after_a_long_time() -> None:
    """What was written of a session stands, whatever comes again long after."""
    written = Ledger()
    state = connected(WallboxState())
    for each in range(21):
        state = record(session(each), written, state)
    for number, which in itertools.product(range(21), range(4)):
        ledger = copy.deepcopy(written)
        record([session(number)[which]], ledger, state)
        assert ledger.sessions == tuple(expected(each) for each in range(21))


@RULE
@given(
    st.lists(
        st.tuples(
            st.integers(0, 2),
            st.sampled_from([started, event, ended]),
            st.integers(0, 5),
            st.integers(0, 2000),
            st.booleans(),
        ),
        max_size=15,
    )
)
def test_a_clock_that_jumps(
    plays: list[tuple[int, type, int, int, bool]],
) -> None:
    """Whatever numbers and times a box invents: no doubles, nothing backwards."""
    ledger = Ledger()
    state = connected(WallboxState())
    for which, make, number, seconds, offline in plays:
        item: TransactionEvent = make(
            number, seconds, transaction_id=f"tx-{which}", offline=offline
        )
        state = record([item], ledger, state)
        assert not ledger.record(state), "the same state is news twice"
    names = [(item.transaction_id, item.repeat) for item in ledger.sessions]
    assert len(names) == len(set(names))
    sound(ledger)


@RULE
@given(
    st.lists(
        st.tuples(st.integers(0, 50), st.integers(0, 10), st.sampled_from("AB")),
        max_size=30,
    ),
    st.integers(1, 6),
)
def test_bounded(items: list[tuple[int, int, str]], most: int) -> None:
    """The newest are kept, in order."""
    ledger = Ledger()
    with patch.object(sessions, "KEPT_SESSIONS", most):
        for begin, length, name in items:
            transaction = Transaction(
                id=f"{name}{begin}",
                started_at=at(begin * 200_000),
                updated_at=at(begin * 200_000 + length),
                ended_at=at(begin * 200_000 + length),
                sequence_number=1,
                event_type=ended(1, 0).event_type,
            )
            ledger.record(WallboxState(transaction=transaction))
            assert len(ledger.sessions) <= most
    starts = [item.start for item in ledger.sessions]
    assert starts == sorted(starts)
    every = {(begin, name) for begin, _, name in items}
    assert len(starts) == min(len(every), most)
    newest = sorted(begin for begin, _ in every)[-most:]
    assert starts == [at(begin * 200_000) for begin in newest]


def test_too_old_to_be_kept() -> None:
    """What is dropped at once is not news again: each news is written to the disk."""
    ledger = Ledger()
    with patch.object(sessions, "KEPT_SESSIONS", 2):
        for number in (1, 2):
            ledger.record(play(session(number)))
        ledger.record(play(session(0)))
        assert not ledger.record(play(session(0)))
    assert ledger.sessions == (expected(1), expected(2))


def test_an_id_used_again() -> None:
    """A box that begins to count from the start: the same id is another session."""
    ledger = Ledger()
    for begin in (0, 10**6, 2 * 10**6):
        events = [
            started(0, begin, transaction_id="1"),
            ended(1, begin + 10, transaction_id="1"),
        ]
        ledger.record(play(events))
        ledger.record(play(events))
    assert [item.start for item in ledger.sessions] == [at(0), at(10**6), at(2 * 10**6)]


def test_a_late_end() -> None:
    """A session whose end was lost is written, and completed when the end comes."""
    ledger = Ledger()
    events = session(0)
    state = record(events[:-1], ledger, connected(WallboxState()))
    assert list(ledger.sessions) == []
    state = connector(state, ConnectorStatus.AVAILABLE, at(200), now(2_000_000))
    assert ledger.record(state)
    (written,) = ledger.sessions
    assert (written.end, written.stop_reason) == (at(50), None)
    record(events[-1:], ledger, state)
    assert ledger.sessions == (expected(0),)


def test_a_late_start() -> None:
    """A session that was heard of in its middle gets its start."""
    ledger = Ledger()
    first, *rest = session(0)
    state = record(rest, ledger, connected(WallboxState()))
    assert [item.start for item in ledger.sessions] == [at(1)]
    record([first], ledger, state)
    assert ledger.sessions == (expected(0),)


def test_what_was_stored_is_the_beginning() -> None:
    """A ledger goes on from what it had."""
    ledger = Ledger([expected(0)])
    state = record(session(0), ledger, connected(WallboxState()))
    record(session(1), ledger, state)
    assert ledger.sessions == (expected(0), expected(1))


# What is told


@RULE
@given(st.integers(1, 4), st.data())
def test_told_once(count: int, data: st.DataObject) -> None:
    """Each session is told to start and to end once, whatever is repeated."""
    events: list[TransactionEvent] = []
    for number in range(count):
        for item in session(number):
            events.append(item)
            back = data.draw(st.lists(st.integers(1, 6), max_size=2))
            events += [events[-step] for step in back if step <= len(events)]
    assert told(events) == count * [("started", None), ("ended", "ev_disconnected")]


@RULE
@given(
    st.lists(
        st.sampled_from(
            [
                ChargingState.CHARGING,
                ChargingState.SUSPENDED_EV,
                ChargingState.SUSPENDED_EVSE,
            ]
        ),
        max_size=12,
    )
)
def test_pauses(states: list[ChargingState]) -> None:
    """A pause is told with who paused, and nothing is resumed that was not paused."""
    events = [
        started(0, 0, charging_state=ChargingState.CHARGING),
        *(
            event(number, number, charging_state=charging_state)
            for number, charging_state in enumerate(states, 1)
        ),
    ]
    said = told(events)
    assert said[0] == ("started", None)
    paused = False
    for kind, reason in said[1:]:
        assert kind in ("paused", "resumed")
        assert paused is (kind == "resumed")
        paused = not paused
        assert reason in (("wallbox", "car") if paused else (None,))
    if states:
        assert paused is (states[-1] is not ChargingState.CHARGING)


def test_energy_and_duration() -> None:
    """An event tells what was delivered and how long the session had lasted."""
    events = session(0)
    before = play(events[:-1])
    (told_of,) = session_events(before, play(events))
    assert told_of.type is SessionEventType.ENDED
    assert told_of.energy_wh == LENGTH
    assert told_of.duration == timedelta(seconds=LENGTH)
    assert told_of.reason == "ev_disconnected"


def test_one_after_the_other() -> None:
    """A new session ends the one before, whose end was not heard."""
    before = play(session(0)[:-1])
    after = transaction_event(before, session(1)[0], now(1_000_000))
    assert [
        (item.type.value, item.energy_wh, item.reason)
        for item in session_events(before, after)
    ] == [("ended", 50, None), ("started", 0, None)]


def test_nothing_happened() -> None:
    """A connection that comes and goes is no event of the session."""
    running = play(session(0)[:2])
    gone = disconnected(running)
    assert session_events(running, gone) == []
    assert session_events(gone, connected(gone)) == []
    assert session_events(WallboxState(), WallboxState()) == []
    freed = connector_asked(running, ConnectorStatus.AVAILABLE, now(200))
    assert [item.type for item in session_events(running, freed)] == [
        SessionEventType.ENDED
    ]
    assert session_events(freed, replace(freed, connected=False)) == []
