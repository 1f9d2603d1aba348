"""What is known of a wallbox: sessions in order, late, repeated, lost, interleaved."""

from dataclasses import replace
from datetime import datetime
from typing import Any

from hypothesis import given, strategies as st
import pytest

from custom_components.bmw_wallbox_victron.wallbox.clock import LIVE_TIMEOUT_S, Now
from custom_components.bmw_wallbox_victron.wallbox.energy import RegisterCount
from custom_components.bmw_wallbox_victron.wallbox.identity import Identity
from custom_components.bmw_wallbox_victron.wallbox.meter_values import (
    BeginSample,
    Sample,
)
from custom_components.bmw_wallbox_victron.wallbox.sessions import (
    Ledger,
    session_events,
)
from custom_components.bmw_wallbox_victron.wallbox.state import (
    ChargingState,
    ConnectorStatus,
    EventType,
    Status,
    TransactionEvent,
    WallboxState,
)
from custom_components.bmw_wallbox_victron.wallbox.transitions import (
    connected,
    connector,
    connector_asked,
    disconnected,
    expired,
    heartbeat,
    identified,
    metered,
    transaction_checked,
    transaction_event,
)

from ..kit.wallbox import RULE, STEADY, at, ended, event, now, play, started

CHARGING = ChargingState.CHARGING
PAUSED = ChargingState.SUSPENDED_EVSE
CAR_PAUSED = ChargingState.SUSPENDED_EV
FLOWING = {"power": 7360.0, "current_l1": 32.0, "voltage_l1": 230.0}


def sample(seconds: float, **readings: float) -> Sample:
    return Sample(at=at(seconds), **readings)


def charging_wallbox() -> WallboxState:
    """Give a wallbox that charges with 7.36 kW, with 100 Wh in the session."""
    return play(
        [
            started(0, 0, register=100_000),
            event(1, 60, charging_state=CHARGING, register=100_100, readings=FLOWING),
        ],
        connector(connected(WallboxState()), ConnectorStatus.OCCUPIED, at(0), now(0)),
        now=60,
    )


# Before and between sessions


def test_nothing_is_known_at_first() -> None:
    state = WallboxState()
    assert state.status is Status.DISCONNECTED
    state = connected(state)
    assert state.status is None
    assert state.charging_state is None
    assert state.cable_connected is None
    assert state.energy_total is None
    assert state.energy_session is None
    assert state.live("power") is None
    assert state.current is None
    assert state.voltage is None
    assert state.phases_used is None


@pytest.mark.parametrize(
    ("reported", "status", "charging_state", "cable"),
    [
        ("available", "available", "idle", False),
        ("occupied", "connected", "ev_connected", True),
        ("reserved", "reserved", "idle", False),
        ("unavailable", "unavailable", "idle", None),
        ("faulted", "faulted", "idle", None),
    ],
)
def test_socket(
    reported: str, status: str, charging_state: str, cable: bool | None
) -> None:
    """With no session the socket says how things are."""
    state = connector(
        connected(WallboxState()), ConnectorStatus(reported), at(0), now(0)
    )
    assert state.status == status
    assert state.charging_state == charging_state
    assert state.cable_connected is cable
    assert state.live("power") == 0
    assert state.current == 0
    assert state.voltage == 0
    assert state.phases_used == 0


def test_older_socket_status_is_ignored() -> None:
    state = connector(WallboxState(), ConnectorStatus.OCCUPIED, at(10), now(10))
    assert connector(state, ConnectorStatus.AVAILABLE, at(9), now(9)) == state
    newer = connector(state, ConnectorStatus.AVAILABLE, at(10), now(10))
    assert newer.connector_status is ConnectorStatus.AVAILABLE


def test_socket_status_that_was_asked_for() -> None:
    """It has no timestamp: it counts, and the next report counts too."""
    state = connector_asked(connected(WallboxState()), ConnectorStatus.OCCUPIED, now(0))
    assert state.status is Status.CONNECTED
    state = connector(state, ConnectorStatus.AVAILABLE, at(0), now(0))
    assert state.status is Status.AVAILABLE


def test_identity_is_completed_and_never_forgotten() -> None:
    state = identified(WallboxState(), Identity(vendor="Delta", model="EIAW"))
    state = identified(state, Identity(firmware_version="01.20"))
    assert state.identity == Identity(
        vendor="Delta", model="EIAW", firmware_version="01.20"
    )
    assert state.identity.known()
    assert not Identity(model="EIAW").known()


def test_heartbeat() -> None:
    assert heartbeat(WallboxState(), now(5)).last_heartbeat == at(5)


