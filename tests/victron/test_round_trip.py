"""What a simulated device encodes is what the integration decodes.

Both have a table of their own, so this says that the two readings of Victron's document
are the same: each record, each row of it, each value that the row can have.
"""

from collections.abc import Mapping
from dataclasses import replace

from hypothesis import given, strategies as st
import pytest

from custom_components.bmw_wallbox_victron.readings import Flags, Value
from custom_components.bmw_wallbox_victron.victron.advertisement import (
    Advertisement,
    decrypt,
    parse,
)
from custom_components.bmw_wallbox_victron.victron.records import (
    BY_KIND,
    Kind,
    decode,
    find,
)
from simulators.victron import (
    RECORDS as SIMULATED,
    Kind as SimulatedKind,
    advertise,
    encode,
)
from simulators.victron.records import Bits, FlagSet, Number, PairSet, State

from ..kit.victron import KEY, model_of

type Said = float | str | frozenset[str] | None

#: What a number cannot be although Victron's document lets it: real devices send it for
#: "not available" as well, or nobody knows which of two values stands for that.
ABSENT_TOO: Mapping[tuple[str, str], int] = {
    (Kind.BATTERY_MONITOR, "current"): 0x1FFFFF,
    (Kind.BATTERY_SENSE, "current"): 0x1FFFFF,
    (Kind.DC_ENERGY_METER, "current"): 0x1FFFFF,
    (Kind.ORION_XS, "output_voltage"): 0xFFFF,
    (Kind.ORION_XS, "output_current"): 0xFFFF,
}


def numbers(kind: Kind, row: Number) -> st.SearchStrategy[Said]:
    """Return all that a number can say."""
    least = -(1 << row.count - 1) if row.signed else 0
    # 0 stands for itself where nothing stands for "not available".
    absent = {row.absent} if row.absent else set()
    absent.add(ABSENT_TOO.get((kind, row.key), row.absent))
    raws = st.integers(least, least + (1 << row.count) - 1).filter(
        lambda raw: not row.absent or raw % (1 << row.count) not in absent
    )
    said = raws.map(lambda raw: row.base + raw * row.step)
    return st.one_of(st.none(), said) if row.absent else said


def sayings(kind: Kind, row: Bits) -> st.SearchStrategy[Said]:
    """Return all that a row can say."""
    match row:
        case Number():
            return numbers(kind, row)
        case State():
            return st.sampled_from(sorted(row.states))
        case PairSet():
            # Of each pair nothing, a warning or an alarm.
            pairs: dict[int, list[str]] = {
                flag.bit_length(): [] for flag in row.flags.values()
            }
            for name, flag in row.flags.items():
                pairs[flag.bit_length()].append(name)
            return st.tuples(
                *(st.sampled_from([None, *names]) for names in pairs.values())
            ).map(lambda names: frozenset(filter(None, names)))
        case FlagSet():
            return st.frozensets(st.sampled_from(sorted(row.flags)))
    raise AssertionError(row)


@st.composite
def records(draw: st.DrawFn, kind: Kind) -> dict[str, Said]:
    """Return all that a record can say; of the auxiliary input at most one value."""
    rows = SIMULATED[SimulatedKind(kind)].rows
    inputs = {row.aux for row in rows}
    aux = draw(st.sampled_from(sorted(inputs - {None}, key=str) or [None]))
    return {
        row.key: draw(sayings(kind, row)) if row.aux in (None, aux) else None
        for row in rows
    }


def read(kind: Kind, plain: bytes) -> Mapping[str, Value]:
    """Decode a record in which everything is known."""
    reading = decode(BY_KIND[kind], plain)
    assert reading is not None
    assert not reading.unknown
    return reading.values


def assert_same(row: Bits, said: Said, shown: Value) -> None:
    """Compare what a device said with what the integration reads."""
    match row:
        case FlagSet():
            assert isinstance(shown, Flags)
            assert shown.names == said
            first = min(said, key=row.flags.__getitem__) if said else "none"
            assert shown.state == first
        case Number(step=step) if said is not None:
            assert shown == pytest.approx(said, abs=abs(step) / 100)
        case _:
            assert shown == said


