"""A house with a main fuse, cars and meters, second by second.

`python -m tests.charging.house_days --days 200 --hours 24` tries many and prints what
came of them.
"""

import argparse
from dataclasses import dataclass, field
from math import floor
from random import Random
import sys

from custom_components.bmw_wallbox_victron.charging.fuse import FuseGuard
from custom_components.bmw_wallbox_victron.charging.share import Load, share

#: What a fuse of so many A bears for ever: a clip, a rounding, A.
TOLERANCE_A = 0.5
#: The time in which all must be done once a meter tells, s.
ANSWER_S = 10.0


@dataclass(slots=True)
class Appliance:
    """Something in the house that is switched on and off."""

    phases: tuple[int, ...]
    amps: float
    on_s: float
    off_s: float
    on: bool = False
    until: float = 0.0

    def step(self, now: float, random: Random) -> None:
        """Switch it where it is time."""
        if now >= self.until:
            self.on = not self.on
            mean = self.on_s if self.on else self.off_s
            self.until = now + random.uniform(0.3, 1.7) * mean


def appliances(random: Random) -> list[Appliance]:
    """Return those of a house."""

    def one(amps: float, on_s: float, off_s: float) -> Appliance:
        return Appliance((random.randint(1, 3),), amps, on_s, off_s)

    return [
        one(10, 90, 120),  # an oven that holds its temperature
        one(9, 150, 3000),  # a kettle
        one(8, 40, 500),  # a washing machine that heats
        one(4, 900, 900),
        one(1, 600, 1200),
        Appliance((1, 2, 3), 7, 1200, 4000),  # a heat pump
        Appliance((1, 2, 3), 14, 60, 9000),  # an instantaneous water heater
    ]


@dataclass(slots=True)
class Car:
    """A car at a wallbox: it follows the limit in force."""

    phases: tuple[int, ...]
    most_a: float
    ramp_s: float
    gain: float
    reacts_s: float
    amps: float = 0.0
    starts_at: float = 0.0
    obeys: list[tuple[float, float]] = field(default_factory=list)
    full_at: float = float("inf")

    def step(self, limit_a: float, now: float) -> None:
        """Draw for a second."""
        # What it is told counts when it has reacted.
        self.obeys.append((now, limit_a))
        while len(self.obeys) > 1 and self.obeys[1][0] <= now - self.reacts_s:
            self.obeys.pop(0)
        told = self.obeys[0][1]
        aim = min(told, self.most_a) * self.gain if told >= 6 else 0.0
        if now >= self.full_at:
            aim = 0.0
        if aim == 0.0:
            self.starts_at = now + 3 + 2 * self.ramp_s
        if aim > self.amps:
            if now >= self.starts_at:
                self.amps = min(aim, self.amps + 16.0 / self.ramp_s)
        else:
            self.amps = max(aim, self.amps - 10.0)


@dataclass(slots=True)
class Wallbox:
    """A wallbox, and what the house's controller knows of it."""

    key: str
    poll_s: float
    max_a: float
    supplies: int
    car: Car | None = None
    limit_a: float = 0.0
    """In force."""
    sent_a: float = 0.0
    arrives: list[tuple[float, float]] = field(default_factory=list)
    began: float | None = None
    started: float | None = None
    """When the car last began to draw."""
    next_poll: float = 0.0
    next_car: float = 0.0

    def currents(self) -> dict[int, float]:
        """Return what its meter shows now."""
        return {
            phase: self.car.amps if self.car and phase in self.car.phases else 0.0
            for phase in range(1, self.supplies + 1)
        }

    def read_soon(self, at: float) -> None:
        """Have it read after what changed."""
        if self.began is not None:
            self.next_poll = min(self.next_poll, at)

    @property
    def limits_a(self) -> list[float]:
        """What limits may be in force."""
        return [self.limit_a, *(amps for _, amps in self.arrives)]


@dataclass(slots=True)
class Figures:
    """What came of a day."""

    seconds: int = 0
    over_s: int = 0
    """Over the fuse with a car drawing, s, allowed or not."""
    longest_s: float = 0.0
    """Longest time over the fuse beyond the meter's interval, s."""
    excess_s: int = 0
    """Over for longer than the meter's interval and 10 s after the house's own load had
    last risen, s."""
    starts: int = 0
    pauses: int = 0
    """Pauses by the fuse."""
    needless: int = 0
    """Of those, where there was room for 6 A for each all the time."""
    at_start: int = 0
    """Of those, in the first minute of a car's start."""
    drawn_as: float = 0.0
    """What the cars drew, A s."""
    ideal_as: float = 0.0
    """What they could have drawn with the truth known a moment ahead, A s."""

    unknown: int = 0
    """Of the needless ones, where the order of the phases was not known."""

    def add(self, other: Figures) -> None:
        """Count another day."""
        for name in self.__slots__:
            value = getattr(self, name)
            more = getattr(other, name)
            setattr(self, name, max(value, more) if name[0] == "l" else value + more)


