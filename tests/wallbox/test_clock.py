"""What is live and what is of the past, by a clock that may be wrong or set."""

from datetime import UTC, datetime, timedelta

import pytest

from custom_components.bmw_wallbox_victron.wallbox.clock import (
    EARLIEST,
    LIVE_TIMEOUT_S,
    DeviceClock,
    moved_back,
)
from custom_components.bmw_wallbox_victron.wallbox.energy import RegisterCount
from custom_components.bmw_wallbox_victron.wallbox.meter_values import Sample
from custom_components.bmw_wallbox_victron.wallbox.state import (
    ChargingState,
    ConnectorStatus,
    Status,
    WallboxState,
)
from custom_components.bmw_wallbox_victron.wallbox.transitions import (
    connected,
    connector,
    disconnected,
    expired,
    metered,
    transaction_checked,
)

from ..kit.wallbox import START, STEADY, at, ended, event, now as moment, play, started

CHARGING = ChargingState.CHARGING
CAR_PAUSED = ChargingState.SUSPENDED_EV
HOUR = 3600
FULL = {"power": 7360.0, "current_l1": 32.0}


def charging(offset: float = 0) -> WallboxState:
    """Give a wallbox that charges at 0 s; its clock is off by so many seconds."""
    return play(
        [
            started(0, offset, charging_state=CHARGING, register=100_000),
            event(1, offset, readings=FULL),
        ],
        now=0,
    )


def meter_values(
    state: WallboxState, stamp: float, now: float, **readings: float
) -> WallboxState:
    return metered(state, [Sample(at=at(stamp), **readings)], moment(now))


# Replays


def test_old_meter_values_are_not_live() -> None:
    """They come from the queue, five hours later, and have no mark of it."""
    state = connected(disconnected(charging()))
    state = meter_values(state, 10, 5 * HOUR, power=7360.0, register=100_020)
    assert state.live("power") is None
    assert state.energy_session == 20
    assert state.awaits_reading
    state = meter_values(state, 5 * HOUR, 5 * HOUR, power=1400.0)
    assert state.live("power") == 1400


def test_old_event_without_its_mark_is_not_live() -> None:
    state = connected(disconnected(charging()))
    queue = [event(2, 10, readings={"power": 9999.0}, register=100_020)]
    state = play(queue, state, now=HOUR)
    assert state.live("power") is None
    assert state.energy_session == 20


def test_meter_values_from_before_the_newest_event_are_not_live() -> None:
    state = play([event(2, 20, charging_state=CAR_PAUSED)], charging(), now=20)
    state = play([event(3, 40, charging_state=CHARGING)], state, now=40)
    state = meter_values(state, 30, 41, power=1.0)
    assert state.live("power") is None
    assert meter_values(state, 40, 41, power=7.0).live("power") == 7


def test_whole_seconds_of_the_meter() -> None:
    """An event has milliseconds, the sample just after it none."""
    state = play([event(2, 20.7, charging_state=CHARGING)], charging(), now=21)
    state = disconnected(state)
    assert meter_values(state, 20, 21, power=7.0).live("power") == 7


def test_old_reading_after_a_restart_of_ours() -> None:
    """The clock went on at least from the last reading that was stored."""
    before = charging()
    state = connected(
        WallboxState(transaction=before.transaction, energy=before.energy)
    )
    state = play([event(2, HOUR, register=100_300)], state, now=HOUR)
    stored = WallboxState(transaction=state.transaction, energy=state.energy)
    state = meter_values(connected(stored), 60, HOUR + 60, power=7360.0)
    assert state.live("power") is None


# A wrong clock


@pytest.mark.parametrize("offset", [-10 * HOUR, -300, 0])
def test_clock_that_is_behind_for_good(offset: float) -> None:
    """Live is live: only the difference counts."""
    state = charging(offset)
    assert state.live("power") == 7360
    for seconds in range(10, 600, 10):
        power = float(seconds)
        state = meter_values(state, offset + seconds, seconds, power=power)
        assert state.live("power") == power
    state = meter_values(state, offset + 60, 600, power=1.0)
    assert state.live("power") == 590


