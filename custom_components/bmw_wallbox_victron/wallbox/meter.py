"""OCPP meter values -> samples in W, A, V and Wh."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
import math
from typing import Any

#: Readings beyond these are no home wallbox's (63 A, three phases, 400 V between them;
#: some 50 years of daily charging). A broken register may say 0xFFFFFFFF.
MAX_POWER_W = 60_000
MAX_CURRENT_A = 100
MAX_VOLTAGE_V = 500
MAX_REGISTER_WH = 1e9
#: A clock that stands before this day was never set: it says nothing about order.
CLOCK_NEVER_SET = datetime(2020, 1, 1, tzinfo=UTC)

_UNIT_FACTOR = {"kW": 1000.0, "kWh": 1000.0}
_PHASES = {"L1": 1, "L2": 2, "L3": 3, "L1-N": 1, "L2-N": 2, "L3-N": 3}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What the meter said at one moment; None: the meter said nothing about it."""

    at: datetime
    """When the wallbox took the sample, by its clock, never later than it arrived."""
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


def device_time(text: str, now: datetime) -> datetime:
    """Read a timestamp of the wallbox for putting its messages in order.

    A clock that is ahead would make all that follows its correction look old, so no
    timestamp lies in the future; one from before 2020 comes from a clock never set.
    """
    try:
        at = datetime.fromisoformat(text.upper()).astimezone(UTC)
    except OverflowError:  # the edge of the calendar
        return now
    return now if at < CLOCK_NEVER_SET or at > now else at


def samples(
    meter_values: Iterable[Mapping[str, Any]] | None, now: datetime
) -> tuple[Sample, ...]:
    """Read MeterValueType items (keys in snake case), oldest first.

    Defaults are OCPP 2.0.1's: Energy.Active.Import.Register in Wh at the outlet. Values
    that no wallbox can have are left out, each for itself.
    """
    found = [
        _sample(item["sampled_value"], device_time(item["timestamp"], now))
        for item in meter_values or ()
    ]
    return tuple(sorted(found, key=lambda sample: sample.at))


def _sample(sampled: Iterable[Mapping[str, Any]], at: datetime) -> Sample:
    """Collect the sampled values of one moment."""
    values: dict[str, float] = {}
    power_by_phase: dict[int, float] = {}
    for item in sampled:
        if item.get("location") == "EV":
            continue  # the car's own meter, not ours
        value = _value(item)
        phase = _PHASES.get(item.get("phase", ""))
        bare = "phase" not in item
        match item.get("measurand", "Energy.Active.Import.Register"):
            case "Power.Active.Import" if 0 <= value <= MAX_POWER_W:
                if bare:
                    values["power"] = value
                elif phase:
                    power_by_phase[phase] = value
            case "Current.Import" if 0 <= value <= MAX_CURRENT_A:
                if phase:
                    values[f"current_l{phase}"] = value
                elif bare:
                    values["current"] = value
            case "Voltage" if 0 <= value <= MAX_VOLTAGE_V:
                if phase or bare:
                    values[f"voltage_l{phase or 1}"] = value
            case "Energy.Active.Import.Register" if 0 <= value <= MAX_REGISTER_WH:
                if bare:
                    values["register"] = value
    if "power" not in values and power_by_phase:
        values["power"] = sum(power_by_phase.values())
    return Sample(at=at, **values)


def _value(item: Mapping[str, Any]) -> float:
    """Give the value in W, A, V or Wh, NaN where its multiplier is absurd."""
    unit = item.get("unit_of_measure") or {}
    multiplier = unit.get("multiplier", 0)
    if not -9 <= multiplier <= 9:
        return math.nan
    factor = _UNIT_FACTOR.get(unit.get("unit", ""), 1.0)
    return float(item["value"] * factor * 10.0**multiplier)
