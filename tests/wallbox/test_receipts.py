"""The receipts of a wallbox's sessions, whatever order its readings come in."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
import time
from zoneinfo import ZoneInfo

from hypothesis import given, settings, strategies as st
import pytest

from custom_components.bmw_wallbox_victron.charging.prices import Prices, PriceSlot
from custom_components.bmw_wallbox_victron.charging.receipt import Receipt, Tariff
from custom_components.bmw_wallbox_victron.storage import as_stored
from custom_components.bmw_wallbox_victron.wallbox.clock import Now
from custom_components.bmw_wallbox_victron.wallbox.meter_values import Sample
from custom_components.bmw_wallbox_victron.wallbox.receipts import Receipts
from custom_components.bmw_wallbox_victron.wallbox.sessions import Ledger
from custom_components.bmw_wallbox_victron.wallbox.state import (
    ChargingState,
    Transaction,
    TransactionEvent,
    WallboxState,
)
from custom_components.bmw_wallbox_victron.wallbox.transitions import (
    connected,
    metered,
    transaction_event,
)

from ..kit.wallbox import RULE, START, at, ended, event, now, started

BERLIN = ZoneInfo("Europe/Berlin")
#: In s after the start: that evening, and those before summer time begins and ends.
EVENINGS = [
    (datetime(2026, month, day, 21, tzinfo=BERLIN) - START).total_seconds()
    for month, day in ((3, 2), (3, 28), (10, 24))
]
QUARTER_S = 900


def hourly(evening: float) -> Prices:
    """Make other prices for each quarter of an hour of two days from an evening on."""
    return tuple(
        PriceSlot(
            start=at(second).astimezone(BERLIN),
            end=at(second + QUARTER_S).astimezone(BERLIN),
            price=round(0.3 + 0.25 * ((index * 7) % 11 - 5) / 5, 4),
        )
        for index in range(192)
        for second in [evening + index * QUARTER_S]
    )


@dataclass
class Box:
    """A wallbox as its station knows it."""

    receipts: Receipts = field(default_factory=Receipts)
    state: WallboxState = field(default_factory=lambda: connected(WallboxState()))
    ledger: Ledger = field(default_factory=Ledger)

    def hear(self, item: TransactionEvent, moment: Now) -> None:
        """Take a message as a station does."""
        self._take(transaction_event(self.state, item, moment), moment)

    def read(self, sample: Sample, moment: Now) -> None:
        """Take a reading of its meter."""
        self._take(metered(self.state, [sample], moment), moment)

    def price(self, tariff: Tariff, moment: Now) -> None:
        """Learn of prices."""
        self.receipts.set_tariff(tariff)
        self._take(self.state, moment)

    def _take(self, state: WallboxState, moment: Now) -> None:
        self.state = self.receipts.account(state, moment)
        self.ledger.record(self.state)
        for item in self.remembered:
            receipt = item.receipt
            assert receipt.energy_wh == pytest.approx(item.energy.counted_wh, abs=0.01)
            parts = receipt.grid_wh + receipt.solar_wh
            assert parts == pytest.approx(receipt.energy_wh, abs=0.01)
            assert min(receipt.grid_wh, receipt.solar_wh) >= 0

    @property
    def remembered(self) -> list[Transaction]:
        """List its sessions."""
        everything = (self.state.transaction, *self.state.recent)
        return [item for item in everything if item is not None]

    def restart(self) -> None:
        """Start Home Assistant again: what was stored is all that there is."""
        state = WallboxState(
            energy=self.state.energy,
            transaction=self.state.transaction,
            recent=self.state.recent,
        )
        tariff, self.receipts = self.receipts.tariff, Receipts()
        self.receipts.tariff = tariff
        self.state = connected(state)


def cost_of(readings: Iterable[tuple[float, float]], prices: Prices) -> float:
    """Return what energy cost, second by second, that is even between two readings."""
    by_quarter = {round(slot.start.timestamp()): slot.price for slot in prices}
    cost, last = 0.0, None
    for seconds, wh in sorted(readings):
        if last is not None and seconds > last[0]:
            each = (wh - last[1]) / (seconds - last[0]) / 1000
            for second in range(round(last[0]), round(seconds)):
                moment = round(START.timestamp()) + second
                cost += each * by_quarter[moment // QUARTER_S * QUARTER_S]
        last = seconds, wh
    return cost


#: A step within a session: seconds and W.
STEP = st.tuples(
    st.one_of(st.integers(10, 60), st.integers(10, 4000)), st.integers(0, 22_000)
)
SESSIONS = st.lists(
    st.tuples(st.integers(60, 7200), st.lists(STEP, min_size=1, max_size=8)),
    min_size=1,
    max_size=3,
)


@settings(RULE, max_examples=500)
@given(st.sampled_from(EVENINGS), SESSIONS, st.booleans(), st.booleans(), st.data())
def test_exact_over_outages(
    evening: float,
    sessions: list[tuple[int, list[tuple[int, int]]]],
    in_order: bool,
    restarts: bool,
    data: st.DataObject,
) -> None:
    """Each cost is right to the cent, also of what the wallbox tells hours later.

    Its queue comes before or among what is live, and answers to it are lost.
    """
    events: list[TransactionEvent] = []
    readings: dict[str, list[tuple[float, float]]] = {}
    seconds, register = evening, 5_000_000.0
    for number, (pause, taken) in enumerate(sessions):
        name = f"T{number}"
        seconds += pause
        events.append(started(0, seconds, register=register, transaction_id=name))
        own = readings[name] = [(seconds, register)]
        for step, (passed, watts) in enumerate(taken, 1):
            seconds += passed
            register += passed * watts / 3600
            own.append((seconds, register))
            last = step == len(taken)
            events.append(
                (ended if last else event)(
                    step, seconds, register=register, transaction_id=name
                )
            )
    gone = data.draw(st.integers(1, len(events)), "connection lost before")
    back = data.draw(st.integers(gone, len(events)), "and back before")
    queue = [replace(item, offline=True) for item in events[gone:back]]
    live = events[back:]
    turns = [0] * len(queue) + [1] * len(live)
    if not in_order:
        turns = data.draw(st.permutations(turns), "turns")
    prices = hourly(evening)
    box, sources = Box(), (iter(queue), iter(live))
    box.price(Tariff(prices=prices), now(evening))
    moment = now(evening)
    for item in [*events[:gone], *(next(sources[turn]) for turn in turns)]:
        if restarts and in_order and queue[:1] == [item]:
            box.restart()
        arrived = item.at if not item.offline else max(events[back - 1].at, moment.wall)
        moment = now((max(arrived, moment.wall) - START).total_seconds() + 0.25)
        box.hear(item, moment)
        if data.draw(st.booleans(), "its answer is lost"):
            box.hear(item, moment)
    assert {item.id for item in box.remembered} == readings.keys()
    for session in box.remembered:
        own = readings[session.id]
        receipt = session.receipt
        assert receipt.energy_wh == pytest.approx(own[-1][1] - own[0][1], abs=0.1)
        assert receipt.unpriced_wh == 0
        assert receipt.cost == pytest.approx(cost_of(own, prices), abs=0.005)
    # The sessions add up to the register.
    accounted = sum(session.receipt.energy_wh for session in box.remembered)
    assert box.state.energy.counted_wh - 5_000_000 == pytest.approx(accounted, abs=0.5)
    in_ledger = {line.transaction_id: line.receipt for line in box.ledger.sessions}
    assert in_ledger == {item.id: item.receipt.totals for item in box.remembered}


@RULE
@given(
    st.lists(
        st.tuples(
            st.integers(10, 120),
            st.integers(0, 11_000),
            st.lists(st.tuples(st.integers(0, 9), st.integers(-6000, 12_000))),
        ),
        min_size=1,
        max_size=10,
    )
)
def test_sun(steps: list[tuple[int, int, list[tuple[int, int]]]]) -> None:
    """What the grid gave is what was read of it, while it was read."""
    box = Box()
    box.price(Tariff(fixed_price=0.4, feed_in_price=0.1), now(0))
    seconds, register, import_w = 0.0, 1000.0, 500
    grid = energy = 0.0
    box.receipts.grid_heard(box.state, import_w, stands_s=600, now=now(0))
    for number, (passed, watts, course) in enumerate(steps):
        box.hear(
            (event if number else started)(
                number,
                seconds,
                register=register,
                readings={"power": float(watts)},
                charging_state=ChargingState.CHARGING,
            ),
            now(seconds),
        )
        imported = 0.0
        moments = sorted(dict(course).items())
        last = 0.0
        for tenth, w in [*moments, (10, None)]:
            until = passed * tenth / 10
            imported += min(watts, max(import_w, 0)) * (until - last)
            last = until
            if w is not None:
                import_w = w
                box.receipts.grid_heard(
                    box.state, w, stands_s=600, now=now(seconds + until)
                )
        seconds += passed
        register += watts * passed / 3600
        energy += watts * passed / 3600
        grid += imported / 3600
    box.hear(ended(len(steps), seconds, register=register), now(seconds))
    (session,) = box.remembered
    receipt = session.receipt
    assert receipt.grid_wh == pytest.approx(grid, abs=0.5)
    assert receipt.solar_wh == pytest.approx(energy - grid, abs=0.5)
    assert receipt.cost == pytest.approx(
        (grid * 0.4 + (energy - grid) * 0.1) / 1000, abs=0.001
    )
    if energy > 1:
        assert receipt.solar_share == pytest.approx((1 - grid / energy) * 100, abs=1)


def charge(box: Box, *, ahead: float = 0.0) -> None:
    """Charge from 12:00 to 12:20 by a clock that is ahead by so many s."""
    for number, minute in enumerate((0, 10, 20)):
        item = event(number, minute * 60 + ahead, register=1000.0 + minute * 100)
        box.hear(item, now(minute * 60 + 0.5))


#: Another price from a quarter past twelve on.
NOON = (
    PriceSlot(start=at(0), end=at(900), price=0.2),
    PriceSlot(start=at(900), end=at(3600), price=0.4),
)


@pytest.mark.parametrize(
    "ahead", [0.0, 7.0, -3600.0, 7200.0, -30 * 365 * 86400.0, -60 * 365 * 86400.0]
)
def test_a_clock_that_is_wrong(ahead: float) -> None:
    """What is live is of now, whatever the wallbox's clock shows."""
    box = Box()
    box.price(Tariff(prices=NOON), now(0))
    charge(box, ahead=ahead)
    (session,) = box.remembered
    assert session.receipt.energy_wh == 2000
    assert session.receipt.cost == pytest.approx(1.5 * 0.2 + 0.5 * 0.4, abs=0.01)
    assert session.receipt.unpriced_wh == 0