# A session in order


def test_whole_session() -> None:
    """From the cable's going in to its coming out."""
    state = connector(
        connected(WallboxState()), ConnectorStatus.AVAILABLE, at(0), now(0)
    )
    seen: list[tuple[Any, ...]] = []

    def then(item: TransactionEvent) -> None:
        nonlocal state
        state = transaction_event(state, item, Now(item.at, item.at.timestamp()))
        seen.append(
            (
                state.status,
                state.charging_state,
                state.live("power"),
                state.energy_session,
                state.cable_connected,
            )
        )

    state = connector(state, ConnectorStatus.OCCUPIED, at(1), now(1))
    then(started(0, 1, register=5000, charging_state=ChargingState.EV_CONNECTED))
    then(event(1, 2, charging_state=CHARGING))
    then(event(2, 60, register=5100, readings=FLOWING))
    then(event(3, 70, charging_state=PAUSED, register=5120))
    then(event(4, 90, charging_state=CHARGING, readings=FLOWING))
    then(event(5, 100, charging_state=CAR_PAUSED, register=5150))
    then(
        ended(
            6,
            110,
            register=5150,
            charging_state=ChargingState.IDLE,
            stopped_reason="ev_disconnected",
        )
    )
    assert seen == [
        ("connected", "ev_connected", 0, 0, True),
        ("charging", "charging", None, 0, True),
        ("charging", "charging", 7360, 100, True),
        ("paused", "suspended_evse", 0, 120, True),
        ("charging", "charging", 7360, 120, True),
        ("car_paused", "suspended_ev", 0, 150, True),
        ("connected", "ev_connected", 0, 150, True),
    ]
    state = connector(state, ConnectorStatus.AVAILABLE, at(111), now(111))
    assert state.status is Status.AVAILABLE
    assert state.cable_connected is False
    assert state.energy_total == 5150
    assert state.transaction is not None
    assert state.transaction.started_at == at(1)
    assert state.transaction.ended_at == at(110)
    assert state.transaction.stopped_reason == "ev_disconnected"


def test_live_readings_are_zero_after_the_end() -> None:
    state = play(
        [ended(2, 100, register=100_150, readings=FLOWING)], charging_wallbox()
    )
    assert state.live("power") == 0
    assert state.current == 0
    assert state.voltage == 0
    assert state.phases_used == 0
    assert state.energy_session == 150


def test_live_readings_are_unknown_when_the_wallbox_is_gone() -> None:
    """And stay so when it is back, until it says something. The energy stays."""
    state = disconnected(charging_wallbox())
    assert state.status is Status.DISCONNECTED
    assert state.live("power") is None
    assert state.energy_total == 100_100
    assert connected(state).live("power") is None
    assert connected(state).status is Status.CHARGING


def test_end_without_a_reason() -> None:
    """OCPP's default reason is Local."""
    transaction = play([ended(2, 100)], charging_wallbox()).transaction
    assert transaction is not None
    assert transaction.stopped_reason == "local"


def test_session_that_was_never_seen_to_start() -> None:
    """Its first event that arrives begins it."""
    state = play([event(7, 60, charging_state=CHARGING, register=100_000)])
    assert state.status is Status.CHARGING
    assert state.energy_session == 0
    state = play([event(8, 70, register=100_030)], state)
    assert state.energy_session == 30


def test_session_whose_start_has_no_reading() -> None:
    """It counts from where the register stood."""
    state = metered(WallboxState(), [sample(0, register=100_000)], now(0))
    state = play([started(0, 60), event(1, 120, register=100_070)], state)
    assert state.energy_session == 70


def test_session_whose_start_has_no_reading_after_a_stray_zero() -> None:
    """The register's last reading was a zero, days ago: that is no start."""
    week = 7 * 24 * 3600
    state = metered(WallboxState(), [sample(0, register=2_000_000)], now(0))
    state = metered(state, [sample(10, register=0)], now(10))
    state = play([started(0, week), event(1, week + 60, register=2_000_070)], state)
    assert state.energy_session == 70
    assert state.energy_total == 2_000_070


def test_session_that_starts_with_a_stray_zero() -> None:
    """The register says zero first and the truth after a silence of some hours."""
    state = metered(WallboxState(), [sample(0, register=2_000_000)], now(0))
    state = play(
        [started(0, 60, register=0), event(1, 10 * 3600, register=2_007_000)], state
    )
    assert state.energy_total == 2_007_000
    assert state.energy_session == 7000


