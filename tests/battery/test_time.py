"""What the battery's rules make of time, with the clock passed in."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from hypothesis import given, strategies as st
import pytest

from custom_components.bmw_wallbox_victron.battery.battery import (
    Battery,
    Chemistry,
    Settings,
)
from custom_components.bmw_wallbox_victron.battery.power_source import Plug
from custom_components.bmw_wallbox_victron.battery.sources import (
    ROLES,
    Role,
    Source,
    role_of,
)
from custom_components.bmw_wallbox_victron.battery.trend import WINDOW_S, Trend

from ..kit.sources import charger, monitor, orion, solar, source

OFF = Plug(has_switch=True, is_on=False)
ON = Plug(has_switch=True, is_on=True)


class Day:
    """A battery, a clock, and what is said to it."""

    def __init__(self) -> None:
        self.battery = Battery()
        self.sources: list[Source] = []
        self.plug = Plug()
        self.settings = Settings()
        self.now = 10_000.0
        self._due: float | None = None

    def say(self, **changes: Any) -> None:
        """Change what is said, now."""
        for name, change in changes.items():
            setattr(self, name, change)
        self._look()

    def _look(self) -> None:
        self._due = self.battery.update(
            self.sources, self.plug, self.settings, self.now
        )
        assert self._due is None or self._due > self.now

    def run(self, seconds: float) -> None:
        """Let time pass: only what is due is looked at again."""
        end = self.now + seconds
        while self._due is not None and self._due <= end:
            self.now = self._due
            self._look()
        self.now = end

    def get(self, key: str) -> Any:
        """Return what is known."""
        return getattr(self.battery.state, key)


# The plug


@pytest.mark.parametrize(("first", "then"), [(ON, OFF), (OFF, ON)])
def test_plug_is_steady_for_two_seconds(first: Plug, then: Plug) -> None:
    day = Day()
    day.say(plug=first)
    day.run(10)
    day.say(plug=then)
    day.run(1.9)
    assert day.get("mains_present") is first.is_on
    day.run(0.1)
    assert day.get("mains_present") is then.is_on


def test_plug_that_flickers() -> None:
    day = Day()
    day.say(plug=ON)
    day.run(10)
    for _ in range(20):
        day.say(plug=OFF)
        day.run(1.5)
        day.say(plug=ON)
        day.run(0.5)
    assert day.get("mains_present") is True
    day.run(60)
    assert day.get("mains_present") is True


def test_charger_does_not_speak_before_the_plug() -> None:
    """Right after a start the plug is about to say something."""
    day = Day()
    day.say(plug=OFF, sources=[charger("bulk"), monitor(current=-3.0)])
    assert day.get("mains_present") is None
    assert day.get("power_source") == "unknown"
    day.run(2)
    assert day.get("mains_present") is False
    day.say(plug=Plug(has_switch=True))
    day.run(1.9)
    assert day.get("mains_present") is False
    day.run(0.1)
    assert day.get("mains_present") is True  # as the charger says


def test_pulled_plug_and_a_charger_that_still_speaks() -> None:
    """The charger's last words never turn mains back."""
    day = Day()
    day.say(plug=ON, sources=[charger("bulk", output_voltage_1=14.2)])
    day.run(60)
    assert day.get("power_source") == "mains"
    day.say(plug=OFF)
    for _ in range(300):
        day.run(1)
        day.say()
        assert day.get("power_source") == ("battery" if day.now >= 10_062 else "mains")


@pytest.mark.parametrize("amperes", [20.0, -5.0])
def test_what_was_read_before_mains_went_says_nothing_of_afterwards(
    amperes: float,
) -> None:
    """A booster that does not talk may be running; the charger of before is not."""
    day = Day()
    day.say(plug=ON, sources=[replace(monitor(current=20.0), read_at=day.now)])
    day.run(10)
    day.say(plug=OFF)
    day.run(2)
    assert day.get("power_source") == "battery"
    day.run(1)
    day.say(sources=[replace(monitor(current=amperes), read_at=day.now)])
    assert day.get("power_source") == ("other" if amperes > 0 else "battery")


