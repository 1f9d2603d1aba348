"""A wallbox and a car that only draw: as late and as touchy as real ones."""

from dataclasses import replace

from hypothesis import given, strategies as st
import pytest

from simulators.house.garage import CarModel, Charging, Garage

CAR = CarModel(phases=3, most_a=16.0, pauses=7)


def live(garage: Garage, seconds: float) -> list[float]:
    """Let time pass; return what the car took in each second, A."""
    drawn = []
    for _ in range(round(seconds)):
        garage.advance(1, 230)
        drawn.append(garage.current_a)
    return drawn


def charging(car: CarModel = CAR) -> Garage:
    """Return a garage with a car that charges with all it can."""
    garage = Garage()
    garage.plug_in(car)
    live(garage, 60)
    assert garage.current_a == car.most_a
    return garage


def test_a_car_begins_and_ramps_up() -> None:
    garage = Garage()
    assert garage.state is Charging.IDLE
    assert not any(garage.phases_a)
    garage.plug_in(CAR)
    drawn = live(garage, 60)
    assert drawn[:11] == [0.0] * 11
    rising = [each for each in drawn if 0 < each < 16]
    assert rising == sorted(set(rising))
    assert set(garage.phases_a) == {16}
    garage.unplug()
    assert not any(garage.phases_a)


@given(limit=st.integers(0, 40), seed=st.integers(0, 20))
def test_a_limit_is_kept_within_seven_seconds(limit: int, seed: int) -> None:
    """Half a second to three for the wallbox, the rest for the car."""
    garage = Garage(seed=seed)
    garage.plug_in(replace(CAR, most_a=32.0))
    live(garage, 60)
    garage.send(limit)
    live(garage, 7)
    assert garage.current_a <= (limit if limit >= 6 else 0)
    live(garage, 60)
    assert garage.current_a == (min(limit, 32) if limit >= 6 else 0)


def test_limits_are_obeyed_in_their_order() -> None:
    for seed in range(50):
        garage = Garage(seed=seed)
        for limit in (16, 0, 10, 8):
            garage.send(limit)
        live(garage, 10)
        assert garage.limit_a == 8


def test_too_many_pauses_and_it_sleeps() -> None:
    garage = charging()
    for pause in range(1, 8):
        garage.send(0)
        live(garage, 20)
        assert garage.state is Charging.SUSPENDED_EVSE
        garage.send(16)
        live(garage, 60)
        assert garage.pauses == pause
        assert garage.sleeps is (pause == 7)
    assert garage.current_a == 0
    assert garage.state is Charging.SUSPENDED_EV
    # The next one is awake.
    garage.unplug()
    garage.plug_in(CAR)
    live(garage, 60)
    assert garage.current_a == 16


def test_a_car_that_did_not_charge_was_not_interrupted() -> None:
    garage = Garage()
    garage.plug_in(CAR)
    for limit in (0, 16, 0, 16):
        garage.send(limit)
        live(garage, 5)
    assert garage.pauses == 0


def test_a_car_gets_full() -> None:
    garage = charging(replace(CAR, needs_wh=1_000.0))
    live(garage, 1000)
    assert garage.full
    assert garage.current_a == 0
    assert garage.state is Charging.SUSPENDED_EV
    assert garage.taken_wh == pytest.approx(1_000, abs=15)