def test_what_the_sessions_count_the_total_counts() -> None:
    """A register of the session, read when a session starts and when it ends."""
    state = connected(WallboxState())
    hour = 3600
    for number, energy in enumerate([7000, 7500, 20_000, 22_000]):
        name = f"T{number}"
        begin = number * 24 * hour
        state = play(
            [
                started(0, begin, register=0, transaction_id=name),
                ended(1, begin + 8 * hour, register=energy, transaction_id=name),
            ],
            state,
        )
        assert state.energy_session == energy
    assert state.energy_total == 7000 + 7500 + 20_000 + 22_000


def test_total_never_leaps() -> None:
    """A box that says zero first did not deliver its whole life since."""
    state = connected(WallboxState())
    known: list[float] = []
    for seconds, register in ((0, 0), (10, 1_234_567), (20, 1_234_600)):
        state = metered(state, [sample(seconds, register=register)], now(seconds))
        if state.energy_total is not None:
            known.append(state.energy_total)
    assert known[-1] == 1_234_600
    assert max(known) - min(known) < 1000


# Late, offline, repeated, out of order


def test_late_event_changes_no_reading_and_no_state() -> None:
    state = charging_wallbox()
    late = event(
        0, 30, charging_state=PAUSED, register=100_050, readings={"power": 1.0}
    )
    assert play([late], state, now=61) == state


def test_event_with_a_newer_number_and_an_older_time_is_late() -> None:
    state = play([event(9, 30, charging_state=PAUSED)], charging_wallbox(), now=61)
    assert state.status is Status.CHARGING


def test_number_that_was_passed_is_late() -> None:
    """Also where its time is newer: `seqNo` gives the order."""
    state = play([event(1, 90, charging_state=PAUSED)], charging_wallbox())
    assert state.status is Status.CHARGING


def test_offline_event_counts_and_shows_no_reading() -> None:
    """It happened while nobody listened: its power is not the power now."""
    state = play(
        [event(2, 120, register=100_300, readings={"power": 1.0}, offline=True)],
        charging_wallbox(),
    )
    assert state.live("power") == 7360
    assert state.energy_session == 300
    assert state.energy_total == 100_300


def test_older_meter_values_change_no_reading() -> None:
    state = charging_wallbox()
    state = metered(state, [sample(30, power=1.0, register=100_050)], now(61))
    assert state.live("power") == 7360
    assert state.energy_session == 100


def test_meter_values_of_the_session_before_belong_to_it() -> None:
    """They come late, when the next session runs, and must not make it larger."""
    state = play(
        [
            started(0, 0, register=100_000),
            ended(1, 3600, register=105_000),
            started(0, 7200, register=105_000, transaction_id="B"),
            event(1, 7300, register=105_200, transaction_id="B"),
        ]
    )
    state = metered(state, [sample(1800, register=102_500)], now(7301))
    assert state.energy_session == 200
    assert state.energy_total == 105_200


def test_start_that_arrives_after_the_end() -> None:
    """The session was longer than ten kilowatt-hours, as most are."""
    session = [
        started(0, 0, register=100_000, id_token="card"),
        ended(9, 4 * 3600, register=130_000),
    ]
    state = play(reversed(session))
    assert state.energy_session == 30_000
    transaction = state.transaction
    assert transaction is not None
    assert transaction.started_at == at(0)
    assert transaction.ended_at == at(4 * 3600)
    assert transaction.id_token == "card"


def test_replay_from_before_a_restart_of_the_register() -> None:
    """The box rebooted in mid-session; then an event from after that comes again."""
    session = [
        started(0, 0, register=9000),
        event(1, 60, register=9500),
        event(2, 180, register=0),
        event(3, 240, register=500),
        event(4, 300, register=1000),
    ]
    state = play(session)
    assert state.energy_session == 1500
    assert play([session[3]], state).energy_session == 1500


def test_late_card() -> None:
    """Who charges is part of the session, also where it arrives late."""
    session = [
        started(0, 0),
        event(1, 5, id_token="card"),
        event(2, 60, charging_state=CHARGING),
    ]
    state = play([session[0], session[2], session[1]])
    assert state.transaction is not None
    assert state.transaction.id_token == "card"


def test_late_state_that_no_newer_event_replaced() -> None:
    """Periodic events name no state: the last one that was named holds."""
    session = [
        started(0, 0, charging_state=ChargingState.EV_CONNECTED),
        event(1, 5, charging_state=CHARGING),
        event(2, 60, register=100_000),
    ]
    assert play([session[2], session[0], session[1]]).status is Status.CHARGING


