"""Which ports of this computer are free."""

import os
import socket
from typing import Final

from .console import DemoError
from .layout import LOOPBACK

_OCPP_PORTS: Final = range(9000, 9020)


def why_not_free(port: int) -> str | None:
    """Return why a port cannot be listened on; None: it can."""
    with socket.socket() as probe:
        # As servers do it: connections that just ended do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError as err:
            return os.strerror(err.errno) if err.errno else str(err)
    return None


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
    return port


def choose_ocpp_port(wanted: int | None, *, other: int) -> int:
    """Choose the port for the wallbox; `other` is the web page's."""
    if wanted is not None:
        reason = "the web page has it" if wanted == other else why_not_free(wanted)
        if reason:
            raise DemoError(
                f"the wallbox cannot have port {wanted} ({reason}): "
                "choose another one with --ocpp-port"
            )
        return wanted
    for port in _OCPP_PORTS:
        if port != other and why_not_free(port) is None:
            return port
    raise DemoError(
        f"the ports {_OCPP_PORTS[0]} to {_OCPP_PORTS[-1]} are all taken: "
        "choose one for the wallbox with --ocpp-port"
    )
