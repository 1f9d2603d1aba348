"""A caravan's 12 V side through its days, without radio and without a clock.

Time is passed in as seconds, and so is the seed of what happens by chance: the same
calls always give the same volts and amperes. Currents count positive when they charge
the battery.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
import math
import random
from typing import Final, override

HOUR_S: Final = 3600.0

_STEP_S: Final = 5.0
"""The longest step: short against everything here that settles."""

_OPEN_CIRCUIT_V: Final = (
    (0.00, 11.50),
    (0.05, 12.60),
    (0.10, 12.85),
    (0.20, 13.00),
    (0.30, 13.10),
    (0.50, 13.18),
    (0.70, 13.27),
    (0.90, 13.35),
    (0.95, 13.38),
    (0.98, 13.45),
    (0.99, 13.60),
    (1.00, 14.30),
)
"""State of charge -> volts of four LiFePO4 cells at rest."""

_RESISTANCE_OHM: Final = 0.008
_SLOW_RESISTANCE_OHM: Final = 0.006
_SLOW_S: Final = 300.0
"""What of the voltage follows a current only after minutes."""

_MAINS_CHARGER_EFFICIENCY: Final = 0.88
_MAINS_CHARGER_IDLE_W: Final = 4.0
"""What it takes from mains for itself."""
_MAINS_V: Final = 230.0

_AVERAGE_S: Final = 180.0
"""Over how long a shunt averages the current for its time to go."""
_FLOOR: Final = 0.1
"""The state of charge at which a shunt calls the battery empty."""
MOST_TO_GO_MIN: Final = 14_400
"""A shunt counts no further than 240 h."""


def open_circuit_v(soc: float) -> float:
    """Return the battery's voltage at rest, V; `soc` is 0 to 1."""
    if soc >= 1:
        return _OPEN_CIRCUIT_V[-1][1]
    index = bisect_right(_OPEN_CIRCUIT_V, (max(soc, 0.0), math.inf))
    (low, low_v), (high, high_v) = _OPEN_CIRCUIT_V[index - 1 : index + 1]
    return low_v + (high_v - low_v) * (max(soc, 0.0) - low) / (high - low)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What the owner does, over and over. Hours since a midnight."""

    cycle_h: float = 48.0
    """After so long it begins anew."""
    start_h: float = 7.5
    """When the caravan is first looked at."""
    mains: Sequence[tuple[float, float]] = ((7.5, 9.5), (33.0, 47.5))
    """From when to when it is hooked up."""
    driving: Sequence[tuple[float, float]] = ((13.0, 15.5), (31.0, 32.5))
    """From when to when the engine runs."""

    def is_during(self, spans: Sequence[tuple[float, float]], hour: float) -> bool:
        """Return whether an hour is in one of the spans."""
        return any(begin <= hour % self.cycle_h < end for begin, end in spans)


class ChargeState(StrEnum):
    """The stages of a charger, spelled as the decoder's states."""

    OFF = "off"
    BULK = "bulk"
    ABSORPTION = "absorption"
    FLOAT = "float"
    STORAGE = "storage"


@dataclass(frozen=True, kw_only=True)
class ChargerSettings:
    """How a charger charges LiFePO4."""

    limit_a: float = 30.0
    """Most that it gives, A."""
    absorption_v: float = 14.2
    """What it charges up to, V."""
    float_v: float = 13.5
    """What it holds once the battery is full, V."""
    storage_v: float = 13.4
    """What it holds when nothing was taken for long, V."""
    absorption_s: float = 1800.0
    """How long it holds the highest voltage, s."""
    float_s: float = 8 * HOUR_S
    """How long it floats before it goes to storage, s."""
    delay_s: float = 5.0
    """From getting power to charging, s."""


