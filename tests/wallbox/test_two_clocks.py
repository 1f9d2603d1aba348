"""Both clocks are set at any moment: what is live, and what is counted, stays right."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from hypothesis import given, strategies as st
import pytest

from custom_components.bmw_wallbox_victron.wallbox.clock import Now
from custom_components.bmw_wallbox_victron.wallbox.meter_values import Sample
from custom_components.bmw_wallbox_victron.wallbox.sessions import Ledger
from custom_components.bmw_wallbox_victron.wallbox.state import (
    ChargingState,
    ConnectorStatus,
    EventType,
    TransactionEvent,
    WallboxState,
)
from custom_components.bmw_wallbox_victron.wallbox.transitions import (
    connected,
    connector,
    disconnected,
    expired,
    metered,
    transaction_event,
)

from ..kit.wallbox import RULE, START

#: What has to be right again after a clock was set, and how often the box speaks, in s.
RIGHT_AGAIN, INTERVAL = 30, 10
HOUR, YEAR = 3600.0, 365 * 86400.0
REGISTER = 1_234_567.0
CHARGING = ChargingState.CHARGING

type Message = Callable[[WallboxState, Now], WallboxState]


@dataclass(kw_only=True)
class World:
    """A wallbox, its clock, ours, and what is known of it; time is in s."""

    seconds: float = 0.0
    wall_ahead: float = 0.0
    box_ahead: float = 0.0
    register: float = REGISTER
    watts: float = 0.0
    name: int = 0
    number: int = 0
    charging: ChargingState | None = None
    online: bool = True
    marks: bool = True
    """Whether what comes from the queue is marked as such."""
    queue: list[TransactionEvent] = field(default_factory=list)
    state: WallboxState = field(default_factory=lambda: connected(WallboxState()))
    ledger: Ledger = field(default_factory=Ledger)
    ended: int = 0
    turn: int = 0
    clock_set_at: float = -1000.0
    """When a clock was set last, or the session or the connection began or ended."""
    told: float = 0.0
    """The highest total that was shown."""

    # Time

    @property
    def now(self) -> Now:
        """The time by our clocks."""
        wall = START + timedelta(seconds=self.seconds + self.wall_ahead)
        return Now(wall, 777.0 + self.seconds)

    @property
    def box_time(self) -> datetime:
        """The time by the wallbox's clock."""
        return START + timedelta(seconds=self.seconds + self.box_ahead)

    def set_wall(self, ahead: float) -> None:
        """Set our clock."""
        self.wall_ahead = ahead

    def set_box(self, ahead: float) -> None:
        """Set the wallbox's clock."""
        if ahead != self.box_ahead:
            self.box_ahead, self.clock_set_at = ahead, self.seconds

    def pass_time(self, seconds: int) -> None:
        """Let it pass; the wallbox speaks, and we look at the time, every 10 s."""
        for _ in range(seconds):
            self.seconds += 1
            if self.charging is CHARGING:
                self.register += self.watts / 3600
            if self.seconds % INTERVAL == 0:
                self.speak()
                self.take(expired)
                self.check()

    # What the wallbox does

    def sample(self) -> Sample:
        """Read its meter."""
        amps = self.watts / 230 if self.charging is CHARGING else 0.0
        return Sample(
            at=self.box_time,
            register=self.register,
            power=amps * 230,
            current_l1=amps,
            voltage_l1=230.0,
        )

    def speak(self) -> None:
        """Send readings, one way or the other."""
        self.turn += 1
        if self.charging is None:
            return
        if self.turn % 3:
            self.event(EventType.UPDATED)
        elif self.online:
            samples = [self.sample()]
            self.take(lambda state, now: metered(state, samples, now))

    def event(self, kind: EventType, **rest: Any) -> None:
        """Send a TransactionEvent, or put it in the queue."""
        event = TransactionEvent(
            transaction_id=f"T{self.name}",
            event_type=kind,
            at=self.box_time,
            sequence_number=self.number,
            trigger_reason="any",
            offline=not self.online and self.marks,
            samples=(self.sample(),),
            **rest,
        )
        self.number += 1
        if self.online:
            self.send(event)
        else:
            self.queue.append(event)

    def send(self, event: TransactionEvent) -> None:
        """Send one, and again, for its answer is lost now and then."""
        for _ in range(1 + event.sequence_number % 2):
            self.take(lambda state, now: transaction_event(state, event, now))

    def status(self, status: ConnectorStatus) -> None:
        """Report the status of the connector."""
        if self.online:
            at = self.box_time
            self.take(lambda state, now: connector(state, status, at, now))

    def plug(self, watts: float) -> None:
        """Begin a session, or go on with it."""
        if self.charging is None:
            self.name, self.number, self.watts = self.name + 1, 0, watts
            self.charging = CHARGING
            self.status(ConnectorStatus.OCCUPIED)
            self.event(EventType.STARTED, charging_state=CHARGING)
            self.clock_set_at = self.seconds
        elif self.charging is not CHARGING:
            self.charge(CHARGING)
        else:
            self.watts = watts

    def charge(self, state: ChargingState) -> None:
        """Pause or resume."""
        if self.charging not in (None, state):
            self.charging = state
            self.event(EventType.UPDATED, charging_state=state)

    def unplug(self) -> None:
        """End the session."""
        if self.charging is not None:
            self.event(EventType.ENDED, stopped_reason="ev_disconnected")
            self.charging, self.ended = None, self.ended + 1
            self.status(ConnectorStatus.AVAILABLE)
            self.clock_set_at = self.seconds

    def lose(self) -> None:
        """Lose the connection."""
        if self.online:
            self.online = False
            self.take(lambda state, _: disconnected(state))

    def come_back(self) -> None:
        """Connect again and send what waited."""
        if not self.online:
            self.online = True
            self.take(lambda state, _: connected(state))
            queue, self.queue = self.queue, []
            for event in queue:
                self.send(event)
            self.clock_set_at = self.seconds

    # What is known of it

    def take(self, message: Message) -> None:
        """Hand over a message; what is counted never falls."""
        before = self.state
        self.state = message(before, self.now)
        total = self.state.energy_total or 0.0
        assert total >= self.told
        self.told = total
        was, now = before.transaction, self.state.transaction
        if was is not None and now is not None and was.key == now.key:
            assert now.energy.counted_wh >= was.energy.counted_wh
        self.ledger.record(self.state)

    def check(self) -> None:
        """Check what is live: right, or not there; and there again after a while."""
        if not self.online or self.seconds - self.clock_set_at < RIGHT_AGAIN:
            return
        if self.charging is None:
            assert self.state.active is None
            assert self.state.live("power") in (0, None)
            return
        assert self.state.charging_state is self.charging
        sample = self.sample()
        assert self.state.live("power") == pytest.approx(sample.power)
        assert self.state.current == pytest.approx(sample.current_l1)
        active = self.state.active
        assert active is not None
        assert active.id == f"T{self.name}"
        heard_at = self.state.current_heard_at
        assert heard_at is not None
        assert self.now.steady - heard_at < INTERVAL
        assert self.state.energy_total == pytest.approx(self.register, abs=1)

    def finish(self) -> None:
        """Let things come to rest: everything that flowed was counted once."""
        self.come_back()
        self.pass_time(40)
        self.plug(1000.0)
        self.pass_time(40)
        self.unplug()
        self.pass_time(40)
        assert self.told == pytest.approx(self.register, abs=1)
        assert len(self.ledger.sessions) == self.ended
        for session in self.ledger.sessions:
            assert session.end >= session.start


