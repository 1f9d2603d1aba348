"""Who the devices of the caravan are.

Apart from what they do: scripts/demo tells names, addresses and keys, and needs neither
the integration nor Home Assistant for that.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What stays the same of a device."""

    address: str
    """Its Bluetooth address."""
    name: str
    """What it calls itself: as Victron names them, with the serial number."""
    model_id: int
    """Victron's product id."""
    key: bytes
    """What it encrypts with; no secret, for it is printed here."""


SHUNT: Final = Identity(
    address="C8:5A:1C:21:47:01",
    name="SmartShunt HQ2147ABCDE",
    model_id=0xA389,
    key=bytes.fromhex("0123456789abcdef0123456789abcdef"),
)
MAINS_CHARGER: Final = Identity(
    address="D4:5A:1C:22:03:02",
    name="IP22 12/30 HQ2203FGHIJ",
    model_id=0xA330,
    key=bytes.fromhex("22220000111122223333444455556666"),
)
ALTERNATOR_CHARGER: Final = Identity(
    address="E6:5A:1C:20:39:03",
    name="Orion Smart HQ2039KLMNP",
    model_id=0xA3C8,
    key=bytes.fromhex("0f0e0d0c0b0a09080706050403020100"),
)

IDENTITIES: Final = (SHUNT, MAINS_CHARGER, ALTERNATOR_CHARGER)
"""All of them, as the demo tells them."""
