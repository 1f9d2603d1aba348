"""Which change is shown, and when: pure rules, with the clock passed in."""

from collections.abc import Callable, Hashable, Iterable
from dataclasses import replace
import math
import random

from hypothesis import given, strategies as st
import pytest

from custom_components.bmw_wallbox_victron.publish import (
    CHARGING_CURRENT,
    CHARGING_ENERGY,
    CHARGING_POWER,
    CHARGING_VOLTAGE,
    EXACT,
    PACE_S,
    RIPPLE_S,
    Publication,
    Publisher,
    Rule,
    publish,
    rule_for,
    within,
)
from custom_components.bmw_wallbox_victron.readings import Flags, Value

STEP_S = 0.2
RULES = {
    "voltage": rule_for("voltage", "V"),
    "soc": rule_for("soc", "%"),
    "time_to_go": rule_for("time_to_go", "min"),
    "charge_state": EXACT,
    "tested": within(1.0, 10.0),
    "held": within(1.0, 10.0, hold_s=2.0),
}

steps = st.fixed_dictionaries(
    {
        "voltage": st.none() | st.floats(10, 15).map(lambda volts: round(volts, 2)),
        "soc": st.none() | st.floats(0, 100).map(lambda percent: round(percent, 1)),
        "time_to_go": st.none() | st.integers(0, 10_000),
        "charge_state": st.sampled_from(["off", "bulk", None]),
        "tested": st.floats(8, 12) | st.just(10.0),
        "held": st.floats(9.5, 10.5),
    }
)


def wrong(rule: Rule, shown: Value, value: Value) -> bool:
    """Tell whether what is shown is wrong by more than its rule allows."""
    if not isinstance(shown, float | int) or not isinstance(value, float | int):
        return shown != value
    beyond = any(
        (shown - each > 0) != (value - each > 0)
        or (shown - each < 0) != (value - each < 0)
        for each in rule.thresholds
    )
    return beyond or abs(shown - value) > rule.deadband(shown) + 1e-9


@given(st.lists(steps, min_size=2, max_size=60))
def test_never_wrong_for_long_and_never_too_often(said: list[dict[str, Value]]) -> None:
    """Within the deadband after a second (a minute), and never more than once in it."""
    publication = Publication()
    since_wrong: dict[str, float] = {}
    written: dict[str, float] = {}
    now = 1000.0
    for values in said:
        for _ in range(8):  # the same reading again, several times
            before = publication
            publication, due = publish(publication, values, RULES, now)
            for key, rule in RULES.items():
                shown = publication.shown[key]
                old = before.shown.get(key)
                if old is not None and old != shown:
                    # What is unknown is shown so as soon as anything is.
                    pace_s = PACE_S if shown.value is None else rule.pace_s
                    assert now - written[key] >= pace_s - 1e-6
                if old != shown:
                    written[key] = shown.since
                if wrong(rule, shown.value, values[key]):
                    begin = since_wrong.setdefault(key, now)
                    latest = max(rule.pace_s, rule.hold_s)
                    assert now - begin < latest + STEP_S
                    assert due is not None
                    assert due <= max(written[key], begin) + latest + 1e-6
                else:
                    since_wrong.pop(key, None)
            now += STEP_S


@given(steps, st.floats(0, 1e6))
def test_what_stands_still_is_not_written(values: dict[str, Value], now: float) -> None:
    """The same again is no change at all, not even a new object."""
    publication, due = publish(Publication(), values, RULES, now)
    assert publication.values == values
    assert due is None
    assert publish(publication, values, RULES, now + 100) == (publication, None)
    assert publish(publication, dict(values), RULES, now + 100)[0] is publication


