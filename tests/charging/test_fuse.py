"""The house does not pass its main fuse."""

from typing import Any

from hypothesis import given, strategies as st
import pytest

from custom_components.bmw_wallbox_victron.charging.fuse import (
    FuseGuard,
    Rooms,
    wallbox_phases,
)

KEY = "box"


def guard(**changes: Any) -> FuseGuard:
    """Return the guard of a house with a 25 A fuse and one watched phase."""
    options: dict[str, Any] = {
        "fuse_a": 25.0,
        "phase_order": "123",
        "meter_timeout_s": 60.0,
        "house_phases": (1,),
    }
    return FuseGuard(**options | changes)


class Bench:
    """A guard with one wallbox, whose meters are read as a test says."""

    def __init__(self, limit_a: float = 16.0, **changes: Any) -> None:
        self.guard = guard(**changes)
        self.now = 1000.0
        self.limit(limit_a)

    def limit(self, amps: float, *, idle: bool = False) -> None:
        """Put a limit in force."""
        self.guard.note_wallbox(KEY, limit_a=amps, idle=idle, now=self.now)

    def box(self, amps: float) -> None:
        """Read the wallbox."""
        self.guard.note_currents(KEY, {1: amps, 2: amps, 3: amps}, self.now)

    def house(self, amps: float | None, phase: int = 1) -> float | None:
        """Read the house; return the room."""
        self.guard.note_house(phase, amps, self.now)
        return self.room

    def wait(self, seconds: float) -> float | None:
        """Let time pass; return the room."""
        self.now += seconds
        return self.room

    def steady(self, house: float, box: float, seconds: float = 60.0) -> float | None:
        """Read both every 5 s for a while."""
        for _ in range(int(seconds / 5)):
            self.wait(3)
            self.box(box)
            self.wait(2)
            self.house(house)
        return self.room

    @property
    def rooms(self) -> Rooms:
        """What there is now."""
        return self.guard.rooms(self.now)

    @property
    def room(self) -> float | None:
        """The room of the first phase."""
        return self.rooms.amps[1]


def test_room_is_what_the_house_leaves() -> None:
    """The fuse less what the house takes without the wallbox, once it has lasted."""
    assert Bench().steady(house=21, box=16) == 20


def test_a_start_of_the_car_is_no_load_of_the_house() -> None:
    """The house shows it before the wallbox does: the room stays."""
    bench = Bench()
    assert bench.steady(house=5, box=0) == 20
    for amps in (9, 17, 21, 21):
        bench.wait(1)
        assert bench.house(amps) == 20
    bench.box(16)
    assert bench.wait(10) == 20
    assert bench.steady(house=21, box=16) == 20


def test_over_the_fuse_counts_at_the_first_reading() -> None:
    """What is too much is taken off at once."""
    bench = Bench()
    bench.steady(house=21, box=16)
    bench.wait(1)
    assert bench.house(33) == 8


def test_less_room_counts_once_it_is_certain() -> None:
    """Below the fuse a load counts when the wallbox has been read after it."""
    bench = Bench()
    bench.steady(house=15, box=10)
    bench.wait(1)
    assert bench.house(22) == 19
    bench.wait(3)
    bench.box(10)
    assert bench.room == 13


def test_the_limit_in_force_bounds_what_is_the_cars() -> None:
    """What the house takes beyond it is not the wallbox's."""
    bench = Bench(limit_a=6.0)
    bench.steady(house=5, box=0)
    bench.wait(1)
    assert bench.house(21) == 10


def test_more_room_counts_after_30_s() -> None:
    """And `due` says when."""
    bench = Bench()
    bench.steady(house=20, box=6)
    assert bench.room == 11
    bench.wait(3)
    bench.box(6)
    bench.wait(2)
    began = bench.now
    while bench.now < began + 28:
        assert bench.house(11) == 11
        bench.box(6)
        bench.wait(2)
    assert bench.rooms.due == began + 30
    bench.now = began + 30
    assert bench.room == 20


