"""The battery: from what devices and the plug say to what is known of it."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Final

from ..readings import Value
from .bank import BankMode, with_bank
from .delays import Delayed, Steady, delayed, steady
from .power_flow import power_flow
from .power_source import (
    Plug,
    PowerSource,
    alternator_charging,
    charging_now,
    charging_phase,
    mains_present,
    measuring,
    power_source,
    solar_charging,
)
from .scale import LEAST_V, nominal_of, scale_of
from .sources import Measured, Role, Source, choose
from .status import Status, Summary, status_of, summarize
from .trend import Highest, Movement, Trend

#: How long the plug has to say the same, in s.
PLUG_HOLD_S: Final = 2.0
#: How long charging or draining has to be seen, and not to be seen, in s.
DETECT_ON_S: Final = 5 * 60.0
DETECT_OFF_S: Final = 10 * 60.0
#: A fall of the voltage within the trend's window that is a fast one, in V at 12 V.
DRAINING_FAST_V: Final = -0.20
#: How much longer than the freshness timeout a source may be silent, in s.
PROBLEM_S: Final = 120.0
#: The others are switched off now and then.
_NEVER_SILENT: Final = (Role.BATTERY_MONITOR, Role.OTHER_MONITOR, Role.BMS)
#: Differences of binary fractions are no matter of volts.
_NOISE: Final = 1e-6


class Chemistry(StrEnum):
    """What a battery is made of."""

    UNKNOWN = "unknown"
    LEAD = "lead"
    LIFEPO4 = "lifepo4"


#: From which voltage on charging is detected where its owner set none, in V at 12 V.
_CHARGE_DETECT_V: Final = 13.3
_CHARGE_DETECT_LIFEPO4_V: Final = 13.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of the rules."""

    freshness_timeout_s: float = 300.0
    """How long a reading of a device counts, in s."""
    charge_detect_min_voltage: float | None = None
    """Charging is detected at this voltage or a higher one, in V at 12 V; None: at the
    chemistry's."""
    charge_detect_min_rise: float = 0.15
    """And after it rose by this within 15 minutes, in V at 12 V."""
    drain_fast_min_drop: float = 3.0
    """It drains fast where its state of charge fell by this within 15 minutes, in %."""
    nominal_voltage: int | None = None
    """12, 24, 36 or 48 V; None: it is found by itself."""
    chemistry: Chemistry = Chemistry.UNKNOWN
    """What the battery is made of."""
    capacity_ah: float | None = None
    """Its capacity, in Ah; None: what the devices tell."""
    bank_mode: BankMode = BankMode.PARALLEL
    """How several BMSs belong together."""

    @property
    def charge_detect_v(self) -> float:
        """From which voltage on charging is detected, in V at 12 V."""
        if self.charge_detect_min_voltage is not None:
            return self.charge_detect_min_voltage
        if self.chemistry is Chemistry.LIFEPO4:
            return _CHARGE_DETECT_LIFEPO4_V
        return _CHARGE_DETECT_V


@dataclass(frozen=True, slots=True, kw_only=True)
class BatteryState(Measured):
    """What is known of the battery; None: unknown."""

    power_source: PowerSource = PowerSource.UNKNOWN
    """Where the power comes from."""
    status: Status = Status.UNKNOWN
    """How full it is."""
    charging_phase: str | None = None
    """The charge state of a charger: bulk, absorption, float and so on."""
    voltage_change_15m: float | None = None
    """By how much the voltage rose within 15 minutes, in V; negative: it fell."""
    voltage_mean_15m: float | None = None
    """The mean voltage of the last 15 minutes, in V."""
    solar_power: float | None = None
    """What the sun gives, in W."""
    load_power: float | None = None
    """What is used, in W."""
    mains_present: bool | None = None
    """Whether there is mains."""
    alternator_charging: bool | None = None
    """Whether a DC-DC charger charges."""
    solar_charging: bool | None = None
    """Whether the sun does."""
    charging_now: bool | None = None
    """Whether the battery's current charges it."""
    charging_detected: bool | None = None
    """Whether it is charged, by its current or else by its voltage, for minutes."""
    draining_fast: bool | None = None
    """Whether it drains fast, for minutes."""
    battery_low: bool | None = None
    """Whether it is low, or critical."""
    problem: bool | None = None
    """Whether a battery monitor or BMS is silent for too long."""
    silent: tuple[str, ...] = ()
    """The names of those that are."""

    @property
    def summary(self) -> Summary:
        """All of it in a word."""
        return summarize(self.status, self.power_source, charging=self.charging_now)[0]

    @property
    def message(self) -> str:
        """The name of the sentence that goes with the summary."""
        return summarize(self.status, self.power_source, charging=self.charging_now)[1]

    @property
    def by_key(self) -> dict[str, Value]:
        """What has a state of its own, by the names of the fields."""
        return {
            field.name: getattr(self, field.name)
            for field in fields(self)
            if field.name != "silent"
        }


