"""The table and the decoder: captured, encoded, random and broken advertisements."""

import json
from pathlib import Path
import random
from typing import Any

from hypothesis import given, strategies as st
import pytest

from custom_components.bmw_wallbox_victron.readings import Flags, Value
from custom_components.bmw_wallbox_victron.victron.advertisement import (
    Advertisement,
    Refusal,
    parse,
    parse_key,
)
from custom_components.bmw_wallbox_victron.victron.decoder import Decoder
from custom_components.bmw_wallbox_victron.victron.models import model_name
from custom_components.bmw_wallbox_victron.victron.records import (
    BY_KIND,
    RECORDS,
    Field,
    Kind,
    Reading,
    Record,
    decode,
    find,
)
from simulators.victron import encode, seal

from ..kit.victron import GOOD, KEY, SHUNT, Captured, captured, simple, wrap

PLAIN: list[dict[str, Any]] = json.loads(
    (Path(__file__).parent / "data" / "plain_records.json").read_text()
)["records"]


def read(record: Record, plain: bytes) -> Reading:
    reading = decode(record, plain)
    assert reading is not None
    return reading


@pytest.mark.parametrize("item", captured(), ids=lambda item: item.kind)
def test_captured_advertisements_give_their_readings(item: Captured) -> None:
    reading = Decoder(item.key).hear(item.data, 0)
    assert isinstance(reading, Reading)
    assert reading.kind is item.kind
    assert not reading.unknown
    shown = {key: simple(value) for key, value in reading.values.items()}
    assert {key: shown[key] for key in item.values} == item.values
    advertisement = parse(item.data)
    assert isinstance(advertisement, Advertisement)
    assert model_name(advertisement.model_id) == item.model
    assert item.data[7] == item.key[0]


def test_an_unknown_model_has_a_name() -> None:
    assert model_name(0x9999) == "Victron 0x9999"
    assert model_name(SHUNT) == "SmartShunt 500A/50mV"
    assert model_name(0xA381) == "BMV-712 Smart"
    assert model_name(0xA3A5) == "Smart Battery Sense (Rev2)"


@pytest.mark.parametrize(
    ("model_id", "name"),
    [
        (0x2708, "MultiPlus Compact 12/2000/80-50 120V"),
        (0x1908, "MultiPlus Compact 12/2000/80-30"),
        (0xA3F1, "Orion XS 1400"),
        (0xA501, "MultiPlus-X Smart 12V/3000VA/120A"),
        (0xC033, "All-In-1 Smart"),
        (0xA3EC, "smallBMS"),
        # Families, where no list has the id.
        (0xA3F8, "Orion XS"),
        (0xA3E4, "Smart BMS"),
        (0xA0FE, "Smart Lithium Battery"),
        *((model_id, "Orion XS") for model_id in range(0xA3F2, 0xA400)),
    ],
)
def test_models_and_families_have_names(model_id: int, name: str) -> None:
    assert model_name(model_id) == name


@pytest.mark.parametrize("item", PLAIN, ids=lambda item: item["what"])
def test_plain_records_say_what_their_owners_read(item: dict[str, Any]) -> None:
    model_id, record_type = (int(item[key], 16) for key in ("model_id", "record_type"))
    record = find(record_type, model_id)
    assert record is not None
    plain = bytes.fromhex(item["plain"])
    reading = read(record, plain)
    for key, said in item["says"].items():
        value = reading.values[key]
        if isinstance(value, Flags):
            assert value == Flags.of([] if said == "none" else said)
        else:
            assert value == pytest.approx(said), key
    assert not reading.unknown
    sealed = seal(plain, key=KEY, counter=1, model_id=model_id, record_type=record_type)
    assert isinstance(Decoder(KEY).hear(sealed, 0), Reading)


def lynx_alarm(bits: int) -> Reading:
    """Read a Lynx Smart BMS with these bits of warnings and alarms."""
    record = BY_KIND[Kind.LYNX_SMART_BMS]
    good = int.from_bytes(encode(record.kind, GOOD[Kind.LYNX_SMART_BMS]), "little")
    good = good & ~(0x3FFFF << 72) | bits << 72
    return read(record, good.to_bytes(16, "little"))


@given(levels=st.lists(st.integers(0, 3), min_size=9, max_size=9))
def test_each_pair_of_a_lynx_warns_or_alarms(levels: list[int]) -> None:
    reading = lynx_alarm(sum(level << 2 * pair for pair, level in enumerate(levels)))
    names = (
        *("low_cell_voltage", "high_current", "high_internal_temperature"),
        *(
            "contactor",
            "bms_cable",
            "load_disconnect",
            "low_soc",
            "",
            "high_temperature",
        ),
    )
    said = [
        name if level == 3 else f"{name}_warning"
        for name, level in zip(names, levels, strict=True)
        if level > 1 and name
    ]
    if any(levels):
        assert reading.values["alarm"] == Flags.of(said)
    else:
        assert reading.values["alarm"] is None
    assert bool(reading.unknown) == (levels[7] > 1)


