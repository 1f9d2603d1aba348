"""Who is silent, slow or gone keeps no wallbox out and leaves nothing behind."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress
from http import HTTPStatus
import logging
import socket
import ssl
import time
from typing import Any

from homeassistant.core import HomeAssistant
import pytest
from websockets.exceptions import InvalidStatus

from custom_components.bmw_wallbox_victron.wallbox import central_system
from custom_components.bmw_wallbox_victron.wallbox.central_system import CentralSystem
from custom_components.bmw_wallbox_victron.wallbox.connection import Connection
from custom_components.bmw_wallbox_victron.wallbox.connection_limit import (
    MAX_CONNECTIONS,
    MAX_WAITING,
)
from custom_components.bmw_wallbox_victron.wallbox.tls import SecureConnection
from simulators.wallbox import SimulatedWallbox

from .kit.site import CHARGE_POINT_ID, Site, settle

# What a wallbox does, whichever Home Assistant it is shown by.
pytestmark = pytest.mark.any_homeassistant


type MakeWallbox = Callable[..., SimulatedWallbox]
type Reader = asyncio.StreamReader
type Writer = asyncio.StreamWriter

#: What a wallbox asks for.
REQUEST = (
    f"GET /{CHARGE_POINT_ID} HTTP/1.1\r\n"
    "Host: localhost\r\n"
    "Upgrade: websocket\r\n"
    "Connection: Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    "Sec-WebSocket-Protocol: ocpp2.0.1\r\n"
    "\r\n"
).encode()
STRANGER = REQUEST.replace(CHARGE_POINT_ID.encode(), b"nobody")


class Crowd:
    """Clients that are no wallboxes."""

    def __init__(self, site: Site, context: ssl.SSLContext) -> None:
        """Know where the server is."""
        self._port = site.entry.data["port"]
        self.context = context
        self.writers: list[Writer] = []
        self.loop_errors: list[dict[str, Any]] = []

    async def dial(
        self, address: str = "127.0.0.1", *, secure: bool = True
    ) -> tuple[Reader, Writer]:
        """Connect from an address, with TLS or without."""
        more: dict[str, Any] = (
            {"ssl": self.context, "server_hostname": "localhost"} if secure else {}
        )
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", self._port, local_addr=(address, 0), **more
        )
        self.writers.append(writer)
        return reader, writer

    async def say_nothing(self, address: str) -> None:
        """Open a TCP connection, and that is all."""
        await self.dial(address, secure=False)

    async def stop_after_tls(self, address: str) -> None:
        """Shake hands, and ask for nothing."""
        await self.dial(address)

    async def ask_by_halves(self, address: str) -> None:
        """Begin a request, and never end it."""
        _, writer = await self.dial(address)
        writer.write(REQUEST[:60])

    async def hold_on_after_refusal(self, address: str) -> None:
        """Be refused, and never hang up."""
        _, writer = await self.dial(address)
        writer.write(STRANGER)

    async def press(
        self, act: Callable[[str], Awaitable[None]], address: str, times: int
    ) -> None:
        """Have many do the same. Those that are turned out meanwhile do not mind."""
        for _ in range(times):
            with suppress(OSError, EOFError):
                await act(address)

    def go(self) -> None:
        """Hang up."""
        for writer in self.writers:
            writer.transport.abort()


@pytest.fixture
async def crowd(site: Site, client_context: ssl.SSLContext) -> AsyncGenerator[Crowd]:
    """Clients that are no wallboxes."""
    crowd = Crowd(site, client_context)
    loop = asyncio.get_running_loop()
    before = loop.get_exception_handler()
    loop.set_exception_handler(lambda _, context: crowd.loop_errors.append(context))
    yield crowd
    crowd.go()
    await until(lambda: all(writer.is_closing() for writer in crowd.writers))
    await asyncio.sleep(0)
    loop.set_exception_handler(before)
    assert crowd.loop_errors == []


@pytest.fixture
def servers(monkeypatch: pytest.MonkeyPatch) -> list[CentralSystem]:
    """The servers that a test starts; to be asked for before the site."""
    made: list[CentralSystem] = []
    start = CentralSystem.start

    async def note(server: CentralSystem) -> None:
        made.append(server)
        await start(server)

    monkeypatch.setattr(CentralSystem, "start", note)
    return made


async def until(holds: Callable[[], bool], seconds: float = 5) -> None:
    """Wait until something holds."""
    async with asyncio.timeout(seconds):
        while not holds():  # noqa: ASYNC110 - it may be what no event tells of
            await asyncio.sleep(0.01)


def loud(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Give what was logged at WARNING and above."""
    return [
        record.getMessage()
        for record in caplog.records
        if record.levelno >= logging.WARNING
        # The time that a test's own burst takes in asyncio's debug mode.
        and not record.getMessage().startswith("Executing <")
    ]