@pytest.mark.parametrize(
    ("key", "unit", "shown", "value", "moves"),
    [
        ("voltage", "V", 12.50, 12.54, False),
        ("voltage", "V", 12.50, 12.55, True),
        ("voltage", "V", 12.55, 12.50, True),
        ("current", "A", 1.0, 1.19, False),
        ("current", "A", 1.0, 1.2, True),
        ("power", "W", 100.0, 104.9, False),
        ("power", "W", 100.0, 95.0, True),
        ("soc", "%", 50.0, 50.4, False),
        ("soc", "%", 50.0, 49.5, True),
        ("soc", "%", 99.6, 100.0, True),
        ("soc", "%", 0.3, 0.0, True),
        ("consumed_ah", "Ah", -10.0, -10.1, False),
        ("consumed_ah", "Ah", -10.0, -10.2, True),
        ("time_to_go", "min", 20, 24, False),
        ("time_to_go", "min", 20, 25, True),
        ("time_to_go", "min", 1000, 1099, False),
        ("time_to_go", "min", 1000, 900, True),
        ("temperature", "°C", 21, 22, False),
        ("temperature", "°C", 21.0, 22.5, True),
        ("cell_voltage_1", "V", 3.30, 3.31, True),
        ("yield_today", "kWh", 1.20, 1.21, True),
        ("charge_state", None, "bulk", "float", True),
        ("charge_state", None, "bulk", None, True),
        ("off_reason", None, Flags.of(("bms",)), Flags.of(("bms",)), False),
        ("off_reason", None, Flags.of(("bms",)), Flags.of(("bms", "low_mains")), True),
        ("voltage", "V", None, 12.5, True),
        ("voltage", "V", 12.5, None, True),
    ],
)
def test_deadbands(
    key: str, unit: str | None, shown: Value, value: Value, moves: bool
) -> None:
    rules = {key: rule_for(key, unit)}
    publication, _ = publish(Publication(), {key: shown}, rules, 0)
    publication, due = publish(publication, {key: value}, rules, 100)
    assert (publication.shown[key].since == 100) is moves
    assert due is None


def test_waits_for_its_pace() -> None:
    """A change that comes too early is told when to come back."""
    rules = {"voltage": rule_for("voltage", "V"), "current": rule_for("current", "A")}
    publication, _ = publish(Publication(), {"voltage": 12.0, "current": 1.0}, rules, 0)
    said: dict[str, Value] = {"voltage": 13.0, "current": 1.0}
    waiting, due = publish(publication, said, rules, 0.4)
    assert waiting is publication
    assert due == PACE_S
    published, due = publish(waiting, said, rules, 1.0)
    assert published.values == said
    assert due is None
    # Each quantity has a pace of its own.
    said = {"voltage": 12.0, "current": 3.0}
    published, due = publish(published, said, rules, 1.5)
    assert published.values == {"voltage": 13.0, "current": 3.0}
    assert due == 2.0


def test_what_a_record_lacks_is_not_shown() -> None:
    """A device that was set up anew has other quantities."""
    publication, _ = publish(Publication(), {"soc": 50.0, "voltage": 12.0}, RULES, 0)
    publication, _ = publish(publication, {"voltage": 12.0}, RULES, 0.1)
    assert publication.values == {"voltage": 12.0}


def test_noise_about_a_threshold_is_no_news() -> None:
    """What is crossed to and fro is not written; what stays crossed is."""
    rules = {"voltage": within(0.05, 13.3, hold_s=60.0)}
    publication, _ = publish(Publication(), {"voltage": 13.29}, rules, 0)
    for second in range(1, 100):
        noisy: dict[str, Value] = {"voltage": 13.29 + 0.02 * (second % 2)}
        publication, due = publish(publication, noisy, rules, second)
        assert publication.shown["voltage"].since == 0
        assert (due is None) is (second % 2 == 0)
    for second in range(100, 159):
        publication, due = publish(publication, {"voltage": 13.31}, rules, second)
        assert due == 159
    publication, due = publish(publication, {"voltage": 13.31}, rules, 159)
    assert publication.values == {"voltage": 13.31}
    assert due is None


# A wallbox's meter

PHASE = replace(CHARGING_CURRENT, thresholds=(0.5,))
METER = {
    "power": CHARGING_POWER,
    "current_l1": PHASE,
    "voltage": CHARGING_VOLTAGE,
    "energy": CHARGING_ENERGY,
}


def follow(
    rule: Rule, said: Iterable[float | None], *, step_s: float = 10.0
) -> list[Value]:
    """Give all that is written of readings that come every `step_s`."""
    publication = Publication()
    written: list[Value] = []
    for index, value in enumerate(said):
        before = publication
        publication, _ = publish(before, {"x": value}, {"x": rule}, index * step_s)
        if before.shown.get("x") != publication.shown["x"]:
            written.append(publication.shown["x"].value)
    return written


@pytest.mark.parametrize(
    ("rule", "said", "written"),
    [
        # The larger of 50 W and 2 %.
        (CHARGING_POWER, [1000.0, 1049.9, 1050.0], [1000.0, 1050.0]),
        (CHARGING_POWER, [11_000.0, 11_219.0, 11_220.0], [11_000.0, 11_220.0]),
        (CHARGING_CURRENT, [16.0, 16.29, 15.71, 16.3], [16.0, 16.3]),
        (CHARGING_VOLTAGE, [230.0, 231.9, 228.1, 228.0], [230.0, 228.0]),
        # A phase is in use from 0.5 A, as `phases_used` says.
        (PHASE, [0.4, 0.49, 0.5, 0.6], [0.4, 0.5, 0.6]),
        # What is over is over, however little it was; noise about nothing is nothing.
        (CHARGING_POWER, [40.0, 0.0, 40.0, 0.0, 49.9], [40.0, 0.0]),
        (CHARGING_CURRENT, [0.02, 0.0, 0.02, 0.0], [0.02, 0.0]),
        (CHARGING_VOLTAGE, [1.0, 0.0], [1.0, 0.0]),
        (CHARGING_CURRENT, [None, 16.0, None], [None, 16.0, None]),
    ],
)
def test_deadbands_of_a_meter(
    rule: Rule, said: list[float | None], written: list[Value]
) -> None:
    assert follow(rule, said) == written


