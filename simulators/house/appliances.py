"""What a house uses: appliances that are switched on, and a heat pump."""

from dataclasses import dataclass
import math
import random
from typing import Final

type Phases = tuple[float, float, float]
"""A value for each phase of the house."""

_HOUR_S: Final = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """An appliance that is on for some time; a thermostat switches it meanwhile."""

    name: str
    """What it is."""
    begin_s: float
    """When it is switched on, s of the day."""
    end_s: float
    """When it is switched off, s of the day."""
    watts: Phases
    """What it takes on each phase while it heats, W."""
    heats_s: float = math.inf
    """How long it heats at first, s."""
    cycle_s: float = 60.0
    """After that, from one heating to the next, s."""
    duty: float = 0.5
    """How much of that it heats, 0 to 1."""

    def heats(self, second: float) -> bool:
        """Return whether it takes its power at a second of the day."""
        if not self.begin_s <= second < self.end_s:
            return False
        since_s = second - self.begin_s - self.heats_s
        return since_s < 0 or since_s % self.cycle_s < self.duty * self.cycle_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Kitchen:
    """How much is cooked and washed, and on which phases."""

    oven: Phases = (0.0, 2_400.0, 0.0)
    """What the oven takes, W."""
    hob: Phases = (1_800.0, 1_800.0, 0.0)
    """What the hob takes, which is wired to two phases, W."""
    kettle: Phases = (0.0, 0.0, 2_200.0)
    """What the kettle takes, W."""
    washing: Phases = (2_000.0, 0.0, 0.0)
    """What a washing machine takes while it heats, W."""
    kettles: int = 4
    """How often a day water is boiled, on the mean."""

    def day(self, chance: random.Random) -> tuple[Run, ...]:
        """Return what is switched on during a day."""
        runs: list[Run] = []

        def add(
            name: str, hour: float, minutes: float, watts: Phases, **kwargs: float
        ) -> None:
            begin_s = hour * _HOUR_S
            runs.append(
                Run(
                    name=name,
                    begin_s=begin_s,
                    end_s=begin_s + minutes * 60,
                    watts=watts,
                    **kwargs,
                )
            )

        for _ in range(chance.randint(self.kettles - 2, self.kettles + 2)):
            hour = chance.choice((chance.uniform(6.3, 10), chance.uniform(14, 21)))
            add("kettle", hour, chance.uniform(2, 4), self.kettle)
        for hour in (chance.uniform(11.7, 12.6), chance.uniform(17.6, 19.2)):
            if chance.random() < 0.75:
                minutes = chance.uniform(15, 40)
                add("hob", hour, minutes, self.hob, heats_s=240, cycle_s=40, duty=0.45)
            if chance.random() < 0.5:
                minutes = chance.uniform(30, 80)
                add("oven", hour + 0.1, minutes, self.oven, heats_s=540, cycle_s=90)
        if chance.random() < 0.6:
            add("washing", chance.uniform(8, 20), 18, self.washing)
        return tuple(runs)


def base_w(second: float) -> Phases:
    """Return what is never off, and light in the evening, at a second of the day, W."""
    hour = second / _HOUR_S
    awake = 6.5 <= hour < 23
    lamps_w = 160.0 if 18 <= hour < 23 or 6.5 <= hour < 8 else 0.0
    fridge_w = 70.0 if second % 2700 < 900 else 0.0
    return 90.0 + fridge_w, 60.0 + lamps_w, 120.0 + (60.0 if awake else 0.0)


class HeatPump:
    """Compressor, buffer, thermostat; an electric heater helps in hard frost."""

    def __init__(self, *, loss_w_k: float = 170.0, watts: float = 2_600.0) -> None:
        """Take what the house loses, W for each kelvin, and the compressor's power."""
        self._loss_w_k = loss_w_k
        self._watts = watts
        self._stored_wh = 1_500.0
        self._since_s = math.inf
        self.runs = False
        """Whether the compressor is on."""
        self._helps = False

    def advance(self, seconds: float, outside_c: float, second: float) -> Phases:
        """Let time pass, and return what it takes on each phase, W."""
        hours = seconds / _HOUR_S
        cop = max(1.8, 3.4 + 0.07 * outside_c)
        # Hot water, most of it in the morning and in the evening.
        hour = second / _HOUR_S
        drawn_w = 900.0 if 6 <= hour < 8 or 19 <= hour < 21 else 60.0
        needs_w = self._loss_w_k * max(0.0, 16.0 - outside_c) + drawn_w
        given_w = self._watts * cop if self.runs else 0.0
        given_w += 2_000.0 if self._helps else 0.0
        self._stored_wh += (given_w - needs_w) * hours
        self._since_s += seconds
        if self._since_s >= 600:
            if not self.runs and self._stored_wh < 0:
                self.runs, self._since_s = True, 0.0
            elif self.runs and self._stored_wh > 4_000:
                self.runs, self._since_s = False, 0.0
        self._helps = self.runs and outside_c < -8
        each_w = self._watts / 3 if self.runs else 12.0
        return each_w, each_w, each_w + (2_000.0 if self._helps else 0.0)
