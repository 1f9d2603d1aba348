"""A trace instead of a simulated wallbox: what its owner sent, in a Home Assistant."""

import asyncio
from collections.abc import Callable
from pathlib import Path
import ssl

from simulators.wallbox.replay import ReplayedWallbox
from simulators.wallbox.trace import Trace, Wanted

from .layout import CHARGE_POINT_ID, WALLBOX_PASSWORD

_LOOK_S = 0.2


class Replay:
    """Plays a trace, and says what happens in it."""

    def __init__(self, path: Path, box: ReplayedWallbox) -> None:
        """Take the wallbox, and where its trace comes from."""
        self.path = path
        self.box = box

    async def tell(self, say: Callable[[str], None]) -> None:
        """Say what its owner did in the trace, and what nobody asked in it.

        That is not done again: whoever watches may do it.
        """
        box, trace = self.box, self.box.trace
        say(f"{self.path.name} plays, {trace.length_s / box.speed:.0f} s of it")
        wanted, unknown, over = list(trace.wanted), 0, False
        while True:
            while wanted and wanted[0].at <= box.position:
                say(f"{wanted[0].at:.0f} s: its owner {_did(wanted.pop(0))}")
            for action, _ in box.unknown_calls[unknown:]:
                say(f"{box.position:.0f} s: nobody asked for {action} in the trace")
            unknown = len(box.unknown_calls)
            if box.over and box.position >= trace.length_s and not over:
                over = True
                say("the trace is over; the wallbox stays as it was")
            await asyncio.sleep(_LOOK_S)


def make_replay(
    path: Path, trace: Trace, ocpp_port: int, context: ssl.SSLContext, *, speed: float
) -> Replay:
    """Make the wallbox of a trace."""
    box = ReplayedWallbox(
        trace,
        url=f"wss://localhost:{ocpp_port}",
        charge_point_id=CHARGE_POINT_ID,
        ssl_context=context,
        password=WALLBOX_PASSWORD,
        speed=speed,
        # The name may be ::1 here, where somebody else may be listening.
        host="127.0.0.1",
    )
    return Replay(path, box)


def _did(wanted: Wanted) -> str:
    """Say what somebody wanted."""
    if wanted.starts:
        return "asked for a session"
    limit = wanted.current_limit
    what = "no limit" if limit is None else f"{limit} A"
    return f"wanted {what}" if wanted.charging_allowed else f"paused, with {what}"