def test_a_ripple_is_shown_in_the_middle() -> None:
    """What turns and turns again by more than the deadband comes to rest."""
    ripple = [228.9, 231.1] * 180
    assert follow(CHARGING_VOLTAGE, ripple) == [228.9, 231.1, 228.9, 230.0]


def test_what_turns_once_is_shown_as_it_is() -> None:
    """An owner who turns the current up, and down again, sees what he did."""
    said = [10.0, 10.5, 10.0]
    assert follow(CHARGING_CURRENT, said) == said
    # So does one who does it again after a while, or by more than a ripple.
    slow = [10.0, 10.5] * 3
    assert follow(CHARGING_CURRENT, slow, step_s=RIPPLE_S + 1) == slow
    large = [10.0, 10.6] * 3
    assert follow(CHARGING_CURRENT, large) == large


def test_a_middle_is_on_the_side_of_a_threshold_that_was_read() -> None:
    """A phase that hovers about what counts as in use is shown as it is counted."""
    said, publication = [0.3, 0.65] * 5, Publication()
    for index, amperes in enumerate(said):
        publication, _ = publish(publication, {"x": amperes}, {"x": PHASE}, index * 10)
        shown = publication.values["x"]
        assert isinstance(shown, float)
        assert (shown >= 0.5) is (amperes >= 0.5)
        assert abs(shown - amperes) < 0.3


meter_steps = st.fixed_dictionaries(
    {
        "power": st.sampled_from([0.0, 30.0]) | st.floats(3500, 3900),
        "current_l1": st.floats(0, 1) | st.floats(15.5, 16.5) | st.none(),
        "voltage": st.just(0.0) | st.floats(226, 234),
        "energy": st.floats(0, 1),
    }
)


@given(
    st.lists(
        st.tuples(meter_steps, st.booleans(), st.integers(1, 20)),
        min_size=2,
        max_size=40,
    )
)
def test_a_meter_is_never_shown_wrong_for_long(
    said: list[tuple[dict[str, Value], bool, int]],
) -> None:
    """Whatever it says: within the deadband after a second, and once in it at most.

    Energy, which only counts up, may be a minute old.
    """
    publication = Publication()
    since_wrong: dict[str, float] = {}
    written: dict[str, float] = {}
    now, session = 1000.0, 0
    for values, begins, looks in said:
        session += begins
        for _ in range(looks):
            before = publication
            publication, due = publish(before, values, METER, now, session)
            for key, rule in METER.items():
                shown = publication.shown[key]
                old = before.shown.get(key)
                if old is not None and old != shown:
                    # What was unknown from the start may become known at once.
                    at_once = old.since == -math.inf
                    assert at_once or now - written[key] >= PACE_S - 1e-6
                if old != shown:
                    written[key] = now
                rest = replace(rule, thresholds=(*rule.thresholds, 0.0))
                judged = rest if values[key] == 0.0 else rule
                if wrong(judged, shown.value, values[key]):
                    begin = since_wrong.setdefault(key, now)
                    assert now - begin < rule.pace_s + STEP_S
                    assert due is not None
                else:
                    since_wrong.pop(key, None)
            now += STEP_S


def test_something_else_goes_on() -> None:
    """Where a session begins, pauses or ends, what is shown is exact."""
    said: dict[str, Value] = {"energy": 1.0, "voltage": 230.0}
    publication, _ = publish(Publication(), said, METER, 0, "charging")
    said = {"energy": 1.234, "voltage": 230.4}
    publication, _ = publish(publication, said, METER, 10, "charging")
    assert publication.values == {"energy": 1.234, "voltage": 230.0}
    publication, due = publish(publication, said, METER, 10.5, "paused")
    assert publication.values == said
    assert due is None
    # What is told of it a moment later is exact as well, after a second.
    said = {"energy": 1.235, "voltage": 230.5}
    waiting, due = publish(publication, said, METER, 10.6, "ended")
    assert waiting.values == {"energy": 1.234, "voltage": 230.4}
    assert due == 11.0
    publication, due = publish(waiting, said, METER, 11.5, "ended")
    assert publication.values == said
    assert due is None


