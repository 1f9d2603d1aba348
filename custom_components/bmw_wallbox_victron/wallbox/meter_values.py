"""OCPP meter values -> samples in W, A, V and Wh."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
import math
from typing import ClassVar, Final

from .payloads import MeterValue, SampledValue, UnitOfMeasure

#: Readings beyond these are no home wallbox's (63 A, three phases, 400 V between them;
#: some 50 years of daily charging). A broken register may say 0xFFFFFFFF.
MAX_POWER_W = 60_000
MAX_CURRENT_A = 100
MAX_VOLTAGE_V = 500
MAX_REGISTER_WH = 1e9
#: A clock that stands before this day was never set: it says nothing about order.
CLOCK_NEVER_SET = datetime(2020, 1, 1, tzinfo=UTC)
_FIRST_DAY = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_DAY = datetime(2200, 1, 1, tzinfo=UTC)

_REGISTER: Final = "Energy.Active.Import.Register"
#: Measurands that are read, and the most that each can be in W, A, V or Wh.
_MOST: Final = {
    "Power.Active.Import": MAX_POWER_W,
    "Current.Import": MAX_CURRENT_A,
    "Voltage": MAX_VOLTAGE_V,
    _REGISTER: MAX_REGISTER_WH,
}
#: What a unit measures, in lower case, and its factor. Apparent and reactive energy or
#: power (VAh, varh) is not active. A unit that is unknown counts as the right one.
_UNITS: Final = {
    "w": ("Power.Active.Import", 1.0),
    "kw": ("Power.Active.Import", 1000.0),
    "wh": (_REGISTER, 1.0),
    "kwh": (_REGISTER, 1000.0),
    "a": ("Current.Import", 1.0),
    "v": ("Voltage", 1.0),
    **dict.fromkeys(
        ("va", "kva", "var", "kvar", "vah", "kvah", "varh", "kvarh", "percent"),
        ("another", 1.0),
    ),
}
_PHASES: Final = {"L1": 1, "L2": 2, "L3": 3, "L1-N": 1, "L2-N": 2, "L3-N": 3}
_BEGIN: Final = "Transaction.Begin"
#: Of one measurand at one moment, the value with the higher place counts: what is true
#: at the end of the list of events rather than at its beginning.
_CONTEXTS: Final = {
    "Interruption.Begin": 0,
    "Other": 1,
    "Interruption.End": 2,
    "Sample.Clock": 3,
    "Sample.Periodic": 4,
    "Trigger": 5,
    "Transaction.End": 6,
}
#: The outlet is what the car gets; at the inlet the wallbox's own use is in it.
_LOCATIONS: Final = {"Inlet": 0, "Outlet": 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What the meter said at one moment; None: the meter said nothing about it."""

    at: datetime
    """When the wallbox took the sample, by its clock."""
    power: float | None = None
    """Active power drawn by the car, W, all phases."""
    current: float | None = None
    """Current without a phase, A. On Delta boxes it freezes at an old value."""
    current_l1: float | None = None
    """Current on phase 1, A."""
    current_l2: float | None = None
    """Current on phase 2, A."""
    current_l3: float | None = None
    """Current on phase 3, A."""
    voltage_l1: float | None = None
    """Voltage of phase 1 to neutral, V."""
    voltage_l2: float | None = None
    """Voltage of phase 2 to neutral, V."""
    voltage_l3: float | None = None
    """Voltage of phase 3 to neutral, V."""
    register: float | None = None
    """Imported active energy, Wh."""
    begin: ClassVar[bool] = False
    """Whether it shows where the transaction began, whenever it was sent."""

    @property
    def readings(self) -> dict[str, float]:
        """What it carries, by name, but for the energy register."""
        return {
            field.name: value
            for field in fields(self)
            if field.name not in ("at", "register")
            and (value := getattr(self, field.name)) is not None
        }

    @property
    def live(self) -> bool:
        """Whether the sample carries anything but the energy register."""
        return bool(self.readings)