def test_start_with_a_reading_that_comes_last() -> None:
    """The session was heard of by a later event, and its end has no reading before."""
    base = metered(connected(WallboxState()), [sample(-60, register=1000)], now(-60))
    first_heard = [event(8, 480), event(7, 420, register=1060)]
    state = play([*first_heard, started(0, 0, register=1000)], base)
    assert state.energy_session == 60


MOMENT = st.tuples(
    st.integers(60, 7200),
    st.sampled_from([0, 3_600, 21_600]),
    st.sampled_from([None, CHARGING, PAUSED, CAR_PAUSED]),
    st.booleans(),
    st.booleans(),
)


def session(
    moments: list[tuple[int, int, ChargingState | None, bool, bool]],
    *,
    closed: bool,
    base: float = 200_000,
) -> list[TransactionEvent]:
    """Make a session's events in order."""
    events = [started(0, 0, register=base, id_token="card")]
    seconds, register = 0, base
    for number, (passed, watts, state, metering, offline) in enumerate(moments, 1):
        seconds += passed
        register += passed * watts / 3600
        events.append(
            event(
                number,
                seconds,
                charging_state=state,
                register=register if metering else None,
                readings={"power": float(number)} if metering else None,
                offline=offline,
            )
        )
    if closed:
        number = len(events)
        events.append(
            ended(number, seconds + 1, register=register, stopped_reason="remote")
        )
    return events


def view(state: WallboxState) -> dict[str, Any]:
    """Give what can be seen of a wallbox."""
    transaction = state.transaction
    assert transaction is not None
    return {
        "status": state.status,
        "charging_state": state.charging_state,
        "cable": state.cable_connected,
        "power": state.live("power"),
        "session": round(state.energy_session or 0, 3),
        "total": round(state.energy_total or 0, 3),
        "started": transaction.started_at,
        "ended": transaction.ended_at,
        "reason": transaction.stopped_reason,
        "token": transaction.id_token,
        "number": transaction.sequence_number,
        "type": transaction.event_type,
        "trigger": transaction.trigger_reason,
    }


@RULE
@given(st.lists(MOMENT, max_size=8), st.data())
def test_any_order_ends_the_same(
    moments: list[tuple[int, int, ChargingState | None, bool, bool]],
    data: st.DataObject,
) -> None:
    """Shuffled and repeated, a whole session's events end as the ordered ones do."""
    events = session(moments, closed=True)
    base = metered(connected(WallboxState()), [sample(-60, register=200_000)], now(-60))
    shuffled = data.draw(st.permutations(events))
    repeated = data.draw(st.lists(st.sampled_from(events), max_size=5))
    state = play([*shuffled, *repeated], base)
    assert view(state) == view(play(events, base))


@RULE
@given(st.lists(MOMENT, max_size=8), st.booleans(), st.data())
def test_repeats_change_nothing(
    moments: list[tuple[int, int, ChargingState | None, bool, bool]],
    closed: bool,
    data: st.DataObject,
) -> None:
    """What was taken already may come again, in any order, at any time."""
    events = session(moments, closed=closed)
    state = connected(WallboxState())
    for number, item in enumerate(events, 1):
        state = play([item], state)
        again = data.draw(st.lists(st.sampled_from(events[:number]), max_size=3))
        assert view(play(again, state)) == view(state)


@RULE
@given(st.lists(MOMENT, min_size=2, max_size=8), st.data())
def test_events_that_come_late_change_no_state(
    moments: list[tuple[int, int, ChargingState | None, bool, bool]],
    data: st.DataObject,
) -> None:
    """Some of a running session's events arrive after its newest one."""
    events = session(moments, closed=False)
    late = data.draw(st.lists(st.sampled_from(events[1:-1]), unique_by=id))
    in_time = [item for item in events if item not in late]
    newest = event(
        99, 10**5, charging_state=CHARGING, register=300_000, readings=FLOWING
    )
    before = play([*in_time, newest])
    assert view(play(late, before)) == view(before)


# Ends that are not seen


def test_free_socket_ends_a_session_whose_end_was_lost() -> None:
    state = connector(charging_wallbox(), ConnectorStatus.AVAILABLE, at(100), now(100))
    assert state.status is Status.CHARGING
    state = expired(state, now(60 + LIVE_TIMEOUT_S))
    assert state.active is None
    assert state.status is Status.AVAILABLE
    assert state.charging_state is ChargingState.IDLE
    assert state.cable_connected is False
    assert state.live("power") == 0
    assert state.energy_session == 100