@pytest.mark.parametrize(
    ("kind", "changed", "power"),
    [
        (Kind.SOLAR_CHARGER, {}, 66.0),
        (Kind.SOLAR_CHARGER, {"battery_current": -0.4}, -5.28),
        (Kind.SOLAR_CHARGER, {"battery_voltage": None}, None),
        (Kind.ORION_XS, {}, 426.0),
        (Kind.VE_BUS, {}, 335.24),
        (Kind.MULTI_RS, {}, -661.89),
        (Kind.INVERTER_RS, {}, -520.0),
        (Kind.AC_CHARGER, {}, 5.44),
        (Kind.AC_CHARGER, {"output_voltage_1": None, "output_current_1": None}, None),
        (Kind.AC_CHARGER, {"output_voltage_3": 13.0, "output_current_3": 2.0}, 31.44),
        # What one of the outputs gives is not known.
        (Kind.AC_CHARGER, {"output_voltage_2": 13.0}, None),
    ],
)
def test_power_of_chargers(
    kind: Kind, changed: dict[str, Value], power: float | None
) -> None:
    record = BY_KIND[kind]
    reading = read(record, encode(kind, {**GOOD[kind], **changed}))
    assert reading.values["power"] == power


@pytest.mark.parametrize(
    ("data", "refusal"),
    [
        (b"", Refusal.NOT_INSTANT_READOUT),
        (b"\x02\x00\x89\xa3", Refusal.NOT_INSTANT_READOUT),
        (b"\x10\x02\x89\xa3\x02\x00\x00", Refusal.TOO_SHORT),
        (b"\x10\x02\x89\xa3\x07\x00\x00\x11" + bytes(16), Refusal.UNKNOWN_RECORD),
        (b"\x10\x02\x89\xa3\x10\x00\x00\x11" + bytes(16), Refusal.UNKNOWN_RECORD),
        (b"\x10\x02\x89\xa3\x02\x00\x00\x11" + bytes(14), Refusal.RECORD_TOO_SHORT),
        (b"\x10\x02\x89\xa3\x0f\x00\x00\xaf" + bytes(5), Refusal.RECORD_TOO_SHORT),
        (b"\x10\x02\x89\xa3\x02\x00\x00\x11" + bytes(15), Refusal.WRONG_KEY),
    ],
)
def test_each_refusal_has_its_reason(data: bytes, refusal: Refusal) -> None:
    decoder = Decoder(KEY)
    assert decoder.hear(data, 0) is refusal
    assert decoder.watch.failures == refusal.against_key


@pytest.mark.parametrize(
    "text",
    [
        KEY.hex(),
        KEY.hex().upper(),
        KEY.hex(":"),
        f" {KEY.hex(' ')}\n",
        KEY.hex("-", 4),
    ],
)
def test_a_key_is_read_as_people_paste_it(text: str) -> None:
    assert parse_key(text) == KEY


@pytest.mark.parametrize("text", ["", "af", KEY.hex() + "0", "g" * 32, "ａ" * 32])
def test_what_is_no_key_is_none(text: str) -> None:
    assert parse_key(text) is None


@pytest.mark.parametrize("record", BY_KIND.values(), ids=lambda record: record.kind)
def test_the_table_is_sound(record: Record) -> None:
    keys = [field.key for field in record.fields]
    assert len(set(keys)) == len(keys)
    assert record.minimum_bytes <= 16
    used: dict[int, Field] = {}
    for field in record.fields:
        assert field.key.replace("_", "").isalnum()
        assert field.key == field.key.lower()
        assert (field.unit is None) == (
            field.options is not None
            or field.key in {"error", "vebus_error", "aux_input"}
        )
        for raw in field.not_available:
            assert 0 <= raw <= field.mask
            assert raw not in (field.states or {})
        for raw in field.states or {}:
            assert 0 <= raw <= field.mask
        for bit in field.flags or {}:
            assert 0 <= bit < field.width
        for bit in range(field.start, field.end):
            other = used.setdefault(bit, field)
            assert other is field or other.when != field.when
    for key in (key for keys in record.power_of for key in keys):
        assert key in keys
    assert record.unshown < set(keys)
    assert {field.key for field in record.shown} == set(keys) - record.unshown