# Charging and draining


def sense(voltage: float, *, fresh: bool = True) -> Source:
    """Return a device that knows the voltage alone."""
    return source("battery_sense", voltage=voltage, fresh=fresh)


def rise(day: Day, voltage: float, by: float) -> None:
    """Let the voltage stand, and then rise, where nobody measures a current."""
    day.say(sources=[sense(voltage)])
    day.run(60)
    day.say(sources=[sense(round(voltage + by, 2))])


@pytest.mark.parametrize(
    ("voltage", "by", "detected"),
    [
        (13.15, 0.15, True),
        (13.14, 0.15, False),
        (13.15, 0.14, False),
        (13.30, 0.15, True),
        (13.30, 0.14, False),
    ],
)
def test_charging_is_detected(voltage: float, by: float, detected: bool) -> None:
    day = Day()
    rise(day, voltage, by)
    assert day.get("charging_detected") is False
    day.run(299.9)
    assert day.get("charging_detected") is False
    day.run(0.1)
    assert day.get("charging_detected") is detected


def test_own_numbers() -> None:
    day = Day()
    day.say(
        settings=Settings(charge_detect_min_voltage=12.5, charge_detect_min_rise=0.05)
    )
    rise(day, 12.45, 0.05)
    day.run(300)
    assert day.get("charging_detected") is True
    # They count at once.
    day.say(settings=Settings())
    day.run(599.9)
    assert day.get("charging_detected") is True
    day.run(0.1)
    assert day.get("charging_detected") is False


def test_detection_ends_with_the_window() -> None:
    """The rise leaves the window after 15 min; 10 min later it is over."""
    day = Day()
    rise(day, 13.0, 0.5)
    day.run(WINDOW_S - 0.1)
    assert day.get("voltage_change_15m") == 0.5
    day.run(0.1)
    assert day.get("voltage_change_15m") == 0.0
    assert day.get("charging_detected") is True
    day.run(599.9)
    assert day.get("charging_detected") is True
    day.run(0.1)
    assert day.get("charging_detected") is False


@pytest.mark.parametrize(
    ("by", "plug", "draining"),
    [
        (-0.20, Plug(), True),
        (-0.19, Plug(), False),
        (-0.20, OFF, True),
        (-0.20, ON, False),
    ],
)
def test_draining_fast(by: float, plug: Plug, draining: bool) -> None:
    day = Day()
    day.say(plug=plug)
    rise(day, 12.8, by)
    day.run(299.9)
    assert day.get("draining_fast") is False
    day.run(0.1)
    assert day.get("draining_fast") is draining
    day.run(WINDOW_S - 300 + 599.9)
    assert day.get("draining_fast") is draining
    day.run(0.1)
    assert day.get("draining_fast") is False


def test_unknown_voltage() -> None:
    """Without a voltage nothing is detected, and detection begins afresh."""
    day = Day()
    rise(day, 13.0, 0.5)
    day.run(310)
    assert day.get("charging_detected") is True
    day.say(sources=[sense(13.5, fresh=False)])
    for key in (
        "voltage",
        "voltage_change_15m",
        "voltage_mean_15m",
        "charging_detected",
        "draining_fast",
    ):
        assert day.get(key) is None
    day.run(20)
    day.say(sources=[sense(13.5)])
    assert day.get("charging_detected") is False
    assert day.get("voltage_change_15m") == 0.5
    day.run(300)
    assert day.get("charging_detected") is True


# Silence


@pytest.mark.parametrize("kind", ["battery_monitor", "lynx_smart_bms", "bms"])
def test_problem(kind: str) -> None:
    """A monitor or a BMS that is silent for 120 s longer than it counts."""
    day = Day()
    silent = replace(source(kind, fresh=False), heard_at=day.now, name="Pack 2")
    day.say(sources=[silent])
    day.run(419.9)
    assert day.get("problem") is False
    day.run(0.1)
    assert day.get("problem") is True
    assert day.battery.state.silent == ("Pack 2",)
    day.say(sources=[replace(silent, fresh=True, heard_at=day.now)])
    assert day.get("problem") is False
    assert not day.battery.state.silent