class Charger:
    """A charger with the usual stages: constant current, then constant voltage."""

    def __init__(self, settings: ChargerSettings) -> None:
        """Make one that is off."""
        self.settings = settings
        self.state = ChargeState.OFF
        self.current_a = 0.0
        self._powered_s = -1.0
        self._state_s = 0.0
        self._starved_s = 0.0

    @property
    def powered(self) -> bool:
        """Whether there is something to charge from."""
        return self._powered_s >= 0

    @property
    def target_v(self) -> float:
        """The voltage that it does not go beyond, V."""
        if self.state is ChargeState.FLOAT:
            return self.settings.float_v
        if self.state is ChargeState.STORAGE:
            return self.settings.storage_v
        return self.settings.absorption_v

    def give(self, wanted_a: float) -> float:
        """Return of the current that would hold the target what it can give, A."""
        limit = 0.0 if self.state is ChargeState.OFF else self.settings.limit_a
        self.current_a = min(max(wanted_a, 0.0), limit)
        return self.current_a

    def advance(self, seconds: float, *, powered: bool, battery_v: float) -> None:
        """Let time pass, and go to the next stage when it is due."""
        if not powered:
            self._powered_s = -1.0
            self.current_a = 0.0
            self._enter(ChargeState.OFF)
            return
        self._powered_s = max(self._powered_s, 0.0) + seconds
        self._state_s += seconds
        match self.state:
            case ChargeState.OFF if self._powered_s >= self.settings.delay_s:
                self._enter(ChargeState.BULK)
            case ChargeState.BULK if battery_v >= self.settings.absorption_v - 0.01:
                self._enter(ChargeState.ABSORPTION)
            case ChargeState.ABSORPTION if self._state_s >= self.settings.absorption_s:
                self._enter(ChargeState.FLOAT)
            case ChargeState.FLOAT if self._state_s >= self.settings.float_s:
                self._enter(ChargeState.STORAGE)
        # More is taken than it can give: it begins again.
        starved = (
            self.state in {ChargeState.FLOAT, ChargeState.STORAGE}
            and battery_v < self.target_v - 0.2
        )
        self._starved_s = self._starved_s + seconds if starved else 0.0
        if self._starved_s >= 60:
            self._enter(ChargeState.BULK)

    def _enter(self, state: ChargeState) -> None:
        if state is not self.state:
            self.state = state
            self._state_s = self._starved_s = 0.0


class Loads:
    """What takes current: fridge, lights, pump, and what is never off."""

    def __init__(self, chance: random.Random) -> None:
        """Take what decides what happens by chance."""
        self._chance = chance
        self._inside_c = 6.0
        self._running_s = -1.0
        self._pump_s = 0.0

    @property
    def fridge_runs(self) -> bool:
        """Whether the compressor is on."""
        return self._running_s >= 0

    def advance(self, seconds: float, hour: float) -> float:
        """Let time pass and return what all of them take, A."""
        hour %= 24
        warmth = max(0.0, math.sin(math.pi * (hour - 6) / 14))
        if self.fridge_runs:
            self._inside_c -= seconds * (0.0125 - 0.004 * warmth)
            self._running_s += seconds
            if self._inside_c < 4:
                self._running_s = -1.0
        else:
            self._inside_c += seconds * (0.005 + 0.003 * warmth)
            if self._inside_c > 7:
                self._running_s = 0.0
        return self._fridge_a() + self._lights_a(hour) + self._pump_a(seconds, hour)

    def _fridge_a(self) -> float:
        if not self.fridge_runs:
            return 0.0
        # A compressor starts hard and gets easier as it goes.
        start = 2.5 if self._running_s < 3 else 0.0
        return 3.9 + start + 0.8 * math.exp(-self._running_s / 60)

    def _lights_a(self, hour: float) -> float:
        always = 0.35
        lamps = 1.6 if 19 <= hour < 23 or 6.5 <= hour < 7.75 else 0.0
        television = 2.4 if 20 <= hour < 22.5 else 0.0
        return always + lamps + television

    def _pump_a(self, seconds: float, hour: float) -> float:
        if self._pump_s > 0:
            self._pump_s -= seconds
            return 4.2
        each_hour = 6 if 7 <= hour < 9 or 18 <= hour < 22 else 1
        if self._chance.random() < each_hour * seconds / HOUR_S:
            self._pump_s = self._chance.uniform(8, 25)
        return 0.0


class DcSystem(ABC):
    """A battery with what charges and drains it: its owner's plan, a hand on its plug.

    Whoever makes one lets a step of no time pass at the end.
    """

    soc: float
    """State of charge, 0 to 1."""

    def __init__(self, plan: Plan) -> None:
        """Begin at the start of a plan."""
        self.plan = plan
        self.elapsed_s = 0.0
        self._by_hand: bool | None = None
        self._planned = self._hooked_up_by_plan

    @property
    def hour(self) -> float:
        """Hours since the midnight at which the plan begins."""
        return (self.plan.start_h + self.elapsed_s / HOUR_S) % self.plan.cycle_h

    @property
    def mains(self) -> bool:
        """Whether it is hooked up: by the plan, unless its plug was switched since."""
        return self._planned if self._by_hand is None else self._by_hand

    @property
    def driving(self) -> bool:
        """Whether the engine runs."""
        return self.plan.is_during(self.plan.driving, self.hour)

    def switch_mains(self, *, on: bool) -> None:
        """Switch its plug, at once; until the plan says something new."""
        self._by_hand = on
        self._step(0.0)

    def fill(self, soc: float) -> None:
        """Fill the battery or empty it, at once; `soc` is 0 to 1."""
        if not 0 <= soc <= 1:
            raise ValueError("a battery is between empty and full")
        self._fill(soc)
        self._step(0.0)

    def advance(self, seconds: float) -> None:
        """Let so many seconds pass."""
        if seconds < 0:
            raise ValueError("time does not run backwards")
        steps = max(1, math.ceil(seconds / _STEP_S))
        for _ in range(steps):
            self._step(seconds / steps)

    @property
    def _hooked_up_by_plan(self) -> bool:
        return self.plan.is_during(self.plan.mains, self.hour)

    def _step(self, seconds: float) -> None:
        self._charge(seconds)
        self.elapsed_s += seconds
        if (planned := self._hooked_up_by_plan) is not self._planned:
            self._planned = planned
            self._by_hand = None
        self._live(seconds)

    @abstractmethod
    def _fill(self, soc: float) -> None:
        """Set how full the battery is."""

    @abstractmethod
    def _charge(self, seconds: float) -> None:
        """Count the current that flowed until now."""

    @abstractmethod
    def _live(self, seconds: float) -> None:
        """Let all that charges and drains it live, and find what flows now."""