def test_every_record_is_found() -> None:
    for record in RECORDS:
        assert find(record.type, SHUNT) is record
    assert len({record.type for record in RECORDS}) == len(RECORDS) == 14
    battery_sense = find(0x02, 0xA3A5)
    assert battery_sense is not None
    assert battery_sense.kind is Kind.BATTERY_SENSE


def test_flags_are_a_set_and_show_the_lowest() -> None:
    record = BY_KIND[Kind.DC_DC_CONVERTER]
    for raw, state, names in (
        (5, "no_input_power", {"no_input_power", "switched_off_register"}),
        (12, "switched_off_register", {"switched_off_register", "remote_input"}),
        (129, "no_input_power", {"no_input_power", "engine_shutdown"}),
        (136, "remote_input", {"remote_input", "engine_shutdown"}),
        (
            137,
            "no_input_power",
            {"no_input_power", "remote_input", "engine_shutdown"},
        ),
        (1 << 20, "none", set()),
    ):
        plain = bytes((3, 0)) + bytes(4) + raw.to_bytes(4, "little")
        reading = read(record, plain)
        assert reading.values["off_reason"] == Flags(
            state=state, names=frozenset(names)
        )
        assert reading.values["charge_state"] == "bulk"
        assert reading.unknown == ({} if names else {"off_reason": 1 << 20})


def test_an_unknown_state_costs_its_field_only() -> None:
    record = BY_KIND[Kind.SOLAR_CHARGER]
    plain = bytearray(encode(record.kind, GOOD[Kind.SOLAR_CHARGER]))
    plain[0] = 99
    reading = read(record, bytes(plain))
    assert reading.values["charge_state"] is None
    assert reading.unknown == {"charge_state": 99}
    assert reading.values["pv_power"] == 70


def test_a_monitor_has_power_and_one_auxiliary_value() -> None:
    record = BY_KIND[Kind.BATTERY_MONITOR]
    values = dict(GOOD[Kind.BATTERY_MONITOR])
    reading = read(record, encode(record.kind, values))
    assert reading.values["power"] == round(12.9 * -3.25, 2)
    assert reading.values["starter_voltage"] == 12.6
    assert reading.values["midpoint_voltage"] is None
    del values["starter_voltage"]
    values |= {"temperature": 382.2, "current": None, "time_to_go": None}
    reading = read(record, encode(record.kind, values))
    for key in ("temperature", "current", "power", "time_to_go", "starter_voltage"):
        assert reading.values[key] is None
    # What real devices send for "no current", besides the published 0x3FFFFF.
    plain = int.from_bytes(encode(record.kind, values), "little")
    plain ^= 0x200000 << 66
    assert read(record, plain.to_bytes(15, "little")).values["current"] is None


@pytest.mark.parametrize("kind", Kind)
def test_every_cut_of_a_record_is_refused(kind: Kind) -> None:
    record = BY_KIND[kind]
    plain = encode(record.kind, GOOD[kind])
    decoder = Decoder(KEY)
    for length in range(len(plain)):
        assert decode(record, plain[:length]) is None
        data = wrap(record, plain[:length], length)
        assert decoder.hear(data, 0) is Refusal.RECORD_TOO_SHORT
    assert decoder.watch.failures == 0
    whole = decoder.hear(wrap(record, plain, 99), 0)
    assert isinstance(whole, Reading)
    # What a future firmware appends does no harm.
    longer = decoder.hear(wrap(record, plain + bytes(8), 100), 1)
    assert isinstance(longer, Reading)
    assert longer.values == whole.values


def test_broken_advertisements_do_no_harm() -> None:
    rng = random.Random(7)
    items = captured()
    decoders = [Decoder(item.key) for item in items]
    for item, decoder in zip(items, decoders, strict=True):
        decoder.hear(item.data, 0)
    for index in range(10_000):
        number = index % len(items)
        item, decoder = items[number], decoders[number]
        data = bytearray(item.data)
        match rng.randrange(4):
            case 0:
                del data[rng.randrange(len(data)) :]
            case 1:
                data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
            case 2:
                data[8:] = rng.randbytes(len(data) - 8)
            case _:
                data = bytearray(rng.randbytes(rng.randrange(30)))
        outcome = decoder.hear(bytes(data), index)
        if isinstance(outcome, Reading):
            for key, value in outcome.values.items():
                if "voltage" in key and isinstance(value, float):
                    assert -1 <= value <= 300
                if key == "soc" and isinstance(value, float):
                    assert 0 <= value <= 100
        if index % 100 < len(items):
            good = decoder.hear(item.data, index + 0.5)
            assert isinstance(good, Reading)
