"""What happens between the mains and the car, without sockets and without a clock.

Time is passed in as seconds. The same calls always give the same volts, amperes
and watt-hours, so that a test can compute what it expects.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
import math
import random
from typing import Final

NOMINAL_VOLTAGE_V: Final = 230.0
"""Phase to neutral, IEC 60038."""

MIN_CURRENT_A: Final = 6.0
"""The least a wallbox can offer a car, IEC 61851-1; below it the car stops."""

_RIPPLE_V: Final = 1.5
_RIPPLE_PERIOD_S: Final = 97.0
_SAG_V_PER_A: Final = 0.04


class ChargingState(StrEnum):
    """The charging states of OCPP 2.0.1, spelled as on the wire."""

    IDLE = "Idle"
    EV_CONNECTED = "EVConnected"
    CHARGING = "Charging"
    SUSPENDED_EVSE = "SuspendedEVSE"
    SUSPENDED_EV = "SuspendedEV"


@dataclass(frozen=True, kw_only=True)
class Car:
    """A car at the other end of the cable."""

    phases: int = 1
    """Phases its on-board charger uses: 1 or 3."""

    max_current_a: float = 32.0
    """Most that it draws on each phase, A."""

    wants_energy_wh: float | None = None
    """Energy until it is full, Wh; None never gets full."""

    pauses: bool = False
    """Whether it draws nothing for now, for reasons of its own."""

    def __post_init__(self) -> None:
        """Refuse a car that cannot be."""
        if self.phases not in (1, 3):
            raise ValueError("a car charges on 1 or 3 phases")


@dataclass(frozen=True, kw_only=True)
class Readings:
    """What the meter shows at one moment."""

    voltage_v: tuple[float, ...]
    """Volts from each phase to neutral."""

    current_a: tuple[float, ...]
    """Amperes on each phase."""

    power_w: float
    """Active power of all phases, W."""

    register_wh: float
    """Energy register, Wh."""


class Charger:
    """The power side of the wallbox: cable, contactor, meter."""

    def __init__(
        self,
        *,
        phases: int = 1,
        hardware_limit_a: float = 32.0,
        register_wh: float = 1_234_567.0,
        register_per_session: bool = False,
        seed: int = 1,
    ) -> None:
        """Build a wallbox with nothing plugged in.

        hardware_limit_a is in A for each phase, register_wh in Wh. With
        register_per_session the register starts at zero with each session.
        """
        if phases not in (1, 3):
            raise ValueError("a wallbox has 1 or 3 phases")
        self.phases = phases
        self.hardware_limit_a = hardware_limit_a
        self.limit_a = hardware_limit_a
        self.register_per_session = register_per_session
        self.car: Car | None = None
        self.allowed = False
        self.faulted = False
        self.session_wh = 0.0
        self.total_wh = 0.0
        """All that ever flowed, which no register that restarts tells."""
        self.car_taken_wh = 0.0
        self.power_on_s = 0.0
        self.elapsed_s = 0.0
        self._register_wh = register_wh
        noise = random.Random(seed)
        self._ripple = tuple(
            (noise.uniform(0, math.tau), noise.uniform(-1.0, 1.0))
            for _ in range(phases)
        )

    @property
    def plugged(self) -> bool:
        """Whether a car is connected."""
        return self.car is not None

    @property
    def offered_a(self) -> float:
        """Current offered to the car on each phase, A; 0 is none at all."""
        if not self.allowed or self.faulted:
            return 0.0
        offered = min(self.limit_a, self.hardware_limit_a)
        return offered if offered >= MIN_CURRENT_A else 0.0

    @property
    def car_full(self) -> bool:
        """Whether the car took all the energy that it wanted."""
        return (
            self.car is not None
            and self.car.wants_energy_wh is not None
            and self.car_taken_wh >= self.car.wants_energy_wh
        )

    @property
    def state(self) -> ChargingState:
        """Charging state that follows from cable, permission, limit and car."""
        if self.car is None:
            return ChargingState.IDLE
        if not self.allowed:
            return ChargingState.EV_CONNECTED
        if not self.offered_a:
            return ChargingState.SUSPENDED_EVSE
        if self.car.pauses or self.car_full:
            return ChargingState.SUSPENDED_EV
        return ChargingState.CHARGING

    @property
    def contactor_closed(self) -> bool:
        """Whether power can flow to the car."""
        return self.state is ChargingState.CHARGING

    @property
    def active_phases(self) -> int:
        """Phases on which current flows."""
        if self.car is None or not self.contactor_closed:
            return 0
        return min(self.phases, self.car.phases)

    @property
    def register_wh(self) -> float:
        """Energy register, Wh."""
        return self._register_wh

    @property
    def readings(self) -> Readings:
        """What the meter shows now."""
        flowing = (
            min(self.offered_a, self.car.max_current_a)
            if self.car is not None and self.contactor_closed
            else 0.0
        )
        current = tuple(
            flowing if phase < self.active_phases else 0.0
            for phase in range(self.phases)
        )
        turn = math.tau * self.elapsed_s / _RIPPLE_PERIOD_S
        voltage = tuple(
            round(
                NOMINAL_VOLTAGE_V
                + offset
                + _RIPPLE_V * math.sin(turn + phase)
                - _SAG_V_PER_A * amperes,
                1,
            )
            for (phase, offset), amperes in zip(self._ripple, current, strict=True)
        )
        power = sum(v * a for v, a in zip(voltage, current, strict=True))
        return Readings(
            voltage_v=voltage,
            current_a=current,
            power_w=round(power, 1),
            register_wh=self._register_wh,
        )

    def plug_in(self, car: Car) -> None:
        """Connect a car; energy that it wants counts from here."""
        self.car = car
        self.car_taken_wh = 0.0

    def unplug(self) -> None:
        """Take the cable out."""
        self.car = None
        self.allowed = False
        self.power_on_s = 0.0

    def change_car(self, *, pauses: bool) -> None:
        """Let the car pause or go on."""
        if self.car is not None:
            self.car = replace(self.car, pauses=pauses)

    def start_session(self) -> None:
        """Begin to count the energy of a session."""
        self.session_wh = 0.0
        self.power_on_s = 0.0
        if self.register_per_session:
            self._register_wh = 0.0

    def restart_register(self, register_wh: float = 0.0) -> None:
        """Set the register back, to zero or Wh, as some boxes do when they boot."""
        self._register_wh = register_wh

    def advance(self, seconds: float) -> None:
        """Let so many seconds pass and count the energy that flowed, in Wh."""
        if seconds < 0:
            raise ValueError("time does not run backwards")
        energy = self.readings.power_w * seconds / 3600.0
        if self.car is not None and self.car.wants_energy_wh is not None:
            energy = min(energy, max(0.0, self.car.wants_energy_wh - self.car_taken_wh))
        if self.contactor_closed:
            self.power_on_s += seconds
        else:
            self.power_on_s = 0.0
        self._register_wh += energy
        self.total_wh += energy
        self.session_wh += energy
        self.car_taken_wh += energy
        self.elapsed_s += seconds