def test_newer_event_revives_it() -> None:
    state = connector(charging_wallbox(), ConnectorStatus.AVAILABLE, at(100), now(100))
    state = play([event(2, 101, charging_state=PAUSED)], state)
    assert state.status is Status.PAUSED
    assert state.cable_connected is not None


def test_socket_that_was_free_before_does_not_end_it() -> None:
    state = connector(
        connected(WallboxState()), ConnectorStatus.AVAILABLE, at(0), now(0)
    )
    state = play([started(0, 5, charging_state=CHARGING)], state)
    assert state.status is Status.CHARGING


def test_wallbox_says_that_the_session_is_over() -> None:
    state = transaction_checked(charging_wallbox(), "A", ongoing=False)
    assert state.active is None
    assert state.live("power") == 0
    assert state.status is Status.CONNECTED


def test_its_own_end_still_arrives() -> None:
    """With its true time, reason and energy."""
    state = transaction_checked(charging_wallbox(), "A", ongoing=False)
    state = play(
        [ended(5, 150, register=100_400, stopped_reason="power_loss", offline=True)],
        state,
    )
    assert state.transaction is not None
    assert state.transaction.ended_at == at(150)
    assert state.transaction.stopped_reason == "power_loss"
    assert state.energy_session == 400
    assert state.active is None


@pytest.mark.parametrize(("name", "ongoing"), [("A", True), ("another", False)])
def test_check_that_changes_nothing(name: str, ongoing: bool) -> None:
    state = charging_wallbox()
    assert transaction_checked(state, name, ongoing=ongoing) == state


def test_check_after_the_end_changes_nothing() -> None:
    state = play([ended(2, 100)], charging_wallbox())
    assert transaction_checked(state, "A", ongoing=False) == state


# Several sessions


def test_next_session_takes_over() -> None:
    """The one before never ended, and its readings do not show in the new one."""
    state = play(
        [started(0, 500, register=100_900, transaction_id="B")], charging_wallbox()
    )
    assert state.transaction is not None
    assert state.transaction.id == "B"
    assert state.status is Status.CONNECTED
    assert state.live("power") == 0
    assert state.energy_session == 0
    assert [item.id for item in state.recent] == ["A"]


def test_late_event_completes_the_session_before() -> None:
    running = play(
        [
            started(0, 500, register=100_900, transaction_id="B"),
            event(
                1,
                560,
                charging_state=CHARGING,
                register=101_000,
                readings=FLOWING,
                transaction_id="B",
            ),
        ],
        charging_wallbox(),
    )
    state = play([ended(2, 400, register=100_900, stopped_reason="local")], running)
    assert view(state) == view(running)
    before = state.recent[0]
    assert before.ended_at == at(400)
    assert before.stopped_reason == "local"
    assert before.energy.counted_wh == 900


@RULE
@given(st.data())
def test_two_sessions_interleaved(data: st.DataObject) -> None:
    """One replayed from the queue, one live: each keeps its own; the newer is shown."""
    queue = [
        started(0, 0, register=100_000),
        event(1, 600, charging_state=CHARGING, register=101_000),
        ended(2, 1200, register=102_000),
    ]
    live = [
        started(0, 3000, register=102_000, transaction_id="B"),
        event(
            1,
            3600,
            charging_state=CHARGING,
            register=103_500,
            readings=FLOWING,
            transaction_id="B",
        ),
    ]
    turns = data.draw(st.permutations([True] * len(queue) + [False] * len(live)))
    iterators = {True: iter(queue), False: iter(live)}
    base = metered(connected(WallboxState()), [sample(-60, register=100_000)], now(-60))
    state = play([next(iterators[turn]) for turn in turns], base)
    assert state.transaction is not None
    assert state.transaction.id == "B"
    assert state.status is Status.CHARGING
    assert state.live("power") == 7360
    assert state.energy_session == 1500
    assert [item.energy.counted_wh for item in state.recent] == [2000]
    assert [item.ended_at for item in state.recent] == [at(1200)]
    assert state.energy_total == 103_500


def test_queue_of_a_session_with_a_register_of_its_own() -> None:
    """The register restarts with each session, and the newer one is the larger."""
    live = [
        started(0, 50_000, register=0, transaction_id="B"),
        event(1, 80_000, register=20_000, transaction_id="B"),
    ]
    queue = [started(0, 0, register=0), ended(1, 20_000, register=7000)]
    state = play([*live, *queue])
    assert state.energy_session == 20_000
    assert state.energy_total == 27_000


# Live readings


