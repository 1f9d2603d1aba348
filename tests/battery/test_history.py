"""The battery's history, as a battery monitor keeps it."""

from datetime import UTC, datetime, timedelta

from hypothesis import given, strategies as st
import pytest

from custom_components.bmw_wallbox_victron.battery.history import (
    History,
    depth_of,
    drawn,
    passed,
    seen,
)

START = datetime(2026, 6, 1, tzinfo=UTC)
CAPACITY_AH = 100.0


class Log:
    """A history, and the hours of its readings."""

    def __init__(self, capacity_ah: float | None = CAPACITY_AH) -> None:
        self.history = History()
        self.hour = 0
        self.capacity_ah = capacity_ah

    def see(
        self, soc: float | None, *, in_float: bool = False, voltage: float = 13.2
    ) -> None:
        self.hour += 1
        self.history = seen(
            self.history,
            voltage=voltage,
            soc=soc,
            depth_ah=depth_of(
                consumed_ah=None, soc=soc, capacity_ah=self.capacity_ah or 100.0
            ),
            in_float=in_float,
            capacity_ah=self.capacity_ah,
            now=self.now,
        )

    @property
    def now(self) -> datetime:
        return START + timedelta(hours=self.hour)


def test_a_discharge_ends_when_it_is_full_again() -> None:
    log = Log()
    for soc in (100, 80, 60, 70, 99.4):
        log.see(soc)
    assert log.history.discharges == 0
    assert log.history.last_ah == pytest.approx(40)
    log.see(99.5)
    assert log.history.discharges == 1
    assert log.history.average_ah == pytest.approx(40)
    for soc in (80, 100):
        log.see(soc)
    assert log.history.discharges == 2
    assert log.history.average_ah == pytest.approx(30)
    assert log.history.last_ah == pytest.approx(20)
    assert log.history.deepest_ah == pytest.approx(40)


@pytest.mark.parametrize(
    ("soc", "in_float", "full"),
    [
        (99.5, False, True),
        (99.4, False, False),
        (95.0, True, True),
        (94.9, True, False),
        (95.0, False, False),
    ],
)
def test_full(soc: float, in_float: bool, full: bool) -> None:
    log = Log()
    log.see(soc, in_float=in_float)
    assert log.history.full is full


def test_last_full_is_when_it_became_full_or_ceased_to_be() -> None:
    log = Log()
    log.see(80)
    assert log.history.last_full is None
    log.see(100)
    became = log.now
    log.see(100)
    assert log.history.last_full == became
    log.see(99)
    ceased = log.now
    log.see(60)
    assert log.history.last_full == ceased


@pytest.mark.parametrize(
    ("capacity_ah", "soc", "discharges"),
    [(100.0, 99.1, 0), (100.0, 99.0, 1), (None, 99.1, 0), (None, 99.0, 1)],
)
def test_a_flicker_at_full_is_no_discharge(
    capacity_ah: float | None, soc: float, discharges: int
) -> None:
    log = Log(capacity_ah)
    for each in (100, 50, 100, soc, 100):
        log.see(each)
    assert log.history.discharges == 1 + discharges
    assert log.history.last_ah == pytest.approx(1 if discharges else 50)


def test_cycles_are_the_capacity_drawn() -> None:
    history = drawn(History(), 30, covered_s=60, capacity_ah=None)
    assert history.cycles == 0
    history = drawn(history, 20, covered_s=60, capacity_ah=100)
    assert history.cycles == pytest.approx(0.5)
    assert history.discharged_ah == 50
    history = drawn(history, 50, covered_s=60, capacity_ah=200)
    assert history.cycles == pytest.approx(0.75)


def test_coverage() -> None:
    assert History().coverage is None
    history = passed(History(), 100)
    history = drawn(history, 0, covered_s=80, capacity_ah=None)
    assert history.coverage == pytest.approx(80)
    # A clock that was set back takes nothing away.
    assert passed(history, -50).coverage == pytest.approx(80)


def test_depths_are_positive() -> None:
    assert depth_of(consumed_ah=-20.5, soc=80, capacity_ah=100) == 20.5
    assert depth_of(consumed_ah=None, soc=80, capacity_ah=100) == pytest.approx(20)
    assert depth_of(consumed_ah=None, soc=80, capacity_ah=None) is None


def test_voltages() -> None:
    log = Log()
    for voltage in (13.2, 12.1, 14.4, 13.0):
        log.see(None, voltage=voltage)
    assert log.history.min_voltage == 12.1
    assert log.history.max_voltage == 14.4


@given(st.lists(st.tuples(st.floats(0, 100), st.booleans()), max_size=50))
def test_it_never_falls(readings: list[tuple[float, bool]]) -> None:
    log = Log()
    for soc, in_float in readings:
        before = log.history
        log.see(soc, in_float=in_float)
        after = log.history
        assert after.discharges >= before.discharges
        assert (after.deepest_ah or 0) >= (before.deepest_ah or 0)
        assert after.average_ah is None or 0 < after.average_ah <= (
            after.deepest_ah or 0
        ) * (1 + 1e-9)
