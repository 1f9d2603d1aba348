"""What there is to see, and how to stop it."""

import argparse
from collections.abc import Iterator
import contextlib
import os
from typing import Final

from . import adding
from .layout import (
    CHARGE_POINT_ID,
    HOUSE_GRID,
    HOUSE_PRICE,
    PASSWORD,
    USER,
    Layout,
)
from .rigs import CARAVAN, RIGS, Rig

_HURRY: Final = {
    False: "--speed 60: a session takes a minute or two",
    True: "--speed 1440: a day takes a minute",
}
"""How to make it faster, without a house and with one."""


def describe_rig(added: frozenset[str], rig: Rig = CARAVAN) -> Iterator[str]:
    """Yield how to add the devices of a rig, line by line."""
    if not adding.reads_victron():
        yield "is there, but this version of the integration reads no Victron devices"
        return
    if added < rig.addresses:
        # Home Assistant's own integration discovers them as well, as it does in life.
        yield "Settings > Devices & services > Discovered (those of this integration):"
    for device in rig.devices:
        what = "is added" if device.address in added else f"key {device.key.hex()}"
        yield f"{device.name}, {device.address}, {what}"
    for pack in rig.packs:
        what = "is added" if pack.address in added else f"a BMS, model {pack.model}"
        yield f"{pack.name}, {pack.address}, {what}"
    where = "Overview" if added else "Settings > Devices & services > Entities"
    yield f"{rig.plug_name} ({rig.plug}): off pulls it from mains. {where}"


def describe_house() -> Iterator[str]:
    """Yield what there is of the house, line by line."""
    yield f"  House      {HOUSE_GRID}, {HOUSE_PRICE}; a dashboard of its own"


def greet(
    options: argparse.Namespace,
    layout: Layout,
    ocpp_port: int,
    added: frozenset[str],
) -> None:
    """Print what there is and how to stop it."""
    end = (
        "Ctrl-C"
        if options.seconds is None
        else f"Ctrl-C, or by itself in {options.seconds:g} s"
    )
    rig = RIGS[options.rig]
    lines = (
        "",
        f"  Page       http://localhost:{options.port}",
        f"  Login      {USER}, password {PASSWORD} (no secret: this demo only)",
        f"  Wallbox    {CHARGE_POINT_ID}, at wss://localhost:{ocpp_port}",
        *(
            f"  {'' if index else rig.name.capitalize():<9}  {text}"
            for index, text in enumerate(describe_rig(added, rig))
        ),
        "  See        Overview; Settings > Devices & services > BMW Wallbox & Victron",
        *(describe_house() if options.house else ()),
        f"  Speed      {options.speed:g} ({_HURRY[options.house]})",
        f"  Log        {os.path.relpath(layout.log)}",
        f"  Stop       {end}",
        "",
    )
    with contextlib.suppress(OSError):
        print("\n".join(lines), flush=True)
