"""Which device each quantity of the battery comes from.

The first fresh source that has it: battery monitor, then BMS, then inverter/charger,
then AC charger, then what else is wired to the battery and measures it. What is not
fresh says nothing.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from ..readings import Value


class Role(StrEnum):
    """What a device is to the battery."""

    BATTERY_MONITOR = "battery_monitor"
    OTHER_MONITOR = "other_monitor"
    """A battery monitor beside the main one: measures something else."""
    BMS = "bms"
    INVERTER_CHARGER = "inverter_charger"
    AC_CHARGER = "charger"
    SOLAR_CHARGER = "solar_charger"
    DC_DC_CHARGER = "dc_dc_charger"
    OTHER = "other"
    """Wired to the battery, and measures its voltage or temperature."""


#: By kind of device. A Lynx Smart BMS has a shunt, and measures as a monitor does.
ROLES: Final[Mapping[str, Role]] = {
    "battery_monitor": Role.BATTERY_MONITOR,
    "lynx_smart_bms": Role.BATTERY_MONITOR,
    "bms": Role.BMS,
    "ve_bus": Role.INVERTER_CHARGER,
    "multi_rs": Role.INVERTER_CHARGER,
    "inverter_rs": Role.INVERTER_CHARGER,
    "ac_charger": Role.AC_CHARGER,
    "solar_charger": Role.SOLAR_CHARGER,
    "dc_dc_converter": Role.DC_DC_CHARGER,
    "orion_xs": Role.DC_DC_CHARGER,
    "dc_energy_meter": Role.OTHER,
    "smart_lithium": Role.OTHER,
    "battery_sense": Role.OTHER,
    "inverter": Role.OTHER,
}
#: What a DC energy meter measures, by how it was set up; all else is no charger.
_METERS: Final[Mapping[str, Role]] = {
    "solar_charger": Role.SOLAR_CHARGER,
    "alternator": Role.DC_DC_CHARGER,
    "dc_dc_charger": Role.DC_DC_CHARGER,
}
METER: Final = "dc_energy_meter"

#: Who measures the battery's own current, the best first: what an AC charger gives is
#: not what the battery takes.
MEASURING: Final = (Role.BATTERY_MONITOR, Role.BMS, Role.INVERTER_CHARGER)
#: The roles that a battery's quantities come from, the best first.
_BEST_FIRST: Final = (
    *MEASURING,
    Role.AC_CHARGER,
    Role.SOLAR_CHARGER,
    Role.DC_DC_CHARGER,
    Role.OTHER,
)
_OWN_KEYS: Final = {
    key: key
    for key in (
        "voltage",
        "current",
        "power",
        "soc",
        "time_to_go",
        "consumed_ah",
        "temperature",
    )
}
_INVERTER_CHARGER: Final = {
    "voltage": "battery_voltage",
    "current": "battery_current",
    "soc": "soc",
    "temperature": "battery_temperature",
}
#: The keys of a quantity in the readings of each kind; what a charger gives is not what
#: the battery takes, and its temperature is its own.
_KEYS: Final[Mapping[str, Mapping[str, str]]] = {
    "battery_monitor": _OWN_KEYS,
    "lynx_smart_bms": _OWN_KEYS,
    "bms": _OWN_KEYS,
    "ve_bus": _INVERTER_CHARGER,
    "multi_rs": _INVERTER_CHARGER,
    "inverter_rs": _INVERTER_CHARGER,
    "ac_charger": {"voltage": "output_voltage_1", "current": "output_current_1"},
    "solar_charger": {"voltage": "battery_voltage"},
    "dc_dc_converter": {"voltage": "output_voltage"},
    "orion_xs": {"voltage": "output_voltage"},
    "smart_lithium": {
        "voltage": "battery_voltage",
        "temperature": "battery_temperature",
    },
    "battery_sense": {"voltage": "voltage", "temperature": "temperature"},
    METER: {"voltage": "voltage"},
    "inverter": {"voltage": "battery_voltage"},
}


#: What the records of these have no field for, though others of their role do.
_UNTOLD: Final[Mapping[str, frozenset[str]]] = {
    "bms": frozenset({"consumed_ah"}),
    "multi_rs": frozenset({"soc", "temperature"}),
    "inverter_rs": frozenset({"soc", "temperature"}),
}


def tells(kind: str, quantity: str) -> bool:
    """Return whether a kind of device can tell a quantity of the battery."""
    if quantity in _UNTOLD.get(kind, ()):
        return False
    keys = _KEYS.get(kind, {})
    return quantity in keys or (quantity == "power" and "current" in keys)


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A device that may know something of the battery."""

    role: Role
    """What it is to the battery."""
    kind: str
    """The kind of its record, or a BMS."""
    fresh: bool
    """Whether it was heard within the time that its values count."""
    values: Mapping[str, Value]
    """What it said last, exactly: key -> value in the unit of its record."""
    heard_at: float
    """When it was heard, or where it never was, when listening began; s."""
    read_at: float = 0.0
    """When it said that for the first time, in s."""
    stood_until: float = 0.0
    """When what it had said before was last heard, in s."""
    id: str = ""
    """Its address."""
    name: str = ""
    """What its owner calls it."""

    def number(self, key: str) -> float | None:
        """Return a value if it is a number."""
        value = self.values.get(key)
        return value if isinstance(value, float | int) else None

    def text(self, key: str) -> str | None:
        """Return a value if it is a state."""
        value = self.values.get(key)
        return value if isinstance(value, str) else None

    def quantity(self, quantity: str) -> float | None:
        """Return a quantity of the battery; None: it does not tell.

        V, A and W (positive charges), %, min, Ah, °C. Where there is no power, it is
        the product of voltage and current.
        """
        keys = _KEYS.get(self.kind, {})
        value = self.number(keys[quantity]) if quantity in keys else None
        if value is not None or quantity != "power" or "current" not in keys:
            return value
        volts, amperes = self.number(keys["voltage"]), self.number(keys["current"])
        return None if volts is None or amperes is None else round(volts * amperes, 2)


