"""What a wallbox is asked and told once it is connected."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from hypothesis import given, strategies as st
import pytest

from custom_components.bmw_wallbox_victron.wallbox.clock import Now
from custom_components.bmw_wallbox_victron.wallbox.device_model import (
    learn,
    members,
    number,
)
from custom_components.bmw_wallbox_victron.wallbox.identity import Light
from custom_components.bmw_wallbox_victron.wallbox.meter_polling import (
    PATIENCE_S,
    TRIGGERS,
    Heard,
    TriggerChoice,
)
from custom_components.bmw_wallbox_victron.wallbox.provisioning import (
    MEASURANDS,
    Change,
    metering_changes,
)
from custom_components.bmw_wallbox_victron.wallbox.state import WallboxState
from simulators.wallbox import DELTA, Car, SimulatedWallbox
from simulators.wallbox.device_model import MEASURANDS as MEASURED, VariableId

from .kit.bench import Bench, MakeBench, charge
from .kit.wallbox import RULE

# What a wallbox does, whichever Home Assistant it is shown by.
pytestmark = pytest.mark.any_homeassistant


NOW = Now(datetime(2026, 3, 1, 12, tzinfo=UTC), 1000.0)


EVENT, METER = TRIGGERS
NOW = Now(datetime(2026, 10, 3, 12, tzinfo=UTC), 1000.0)
NO_NUMBERS = ("inf", "-inf", "nan", "1e400", "", " ", "bright", "1_0", "0x1F", "30 %")


def written(bench: Bench) -> dict[str, list[str]]:
    """List what was written to each variable, in order."""
    values: dict[str, list[str]] = {}
    for call in bench.box.calls("SetVariables"):
        for item in call.payload["setVariableData"]:
            name = f"{item['component']['name']}.{item['variable']['name']}"
            values.setdefault(name, []).append(item["attributeValue"])
    return values


def set_value(box: SimulatedWallbox, component: str, variable: str, value: str) -> None:
    """Set a variable at the wallbox."""
    box.model.set(VariableId(component=component, variable=variable), value)


def triggers(bench: Bench, since: int = 0) -> list[str]:
    """List the messages that were asked for."""
    return [
        call.payload["requestedMessage"]
        for call in bench.calls_since(since)
        if call.action == "TriggerMessage"
    ]


# Numbers of the device model


@pytest.mark.parametrize("text", [*NO_NUMBERS, "-5", "250", "1e300"])
@pytest.mark.parametrize("boot", [True, False], ids=["booted", "reconnected"])
async def test_a_brightness_that_is_no_number(
    make_bench: MakeBench, text: str, boot: bool
) -> None:
    """Or none in percent. Only that value is lost: all else is asked and set."""
    bench = make_bench()
    set_value(bench.box, "StatusLED", "brightness", text)
    await bench.connect(boot=boot)
    await bench.pass_time(5)
    assert bench.site.state("led_brightness", "number") == "unavailable"
    assert bench.site.state("status") == "available"
    state = bench.site.entry.runtime_data.stations[bench.box.charge_point_id].state
    assert (state.ceiling_a, state.surveyed) == (32, True)
    assert written(bench)["SampledDataCtrlr.TxUpdatedInterval"] == ["10"]
    assert [answer.error for answer in bench.box.answers if answer.error] == []


async def test_a_brightness_that_is_no_number_in_a_report(
    make_bench: MakeBench,
) -> None:
    """The report is taken to its last part."""
    bench = make_bench(replace(DELTA, identity_unknown=True, led_report_inf=True))
    await bench.connect(boot=False)
    await bench.pass_time(5)
    assert bench.box.calls("GetBaseReport")
    assert [answer.error for answer in bench.box.answers if answer.error] == []
    assert bench.site.device().model == bench.box.identity.model
    assert bench.site.state("led_brightness", "number") == "unavailable"
    assert "SampledDataCtrlr.TxUpdatedInterval" in written(bench)


@pytest.mark.parametrize("text", [*NO_NUMBERS, "0", "-16"])
def test_a_ceiling_that_is_none(text: str) -> None:
    """A box that gives no current at all, or an endless one, does not say so."""
    found = {
        ("ChargingStation", "MaxCurrent"): text,
        ("StatusLED", "brightness"): "40",
    }
    state = learn(WallboxState(), found, NOW, status_known=False, ends_session=True)
    assert state.ceiling_a is None
    assert state.light == Light("StatusLED", "brightness", 40)


@RULE
@given(
    st.dictionaries(
        st.sampled_from(
            [
                ("ChargingStation", "MaxCurrent"),
                ("ChargingStation", "Model"),
                ("ChargingStation", "StatusLedBrightness"),
                ("Connector", "AvailabilityState"),
                ("SmartChargingCtrlr", "Available"),
                ("SmartChargingCtrlr", "Enabled"),
                ("StatusLED", "brightness"),
            ]
        ),
        st.one_of(st.text(), st.floats().map(str), st.integers().map(str)),
    )
)
def test_no_variable_harms_another(found: Mapping[tuple[str, str], str]) -> None:
    """Whatever a variable says, the others say the same as without it."""
    whole = learn(WallboxState(), found, NOW, status_known=False, ends_session=True)
    model = found.get(("ChargingStation", "Model"), "") or None
    assert whole.identity.model == model
    ceiling = number(found.get(("ChargingStation", "MaxCurrent")))
    assert whole.ceiling_a == (ceiling if ceiling and ceiling > 0 else None)


async def test_a_step_that_fails_costs_that_step(
    make_bench: MakeBench,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A bug of ours in one step is logged once; the others are taken."""

    def fail(*_: object, **__: object) -> WallboxState:
        raise OverflowError("of a value that is not told to the log: 04CAFE")

    monkeypatch.setattr(
        "custom_components.bmw_wallbox_victron.wallbox.connection.learn", fail
    )
    bench = make_bench()
    await bench.connect()
    await bench.pass_time(5)
    state = bench.site.entry.runtime_data.stations[bench.box.charge_point_id].state
    assert state.surveyed
    assert "SampledDataCtrlr.TxUpdatedInterval" in written(bench)
    assert caplog.text.count("OverflowError in") == 1
    assert "04CAFE" not in caplog.text