@pytest.mark.parametrize("kind", ["ac_charger", "orion_xs", "solar_charger", "ve_bus"])
def test_silence_of_a_charger_is_no_problem(kind: str) -> None:
    day = Day()
    day.say(sources=[source(kind, fresh=False)])
    day.run(10_000)
    assert day.get("problem") is False


# Charging and draining where the current, or the state of charge, is known


def test_charging_is_detected_by_the_current() -> None:
    """Whatever the voltage does: LiFePO4 stands still, and recovers after a load."""
    day = Day()
    day.say(sources=[monitor(voltage=13.3, current=5.0)])
    day.run(299.9)
    assert day.get("charging_detected") is False
    day.run(0.1)
    assert day.get("charging_detected") is True
    day.say(sources=[monitor(voltage=13.3, current=-3.0)])
    day.run(599.9)
    assert day.get("charging_detected") is True
    day.run(0.1)
    assert day.get("charging_detected") is False


def test_a_battery_that_recovers_from_a_load_is_not_charged() -> None:
    """100 A for eight minutes, and then it rests at 13.32 V with -3 A."""
    day = Day()
    day.say(sources=[monitor(voltage=13.0, current=-100.0)])
    day.run(480)
    day.say(sources=[monitor(voltage=13.32, current=-3.0)])
    for _ in range(20):
        day.run(60)
        assert day.get("charging_detected") is False


def test_charging_now_has_a_hysteresis() -> None:
    day = Day()
    for current, charging in ((0.3, False), (0.31, True), (0.21, True), (0.2, False)):
        day.say(sources=[monitor(voltage=13.2, current=current)])
        assert day.get("charging_now") is charging


@pytest.mark.parametrize(
    ("drop", "min_drop", "draining"),
    [(3.0, 3.0, True), (2.9, 3.0, False), (2.9, 2.5, True), (1.0, 1.0, True)],
)
def test_draining_fast_by_the_state_of_charge(
    drop: float, min_drop: float, draining: bool
) -> None:
    day = Day()
    day.say(settings=Settings(drain_fast_min_drop=min_drop))
    day.say(sources=[monitor(voltage=13.2, current=-80.0, soc=80.0)])
    day.run(120)
    day.say(sources=[monitor(voltage=13.2, current=-80.0, soc=80.0 - drop)])
    day.run(299.9)
    assert day.get("draining_fast") is False
    day.run(0.1)
    assert day.get("draining_fast") is draining
    # The higher one leaves the window, and ten minutes later it is over.
    day.run(WINDOW_S - 300 + 599.9)
    assert day.get("draining_fast") is draining
    day.run(0.1)
    assert day.get("draining_fast") is False


def test_draining_fast_ends_at_once_where_something_charges() -> None:
    day = Day()
    drains = monitor(voltage=13.2, current=-80.0, soc=76.0)
    day.say(sources=[monitor(voltage=13.2, current=-80.0, soc=80.0)])
    day.run(1)
    day.say(sources=[drains])
    day.run(300)
    assert day.get("draining_fast") is True
    day.say(sources=[drains, orion("bulk", output_voltage=13.5)])
    assert day.get("draining_fast") is False


def test_from_absorption_to_float_in_the_sun() -> None:
    """12 V LiFePO4 at noon: 14.2 V, then 13.5 V, with 0.4 A and 100 %."""
    day = Day()
    for voltage, state in ((14.2, "absorption"), (13.5, "float")):
        day.say(
            sources=[
                monitor(voltage=voltage, current=0.4, soc=100.0),
                solar(state, battery_voltage=voltage, battery_current=3.0, pv_power=40),
            ]
        )
        for _ in range(30):
            day.run(60)
            assert day.get("draining_fast") is False


