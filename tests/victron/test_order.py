"""An advertisement follows the one before, by its counter."""

from hypothesis import given, strategies as st
import pytest

from custom_components.bmw_wallbox_victron.victron.order import Order, Place


@pytest.fixture(autouse=True)
def _real_world() -> None:
    """No Home Assistant here."""


def hear(order: Order, counter: int, now: float) -> Place:
    """Let an advertisement be heard that can be read."""
    place = order.place(counter % 0x10000, now)
    if place is not Place.STRAY:
        order.take(counter % 0x10000, now)
    return place


@given(
    start=st.integers(0, 0xFFFF),
    behind=st.integers(150, 30_000),
    gaps=st.lists(st.floats(0.1, 6.0), min_size=20, max_size=60),
    moving=st.booleans(),
)
def test_a_replay_beside_the_device_never_counts(
    start: int, behind: int, gaps: list[float], moving: bool
) -> None:
    """Yesterday's, twice a second: always the same, or one after the other."""
    order = Order()
    now, counter = 100.0, start
    assert hear(order, counter, now) is Place.ANEW
    replays = 0
    for gap in gaps:
        for half in range(int(gap * 2)):
            replay = start - behind + moving * (replays % 100)
            assert hear(order, replay, now + half / 2) is Place.STRAY
            replays += 1
        now += gap
        # One a second, of which some are not heard.
        counter += max(1, round(gap))
        assert hear(order, counter, now) is Place.FOLLOWS


def test_a_device_that_is_rarely_heard_is_waited_for() -> None:
    order = Order()
    for minute in range(10):
        now = 60.0 * minute
        assert hear(order, 60 * minute, now) is not Place.STRAY
        if minute > 1:
            for half in range(110):
                assert hear(order, 40_000 + half, now + half / 2) is Place.STRAY


def test_a_restart_counts_after_a_silence() -> None:
    order = Order()
    for second in range(60):
        hear(order, 500 + second, second)
    places = [hear(order, second, 60 + second) for second in range(60)]
    taken = places.index(Place.FOLLOWS)
    assert 15 <= taken <= 20
    assert set(places[taken:]) == {Place.FOLLOWS}


def test_one_that_goes_on_counts_before_one_that_stands_still() -> None:
    """What was heard first may be a replay of one advertisement."""
    order = Order()
    replayed, real = [], []
    for second in range(60):
        replayed.append(hear(order, 7, second))
        real.append(hear(order, 20_000 + second, second))
    assert real.index(Place.FOLLOWS) <= 22
    assert set(real[30:]) == {Place.FOLLOWS}
    assert set(replayed[30:]) == {Place.STRAY}


def test_a_device_that_stands_still_goes_on() -> None:
    order = Order()
    for second in range(3600):
        assert hear(order, 7, second) is not Place.STRAY
        assert hear(order, 30_000, second) in (Place.STRAY, Place.ANEW)


def test_counters_wrap_and_receivers_are_late() -> None:
    order = Order()
    for second in range(30):
        assert hear(order, 0xFFF0 + second, second) is not Place.STRAY
        if second > 3:
            assert hear(order, 0xFFF0 + second - 3, second) is Place.STRAY


def test_an_outage_is_followed() -> None:
    order = Order()
    hear(order, 10, 0)
    assert hear(order, 10 + 600, 600) is Place.FOLLOWS


@given(st.lists(st.tuples(st.integers(0, 0xFFFF), st.floats(0, 1e6)), max_size=50))
def test_any_order_of_times_and_counters_is_survived(
    heard: list[tuple[int, float]],
) -> None:
    order = Order()
    for counter, now in heard:
        hear(order, counter, now)