# What is measured


async def test_no_samples_at_the_end(make_bench: MakeBench) -> None:
    """The wallbox is told not to send all samples of a session with its end."""
    bench = make_bench(replace(DELTA, ended_carries_all_samples=True))
    await bench.connect()
    await bench.pass_time(5)
    assert written(bench)["SampledDataCtrlr.TxEndedInterval"] == ["0"]
    assert bench.box.model.text("SampledDataCtrlr", "TxEndedInterval") == "0"


async def test_nothing_is_written_that_is_so(make_bench: MakeBench) -> None:
    """Flash memory wears: on the next connections nothing is written any more."""
    bench = make_bench(replace(DELTA, aligned_measurands_only=True))
    await bench.connect()
    await bench.pass_time(5)
    before = len(bench.box.calls("SetVariables"))
    assert before == 1
    for boot in (False, True):
        await bench.box.disconnect()
        await bench.rest()
        await bench.connect(boot=boot)
        await bench.pass_time(5)
    assert len(bench.box.calls("SetVariables")) == before


async def test_what_is_sampled_already_stays(make_bench: MakeBench) -> None:
    """Lists of measurands are extended, in the wallbox's own order."""
    bench = make_bench()
    set_value(
        bench.box,
        "SampledDataCtrlr",
        "TxUpdatedMeasurands",
        "Voltage,Energy.Active.Import.Register",
    )
    set_value(bench.box, "AlignedDataCtrlr", "Measurands", "Voltage")
    await bench.connect()
    await bench.pass_time(5)
    values = written(bench)
    assert values["SampledDataCtrlr.TxUpdatedMeasurands"] == [
        "Voltage,Energy.Active.Import.Register,Power.Active.Import,Current.Import"
    ]
    (aligned,) = values["AlignedDataCtrlr.Measurands"]
    assert aligned.startswith("Voltage,")
    assert set(aligned.split(",")) == set(MEASURED)


