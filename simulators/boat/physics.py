"""A boat's 12 V side: two packs in parallel, inverter/charger, sun, and what is used.

As in `simulators.caravan.physics`, time and chance are passed in, and currents count
positive when they charge the battery.
"""

from collections.abc import Sequence
from dataclasses import dataclass
import math
import random
from typing import Final, override

from simulators.caravan.physics import (
    HOUR_S,
    Charger,
    ChargerSettings,
    DcSystem,
    Loads,
    Plan,
    open_circuit_v,
)

PLAN: Final = Plan(
    cycle_h=168.0, start_h=10.0, mains=((41.0, 57.0), (113.0, 128.0)), driving=()
)
"""A week with two nights in a harbour and five at anchor; first seen in the morning
after one of these, when the sun charges what the night has taken."""

_SLOW_OHM: Final = 0.006
_SLOW_S: Final = 300.0
"""What of a pack's voltage follows its current only after minutes."""

_SUN_W: Final = 390.0
"""What the panels give at noon under a clear sky, W."""
_CLOUDS_S: Final = 1500.0
"""How long a cloud stays, about, s."""
_SOLAR_EFFICIENCY: Final = 0.97
_DAWN_W: Final = 6.0
"""From so much on the solar charger is awake, W."""

_CHARGER_EFFICIENCY: Final = 0.9
_INVERTER_EFFICIENCY: Final = 0.92
_IDLE_W: Final = 9.0
"""What the MultiPlus takes for itself, W."""

_KETTLE_W: Final = 900.0
_KETTLE_S: Final = 240.0
_OFFICE_W: Final = 55.0
_ALWAYS_W: Final = 8.0
"""What hangs on the 230 V side, W."""
_AT_ANCHOR_A: Final = 2.6
"""Anchor light, instruments and heating, A."""


class Pack:
    """A LiFePO4 battery with a BMS of its own."""

    def __init__(
        self, *, capacity_ah: float, resistance_ohm: float, soc: float, drawn_ah: float
    ) -> None:
        """Take what it is, how full (0 to 1), and what was ever drawn from it, Ah."""
        self.capacity_ah = capacity_ah
        self.resistance_ohm = resistance_ohm
        self.soc = soc
        self.drawn_ah = drawn_ah
        self.current_a = 0.0
        self._slow_v = 0.0

    @property
    def inner_v(self) -> float:
        """Its voltage but for what its current does at once, V."""
        return open_circuit_v(self.soc) + self._slow_v

    def advance(self, seconds: float) -> None:
        """Count the current that flowed until now."""
        moved_ah = self.current_a * seconds / HOUR_S
        self.soc = min(1.0, max(0.0, self.soc + moved_ah / self.capacity_ah))
        self.drawn_ah += max(0.0, -moved_ah)
        slow_v = self.current_a * _SLOW_OHM
        self._slow_v += (slow_v - self._slow_v) * min(1.0, seconds / _SLOW_S)


@dataclass(slots=True, kw_only=True)
class Energies:
    """What has flowed, Wh."""

    charged: float = 0.0
    """Into the packs."""
    discharged: float = 0.0
    """Out of them."""
    solar: float = 0.0
    """From the panels."""
    mains: float = 0.0
    """From the shore."""
    used: float = 0.0
    """What came in less what the packs took: losses are used as well."""


