"""The caravan's 12 V side: within its bounds, and with books that add up."""

from hypothesis import given, strategies as st
import pytest

from simulators.caravan.physics import (
    HOUR_S,
    Caravan,
    ChargeState,
    Plan,
    open_circuit_v,
)

NEVER = Plan(mains=(), driving=())


def run(caravan: Caravan, hours: float, step_s: float = 60.0) -> list[Caravan]:
    """Let hours pass without looking."""
    for _ in range(round(hours * HOUR_S / step_s)):
        caravan.advance(step_s)
    return [caravan]


def test_two_days_stay_within_bounds() -> None:
    caravan = Caravan()
    stages: set[tuple[str, str]] = set()
    fridge_starts, ran = 0, False
    for _ in range(48 * 60):
        caravan.advance(60)
        mains, alternator = caravan.mains_charger, caravan.alternator_charger
        assert 0.3 < caravan.soc <= 1
        assert 12.5 < caravan.voltage_v < 14.25
        assert -20 < caravan.current_a <= 30
        assert 0 <= mains.current_a <= 30
        assert 0 <= alternator.current_a <= 30
        assert 12.5 < caravan.starter_v < 14.5
        assert 20 < caravan.mains_charger_c < 50
        assert mains.powered or mains.state is ChargeState.OFF
        stages |= {("mains", mains.state), ("alternator", alternator.state)}
        fridge_starts += caravan.fridge_runs and not ran
        ran = caravan.fridge_runs
    assert stages == {("mains", stage) for stage in ChargeState} | {
        ("alternator", stage) for stage in ("off", "bulk", "absorption", "float")
    }
    assert 150 < fridge_starts < 400


@given(
    seed=st.integers(0, 2**32),
    soc=st.floats(0, 1),
    capacity=st.floats(60, 300),
    steps=st.lists(st.floats(0, 600), max_size=100),
)
def test_any_caravan_stays_within_bounds(
    seed: int, soc: float, capacity: float, steps: list[float]
) -> None:
    caravan = Caravan(seed=seed, soc=soc, capacity_ah=capacity)
    for step in steps:
        caravan.advance(step)
        assert 0 <= caravan.soc <= 1
        assert 11.0 < caravan.voltage_v < 14.35
        assert -20 < caravan.current_a <= 60
        assert -capacity <= caravan.consumed_ah <= 0
        to_go = caravan.time_to_go_min
        assert to_go is None or 0 <= to_go <= 14_400
    assert caravan.elapsed_s == pytest.approx(sum(steps))


def test_charge_is_the_integral_of_the_current() -> None:
    caravan = Caravan()
    taken_ah, charged_ah = caravan.consumed_ah, 0.0
    for _ in range(20 * 720):
        if caravan.soc < 1:
            charged_ah += caravan.current_a * 5 / HOUR_S
        caravan.advance(5)
    assert caravan.consumed_ah - taken_ah == pytest.approx(charged_ah, abs=0.01)


def test_currents_add_up() -> None:
    caravan = Caravan()
    for _ in range(500):
        caravan.advance(60)
        given = caravan.mains_charger.current_a + caravan.alternator_charger.current_a
        assert caravan.current_a == pytest.approx(given - caravan.load_a)


def test_same_seed_same_day() -> None:
    one, same, other = (Caravan(seed=seed) for seed in (1, 1, 2))
    run(one, 8)
    run(same, 8)
    run(other, 8)
    assert (one.soc, one.voltage_v) == (same.soc, same.voltage_v)
    assert one.soc != other.soc


def test_mains_charge_it_through_all_stages() -> None:
    caravan = Caravan(soc=0.5, plan=Plan(mains=((0, 48),), driving=()))
    charger = caravan.mains_charger
    stages = [charger.state]
    for _ in range(13 * 60):
        caravan.advance(60)
        if charger.state is not stages[-1]:
            stages.append(charger.state)
            if charger.state is ChargeState.FLOAT:
                assert caravan.soc > 0.95
    assert stages == list(ChargeState)


def test_alternator_charges_while_the_engine_runs() -> None:
    caravan = Caravan(soc=0.5, plan=Plan(start_h=0, mains=(), driving=((1, 2),)))
    run(caravan, 1)
    assert caravan.alternator_charger.state == "off"
    soc = caravan.soc
    run(caravan, 0.5)
    assert caravan.alternator_charger.state == "bulk"
    assert caravan.alternator_charger.current_a == 30
    assert caravan.soc > soc + 0.1
    assert caravan.starter_v > 14
    assert caravan.time_to_go_min is None
    run(caravan, 3)
    assert caravan.alternator_charger.state == "off"
    assert caravan.starter_v < 13


def test_an_empty_battery_gives_nothing() -> None:
    caravan = Caravan(soc=0.02, plan=NEVER)
    run(caravan, 24)
    assert caravan.soc == pytest.approx(0, abs=1e-3)
    assert caravan.current_a == 0
    assert open_circuit_v(-1) == open_circuit_v(0) == 11.5


def test_it_can_be_emptied_at_once() -> None:
    caravan = Caravan(soc=0.7, plan=NEVER)
    full_v = caravan.voltage_v
    caravan.fill(0.08)
    assert caravan.soc == 0.08
    assert caravan.consumed_ah == pytest.approx(-92)
    assert caravan.voltage_v < full_v - 0.4
    with pytest.raises(ValueError, match="between empty and full"):
        caravan.fill(1.01)


def test_what_cannot_be() -> None:
    with pytest.raises(ValueError, match="between empty and full"):
        Caravan(soc=1.2)
    with pytest.raises(ValueError, match="backwards"):
        Caravan().advance(-1)


def test_the_plug_by_hand_counts_until_the_plan_says_something_new() -> None:
    plan = Plan(start_h=0, mains=((0, 1), (2, 3)), driving=())
    caravan = Caravan(soc=0.5, plan=plan)
    run(caravan, 0.5)
    assert caravan.mains_charger.state == "bulk"
    caravan.switch_mains(on=False)
    assert (caravan.mains_w, caravan.mains_charger.current_a) == (0, 0)
    assert caravan.current_a < 0
    # It stays off until it is hooked up the next time.
    for hour, mains in ((0.9, False), (1.9, False), (2.1, True), (3.1, False)):
        run(caravan, hour - caravan.hour)
        assert caravan.mains is mains
    caravan.switch_mains(on=True)
    run(caravan, 0.1)
    assert caravan.mains
    assert caravan.mains_charger.state == "bulk"


def test_what_the_plug_passes_on() -> None:
    caravan = Caravan(soc=0.5, plan=Plan(start_h=0, mains=((0, 24),), driving=()))
    assert caravan.mains_w == pytest.approx(4)
    assert caravan.mains_a == pytest.approx(4 / 230)
    run(caravan, 0.5)
    given_w = caravan.voltage_v * 30
    assert caravan.mains_w == pytest.approx(given_w / 0.88 + 4)