class Battery:
    """Keeps what the past has to do with it: the trends and the delays.

    The clock is passed in, in s; it never goes back.
    """

    def __init__(self, nominal: int | None = None) -> None:
        """Begin with the nominal voltage that was found before, in V."""
        self.state = BatteryState()
        self.sources: Sequence[Source] = ()
        """What was said last, with the packs of a bank as one."""
        self.nominal = nominal
        """The nominal voltage that was found, in V; None: none was needed yet."""
        self._trend = Trend()
        self._highest = Highest()
        self._sayers: tuple[Role | None, frozenset[str]] = (None, frozenset())
        """Whose state of charge it is, by role and address."""
        self._plug = Steady()
        self._mains_off_at: float | None = None
        self._charging: bool | None = None
        self._detected = Delayed()
        self._draining = Delayed()

    def update(
        self, devices: Sequence[Source], plug: Plug, settings: Settings, now: float
    ) -> float | None:
        """Take what is said now; return when to look again though nothing is said."""
        sources = self.sources = with_bank(devices, settings.bank_mode)
        measured = choose(sources)
        self._settle(measured.voltage)
        scale = self.scale(settings)
        self._trend.note(measured.voltage, now)
        movement = self._trend.read(now)
        self._plug, plug_due = steady(self._plug, plug.verdict, now, PLUG_HOLD_S)
        # Right after a start the plug has something to say, and is waited for.
        waits = not self._plug.settled and plug.verdict is not None
        mains = mains_present(self._plug.value, sources, plug_may_tell=waits)
        alternator = alternator_charging(sources)
        solar = solar_charging(sources)
        meter = measuring(sources)
        amperes = None if meter is None else meter.quantity("current")
        charging = self._charging = charging_now(amperes, self._charging)
        if mains is not False:
            self._mains_off_at = None
        elif self._mains_off_at is None:
            self._mains_off_at = now
        # While the plug is about to be off or on, and until the current was read after
        # it was off, the current does not tell of another source.
        unsettled = self._plug.heard is not self._plug.value or (
            meter is not None
            and self._mains_off_at is not None
            and meter.read_at < self._mains_off_at
        )
        source = power_source(
            mains=mains,
            alternator=alternator,
            solar=solar,
            charging=None if waits or unsettled else charging,
        )
        detected_due = self._detect(
            _charging_seen(charging, measured.voltage, movement, settings, scale), now
        )
        fed = True in (mains, alternator, solar, charging)
        same_role = (each.id for each in devices if each.role is measured.source)
        self._follow(measured.source, frozenset(same_role))
        draining_due = self._drain(measured, movement, settings, scale, fed, now)
        status = status_of(measured.soc)
        silent, problem_due = _silent(devices, settings, now)
        flow = power_flow(sources, measured.power)
        self.state = BatteryState(
            voltage=measured.voltage,
            current=measured.current,
            power=measured.power,
            soc=measured.soc,
            time_to_go=measured.time_to_go,
            consumed_ah=measured.consumed_ah,
            temperature=measured.temperature,
            source=measured.source,
            power_source=source,
            status=status,
            charging_phase=charging_phase(sources, mains),
            voltage_change_15m=movement.change,
            voltage_mean_15m=movement.mean,
            solar_power=flow.solar,
            load_power=flow.load,
            mains_present=mains,
            alternator_charging=alternator,
            solar_charging=solar,
            charging_now=charging,
            charging_detected=self._detected.value,
            draining_fast=self._draining.value,
            battery_low=(
                None
                if status is Status.UNKNOWN
                else status in (Status.CRITICAL, Status.LOW)
            ),
            problem=bool(silent),
            silent=silent,
        )
        dues = (movement.due, plug_due, detected_due, draining_due, problem_due)
        return min((due for due in dues if due is not None), default=None)

    def scale(self, settings: Settings) -> float:
        """Return what a voltage for a 12 V battery counts times."""
        return scale_of(settings.nominal_voltage or self.nominal)

    def _settle(self, voltage: float | None) -> None:
        """Find the nominal voltage; what was found once stays."""
        if self.nominal is None and voltage is not None and voltage >= LEAST_V:
            self.nominal = nominal_of(voltage)

    def _detect(self, seen: bool | None, now: float) -> float | None:
        """Take whether charging is seen; return when what is detected may change."""
        self._detected, due = delayed(
            self._detected, seen, now, on_s=DETECT_ON_S, off_s=DETECT_OFF_S
        )
        return due

    def _follow(self, source: Role | None, ids: frozenset[str]) -> None:
        """Take whose state of charge it is, fresh or not.

        Another device, or a bank with other packs, may know it as another number.
        """
        if (source, ids) != self._sayers:
            self._sayers = source, ids
            self._highest.forget()

    def _drain(
        self,
        measured: Measured,
        movement: Movement,
        settings: Settings,
        scale: float,
        fed: bool,
        now: float,
    ) -> float | None:
        """Take whether the battery drains fast; return when that may change.

        `fed`: whether something charges it, or feeds the loads: that ends it at once.
        """
        soc, due = measured.soc, None
        drains: bool | None = None
        if soc is not None:
            highest, due = self._highest.take(soc, now)
            drains = highest - soc >= settings.drain_fast_min_drop - _NOISE
        elif movement.change is not None:
            drains = movement.change <= DRAINING_FAST_V * scale + _NOISE
        if fed and drains is not None:
            self._draining = Delayed(False, False, now)
            return due
        self._draining, delay_due = delayed(
            self._draining, drains, now, on_s=DETECT_ON_S, off_s=DETECT_OFF_S
        )
        return min(
            (each for each in (due, delay_due) if each is not None), default=None
        )