def count(server: CentralSystem) -> int:
    """Count the connections that hold a place."""
    return len(server._limit)


# Room


@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.0.2"])
@pytest.mark.parametrize(
    "what", ["say_nothing", "stop_after_tls", "ask_by_halves", "hold_on_after_refusal"]
)
async def test_a_silent_host_keeps_no_wallbox_out(
    hass: HomeAssistant,
    servers: list[CentralSystem],
    site: Site,
    make_wallbox: MakeWallbox,
    crowd: Crowd,
    address: str,
    what: str,
) -> None:
    """300 connections hold 4 places; also where the wallbox has the same address."""
    times = 300 if what == "say_nothing" else 60
    await crowd.press(getattr(crowd, what), address, times)
    assert count(servers[0]) <= MAX_WAITING
    start = time.monotonic()
    wallbox = make_wallbox()
    await wallbox.connect()
    assert time.monotonic() - start < 5
    await settle(hass, wallbox)
    assert site.state("status") == "available"
    # Nor do those who come later turn it out.
    await crowd.press(crowd.say_nothing, address, 50)
    await wallbox.send_call("Heartbeat", {})
    assert wallbox.connected


async def test_many_silent_hosts_keep_no_wallbox_out(
    hass: HomeAssistant,
    servers: list[CentralSystem],
    site: Site,
    make_wallbox: MakeWallbox,
    crowd: Crowd,
) -> None:
    """All places are taken, by 60 addresses: the oldest gives way."""
    for number in range(2, 62):
        await crowd.press(crowd.say_nothing, f"127.0.0.{number}", 4)
    await until(lambda: count(servers[0]) == MAX_CONNECTIONS)
    wallbox = make_wallbox()
    await wallbox.connect()
    await settle(hass, wallbox)
    assert site.state("status") == "available"
    assert count(servers[0]) == MAX_CONNECTIONS
    for number in range(2, 62):
        await crowd.press(crowd.stop_after_tls, f"127.0.1.{number}", 1)
    await wallbox.send_call("Heartbeat", {})
    assert wallbox.connected


async def test_a_host_that_comes_again_and_again_keeps_no_wallbox_out(
    hass: HomeAssistant,
    site: Site,
    make_wallbox: MakeWallbox,
    crowd: Crowd,
) -> None:
    """A new silent connection every 20 ms, from the wallbox's own address."""

    async def trickle() -> None:
        while True:
            await crowd.press(crowd.say_nothing, "127.0.0.1", 1)
            await asyncio.sleep(0.02)

    trickling = asyncio.create_task(trickle())
    try:
        for _ in range(5):
            wallbox = make_wallbox()
            async with asyncio.timeout(10):
                while not wallbox.connected:
                    with suppress(OSError, EOFError):
                        await wallbox.connect()
            await settle(hass, wallbox)
            assert site.state("status") == "available"
            await wallbox.disconnect()
    finally:
        trickling.cancel()
        await asyncio.gather(trickling, return_exceptions=True)


async def test_a_host_that_floods_is_named_once(
    site: Site, crowd: Crowd, caplog: pytest.LogCaptureFixture
) -> None:
    """Its owner can find it."""
    await crowd.press(crowd.say_nothing, "127.0.0.7", 50)
    assert len(loud(caplog)) == 1
    assert "127.0.0.7 tries to connect again and again" in loud(caplog)[0]