def test_another_source_knows_another_state_of_charge() -> None:
    day = Day()
    day.say(sources=[monitor(voltage=13.2, current=-1.0, soc=80.0)])
    day.run(60)
    day.say(sources=[source("bms", voltage=13.2, current=-1.0, soc=70.0)])
    day.run(600)
    assert day.get("draining_fast") is False


# Scale


@pytest.mark.parametrize(
    ("voltage", "nominal"),
    [(11.0, 12), (16.9, 12), (17.0, 24), (33.9, 24), (34.0, 48), (57.0, 48)],
)
def test_nominal_voltage(voltage: float, nominal: int) -> None:
    """It settles once: what comes later does not change it."""
    day = Day()
    day.say(sources=[sense(0.0)])
    assert day.battery.nominal is None
    for each in (voltage, 12.0, 60.0):
        day.say(sources=[sense(each)])
        assert day.battery.nominal == nominal


@pytest.mark.parametrize("nominal", [12, 24, 36, 48])
@pytest.mark.parametrize(("steps", "detected"), [(15, True), (14, False)])
def test_voltages_count_times_the_scale(
    nominal: int, steps: int, detected: bool
) -> None:
    scale = nominal / 12
    day = Day()
    day.say(settings=Settings(nominal_voltage=nominal))
    rise(day, 13.3 * scale, steps / 100 * scale)
    day.run(300)
    assert day.get("charging_detected") is detected
    day = Day()
    day.say(settings=Settings(nominal_voltage=nominal))
    rise(day, 13.0 * scale, -(steps + 5) / 100 * scale)
    day.run(300)
    assert day.get("draining_fast") is detected


@pytest.mark.parametrize(
    ("chemistry", "voltage", "detected"),
    [("lifepo4", 13.5, True), ("lifepo4", 13.49, False), ("lead", 13.3, True)],
)
def test_chemistry(chemistry: str, voltage: float, detected: bool) -> None:
    day = Day()
    day.say(settings=Settings(chemistry=Chemistry(chemistry)))
    rise(day, round(voltage - 0.2, 2), 0.2)
    day.run(300)
    assert day.get("charging_detected") is detected


# The trend, against a plain reckoning of the same


def reckon(
    steps: Iterable[tuple[float, float | None]], now: float
) -> tuple[float | None, float | None]:
    """Reckon change and mean in the plainest way, in steps of a tenth of a second."""
    history = list(steps)
    if not history or history[-1][1] is None:
        return None, None
    known = [
        voltage
        for tenth in range(round((now - WINDOW_S) * 10), round(now * 10))
        if (voltage := _at(history, tenth / 10 + 0.05)) is not None
    ]
    newest = history[-1][1]
    if not known:
        return 0.0, newest
    return newest - known[0], sum(known) / len(known)


def _at(history: list[tuple[float, float | None]], moment: float) -> float | None:
    found = None
    for begin, voltage in history:
        if begin <= moment:
            found = voltage
    return found


steps = st.lists(
    st.tuples(
        st.integers(1, 600).map(float),
        st.none() | st.integers(1200, 1450).map(lambda value: value / 100),
    ),
    min_size=1,
    max_size=8,
)


def played(said: list[tuple[float, float | None]]) -> Iterator[tuple[float, Any]]:
    """Return when each voltage was said."""
    now = 0.0
    for pause, voltage in said:
        now += pause
        yield now, voltage


@given(steps, st.integers(0, 1000))
def test_trend(said: list[tuple[float, float | None]], wait: int) -> None:
    trend = Trend()
    history = list(played(said))
    now = 0.0
    for now, voltage in history:
        trend.note(voltage, now)
        trend.read(now)
    now += wait
    movement = trend.read(now)
    change, mean = reckon(history, now)
    assert (movement.change is None) is (change is None)
    if movement.change is not None and change is not None:
        assert movement.change == pytest.approx(change, abs=0.002)
        assert movement.mean == pytest.approx(mean, abs=0.005)