@pytest.mark.parametrize("kind", Kind)
def test_both_tables_have_the_same_rows(kind: Kind) -> None:
    ours, theirs = BY_KIND[kind], SIMULATED[SimulatedKind(kind)]
    assert ours.type == theirs.type
    assert find(theirs.type, model_of(kind)) is ours
    assert ours.minimum_bytes == len(encode(kind, {}))
    fields = {field.key: field for field in ours.fields}
    assert fields.keys() == {row.key for row in theirs.rows}
    for row in theirs.rows:
        field = fields[row.key]
        match row:
            case Number():
                assert field.unit == row.unit
                assert field.options is None
            case State():
                assert set(field.options or ()) == set(row.states)
            case FlagSet():
                assert set(field.options or ()) == {"none", *row.flags}


@pytest.mark.parametrize("kind", Kind)
@given(data=st.data())
def test_every_value_comes_back(kind: Kind, data: st.DataObject) -> None:
    said = data.draw(records(kind))
    shown = read(kind, encode(kind, said))
    for row in SIMULATED[SimulatedKind(kind)].rows:
        assert_same(row, said[row.key], shown[row.key])


@pytest.mark.parametrize("kind", Kind)
def test_every_state_flag_and_end_of_a_range_comes_back(kind: Kind) -> None:
    for row in SIMULATED[SimulatedKind(kind)].rows:
        said: list[Said] = []
        match row:
            case Number(count=count, absent=absent):
                least = -(1 << count - 1) if row.signed else 0
                most = least + (1 << count) - 1
                ends = (least, least + 1, most - 1, most)
                excluded = ABSENT_TOO.get((kind, row.key), absent)
                said = [
                    row.base + raw * row.step
                    for raw in ends
                    if not absent or raw % (1 << count) not in (absent, excluded)
                ]
            case State():
                said = list(row.states)
            case FlagSet():
                said = [frozenset(), *(frozenset((flag,)) for flag in row.flags)]
        assert said
        for each in said:
            # What else there is does not matter.
            reading = decode(BY_KIND[kind], encode(kind, {row.key: each}))
            assert reading is not None
            assert row.key not in reading.unknown
            assert_same(row, each, reading.values[row.key])


@pytest.mark.parametrize("kind", Kind)
def test_what_is_not_available_has_no_value(kind: Kind) -> None:
    reading = decode(BY_KIND[kind], encode(kind, {}))
    assert reading is not None
    for row in SIMULATED[SimulatedKind(kind)].rows:
        if isinstance(row, FlagSet) and not isinstance(row, PairSet):
            assert reading.values[row.key] == Flags.of(())
        elif row.absent or isinstance(row, State | PairSet):
            assert reading.values[row.key] is None
        else:
            assert reading.values[row.key] == 0


@given(st.integers(0, 0xFFFF), st.binary(min_size=16, max_size=16))
def test_the_envelope_comes_back(counter: int, key: bytes) -> None:
    kind = Kind.BATTERY_MONITOR
    said = {"voltage": 12.9, "soc": 61.0}
    data = advertise(kind, said, key=key, counter=counter, model_id=0xA389)
    advertisement = parse(data)
    assert isinstance(advertisement, Advertisement)
    assert advertisement.counter == counter
    assert advertisement.model_id == 0xA389
    assert decrypt(advertisement, key) == encode(kind, said)
    assert decrypt(replace(advertisement, key_check=key[0] ^ 1), key) is None


def test_the_encoder_refuses_what_does_not_fit() -> None:
    kind = Kind.BATTERY_MONITOR
    with pytest.raises(ValueError, match="soc cannot be"):
        encode(kind, {"soc": 200})
    with pytest.raises(TypeError, match="voltage is a number"):
        encode(kind, {"voltage": "high"})
    with pytest.raises(TypeError, match="alarm is a set of flags"):
        encode(kind, {"alarm": "low_voltage"})
    with pytest.raises(ValueError, match="charge_state cannot be"):
        advertise(
            Kind.AC_CHARGER, {"charge_state": "odd"}, key=KEY, counter=1, model_id=1
        )