async def test_unknown_ids_by_the_dozen(
    hass: HomeAssistant,
    servers: list[CentralSystem],
    site: Site,
    make_wallbox: MakeWallbox,
    crowd: Crowd,
) -> None:
    """100 refused upgrades as fast as they go: each is answered and gone."""

    async def knock() -> None:
        reader, writer = await crowd.dial()
        writer.write(STRANGER)
        assert (await reader.readline()).split()[1] == b"404"
        writer.close()

    wallbox = make_wallbox()
    connecting = asyncio.create_task(wallbox.connect())
    for _ in range(100):
        await knock()
    await connecting
    await settle(hass, wallbox)
    assert site.state("status") == "available"
    await until(lambda: count(servers[0]) == 1)


@pytest.mark.parametrize(
    "request_",
    [
        REQUEST[:-2] + b"X-Long: " + b"x" * 1_000_000 + b"\r\n\r\n",
        REQUEST[:-2] + b"X-Many: x\r\n" * 50_000 + b"\r\n",
        b"x" * 1_000_000,
    ],
    ids=["one long header", "many headers", "no line at all"],
)
async def test_an_endless_request(
    servers: list[CentralSystem],
    site: Site,
    crowd: Crowd,
    caplog: pytest.LogCaptureFixture,
    request_: bytes,
) -> None:
    """It is not read to its end, and not answered as one that is good."""
    reader, writer = await crowd.dial()
    writer.write(request_)
    said = b""
    with suppress(ConnectionError):
        async with asyncio.timeout(5):
            said = await reader.read()
    assert b" 101 " not in said
    writer.close()
    await until(lambda: count(servers[0]) == 0)
    assert loud(caplog) == []


async def test_a_wallbox_that_connects_again_and_again(
    servers: list[CentralSystem], site: Site, crowd: Crowd
) -> None:
    """It holds few places, though it ends none of its connections."""
    for _ in range(12):
        reader, writer = await crowd.dial()
        writer.write(REQUEST)
        assert (await reader.readline()).split()[1] == b"101"
    await until(lambda: count(servers[0]) <= 4)