#: How far a clock is set: a little, a time zone, to before or after all.
AHEAD = st.one_of(
    st.integers(-150, 150).map(float),
    st.sampled_from([0.0, -2 * HOUR, 2 * HOUR, -72 * HOUR, -57 * YEAR, 73 * YEAR]),
)
WAIT = st.tuples(st.just("pass_time"), st.integers(1, 60))
CLOCKS = st.tuples(st.sampled_from(["set_wall", "set_box"]), AHEAD)
CAR = st.one_of(
    st.tuples(st.just("plug"), st.sampled_from([1400.0, 7400.0, 22_000.0])),
    st.tuples(
        st.just("charge"),
        st.sampled_from([CHARGING, ChargingState.SUSPENDED_EVSE]),
    ),
    st.tuples(st.just("unplug")),
)
OUTAGE = st.sampled_from([("lose",), ("come_back",)])


def play(steps: list[tuple[Any, ...]], *, marks: bool = True) -> World:
    """Do these in order, with time between them."""
    world = World(marks=marks)
    world.plug(3600.0)
    for name, *arguments in steps:
        getattr(world, name)(*arguments)
    world.finish()
    return world


@RULE
@given(st.lists(st.one_of(WAIT, WAIT, CLOCKS, CAR), max_size=25))
def test_clocks_are_set_while_it_is_connected(steps: list[tuple[Any, ...]]) -> None:
    play(steps)