def _charging_seen(
    charging: bool | None,
    voltage: float | None,
    movement: Movement,
    settings: Settings,
    scale: float,
) -> bool | None:
    """Return whether charging is seen now: by the current, else by the voltage."""
    if charging is not None:
        return charging
    if voltage is None or movement.change is None:
        return None
    return (
        voltage >= settings.charge_detect_v * scale - _NOISE
        and movement.change >= settings.charge_detect_min_rise * scale - _NOISE
    )


def _silent(
    devices: Sequence[Source], settings: Settings, now: float
) -> tuple[tuple[str, ...], float | None]:
    """Return which monitors and BMSs are silent for too long, and when to look next."""
    watched = [device for device in devices if device.role in _NEVER_SILENT]
    ends = [device.heard_at + silence_limit(settings) for device in watched]
    silent = tuple(
        device.name for device in watched if is_silent(device, settings, now)
    )
    return silent, min((end for end in ends if now < end), default=None)


def silence_limit(settings: Settings) -> float:
    """Return how long a source may be silent, in s."""
    return settings.freshness_timeout_s + PROBLEM_S


def is_silent(source: Source, settings: Settings, now: float) -> bool:
    """Return whether a battery monitor or BMS is silent for too long."""
    end = source.heard_at + silence_limit(settings)
    return source.role in _NEVER_SILENT and now >= end
