"""A BMS as the integration sees it: its model, its client, and what it reports.

Nothing here needs aiobmsble: that comes in with `bms_library`, once it is installed.
"""

from collections.abc import Callable, Mapping, Sequence
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
#: What a probe that lives is between, in °C. One that is broken or not connected is at
#: an end of its scale, or beyond: a byte with an offset of 40 ends at -40.
_PROBE_TEMPERATURES: Final = (-40.0, 100.0)
#: Or it is exactly 0, while the nearest of the others is further away than this, in K.
_PROBES_APART_K: Final = 5.0
#: What a probe is at, as aiobmsble numbers it: a cell, the warmest or the coldest of
#: them; or it is not said.
_AT_CELLS: Final = frozenset({1, 2, 3})
_ANYWHERE: Final = frozenset({0})
#: So many cells and probes at most have an entity each.
_CELLS: Final = 32
_PROBES: Final = 12
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
    "capacity_ah": "Ah",  # as designed, or as it is set in the BMS
    **{f"cell_voltage_{cell}": "V" for cell in range(1, _CELLS + 1)},
    **{f"temperature_{probe}": "°C" for probe in range(1, _PROBES + 1)},
}
#: What there is one of for each cell and each probe: only where the BMS tells it.
NUMBERED: Final = frozenset(key for key in UNITS if key[-1].isdigit())
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
    WRONG_SECRET = "wrong_secret"  # noqa: S105 - a name
    """Connected, but it refuses the secret, or to answer without one."""


class BmsError(Exception):
    """A poll failed."""

    def __init__(self, fault: BmsFault, detail: str) -> None:
        """Initialize with the fault, and what exactly happened."""
        super().__init__(f"{fault}: {detail}")
        self.fault = fault


class Probe(Protocol):
    """A temperature probe."""

    @property
    def value(self) -> float:
        """Return the temperature, in °C."""

    @property
    def type(self) -> int:
        """Return what it is at, as aiobmsble numbers it."""


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
    """°C; the mean of all probes, unless there are none."""
    temp_values: ReadOnly[Sequence[Probe]]
    """Its probes, in the order of the BMS."""
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
    problem_code: ReadOnly[int]
    """What faults, as the bits of its maker; 0: none."""
    design_capacity: ReadOnly[float]
    """Ah."""
    battery_health: ReadOnly[float]
    """State of health, in %."""
    balancer: ReadOnly[int]
    """Whether it balances, or the cells that it balances as bits."""
    heater: ReadOnly[bool]
    """Whether it heats the battery."""


class BmsInfo(TypedDict, total=False):
    """What aiobmsble reads of the device itself, as far as it is used here."""

    model_id: ReadOnly[str]
    model: ReadOnly[str]
    serial_number: ReadOnly[str]
    fw_version: ReadOnly[str]
    sw_version: ReadOnly[str]
    hw_version: ReadOnly[str]


class BmsClient(Protocol):
    """Connects to one BMS."""

    @property
    def is_connected(self) -> bool:
        """Return whether it holds the connection."""

    async def async_update(self) -> BmsSample:
        """Connect, where it is not connected, and read a sample."""

    async def device_info(self) -> BmsInfo:
        """Read what the device is; it stays connected where it is."""

    async def disconnect(self, reset: bool = False) -> None:
        """Disconnect; `reset`: also what the Bluetooth stack still holds of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BmsModel:
    """A model of BMS that can be read."""

    manufacturer: str
    """Who made it."""
    model: str
    """What its maker calls it."""
    takes_secret: bool
    """Whether one of this model may want a secret before it answers."""
    make_client: Callable[[BLEDevice, str], BmsClient]
    """Makes what reads a BMS of this model, with its secret; empty: it has none."""
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
    by_cell = [
        _between(cell, *_CELL_VOLTAGES) for cell in sample.get("cell_voltages", ())
    ]
    cells = [cell for cell in by_cell if cell is not None]
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
        "temperature": _temperature(sample),
        "cycles": _between(sample.get("cycles"), 0, 1_000_000),
        "cell_voltage_min": lowest,
        "cell_voltage_max": highest,
        "cell_voltage_delta": (
            None if lowest is None or highest is None else round(highest - lowest, 3)
        ),
        "charge_enabled": sample.get("chrg_mosfet"),
        "discharge_enabled": sample.get("dischrg_mosfet"),
        "problem": sample.get("problem"),
        "problem_code": sample.get("problem_code"),
        "balancer": _switch(sample.get("balancer")),
        "heater": sample.get("heater"),
        "battery_health": _between(sample.get("battery_health"), 1, 100),
        "capacity_ah": _between(sample.get("design_capacity"), 1, 100_000),
        **_numbered("cell_voltage", by_cell[:_CELLS]),
        **_numbered("temperature", _alive(sample.get("temp_values", ()))[:_PROBES]),
    }


def _numbered(key: str, values: Sequence[float | None]) -> dict[str, float | None]:
    """Return values with keys of their own."""
    return {f"{key}_{number}": value for number, value in enumerate(values, 1)}


def _switch(value: int | None) -> bool | None:
    """Return whether any bit is set."""
    return None if value is None else bool(value)


def _alive(probes: Sequence[Probe]) -> list[float | None]:
    """Return the temperature of each probe; None: it is dead."""
    found: list[float | None] = []
    for probe in probes:
        alike = (abs(each.value) for each in probes if each.type == probe.type)
        nearest = min((value for value in alike if value > 0), default=0.0)
        dead = probe.value == 0 and nearest > _PROBES_APART_K
        low, high = _PROBE_TEMPERATURES
        found.append(probe.value if low < probe.value < high and not dead else None)
    return found


def _temperature(sample: BmsSample) -> float | None:
    """Return the temperature of the battery: the lowest of its cells' probes.

    Probes of which it is not said where they are count where none is said to be at the
    cells. Those that are elsewhere never do: it is warmer there.
    """
    probes = sample.get("temp_values", ())
    if not probes:
        return _between(sample.get("temperature"), *_TEMPERATURES)
    at_cells = any(probe.type in _AT_CELLS for probe in probes)
    types = _AT_CELLS if at_cells else _ANYWHERE
    return min(
        (
            value
            for probe, value in zip(probes, _alive(probes), strict=True)
            if value is not None and probe.type in types
        ),
        default=None,
    )


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