def test_clock_that_is_set_back() -> None:
    """For two minutes all may be a replay; then it is the clock."""
    state = charging()
    for seconds in range(10, 140, 10):
        stamp = seconds - HOUR
        state = meter_values(state, stamp, seconds, power=float(seconds), register=9e5)
    assert state.live("power") == 130
    state = play([event(2, 140 - HOUR, charging_state=CAR_PAUSED)], state, now=140)
    assert state.status is Status.CAR_PAUSED


def test_energy_goes_on_when_the_clock_was_set_back() -> None:
    state = charging()
    for seconds in range(10, 200, 10):
        register = 100_000.0 + seconds
        state = meter_values(state, seconds - HOUR, seconds, register=register)
    assert state.energy_session == 190
    assert state.energy_total == 100_190


def test_long_replay_between_live_messages_sets_no_clock_back() -> None:
    state = charging()
    for seconds in range(10, 600, 10):
        state = meter_values(state, seconds, seconds, power=7000.0)
        state = meter_values(state, seconds - HOUR, seconds, power=1.0)
        assert state.live("power") == 7000


def test_connection_lost_in_a_replay() -> None:
    """The suspicion does not outlive the connection."""
    state = meter_values(charging(), -HOUR, 10, power=1.0)
    assert state.clock.behind_since == STEADY + 10
    state = connected(disconnected(state))
    state = meter_values(state, -HOUR, HOUR, power=1.0)
    assert state.live("power") is None


def test_first_time_heard() -> None:
    assert not DeviceClock().is_past(at(-HOUR), moment(0))
    clock, back_s = DeviceClock().hears(at(-HOUR), moment(0))
    assert back_s == 0
    assert not clock.is_past(at(-HOUR), moment(60))
    assert clock.is_past(at(-HOUR), moment(LIVE_TIMEOUT_S))


# An end, and a socket, of a clock that was set back


def test_end_with_an_older_timestamp() -> None:
    """`seqNo` says that it is the end; so the clock was set back."""
    state = connector(charging(), ConnectorStatus.OCCUPIED, at(0), moment(0))
    end = ended(2, -HOUR, register=100_700, stopped_reason="ev_disconnected")
    state = play([end], state, now=700)
    assert state.active is None
    assert state.transaction is not None
    assert state.transaction.ended_at == at(-HOUR)
    assert state.transaction.stopped_reason == "ev_disconnected"
    assert state.energy_session == 700
    assert state.energy_total == 100_700
    state = connector(state, ConnectorStatus.AVAILABLE, at(1 - HOUR), moment(1 - HOUR))
    assert state.status is Status.AVAILABLE
    following = started(0, 2 - HOUR, register=100_700, transaction_id="B")
    state = play([following], state, now=702)
    assert state.transaction is not None
    assert state.transaction.id == "B"
    assert state.energy_total == 100_700


def test_older_end_of_a_session_before() -> None:
    """It completes that one and touches nothing else."""
    running = play([started(0, 60, transaction_id="B")], charging(), now=60)
    state = play([ended(2, -HOUR, offline=True)], running, now=60)
    assert [item.ended_at for item in state.recent] == [at(-HOUR)]
    assert state.transaction == running.transaction


def test_end_with_a_number_that_was_passed() -> None:
    """That one is late, whatever it says."""
    assert play([ended(1, -HOUR)], charging(), now=5).status is Status.CHARGING


def test_socket_of_a_clock_that_was_set_back() -> None:
    """One old report may be a replay; another one, minutes later, is not."""
    state = connector(
        connected(WallboxState()), ConnectorStatus.OCCUPIED, at(0), moment(0)
    )
    for seconds in (60, 70):
        assert state.status is Status.CONNECTED
        stamp = at(seconds - HOUR)
        state = connector(state, ConnectorStatus.AVAILABLE, stamp, moment(seconds))
    assert state.status is Status.AVAILABLE