def test_stale_readings_are_forgotten_while_charging() -> None:
    state = charging_wallbox()
    assert expired(state, now(60 + LIVE_TIMEOUT_S / 2)) == state
    stale = expired(state, now(60 + LIVE_TIMEOUT_S))
    assert stale.live("power") is None
    assert stale.energy_session == 100


def test_readings_of_a_paused_session_do_not_get_stale() -> None:
    """Nothing flows, and nothing needs to be said about it."""
    state = play([event(2, 70, charging_state=PAUSED)], charging_wallbox(), now=70)
    assert state.live("power") == 0
    assert state.live("voltage_l1") == 230
    assert expired(state, now(70 + 2 * LIVE_TIMEOUT_S)).live("power") == 0


def test_readings_add_up_over_messages() -> None:
    """A message that names only some quantities leaves the others as they are."""
    state = metered(charging_wallbox(), [sample(70, power=3680.0)], now(70))
    assert state.live("power") == 3680
    assert state.live("current_l1") == 32
    assert state.meter_heard_at == STEADY + 70


def test_meter_values_outside_a_session_count_for_the_total() -> None:
    state = metered(
        connected(WallboxState()), [sample(0, register=5000, power=7.0)], now(0)
    )
    assert state.energy_total == 5000
    assert state.energy_session is None
    assert state.meter is None


def test_meter_values_count_for_the_running_session() -> None:
    state = metered(charging_wallbox(), [sample(70, register=100_150)], now(70))
    assert state.energy_session == 150
    assert state.energy_total == 100_150


def test_current_prefers_the_phases() -> None:
    """The one without a phase freezes on Delta boxes."""
    state = metered(
        charging_wallbox(),
        [sample(70, current=13.4, current_l1=10.0, current_l2=11.0, current_l3=10.5)],
        now(70),
    )
    assert state.current == 11


def test_current_without_phases() -> None:
    state = play([started(0, 0, charging_state=CHARGING, readings={"current": 9.0})])
    assert state.current == 9


def test_voltage_is_the_mean_of_the_phases() -> None:
    readings = {"voltage_l1": 228.0, "voltage_l3": 232.0}
    state = play([started(0, 0, charging_state=CHARGING, readings=readings)])
    assert state.voltage == 230


def test_phases_used_are_those_that_carry_current() -> None:
    readings = {"current_l1": 16.0, "current_l2": 15.8, "current_l3": 0.2}
    state = play([started(0, 0, charging_state=CHARGING, readings=readings)])
    assert state.phases_used == 2


def test_phases_used_as_the_wallbox_says() -> None:
    state = play([event(2, 70, phases_used=3)], charging_wallbox())
    assert state.phases_used == 3
    state = play([event(3, 80, charging_state=PAUSED)], state)
    assert state.phases_used == 0


def test_phases_used_are_unknown_without_readings() -> None:
    state = play([started(0, 0, charging_state=CHARGING)])
    assert state.phases_used is None


# Restarts of Home Assistant


def test_total_goes_on_from_what_was_stored() -> None:
    """The wallbox rebooted and its register with it, while Home Assistant was down."""
    stored = RegisterCount(counted_wh=900_000, last_wh=800_000, last_at=at(0))
    state = WallboxState(energy=stored)
    state = metered(state, [sample(3600, register=300)], now(3600))
    assert state.energy_total == 900_300


def test_session_goes_on_from_what_was_stored() -> None:
    state = charging_wallbox()
    state = WallboxState(transaction=state.transaction, energy=state.energy)
    state = play([event(2, 3600, register=103_100)], connected(state))
    assert state.status is Status.CHARGING
    assert state.energy_session == 3100


def test_faulted_socket_shows_in_a_session() -> None:
    state = connector(charging_wallbox(), ConnectorStatus.FAULTED, at(100), now(100))
    assert state.status is Status.FAULTED
    assert state.charging_state is CHARGING


def test_remembers_so_many_sessions_and_no_more() -> None:
    """However long it runs, it does not grow."""
    state = connected(WallboxState())
    for number in range(50):
        state = play([started(0, number, transaction_id=str(number))], state)
    assert [item.id for item in state.recent] == [
        str(number) for number in range(48, 40, -1)
    ]
    moment: datetime = state.recent[0].started_at
    assert moment == at(48)
    assert state.recent[0].event_type is EventType.STARTED


# Which readings prove something about the current


def heard_after(seconds: float, **readings: float) -> float | None:
    """Give when the current counts as heard, in s, after one more sample."""
    state = metered(charging_wallbox(), [sample(seconds, **readings)], now(seconds))
    heard_at = state.current_heard_at
    return None if heard_at is None else heard_at - STEADY


