"""What is refused, and what that says of the key."""

from dataclasses import replace
import random

import pytest

from custom_components.bmw_wallbox_victron.readings import Flags, Value
from custom_components.bmw_wallbox_victron.victron.advertisement import Refusal
from custom_components.bmw_wallbox_victron.victron.decoder import Decoder
from custom_components.bmw_wallbox_victron.victron.key_verdict import (
    FAILURES_FOR_WRONG,
    KeyVerdict,
)
from custom_components.bmw_wallbox_victron.victron.plausibility import (
    Judgement,
    agree,
    judge,
    jumps,
    without_absurd,
)
from custom_components.bmw_wallbox_victron.victron.records import (
    BY_KIND,
    Kind,
    Reading,
    decode,
)
from simulators.victron import advertise, encode

from ..kit.victron import GOOD, KEY, captured, model_of, noise

#: Wrong keys that pass the check byte, tried for each kind.
WRONG_KEYS = 500


def reading_of(kind: Kind, **changed: Value) -> Reading:
    record = BY_KIND[kind]
    reading = decode(record, encode(record.kind, {**GOOD[kind], **changed}))
    assert reading is not None
    return reading


def say(kind: Kind, counter: int, **changed: Value) -> bytes:
    return advertise(
        kind,
        {**GOOD[kind], **changed},
        key=KEY,
        counter=counter,
        model_id=model_of(kind),
    )


def verdict(decoder: Decoder) -> str:
    return decoder.verdict


@pytest.mark.parametrize("kind", Kind)
def test_a_good_device_shows_with_its_first_advertisement(kind: Kind) -> None:
    decoder = Decoder(KEY)
    assert verdict(decoder) == "unknown"
    assert isinstance(decoder.hear(say(kind, 1), 0), Reading)
    assert verdict(decoder) == "right"
    assert isinstance(decoder.hear(say(kind, 2), 1), Reading)
    assert decoder.watch.proven


@pytest.mark.parametrize("kind", Kind)
def test_noise_is_never_shown_and_soon_found_out(kind: Kind) -> None:
    rng = random.Random(f"noise {kind}")
    heard_most = 0
    for _ in range(WRONG_KEYS):
        decoder = Decoder(KEY)
        heard = 0
        while decoder.verdict is not KeyVerdict.WRONG:
            heard += 1
            outcome = decoder.hear(noise(rng, kind, heard), heard)
            assert isinstance(outcome, Refusal)
        heard_most = max(heard_most, heard)
    assert heard_most < 30  # half a minute at one a second


def test_a_wrong_key_is_noise_for_each_captured_device() -> None:
    rng = random.Random(3)
    for item in captured():
        for check in range(256):
            decoder = Decoder(bytes((check,)) + rng.randbytes(15))
            # A device that stands still: the same advertisement once a second.
            said = {decoder.hear(item.data, seconds) for seconds in range(60)}
            if decoder.verdict is not KeyVerdict.WRONG:
                # What is only odd is found out once it moves.
                assert said == {Refusal.UNCONFIRMED}
                for seconds in range(60, 90):
                    data = item.data[:5] + rng.randbytes(2) + item.data[7:]
                    said.add(decoder.hear(data, seconds))
            assert decoder.verdict is KeyVerdict.WRONG
            assert all(isinstance(outcome, Refusal) for outcome in said)


def test_what_is_odd_and_stands_still_says_nothing_of_the_key() -> None:
    decoder = Decoder(KEY)
    fault: dict[str, Value] = {
        "charge_state": "fault",
        "charger_error": "battery_temperature_high",
        "output_voltage_2": 13.1,
        "output_current_2": 0.0,
    }
    still = say(Kind.AC_CHARGER, 1, **fault)
    for second in range(3600):
        assert decoder.hear(still, second) is Refusal.UNCONFIRMED
    assert verdict(decoder) == "unknown"
    # Nothing else: it is confirmed by its like, and noise is found out as ever.
    before = decoder.watch
    assert isinstance(decoder.hear(say(Kind.AC_CHARGER, 2, **fault), 3600), Reading)
    assert verdict(decoder) == "right"
    decoder.watch = before
    rng = random.Random("odd")
    for second in range(3600, 3660):
        outcome = decoder.hear(noise(rng, Kind.AC_CHARGER, second), second)
        assert isinstance(outcome, Refusal)
    assert verdict(decoder) == "wrong"