class Day:
    """A house, its meters, its cars, and what keeps its fuse."""

    def __init__(
        self,
        seed: int,
        *,
        interval_s: float | None = None,
        fuse_a: float | None = None,
        outages: bool = True,
    ) -> None:
        random = self.random = Random(seed)
        self.calls = Random(seed)
        self.now = 1000.0
        self.fuse_a = fuse_a or random.choice([20.0, 25.0, 25.0, 35.0])
        self.interval_s = interval_s or random.choice([1.0, 5.0, 10.0, 30.0])
        orders = ["123", "231", "312", "132", "unknown"]
        self.true_order = random.choice(orders[:4])
        self.order = random.choice([self.true_order, "unknown"])
        self.lag_s = random.choice([0, 0, 1, 2])
        self.outages = outages
        self.timeout_s = 60.0 if self.interval_s < 30 else 120.0
        self.appliances = appliances(random)
        self.base = {1: 0.0, 2: 0.0, 3: 0.0}
        self.past: list[dict[int, float]] = []
        self.boxes = [
            Wallbox(
                key=f"box{number}",
                poll_s=random.choice([5.0, 10.0, 10.0, 30.0, 60.0]),
                max_a=random.choice([16.0, 32.0]),
                supplies=3,
                next_car=self.now + random.uniform(10, 600),
            )
            for number in range(random.choice([1, 1, 2]))
        ]
        self.guard = FuseGuard(
            fuse_a=self.fuse_a,
            phase_order=self.order,
            meter_timeout_s=self.timeout_s,
            house_phases=(1, 2, 3),
        )
        self.next_meter = self.now
        self.dead_until = 0.0
        self.alive_since = self.now
        self.due: float | None = None
        self.before = dict(self.base)
        self.over_since: dict[int, float | None] = dict.fromkeys(self.base)
        self.risen_at: dict[int, float | None] = dict.fromkeys(self.base)
        self.fits_since: dict[str, float] = {}
        self.figures = Figures()

    def on_house(self, box_phase: int) -> int:
        """Return on which phase of the house one of a wallbox really is."""
        return int(self.true_order[box_phase - 1])

    def drawn(self, phase: int) -> float:
        """Return what the cars draw on a phase of the house."""
        return sum(
            amps
            for box in self.boxes
            for box_phase, amps in box.currents().items()
            if self.on_house(box_phase) == phase
        )

    def run(self, hours: float) -> Figures:
        """Live for a while."""
        for _ in range(int(hours * 3600)):
            self.now += 1.0
            self._live()
            self._judge_ideal()
            heard = self._meters()
            if heard or (self.due is not None and self.now >= self.due):
                self._control()
            self._judge()
        return self.figures

    def _live(self) -> None:
        """Let the house and the cars draw."""
        random = self.random
        for appliance in self.appliances:
            appliance.step(self.now, random)
        for phase in self.base:
            self.base[phase] = random.uniform(0.4, 0.7) + sum(
                appliance.amps
                for appliance in self.appliances
                if appliance.on and phase in appliance.phases
            )
        for box in self.boxes:
            while box.arrives and box.arrives[0][0] <= self.now:
                box.limit_a = box.arrives.pop(0)[1]
                box.read_soon(self.now + self.calls.uniform(5, 9))
                self._note(box)
            if self.now >= box.next_car:
                self._plug(box)
            if box.car is not None:
                before = box.car.amps
                box.car.step(box.limit_a, self.now)
                if before == 0.0 < box.car.amps:
                    box.started = self.now
                    box.read_soon(self.now + self.calls.uniform(5, 9))
                    self.figures.starts += 1

    def _plug(self, box: Wallbox) -> None:
        """Plug a car in, or out."""
        random = self.random
        if box.car is None:
            phases = random.choice([(1, 2, 3), (1, 2, 3), (1,), (1, 2)])
            box.car = Car(
                phases=phases,
                most_a=random.choice([16.0, 16.0, 13.0, 32.0]),
                ramp_s=random.uniform(2, 10),
                gain=random.uniform(0.96, 1.01),
                reacts_s=random.choice([0.0, 1.0, 2.0]),
                starts_at=self.now + random.uniform(1, 40),
                full_at=self.now + random.uniform(600, 9000),
            )
            box.next_car = self.now + random.uniform(900, 9000)
        else:
            box.car = None
            box.started = None
            box.next_car = self.now + random.uniform(60, 1800)
        # The news of it takes a moment, and the session is known then.
        box.next_poll = self.now + random.uniform(0.5, 3)

    def _note(self, box: Wallbox) -> None:
        """Tell the guard what is in force."""
        self.guard.note_wallbox(
            box.key,
            limit_a=max(box.limits_a),
            lowest_a=min(box.limits_a),
            idle=box.began is None,
            now=self.now,
        )

    def _meters(self) -> bool:
        """Read what is due; return whether anything came."""
        random = self.random
        heard = False
        totals = {p: self.base[p] + self.drawn(p) for p in self.base}
        self.past.append(totals)
        del self.past[:-4]
        if self.now >= self.next_meter:
            self.next_meter += self.interval_s
            if self.outages and random.random() < self.interval_s / 7200:
                self.dead_until = self.now + random.uniform(20, 600)
            if self.now >= self.dead_until:
                if self.dead_until > self.alive_since:
                    self.alive_since = self.now
                then = self.past[max(-1 - self.lag_s, -len(self.past))]
                for phase, amps in then.items():
                    self.guard.note_house(phase, round(amps, 1), self.now)
                heard = True
        for box in self.boxes:
            if self.now < box.next_poll:
                continue
            if (box.began is None) is not (box.car is None):
                box.began = None if box.car is None else self.now
                self._note(box)
                heard = True
            box.next_poll = float("inf")
            if box.began is not None:
                box.next_poll = self.now + box.poll_s
                self.guard.note_currents(box.key, box.currents(), self.now)
                heard = True
        return heard

    def _control(self) -> None:
        """Do what an integration does with it."""
        rooms = self.guard.rooms(self.now)
        self.due = rooms.due
        known = sorted(
            self.boxes, key=lambda box: (box.began is None, box.began or 0.0, box.key)
        )
        loads: list[Load] = []
        phases: dict[str, tuple[int, ...]] = {}
        for box in known:
            wish = min(box.max_a, 6.0) if rooms.unknown else box.max_a
            loads.append(Load(key=box.key, wish_a=wish, idle=box.began is None))
            charged = box.started is not None and self.now - box.started > 60
            used = box.car.phases if charged and box.car else (1, 2, 3)
            phases[box.key] = used
        circuits = self.guard.circuits(rooms, phases)
        shares = share(loads, circuits, rooms.held)
        for box in known:
            amps = float(floor(shares[box.key].amps + 1e-6))
            if amps == box.sent_a:
                continue
            if amps < 6 <= box.sent_a and box.car is not None and box.began:
                self._count_pause(box)
            box.sent_a = amps
            last = box.arrives[-1][0] if box.arrives else 0.0
            arrives = max(self.now + self.calls.uniform(0.5, 5), last)
            box.arrives.append((arrives, amps))
            self._note(box)

    def _count_pause(self, box: Wallbox) -> None:
        """Count a pause by the fuse."""
        figures = self.figures
        figures.pauses += 1
        if self.now - self.fits_since.get(box.key, self.now) > 60 and not (
            self.guard.rooms(self.now).unknown
        ):
            figures.needless += 1
            figures.unknown += self.order == "unknown"
            if box.started is not None and self.now - box.started < 60:
                figures.at_start += 1

    def _judge(self) -> None:
        """Count what is over the fuse."""
        figures = self.figures
        figures.seconds += 1
        allowed = self.interval_s + self.lag_s + ANSWER_S
        for phase, base in self.base.items():
            drawn = self.drawn(phase)
            before, self.before[phase] = self.before[phase], base
            if base + drawn <= self.fuse_a + TOLERANCE_A or drawn <= 0.0:
                self.over_since[phase] = self.risen_at[phase] = None
                continue
            figures.over_s += 1
            # Nobody can know while the meter is dead.
            blind = self.now < self.dead_until + self.interval_s
            if blind or self.over_since[phase] is None:
                self.over_since[phase] = self.now
            if blind or self.risen_at[phase] is None or base > before + 0.5:
                self.risen_at[phase] = self.now
            over_since, risen_at = self.over_since[phase], self.risen_at[phase]
            lasted = self.now + 1.0 - (over_since or self.now)
            figures.longest_s = max(figures.longest_s, lasted - self.interval_s)
            if self.now + 1.0 - (risen_at or self.now) > allowed:
                figures.excess_s += 1

    def _judge_ideal(self) -> None:
        """Count what cars drew, and what they could have drawn."""
        least = min(self.fuse_a - amps for amps in self.base.values())
        share_a = least / len(self.boxes)
        for box in self.boxes:
            if share_a < 6:
                self.fits_since[box.key] = self.now
            self.fits_since.setdefault(box.key, self.now)
            if box.car is None or len(self.boxes) > 1 or self.now >= box.car.full_at:
                continue
            self.figures.drawn_as += box.car.amps
            ideal = min(floor(max(least, 0)), box.max_a, box.car.most_a)
            self.figures.ideal_as += ideal if ideal >= 6 else 0.0


def main() -> None:
    """Try many days, and print what came of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=20)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--hours", type=float, default=6.0)
    options = parser.parse_args()
    total = Figures()
    for seed in range(options.first, options.first + options.days):
        day = Day(seed)
        figures = day.run(options.hours)
        total.add(figures)
        sys.stdout.write(f"{seed} {day.interval_s} {day.order} {figures}\n")
        sys.stdout.flush()
    drawn = total.drawn_as / max(total.ideal_as, 1.0)
    sys.stdout.write(f"{total}\n{drawn:.3f} of what was possible was drawn\n")


if __name__ == "__main__":
    main()
