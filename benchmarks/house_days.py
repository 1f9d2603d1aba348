"""How well charging goes over many days of a simulated house: a table, by kind of day.

python -m benchmarks.house_days --days 50
python -m benchmarks.house_days --kinds rough --first 120 --days 1 --each
"""

import argparse
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
import itertools
import statistics
import sys

from .house_brain import live
from .house_figures import Figures
from .house_scenarios import KINDS

_HEAD = (
    "days",
    "s above fuse",
    "blind",
    "kWh",
    "sun / bound optimum",
    "sun / optimum",
    "import kWh",
    "of that held",
    "cost / cheapest",
    "targets met",
    "pauses",
    "chosen",
    "asleep",
    "changes/h",
    "in 10 s",
)


def _one(day: tuple[str, int, float]) -> tuple[str, int, Figures]:
    """Live through one day."""
    kind, seed, step_s = day
    return kind, seed, live(KINDS[kind](seed), step_s=step_s)


def _share(part: float, whole: float) -> str:
    return f"{part / whole:.3f}" if whole else "-"


def row(days: Sequence[Figures]) -> tuple[str, ...]:
    """Return the columns of the table for some days, added up."""
    plugged_h = sum(each.plugged_h for each in days)
    targets = [each.target_met for each in days if each.target_met is not None]
    met = [each for each in days if each.target_met]
    return (
        str(len(days)),
        f"{sum(each.above_s for each in days):.0f}",
        f"{sum(each.blind_s for each in days):.0f}",
        f"{sum(each.energy_kwh for each in days):.0f}",
        _share(
            sum(each.sun_kwh for each in days), sum(each.bound_kwh for each in days)
        ),
        _share(
            sum(each.sun_kwh for each in days), sum(each.optimum_kwh for each in days)
        ),
        f"{sum(each.import_kwh for each in days):.1f}",
        f"{sum(each.bound_import_kwh for each in days):.1f}",
        _share(sum(each.cost for each in met), sum(each.cheapest for each in met)),
        f"{sum(targets)} of {len(targets)}" if targets else "-",
        str(max(each.pauses for each in days)),
        str(max(each.chosen for each in days)),
        str(sum(each.asleep for each in days)),
        f"{sum(each.changes for each in days) / plugged_h:.1f}",
        str(max(each.busiest for each in days)),
    )


def _write(cells: Iterable[str]) -> None:
    print(f"| {' | '.join(cells)} |", flush=True)


def _tell_shares(of: str, days: Iterable[tuple[float, float]]) -> None:
    """Print how the days' shares are spread."""
    shares = [part / whole for part, whole in days if whole]
    print(
        f"  sun / {of}: median {statistics.median(shares):.3f}, worst day "
        f"{min(shares):.3f}, {sum(share < 0.95 for share in shares)} below 0.95"
    )


def main() -> int:
    """Live through the days, and print what they were like."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kinds", default=",".join(KINDS), help="of these kinds")
    parser.add_argument("--first", type=int, default=0, help="seed of the first")
    parser.add_argument("--days", type=int, default=20, help="of each kind")
    parser.add_argument("--step", type=float, default=1.0, help="of time, s")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--each", action="store_true", help="a row for each day")
    options = parser.parse_args()
    seeds = range(options.first, options.first + options.days)
    days = itertools.product(options.kinds.split(","), seeds, (options.step,))
    found: dict[str, list[Figures]] = {}
    _write(("kind", *_HEAD))
    _write(["---"] * (1 + len(_HEAD)))
    failed = False
    with ProcessPoolExecutor(options.jobs) as pool:
        for kind, seed, figures in pool.map(_one, days):
            found.setdefault(kind, []).append(figures)
            wrong = figures.above_s > 0 or figures.chosen > 5 or figures.asleep
            failed = failed or wrong or figures.target_met is False
            if options.each or wrong or figures.target_met is False:
                _write((f"{kind} {seed}", *row([figures])))
    for kind, all_days in found.items():
        _write((kind, *row(all_days)))
        if kind == "solar":
            _tell_shares("bound optimum", [(d.sun_kwh, d.bound_kwh) for d in all_days])
            _tell_shares("optimum", [(d.sun_kwh, d.optimum_kwh) for d in all_days])
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