@given(steps)
def test_trend_tells_when_to_look_again(said: list[tuple[float, float | None]]) -> None:
    """Looked at only when it is due, it is never wrong by more than the deadband."""
    trend = Trend()
    history = list(played(said))
    for now, voltage in history:
        trend.note(voltage, now)
        trend.read(now)
    shown = trend.read(now)
    for second in range(1, 1800):
        moment = now + second
        if shown.due is not None and moment >= shown.due:
            shown = trend.read(moment)
        truth = trend.read(moment) if second % 20 == 0 else shown
        if truth.mean is None or shown.mean is None:
            assert truth.mean is shown.mean
        else:
            assert abs(truth.mean - shown.mean) <= 0.055


# What holds for all days

kinds = st.sampled_from(list(ROLES))
volts = st.none() | st.floats(10, 15).map(lambda value: round(value, 2))
states = st.sampled_from([None, "off", "bulk", "float", "fault"])
inputs = st.sampled_from([None, "ac_in_1", "ac_in_2", "not_connected"])


@st.composite
def any_source(draw: st.DrawFn) -> Source:
    """Return any source, fresh or not."""
    kind = draw(kinds)
    role = role_of(kind, {})
    assert role is not None
    return Source(
        role=role,
        kind=kind,
        fresh=draw(st.booleans()),
        values={
            "voltage": draw(volts),
            "current": draw(st.none() | st.floats(-50, 50)),
            "soc": draw(st.none() | st.floats(0, 100)),
            "output_voltage_1": draw(volts),
            "output_current_1": draw(st.none() | st.floats(0, 30)),
            "output_voltage": draw(volts),
            "output_current": draw(st.none() | st.floats(0, 30)),
            "battery_current": draw(st.none() | st.floats(0, 30)),
            "pv_power": draw(st.none() | st.integers(0, 400)),
            "charge_state": draw(states),
            "active_ac_in": draw(inputs),
        },
        heard_at=0.0,
    )


moments = st.lists(
    st.tuples(
        st.floats(0, 700),
        st.lists(any_source(), max_size=4),
        st.sampled_from([Plug(), ON, OFF, Plug(has_switch=True)]),
    ),
    min_size=1,
    max_size=15,
)


@given(moments)
def test_no_stale_reading_ever_reaches_the_battery(said: list[Any]) -> None:
    """All that is known is what fresh sources alone say."""
    day, alone = Day(), Day()
    for pause, sources, plug in said:
        for each in (day, alone):
            each.run(pause)
        day.say(sources=sources, plug=plug)
        # A silent pack of a bank is known to be one: without it a sum would be wrong.
        known = [
            item if item.fresh else replace(item, values={})
            for item in sources
            if item.fresh or item.role is Role.BMS
        ]
        alone.say(sources=known, plug=plug)
        for key, value in day.battery.state.by_key.items():
            if key != "problem":  # which is about silence
                assert value == alone.battery.state.by_key[key], key
        if not any(item.fresh for item in sources):
            for key in ("voltage", "current", "power", "soc", "charging_now"):
                assert day.get(key) is None
            assert day.get("source") is None
            assert day.get("status") == day.get("summary") == "unknown"


@given(moments)
def test_never_mains_without_a_reason(said: list[Any]) -> None:
    """With the plug off for 2 s, or unknown and the charger silent or off: no mains."""
    day = Day()
    for pause, sources, plug in said:
        day.run(pause)
        day.say(sources=sources, plug=plug)
        day.run(2.0)
        fresh = [item for item in sources if item.fresh]
        inputs = {
            item.values["active_ac_in"]
            for item in fresh
            if item.role is Role.INVERTER_CHARGER
        } - {None}
        charges = bool(inputs & {"ac_in_1", "ac_in_2"}) or (
            not inputs
            and any(
                item.role is Role.AC_CHARGER
                and item.values["charge_state"] not in (None, "off")
                for item in fresh
            )
        )
        if plug.verdict is False or (plug.verdict is None and not charges):
            assert day.get("power_source") != "mains"
            assert day.get("mains_present") is not True
        if plug.verdict is True:
            assert day.get("power_source") == "mains"