@pytest.mark.parametrize("kind", [Kind.SMART_LITHIUM, Kind.AC_CHARGER, Kind.VE_BUS])
def test_long_noise_is_not_shown_either(kind: Kind) -> None:
    rng = random.Random(f"long {kind}")
    decoder = Decoder(KEY)
    for second in range(6_000):
        assert isinstance(decoder.hear(noise(rng, kind, second), second), Refusal)
    # The right key, once it is heard again: two that agree.
    outcomes = [decoder.hear(say(kind, counter), 6_000) for counter in range(2)]
    assert outcomes[0] is Refusal.UNCONFIRMED
    assert isinstance(outcomes[1], Reading)
    assert decoder.verdict is KeyVerdict.RIGHT


def test_failures_count_in_a_row() -> None:
    decoder = Decoder(KEY)
    kind = Kind.BATTERY_MONITOR
    other = bytes((KEY[0] ^ 1,)) + KEY[1:]
    decoder.hear(say(kind, 1), 0)
    decoder.hear(say(kind, 2), 1)
    for counter in range(FAILURES_FOR_WRONG - 1):
        wrong = advertise(kind, GOOD[kind], key=other, counter=counter, model_id=1)
        assert decoder.hear(wrong, 2) is Refusal.WRONG_KEY
        assert decoder.hear(wrong, 3) is Refusal.WRONG_KEY
    # Neither an unknown record nor a short one says anything.
    assert decoder.hear(bytes((0x10, 2, 1, 1, 7, 0, 0, 0, 0)), 4).against_key is False  # type: ignore[union-attr]
    assert decoder.watch.failures == FAILURES_FOR_WRONG - 1
    assert decoder.verdict is KeyVerdict.RIGHT
    assert isinstance(decoder.hear(say(kind, 9), 5), Reading)
    assert decoder.watch.failures == 0


def test_a_key_that_was_right_within_the_hour_is_not_wrong() -> None:
    decoder = Decoder(KEY)
    kind = Kind.SOLAR_CHARGER
    decoder.hear(say(kind, 1), 0)
    decoder.hear(say(kind, 2), 1)
    rng = random.Random(5)
    for tenth in range(36_000):
        garbage = say(kind, tenth)[:7] + rng.randbytes(13)
        assert isinstance(decoder.hear(garbage, 1 + tenth / 10), Refusal)
        assert verdict(decoder) == "right"
    for second in range(10):
        decoder.hear(noise(rng, kind, second), 3601 + second)
    assert verdict(decoder) == "wrong"
    # A proven one is right again at once.
    assert isinstance(decoder.hear(say(kind, 3), 3700), Reading)
    assert verdict(decoder) == "right"


def test_a_repeated_advertisement_gives_the_same() -> None:
    decoder = Decoder(KEY)
    data = say(Kind.AC_CHARGER, 1)
    reading = decoder.hear(data, 0)
    for second in range(3600):
        assert decoder.hear(data, second) is reading
    assert decoder.watch.shown_at == 3599
    assert not decoder.watch.proven
    odd = say(Kind.LYNX_SMART_BMS, 1, error=7)
    decoder = Decoder(KEY)
    assert decoder.hear(odd, 0) is Refusal.UNCONFIRMED
    assert decoder.hear(odd, 1) is Refusal.UNCONFIRMED
    again = say(Kind.LYNX_SMART_BMS, 2, error=7)
    assert isinstance(decoder.hear(again, 2), Reading)


def test_a_jump_needs_a_second_advertisement() -> None:
    decoder = Decoder(KEY)
    kind = Kind.BATTERY_MONITOR
    decoder.hear(say(kind, 1), 0)
    decoder.hear(say(kind, 2), 1)
    # The monitor takes the battery for full: its SoC jumps, and stays.
    full = {"soc": 100.0, "consumed_ah": 0.0}
    assert decoder.hear(say(kind, 3, **full), 2) is Refusal.UNCONFIRMED
    assert isinstance(decoder.hear(say(kind, 4, **full), 3), Reading)
    # A corrupt frame does not stay.
    assert decoder.hear(say(kind, 5, voltage=40.0), 4) is Refusal.UNCONFIRMED
    assert isinstance(decoder.hear(say(kind, 6, **full), 5), Reading)
    assert decoder.watch.failures == 0


def test_a_monitor_set_up_as_a_meter_shows_with_the_second() -> None:
    """One alone may be a corrupt byte of the envelope."""
    decoder = Decoder(KEY)
    for counter in (1, 2):
        decoder.hear(say(Kind.BATTERY_MONITOR, counter), counter)
    first = decoder.hear(say(Kind.DC_ENERGY_METER, 3, voltage=48.0), 3)
    assert first is Refusal.UNCONFIRMED
    outcome = decoder.hear(say(Kind.DC_ENERGY_METER, 4, voltage=48.0), 4)
    assert isinstance(outcome, Reading)
    assert outcome.kind is Kind.DC_ENERGY_METER