class Boat(DcSystem):
    """Packs, MultiPlus, solar charger, and what hangs on 12 and on 230 V."""

    def __init__(
        self,
        *,
        capacities_ah: Sequence[float] = (100.0, 100.0),
        seed: int = 1,
        soc: float = 0.48,
        plan: Plan = PLAN,
    ) -> None:
        """Make one at the start of its plan; `soc` is 0 to 1."""
        if not 0 <= soc <= 1:
            raise ValueError("a battery is between empty and full")
        super().__init__(plan)
        # No two packs are alike: the current divides by their resistance.
        self.packs = tuple(
            Pack(
                capacity_ah=capacity_ah,
                resistance_ohm=0.010 + 0.003 * number,
                soc=soc,
                drawn_ah=capacity_ah * (41 - 2 * number),
            )
            for number, capacity_ah in enumerate(capacities_ah)
        )
        self.energies = Energies()
        self.charger = Charger(ChargerSettings(limit_a=70.0))
        """The MultiPlus as a charger."""
        self.solar_charger = Charger(ChargerSettings(delay_s=30.0))
        self.sun_w = 0.0
        """What the panels could give, W."""
        self.yield_today_wh = 0.0
        """What they have given since the morning, Wh."""
        self.ac_load_w = 0.0
        """What is used at 230 V, W."""
        self.dc_load_w = 0.0
        """And at 12 V, W."""
        self._chance = random.Random(seed)
        self._loads = Loads(random.Random(seed))
        self._clear = 1.0
        self._kettle_s = 0.0
        self._inverter_a = 0.0
        self._inner_v = self.voltage_v = open_circuit_v(soc)
        self._ohm = 1.0
        self.soc = soc
        self._step(0.0)

    @property
    def current_a(self) -> float:
        """What charges the packs together, A."""
        return sum(pack.current_a for pack in self.packs)

    @property
    def inverts(self) -> bool:
        """Whether the MultiPlus feeds the 230 V side from the packs."""
        return not self.mains and self.soc > 0

    @property
    def multiplus_a(self) -> float:
        """What the MultiPlus gives to the 12 V side, or takes from it, A."""
        return self.charger.current_a - self._inverter_a

    @property
    def mains_w(self) -> float:
        """What comes from the shore, W."""
        if not self.mains:
            return 0.0
        charging_w = self.charger.current_a * self.voltage_v / _CHARGER_EFFICIENCY
        return self.ac_load_w + charging_w + _IDLE_W

    @property
    def pv_w(self) -> float:
        """What the panels give, W."""
        given_w = self.solar_charger.current_a * self.voltage_v / _SOLAR_EFFICIENCY
        return min(given_w, self.sun_w)

    @property
    def used_w(self) -> float:
        """What comes in less what the packs take, W."""
        return self.pv_w + self.mains_w - self.current_a * self.voltage_v

    @override
    def _fill(self, soc: float) -> None:
        for pack in self.packs:
            pack.soc = soc

    @override
    def _charge(self, seconds: float) -> None:
        hours = seconds / HOUR_S
        watts = self.current_a * self.voltage_v
        self.energies.charged += max(watts, 0.0) * hours
        self.energies.discharged += max(-watts, 0.0) * hours
        self.energies.solar += self.pv_w * hours
        self.energies.mains += self.mains_w * hours
        self.energies.used += self.used_w * hours
        self.yield_today_wh += self.pv_w * hours
        for pack in self.packs:
            pack.advance(seconds)

    @override
    def _live(self, seconds: float) -> None:
        whole_ah = sum(pack.capacity_ah for pack in self.packs)
        left_ah = sum(pack.soc * pack.capacity_ah for pack in self.packs)
        self.soc = left_ah / whole_ah
        self._shine(seconds)
        self._use(seconds)
        self.charger.advance(seconds, powered=self.mains, battery_v=self.voltage_v)
        self.solar_charger.advance(
            seconds, powered=self.sun_w > _DAWN_W, battery_v=self.voltage_v
        )
        self._flow()

    def _shine(self, seconds: float) -> None:
        """Let the sun move on, and clouds come and go."""
        hour = self.hour % 24
        if self._chance.random() < seconds / _CLOUDS_S:
            self._clear = self._chance.choice((1.0, 1.0, 0.95, 0.8, 0.5, 0.3))
        height = math.sin(math.pi * (hour - 5.5) / 15)
        self.sun_w = _SUN_W * max(0.0, height) ** 1.4 * self._clear
        if hour < 5.5:
            self.yield_today_wh = 0.0

    def _use(self, seconds: float) -> None:
        """Let what is used come and go."""
        hour = self.hour % 24
        self._kettle_s = max(0.0, self._kettle_s - seconds)
        each_hour = 0.6 if 7 <= hour < 10 or 15 <= hour < 19 else 0.0
        if self._chance.random() < each_hour * seconds / HOUR_S:
            self._kettle_s = _KETTLE_S
        amperes = self._loads.advance(seconds, self.hour)
        if not self.mains:
            amperes += _AT_ANCHOR_A
        self.dc_load_w = amperes * self.voltage_v if self.soc > 0 else 0.0
        self.ac_load_w = 0.0
        if self.mains or self.inverts:
            office_w = _OFFICE_W if 10 <= hour < 16 else 0.0
            kettle_w = _KETTLE_W if self._kettle_s > 0 else 0.0
            self.ac_load_w = _ALWAYS_W + office_w + kettle_w

    def _flow(self) -> None:
        """Find the current at which packs, loads and chargers agree."""
        conductance = sum(1 / pack.resistance_ohm for pack in self.packs)
        inner_v = (
            sum(pack.inner_v / pack.resistance_ohm for pack in self.packs) / conductance
        )
        inverted_w = 0.0
        if self.inverts:
            inverted_w = self.ac_load_w / _INVERTER_EFFICIENCY + _IDLE_W
        self._inverter_a = inverted_w / self.voltage_v
        used_a = self._inverter_a + self.dc_load_w / self.voltage_v
        sun_a = self.sun_w * _SOLAR_EFFICIENCY / self.voltage_v
        holds_a = (self.solar_charger.target_v - inner_v) * conductance + used_a
        given_a = self.solar_charger.give(min(holds_a, sun_a))
        holds_a = (self.charger.target_v - inner_v) * conductance + used_a
        given_a += self.charger.give(holds_a - given_a)
        self.voltage_v = inner_v + (given_a - used_a) / conductance
        for pack in self.packs:
            pack.current_a = (self.voltage_v - pack.inner_v) / pack.resistance_ohm