def role_of(kind: str | None, values: Mapping[str, Value]) -> Role | None:
    """Return what a device is to the battery; None: nothing, or it is not known yet."""
    if kind == METER:
        return _METERS.get(str(values.get("monitor_mode")), Role.OTHER)
    return None if kind is None else ROLES.get(kind)


def fresh_of(sources: Iterable[Source], *roles: Role) -> list[Source]:
    """Return the fresh sources of some roles, role by role."""
    found = [source for source in sources if source.fresh and source.role in roles]
    return sorted(found, key=lambda source: roles.index(source.role))


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What is measured of the battery; None: no fresh source has it."""

    voltage: float | None = None
    """At its terminals, in V."""
    current: float | None = None
    """Into the battery, in A: positive charges."""
    power: float | None = None
    """Into the battery, in W: positive charges."""
    soc: float | None = None
    """State of charge, in %."""
    time_to_go: float | None = None
    """How long it lasts if as much is drawn as now, in min."""
    consumed_ah: float | None = None
    """What was drawn since it was full, in Ah: 0 or negative."""
    temperature: float | None = None
    """Of the battery itself, in °C."""
    source: Role | None = None
    """Which device the first of these comes from; None: there is none."""


#: In this order the first one says where the battery's quantities come from.
_QUANTITIES: Final = tuple(_OWN_KEYS)


def choose(sources: Sequence[Source]) -> Measured:
    """Return each quantity from the first fresh source that has it."""
    fresh = fresh_of(sources, *_BEST_FIRST)
    quantities: dict[str, float] = {}
    best: Role | None = None
    for quantity in _QUANTITIES:
        for source in fresh:
            if source.role is Role.AC_CHARGER and best not in (None, Role.AC_CHARGER):
                # What it gives is not what the battery takes that another one speaks
                # for: a bank with a silent pack knows no current.
                continue
            if (value := source.quantity(quantity)) is not None:
                quantities[quantity] = value
                best = best or source.role
                break
    if best in (Role.SOLAR_CHARGER, Role.DC_DC_CHARGER):
        best = Role.OTHER
    return Measured(**quantities, source=best)