def test_what_stands_still_after_a_jump_is_shown() -> None:
    """A device that says nothing else for 10 s means it."""
    decoder = Decoder(KEY)
    for counter in (1, 2):
        decoder.hear(say(Kind.BATTERY_MONITOR, counter), counter)
    full = say(Kind.BATTERY_MONITOR, 3, soc=100.0, consumed_ah=0.0)
    for now in range(3, 13):
        assert decoder.hear(full, now) is Refusal.UNCONFIRMED
    outcome = decoder.hear(full, 13)
    assert isinstance(outcome, Reading)
    assert outcome.values["soc"] == 100.0
    assert decoder.hear(full, 14) is outcome


def test_what_is_odd_is_confirmed_by_its_like_only() -> None:
    before = reading_of(Kind.LYNX_SMART_BMS, error=3)
    for changed, strictly, agreed in (
        ({"current": 80.0}, True, True),
        ({"allow_to_charge": "no"}, True, False),
        ({"allow_to_charge": "no"}, False, True),
        ({"voltage": 28.0}, True, False),
        ({"voltage": 28.0}, False, True),
        ({"voltage": None}, True, False),
        ({"error": 4}, False, False),
    ):
        values: dict[str, Value] = {"error": 3, **changed}
        after = reading_of(Kind.LYNX_SMART_BMS, **values)
        assert agree(before, after, 1, strictly=strictly) is agreed


def test_a_corrupt_frame_that_slips_through_costs_no_good_one() -> None:
    decoder = Decoder(KEY)
    kind = Kind.BATTERY_MONITOR
    decoder.hear(say(kind, 1), 0)
    decoder.hear(say(kind, 2), 1)
    assert isinstance(decoder.hear(say(kind, 3, soc=95.0), 600), Reading)
    assert isinstance(decoder.hear(say(kind, 4), 601), Reading)


@pytest.mark.parametrize(
    ("kind", "key", "old", "new", "seconds", "jump"),
    [
        (Kind.BATTERY_MONITOR, "voltage", 12.0, 14.4, 1, False),
        (Kind.BATTERY_MONITOR, "voltage", 12.0, 24.0, 1, True),
        (Kind.BATTERY_MONITOR, "soc", 60.0, 59.0, 1, False),
        (Kind.BATTERY_MONITOR, "soc", 60.0, 20.0, 1, True),
        (Kind.BATTERY_MONITOR, "soc", 60.0, 20.0, 600, False),
        (Kind.BATTERY_MONITOR, "current", -5.0, 240.0, 1, False),
        (Kind.BATTERY_MONITOR, "current", -5.0, 300.0, 1, True),
        (Kind.BATTERY_MONITOR, "current", -5.0, 300.0, 10, False),
        (Kind.BATTERY_MONITOR, "soc", None, 20.0, 1, False),
        (Kind.BATTERY_MONITOR, "consumed_ah", -5.0, -500.0, 1, True),
        (Kind.BATTERY_SENSE, "temperature", 20.0, 60.0, 1, True),
        (Kind.VE_BUS, "battery_temperature", 20, 80, 1, True),
        (Kind.SOLAR_CHARGER, "yield_today", 3.2, 0.0, 60, False),
        (Kind.SOLAR_CHARGER, "yield_today", 3.2, 1.5, 60, True),
        (Kind.SOLAR_CHARGER, "yield_today", 3.2, 3.21, 60, False),
        (Kind.SOLAR_CHARGER, "yield_today", 3.2, 90.0, 60, True),
        (Kind.DC_DC_CONVERTER, "output_voltage", 0.0, 28.4, 1, False),
    ],
)
def test_jumps(
    kind: Kind, key: str, old: float | None, new: float, seconds: float, jump: bool
) -> None:
    before, after = reading_of(kind, **{key: old}), reading_of(kind, **{key: new})
    assert jumps(before, after, seconds) is jump
    assert not agree(before, reading_of(Kind.INVERTER), seconds)


ODD = Judgement.ODD
IMPOSSIBLE = Judgement.IMPOSSIBLE
CELLS: dict[str, Value] = {f"cell_voltage_{cell}": 3.3 for cell in range(1, 9)}


