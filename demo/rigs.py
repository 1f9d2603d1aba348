"""What the demo can have beside its wallbox: a caravan, or a boat."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final

from simulators.boat import identity as boat
from simulators.boat.identity import PackIdentity
from simulators.caravan import identity as caravan
from simulators.caravan.identity import Identity

from .layout import BATTERY_LEVEL, PLUG_CURRENT, PLUG_POWER, PLUG_SWITCH
from .past.totals import totals


@dataclass(frozen=True, slots=True, kw_only=True)
class Rig:
    """A battery with its devices, and how the demo shows it."""

    name: str
    """What --rig calls it."""
    devices: tuple[Identity, ...]
    """Its Victron devices."""
    packs: tuple[PackIdentity, ...] = ()
    """Its packs with a BMS, which Home Assistant connects to."""
    added: bool = False
    """Whether its devices are added from the start; else they are discovered."""
    plug: str
    """The entity id of the switch that feeds mains in."""
    plug_name: str
    """What it is called."""
    level: str
    """The entity id of the number that sets how full the battery is."""
    options: Mapping[str, str] = field(default_factory=dict)
    """What its owner has set in the integration's options."""
    totals: Callable[[datetime], dict[str, Any]] | None = None
    """What was counted of its battery before the first start; None: nothing."""
    favorites: tuple[tuple[str, str], ...]
    """What the overview shows of it, by owner and key, where the integration has it."""
    awaited: frozenset[str]
    """The unique ids of what is there once all of it was heard."""

    @property
    def addresses(self) -> frozenset[str]:
        """The addresses of all its devices."""
        return frozenset(
            [each.address for each in self.devices]
            + [each.address for each in self.packs]
        )


_BATTERY: Final = (
    *(("battery", key) for key in ("power_source", "summary", "soc", "power")),
    ("battery", "voltage"),
)

CARAVAN: Final = Rig(
    name="caravan",
    devices=caravan.IDENTITIES,
    plug=PLUG_SWITCH,
    plug_name="Caravan plug",
    level=BATTERY_LEVEL,
    options=MappingProxyType(
        {
            "mains_switch": PLUG_SWITCH,
            "mains_power": PLUG_POWER,
            "mains_current": PLUG_CURRENT,
        }
    ),
    favorites=(
        *_BATTERY,
        *((caravan.SHUNT.address, key) for key in ("soc", "voltage", "power")),
        (caravan.MAINS_CHARGER.address, "charge_state"),
        (caravan.ALTERNATOR_CHARGER.address, "charge_state"),
    ),
    # Even what is off by default is there once the device was heard.
    awaited=frozenset({f"{caravan.SHUNT.address}_voltage", "battery_power_source"}),
)
BOAT: Final = Rig(
    name="boat",
    devices=boat.IDENTITIES,
    packs=boat.PACKS,
    added=True,
    plug="switch.boat_shore_power",
    plug_name="Boat shore power",
    level="number.boat_battery",
    options=MappingProxyType({"chemistry": "lifepo4", "bms_bank": "parallel"}),
    totals=totals,
    favorites=(
        *_BATTERY,
        ("battery", "solar_power"),
        ("battery", "load_power"),
        *((pack.address, "soc") for pack in boat.PACKS),
        (boat.MULTIPLUS.address, "device_state"),
        (boat.SOLAR_CHARGER.address, "charge_state"),
    ),
    awaited=frozenset(
        {
            "battery_power_source",
            *(f"{pack.address}_soc" for pack in boat.PACKS),
            *(f"{each.address}_data_fresh" for each in boat.IDENTITIES),
        }
    ),
)

RIGS: Final = {rig.name: rig for rig in (CARAVAN, BOAT)}
"""By name."""
