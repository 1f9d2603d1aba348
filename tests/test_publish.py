"""Which change is shown, and when: pure rules, with the clock passed in."""

from hypothesis import given, strategies as st
import pytest

from custom_components.bmw_wallbox_victron.publish import (
    EXACT,
    PACE_S,
    Publication,
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
