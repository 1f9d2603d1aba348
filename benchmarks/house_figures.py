"""What a day was like: seconds above the fuse, sun, cost, pauses; and the optimum."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
import math
from typing import Final

from simulators.house.garage import LEAST_A, CarModel, Garage
from simulators.house.meter import GridMeter
from simulators.house.physics import House

FUSE_GRACE_S: Final = 10.0
"""So much longer than the meter's interval the fuse may be passed."""
METER_TIMEOUT_S: Final = 60.0
"""After so long without a reading the safe current is owed."""
SAFE_A: Final = 6.0
"""The safe current, A."""
_WINDOW_S: Final = 10.0
"""Of the optimum: limits change once in it."""
_MEAN_S: Final = 60.0
_START_S: Final = 120.0
_END_S: Final = 300.0
_PAUSES: Final = 5
"""Of `solar`: the surplus is a mean of so long; so long it is enough before it starts,
and not enough before it ends; and so often at most."""
_NOISE_A: Final = 0.05
#: A fuse is passed by more than a meter may be off. (It bears 1.13 times as much for an
#: hour: IEC 60898.)
_PASSED: Final = 1.04


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What the owner set, for all wallboxes."""

    mode: str = "fast"
    """`fast`, `solar` or `solar_min`."""
    plan: bool = False
    """Whether the target is to be met by then."""
    target_kwh: float = 0.0
    """What a session is to have, kWh; 0: no target."""
    ready_by_s: float = 0.0
    """By when, s since the day began."""
    main_fuse_a: float | None = None
    """What the fuse bears, A; None: nobody watches it."""
    phase_order: str = "unknown"
    """What the owner told of the wiring."""
    feed_in: float = 0.08
    """What a kWh to the grid earns, EUR."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """A day, measured."""

    above_s: float
    """Above the fuse for longer than interval and grace, s, where the meter told; by a
    wallbox, not by the house alone."""
    blind_s: float
    """The same while it did not, with more than the safe current, s."""
    highest_a: float
    """The most on a phase, A."""
    energy_kwh: float
    """What the cars took, kWh."""
    sun_kwh: float
    """What of that came from the roof, kWh."""
    optimum_kwh: float
    """What could have: perfect knowledge, whole amperes, 6 A at least, kWh."""
    bound_kwh: float
    """What could have by the rules of the mode `solar`, kWh: see `_bound_wh`."""
    import_kwh: float
    """What came from the grid, kWh."""
    bound_import_kwh: float
    """What 6 A held through clouds cost by those rules, kWh."""
    cost: float
    """What it cost, EUR: grid at its price, sun at what it would have earned."""
    cheapest: float
    """What the target would have cost at the cheapest quarter hours, EUR; from grid."""
    target_met: bool | None
    """Whether the target was there in time; None: there was none."""
    pauses: int
    """Most interruptions of a session."""
    chosen: int = 0
    """What of them mode or plan chose, where whoever decides tells."""
    asleep: bool
    """Whether a car had enough of them."""
    changes: int
    """How often a limit was changed while a car was there."""
    plugged_h: float
    """How long cars were there, h."""
    shortest_s: float
    """The shortest time from a change to a rise of the same wallbox, s."""
    busiest: int
    """Most changes of a wallbox within 10 s."""


@dataclass(slots=True)
class _Run:
    """How long a phase has been above the fuse."""

    since_s: float | None = None
    """Since when, s."""
    told_s: float | None = None
    """When the meter first told so, s; None: not yet."""


@dataclass(slots=True, kw_only=True)
class Record:
    """Writes down what happens."""

    wallboxes: int
    """How many there are."""
    step_s: float
    """How often it writes, s."""
    fuse_a: float | None = None
    """What is looked at as fuse, A."""
    energy_wh: float = 0.0
    sun_wh: float = 0.0
    cost: float = 0.0
    above_s: float = 0.0
    blind_s: float = 0.0
    highest_a: float = 0.0
    plugged_s: float = 0.0
    pauses: int = 0
    asleep: bool = False
    met_at_s: float | None = None
    _sent: list[tuple[int, float, float]] = field(default_factory=list)
    _runs: tuple[_Run, ...] = field(default_factory=lambda: (_Run(), _Run(), _Run()))
    _surplus: list[tuple[float, float, tuple[CarModel | None, ...]]] = field(
        default_factory=list
    )
    _window: float = 0.0
    _window_steps: int = 0
    _prices: list[tuple[float, float, bool]] = field(default_factory=list)

    def sent(self, number: int, now_s: float, limit_a: float, *, plugged: bool) -> None:
        """Write down a limit that was sent to a wallbox."""
        if plugged:
            self._sent.append((number, now_s, limit_a))

    def add(
        self, house: House, garages: Sequence[Garage], meter: GridMeter, *, price: float
    ) -> None:
        """Write down a step."""
        step_s, now_s = self.step_s, house.elapsed_s
        car_w = sum(house.wallbox_a) * house.voltage_v
        surplus_w = house.surplus_w
        sun_w = min(car_w, max(surplus_w, 0.0))
        self.energy_wh += car_w * step_s / 3600
        self.sun_wh += sun_w * step_s / 3600
        self.cost += (car_w - sun_w) * step_s / 3.6e6 * price
        plugged = 0
        for garage in garages:
            if garage.car is not None:
                plugged += 1
                self.pauses = max(self.pauses, garage.pauses)
                self.asleep = self.asleep or garage.sleeps
        self.plugged_s += plugged * step_s
        self._window += surplus_w
        self._window_steps += 1
        if self._window_steps * step_s >= _WINDOW_S:
            cars = tuple(garage.car for garage in garages)
            self._surplus.append((now_s, self._window / self._window_steps, cars))
            self._window, self._window_steps = 0.0, 0
            self._prices.append((now_s, price, plugged > 0))
        self._watch_fuse(house, meter, now_s)

    def _watch_fuse(self, house: House, meter: GridMeter, now_s: float) -> None:
        if self.fuse_a is None:
            return
        told_s = meter.reading.reported_s if meter.reading is not None else -math.inf
        interval_s = meter.quirks.interval_s + meter.quirks.late_s
        for run, amperes, drawn_a in zip(
            self._runs, house.phase_a, house.wallbox_a, strict=True
        ):
            self.highest_a = max(self.highest_a, abs(amperes))
            # What the house takes without a wallbox, no wallbox can help.
            if amperes <= self.fuse_a * _PASSED or drawn_a <= _NOISE_A:
                run.since_s = run.told_s = None
                continue
            if run.since_s is None:
                run.since_s = now_s - self.step_s
            if run.told_s is None and told_s - meter.quirks.late_s >= run.since_s:
                run.told_s = told_s
            if now_s <= run.since_s + interval_s + FUSE_GRACE_S:
                continue
            if run.told_s is not None:
                # After an outage it told later than it should have.
                if now_s > run.told_s + FUSE_GRACE_S:
                    self.above_s += self.step_s
            elif (
                drawn_a > SAFE_A + _NOISE_A
                and now_s > max(told_s, run.since_s) + METER_TIMEOUT_S + FUSE_GRACE_S
            ):
                self.blind_s += self.step_s

    def met(self, now_s: float) -> None:
        """Write down that the target was reached."""
        if self.met_at_s is None:
            self.met_at_s = now_s

    def figures(self, wish: Wish, *, voltage_v: float = 230.0) -> Figures:
        """Return what it was like."""
        shortest_s = math.inf
        busiest = 0
        for number in range(self.wallboxes):
            times = [(at_s, a) for each, at_s, a in self._sent if each == number]
            for (before_s, before_a), (at_s, limit_a) in pairwise(times):
                if limit_a > before_a:
                    shortest_s = min(shortest_s, at_s - before_s)
            for index, (at_s, _) in enumerate(times):
                busiest = max(
                    busiest,
                    sum(at_s <= other < at_s + _WINDOW_S for other, _ in times[index:]),
                )
        bound_wh, bound_import_wh = self._bound_wh(voltage_v)
        return Figures(
            above_s=self.above_s,
            blind_s=self.blind_s,
            highest_a=self.highest_a,
            energy_kwh=self.energy_wh / 1000,
            sun_kwh=self.sun_wh / 1000,
            optimum_kwh=self._optimum_wh(voltage_v) / 1000,
            bound_kwh=bound_wh / 1000,
            bound_import_kwh=bound_import_wh / 1000,
            import_kwh=(self.energy_wh - self.sun_wh) / 1000,
            cost=self.cost + self.sun_wh / 1000 * wish.feed_in,
            cheapest=self._cheapest(wish, voltage_v),
            target_met=(
                None
                if not wish.target_kwh
                else self.met_at_s is not None and self.met_at_s <= wish.ready_by_s
            ),
            pauses=self.pauses,
            asleep=self.asleep,
            changes=len(self._sent),
            plugged_h=self.plugged_s / 3600,
            shortest_s=shortest_s,
            busiest=busiest,
        )

    def _optimum_wh(self, voltage_v: float) -> float:
        """Return the most of the sun that the first wallbox could have had, Wh."""
        sun_wh = 0.0
        for _, surplus_w, cars in self._surplus:
            car = cars[0]
            if car is None:
                continue
            amperes = math.floor(surplus_w / voltage_v / car.phases)
            if amperes >= LEAST_A:
                watts = min(amperes, car.most_a) * voltage_v * car.phases
                left_wh = car.needs_wh - sun_wh
                sun_wh += min(watts * _WINDOW_S / 3600, left_wh)
        return sun_wh

    def _bound_wh(self, voltage_v: float) -> tuple[float, float]:
        """Return the most that `solar` could give the first wallbox of the sun, Wh.

        And what of its energy came from the grid. When it is on follows from the
        surplus alone: after two minutes of room for 6 A by a minute's mean until there
        was none for five, and for good after as many pauses as a car bears. Whoever
        knows all that is to come chooses nothing but the amperes: the most of each
        window that take nothing from the grid, or the 6 A that are held.
        """
        minute: deque[float] = deque(maxlen=round(_MEAN_S / _WINDOW_S))
        on = room = begins = False
        since_s = sun_wh = import_wh = 0.0
        pauses, before = 0, None
        for at_s, surplus_w, cars in self._surplus:
            car = cars[0]
            if car is not before:
                on, room, since_s, pauses, before = False, False, at_s, 0, car
                minute.clear()
            if car is None:
                continue
            minute.append(surplus_w)
            each_w = voltage_v * car.phases
            enough = sum(minute) / len(minute) >= LEAST_A * each_w
            if enough is not room:
                room, since_s = enough, at_s
            begins = not on and room and at_s - since_s >= _START_S
            if begins:
                on = True
            elif on and not room and at_s - since_s >= _END_S and pauses < _PAUSES:
                on, pauses = False, pauses + 1
            if not on or begins:  # it takes a car as long as a window to begin
                continue
            amperes = min(max(math.floor(surplus_w / each_w), LEAST_A), car.most_a)
            watts = min(
                amperes * each_w,
                (car.needs_wh - sun_wh - import_wh) * 3600 / _WINDOW_S,
            )
            sun_w = min(watts, max(surplus_w, 0.0))
            sun_wh += sun_w * _WINDOW_S / 3600
            import_wh += (watts - sun_w) * _WINDOW_S / 3600
        return sun_wh, import_wh

    def _cheapest(self, wish: Wish, voltage_v: float) -> float:
        """Return what the target costs at the cheapest times until then, EUR."""
        car = next((cars[0] for _, _, cars in self._surplus if cars[0]), None)
        if not wish.target_kwh or car is None:
            return 0.0
        each_kwh = car.most_a * voltage_v * car.phases * _WINDOW_S / 3.6e6
        prices = sorted(
            price
            for at_s, price, plugged in self._prices
            if plugged and at_s <= wish.ready_by_s
        )
        left_kwh, cost = wish.target_kwh, 0.0
        for price in prices:
            taken_kwh = min(each_kwh, left_kwh)
            cost += taken_kwh * price
            left_kwh -= taken_kwh
            if left_kwh <= 0:
                break
        return cost
