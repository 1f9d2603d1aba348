"""A car that may charge and does not is asleep, and woken twice at most."""

from collections.abc import Iterable

from hypothesis import given, strategies as st

from custom_components.bmw_wallbox_victron.charging.car import (
    ASLEEP_S,
    MAX_WAKES,
    OFF_S,
    CarWatch,
)


def watch(moments: Iterable[tuple[float, bool]]) -> list[tuple[float, CarWatch]]:
    """Return what is known of a car after each moment; wakes are counted."""
    car, wakes = CarWatch(), 0
    found = []
    for now, waits in moments:
        car = car.step(now, waits=waits, wakes=wakes)
        wakes += car.woken
        found.append((now, car))
    return found


def test_a_car_that_sleeps_is_woken_twice_and_then_left_alone() -> None:
    """Each time it has three minutes to begin."""
    found = watch((float(now), True) for now in range(1200))
    begins = [now for now, car in found if car.woken]
    assert begins == [ASLEEP_S, 2 * ASLEEP_S + OFF_S]
    assert all(car.asleep == (now >= ASLEEP_S) for now, car in found)
    off = [
        now for now, car in found if car.off_until is not None and now < car.off_until
    ]
    assert len(off) == MAX_WAKES * OFF_S


def test_a_car_that_begins_in_time_is_not_asleep() -> None:
    """Nor is one that had begun and waits anew."""
    found = watch((float(now), not 100 <= now < 110) for now in range(280))
    assert not any(car.asleep for _, car in found)


def test_a_car_that_begins_after_it_was_woken_is_awake() -> None:
    """At once, and it is not woken again."""
    found = watch((float(now), now < 200) for now in range(600))
    assert [now for now, car in found if car.woken] == [ASLEEP_S]
    assert not any(car.asleep for now, car in found if now >= 200)


@given(
    st.lists(
        st.tuples(st.floats(0.1, 300), st.booleans()), min_size=1, max_size=60
    ).map(
        lambda steps: [
            (sum(step for step, _ in steps[: index + 1]), waits)
            for index, (_, waits) in enumerate(steps)
        ]
    )
)
def test_the_limit_is_off_for_a_moment_at_most(
    moments: list[tuple[float, bool]],
) -> None:
    """Never for a car that charges, whatever happens when."""
    found = watch(moments)
    assert sum(car.woken for _, car in found) <= MAX_WAKES
    for now, car in found:
        if car.off_until is not None:
            assert car.off_until - now <= OFF_S + 1e-6
        assert car.due is None or car.due > now or car.asleep
