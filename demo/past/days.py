"""Days that the boat had before the demo, as Home Assistant's long-term statistics.

A simulated boat lives through them, in seconds and without Home Assistant: what is told
of them is what the boat did, hour by hour, and not what was read of it. For a past that
Home Assistant has seen itself there is `--history`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from statistics import fmean
from typing import Any, Final

from simulators.boat.physics import PLAN, Boat

_DAYS: Final = 7
_LOOK_S: Final = 60.0
"""How often is looked at the boat, s."""
_HOUR: Final = timedelta(hours=1)
_LONG_AGO: Final = timedelta(days=60)


@dataclass(frozen=True, slots=True)
class Statistic:
    """The hours of one sensor of the battery."""

    key: str
    """Of the sensor."""
    unit: str
    """Of its values."""
    unit_class: str
    """What Home Assistant converts it as."""
    has_sum: bool
    """Whether it counts; else it is a measurement."""
    rows: list[dict[str, Any]] = field(default_factory=list)
    """As `recorder/import_statistics` takes them, the first hour first."""

    @property
    def metadata(self) -> dict[str, Any]:
        """What Home Assistant is told of it, but for the statistic's id."""
        return {
            "has_sum": self.has_sum,
            "mean_type": 0 if self.has_sum else 1,
            "name": None,
            "source": "recorder",
            "unit_class": self.unit_class,
            "unit_of_measurement": self.unit,
        }


_MEASURED: Final[Mapping[str, tuple[str, str, Callable[[Boat], float]]]] = {
    "soc": ("%", "unitless", lambda boat: boat.soc * 100),
    "voltage": ("V", "voltage", lambda boat: boat.voltage_v),
    "current": ("A", "electric_current", lambda boat: boat.current_a),
    "power": ("W", "power", lambda boat: boat.current_a * boat.voltage_v),
    "solar_power": ("W", "power", lambda boat: boat.pv_w),
    "load_power": ("W", "power", lambda boat: boat.used_w),
}
_COUNTED: Final[Mapping[str, Callable[[Boat], float]]] = {
    "energy_charged": lambda boat: boat.energies.charged,
    "energy_discharged": lambda boat: boat.energies.discharged,
    "solar_energy": lambda boat: boat.energies.solar,
    "mains_energy": lambda boat: boat.energies.mains,
    "load_energy": lambda boat: boat.energies.used,
}


def live_days(now: datetime, totals: Mapping[str, Any]) -> list[Statistic]:
    """Live through the days before now, when `totals` are counted, kWh. Blocks."""
    end = now.replace(minute=0, second=0, microsecond=0)
    begin = end - timedelta(days=_DAYS)
    hours = (now - begin) / _HOUR
    boat = Boat(plan=replace(PLAN, start_h=(PLAN.start_h - hours) % PLAN.cycle_h))
    measured = {
        key: Statistic(key, unit, unit_class, has_sum=False)
        for key, (unit, unit_class, _) in _MEASURED.items()
    }
    counted = {key: Statistic(key, "kWh", "energy", has_sum=True) for key in _COUNTED}
    for index in range(24 * _DAYS):
        start = (begin + index * _HOUR).isoformat()
        seen: dict[str, list[float]] = {key: [] for key in _MEASURED}
        for _ in range(round(3600 / _LOOK_S)):
            boat.advance(_LOOK_S)
            for key, (_, _, value_of) in _MEASURED.items():
                seen[key].append(value_of(boat))
        for key, values in seen.items():
            measured[key].rows.append(
                {
                    "start": start,
                    "mean": fmean(values),
                    "min": min(values),
                    "max": max(values),
                }
            )
        for key, value_of in _COUNTED.items():
            counted[key].rows.append({"start": start, "sum": value_of(boat) / 1000})
    boat.advance((now - end).total_seconds())
    for key, value_of in _COUNTED.items():
        for row in counted[key].rows:
            # Home Assistant begins to count at 0, when it sees the sensor first.
            row["sum"] -= value_of(boat) / 1000
            row["state"] = totals[key] + row["sum"]
        # And the first hour of all counts from 0: one that no graph shows.
        long_ago = (begin - _LONG_AGO).isoformat()
        counted[key].rows.insert(0, {**counted[key].rows[0], "start": long_ago})
    return [*measured.values(), *counted.values()]
