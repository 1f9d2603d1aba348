"""A day of a simulated house with cars, for whoever decides on their limits."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
import math
from typing import Final, Protocol

from simulators.house.appliances import Kitchen
from simulators.house.garage import CarModel, Charging, Garage
from simulators.house.meter import WELL, GridMeter, MeterQuirks, MeterReading
from simulators.house.physics import House
from simulators.house.prices import Slot, Tariff
from simulators.house.weather import Sky

from .house_figures import Figures, Record, Wish

_BOX_INTERVAL_S: Final = 10.0
"""How often a wallbox tells its currents."""
_ASKED_S: Final = 5.0
"""So long after a limit is in force it is asked for them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """A car that comes to a wallbox, and leaves."""

    begin_s: float
    """When it is plugged in, s since the day began."""
    end_s: float
    """When it leaves, s since the day began."""
    car: CarModel
    """Which car."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """All that makes a day."""

    name: str
    """What it is called in a table."""
    seed: int
    """Of all chance."""
    begin: datetime
    """When it begins, with a time zone."""
    hours: float
    """How long it is."""
    visits: Sequence[Sequence[Visit]]
    """For each wallbox, who comes."""
    wish: Wish
    """What is set."""
    sky: Sky | None = None
    """The sky; None: by chance."""
    kitchen: Kitchen | None = None
    """What is cooked; None: as usual."""
    wiring: Sequence[str] = ("123",)
    """The house's phases of each wallbox."""
    meter: MeterQuirks = WELL
    """The habits of the grid meter."""
    restarts_s: Sequence[float] = ()
    """When whoever decides is started anew, s since the day began."""
    jumps: Sequence[tuple[float, float]] = ()
    """From when on the wall clock is off by how much, s."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BoxView:
    """What a wallbox told last."""

    state: Charging
    """Of charging."""
    limit_a: float
    """What it enforces, A; 0: a pause."""
    current_a: tuple[float, float, float]
    """On each of its phases, A."""
    session_wh: float
    """Energy of the session, Wh."""
    session_since_s: float | None
    """When its session began, s since the day began; None: no car."""
    told_s: float
    """When it told that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Readings:
    """What whoever decides can know."""

    wall: datetime
    """What the clock on the wall says."""
    grid: MeterReading | None
    """What the grid meter told last; None: it is known to be away."""
    boxes: tuple[BoxView, ...]
    """What each wallbox told last."""
    prices: tuple[Slot, ...]
    """The prices that are known."""


class Decider(Protocol):
    """Whoever decides on the limits."""

    def step(self, readings: Readings, now: float) -> Sequence[float]:
        """Return the limit of each wallbox, A; 0: a pause. `now` is steady, s."""
        ...

    def restart(self) -> None:
        """Forget what is not stored."""
        ...


class Day:
    """A day as it is lived: who decides looks at `readings`, and calls `obey`."""

    def __init__(self, scenario: Scenario, *, step_s: float = 1.0) -> None:
        """Begin."""
        self.scenario = scenario
        self.house = House(
            scenario.begin,
            seed=scenario.seed,
            sky=scenario.sky,
            kitchen=scenario.kitchen,
            wiring=scenario.wiring,
        )
        self.meter = GridMeter(self.house, scenario.meter)
        self.tariff = Tariff(self.house.zone, seed=scenario.seed)
        count = len(scenario.wiring)
        self.garages = tuple(
            Garage(seed=scenario.seed * 10 + number) for number in range(count)
        )
        self.record = Record(
            wallboxes=count, step_s=step_s, fuse_a=scenario.wish.main_fuse_a
        )
        self._step_s = step_s
        self._limits: list[float] = [garage.limit_a for garage in self.garages]
        self._since: list[float | None] = [None] * count
        self._views = [self._look(number) for number in range(count)]
        self._asked_s = [math.inf] * count
        self._price = 0.0
        self._prices: tuple[Slot, ...] = ()
        self._prices_due_s = 0.0
        self.news = True
        """Whether something was told in the last step."""
        self._look_at_prices()

    @property
    def now_s(self) -> float:
        """Steady time: s since the day began."""
        return self.house.elapsed_s

    @property
    def over(self) -> bool:
        """Whether it is over."""
        return self.now_s >= self.scenario.hours * 3600

    @property
    def readings(self) -> Readings:
        """What can be known now."""
        off_s = 0.0
        for since_s, by_s in self.scenario.jumps:
            if self.now_s >= since_s:
                off_s = by_s
        return Readings(
            wall=self.house.now + timedelta(seconds=off_s),
            grid=self.meter.reading,
            boxes=tuple(self._views),
            prices=self._prices,
        )

    def obey(self, limits: Sequence[float]) -> None:
        """Send what changed to the wallboxes."""
        for number, limit_a in enumerate(limits):
            if limit_a != self._limits[number]:
                self._limits[number] = limit_a
                self.garages[number].send(limit_a)
                self.record.sent(
                    number,
                    self.now_s,
                    limit_a,
                    plugged=self.garages[number].car is not None,
                )

    def advance(self) -> None:
        """Let a step pass."""
        step_s, house = self._step_s, self.house
        for number, garage in enumerate(self.garages):
            self._visit(number, garage)
            garage.advance(step_s, house.voltage_v)
        house.draw([garage.phases_a for garage in self.garages])
        house.advance(step_s)
        self.news = self.meter.look()
        if self.now_s >= self._prices_due_s:
            self._look_at_prices()
        for number, garage in enumerate(self.garages):
            view = self._views[number]
            asked_s = self._asked_s[number]
            if garage.limit_a != view.limit_a:
                self._asked_s[number] = self.now_s + _ASKED_S
            elif self.now_s >= asked_s:
                self._asked_s[number] = math.inf
            if (
                garage.state is not view.state
                or garage.limit_a != view.limit_a
                or self.now_s >= min(view.told_s + _BOX_INTERVAL_S, asked_s)
            ):
                self._views[number] = self._look(number)
                self.news = True
        self.record.add(house, self.garages, self.meter, price=self._price)
        target_wh = self.scenario.wish.target_kwh * 1000
        if target_wh and self.garages[0].taken_wh >= target_wh:
            self.record.met(self.now_s)

    def figures(self) -> Figures:
        """Return what the day was like, measured."""
        return self.record.figures(self.scenario.wish)

    def _visit(self, number: int, garage: Garage) -> None:
        for visit in self.scenario.visits[number]:
            here = visit.begin_s <= self.now_s < visit.end_s
            if here and garage.car is None:
                garage.plug_in(visit.car)
                self._since[number] = self.now_s
            elif not here and garage.car is visit.car:
                garage.unplug()
                self._since[number] = None

    def _look(self, number: int) -> BoxView:
        garage = self.garages[number]
        return BoxView(
            state=garage.state,
            limit_a=garage.limit_a,
            current_a=garage.phases_a,
            session_wh=garage.taken_wh if garage.car is not None else 0.0,
            session_since_s=self._since[number],
            told_s=self.house.elapsed_s,
        )

    def _look_at_prices(self) -> None:
        self._prices_due_s = self.now_s + 300
        self._price = self.tariff.at(self.house.now)
        self._prices = self.tariff.known(self.house.now)
