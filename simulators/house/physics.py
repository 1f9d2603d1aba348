"""A house through its days: what it makes, what it uses, what flows at its fuse.

Time is passed in, and so is the seed of what happens by chance: the same calls always
give the same watts. Power and current from the grid count positive.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
import math
import random
from typing import Final

from .appliances import HeatPump, Kitchen, Phases, Run, base_w
from .weather import Clouds, Place, Roof, Sky, Sun, Weather, weather_of

_STEP_S: Final = 5.0
"""The longest step: clouds and thermostats are slower."""
NOTHING: Final[Phases] = (0.0, 0.0, 0.0)


class House:
    """Roof, appliances, heat pump and the wallboxes behind one fuse of three phases."""

    def __init__(
        self,
        begin: datetime,
        *,
        seed: int = 1,
        roof: Roof | None = None,
        place: Place | None = None,
        kitchen: Kitchen | None = None,
        heat_pump: HeatPump | None = None,
        sky: Sky | None = None,
        wiring: Sequence[str] = ("123",),
        voltage_v: float = 230.0,
    ) -> None:
        """Begin at a moment with a time zone, in which the house's people live.

        `wiring` has the house's phases to which each wallbox's L1 to L3 are wired, or
        the one of a single-phase box. Without a `sky` each day has one by chance.
        """
        if begin.tzinfo is None:
            raise ValueError("the house's people live in a time zone")
        if any(
            len(set(each)) != len(each) or not each or set(each) - set("123")
            for each in wiring
        ):
            raise ValueError("a wallbox is wired to phases of the house: 231, or 2")
        self.begin = begin.astimezone(UTC)
        self.zone = begin.tzinfo
        self.seed = seed
        self.roof = roof or Roof()
        self.wiring = tuple(tuple(int(each) - 1 for each in one) for one in wiring)
        self.voltage_v = voltage_v
        """From each phase to neutral, V."""
        self.elapsed_s = 0.0
        self.pv_w = 0.0
        """What the roof gives, W."""
        self.load_w: Phases = NOTHING
        """What the house uses on each phase, without wallboxes and roof, W."""
        self.wallbox_a: Phases = NOTHING
        """What the wallboxes take on each phase of the house, A."""
        self._place = place or Place()
        self._kitchen = kitchen or Kitchen()
        self._sky = sky
        self.heat_pump = heat_pump or HeatPump()
        self._timestamp = self.begin.timestamp()
        self._enter_day()
        self._step(0.0)

    @property
    def now(self) -> datetime:
        """The time of day in the house."""
        return (self.begin + timedelta(seconds=self.elapsed_s)).astimezone(self.zone)

    @property
    def weather(self) -> Weather:
        """The weather of the day."""
        return self._weather

    @property
    def outside_c(self) -> float:
        """The temperature outside, °C."""
        return self._weather.outside_c(self.elapsed_s - self._day_begins_s)

    @property
    def runs(self) -> tuple[Run, ...]:
        """What is switched on during the day."""
        return self._runs

    @property
    def surplus_w(self) -> float:
        """What the roof gives beyond what the house without wallboxes uses, W."""
        return self.pv_w - sum(self.load_w)

    @property
    def grid_w(self) -> float:
        """What comes from the grid, W; negative: what goes there."""
        return sum(self.wallbox_a) * self.voltage_v - self.surplus_w

    @property
    def phase_a(self) -> Phases:
        """What flows through the fuse on each phase, A; negative: to the grid."""
        each_w = self.pv_w / 3
        one, two, three = (
            amperes + (watts - each_w) / self.voltage_v
            for amperes, watts in zip(self.wallbox_a, self.load_w, strict=True)
        )
        return one, two, three

    def draw(self, wallboxes: Sequence[Sequence[float]]) -> None:
        """Let each wallbox take so much on each of its own phases, A."""
        amperes = [0.0, 0.0, 0.0]
        for wiring, drawn in zip(self.wiring, wallboxes, strict=True):
            for phase, each in zip(wiring, drawn, strict=False):
                amperes[phase] += each
        self.wallbox_a = (amperes[0], amperes[1], amperes[2])

    def advance(self, seconds: float) -> None:
        """Let so many seconds pass."""
        if seconds < 0:
            raise ValueError("time does not run backwards")
        steps = max(1, math.ceil(seconds / _STEP_S))
        for _ in range(steps):
            self._step(seconds / steps)

    def _step(self, seconds: float) -> None:
        self.elapsed_s += seconds
        if self.elapsed_s >= self._day_ends_s:
            self._enter_day()
        second = self.elapsed_s - self._day_begins_s
        share = self._clouds.advance(seconds, second)
        timestamp = self._timestamp + self.elapsed_s
        self.pv_w = self._sun.clear_w(timestamp, self.roof) * share
        one, two, three = base_w(second)
        for run in self._runs:
            if run.heats(second):
                one += run.watts[0]
                two += run.watts[1]
                three += run.watts[2]
        outside_c = self._weather.outside_c(second)
        pump = self.heat_pump.advance(seconds, outside_c, second)
        self.load_w = (one + pump[0], two + pump[1], three + pump[2])

    def _enter_day(self) -> None:
        """Find what the day brings; it may have 23 or 25 hours."""
        day = self.now.date()
        self._day_begins_s = self._midnight_s(day)
        self._day_ends_s = self._midnight_s(day + timedelta(days=1))
        self._weather = weather_of(day, self.seed, self._sky)
        self._clouds = Clouds(self._weather)
        self._sun = Sun(day, self._place)
        self._runs = self._kitchen.day(random.Random(f"kitchen {self.seed} {day}"))

    def _midnight_s(self, day: date) -> float:
        """Return when a day begins, in seconds since the house was first seen."""
        midnight = datetime.combine(day, time(), self.zone).astimezone(UTC)
        return (midnight - self.begin).total_seconds()
