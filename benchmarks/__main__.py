"""scripts/bench: what the integration costs, and what it shows for that.

The wallbox: how fast a frame on the socket becomes an entity's state, what lies between
pressing stop and the limit on the wire, and how long a flood, large frames and hostile
ones keep the event loop in one go. Measured in the real thing: Home Assistant in its
own process with its recorder and web server, TLS, and a client that only sends, waits
and answers what it is asked.

The charging hour: three phases, readings every ten seconds, played as fast as it goes;
what the recorder writes of it.

The caravan: one hour of three Victron devices, five advertisements a second each,
played as fast as it goes through Home Assistant's Bluetooth into its recorder; the same
for Home Assistant's own victron_ble.

Times are of this computer, rows and errors are the same on any.
"""

import argparse
import asyncio
from collections.abc import Mapping
import importlib.util
import json
import sys
import tempfile
from typing import Any

from demo.layout import ROOT

from .caravan_hour import QUANTITIES
from .wallbox import bench_wallbox, tell


async def _replay(
    *arguments: str, module: str = "benchmarks.caravan_replay"
) -> dict[str, Any]:
    """Play an hour in a process of its own and return its figures."""
    with tempfile.TemporaryDirectory() as folder:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            module,
            f"--folder={folder}",
            *arguments,
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        answer, complaints = await process.communicate()
    if process.returncode:
        raise RuntimeError(complaints.decode(errors="replace"))
    figures: dict[str, Any] = json.loads(answer.splitlines()[-1])
    return figures


def _tell_rows(what: str, rows: Mapping[str, int]) -> None:
    """Print what the recorder wrote."""
    others = ", ".join(
        f"{count} {table}" for table, count in rows.items() if table != "states"
    )
    tell(what, f"{rows['states']} states ({others})")


async def _bench_charging(seconds: float) -> None:
    """Play an hour of charging at three powers, and three among clouds."""
    print(f"\n{seconds / 60:.0f} minutes of charging on three phases.", flush=True)
    for amperes in (6, 16, 32):
        figures = await _replay(
            f"--seconds={seconds}",
            f"--amperes={amperes}",
            module="benchmarks.charging_hour",
        )
        _tell_rows(f"{amperes} A: rows of a charging hour", figures["rows"])
    for seed in (1, 2, 3):
        figures = await _replay(
            f"--seconds={seconds}",
            "--sky=broken",
            f"--seed={seed}",
            module="benchmarks.charging_hour",
        )
        what = f"with the sun, {figures['limits']} limits: rows of a cloudy hour"
        _tell_rows(what, figures["rows"])


def _tell_replay(who: str, figures: Mapping[str, Any], bare: float) -> None:
    """Print what one reader of the advertisements costs, and how wrong it is."""
    _tell_rows(f"{who}: rows", figures["rows"])
    own = figures["microseconds"] - bare
    tell(
        f"{who}: event-loop time",
        f"{own:.0f} microseconds an advertisement, beside Home Assistant's {bare:.0f}",
    )
    errors = [
        f"{key} {figures['errors'][key][0]:.3g} {unit}"
        + (f" of {figures['errors'][key][1]:.0f}" if key == "time_to_go" else "")
        for key, unit in QUANTITIES.items()
        if key in figures["errors"]
    ]
    tell(f"{who}: largest error", ", ".join(errors) or "none of it is shown")


async def _bench_caravan(seconds: float) -> None:
    """Play the caravan's hour to nobody, to us and to core."""
    length = f"--seconds={seconds}"
    nobody = await _replay("--reader=nobody", length)
    bare = nobody["microseconds"]
    print(
        f"\nSmartShunt, IP22 and Orion, {nobody['advertisements']} advertisements in "
        f"{seconds / 60:.0f} minutes.\nErrors: of the SmartShunt's values, what lasts "
        "longer than a second (time to go: a minute).",
        flush=True,
    )
    _tell_replay("ours", await _replay("--reader=ours", length), bare)
    everything = await _replay("--reader=ours", "--all-entities", length)
    _tell_replay("ours, all entities", everything, bare)
    if importlib.util.find_spec("victron_ble_ha_parser") is None:
        tell("victron_ble", "not run: its victron-ble-ha-parser is not installed")
    else:
        _tell_replay("victron_ble", await _replay("--reader=core", length), bare)


def main() -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(
        prog="scripts/bench",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--messages", type=int, default=1500, help="of each kind; 0: no wallbox"
    )
    parser.add_argument(
        "--seconds", type=float, default=3600, help="of the caravan; 0: no caravan"
    )
    parser.add_argument(
        "--charging", type=float, default=3600, help="seconds of charging; 0: none"
    )
    options = parser.parse_args()
    if options.messages:
        asyncio.run(bench_wallbox(options.messages))
    if options.charging:
        asyncio.run(_bench_charging(options.charging))
    if options.seconds:
        asyncio.run(_bench_caravan(options.seconds))
    return 0


if __name__ == "__main__":
    sys.exit(main())
