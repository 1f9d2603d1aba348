"""What is shown of a device, and for how long: with a clock of its own."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
import heapq
import itertools

from hypothesis import given, strategies as st

from custom_components.bmw_wallbox_victron.feed import Feed
from custom_components.bmw_wallbox_victron.publish import rule_for
from custom_components.bmw_wallbox_victron.readings import DeviceIdentity, DeviceState

TIMEOUT_S = 300.0
MONITOR = DeviceIdentity(kind="battery_monitor", model_id=0xA389)
EPOCH = datetime(2026, 6, 1, tzinfo=UTC)


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = 0.0
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        self._cancelled: set[int] = set()

    def utcnow(self) -> datetime:
        return EPOCH + timedelta(seconds=self.now)

    def call_later(
        self, delay: float, action: Callable[[], None]
    ) -> Callable[[], None]:
        number = next(self._numbers)
        heapq.heappush(self._timers, (self.now + delay, number, action))
        return lambda: self._cancelled.add(number)

    def run(self, seconds: float) -> None:
        end = self.now + seconds
        while self._timers and self._timers[0][0] <= end:
            self.now, number, action = heapq.heappop(self._timers)
            if number not in self._cancelled:
                action()
        self.now = end

    @property
    def waiting(self) -> int:
        return len({number for _, number, _ in self._timers} - self._cancelled)


class Listener:
    """A feed, its clock, and what it told."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.told: list[tuple[float, DeviceState]] = []
        self.feed = Feed(
            timeout_s=TIMEOUT_S,
            rules_of=lambda _: {"voltage": rule_for("voltage", "V")},
            now=lambda: self.clock.now,
            utcnow=self.clock.utcnow,
            call_later=self.clock.call_later,
            on_news=self._on_news,
        )

    def _on_news(self, shown: bool) -> None:
        if not shown:
            return
        self.told.append((self.clock.now, self.feed.state))

    def hear(self, voltage: float, age_s: float = 0.0) -> None:
        self.feed.hear(MONITOR, {"voltage": voltage}, age_s=age_s, signal_strength=-60)


def test_what_waits_is_shown_without_another_advertisement() -> None:
    """The last of several changes in a second is shown at its end."""
    listener = Listener()
    for voltage in (12.0, 12.5, 13.0):
        listener.hear(voltage)
        listener.clock.run(0.1)
    assert listener.feed.state.values == {"voltage": 12.0}
    listener.clock.run(0.9)
    assert listener.feed.state.values == {"voltage": 13.0}
    assert [now for now, _ in listener.told] == [0.0, 1.0]


def test_what_no_longer_differs_is_not_written() -> None:
    """A change that was taken back within the second writes nothing."""
    listener = Listener()
    for voltage in (12.0, 12.5, 12.0):
        listener.hear(voltage)
        listener.clock.run(0.1)
    listener.clock.run(10)
    assert len(listener.told) == 1


def test_older_ones_do_not_count() -> None:
    """What was heard before the last one does not replace it."""
    listener = Listener()
    listener.clock.run(1000)
    listener.hear(13.0)
    listener.clock.run(5)
    listener.hear(12.0, age_s=6)
    listener.clock.run(5)
    assert listener.feed.state.values == {"voltage": 13.0}
    assert listener.feed.reading == {"voltage": 13.0}


def test_closed() -> None:
    """Nothing is left waiting."""
    listener = Listener()
    listener.hear(12.0)
    listener.hear(13.0)
    assert listener.clock.waiting == 2
    listener.feed.close()
    assert listener.clock.waiting == 0


@given(st.lists(st.tuples(st.floats(0, 400), st.floats(12, 13)), max_size=30))
def test_fresh_exactly_while_it_is_heard(said: list[tuple[float, float]]) -> None:
    """Fresh for the timeout after the last advertisement, and for 2 s more at most."""
    listener = Listener()
    last = None
    for pause, voltage in said:
        for _ in range(8):
            listener.clock.run(pause / 8)
            state = listener.feed.state
            silent_s = float("inf") if last is None else listener.clock.now - last
            if silent_s < TIMEOUT_S:
                assert state.fresh
            if silent_s > TIMEOUT_S + 2:
                assert not state.fresh
                assert state.values == {}
            if state.last_heard is not None and last is not None:
                age_s = (
                    EPOCH + timedelta(seconds=last) - state.last_heard
                ).total_seconds()
                assert -0.001 <= age_s <= 60.001
                assert state.fresh or age_s < 0.001
        listener.hear(voltage)
        last = listener.clock.now
        assert listener.feed.state.fresh
