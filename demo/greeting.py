"""What there is to see, and how to stop it."""

import argparse
from collections.abc import Iterator
import contextlib
import os

from simulators.caravan.identity import IDENTITIES

from . import adding
from .layout import CHARGE_POINT_ID, PASSWORD, PLUG_SWITCH, USER, Layout


def describe_caravan(added: set[str]) -> Iterator[str]:
    """Yield how to add the caravan's devices, line by line."""
    if not adding.reads_victron():
        yield "is there, but this version of the integration reads no Victron devices"
        return
    if len(added) < len(IDENTITIES):
        # Home Assistant's own integration discovers them as well, as it does in life.
        yield "Settings > Devices & services > Discovered (those of this integration):"
    for device in IDENTITIES:
        what = "is added" if device.address in added else f"key {device.key.hex()}"
        yield f"{device.name}, {device.address}, {what}"
    where = "Overview" if added else "Settings > Devices & services > Entities"
    yield f"Caravan plug ({PLUG_SWITCH}): off pulls it from mains. {where}"


def greet(
    options: argparse.Namespace, layout: Layout, ocpp_port: int, added: set[str]
) -> None:
    """Print what there is and how to stop it."""
    end = (
        "Ctrl-C"
        if options.seconds is None
        else f"Ctrl-C, or by itself in {options.seconds:g} s"
    )
    lines = (
        "",
        f"  Page       http://localhost:{options.port}",
        f"  Login      {USER}, password {PASSWORD} (no secret: this demo only)",
        f"  Wallbox    {CHARGE_POINT_ID}, at wss://localhost:{ocpp_port}",
        *(
            f"  {'' if index else 'Caravan':<9}  {text}"
            for index, text in enumerate(describe_caravan(added))
        ),
        "  See        Overview; Settings > Devices & services > BMW Wallbox & Victron",
        f"  Speed      {options.speed:g} (--speed 60: a session takes a minute or two)",
        f"  Log        {os.path.relpath(layout.log)}",
        f"  Stop       {end}",
        "",
    )
    with contextlib.suppress(OSError):
        print("\n".join(lines), flush=True)