class Caravan(DcSystem):
    """Battery, loads, mains charger, charger from the alternator, starter battery."""

    def __init__(
        self,
        *,
        seed: int = 1,
        soc: float = 0.7,
        capacity_ah: float = 100.0,
        plan: Plan | None = None,
    ) -> None:
        """Make one at the start of its plan; `soc` is 0 to 1."""
        if not 0 <= soc <= 1:
            raise ValueError("a battery is between empty and full")
        self.capacity_ah = capacity_ah
        super().__init__(plan or Plan())
        self.soc = soc
        self.load_a = 0.0
        self.current_a = 0.0
        self.voltage_v = open_circuit_v(soc)
        self.starter_v = 12.7
        self.mains_charger = Charger(ChargerSettings())
        self.mains_charger_c = 24.0
        # It looks at the alternator's voltage for a while before it starts.
        self.alternator_charger = Charger(ChargerSettings(delay_s=60.0))
        self._loads = Loads(random.Random(seed))
        self._slow_v = 0.0
        self._average_a = 0.0
        self._step(0.0)
        self._average_a = self.current_a

    @property
    def mains_w(self) -> float:
        """What its plug passes on, W: all of it goes to the charger."""
        if not self.mains:
            return 0.0
        out_w = self.voltage_v * self.mains_charger.current_a
        return out_w / _MAINS_CHARGER_EFFICIENCY + _MAINS_CHARGER_IDLE_W

    @property
    def mains_a(self) -> float:
        """What its plug passes on, A."""
        return self.mains_w / _MAINS_V

    @property
    def fridge_runs(self) -> bool:
        """Whether the compressor of the fridge is on."""
        return self._loads.fridge_runs

    @property
    def consumed_ah(self) -> float:
        """What was taken from the full battery, Ah: 0 or negative."""
        return (self.soc - 1) * self.capacity_ah

    @property
    def time_to_go_min(self) -> int | None:
        """Minutes until the battery is empty; None: not as things are."""
        if self._average_a > -0.05:
            return None
        left_ah = max(0.0, (self.soc - _FLOOR) * self.capacity_ah)
        return min(MOST_TO_GO_MIN, round(left_ah / -self._average_a * 60))

    @override
    def _fill(self, soc: float) -> None:
        self.soc = soc

    @override
    def _live(self, seconds: float) -> None:
        driving = self.driving
        self.load_a = self._loads.advance(seconds, self.hour) if self.soc > 0 else 0.0
        self.mains_charger.advance(
            seconds, powered=self.mains, battery_v=self.voltage_v
        )
        self.alternator_charger.advance(
            seconds, powered=driving, battery_v=self.voltage_v
        )
        self._flow()
        # A starter battery keeps some of its charging voltage for an hour.
        wanted_v, within_s = (14.3, 20.0) if driving else (12.7, HOUR_S)
        self.starter_v += (wanted_v - self.starter_v) * min(1.0, seconds / within_s)
        warm_c = 24 + 0.6 * self.mains_charger.current_a
        self.mains_charger_c += (warm_c - self.mains_charger_c) * seconds / 600

    @override
    def _charge(self, seconds: float) -> None:
        moved = self.current_a * seconds / HOUR_S / self.capacity_ah
        self.soc = min(1.0, max(0.0, self.soc + moved))
        slow_v = self.current_a * _SLOW_RESISTANCE_OHM
        self._slow_v += (slow_v - self._slow_v) * seconds / _SLOW_S
        share = min(1.0, seconds / _AVERAGE_S)
        self._average_a += (self.current_a - self._average_a) * share

    def _flow(self) -> None:
        """Find the current at which battery, loads and chargers agree."""
        inner_v = open_circuit_v(self.soc) + self._slow_v
        given = 0.0
        for charger in (self.mains_charger, self.alternator_charger):
            holds_a = (charger.target_v - inner_v) / _RESISTANCE_OHM + self.load_a
            given += charger.give(holds_a - given)
        self.current_a = given - self.load_a
        self.voltage_v = inner_v + self.current_a * _RESISTANCE_OHM