@pytest.mark.parametrize(
    ("kind", "changed", "judgement"),
    [
        (Kind.BATTERY_MONITOR, {"voltage": 82.0}, IMPOSSIBLE),
        (Kind.BATTERY_MONITOR, {"soc": 101.0}, IMPOSSIBLE),
        (Kind.BATTERY_MONITOR, {"current": -607.0}, ODD),
        (Kind.BATTERY_MONITOR, {"current": 500.0, "time_to_go": 14_000}, ODD),
        (Kind.BATTERY_MONITOR, {"consumed_ah": -3000.0}, ODD),
        (Kind.BATTERY_SENSE, {"soc": 50.0}, IMPOSSIBLE),
        (Kind.SOLAR_CHARGER, {"battery_current": 3268.0}, IMPOSSIBLE),
        (Kind.SOLAR_CHARGER, {"battery_current": 60.0}, ODD),
        (Kind.INVERTER, {"ac_current": 30.0}, ODD),
        (Kind.SMART_LITHIUM, {"battery_voltage": 26.4}, IMPOSSIBLE),
        (Kind.SMART_LITHIUM, {"error": 0xFF}, ODD),
        (Kind.SMART_LITHIUM, {"cell_voltage_2": 2.6}, ODD),
        (Kind.SMART_LITHIUM, {"cell_voltage_4": None, "cell_voltage_5": 3.3}, ODD),
        (Kind.SMART_LITHIUM, {**CELLS, "battery_voltage": 26.4}, Judgement.PLAIN),
        (Kind.SMART_LITHIUM, dict.fromkeys(CELLS), ODD),
        (
            Kind.AC_CHARGER,
            {"output_voltage_1": 70.0, "output_current_1": 110.0},
            IMPOSSIBLE,
        ),
        (Kind.AC_CHARGER, {"output_voltage_2": 60.0}, ODD),
        (Kind.AC_CHARGER, {"output_voltage_2": 13.5}, Judgement.PLAIN),
        (
            Kind.AC_CHARGER,
            {"output_voltage_2": 13.5, "charger_error": "fan"},
            ODD,
        ),
        (Kind.AC_CHARGER, {"charge_state": "off", "output_current_1": 20.0}, ODD),
        (Kind.AC_CHARGER, {"output_current_1": 30.0, "ac_current": 0.5}, ODD),
        (Kind.MULTI_RS, {"ac_out_power": 9000}, ODD),
        (Kind.VE_BUS, {"vebus_error": 17}, ODD),
        (Kind.VE_BUS, {"battery_voltage": None}, Judgement.PLAIN),
        (Kind.LYNX_SMART_BMS, {"error": 3}, ODD),
        (
            Kind.DC_DC_CONVERTER,
            {
                "off_reason": Flags.of(
                    ("bms", "low_mains", "low_battery", "no_pv_power")
                )
            },
            ODD,
        ),
    ],
)
def test_judgements(
    kind: Kind, changed: dict[str, Value], judgement: Judgement
) -> None:
    assert judge(reading_of(kind)) is Judgement.PLAIN
    assert judge(reading_of(kind, **changed)) is judgement


def test_unknown_states_are_odd_in_number_only() -> None:
    reading = reading_of(Kind.BATTERY_PROTECT)
    for unknown, judgement in (
        ({"device_state": 99}, Judgement.PLAIN),
        ({"alarm": 0x8000}, Judgement.PLAIN),
        ({"device_state": 99, "error_code": 150}, ODD),
        ({"device_state": 99, "error_code": 150, "output_state": 9}, IMPOSSIBLE),
        ({"off_reason": 0xF << 20}, IMPOSSIBLE),
    ):
        assert judge(replace(reading, unknown=unknown)) is judgement
    meter = reading_of(Kind.DC_ENERGY_METER)
    meter = replace(
        meter,
        values={**meter.values, "monitor_mode": None, "alarm": Flags.of(["overload"])},
        unknown={"monitor_mode": 99},
    )
    assert judge(meter) is ODD


def test_a_high_voltage_monitor_measures_high_voltages() -> None:
    reading = reading_of(Kind.BATTERY_MONITOR, voltage=300.0)
    assert judge(reading) is IMPOSSIBLE
    assert judge(reading, 0xA382) is Judgement.PLAIN