def test_what_goes_on_and_off_is_expected_to_come_again() -> None:
    """The more often the fuse was passed within an hour, the later more room counts."""
    bench = Bench(limit_a=6.0)
    waits = []
    for _ in range(5):
        bench.limit(6.0)
        assert bench.steady(house=11, box=6) == 20
        bench.wait(1)
        assert bench.house(29) == 2
        bench.limit(0.0)
        began = bench.now
        while bench.steady(house=5, box=0, seconds=5) != 20:
            assert bench.now < began + 3600
        waits.append(bench.now - began)
    for wait, least in zip(waits, (30, 30, 120, 480, 1800), strict=True):
        assert least <= wait <= least + 35
    bench.steady(house=5, box=0, seconds=3600)
    bench.limit(6.0)
    bench.steady(house=11, box=6)
    bench.house(29)
    bench.limit(0.0)
    assert bench.steady(house=5, box=0, seconds=30) == 2
    assert bench.steady(house=5, box=0, seconds=10) == 20


def test_a_meter_that_reports_seldom_has_room_since_its_last_reading_but_one() -> None:
    """A reading stands until the next."""
    bench = Bench(meter_timeout_s=120.0, limit_a=6.0)
    bench.steady(house=20, box=6)
    for seconds in range(61):
        if seconds % 10 == 0:
            bench.box(6)
        bench.wait(1)
    bench.house(11)
    bench.wait(3)
    bench.box(6)
    assert bench.wait(26) == 11
    assert bench.wait(1) == 20


@pytest.mark.parametrize("gone", ["silent", "unavailable"])
def test_no_reading_is_no_room(gone: str) -> None:
    """And after an outage the room begins with what is in force."""
    bench = Bench(limit_a=16.0)
    assert bench.room is None
    bench.steady(house=21, box=16)
    if gone == "silent":
        assert bench.rooms.due == bench.now + 60
        assert bench.wait(59) == 20
        assert bench.wait(1) is None
    else:
        bench.wait(1)
        assert bench.house(None) is None
    bench.limit(6)
    bench.wait(20)
    bench.box(6)
    bench.wait(5)
    assert bench.house(11) == 6
    assert bench.steady(house=11, box=6, seconds=20) == 6
    assert bench.steady(house=11, box=6, seconds=15) == 20


def test_a_car_that_takes_more_than_it_may_gets_less() -> None:
    """A limit of 16 that lets 16.5 flow counts as 16: the house is over its fuse."""
    bench = Bench()
    bench.steady(house=24, box=16.5)
    bench.wait(1)
    assert bench.house(25.5) == pytest.approx(15.5)


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("123", [(1,), (2,), (3,)]),
        ("231", [(3,), (1,), (2,)]),
        ("2", [(), (1,), ()]),
        ("unknown", [(1, 2, 3)] * 3),
    ],
)
def test_phase_orders(order: str, expected: list[tuple[int, ...]]) -> None:
    """Which phases of the wallbox are on the first, second and third of the house."""
    assert [wallbox_phases(order, phase) for phase in (1, 2, 3)] == expected


def test_a_lower_limit_that_is_being_followed_lowers_it_once() -> None:
    """The house is over its fuse until the car has followed: that is no new load."""
    bench = Bench()
    bench.steady(house=21, box=16)
    bench.wait(1)
    assert bench.house(33) == 8
    bench.guard.note_wallbox(KEY, limit_a=16, lowest_a=8, idle=False, now=bench.now)
    for amps in (33.0, 33.4, 33.0):
        bench.wait(1)
        assert bench.house(amps) == pytest.approx(8, abs=0.5)
    bench.limit(8)
    for amps in (33.0, 29, 25):
        bench.wait(1)
        assert bench.house(amps) == pytest.approx(8, abs=0.5)
    bench.wait(1)
    bench.box(8)
    bench.wait(4)
    # A new load counts again, by what the wallbox is known to draw now.
    assert bench.house(28) == 5


def test_on_another_phase_what_is_being_followed_counts_as_followed() -> None:
    """It may draw less than was read last: the least counts over the fuse.

    That the car is to draw less soon explains no new load on another phase.
    """
    bench = Bench(house_phases=(1, 2))
    for _ in range(20):
        bench.wait(3)
        bench.box(16)
        bench.wait(2)
        bench.house(21)
        bench.house(16, phase=2)
    bench.limit(10)
    bench.wait(1)
    bench.house(26, phase=2)
    assert bench.rooms.amps == {1: 20, 2: 9}