def test_energy_at_once_at_first_and_then_every_two_minutes() -> None:
    """One who looks whether it charges sees it; the database does not see each Wh."""
    counts = follow(CHARGING_ENERGY, [index * 0.03 for index in range(361)])
    assert counts[:8] == pytest.approx([index * 0.03 for index in range(8)])
    assert 30 <= len(counts) <= 45
    later = follow(CHARGING_ENERGY, [0.0] * 400 + [0.001, 0.002], step_s=1.0)
    assert later == [0.0, 0.001, 0.002]


def test_an_end_does_not_wait_for_a_minute() -> None:
    """However often energy was written just before."""
    publication, now = Publication(), 0.0
    for index in range(100):
        now = index * 2.0
        said: dict[str, Value] = {"energy": float(index)}
        publication, _ = publish(publication, said, METER, now, "charging")
    assert publication.shown["energy"].since < now
    publication, _ = publish(publication, {"energy": 99.5}, METER, now + 1, "ended")
    assert publication.values == {"energy": 99.5}


def an_hour(amperes: float, phases: int, seed: int) -> int:
    """Count what is written of an hour's readings, each with its own noise."""
    noise = random.Random(seed)
    angles = [noise.uniform(0, math.tau) for _ in range(4)]
    rules = {
        "power": CHARGING_POWER,
        "current": CHARGING_CURRENT,
        "voltage": CHARGING_VOLTAGE,
        "energy_total": CHARGING_ENERGY,
        "energy_session": CHARGING_ENERGY,
        **{f"current_l{phase}": PHASE for phase in (1, 2, 3)},
        **{f"voltage_l{phase}": CHARGING_VOLTAGE for phase in (1, 2, 3)},
    }
    publication, written, wh = Publication(), 0, 0.0
    for second in range(0, 3600, 10):
        current = [
            round(amperes + noise.uniform(-0.2, 0.2), 2) if phase < phases else 0.0
            for phase in range(3)
        ]
        voltage = [
            round(
                230
                + 1.5 * math.sin(math.tau * second / 97 + angles[phase])
                + 2.0 * math.sin(math.tau * second / 2400 + angles[3])
                - 0.04 * current[phase]
                + noise.uniform(-0.2, 0.2),
                1,
            )
            for phase in range(3)
        ]
        power = sum(v * a for v, a in zip(voltage, current, strict=True))
        wh += power / 360
        values: dict[str, Value] = {
            "power": round(power, 1),
            "current": max(current),
            "voltage": round(sum(voltage) / 3, 1),
            "energy_total": round(910 + wh / 1000, 3),
            "energy_session": round(wh / 1000, 3),
        }
        for phase in range(3):
            values[f"current_l{phase + 1}"] = current[phase]
            values[f"voltage_l{phase + 1}"] = voltage[phase]
        before = publication
        publication, _ = publish(before, values, rules, second)
        written += sum(
            before.shown.get(key) != publication.shown[key] for key in values
        )
    return written


@pytest.mark.parametrize(("amperes", "phases"), [(6, 1), (6, 3), (16, 3), (32, 3)])
def test_rows_of_an_hour_whatever_the_noise(amperes: float, phases: int) -> None:
    """So many, beside some 30 of what begins and ends: of 400."""
    assert max(an_hour(amperes, phases, seed) for seed in range(10)) <= 360


def test_a_publisher_comes_back_when_it_is_due() -> None:
    now = 0.0
    shown: list[tuple[float, Value]] = []
    timers: list[tuple[float, Callable[[], None]]] = []

    def call_later(delay: float, action: Callable[[], None]) -> Callable[[], None]:
        timer = (now + delay, action)
        timers.append(timer)
        return lambda: timers.remove(timer)

    said: dict[str, Value] = {"voltage": 230.0}
    occasion: Hashable = "charging"

    def look() -> None:
        if publisher.take(said, METER, occasion):
            shown.append((now, publisher.values["voltage"]))

    publisher = Publisher(now=lambda: now, call_later=call_later, on_due=look)
    look()
    for volts in (235.0, 240.0, 236.0):
        now += 0.25
        said = {"voltage": volts}
        look()
    assert [at for at, _ in timers] == [1.0]
    # A timer that is a little early finds what it was set for.
    now, (_, action) = 0.999, timers.pop()
    action()
    assert shown == [(0.0, 230.0), (0.999, 236.0)]
    assert timers == []
    said = {"voltage": 230.0}
    look()
    publisher.forget()
    assert (timers, publisher.values) == ([], {})
    look()
    assert shown[-1] == (0.999, 230.0)