@RULE
@given(st.lists(st.one_of(WAIT, WAIT, CLOCKS, CAR, OUTAGE), max_size=25))
def test_clocks_are_set_while_it_is_away(steps: list[tuple[Any, ...]]) -> None:
    play(steps)


@RULE
@given(
    st.lists(
        st.one_of(WAIT, WAIT, CAR, OUTAGE, st.tuples(st.just("set_wall"), AHEAD)),
        max_size=25,
    )
)
def test_queue_without_marks(steps: list[tuple[Any, ...]]) -> None:
    """Our clock alone is set; what the queue holds is told by its age alone."""
    play(steps, marks=False)


def test_both_clocks_ahead_and_corrected_in_a_session() -> None:
    """In either order; and our own again."""
    for order in (("set_wall", "set_box"), ("set_box", "set_wall")):
        steps: list[tuple[Any, ...]] = [
            ("unplug",),
            ("set_wall", 2 * HOUR),
            ("set_box", 2 * HOUR),
            ("pass_time", 60),
            ("plug", 2300.0),
            ("pass_time", 300),
        ]
        for name in order:
            steps += [(name, 0.0), ("pass_time", 60)]
        world = play([*steps, ("charge", ChargingState.SUSPENDED_EVSE)])
        assert world.ended == 2


@pytest.mark.parametrize("back", [20, 110, 2 * HOUR, 57 * YEAR])
def test_clock_set_back_between_two_sessions(back: float) -> None:
    """The new one is shown at once, and its energy counts once."""
    world = World()
    world.plug(7200.0)
    world.pass_time(300)
    world.unplug()
    world.pass_time(5)
    world.set_box(-back)
    world.plug(7200.0)
    for _ in range(15):
        assert world.state.active is not None
        assert world.state.active.id == "T2"
        assert world.state.live("power") == pytest.approx(7200)
        assert world.state.energy_total == pytest.approx(world.register, abs=20)
        world.pass_time(10)
    assert world.state.energy_session == pytest.approx(
        2 * (world.seconds - 305), abs=20
    )
    world.finish()


@pytest.mark.parametrize("ahead", [-57 * YEAR, 73 * YEAR])
def test_clock_jumps_in_a_session_and_back(ahead: float) -> None:
    """Shown is when it began as our clock had it, and how long it lasted."""
    world = World()
    world.plug(7200.0)
    world.pass_time(60)
    world.set_box(ahead)
    world.pass_time(60)
    world.set_box(0)
    world.pass_time(60)
    world.unplug()
    (session,) = world.ledger.sessions
    assert session.start == START
    assert session.duration == timedelta(seconds=180)
    assert session.energy_wh == pytest.approx(360, abs=1)


def test_clock_that_stands() -> None:
    """It says the same for ever, from the middle of a session on."""
    world = World()
    world.plug(7200.0)
    world.pass_time(60)
    stands = -HOUR
    for _ in range(40):
        world.box_ahead = stands - world.seconds
        world.seconds += 10
        world.register += 20
        world.box_ahead -= 10
        world.speak()
        world.take(expired)
    assert world.state.live("power") == pytest.approx(7200)
    assert world.state.energy_total == pytest.approx(world.register, abs=1)