async def test_a_list_that_is_too_long(
    make_bench: MakeBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the extended list is rejected, ours alone is tried."""
    bench = make_bench()
    # The simulated wallbox has no measurand of its own to take beside ours.
    set_value(bench.box, "SampledDataCtrlr", "TxEndedMeasurands", "Frequency")
    await bench.connect()
    await bench.pass_time(5)
    ours = ",".join(MEASURANDS)
    assert written(bench)["SampledDataCtrlr.TxEndedMeasurands"] == [
        f"Frequency,{ours}",
        ours,
    ]
    assert bench.box.model.text("SampledDataCtrlr", "TxEndedMeasurands") == ours


async def test_settings_that_are_read_only(make_bench: MakeBench) -> None:
    """What is rejected is not written again and again."""
    bench = make_bench(replace(DELTA, metering_settings_rejected=True))
    await charge(bench)
    await bench.pass_time(60, step=5)
    assert len(bench.box.calls("SetVariables")) == 1
    assert bench.keeps(32)


@given(
    st.dictionaries(
        st.sampled_from(
            [
                ("SampledDataCtrlr", "TxUpdatedInterval"),
                ("SampledDataCtrlr", "TxEndedInterval"),
                ("SampledDataCtrlr", "TxUpdatedMeasurands"),
                ("SampledDataCtrlr", "TxStartedMeasurands"),
                ("SampledDataCtrlr", "TxEndedMeasurands"),
                ("AlignedDataCtrlr", "Measurands"),
            ]
        ),
        st.one_of(
            st.lists(
                st.sampled_from([*MEASURANDS, "SoC", "Frequency", " Voltage "])
            ).map(",".join),
            st.sampled_from(["0", "10", "60.0", "inf", ""]),
        ),
    )
)
def test_set_once(found: dict[tuple[str, str], str]) -> None:
    """Once all is set nothing is left to set, and no measurand was lost."""
    changes = metering_changes(found, 10)
    assert all((change.component, change.variable) in found for change in changes)
    after = {
        **found,
        **{(change.component, change.variable): change.value for change in changes},
    }
    assert metering_changes(after, 10) == []
    for place, before in found.items():
        if place[1].endswith("Measurands"):
            assert {*members(before), *MEASURANDS} == set(members(after[place]))


def test_only_what_is_known_is_set() -> None:
    """A station without such a variable is not told to set it."""
    assert metering_changes({}, 10) == []
    assert metering_changes({("SampledDataCtrlr", "TxEndedInterval"): ""}, 10) == [
        Change("SampledDataCtrlr", "TxEndedInterval", "0")
    ]


# Smart charging


@pytest.mark.parametrize("boot", [True, False], ids=["booted", "reconnected"])
@pytest.mark.parametrize("unavailable", [True, False])
async def test_smart_charging_is_asked_for(
    make_bench: MakeBench, boot: bool, unavailable: bool
) -> None:
    """Whether it is there is asked once a connection."""
    bench = make_bench(replace(DELTA, smart_charging_unavailable=unavailable))
    await bench.connect(boot=boot)
    await bench.pass_time(5)
    state = bench.site.entry.runtime_data.stations[bench.box.charge_point_id].state
    assert state.smart_charging is not unavailable
    assert not bench.problem()


async def test_start_where_smart_charging_is_switched_off(
    make_bench: MakeBench,
) -> None:
    """It starts and stops by remote control, and says nothing of a limit."""
    bench = make_bench(
        replace(DELTA, smart_charging_unavailable=True, auth_enabled=True)
    )
    await bench.connect()
    await bench.box.plug_in(Car())
    await bench.pass_time(5)
    bench.press("start_charging")
    await bench.pass_time(10)
    await bench.succeed()
    assert bench.amps == 32
    assert not bench.problem()
    bench.press("stop_charging")
    await bench.pass_time(10)
    await bench.succeed()
    assert bench.amps == 0
    assert len(bench.box.calls("RequestStopTransaction")) == 1


# The status


@pytest.mark.parametrize("rejected", [True, False])
async def test_the_status_after_a_reconnect(
    make_bench: MakeBench, monkeypatch: pytest.MonkeyPatch, rejected: bool
) -> None:
    """It is asked for as a message; where that is refused, as a variable."""
    bench = make_bench(replace(DELTA, trigger_status_rejected=rejected))
    send = bench.box.send_status
    monkeypatch.setattr(bench.box, "send_status", lambda: None)
    connecting = bench.connect(boot=False)
    monkeypatch.setattr(bench.box, "_welcome", welcome_without(bench.box, send))
    await connecting
    await bench.pass_time(6)
    assert triggers(bench).count("StatusNotification") == 1
    assert len(bench.box.sent_of("StatusNotification")) == (0 if rejected else 1)
    assert bench.site.state("status") == "available"


def welcome_without(
    box: SimulatedWallbox, send: Callable[[], None]
) -> Callable[[], None]:
    """Let a box say nothing of its status by itself, and then when it is asked."""
    welcome = box._welcome

    def say() -> None:
        welcome()
        vars(box)["send_status"] = send

    return say


async def test_a_status_that_was_told_is_not_asked_for(make_bench: MakeBench) -> None:
    """One message less."""
    bench = make_bench()
    await bench.connect(boot=False)
    await bench.pass_time(6)
    assert "StatusNotification" not in triggers(bench)


# Readings of the current


async def test_the_event_is_asked_for_first(make_bench: MakeBench) -> None:
    """In a session TransactionEvent tells what TxUpdatedMeasurands say (F06)."""
    bench = make_bench(replace(DELTA, metering_settings_rejected=True))
    set_value(
        bench.box, "SampledDataCtrlr", "TxUpdatedMeasurands", ",".join(MEASURANDS)
    )
    await charge(bench)
    before = len(bench.box.received_calls)
    await bench.pass_time(40)
    asked = triggers(bench, before)
    assert len(asked) >= 2
    assert set(asked) == {"TransactionEvent"}
    assert bench.site.number("current") == pytest.approx(32, abs=1)


@pytest.mark.parametrize(
    "quirks",
    [
        {"trigger_transaction_event_rejected": True},
        {"meter_values_missing_in_updates": True},
        {},
    ],
    ids=["refused", "no meter values", "energy only"],
)
async def test_meter_values_where_the_event_is_of_no_use(
    make_bench: MakeBench, quirks: dict[str, Any]
) -> None:
    """One that is refused, or tells no current, is not asked for in vain for ever."""
    bench = make_bench(replace(DELTA, metering_settings_rejected=True, **quirks))
    await charge(bench)
    await bench.pass_time(30)
    before = len(bench.box.received_calls)
    await bench.pass_time(60)
    assert set(triggers(bench, before)) == {"MeterValues"}
    assert bench.site.number("current") == pytest.approx(32, abs=1)


async def test_aligned_measurands_are_set(make_bench: MakeBench) -> None:
    """A station that tells energy and voltage alone is told to tell the current."""
    bench = make_bench(
        replace(
            DELTA,
            aligned_measurands_only=True,
            trigger_transaction_event_rejected=True,
            metering_settings_rejected=True,
        )
    )
    await charge(bench)
    await bench.pass_time(30)
    assert bench.site.number("current") == pytest.approx(32, abs=1)
    bench.limit(8)
    await bench.pass_time(15)
    await bench.succeed()
    assert bench.keeps(8)


async def test_refused_where_all_is_refused(make_bench: MakeBench) -> None:
    """A station that refuses both is asked once each in a session."""
    bench = make_bench(
        replace(
            DELTA,
            trigger_transaction_event_rejected=True,
            trigger_meter_values_rejected=True,
            metering_settings_rejected=True,
        )
    )
    await charge(bench)
    await bench.pass_time(60)
    asked = triggers(bench)
    assert asked.count("MeterValues") == 1
    bench.limit(8)
    await bench.pass_time(30)
    await bench.succeed()
    assert bench.amps == 8


async def test_an_empty_event_is_not_asked_for_without_a_pause(
    make_bench: MakeBench,
) -> None:
    """Its coming asks for a reading, and so for itself: once an interval at most."""
    bench = make_bench(
        replace(
            DELTA,
            trigger_meter_values_rejected=True,
            meter_values_missing_in_updates=True,
            metering_settings_rejected=True,
        )
    )
    await charge(bench)
    before = len(bench.box.received_calls)
    await bench.pass_time(60)
    assert 1 <= len(triggers(bench, before)) <= 6


class Clock:
    """Drives a choice, with a wallbox that tells the current by some messages."""

    def __init__(self, tells: frozenset[Any], accepts: frozenset[Any]) -> None:
        """Name the messages that tell the current, and those that are accepted."""
        self.choice = TriggerChoice()
        self.tells, self.accepts = tells, accepts
        self.now, self.told_at = 0.0, None

    told_at: float | None

    def ask(self, after: float, transaction_id: str | None = "one") -> Any:
        """Ask after so many seconds."""
        self.now += after
        trigger = self.choice.choose(Heard(transaction_id, self.told_at, self.now))
        if trigger is not None:
            accepted = trigger in self.accepts
            self.choice.answered(trigger, self.now, accepted=accepted)
            if accepted and trigger in self.tells:
                self.told_at = self.now
        return trigger


@given(
    tells=st.frozensets(st.sampled_from(TRIGGERS)),
    accepts=st.frozensets(st.sampled_from(TRIGGERS)),
    pauses=st.lists(st.floats(PATIENCE_S, 100), min_size=4, max_size=12),
)
def test_the_choice_finds_what_tells_the_current(
    tells: frozenset[Any], accepts: frozenset[Any], pauses: list[float]
) -> None:
    """Whatever a station is like, what tells the current is found and kept to."""
    clock = Clock(tells, accepts)
    asked = [clock.ask(pause) for pause in pauses]
    useful = [trigger for trigger in TRIGGERS if trigger in tells & accepts]
    if useful:
        assert set(asked[2:]) == {useful[0]}
    elif not accepts:
        assert set(asked[2:]) == {None}
    else:
        assert set(asked[2:]) <= accepts


def test_outside_a_session_there_is_no_event_to_ask_for() -> None:
    """Only a transaction has events."""
    clock = Clock(frozenset(), frozenset(TRIGGERS))
    assert [clock.ask(10, None) for _ in range(3)] == [METER] * 3


def test_the_next_transaction_is_asked_anew() -> None:
    """What one refused, the next may tell."""
    clock = Clock(frozenset(TRIGGERS), frozenset())
    assert [clock.ask(10) for _ in range(3)] == [EVENT, METER, None]
    clock.accepts = frozenset(TRIGGERS)
    assert [clock.ask(10, "two") for _ in range(2)] == [EVENT, EVENT]


def test_two_asks_in_a_row_judge_nothing() -> None:
    """What was promised a moment ago may still come."""
    clock = Clock(frozenset(), frozenset(TRIGGERS))
    assert [clock.ask(after) for after in (10, 1, 1)] == [EVENT] * 3
