"""The inverse of the decoder: values -> encrypted advertisement.

It reads the same table, so that a field can only be wrong in both; the captured
advertisements and the other library in the tests keep the table itself right.
"""

from collections.abc import Iterable, Mapping

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from custom_components.bmw_wallbox_victron.readings import Flags, Value
from custom_components.bmw_wallbox_victron.victron.records import (
    BY_KIND,
    Field,
    Kind,
    Record,
)

type Encodable = Value | Iterable[str]

_NO_AUXILIARY_INPUT = 3


def encode(record: Record, values: Mapping[str, Encodable]) -> bytes:
    """Return the plain record; a value that is missing is not available."""
    bits = record.padding
    selector = record.selector
    if selector is not None:
        chosen = (
            field.when
            for field in record.fields
            if field.when is not None and values.get(field.key) is not None
        )
        bits |= next(chosen, _NO_AUXILIARY_INPUT) << selector.start
        selected = bits >> selector.start & selector.mask
        if selected == _NO_AUXILIARY_INPUT:
            bits |= 0xFFFF << min(f.start for f in record.fields if f.when is not None)
    for field in record.fields:
        if field.when is None or (selector is not None and field.when == selected):
            bits |= _raw(field, values.get(field.key)) << field.start
    return bits.to_bytes(record.minimum_bytes, "little")


def _raw(field: Field, value: Encodable) -> int:
    """Return the bits of one field."""
    if value is None:
        return field.not_available[0] if field.not_available else 0
    if field.flags is not None:
        if isinstance(value, Flags):
            names = value.names
        elif isinstance(value, str) or not isinstance(value, Iterable):
            raise TypeError(f"{field.key} is a set of flags, not {value!r}")
        else:
            names = frozenset(value)
        bit_of: dict[str, int] = {}
        for bit, name in field.flags.items():
            bit_of.setdefault(name, bit)  # of two bits with one name, the lower one
        return sum(1 << bit_of[name] for name in names)
    if field.states is not None:
        return next(raw for raw, state in field.states.items() if state == value)
    if not isinstance(value, float | int):
        raise TypeError(f"{field.key} is a number, not {value!r}")
    raw = round((value - field.offset) * field.per_unit)
    low = -(1 << field.width - 1) if field.signed else 0
    high = low + field.mask
    if not low <= raw <= high:
        raise ValueError(f"{field.key} cannot be {value}")
    return raw & field.mask


def advertise(
    kind: Kind,
    values: Mapping[str, Encodable],
    *,
    key: bytes,
    counter: int,
    model_id: int,
    prefix: int = 0x02,
) -> bytes:
    """Return the manufacturer data (after the company id) that a device would send."""
    record = BY_KIND[kind]
    return seal(
        encode(record, values),
        key=key,
        counter=counter,
        model_id=model_id,
        record_type=record.type,
        prefix=prefix,
    )


def seal(
    plain: bytes,
    *,
    key: bytes,
    counter: int,
    model_id: int,
    record_type: int,
    prefix: int = 0x02,
) -> bytes:
    """Encrypt a record and put it into its envelope."""
    nonce = (counter & 0xFFFF).to_bytes(2, "little")
    cipher = Cipher(algorithms.AES128(key), modes.CTR(nonce.ljust(16, b"\0")))
    return (
        bytes((0x10, prefix))
        + model_id.to_bytes(2, "little")
        + bytes((record_type,))
        + nonce
        + key[:1]
        + cipher.encryptor().update(plain)
    )
