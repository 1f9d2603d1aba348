"""A BMS as the integration sees it: its model, its client, and what it reports.

Nothing here needs aiobmsble: that comes in with `bms_library`, once it is installed.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol, ReadOnly, TypedDict

from bleak.backends.device import BLEDevice
from homeassistant.components.bluetooth import BluetoothServiceInfoBleak

from .publish import Rule, rule_for
from .readings import DeviceIdentity, Value

#: What no battery of a vehicle exceeds, either way: V and A.
_MAX_VOLTAGE: Final = 80.0
_MAX_CURRENT: Final = 1000.0
#: What a cell can have, in V, and a battery that is in use, in °C.
_CELL_VOLTAGES: Final = (0.5, 5.0)
_TEMPERATURES: Final = (-50.0, 120.0)
#: A longer time to go says as much as none, in min: 10 days.
_MAX_TIME_TO_GO: Final = 14_400.0

#: Values by key; None: the BMS does not report it now.
type BmsValues = Mapping[str, Value]

IDENTITY: Final = DeviceIdentity(kind="bms")
#: What has a unit, by key.
UNITS: Final[Mapping[str, str]] = {
    "voltage": "V",
    "current": "A",  # positive charges
    "power": "W",
    "soc": "%",
    "remaining_ah": "Ah",
    "time_to_go": "min",
    "temperature": "°C",
    "cell_voltage_delta": "V",
    "cell_voltage_min": "V",
    "cell_voltage_max": "V",
}
#: How closely what is shown follows it; all else exactly.
RULES: Final[Mapping[str, Rule]] = {
    key: rule_for(key, unit) for key, unit in UNITS.items()
}


class BmsFault(StrEnum):
    """Why a poll failed."""

    CANNOT_CONNECT = "cannot_connect"
    """Something else is connected, it is too far away or no connection is free."""
    NO_ANSWER = "no_answer"
    """Connected, but it does not answer as its model would."""
    IMPLAUSIBLE = "implausible"
    """No battery can be what it reports."""


class BmsError(Exception):
    """A poll failed."""

    def __init__(self, fault: BmsFault, detail: str) -> None:
        """Initialize with the fault, and what exactly happened."""
        super().__init__(f"{fault}: {detail}")
        self.fault = fault


class BmsSample(TypedDict, total=False):
    """What aiobmsble reads, as far as it is used here."""

    voltage: ReadOnly[float]
    """V."""
    current: ReadOnly[float]
    """A; positive charges."""
    battery_level: ReadOnly[float]
    """State of charge, in %."""
    cycle_charge: ReadOnly[float]
    """What is left in it, in Ah."""
    runtime: ReadOnly[int]
    """Time to go, in s."""
    temperature: ReadOnly[float]
    """°C."""
    cycles: ReadOnly[int]
    """How often it was emptied, in whole capacities."""
    cell_voltages: ReadOnly[list[float]]
    """V, cell by cell."""
    chrg_mosfet: ReadOnly[bool]
    """Whether it may be charged."""
    dischrg_mosfet: ReadOnly[bool]
    """Whether it may be discharged."""
    problem: ReadOnly[bool]
    """Whether it reports a fault."""


class BmsClient(Protocol):
    """Connects to one BMS."""

    @property
    def is_connected(self) -> bool:
        """Return whether it holds the connection."""

    async def async_update(self) -> BmsSample:
        """Connect, where it is not connected, and read a sample."""

    async def disconnect(self) -> None:
        """Disconnect."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BmsModel:
    """A model of BMS that can be read."""

    manufacturer: str
    """Who made it."""
    model: str
    """What its maker calls it."""
    make_client: Callable[[BLEDevice], BmsClient]
    """Makes what reads a BMS of this model."""
    matches: Callable[[BluetoothServiceInfoBleak], bool]
    """Tells whether an advertisement is one of this model."""

    @property
    def label(self) -> str:
        """Return how it is offered."""
        return f"{self.manufacturer} {self.model}"


def values_of(sample: BmsSample) -> BmsValues:
    """Return a sample by our keys. Raises BmsError where no battery can be so.

    V, A (positive charges), W, %, Ah, min, °C.
    """
    voltage, current = sample.get("voltage"), sample.get("current")
    soc = sample.get("battery_level")
    for key, value, low, high in (
        ("voltage", voltage, 0.1, _MAX_VOLTAGE),
        ("current", current, -_MAX_CURRENT, _MAX_CURRENT),
        ("soc", soc, 0, 100),
    ):
        # Not a number is not between them, either.
        if value is not None and not low <= value <= high:
            raise BmsError(BmsFault.IMPLAUSIBLE, f"{key} {value}")
    if voltage is None and soc is None:
        raise BmsError(BmsFault.IMPLAUSIBLE, "neither voltage nor state of charge")
    cells = [
        cell
        for cell in sample.get("cell_voltages", ())
        if _CELL_VOLTAGES[0] <= cell <= _CELL_VOLTAGES[1]
    ]
    lowest, highest = (min(cells), max(cells)) if cells else (None, None)
    return {
        "voltage": voltage,
        "current": current,
        "power": (
            None if voltage is None or current is None else round(voltage * current, 2)
        ),
        "soc": soc,
        "remaining_ah": _between(sample.get("cycle_charge"), 0, 100_000),
        "time_to_go": _time_to_go(sample),
        "temperature": _between(sample.get("temperature"), *_TEMPERATURES),
        "cycles": _between(sample.get("cycles"), 0, 1_000_000),
        "cell_voltage_min": lowest,
        "cell_voltage_max": highest,
        "cell_voltage_delta": (
            None if lowest is None or highest is None else round(highest - lowest, 3)
        ),
        "charge_enabled": sample.get("chrg_mosfet"),
        "discharge_enabled": sample.get("dischrg_mosfet"),
        "problem": sample.get("problem"),
    }


def _between(value: float | None, low: float, high: float) -> float | None:
    """Return a value that can be; None for one that cannot."""
    return value if value is not None and low <= value <= high else None


def _time_to_go(sample: BmsSample) -> float | None:
    """Return the time to go in min; None while the battery does not discharge."""
    if sample.get("current", 0) >= 0:
        return None
    seconds = sample.get("runtime")
    if seconds is None:
        return None
    minutes = _between(seconds / 60, 0, _MAX_TIME_TO_GO)
    return None if minutes is None else round(minutes)
