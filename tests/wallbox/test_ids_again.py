"""Transaction ids that are used again, as by wallboxes that count anew after a boot."""

from dataclasses import replace
from datetime import timedelta

from hypothesis import given, strategies as st

from custom_components.bmw_wallbox_victron.wallbox.sessions import (
    Ledger,
    session_events,
)
from custom_components.bmw_wallbox_victron.wallbox.state import (
    ChargingState,
    TransactionEvent,
    WallboxState,
)
from custom_components.bmw_wallbox_victron.wallbox.transitions import (
    connected,
    transaction_event,
)

from ..kit.wallbox import RULE, at, ended, event, now, play, started

CHARGING = ChargingState.CHARGING
LENGTH, PAUSE = 100, 1000


def session(number: int, register: float = 100_000) -> list[TransactionEvent]:
    """Make a whole session with the same id as all others: 50 Wh."""
    begin = number * PAUSE
    register += number * 50
    return [
        started(0, begin, charging_state=CHARGING, register=register),
        event(1, begin + 50, register=register + 20),
        ended(2, begin + LENGTH, register=register + 50, stopped_reason="local"),
    ]


def test_sessions_of_their_own() -> None:
    """Shown, counted, told and written, each for itself."""
    state, ledger = connected(WallboxState()), Ledger()
    told: list[str] = []
    for number in range(3):
        for item in session(number):
            before = state
            state = play([item], state)
            told += [found.type for found in session_events(before, state)]
            ledger.record(state)
        assert state.energy_session == 50
        assert state.transaction is not None
        assert state.transaction.started_at == at(number * PAUSE)
    assert told == ["started", "ended"] * 3
    assert state.energy_total == 100_150
    assert [(item.start, item.energy_wh) for item in ledger.sessions] == [
        (at(number * PAUSE), 50) for number in range(3)
    ]


def test_boot_in_a_session_that_ends_it_without_a_word() -> None:
    """Number and id begin anew while the one before was thought to run."""
    state = play(session(0)[:2])
    state = play([started(0, 500, register=100_020, charging_state=CHARGING)], state)
    state = play([event(1, 510, register=100_030, readings={"power": 7.0})], state)
    assert state.energy_session == 10
    assert state.energy_total == 100_030
    assert state.live("power") == 7
    assert [item.replaced for item in state.recent] == [True]


def test_boot_with_a_clock_that_was_set_back() -> None:
    """To before the session that had the id; and its first number comes again."""
    state = play(session(0))
    again = started(0, -5000, charging_state=CHARGING, register=100_050)
    state = play([again], state, now=500)
    assert state.charging_state is CHARGING
    assert state.energy_session == 0
    state = play([again], state, now=501)
    state = play([event(1, -4990, register=100_060)], state, now=510)
    assert state.energy_session == 10
    assert state.energy_total == 100_060
    assert len(state.recent) == 1


def test_start_that_was_lost() -> None:
    """What is heard first of the second one has a lower number than the end."""
    state = play(session(0))
    state = play([event(1, PAUSE, charging_state=CHARGING, register=100_060)], state)
    assert state.charging_state is CHARGING
    assert state.energy_total == 100_060


def test_late_event_belongs_to_the_session_of_its_time() -> None:
    """The end of the first one comes after the second began."""
    first, second = session(0), session(1)
    state = play([*first[:2], second[0]])
    late = [replace(first[2], offline=True), first[2]]
    state = play([*late, second[1]], state)
    assert state.energy_session == 20
    (before,) = state.recent
    assert before.ended_at == at(LENGTH)
    assert before.energy.counted_wh == 50


@RULE
@given(st.data(), st.integers(1, 5))
def test_repeats_are_no_sessions(data: st.DataObject, count: int) -> None:
    """Each event comes again, at once or while a later session runs."""
    state, ledger = connected(WallboxState()), Ledger()
    seen: list[TransactionEvent] = []
    for number in range(count):
        for item in session(number):
            seen.append(item)
            again = data.draw(st.lists(st.sampled_from(seen), max_size=2))
            for each in (item, *again):
                moment = now((item.at - at(0)).total_seconds() + 0.5)
                state = transaction_event(state, each, moment)
                ledger.record(state)
    assert [(item.start, item.energy_wh) for item in ledger.sessions] == [
        (at(number * PAUSE), 50) for number in range(count)
    ]
    assert state.energy_total == 100_000 + 50 * count


def test_more_sessions_than_are_remembered() -> None:
    """A box that counts to twelve and begins anew within a day loses none."""
    state, ledger = connected(WallboxState()), Ledger()
    for number in range(24):
        again = [
            replace(item, transaction_id=str(number % 12)) for item in session(number)
        ]
        for item in again:
            state = play([item], state)
            ledger.record(state)
    assert [item.start for item in ledger.sessions] == [
        at(number * PAUSE) for number in range(24)
    ]
    assert sum(item.energy_wh for item in ledger.sessions) == 24 * 50


def test_start_that_was_lost_and_numbers_that_go_on() -> None:
    """What is live long after the end of a session is of another one."""
    state = play(session(0)[::2])
    first = event(3, PAUSE, register=100_050, charging_state=CHARGING)
    state = play([first], state, now=PAUSE)
    state = play([ended(4, PAUSE + 50, register=100_090)], state, now=PAUSE + 50)
    ledger = Ledger()
    ledger.record(state)
    assert [item.energy_wh for item in ledger.sessions] == [50, 40]
    assert state.energy_total == 100_090


def test_a_session_that_moves_with_the_clock() -> None:
    """A clock that is set back by days after its end makes no second line of it."""
    ledger = Ledger()
    state = play(session(0))
    ledger.record(state)
    (before,) = ledger.sessions
    assert state.transaction is not None
    back = timedelta(days=3)
    moved = replace(
        state.transaction,
        started_at=before.start - back,
        updated_at=before.end - back,
        ended_at=before.end - back,
    )
    ledger.record(replace(state, transaction=moved))
    (after,) = ledger.sessions
    assert after == replace(before, start=before.start - back, end=before.end - back)
