"""The last records of a device can be shown, and say again what they said."""

import json
import random

from hypothesis import given, strategies as st

from custom_components.bmw_wallbox_victron.victron.advertisement import Refusal
from custom_components.bmw_wallbox_victron.victron.decoder import Decoder
from custom_components.bmw_wallbox_victron.victron.records import (
    BY_KIND,
    Kind,
    Reading,
)
from simulators.victron import seal
from simulators.victron.encode import encode

from ..kit.victron import GOOD, KEY, SHUNT, model_of, noise, replayed, wrap
from ..kit.wallbox import RULE

#: Which of a device's values an advertisement has, and how long after the one before.
SAID = st.lists(
    st.tuples(st.integers(0, 3), st.floats(0.1, 60), st.integers(1, 9)),
    min_size=1,
    max_size=30,
)


@RULE
@given(
    kind=st.sampled_from(sorted(GOOD)),
    said=SAID,
    first=st.integers(0, 65_535),
    key=st.binary(min_size=16, max_size=16),
)
def test_replay(
    kind: Kind, said: list[tuple[int, float, int]], first: int, key: bytes
) -> None:
    """Whatever it was and whenever: the same outcomes, without the key."""
    decoder, now, counter = Decoder(KEY), 1_000.0, first
    outcomes: list[Reading | Refusal] = []
    before = b""
    values = list(GOOD[kind].items())
    for drop, seconds, step in said:
        now, counter = now + seconds, counter + step
        plain = encode(kind, dict(values[: len(values) - drop] or values))
        data = wrap(BY_KIND[kind], plain, counter & 0xFFFF)
        if data != before:
            outcomes.append(decoder.hear(data, now))
        before = data
    records = json.loads(json.dumps(decoder.records))
    assert len(records) == min(20, len(outcomes))
    again = Decoder(key)
    replay = [again.hear(data, at) for at, data in replayed(records, key)]
    if len(outcomes) <= 20:
        assert replay == outcomes
    else:  # the first may wait for another, for it knows none before
        assert replay[2:] == outcomes[-18:]


@RULE
@given(seed=st.integers(0, 1_000), key=st.binary(min_size=16, max_size=16))
def test_nothing_of_the_key(seed: int, key: bytes) -> None:
    """Neither the key, nor what was encrypted, nor a counter as it was sent."""
    decoder, rng = Decoder(key), random.Random(seed)
    sent = []
    for counter in range(41_000, 41_010):
        plain = encode(Kind.BATTERY_MONITOR, GOOD[Kind.BATTERY_MONITOR])
        sent.append(wrap(BY_KIND[Kind.BATTERY_MONITOR], plain, counter, key))
        sent.append(noise(rng, Kind.BATTERY_MONITOR, counter))
    for second, data in enumerate(sent):
        decoder.hear(data, float(second))
    text = json.dumps(decoder.records)
    assert key.hex() not in text
    assert "41000" not in text
    for data in sent:
        assert data[8:].hex() not in text


def test_what_cannot_be_read() -> None:
    """A wrong key, a record that nobody knows, a frame that is cut off."""
    decoder = Decoder(KEY)
    plain = encode(Kind.BATTERY_MONITOR, GOOD[Kind.BATTERY_MONITOR])
    record = BY_KIND[Kind.BATTERY_MONITOR]
    decoder.hear(wrap(record, plain, 1, bytes(16)), 10)
    decoder.hear(
        seal(b"12345678", key=KEY, counter=3, model_id=SHUNT, record_type=0x7F), 12.5
    )
    decoder.hear(wrap(record, plain, 4)[:5], 13)
    assert decoder.records == [
        {
            "at": 0,
            "refusal": "wrong_key",
            "record_type": record.type,
            "model_id": model_of(record.kind),
            "counter": 0,
            "plain": None,
        },
        {
            "at": 2.5,
            "refusal": "unknown_record",
            "record_type": 0x7F,
            "model_id": SHUNT,
            "counter": 2,
            "plain": None,
        },
        {"at": 3, "refusal": "too_short"},
    ]
