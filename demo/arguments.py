"""The command line of scripts/demo."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from simulators.wallbox.trace import TraceError, load_trace

from .rigs import CARAVAN, RIGS

_MOST_SPEED: Final = 200.0
"""The integration believes 10 kWh between two readings, 5 s apart at 11 kW."""
_MOST_SPEED_OF_DAYS: Final = 2880.0
"""Home Assistant's own clock is as fast then: a day in half a minute."""


def _port(text: str) -> int:
    number = int(text)
    if not 1 <= number <= 65535:
        raise argparse.ArgumentTypeError("a port is a number from 1 to 65535")
    return number


def _speed(text: str) -> float:
    number = float(text)
    if not 1 <= number <= _MOST_SPEED_OF_DAYS:
        raise argparse.ArgumentTypeError(
            f"the speed is a number from 1 to {_MOST_SPEED:.0f}, "
            f"with --house to {_MOST_SPEED_OF_DAYS:.0f}"
        )
    return number


def _seconds(text: str) -> float:
    number = float(text)
    if not 0 <= number < float("inf"):
        raise argparse.ArgumentTypeError("that is no time to wait")
    return number


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="scripts/demo",
        description=(
            "Runs Home Assistant on this computer, for this computer only, with the "
            "integration set up, a simulated wallbox that charges a car, and a "
            "simulated caravan with Victron devices for Home Assistant to discover, or "
            "a simulated boat. "
            "Its data stays in .demo; deleting that folder starts afresh."
        ),
    )
    parser.add_argument(
        "--port",
        type=_port,
        default=8123,
        help="port of the web page (default: %(default)s)",
    )
    parser.add_argument(
        "--ocpp-port",
        type=_port,
        help="port that the wallbox connects to (default: 9000, or the next free one)",
    )
    parser.add_argument(
        "--seconds",
        type=_seconds,
        help="end by itself so many seconds after it is up (default: run until Ctrl-C)",
    )
    parser.add_argument(
        "--speed",
        type=_speed,
        default=1.0,
        help=(
            "how many times as fast cars charge and the caravan lives, 1 to 200: at 1 "
            "a session takes an hour, at 60 a minute or two (default: 1). With "
            "--house: how fast days pass, Home Assistant's clock included, from some "
            "days ago to now; at 1440 a day takes a minute"
        ),
    )
    parser.add_argument(
        "--rig",
        choices=RIGS,
        default=CARAVAN.name,
        help=(
            "what is there beside the wallbox. caravan: SmartShunt, AC charger and "
            "DC-DC converter, to be discovered. boat: MultiPlus, solar charger and two "
            "packs with a BMS each, no shunt, all of them added, with a week of "
            "statistics; its data stays in .demo/boat (default: %(default)s)"
        ),
    )
    parser.add_argument(
        "--add-caravan",
        action="store_true",
        help="add the caravan's devices, by the flows that their discovery began",
    )
    parser.add_argument(
        "--history",
        action="store_true",
        help=(
            "let Home Assistant and the simulated devices live through a week first, "
            "in a minute or two, so that the graphs are full; needs a fresh .demo, and "
            "adds the devices"
        ),
    )
    parser.add_argument(
        "--house",
        action="store_true",
        help=(
            "a house around the wallbox: roof, heat pump, oven, a main fuse, and a "
            "price that changes each quarter of an hour; its data stays in .demo/house"
        ),
    )
    parser.add_argument(
        "--replay",
        type=Path,
        metavar="TRACE",
        help=(
            "instead of the simulated wallbox play the trace of a real one, and what "
            "its owner did: JSON lines, or a file of diagnostics; --speed: how many "
            "times as fast, Home Assistant's clock included. Its data stays in "
            ".demo/replay, which has to be deleted before another one"
        ),
    )
    options = parser.parse_args(arguments)
    if options.replay is not None:
        if options.house or options.history:
            parser.error("--replay goes with neither --house nor --history")
        try:
            options.trace = load_trace(options.replay)
        except TraceError as err:
            parser.error(str(err))
    if options.history and options.speed != 1:
        parser.error("with --history time passes as fast as it does: no --speed")
    if options.house and (options.history or options.rig != CARAVAN.name):
        parser.error("--house goes with neither --history nor another --rig")
    if options.speed > _MOST_SPEED and not options.house:
        parser.error(f"without --house the speed is {_MOST_SPEED:.0f} at most")
    return options
