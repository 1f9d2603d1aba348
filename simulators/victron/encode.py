"""What a device sends: values -> plain record -> encrypted advertisement."""

from collections.abc import Iterable, Mapping
from typing import Final, Protocol

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from .records import HEADER_BITS, RECORDS, Kind

COMPANY_ID: Final = 0x02E1
"""Victron Energy, in the manufacturer data of an advertisement."""


class Named(Protocol):
    """Flags by their names, whoever has read them."""

    @property
    def names(self) -> Iterable[str]:
        """Return the flags that are set."""


type Encodable = float | str | Iterable[str] | Named | None
"""A number in its unit, a state, flags; None: not available."""


def encode(kind: str, values: Mapping[str, Encodable]) -> bytes:
    """Return the plain record of a kind; what is missing is not available."""
    record = RECORDS[Kind(kind)]
    size = (record.count + 7) // 8
    # Unused bits at the end are set.
    bits = (1 << 8 * size) - (1 << record.count)
    chosen: int | None = None
    if (aux_input := record.aux_input) is not None:
        chosen = next(
            (
                row.aux
                for row in record.rows
                if row.aux is not None and values.get(row.key) is not None
            ),
            aux_input.absent,
        )
        bits |= chosen << aux_input.start - HEADER_BITS
        if chosen == aux_input.absent:
            start = next(row.start for row in record.rows if row.aux is not None)
            bits |= 0xFFFF << start - HEADER_BITS
    for row in record.rows:
        if row.aux is None or row.aux == chosen:
            value = values.get(row.key)
            raw = row.absent if value is None else row.encode(value)
            bits |= raw << row.start - HEADER_BITS
    return bits.to_bytes(size, "little")


def advertise(
    kind: str,
    values: Mapping[str, Encodable],
    *,
    key: bytes,
    counter: int,
    model_id: int,
    prefix: int = 0x02,
) -> bytes:
    """Return the manufacturer data (after the company id) that a device sends."""
    return seal(
        encode(kind, values),
        key=key,
        counter=counter,
        model_id=model_id,
        record_type=RECORDS[Kind(kind)].type,
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