def test_what_is_replayed_by_a_wrong_clock() -> None:
    """It has no time of its own: it costs what was paid until it was heard."""
    box = Box()
    box.price(Tariff(prices=NOON), now(0))
    hour = -3600.0
    box.hear(started(0, hour, register=1000.0), now(0))
    box.hear(event(1, hour + 300, register=2000.0, offline=True), now(1800))
    (session,) = box.remembered
    assert session.receipt.cost == pytest.approx((0.2 + 0.4) / 2, abs=0.001)


def test_our_clock_is_set() -> None:
    """Nothing counts twice or is lost, and what is put right costs what it costs."""
    box = Box()
    wrong = PriceSlot(start=at(3600), end=at(9000), price=9.0)
    box.price(Tariff(prices=(wrong,), fixed_price=0.3), now(0))
    for number, (moved, steady) in enumerate(
        [(0, 0), (10, 10), (7200, 20), (7210, 30), (-90, 40), (50, 50), (60, 60)]
    ):
        item = event(number, steady, register=1000.0 + steady)
        box.hear(item, Now(at(moved), now(steady).steady))
    (session,) = box.remembered
    assert session.receipt.energy_wh == 60
    # What flowed before it was wrong and what flowed after are told apart by no one.
    leap = (3590 * 0.3 + 3600 * 9) / 7190
    assert session.receipt.cost == pytest.approx((40 * 0.3 + 10 * 9 + 10 * leap) / 1000)