@pytest.mark.parametrize(
    ("kind", "model_id", "key", "amperes", "judgement"),
    [
        (Kind.BATTERY_MONITOR, 0xA389, "current", 2095.0, IMPOSSIBLE),
        (Kind.BATTERY_MONITOR, 0xA389, "current", -2095.0, IMPOSSIBLE),
        (Kind.BATTERY_MONITOR, 0xA389, "current", -607.0, ODD),
        (Kind.BATTERY_MONITOR, 0xA389, "current", 590.0, Judgement.PLAIN),
        (Kind.BATTERY_MONITOR, 0xC038, "current", 590.0, IMPOSSIBLE),
        (Kind.BATTERY_MONITOR, 0xA38B, "current", 1900.0, Judgement.PLAIN),
        (Kind.BATTERY_MONITOR, 0xA381, "current", 1900.0, ODD),
        (Kind.DC_ENERGY_METER, 0xA38D, "current", 1900.0, IMPOSSIBLE),
        (Kind.LYNX_SMART_BMS, 0xA3E5, "current", -1000.0, IMPOSSIBLE),
        (Kind.LYNX_SMART_BMS, 0xA3E6, "current", -1000.0, Judgement.PLAIN),
        (Kind.SOLAR_CHARGER, 0xA053, "battery_current", 40.0, IMPOSSIBLE),
        (Kind.AC_CHARGER, 0xA324, "output_current_1", 60.0, IMPOSSIBLE),
        (Kind.ORION_XS, 0xA3F0, "output_current", 80.0, IMPOSSIBLE),
    ],
)
def test_a_model_bounds_what_it_measures(
    kind: Kind, model_id: int, key: str, amperes: float, judgement: Judgement
) -> None:
    sun = {"pv_power": 600} if kind is Kind.SOLAR_CHARGER else {}
    changed: dict[str, Value] = {key: amperes, "time_to_go": None, **sun}
    assert judge(reading_of(kind, **changed), model_id) is judgement


@pytest.mark.parametrize(
    ("volts", "amperes", "drawn", "shown"),
    [
        # Phoenix Smart IP43, 120-240 V: hundredths of an ampere.
        (14.1, 50.0, 32.6, None),
        (14.1, 10.0, 6.8, None),
        (28.4, 25.0, 33.8, None),
        (13.5, 2.0, 1.5, None),
        # An IP22 at 230 V, at rest, and one at 120 V with a poor power factor.
        (14.2, 30.0, 2.2, 2.2),
        (13.5, 0.4, 0.3, 0.3),
        (14.2, 30.0, 6.5, 6.5),
    ],
)
def test_a_charger_takes_little_more_than_it_gives(
    volts: float, amperes: float, drawn: float, shown: float | None
) -> None:
    reading = reading_of(
        Kind.AC_CHARGER,
        output_voltage_1=volts,
        output_current_1=amperes,
        ac_current=drawn,
    )
    assert judge(reading) is Judgement.PLAIN
    assert without_absurd(reading).values == {**reading.values, "ac_current": shown}


@pytest.mark.parametrize(
    ("volts", "judgement"),
    [
        ((12.56, 12.55, 12.15), Judgement.PLAIN),
        ((14.2, 14.2, 12.6), Judgement.PLAIN),
        ((12.6, 12.6, 0.0), ODD),
        ((12.6, 12.6, None), ODD),
        ((12.6, 26.0, 12.6), IMPOSSIBLE),
    ],
)
def test_voltages_of_a_smart_bms(
    volts: tuple[float | None, ...], judgement: Judgement
) -> None:
    said: dict[str, Value] = {
        f"voltage_{index}": value for index, value in enumerate(volts, 1)
    }
    assert judge(reading_of(Kind.SMART_BMS, **said)) is judgement


def test_other_frames_count_as_if_they_were_not_there() -> None:
    """A VE.Smart network's are between the others, and confirm none of them."""
    decoder, alone = Decoder(KEY), Decoder(KEY)
    rng = random.Random("VE.Smart")
    wrong = Decoder(bytes((KEY[0], *rng.randbytes(15))))
    for second in range(60):
        data = say(Kind.AC_CHARGER, second // 20)
        assert decoder.hear(data, second) == alone.hear(data, second)
        assert isinstance(wrong.hear(data, second), Refusal)
        for _ in range(3):
            other = bytes((rng.choice((0, 2, 0x11, 0xFF)), *rng.randbytes(20)))
            for each in (decoder, wrong):
                assert each.hear(other, second) is Refusal.NOT_INSTANT_READOUT
    assert decoder.watch == alone.watch


def test_an_absurd_probe_costs_its_value_only() -> None:
    good = reading_of(Kind.BATTERY_MONITOR)
    assert without_absurd(good) is good
    bad = reading_of(Kind.BATTERY_MONITOR, starter_voltage=None, temperature=-273.15)
    assert bad.values["temperature"] == -273.15
    assert without_absurd(bad).values == {**bad.values, "temperature": None}
    other = reading_of(Kind.VE_BUS)
    assert without_absurd(other) is other
