"""The envelope of Victron's Instant Readout, its key check and its cipher.

After the company id: 0x10, a prefix, the model id, the record type, a counter that is
the nonce as well (16 bit, little-endian like the model id), the first byte of the key
as a check, and the record itself, encrypted with AES-CTR.
"""

from dataclasses import dataclass
from enum import StrEnum
import string

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

#: Victron Energy in the manufacturer data of an advertisement.
COMPANY_ID = 0x02E1

_INSTANT_READOUT = 0x10
_HEADER_BYTES = 8
_BLOCK_BYTES = 16


class Refusal(StrEnum):
    """Why an advertisement gives no reading."""

    NOT_INSTANT_READOUT = "not_instant_readout"
    """Something else that Victron's devices send, as in a VE.Smart network."""
    TOO_SHORT = "too_short"
    """Not even a whole envelope: instant readout is off, or the frame is corrupt."""
    UNKNOWN_RECORD = "unknown_record"
    """A record type without a published layout; it says nothing about the key."""
    RECORD_TOO_SHORT = "record_too_short"
    """Less than its record needs; it says nothing about the key."""
    WRONG_KEY = "wrong_key"
    """The key's first byte is not the one that the device checks for."""
    IMPLAUSIBLE = "implausible"
    """What no device can measure: a corrupt frame, or a wrong key that passed."""
    UNCONFIRMED = "unconfirmed"
    """Not impossible, but so odd that a second advertisement has to agree."""

    @property
    def against_key(self) -> bool:
        """Return whether this speaks against the key."""
        return self in {Refusal.WRONG_KEY, Refusal.IMPLAUSIBLE}


@dataclass(frozen=True, slots=True, kw_only=True)
class Advertisement:
    """One Instant Readout advertisement, still encrypted."""

    model_id: int
    """Victron's product id, see `models`."""
    record_type: int
    """Which layout the record has, see `records`."""
    counter: int
    """Counts the advertisements, 16 bit; the nonce of the cipher."""
    key_check: int
    """First byte of the key that the device encrypts with."""
    ciphertext: bytes
    """The encrypted record."""


def is_instant_readout(data: bytes) -> bool:
    """Return whether this is Instant Readout, and not of a VE.Smart network."""
    return bool(data) and data[0] == _INSTANT_READOUT


def parse(data: bytes) -> Advertisement | Refusal:
    """Parse the manufacturer data of company 0x02E1 (what follows the id)."""
    if not is_instant_readout(data):
        return Refusal.NOT_INSTANT_READOUT
    if len(data) < _HEADER_BYTES:
        return Refusal.TOO_SHORT
    return Advertisement(
        model_id=data[2] | data[3] << 8,
        record_type=data[4],
        counter=data[5] | data[6] << 8,
        key_check=data[7],
        ciphertext=bytes(data[_HEADER_BYTES:]),
    )


def parse_key(text: str) -> bytes | None:
    """Read a key as people paste it: whatever is between its digits is fine."""
    digits = "".join(filter(str.isalnum, text))
    if len(digits) == 34:
        digits = digits.removeprefix("0x").removeprefix("0X")
    if len(digits) != 32 or not set(digits) <= set(string.hexdigits):
        return None
    return bytes.fromhex(digits)


def parse_address(text: str) -> str | None:
    """Read a Bluetooth address as people type it; None: it is none."""
    digits = "".join(filter(str.isalnum, text)).upper()
    if len(digits) != 12 or not set(digits) <= set(string.hexdigits):
        return None
    return ":".join(digits[index : index + 2] for index in range(0, 12, 2))


class AdvertisementKey:
    """The key of one device, with its cipher ready."""

    __slots__ = ("_cipher", "check")

    def __init__(self, key: bytes) -> None:
        self.check = key[0]
        self._cipher = Cipher(
            algorithms.AES128(key), modes.CTR(bytes(_BLOCK_BYTES))
        ).decryptor()

    def decrypt(self, advertisement: Advertisement) -> bytes | None:
        """Decrypt the record; None: the device uses another key.

        Records fit into one block of the cipher. What a future one has beyond it is
        left out, so that it does not matter how the block counter goes on.
        """
        if advertisement.key_check != self.check:
            return None
        nonce = advertisement.counter.to_bytes(2, "little")
        self._cipher.reset_nonce(nonce.ljust(_BLOCK_BYTES, b"\0"))
        return self._cipher.update(advertisement.ciphertext[:_BLOCK_BYTES])


def decrypt(advertisement: Advertisement, key: bytes) -> bytes | None:
    """Decrypt one record; None: the device uses another key."""
    return AdvertisementKey(key).decrypt(advertisement)