@dataclass(frozen=True, slots=True, kw_only=True)
class BeginSample(Sample):
    """What the meter said when the transaction began (context Transaction.Begin)."""

    begin: ClassVar[bool] = True


def device_time(text: str) -> datetime:
    """Read a timestamp of the wallbox, as it stands: its clock may show anything.

    Beyond 1970 and 2200 it is brought within: no sum with it leaves the calendar.
    """
    try:
        at = datetime.fromisoformat(text.upper()).astimezone(UTC)
    except OverflowError:  # the edge of the calendar
        at = _LAST_DAY if text > "5" else _FIRST_DAY
    return min(max(at, _FIRST_DAY), _LAST_DAY)


def samples(
    meter_values: Iterable[MeterValue] | None, *, undated: str = ""
) -> tuple[Sample, ...]:
    """Read MeterValueType items (keys in snake case), oldest first.

    `undated`: the time of those that have none.

    Defaults are OCPP 2.0.1's: Energy.Active.Import.Register in Wh at the outlet. Values
    that no wallbox can have are left out, each for itself.
    """
    found: list[Sample] = []
    for item in meter_values or ():
        at = device_time(item.get("timestamp", undated))
        begin: list[SampledValue] = []
        other: list[SampledValue] = []
        for sampled in item["sampled_value"]:
            is_begin = sampled.get("context") == _BEGIN
            (begin if is_begin else other).append(sampled)
        if begin:
            found.append(BeginSample(at=at, **_read(begin)))
        if other or not begin:
            found.append(Sample(at=at, **_read(other)))
    return tuple(sorted(found, key=lambda sample: sample.at))


def _read(sampled: Iterable[SampledValue]) -> dict[str, float]:
    """Read the sampled values of one moment, by the name that each has in `Sample`."""
    best: dict[tuple[str, int], tuple[tuple[int, int], float]] = {}
    for item in sampled:
        measurand = item.get("measurand", _REGISTER)
        location = item.get("location", "Outlet")
        if measurand not in _MOST or location == "EV":
            continue  # another quantity, or the car's own meter
        value = _value(item, measurand)
        phase = _PHASES.get(item.get("phase", ""), 0)
        if not 0 <= value <= _MOST[measurand] or ("phase" in item and not phase):
            continue
        context = item.get("context", "Sample.Periodic")
        place = (_LOCATIONS.get(location, 1), _CONTEXTS.get(context, 1))
        known = best.get((measurand, phase))
        if known is None or place >= known[0]:
            best[measurand, phase] = place, value
    found = {key: value for key, (_, value) in best.items()}
    return {
        name: value
        for name, value in {
            "power": _all_phases(found, "Power.Active.Import"),
            "register": _all_phases(found, _REGISTER),
            "current": found.get(("Current.Import", 0)),
            **{
                f"current_l{phase}": found.get(("Current.Import", phase))
                for phase in (1, 2, 3)
            },
            # A single-phase box names no phase.
            "voltage_l1": found.get(("Voltage", 1), found.get(("Voltage", 0))),
            "voltage_l2": found.get(("Voltage", 2)),
            "voltage_l3": found.get(("Voltage", 3)),
        }.items()
        if value is not None
    }


def _all_phases(found: Mapping[tuple[str, int], float], measurand: str) -> float | None:
    """Return what is given for all phases, else the sum of those that are given."""
    phases = [found[measurand, n] for n in (1, 2, 3) if (measurand, n) in found]
    total = found.get((measurand, 0), sum(phases) if phases else None)
    return total if total is not None and total <= _MOST[measurand] else None


def _value(item: SampledValue, measurand: str) -> float:
    """Return the value in W, A, V or Wh; NaN where it cannot be one."""
    unit: UnitOfMeasure = item.get("unit_of_measure") or {}
    multiplier = unit.get("multiplier", 0)
    known, factor = _UNITS.get(unit.get("unit", "").lower(), (measurand, 1.0))
    if known != measurand or not -9 <= multiplier <= 9:
        return math.nan
    return float(item["value"] * factor * 10.0**multiplier)