async def test_an_open_connection_is_not_waited_for_for_ever(
    hass: HomeAssistant,
    servers: list[CentralSystem],
    site: Site,
    crowd: Crowd,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Time is bounded for TLS, and for what has to come after it."""
    assert central_system.OPEN_TIMEOUT == 10
    monkeypatch.setattr(central_system, "OPEN_TIMEOUT", 0.3)
    monkeypatch.setattr(
        "custom_components.bmw_wallbox_victron.wallbox.tls.HANDSHAKE_TIMEOUT", 0.3
    )
    await hass.config_entries.async_reload(site.entry.entry_id)
    await crowd.say_nothing("127.0.0.1")
    await crowd.stop_after_tls("127.0.0.1")
    await crowd.ask_by_halves("127.0.0.1")
    assert count(servers[-1]) > 0
    await until(lambda: count(servers[-1]) == 0)


# Half-closed connections


def leave_by_tls(secure: ssl.SSLObject, plain: socket.socket) -> None:
    """Say the end within TLS."""
    with suppress(ssl.SSLError):
        secure.unwrap()


def leave_by_tcp(secure: ssl.SSLObject, plain: socket.socket) -> None:
    """Shut down the TCP connection's one direction."""
    plain.shutdown(socket.SHUT_WR)


class Raw:
    """A TLS client that sends, and stops sending, byte for byte as it is told."""

    def __init__(self, context: ssl.SSLContext, port: int) -> None:
        """Connect."""
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.secure = context.wrap_bio(
            self._incoming, self._outgoing, server_hostname="localhost"
        )
        self.plain = socket.create_connection(("127.0.0.1", port), timeout=5)

    def shake_hands(self) -> None:
        """Shake hands, up to our own last word, which is not sent yet."""
        while True:
            try:
                self.secure.do_handshake()
            except ssl.SSLWantReadError:
                self.plain.sendall(self._outgoing.read())
                self._incoming.write(self.plain.recv(65536))
            else:
                return

    def flush(self) -> None:
        """Send what waits, in one piece."""
        if self._outgoing.pending:
            with suppress(ConnectionError):
                self.plain.sendall(self._outgoing.read())

    def drain(self) -> None:
        """Read until the other side ends."""
        with suppress(ConnectionError):
            while self.plain.recv(65536):
                pass


@pytest.mark.parametrize("tls", ["1.2", "1.3"])
@pytest.mark.parametrize("leave", [leave_by_tls, leave_by_tcp])
@pytest.mark.parametrize(
    ("sent", "at_once"),
    [
        (b"", True),
        (b"", False),
        (REQUEST[:50], True),
        (REQUEST[:50], False),
        (STRANGER, True),
        (STRANGER, False),
        (REQUEST, True),
        (REQUEST, False),
        (b"nonsense\r\n\r\n", True),
        (b"nonsense\r\n\r\n", False),
    ],
    ids=[
        f"{what}-{when}"
        for what in ("nothing", "half", "stranger", "wallbox", "nonsense")
        for when in ("at once", "later")
    ],
)
async def test_a_client_that_closes_its_half(
    hass: HomeAssistant,
    servers: list[CentralSystem],
    site: Site,
    crowd: Crowd,
    caplog: pytest.LogCaptureFixture,
    leave: Callable[[ssl.SSLObject, socket.socket], None],
    sent: bytes,
    at_once: bool,
    tls: str,
) -> None:
    """Whenever it does: nothing is logged, and nothing is left.

    `at_once`: in one piece with the end of the handshake.
    """
    context = crowd.context
    if tls == "1.2":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.maximum_version = ssl.TLSVersion.TLSv1_2

    def visit() -> None:
        client = Raw(context, site.entry.data["port"])
        with client.plain:
            client.shake_hands()
            if not at_once:
                client.flush()
                time.sleep(0.02)
            if sent:
                client.secure.write(sent)
            if leave is leave_by_tls:
                leave(client.secure, client.plain)
                client.flush()
            else:
                client.flush()
                leave(client.secure, client.plain)
            client.drain()

    async with asyncio.timeout(5):
        await hass.async_add_executor_job(visit)
    await until(lambda: count(servers[0]) == 0)
    await hass.async_block_till_done()
    said = [line for line in loud(caplog) if "knocks" not in line]
    # One that got in and went is a wallbox that is gone.
    assert [line for line in said if "is not connected any more" not in line] == []
    assert crowd.loop_errors == []


@pytest.mark.parametrize("leave", [leave_by_tls, leave_by_tcp])
async def test_a_client_that_closes_its_half_while_it_is_refused(
    hass: HomeAssistant,
    servers: list[CentralSystem],
    site: Site,
    crowd: Crowd,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    leave: Callable[[ssl.SSLObject, socket.socket], None],
) -> None:
    """Its end is there when the answer is made."""
    refuse = CentralSystem._refuse
    asked, gone = asyncio.Event(), asyncio.Event()

    def slowly(server: CentralSystem, connection: Any, request: Any) -> Any:
        async def answer() -> Any:
            asked.set()
            await gone.wait()
            return refuse(server, connection, request)

        return answer()

    monkeypatch.setattr(CentralSystem, "_refuse", slowly)
    client = await hass.async_add_executor_job(
        Raw, crowd.context, site.entry.data["port"]
    )
    with client.plain:
        await hass.async_add_executor_job(client.shake_hands)
        client.secure.write(STRANGER)
        client.flush()
        async with asyncio.timeout(5):
            await asked.wait()
        leave(client.secure, client.plain)
        client.flush()
        await until(lambda: count(servers[0]) == 0)
        gone.set()
        await hass.async_add_executor_job(client.drain)
    await hass.async_block_till_done()
    assert [line for line in loud(caplog) if "knocks" not in line] == []


# Bugs of ours


def bugs(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Give the lines that were logged of a bug."""
    return [
        record.getMessage()
        for record in caplog.records
        if record.levelno >= logging.ERROR
    ]


async def test_a_bug_in_a_connection_is_logged_once(
    hass: HomeAssistant,
    site: Site,
    make_wallbox: MakeWallbox,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """With its place, without what the wallbox said; the next connection works."""

    async def fail(_: Connection) -> None:
        raise KeyError("04SECRETCARD")

    with monkeypatch.context() as patch:
        patch.setattr(Connection, "serve", fail)
        broken = make_wallbox()
        await broken.connect(boot=False)
        await broken.wait_closed()
    assert len(bugs(caplog)) == 1
    assert "KeyError in " in bugs(caplog)[0]
    assert "fail:" in bugs(caplog)[0]
    assert "SECRETCARD" not in caplog.text
    wallbox = make_wallbox()
    await wallbox.connect()
    await settle(hass, wallbox)
    assert site.state("status") == "available"


async def test_a_bug_before_the_upgrade_is_logged_once(
    hass: HomeAssistant,
    site: Site,
    make_wallbox: MakeWallbox,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The wallbox is told that it is the server's fault."""

    def fail(*_: Any) -> None:
        raise ValueError("a password")

    with monkeypatch.context() as patch:
        patch.setattr(central_system, "basic_credentials", fail)
        with pytest.raises(InvalidStatus) as refusal:
            await make_wallbox().connect()
    status = refusal.value.response.status_code
    assert status == HTTPStatus.INTERNAL_SERVER_ERROR
    assert len(bugs(caplog)) == 1
    assert "ValueError in " in bugs(caplog)[0]
    assert "a password" not in caplog.text
    wallbox = make_wallbox()
    await wallbox.connect()
    await settle(hass, wallbox)


async def test_a_bug_in_the_handshake_is_logged_once(
    hass: HomeAssistant,
    servers: list[CentralSystem],
    site: Site,
    make_wallbox: MakeWallbox,
    crowd: Crowd,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """And its connection is hung up on."""

    async def fail() -> None:
        raise KeyError("context")

    certificates = site.entry.runtime_data.server.certificates
    with monkeypatch.context() as patch:
        patch.setattr(certificates, "context", fail)
        with pytest.raises((OSError, EOFError)):
            await crowd.dial()
    await until(lambda: count(servers[0]) == 0)
    assert len(bugs(caplog)) == 1
    assert "KeyError in _secure" in bugs(caplog)[0]
    wallbox = make_wallbox()
    await wallbox.connect()
    await settle(hass, wallbox)


# The end of the server


async def test_a_wallbox_that_does_not_close_holds_nothing_up(
    hass: HomeAssistant,
    servers: list[CentralSystem],
    site: Site,
    crowd: Crowd,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is half-open: the close of the server is never answered."""
    monkeypatch.setattr(central_system, "_CLOSE_S", 0.2)
    reader, writer = await crowd.dial()
    writer.write(REQUEST)
    assert (await reader.readline()).split()[1] == b"101"
    await crowd.stop_after_tls("127.0.0.1")
    await crowd.say_nothing("127.0.0.1")
    await until(lambda: count(servers[0]) == 3)
    start = time.monotonic()
    assert await hass.config_entries.async_unload(site.entry.entry_id)
    assert time.monotonic() - start < 2
    assert count(servers[0]) == 0


async def test_a_connection_that_never_ends_holds_nothing_up(
    hass: HomeAssistant,
    site: Site,
    crowd: Crowd,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Even a bug of ours does not: Home Assistant stops all the same."""
    ended = asyncio.Event()

    async def wait(_: Connection) -> None:
        await ended.wait()

    monkeypatch.setattr(central_system, "_CLOSE_S", 0.2)
    monkeypatch.setattr(Connection, "serve", wait)
    reader, writer = await crowd.dial()
    writer.write(REQUEST)
    assert (await reader.readline()).split()[1] == b"101"
    assert await hass.config_entries.async_unload(site.entry.entry_id)
    assert bugs(caplog) == ["A connection does not end; stopping without it"]
    ended.set()


async def test_nobody_gets_in_while_the_server_stops(
    hass: HomeAssistant, servers: list[CentralSystem], site: Site, crowd: Crowd
) -> None:
    """One that was accepted in the last moment is hung up on."""
    entered: list[bool] = []
    made = SecureConnection.connection_made

    def note(connection: SecureConnection, transport: Any) -> None:
        made(connection, transport)
        entered.append(connection in servers[0]._limit)

    servers[0]._limit.close()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SecureConnection, "connection_made", note)
        reader, _ = await crowd.dial(secure=False)
        with suppress(ConnectionError):
            assert await reader.read() == b""
    assert entered == [False]
