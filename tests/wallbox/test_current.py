"""Which transaction is the current one, whatever comes late of others."""

import itertools

import pytest

from custom_components.bmw_wallbox_victron.wallbox.state import (
    ChargingState,
    Status,
    Transaction,
    WallboxState,
)

from ..kit.wallbox import at, ended, event, play, started

CHARGING = ChargingState.CHARGING


def current(state: WallboxState) -> Transaction:
    assert state.transaction is not None
    return state.transaction


@pytest.mark.parametrize("offline", [True, False])
@pytest.mark.parametrize("end", [60, 65])
def test_end_of_a_replaced_session_hides_nothing(end: float, offline: bool) -> None:
    """It happened in the same second, or a clock that is ahead says later."""
    running = play(
        [
            started(0, 0, charging_state=CHARGING),
            started(0, 60, charging_state=CHARGING, transaction_id="B"),
        ]
    )
    state = play([ended(5, end, offline=offline)], running, now=65)
    assert current(state).id == "B"
    assert state.status is Status.CHARGING
    assert [item.ended_at for item in state.recent] == [at(end)]


def test_end_of_an_unknown_session_in_the_same_second() -> None:
    running = play([started(0, 60, charging_state=CHARGING)])
    state = play([ended(5, 60, transaction_id="older", offline=True)], running)
    assert current(state).id == "A"
    assert [item.id for item in state.recent] == ["older"]


def test_unknown_session_from_the_queue_of_a_clock_that_is_ahead() -> None:
    """All its events are dated after their arrival: they are not newer for that."""
    running = play([started(0, 0, charging_state=CHARGING)], now=0)
    queue = [
        started(0, 5000, charging_state=CHARGING, transaction_id="B", offline=True),
        event(1, 5010, transaction_id="B", offline=True),
    ]
    state = play(queue, running, now=100)
    assert current(state).id == "A"
    # What is said of it live is another matter: the end of the first one was lost.
    live = event(2, 130, charging_state=CHARGING, transaction_id="B")
    assert current(play([live], state, now=130)).id == "B"


def test_unknown_session_from_the_queue_takes_over() -> None:
    """With a time of its own after all that is known of the one before."""
    running = play([started(0, 0, charging_state=CHARGING)], now=0)
    queue = [started(0, 50, charging_state=CHARGING, transaction_id="B", offline=True)]
    assert current(play(queue, running, now=100)).id == "B"


def test_replaced_for_good() -> None:
    """Not even by a live event with a higher number."""
    events = [started(0, 0), started(0, 60, transaction_id="B"), event(1, 70)]
    for rest in itertools.permutations([event(2, 80), event(3, 90)]):
        assert current(play([*events, *rest])).id == "B"


def test_repeated_start_does_not_move() -> None:
    """A clock that is ahead dates it after its arrival, both times alike."""
    state = play([started(0, 9000), event(1, 9060)], now=60)
    assert current(state).started_at == at(60)
    state = play([started(0, 9000)], state, now=100)
    assert current(state).started_at == at(60)
    assert not state.recent


# A session that is over


def test_nothing_flows_after_an_end() -> None:
    """Also where the socket was never heard of."""
    readings = {"power": 7000.0, "current_l1": 30.0, "voltage_l1": 230.0}
    state = play(
        [started(0, 0, charging_state=CHARGING, readings=readings), ended(1, 9)]
    )
    assert state.connector_status is None
    assert state.live("power") == state.current == state.voltage == 0
    assert state.phases_used == 0