def test_a_message_with_all_its_readings() -> None:
    """Each counts at its time, not the message at its own."""
    box = Box()
    box.price(Tariff(prices=NOON), now(0))
    samples = tuple(
        Sample(at=at(minute * 60), register=1000.0 + wh)
        for minute, wh in ((0, 0), (15, 300), (30, 2000))
    )
    item = replace(ended(3, 1800, offline=True), samples=samples)
    box.hear(item, now(7200))
    (session,) = box.remembered
    assert session.receipt.energy_wh == 2000
    assert session.receipt.cost == pytest.approx(0.3 * 0.2 + 1.7 * 0.4)
    assert box.ledger.sessions[0].receipt == session.receipt.totals


@pytest.mark.parametrize("heard", ["nothing", "its ends", "half of it"])
@pytest.mark.parametrize("step_s", [1, 7, 60])
def test_a_message_with_the_readings_of_a_day(heard: str, step_s: int) -> None:
    """Thousands of them cost little time, and none a cent."""
    box, prices = Box(), hourly(0.0)
    box.price(Tariff(prices=prices), now(0))
    length = 14_000
    readings = [
        (second, 1000.0 + (second / 100) ** 2) for second in range(0, length, step_s)
    ]
    if heard != "nothing":
        box.hear(started(0, 0, register=1000.0), now(0))
        until = length // 2 if heard == "half of it" else 0
        for number, (second, wh) in enumerate(readings[: until // step_s], 1):
            if number % 10 == 0:
                box.hear(event(number, second, register=wh), now(second))
        second, wh = readings[-1]
        box.read(Sample(at=at(second), register=wh), now(second))
    samples = tuple(Sample(at=at(second), register=wh) for second, wh in readings)
    item = replace(ended(9999, readings[-1][0]), samples=samples)
    moment = now(readings[-1][0] + 1)
    state = transaction_event(box.state, item, moment)
    begun = time.perf_counter()
    state = box.receipts.account(state, moment)
    assert time.perf_counter() - begun < 0.5
    assert state.transaction is not None
    receipt = state.transaction.receipt
    assert receipt.energy_wh == pytest.approx(readings[-1][1] - 1000)
    assert receipt.cost == pytest.approx(cost_of(readings, prices), abs=0.01)


@pytest.mark.parametrize("order", [(1, 2, 3), (3, 2, 1), (2, 3, 1), (3, 1, 2)])
def test_what_is_live_comes_first(order: tuple[int, ...]) -> None:
    """A wallbox that is asked for its meter before it has emptied its queue."""
    box = Box()
    box.price(Tariff(prices=NOON), now(0))
    box.hear(started(0, 0, register=1000.0), now(0))
    box.read(Sample(at=at(3000), register=4000.0), now(3000))
    even = box.remembered[0].receipt
    assert even.cost == pytest.approx(0.9 * 0.2 + 2.1 * 0.4)
    queue = {1: (300, 2000.0), 2: (900, 3000.0), 3: (1500, 4000.0)}
    for number in order:
        seconds, register = queue[number]
        item = event(number, seconds, register=register, offline=True)
        box.hear(item, now(3001 + number))
    box.read(Sample(at=at(3060), register=4100.0), now(3060))
    (session,) = box.remembered
    assert session.receipt.energy_wh == 3100
    assert session.receipt.cost == pytest.approx(2 * 0.2 + 1.1 * 0.4)


def test_a_session_that_began_in_an_outage() -> None:
    """Its first reading is heard last."""
    box = Box()
    box.price(Tariff(prices=NOON), now(0))
    box.read(Sample(at=at(-60), register=1000.0), now(-60))
    box.hear(event(3, 1800, register=4000.0), now(1800))
    for number, seconds, register in (
        (0, 0, 1000.0),
        (1, 300, 2500.0),
        (2, 900, 3000.0),
    ):
        make = event if number else started
        item = make(number, seconds, register=register, offline=True)
        box.hear(item, now(1805))
    (session,) = box.remembered
    assert session.receipt.energy_wh == 3000
    assert session.receipt.cost == pytest.approx(2 * 0.2 + 1 * 0.4)


def test_a_session_from_a_version_without_receipts() -> None:
    """What it had is spread over its time so far; one that ended stays as it is."""
    box = Box()
    charge(box)
    box.restart()
    assert box.state.transaction is not None
    old = replace(box.state.transaction, receipt=Receipt())
    before = replace(old, id="before", ended_at=at(-60), receipt=Receipt())
    box.state = replace(box.state, transaction=old, recent=(before,))
    box.receipts.set_tariff(Tariff(prices=NOON))
    item = event(3, 1800, register=4000.0)
    state = box.receipts.account(
        transaction_event(box.state, item, now(1800)), now(1800)
    )
    assert state.transaction is not None
    receipt = state.transaction.receipt
    assert receipt.energy_wh == 3000
    assert receipt.cost == pytest.approx(1.5 * 0.2 + 0.5 * 0.4 + 1 * 0.4, abs=0.001)
    assert state.recent[0].receipt == Receipt()


def test_home_assistant_was_off() -> None:
    """The prices come after the energy, and it costs what it would have cost."""
    box = Box()
    box.price(Tariff(awaited=True), now(0))
    box.hear(started(0, 0, register=1000.0), now(0))
    box.restart()
    box.hear(event(1, 1800, register=3000.0), now(1800))
    box.hear(ended(2, 2700, register=3000.0), now(2700))
    (line,) = box.ledger.sessions
    assert (line.receipt.cost, line.receipt.unpriced_wh) == (None, 2000)
    box.price(Tariff(prices=NOON, awaited=True), now(2800))
    (line,) = box.ledger.sessions
    assert line.receipt.cost == pytest.approx(1 * 0.2 + 1 * 0.4)
    assert line.receipt.unpriced_wh == 0
    assert box.ledger.take_changes()


def test_shown_with_its_energy() -> None:
    """No more of the receipt than of the energy, as far as that is on the disk."""
    box = Box()
    box.price(Tariff(fixed_price=0.3), now(0))
    box.hear(started(0, 0, register=1000.0), now(0))
    box.hear(event(1, 600, register=2000.0), now(600))
    on_disk = box.state
    box.hear(event(2, 1200, register=3000.0), now(1200))
    shown = as_stored(box.state, on_disk).transaction
    assert shown is not None
    assert shown.energy.counted_wh == shown.receipt.energy_wh == 1000
    assert shown.receipt.cost == pytest.approx(0.3)
    new = as_stored(box.state, WallboxState()).transaction
    assert new is not None
    assert (new.energy.counted_wh, new.receipt) == (0, Receipt())
    assert as_stored(box.state, box.state) == box.state


def test_a_long_session() -> None:
    """What is kept of its readings is bounded; the receipt is right all the same."""
    box = Box()
    box.price(Tariff(fixed_price=0.3), now(0))
    box.hear(started(0, 0, register=0.0), now(0))
    for number in range(1, 2000):
        seconds = number * 10 + (number // 100) * 300
        box.hear(event(number, seconds, register=number * 10.0), now(seconds))
    (session,) = box.remembered
    assert session.receipt.cost == pytest.approx(19.990 * 0.3)
    assert session.receipt.until == at(19_990 + 19 * 300)


@RULE
@given(
    st.lists(
        st.tuples(
            st.integers(0, 5000),
            st.booleans(),
            st.booleans(),
            st.lists(st.integers(0, 3000), min_size=1, max_size=5),
        ),
        min_size=1,
        max_size=6,
    )
)
def test_sessions_and_what_flowed_outside_are_the_register(
    course: list[tuple[int, bool, bool, list[int]]],
) -> None:
    """What was read between two sessions is in none of them; the rest is in one."""
    box = Box()
    box.price(Tariff(fixed_price=0.3), now(0))
    box.read(Sample(at=at(0), register=1000.0), now(0))
    seconds, register, outside = 0.0, 1000.0, 0
    for number, (idle_wh, read, begins, taken) in enumerate(course):
        name = f"T{number}"
        seconds += 600
        register += idle_wh
        if read:
            box.read(Sample(at=at(seconds), register=register), now(seconds))
        outside += idle_wh if read or begins else 0
        seconds += 60
        first = started(
            0, seconds, transaction_id=name, register=register if begins else None
        )
        box.hear(first, now(seconds))
        for step, wh in enumerate(taken, 1):
            seconds += 600
            register += wh
            make = ended if step == len(taken) else event
            item = make(step, seconds, transaction_id=name, register=register)
            box.hear(item, now(seconds))
    of_sessions = sum(line.energy_wh for line in box.ledger.sessions)
    assert len(box.ledger.sessions) == len(course)
    assert of_sessions + outside == pytest.approx(register - 1000)
    assert box.state.energy.counted_wh == pytest.approx(register)
    receipts = [line.receipt for line in box.ledger.sessions]
    assert sum(item.energy_wh for item in receipts) == pytest.approx(of_sessions)
    cost = sum(item.cost or 0 for item in receipts)
    assert cost == pytest.approx(of_sessions * 0.3 / 1000)


def test_an_earlier_beginning_after_a_restart() -> None:
    """What flowed before the first reading is priced at its time, and counts once."""
    box = Box()
    box.price(Tariff(prices=NOON), now(0))
    box.hear(event(2, 1200, register=3000.0), now(1200))
    box.hear(event(3, 1500, register=4000.0), now(1500))
    box.restart()
    box.hear(started(0, 0, register=1000.0, offline=True), now(1510))
    (session,) = box.remembered
    assert session.receipt.energy_wh == 3000
    assert session.receipt.cost == pytest.approx(1.5 * 0.2 + 1.5 * 0.4)
    assert session.receipt.until == at(1500)


def test_a_wallbox_that_tells_currents_alone() -> None:
    """Its power is that of its phases, at the voltage it tells or else 230 V."""
    box = Box()
    box.price(Tariff(fixed_price=0.3), now(0))
    box.receipts.grid_heard(box.state, 1150.0, stands_s=600, now=now(0))
    readings = {"current_l1": 10.0, "current_l2": 0.0, "voltage_l2": 231.0}
    item = started(
        0,
        0,
        register=1000.0,
        readings=readings,
        charging_state=ChargingState.CHARGING,
    )
    box.hear(item, now(0))
    box.hear(event(1, 60, register=1038.0), now(60))
    assert box.remembered[0].receipt.solar_share == pytest.approx(50)


def test_what_is_forgotten() -> None:
    """Sessions that are no longer remembered leave nothing behind."""
    box = Box()
    box.price(Tariff(fixed_price=0.3), now(0))
    for number in range(30):
        second, name = number * 100, f"T{number}"
        box.hear(
            started(0, second, transaction_id=name, register=second * 1.0), now(second)
        )
        item = ended(1, second + 50, transaction_id=name, register=second + 90.0)
        box.hear(item, now(second + 50))
    assert len(box.remembered) == 9
    assert len(box.receipts._drafts) <= 9
    assert sum(line.receipt.energy_wh for line in box.ledger.sessions) == 30 * 90
