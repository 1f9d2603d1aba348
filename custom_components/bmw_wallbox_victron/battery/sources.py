"""Which device each quantity of the battery comes from.

The first fresh source that has it: battery monitor, then BMS, then AC charger (never
for the state of charge: a charger does not know it). What is not fresh does not count.
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
    AC_CHARGER = "charger"
    DC_DC_CHARGER = "dc_dc_charger"
    SOLAR_CHARGER = "solar_charger"


#: By kind of device. A Lynx Smart BMS has a shunt, and measures as a monitor does.
ROLES: Final[Mapping[str, Role]] = {
    "battery_monitor": Role.BATTERY_MONITOR,
    "lynx_smart_bms": Role.BATTERY_MONITOR,
    "bms": Role.BMS,
    "ac_charger": Role.AC_CHARGER,
    "dc_dc_converter": Role.DC_DC_CHARGER,
    "orion_xs": Role.DC_DC_CHARGER,
    "solar_charger": Role.SOLAR_CHARGER,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A device that may know something of the battery."""

    role: Role
    """What it is to the battery."""
    fresh: bool
    """Whether it was heard within the time that its values count."""
    values: Mapping[str, Value]
    """Its last reading, exactly: key -> value in the unit of its record."""
    heard_at: float
    """When it was heard, or where it never was, when listening began; s."""

    def number(self, key: str) -> float | None:
        """Return a value if it is a number."""
        value = self.values.get(key)
        return value if isinstance(value, float | int) else None


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
    source: Role | None = None
    """Which device the first of these comes from; None: there is none."""


_QUANTITIES: Final = ("voltage", "current", "power", "soc", "time_to_go", "consumed_ah")
_OWN_KEYS: Final = {key: key for key in _QUANTITIES}
#: The roles that a battery's quantities come from, the best first, and the keys of
#: their records. Where there is no power, it is the product of voltage and current.
_KEYS: Final[Mapping[Role, Mapping[str, str]]] = {
    Role.BATTERY_MONITOR: _OWN_KEYS,
    Role.BMS: _OWN_KEYS,
    Role.AC_CHARGER: {"voltage": "output_voltage_1", "current": "output_current_1"},
}


def fresh_of(sources: Iterable[Source], *roles: Role) -> list[Source]:
    """Return the fresh sources of some roles, role by role."""
    found = [source for source in sources if source.fresh and source.role in roles]
    return sorted(found, key=lambda source: roles.index(source.role))


def _quantity(source: Source, quantity: str) -> float | None:
    """Return a quantity in V, A, W, %, min or Ah; None: the source does not have it."""
    keys = _KEYS[source.role]
    value = source.number(keys[quantity]) if quantity in keys else None
    if value is not None or quantity != "power":
        return value
    volts, amperes = (source.number(keys[key]) for key in ("voltage", "current"))
    return None if volts is None or amperes is None else round(volts * amperes, 2)


def choose(sources: Sequence[Source]) -> Measured:
    """Return each quantity from the first fresh source that has it."""
    fresh = fresh_of(sources, *_KEYS)
    quantities: dict[str, float] = {}
    best: Role | None = None
    for quantity in _QUANTITIES:
        for source in fresh:
            if (value := _quantity(source, quantity)) is not None:
                quantities[quantity] = value
                best = best or source.role
                break
    return Measured(**quantities, source=best)
