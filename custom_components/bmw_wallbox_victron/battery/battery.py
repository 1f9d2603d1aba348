"""The battery: from what devices and the plug say to what is known of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ..readings import Value
from .delays import Delayed, Steady, delayed, steady
from .power_source import (
    Plug,
    alternator_charging,
    charging_now,
    charging_phase,
    mains_present,
    power_source,
    solar_charging,
)
from .sources import Role, Source, choose
from .status import status_of, summarize
from .trend import Trend

#: How long the plug has to say the same, in s.
PLUG_HOLD_S: Final = 2.0
#: How long charging or draining has to be seen, and not to be seen, in s.
DETECT_ON_S: Final = 5 * 60.0
DETECT_OFF_S: Final = 10 * 60.0
#: A fall of the voltage within the trend's window that is a fast one, in V.
DRAINING_FAST_V: Final = -0.20
#: How much longer than the freshness timeout a source may be silent, in s.
PROBLEM_S: Final = 120.0
#: The others are switched off now and then.
_NEVER_SILENT: Final = (Role.BATTERY_MONITOR, Role.OTHER_MONITOR, Role.BMS)
#: Differences of binary fractions are no matter of volts.
_NOISE: Final = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the owner has set."""

    freshness_timeout_s: float = 300.0
    """How long what a device said counts."""
    charge_detect_min_voltage: float = 13.3
    """Charging is detected at this voltage or a higher one, in V."""
    charge_detect_min_rise: float = 0.15
    """And after it rose by this within 15 minutes, in V."""


class Battery:
    """Keeps what the past has to do with it: the trend and the delays.

    The clock is passed in, in s; it never goes back.
    """

    def __init__(self) -> None:
        """Begin without anything known."""
        self.values: Mapping[str, Value] = {}
        """Key -> value: V, A, W, %, min, Ah; states; yes or no; None: unknown."""
        self._trend = Trend()
        self._plug = Steady()
        self._detected = Delayed()
        self._draining = Delayed()

    def update(
        self, sources: Sequence[Source], plug: Plug, settings: Settings, now: float
    ) -> float | None:
        """Take what is said now; gives when to look again though nothing is said."""
        canonical = choose(sources)
        quantities = canonical.quantities
        voltage = quantities["voltage"]
        self._trend.note(voltage, now)
        movement = self._trend.read(now)
        self._plug, plug_due = steady(self._plug, plug.verdict, now, PLUG_HOLD_S)
        # Right after a start the plug has something to say, and is waited for.
        waits = not self._plug.settled and plug.verdict is not None
        mains = mains_present(self._plug.value, sources, plug_may_tell=waits)
        alternator = alternator_charging(sources)
        solar = solar_charging(sources)
        charging = charging_now(sources)
        source = power_source(
            mains=mains,
            alternator=alternator,
            solar=solar,
            charging=None if waits else charging,
        )
        change = movement.change
        self._detected, detected_due = delayed(
            self._detected,
            None
            if voltage is None or change is None
            else voltage >= settings.charge_detect_min_voltage - _NOISE
            and change >= settings.charge_detect_min_rise - _NOISE,
            now,
            on_s=DETECT_ON_S,
            off_s=DETECT_OFF_S,
        )
        self._draining, draining_due = delayed(
            self._draining,
            None
            if change is None
            else mains is not True and change <= DRAINING_FAST_V + _NOISE,
            now,
            on_s=DETECT_ON_S,
            off_s=DETECT_OFF_S,
        )
        status = status_of(quantities["soc"])
        summary, message = summarize(status, source, charging=charging)
        problem, problem_due = _problem(sources, settings, now)
        self.values = {
            **quantities,
            "source": canonical.source,
            "power_source": source.value,
            "status": status.value,
            "summary": summary.value,
            "message": message,
            "charging_phase": charging_phase(sources),
            "voltage_change_15m": change,
            "voltage_mean_15m": movement.mean,
            "mains_present": mains,
            "alternator_charging": alternator,
            "solar_charging": solar,
            "charging_now": charging,
            "charging_detected": self._detected.value,
            "draining_fast": self._draining.value,
            "problem": problem,
        }
        dues = (movement.due, plug_due, detected_due, draining_due, problem_due)
        return min((due for due in dues if due is not None), default=None)


def _problem(
    sources: Sequence[Source], settings: Settings, now: float
) -> tuple[bool, float | None]:
    """Return whether a battery monitor or BMS is silent for too long, and when next."""
    ends = [
        source.heard_at + silence_limit(settings)
        for source in sources
        if source.role in _NEVER_SILENT
    ]
    silent = any(now >= end for end in ends)
    return silent, min((end for end in ends if now < end), default=None)


def silence_limit(settings: Settings) -> float:
    """Return how long a source may be silent, in s."""
    return settings.freshness_timeout_s + PROBLEM_S


def is_silent(source: Source, settings: Settings, now: float) -> bool:
    """Return whether a battery monitor or BMS is silent for too long."""
    end = source.heard_at + silence_limit(settings)
    return source.role in _NEVER_SILENT and now >= end