def test_unknown_order_takes_the_worst_phase() -> None:
    """A car on one phase may be on any: each gets no more than the fullest leaves."""
    bench = Bench(phase_order="unknown", house_phases=(1, 2, 3))
    for _ in range(20):
        bench.wait(3)
        bench.guard.note_currents(KEY, {1: 16, 2: 0, 3: 0}, bench.now)
        bench.wait(2)
        for phase, amps in ((1, 2), (2, 20), (3, 5)):
            bench.house(amps, phase=phase)
    rooms = bench.rooms
    circuits = bench.guard.circuits(rooms, {KEY: (1,)})
    assert min(circuit.capacity for circuit in circuits) == 21
    assert [dict(circuit.weights) for circuit in circuits] == [{KEY: 1}] * 3
    bench.wait(1)
    bench.house(28, phase=2)
    circuits = bench.guard.circuits(bench.rooms, {KEY: (1,)})
    assert min(circuit.capacity for circuit in circuits) == 13


def test_unknown_order_of_two_wallboxes() -> None:
    """Both may be on the phase that is over, or one of them alone."""
    watch = guard(phase_order="unknown")
    now = 1000.0
    for _ in range(100):
        now += 1.0
        for key in "ab":
            watch.note_wallbox(key, limit_a=16, idle=False, now=now)
            watch.note_currents(key, {1: 10}, now)
        watch.note_house(1, 24, now)
        rooms = watch.rooms(now)
    one = {"a": (1,), "b": (1,)}
    capacities = {
        frozenset(circuit.weights): circuit.capacity
        for circuit in watch.circuits(rooms, one)
    }
    a, b = frozenset("a"), frozenset("b")
    assert capacities == {a: 11, b: 11, a | b: 21}
    three = {"a": (1, 2, 3), "b": (1, 2, 3)}
    assert [c.capacity for c in watch.circuits(rooms, three)] == [21]


def test_an_idle_wallbox_draws_nothing() -> None:
    """No reading is needed to know that, and its room is lowered in time."""
    watch = guard()
    watch.note_wallbox(KEY, limit_a=16, idle=True, now=1000.0)
    for second in range(1001, 1040):
        watch.note_house(1, 5, float(second))
        watch.rooms(float(second))
    watch.note_house(1, 15, 1040.0)
    rooms = watch.rooms(1040.0)
    assert rooms.amps[1] == 20
    assert rooms.due == 1047.0
    assert watch.rooms(1047.0).amps[1] == 10


@given(
    house=st.lists(st.floats(-40, 80), min_size=1, max_size=30),
    box=st.lists(st.floats(0, 40), min_size=1, max_size=30),
    limits=st.lists(st.sampled_from([0.0, 6.0, 16.0, 32.0]), min_size=1, max_size=5),
    step=st.sampled_from([0.3, 1.0, 7.0, 20.0]),
)
def test_over_the_fuse_never_leaves_what_is_drawn(
    house: list[float], box: list[float], limits: list[float], step: float
) -> None:
    """Whatever is read: at a reading over the fuse the room is less than the limit.

    Unless a lower limit is on its way. And `due` is never in the past.
    """
    watch = guard()
    now = 1000.0
    limit = limits[0]
    for index, amps in enumerate(house):
        now += step
        new = limits[index % len(limits)]
        falls = new < limit
        limit = new
        watch.note_wallbox(KEY, limit_a=limit, idle=False, now=now)
        watch.note_currents(KEY, {1: box[index % len(box)]}, now)
        now += step
        watch.note_house(1, amps, now)
        rooms = watch.rooms(now)
        assert rooms.due is None or rooms.due > now
        room = rooms.amps[1]
        assert room is not None
        assert room <= 25
        if abs(amps) > 25 and len(set(limits)) == 1 and not falls and step > 0.5:
            assert room <= max(25 - abs(amps) + limit, 25 - abs(amps))


def test_a_reading_that_is_told_again_is_no_new_one() -> None:
    """Whoever asks may tell all that is known each time."""
    watches = [Bench(), Bench()]
    told: list[list[Rooms]] = [[], []]
    for second in range(120):
        house, box = (21, 16) if second % 50 < 40 else (31, 16)
        for bench, result in zip(watches, told, strict=True):
            bench.wait(1)
            if second % 7 == 0:
                bench.box(box)
            at = bench.now
            bench.house(house)
            if bench is watches[1]:
                for _ in range(3):
                    bench.guard.note_house(1, house, at)
                    bench.guard.note_currents(KEY, {1: box}, at - second % 7)
            result.append(bench.rooms)
    assert told[0] == told[1]
