"""Who the devices of the boat are."""

from dataclasses import dataclass
from typing import Final

from simulators.caravan.identity import Identity

MULTIPLUS: Final = Identity(
    address="CE:80:A7:22:12:01",
    name="MultiPlus HQ2212ABCDE",
    model_id=0xA3A0,  # of the VE.Bus Smart dongle, which speaks for it
    key=bytes.fromhex("1b2a394857667584938271605f4e3d2c"),
)
SOLAR_CHARGER: Final = Identity(
    address="D1:80:A7:21:45:02",
    name="SmartSolar HQ2145FGHIJ",
    model_id=0xA056,
    key=bytes.fromhex("5c4b3a29181706f5e4d3c2b1a0998877"),
)
IDENTITIES: Final = (MULTIPLUS, SOLAR_CHARGER)
"""Its Victron devices, as the demo tells them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PackIdentity:
    """What stays the same of a pack."""

    address: str
    """The Bluetooth address of its BMS."""
    name: str
    """What its owner calls it."""
    capacity_ah: float
    """Ah."""
    model: str = "jbd_bms"
    """Its model, as aiobmsble names it."""


PACKS: Final = (
    PackIdentity(address="A4:C1:37:80:A7:01", name="Port pack", capacity_ah=100.0),
    PackIdentity(address="A4:C1:37:80:A7:02", name="Starboard pack", capacity_ah=100.0),
)
"""Wired in parallel."""
