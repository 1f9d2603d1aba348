"""Plays the caravan's hour to a Home Assistant, as fast as that takes it.

A process of its own, started by benchmarks: it takes the clock over before it imports
anything of Home Assistant, and prints its figures as one line of JSON.
"""

import argparse
import asyncio
import json
from pathlib import Path
import sys

from demo.clock import SteppedClock


def main() -> int:
    """Play the hour."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--reader", choices=("nobody", "ours", "core"), required=True)
    parser.add_argument("--all-entities", action="store_true")
    parser.add_argument("--seconds", type=float, default=3600)
    parser.add_argument("--seed", type=int, default=1, help="of what is switched on")
    options = parser.parse_args()
    clock = SteppedClock()
    clock.install()

    # Only now: it keeps functions of the clock under names of its own.
    from .caravan_stack import replay

    figures = asyncio.run(
        replay(
            clock,
            options.folder,
            reader=options.reader,
            all_entities=options.all_entities,
            seconds=options.seconds,
            seed=options.seed,
        )
    )
    print(json.dumps(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main())