def test_reading_of_something_else_is_none_of_the_current() -> None:
    """Energy and voltage alone, as the aligned measurands have it."""
    assert heard_after(90, register=100_200, voltage_l1=231.0, power=7000.0) == 60
    assert heard_after(90, register=100_200, current_l1=31.0) == 90


def test_frozen_current_without_a_phase_proves_nothing() -> None:
    """What the phases say is the current; the other one is not looked at."""
    assert heard_after(90, current=8.0) == 60


def test_the_oldest_of_the_phases_counts() -> None:
    state = metered(charging_wallbox(), [sample(70, current_l2=32.0)], now(70))
    assert state.current_heard_at == STEADY + 60
    both = [sample(80, current_l1=8.0, current_l2=8.0)]
    assert metered(state, both, now(80)).current_heard_at == STEADY + 80


def test_current_is_unheard_before_a_reading_and_after_the_end() -> None:
    silent = play([started(0, 0, charging_state=CHARGING)])
    assert silent.current_heard_at is None
    over = play([ended(2, 100)], charging_wallbox())
    assert over.current_heard_at is None


def test_event_that_says_that_nothing_flows_is_heard_of_the_current() -> None:
    state = play([event(2, 70, charging_state=PAUSED)], charging_wallbox(), now=70)
    assert state.current == 0
    assert state.current_heard_at == STEADY + 70


def test_events_of_the_past_renew_no_reading() -> None:
    """From the queue, marked or not, and a sample that was taken long ago."""
    state = charging_wallbox()
    for number, seconds, offline in ((2, 80, True), (0, 30, False)):
        item = event(number, seconds, readings=FLOWING, offline=offline)
        assert play([item], state, now=90).said_at == state.said_at
    late = [sample(30, current_l1=8.0)]
    assert metered(state, late, now(90)).said_at == state.said_at


# Registers


def test_register_that_falls_to_a_small_value_where_a_session_begins() -> None:
    """After a reboot: nothing has flowed in it, and nothing is made up."""
    state = play([started(0, 0, register=2000), ended(1, 600, register=2192)])
    assert state.energy_total == 2192
    state = play([started(0, 4000, register=1000, transaction_id="B")], state)
    assert state.energy_session == 0
    assert state.energy_total == 2192
    state = play([event(1, 4600, register=1300, transaction_id="B")], state)
    assert state.energy_session == 300
    assert state.energy_total == 2492


def test_register_that_fell_between_two_sessions() -> None:
    """It is read there already, before the next one begins."""
    state = connector(
        connected(WallboxState()), ConnectorStatus.OCCUPIED, at(0), now(0)
    )
    state = play([started(0, 0, register=2000), ended(1, 600, register=2192)], state)
    state = metered(state, [sample(4000, register=1000)], now(4000))
    assert state.energy_total == 2192
    state = play(
        [
            started(0, 4010, register=1000, transaction_id="B"),
            event(1, 4600, register=1300, transaction_id="B"),
        ],
        state,
    )
    assert state.energy_session == 300
    assert state.energy_total == 2492


@pytest.mark.parametrize("first", [0, 40, 1000])
def test_register_that_begins_anew_with_the_session(first: float) -> None:
    state = play([started(0, 0, register=0), ended(1, 600, register=7000)])
    state = play(
        [
            started(0, 4000, register=first, transaction_id="B"),
            event(1, 4600, register=first + 500, transaction_id="B"),
        ],
        state,
    )
    assert state.energy_session == 500
    assert state.energy_total == 7500


def test_begin_beside_the_reading_of_now() -> None:
    """One list has both, at one time: the begin is the first, the other one is live."""
    begin = BeginSample(at=at(600), register=100_000, power=0.0, current_l1=0.0)
    now_ = Sample(at=at(600), register=100_500, power=7000.0, current_l1=30.0)
    first = event(3, 600, charging_state=CHARGING)
    state = play([replace(first, samples=(begin, now_))])
    assert state.live("power") == 7000
    assert state.current == 30
    assert state.energy_total == 100_500
    for number in range(4, 9):
        moment = at(number * 300)
        later = replace(now_, at=moment, register=100_500.0 + number)
        samples = (replace(begin, at=moment), later)
        item = event(number, number * 300)
        state = play([replace(item, samples=samples)], state)
        assert state.energy_total == later.register
        assert state.live("power") == 7000
    assert state.energy_session == 508