def test_setting_a_count_back() -> None:
    """What is not known stays so; the rest is as long ago as it was."""
    hour = timedelta(seconds=HOUR)
    assert RegisterCount().set_back(hour) == RegisterCount()
    count = RegisterCount(first_at=at(-5), last_at=at(5), before_at=at(4))
    assert count.set_back(hour) == RegisterCount(
        first_at=at(-5 - HOUR), last_at=at(5 - HOUR), before_at=at(4 - HOUR)
    )


def test_clocks_of_any_year() -> None:
    """However often a clock is set back by centuries, no sum leaves the calendar."""
    moved = START
    for _ in range(50):
        moved = moved_back(moved, timedelta(days=84_000))
    assert moved == EARLIEST


# How long a reading is live


def test_each_reading_has_its_own_age() -> None:
    """Later samples carry only the power and the current without a phase."""
    state = charging()
    for seconds in range(10, 130, 10):
        state = expired(state, moment(seconds))
        state = meter_values(state, seconds, seconds, power=1400.0, current=6.0)
        assert state.current == (32 if seconds < 120 else 6)
    assert state.phases_used is None
    assert state.live("power") == 1400


def test_zeros_do_not_outlive_a_pause() -> None:
    """The first sample after it has no phases."""
    state = play([event(2, 10, charging_state=CAR_PAUSED)], charging(), now=10)
    assert state.current == 0
    resumed = event(
        3, 20, charging_state=CHARGING, readings={"power": 1400.0, "current": 6.0}
    )
    state = play([resumed], state, now=20)
    assert state.current == 6
    assert state.live("current_l1") is None


def test_zeros_do_not_outlive_a_pause_that_a_late_event_ends() -> None:
    state = play([event(2, 10, charging_state=CAR_PAUSED)], charging(), now=10)
    state = play([event(5, 30)], state, now=30)
    state = play([event(4, 20, charging_state=CHARGING)], state, now=30)
    assert state.status is Status.CHARGING
    assert state.live("power") is None


def test_a_pause_that_a_late_event_tells_of() -> None:
    """The car draws nothing any more, though the newest event did not say so."""
    state = play([event(5, 30)], charging(), now=30)
    state = play([event(4, 20, charging_state=CAR_PAUSED)], state, now=30)
    assert state.status is Status.CAR_PAUSED
    assert state.live("power") == 0


@pytest.mark.parametrize("asked", [True, False])
def test_readings_of_an_abandoned_session_do_not_come_back_with_it(asked: bool) -> None:
    state = charging()
    if asked:
        state = transaction_checked(state, "A", ongoing=False)
    else:
        state = connector(state, ConnectorStatus.AVAILABLE, at(50), moment(50))
        state = expired(state, moment(LIVE_TIMEOUT_S))
    assert state.live("power") == 0
    state = play([event(2, HOUR)], state, now=HOUR)
    assert state.status is Status.CHARGING
    assert state.live("power") is None


def test_reading_renewed_in_time() -> None:
    state = charging()
    half = LIVE_TIMEOUT_S / 2
    state = metered(state, [Sample(at=at(half), **FULL)], moment(half))
    assert expired(state, moment(LIVE_TIMEOUT_S)) == state
    assert expired(state, moment(half + LIVE_TIMEOUT_S)).meter is None


def test_clock_that_was_never_set_agrees_with_none() -> None:
    """It is put in order by when its messages come, and shows what it shows."""
    state = connected(WallboxState())
    for seconds in (0, 10):
        stamp = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
        samples = [Sample(at=stamp, **FULL)]
        state = metered(state, samples, moment(seconds))
        assert state.clock.shows(moment(seconds)) == stamp
        assert not state.observed(moment(seconds)).clocks_agree
        assert state.clock.expected(moment(seconds)) == at(seconds)
    state = meter_values(state, 20, 20, power=1.0)
    assert state.observed(moment(20)).clocks_agree
