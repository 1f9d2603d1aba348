"""The battery: from the readings of devices and the plug to its state."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Final

from ..readings import Value
from .delays import Delayed, Steady, delayed, steady
from .power_source import (
    Plug,
    PowerSource,
    alternator_charging,
    charging_now,
    charging_phase,
    mains_present,
    power_source,
    solar_charging,
)
from .sources import Measured, Role, Source, choose
from .status import Status, Summary, status_of, summarize
from .trend import Trend

#: How long the plug has to be in a state, in s.
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
    """The settings of the rules."""

    freshness_timeout_s: float = 300.0
    """How long a reading of a device counts, in s."""
    charge_detect_min_voltage: float = 13.3
    """Charging is detected at this voltage or a higher one, in V."""
    charge_detect_min_rise: float = 0.15
    """And only once it rose by this within 15 minutes, in V."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BatteryState(Measured):
    """What is known of the battery; None: unknown."""

    power_source: PowerSource = PowerSource.UNKNOWN
    """Where the power comes from."""
    status: Status = Status.UNKNOWN
    """How full it is."""
    summary: Summary = Summary.UNKNOWN
    """All of it in a word."""
    message: str = "unknown"
    """The name of the sentence that goes with the summary."""
    charging_phase: str | None = None
    """The charge state of a charger: bulk, absorption, float and so on."""
    voltage_change_15m: float | None = None
    """By how much the voltage rose within 15 minutes, in V; negative: it fell."""
    voltage_mean_15m: float | None = None
    """The mean voltage of the last 15 minutes, in V."""
    mains_present: bool | None = None
    """Whether there is mains."""
    alternator_charging: bool | None = None
    """Whether a DC-DC charger charges."""
    solar_charging: bool | None = None
    """Whether a solar charger charges."""
    charging_now: bool | None = None
    """Whether the current charges it."""
    charging_detected: bool | None = None
    """Whether its voltage shows that it is charged."""
    draining_fast: bool | None = None
    """Whether its voltage falls fast."""
    problem: bool | None = None
    """Whether a battery monitor or BMS is silent for too long."""

    @property
    def by_key(self) -> dict[str, Value]:
        """Return all of it, by the names of the fields."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


class Battery:
    """Keeps what depends on the past: the trend and the delays.

    The clock is passed in, in s; it never goes back.
    """

    def __init__(self) -> None:
        """Initialize with nothing known."""
        self.state = BatteryState()
        self._trend = Trend()
        self._plug = Steady()
        self._detected = Delayed()
        self._draining = Delayed()

    def update(
        self, sources: Sequence[Source], plug: Plug, settings: Settings, now: float
    ) -> float | None:
        """Update the state; return when to do so again without a new reading."""
        measured = choose(sources)
        voltage = measured.voltage
        self._trend.note(voltage, now)
        movement = self._trend.read(now)
        self._plug, plug_due = steady(self._plug, plug.verdict, now, PLUG_HOLD_S)
        # Right after a start the state of the plug is waited for.
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
        status = status_of(measured.soc)
        summary, message = summarize(status, source, charging=charging)
        problem, problem_due = _problem(sources, settings, now)
        self.state = BatteryState(
            voltage=voltage,
            current=measured.current,
            power=measured.power,
            soc=measured.soc,
            time_to_go=measured.time_to_go,
            consumed_ah=measured.consumed_ah,
            source=measured.source,
            power_source=source,
            status=status,
            summary=summary,
            message=message,
            charging_phase=charging_phase(sources),
            voltage_change_15m=change,
            voltage_mean_15m=movement.mean,
            mains_present=mains,
            alternator_charging=alternator,
            solar_charging=solar,
            charging_now=charging,
            charging_detected=self._detected.value,
            draining_fast=self._draining.value,
            problem=problem,
        )
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