def test_begin_in_meter_values() -> None:
    begin = BeginSample(at=at(90), register=100_000, power=0.0)
    state = metered(
        charging_wallbox(), [begin, sample(90, register=100_200, power=1.0)], now(90)
    )
    assert state.live("power") == 1
    assert state.energy_session == 200
    assert state.energy_total == 100_200


def test_session_energy_never_falls() -> None:
    """Zeros, drops and a reading from the moon in the middle of it."""
    shown = 0.0
    state = charging_wallbox()
    registers = [100_200, 0, 100_300, 99_000, 100_400, 9e8, 100_500, 0, 0, 100_600]
    for number, register in enumerate(registers, 2):
        state = play([event(number, 60 * number, register=register)], state)
        assert state.energy_session is not None
        assert state.energy_session >= shown
        shown = state.energy_session
    assert shown == 600


# Phases


def test_phase_without_voltage_is_none() -> None:
    """A single-phase box that reports zeros for the others."""
    readings = {"voltage_l1": 230.0, "voltage_l2": 0.0, "voltage_l3": 0.0}
    state = play([started(0, 0, charging_state=CHARGING, readings=readings)])
    assert state.voltage == 230


def test_stray_voltage_of_a_phase_that_is_not_connected() -> None:
    readings = {"voltage_l1": 231.0, "voltage_l2": 17.0, "voltage_l3": 229.0}
    state = play([started(0, 0, charging_state=CHARGING, readings=readings)])
    assert state.voltage == 230


def test_no_phase_carries_a_voltage() -> None:
    readings = {"voltage_l1": 3.0, "voltage_l2": 0.0}
    state = play([started(0, 0, charging_state=CHARGING, readings=readings)])
    assert state.voltage == 3


# A free socket in the middle of a session


def available(state: WallboxState, seconds: float) -> WallboxState:
    return connector(state, ConnectorStatus.AVAILABLE, at(seconds), now(seconds))


def test_free_socket_ends_no_session_that_goes_on() -> None:
    """Neither one that charges, told by events or by readings, nor one that pauses."""
    for kind in range(3):
        state = charging_wallbox()
        for turn in range(1, 20):
            before = state
            seconds = 60 + 60 * turn
            state = expired(available(state, seconds), now(seconds))
            if kind == 0:
                state = play([event(turn + 1, seconds)], state, now=seconds)
            elif kind == 1:
                state = metered(state, [sample(seconds, power=7000.0)], now(seconds))
            else:
                pause = event(turn + 1, seconds, charging_state=PAUSED)
                state = play([pause], state, now=seconds)
            assert state.active is not None
            assert "ended" not in [item.type for item in session_events(before, state)]


def test_free_socket_ends_a_session_that_was_silent_for_long() -> None:
    """At once: nothing was heard of it for two minutes when the socket became free."""
    state = available(disconnected(charging_wallbox()), 60 + LIVE_TIMEOUT_S)
    assert state.active is None


def test_reading_of_zero_is_no_sign_of_life() -> None:
    """A wallbox gives it for an empty socket too."""
    state = available(charging_wallbox(), 70)
    for seconds in range(80, 200, 10):
        zero = sample(seconds, power=0.0, current_l1=0.0, register=100_100)
        state = expired(metered(state, [zero], now(seconds)), now(seconds))
    assert state.active is None


@pytest.mark.parametrize("by_event", [True, False])
def test_session_that_was_taken_for_ended_goes_on_as_the_same(by_event: bool) -> None:
    """It is told to have ended, and to be resumed; the ledger has it once."""
    ledger, told = Ledger(), list[str]()
    state = charging_wallbox()

    def then(after: WallboxState) -> None:
        nonlocal state
        told.extend(item.type.value for item in session_events(state, after))
        state = after
        ledger.record(state)

    then(available(state, 70))
    then(expired(state, now(60 + LIVE_TIMEOUT_S)))
    if by_event:
        then(play([event(2, 300, register=100_300)], state, now=300))
    else:
        reading = sample(300, power=7000.0, register=100_300)
        then(metered(state, [reading], now(300)))
    assert state.status is Status.CHARGING
    assert state.energy_session == 300
    then(play([ended(3, 400, register=100_400)], state, now=400))
    assert told == ["ended", "resumed", "ended"]
    (session_,) = ledger.sessions
    assert session_.energy_wh == 400
    assert session_.end == at(400)


def test_wallbox_that_says_it_is_over_is_not_contradicted_by_a_reading() -> None:
    """What flows then is of a session that was not heard of."""
    state = transaction_checked(charging_wallbox(), "A", ongoing=False)
    state = metered(state, [sample(90, power=7000.0)], now(90))
    assert state.active is None
