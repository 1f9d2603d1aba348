"""Days of sun and clouds, second by second, and what a car takes of them.

`python -m tests.charging.sun_days --days 50` tries many and prints what came of them.
"""

import argparse
from dataclasses import dataclass
from math import floor, pi, sin
from random import Random
import sys

from custom_components.bmw_wallbox_victron.charging.settings import ChargingMode
from custom_components.bmw_wallbox_victron.charging.sun import Sun, SunLoad

MAX_A = 16
VOLTS = 230.0


@dataclass(slots=True)
class Figures:
    """What came of a day, in kWh."""

    produced: float = 0.0
    own: float = 0.0
    """Of that, what house and car took at the moment."""
    best: float = 0.0
    """What they would have taken at the most: the whole day known, no delays, whole
    amperes, 6 A at least, nothing from the grid for the car."""
    charged: float = 0.0
    bought: float = 0.0
    """Of that, from the grid."""
    pauses: int = 0
    changes: int = 0
    least_gap_s: float = 1e9
    """Least time between two changes of the limit, s."""

    @property
    def ratio(self) -> float:
        """Self-consumption as a part of the best."""
        return self.own / self.best


class Clouds:
    """The part of a clear sky's sun that comes through."""

    def __init__(self, random: Random, cover: float) -> None:
        self._random = random
        self._cover = cover
        self._aim = self._now = 1.0
        self._until = 0.0

    def step(self, now: float) -> float:
        """Return it a second later."""
        if now >= self._until:
            cloud = self._random.random() < self._cover
            self._aim = self._random.uniform(0.15, 0.5) if cloud else 1.0
            self._until = now + self._random.uniform(20, 900)
        # The edge of a cloud takes about half a minute.
        self._now += (self._aim - self._now) / 15
        return self._now


def run(
    seed: int,
    *,
    interval_s: float | None = None,
    poll_s: float | None = None,
    cover: float | None = None,
) -> Figures:
    """Live through a day from dawn to dusk."""
    random = Random(seed)
    figures = Figures()
    phases = random.choice([1, 3])
    watts_per_amp = phases * VOLTS
    peak = random.uniform(7000, 14000) if phases == 3 else random.uniform(3000, 8000)
    interval_s = interval_s or random.choice([1.0, 5.0, 10.0, 60.0])
    poll_s = poll_s or random.choice([5.0, 10.0, 10.0, 30.0])
    clouds = Clouds(random, random.uniform(0.1, 0.6) if cover is None else cover)
    sun = Sun(meter_timeout_s=90.0)
    load = SunLoad(
        key="box",
        mode=ChargingMode.SOLAR,
        watts_per_amp=watts_per_amp,
        wish_a=float(MAX_A),
    )
    limit, in_force, arrives, amps = 0, 0, 0.0, 0.0
    changed: float | None = None
    starts_at, extra_until = 0.0, 0.0
    due: float | None = None
    day_s = 12 * 3600
    for second in range(1, day_s):
        now = 5000.0 + second
        produced = peak * max(sin(pi * second / day_s), 0.0) * clouds.step(now)
        if random.random() < 1 / 1800:
            extra_until = now + random.uniform(60, 600)
        base = 300 + random.uniform(-30, 30) + (1800 if now < extra_until else 0)
        if now >= arrives:
            in_force = limit
        # A car takes a while to begin, and a few seconds to follow.
        if in_force < 6:
            starts_at = now + 8
        aim = float(in_force) if in_force >= 6 and now >= starts_at else 0.0
        amps += max(min(aim - amps, 3.0), -8.0)
        car = amps * watts_per_amp
        heard = due is not None and now >= due
        if second % interval_s == 0:
            sun.note_grid(base + car - produced, now)
            heard = True
        if (second + 3) % poll_s == 0:
            sun.note_power("box", car, now)
            heard = True
        if heard:
            limits = sun.take([load], now)
            due = limits.due
            amps_now = limits.limits["box"].amps
            if amps_now != limit:
                figures.changes += 1
                figures.pauses += amps_now == 0
                if changed is not None:
                    figures.least_gap_s = min(figures.least_gap_s, now - changed)
                changed, limit, arrives = now, amps_now, now + random.uniform(0.5, 3)
        surplus = max(produced - base, 0.0)
        best = min(floor(surplus / watts_per_amp), MAX_A)
        best_car = best * watts_per_amp if best >= 6 else 0.0
        for name, watts in (
            ("produced", produced),
            ("own", min(produced, base + car)),
            ("best", min(produced, base + best_car)),
            ("charged", car),
            ("bought", max(car - surplus, 0.0)),
        ):
            setattr(figures, name, getattr(figures, name) + watts / 3.6e6)
    return figures


def main() -> None:
    """Try many days, and print what came of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=10)
    parser.add_argument("--interval", type=float)
    parser.add_argument("--poll", type=float)
    options = parser.parse_args()
    own = best = 0.0
    worst = 2.0
    for seed in range(options.days):
        figures = run(seed, interval_s=options.interval, poll_s=options.poll)
        own, best = own + figures.own, best + figures.best
        worst = min(worst, figures.ratio)
        sys.stdout.write(f"{seed} {figures.ratio:.3f} {figures}\n")
    sys.stdout.write(f"{own / best:.3f} of the best, {worst:.3f} on the worst day\n")


if __name__ == "__main__":
    main()
