"""Who listens on a port."""

from collections.abc import Iterator
import contextlib
import socket


def free_port() -> int:
    """Find a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


@contextlib.contextmanager
def listening(port: int = 0) -> Iterator[int]:
    """Be another program that listens on a port."""
    with socket.create_server(("127.0.0.1", port)) as server:
        yield server.getsockname()[1]


def listens(port: int) -> bool:
    """Tell whether anybody listens on a port."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except ConnectionRefusedError:
        return False
    return True
