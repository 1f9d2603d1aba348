"""What connects to the central system: a bare client, or a wallbox."""

import base64
from contextlib import suppress
import socket
import ssl
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Subprotocol

from simulators.wallbox import SimulatedWallbox

from .site import CHARGE_POINT_ID, Site

OCPP = [Subprotocol("ocpp2.0.1")]


def basic(user: str, password: str) -> dict[str, str]:
    """Make an Authorization header."""
    secret = base64.b64encode(f"{user}:{password}".encode()).decode()
    return {"Authorization": f"Basic {secret}"}


def dial(
    site: Site,
    context: ssl.SSLContext | None,
    path: str = CHARGE_POINT_ID,
    **kwargs: Any,
) -> connect:
    """Connect with a bare client."""
    settings: dict[str, Any] = {"subprotocols": OCPP, "ssl": context, "proxy": None}
    scheme = "wss" if context else "ws"
    url = site.url.replace("wss", scheme)
    return connect(f"{url}/{path}", **settings | kwargs)


def shake_hands(site: Site, context: ssl.SSLContext, host: str = "localhost") -> None:
    """Shake hands as a wallbox does: what it dislikes it says by an alert. Blocks.

    A client on an event loop of Python's own hangs up without one.
    """
    address = ("127.0.0.1", site.entry.data["port"])
    with suppress(OSError), socket.create_connection(address, timeout=5) as plain:
        context.wrap_socket(plain, server_hostname=host).close()


async def refused(dialing: connect) -> InvalidStatus:
    """Expect a refusal before the upgrade."""
    with pytest.raises(InvalidStatus) as refusal:
        await dialing
    return refusal.value


async def visit(
    url: str,
    context: ssl.SSLContext,
    charge_point_id: str = CHARGE_POINT_ID,
    password: str | None = None,
) -> None:
    """Connect a wallbox and say hello; raises where it is refused."""
    wallbox = SimulatedWallbox(
        url=url,
        charge_point_id=charge_point_id,
        password=password,
        ssl_context=context,
    )
    try:
        await wallbox.connect()
        assert wallbox.online
        await wallbox.settle()
    finally:
        await wallbox.disconnect()
    assert wallbox.violations == []
