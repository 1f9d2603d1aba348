"""Live through many days by hand: `scripts/chaos DAYS`."""

import argparse
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from functools import partial
import time

from .hand import live, prepare
from .script import KINDS


def main() -> None:
    """Read what is asked for, and tell what did not hold."""
    parser = argparse.ArgumentParser(prog="scripts/chaos", description=__doc__)
    parser.add_argument("days", type=int, help="how many days")
    parser.add_argument("--seed", type=int, default=0, help="the first day's seed")
    parser.add_argument(
        "--kinds", help=f"faults of each day, by commas, of: {', '.join(KINDS)}"
    )
    parser.add_argument("--without", default="", help="kinds of faults to leave out")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument(
        "--story", action="store_true", help="tell what led there, as shortly as can be"
    )
    asked = parser.parse_args()
    kinds = None if asked.kinds is None else tuple(filter(None, asked.kinds.split(",")))
    without = frozenset(asked.without.split(","))
    one = partial(live, kinds=kinds, without=without, short=asked.story)
    began, faults = time.monotonic(), Counter[str]()
    with ProcessPoolExecutor(asked.jobs, initializer=prepare) as pool:
        seeds = range(asked.seed, asked.seed + asked.days)
        for seed, about, fault, story in pool.map(one, seeds, chunksize=4):
            if fault is None:
                continue
            faults[fault.split(":")[0]] += 1
            print(f"seed {seed} ({about}): {fault}", flush=True)
            if asked.story:
                print("\n".join(f"    {line}" for line in story), flush=True)
    took = time.monotonic() - began
    print(f"{asked.days} days in {took:.0f} s, {faults.total()} went wrong")
    for fault, count in faults.most_common():
        print(f"{count:6} {fault}")
    raise SystemExit(bool(faults))


if __name__ == "__main__":
    main()
