"""The WSS server that wallboxes connect to (OCPP 2.0.1 Part 4, section 3)."""

import asyncio
from base64 import b64decode
import binascii
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import partial
from http import HTTPStatus
from ipaddress import ip_address
import logging
import re
from typing import Any, Final, cast
from urllib.parse import unquote

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from ..problem import Problem, Problems
from .certificate import CertificateInfo, CertificateStore, host_of
from .connection import Connection
from .connection_limit import ConnectionLimit
from .errors import log_bug
from .schemas import Schemas
from .station import Station
from .tls import HandshakeFailure, Refusal, SecureConnection

_LOGGER = logging.getLogger(__name__)

SUBPROTOCOL: Final = Subprotocol("ocpp2.0.1")
#: An identity has at most 48 characters (Part 4, 3.1.1).
MAX_IDENTITY: Final = 48
#: What OCPP 2.0.1 allows in an identity (identifierString, Part 2 section 3).
_IDENTITY: Final = re.compile(r"[A-Za-z0-9*\-_=:+|@.]+")
#: Above this a frame ends the connection with 1009; below, it is answered. In bytes.
MAX_FRAME: Final = 4 * 1024 * 1024
#: Who does not take part in closing a connection is hung up on, in s.
CLOSE_TIMEOUT: Final = 2
#: How long a client may take from TLS to the upgrade, and so long only, in s.
OPEN_TIMEOUT: Final = 10
#: How long our own stop waits for wallboxes to close their side, in s.
_CLOSE_S: Final = 3
#: So many handshakes in a row fail before that is a problem: a client that looks what
#: is on this port fails once.
_MANY_FAILURES: Final = 3
#: If no more than so long lies between each and the next, in s.
_FAILURES_WITHIN_S: Final = 3600
#: Of so many addresses, each by what fails, that is counted.
_MAX_ADDRESSES: Final = 32
#: So many names of the certificate are said, where something is wrong with it.
_MAX_NAMES: Final = 5
#: How a version of OCPP is called that is offered.
_VERSION: Final = re.compile(r"ocpp[0-9.]{1,10}")
_REFUSED: Final = {
    Refusal.UNSAID: Problem.CERTIFICATE_REFUSED,
    Refusal.AUTHORITY: Problem.CERTIFICATE_REFUSED_AUTHORITY,
    Refusal.NAME: Problem.CERTIFICATE_REFUSED_NAME,
    Refusal.VALIDITY: Problem.CERTIFICATE_REFUSED_EXPIRED,
    Refusal.KEY: Problem.CERTIFICATE_REFUSED_KEY,
}
#: The WebSocket server logs headers with passwords and frames with tokens, at levels
#: that users switch on. It writes here: nowhere. What matters is logged by us, our own
#: bugs included.
_NOWHERE: Final = logging.Logger(  # noqa: LOG001 - not to be found by its name
    "websockets", logging.CRITICAL + 1
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerConfig:
    """Where the server listens, and with which certificate."""

    port: int
    """TCP port; 0 takes a free one."""
    certificate: str
    """Path of the PEM certificate chain."""
    key: str
    """Path of its PEM private key."""
    host: str | None = None
    """Address to listen on; None: all."""


def is_identity(text: str) -> bool:
    """Return whether a text may be a station's identity."""
    return len(text) <= MAX_IDENTITY and _IDENTITY.fullmatch(text) is not None


def identity_of(path: str) -> str | None:
    """Read a station's identity from the last part of the URL's path.

    Installer apps put one slash too many before or after it.
    """
    bare = path.partition("?")[0].partition("#")[0]
    identity = unquote(bare.rstrip("/").rpartition("/")[-1])
    return identity if 0 < len(identity) <= MAX_IDENTITY else None


def basic_credentials(header: str | None) -> str | None:
    """Read `user:password` from an Authorization header; None: it cannot be read."""
    scheme, _, encoded = (header or "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        return b64decode(encoded.strip(), validate=True).decode()
    except binascii.Error, UnicodeDecodeError:
        return None


def _is_near(address: str) -> bool:
    """Return whether an address is one of a local network, where wallboxes are."""
    try:
        return not ip_address(address.partition("%")[0]).is_global
    except ValueError:
        return False


def _address(connection: ServerConnection) -> str:
    """Return where a connection comes from."""
    peer = connection.remote_address
    return str(peer[0]) if peer else "?"


class CentralSystem:
    """Accepts the connections of configured stations, one live one each."""

    def __init__(
        self,
        config: ServerConfig,
        *,
        stations: Iterable[Station],
        schemas: Schemas,
        certificates: CertificateStore,
        problems: Problems,
    ) -> None:
        """Serve `stations`; `schemas` are loaded beforehand, in a thread."""
        self._config = config
        self._stations = {
            station.config.charge_point_id.casefold(): station for station in stations
        }
        self._schemas = schemas
        self._certificates = certificates
        self._problems = problems
        self._server: Server | None = None
        self._limit: ConnectionLimit[SecureConnection] = ConnectionLimit()
        self._failures: dict[tuple[Problem, str], tuple[int, float]] = {}
        """How many TLS handshakes in a row failed in a way, by address; and when the
        last one did, in s."""
        self.accepted: CertificateInfo | None = None
        """The certificate with which a wallbox got in last: it does not refuse that."""
        self._stopping = False

    async def start(self) -> None:
        """Listen.

        Raises OSError where the port is taken, CertificateError where there is no
        certificate to listen with.
        """
        await self._certificates.context()
        connection = partial(
            SecureConnection,
            certificates=self._certificates,
            limit=self._limit,
            on_handshake=self._on_handshake,
        )
        self._server = await serve(
            self._accept,
            self._config.host,
            self._config.port,
            subprotocols=[SUBPROTOCOL],
            process_request=self._check,
            server_header=None,
            open_timeout=OPEN_TIMEOUT,
            ping_interval=None,  # `Connection` sees whether the line is dead
            close_timeout=CLOSE_TIMEOUT,
            max_size=MAX_FRAME,
            logger=_NOWHERE,
            create_connection=cast(Any, connection),
        )

    @property
    def port(self) -> int:
        """The port that it listens on."""
        if self._server is None:
            return self._config.port
        port: int = next(iter(self._server.sockets)).getsockname()[1]
        return port

    async def stop(self) -> None:
        """End all connections and stop listening."""
        if self._server is None:
            return
        self._stopping = True
        self._limit.close()
        self._server.close()
        waiting = self._limit.waiting
        for connection in waiting:
            connection.turn_out()
        for connection in waiting:
            await connection.until_handshake_over()
        # Who does not close its side holds nothing up.
        if not await self._is_closed(self._server):
            for connection in self._limit.admitted:
                connection.turn_out()
            if not await self._is_closed(self._server):
                _LOGGER.error("A connection does not end; stopping without it")
        self._server = None

    async def _is_closed(self, server: Server) -> bool:
        """Return whether all connections have ended within a moment."""
        try:
            async with asyncio.timeout(_CLOSE_S):
                await server.wait_closed()
        except TimeoutError:
            return False
        return True

    def _check(self, connection: ServerConnection, request: Request) -> Response | None:
        """Refuse who may not connect, before the upgrade; None: it goes on."""
        try:
            return self._refuse(connection, request)
        except Exception as err:
            log_bug(err)
            raise  # answered with 500

    def _refuse(
        self, connection: ServerConnection, request: Request
    ) -> Response | None:
        """Refuse who may not connect; None: it may."""
        identity = identity_of(request.path)
        station = None if identity is None else self._stations.get(identity.casefold())
        offered = {
            item.strip()
            for value in request.headers.get_all("Sec-WebSocket-Protocol")
            for item in value.split(",")
        }
        if station is None:
            # What speaks no OCPP of any version is a scanner or a browser.
            if identity and any(item.startswith("ocpp") for item in offered):
                # Of an unknown one its id is all that is known, and may be anything.
                self._problems.report(
                    Problem.UNKNOWN_CHARGE_POINT
                    if is_identity(identity)
                    else Problem.UNUSABLE_CHARGE_POINT_ID,
                    identity,
                    address=_address(connection),
                )
            return connection.respond(HTTPStatus.NOT_FOUND, "Unknown charge point\n")
        # Headers may come twice; then none of them counts.
        headers = request.headers.get_all("Authorization")
        header = headers[0] if len(headers) == 1 else None
        charge_point_id = station.config.charge_point_id
        if not station.config.admits(basic_credentials(header)):
            self._problems.report(
                Problem.WRONG_PASSWORD, charge_point_id, address=_address(connection)
            )
            response = connection.respond(HTTPStatus.UNAUTHORIZED, "Wrong password\n")
            response.headers["WWW-Authenticate"] = 'Basic realm="OCPP"'
            return response
        for problem in (Problem.WRONG_PASSWORD, Problem.UNKNOWN_CHARGE_POINT):
            self._problems.resolve(problem, charge_point_id)
        if SUBPROTOCOL not in offered:
            if "Sec-WebSocket-Key" in request.headers:  # else it is a browser
                self._problems.report(
                    Problem.WRONG_PROTOCOL,
                    charge_point_id,
                    offered=", ".join(sorted(filter(_VERSION.fullmatch, offered)))
                    or "-",
                )
            return connection.respond(HTTPStatus.BAD_REQUEST, "Speak ocpp2.0.1\n")
        self._problems.resolve(Problem.WRONG_PROTOCOL, charge_point_id)
        secure = cast(SecureConnection, connection)
        secure.station = station
        hosts = request.headers.get_all("Host")
        secure.host = secure.host or host_of(hosts[0] if len(hosts) == 1 else None)
        return None

    def _on_handshake(self, address: str, failure: HandshakeFailure | None) -> None:
        """Take note of the end of a TLS handshake, and of why it failed."""
        if failure is None:
            for problem in (Problem.TLS_FAILED, Problem.CERTIFICATE_REFUSED):
                self._failures.pop((problem, address), None)
                self._problems.resolve(problem, address)
            return
        refusal = failure.refusal if _is_near(address) else None
        problem = Problem.TLS_FAILED if refusal is None else Problem.CERTIFICATE_REFUSED
        now = asyncio.get_running_loop().time()
        failures, failed_at = self._failures.pop((problem, address), (0, now))
        failures = failures + 1 if now - failed_at <= _FAILURES_WITHIN_S else 1
        self._failures[problem, address] = failures, now
        if len(self._failures) > _MAX_ADDRESSES:
            del self._failures[next(iter(self._failures))]
        if failures < _MANY_FAILURES and not self._problems.is_open(problem, address):
            return
        certificate = failure.certificate
        if refusal is None or certificate is None:
            self._problems.report(problem, address, error=failure.reason)
            return
        self._problems.report(
            _REFUSED[refusal],
            address,
            error=failure.reason,
            address=address,
            alert=failure.alert or "none",
            host=failure.host or "-",
            names=", ".join(certificate.names[:_MAX_NAMES]) or "-",
            date=certificate.not_after.date().isoformat(),
        )

    async def _accept(self, socket: ServerConnection) -> None:
        """Serve a connection that passed the checks, whatever is wrong with us."""
        try:
            await self._serve(socket)
        except Exception as err:
            log_bug(err)
            raise  # closed with 1011

    async def _serve(self, socket: ServerConnection) -> None:
        """Serve a connection that passed the checks, until it ends."""
        station = cast(SecureConnection, socket).station
        if station is None:  # pragma: no cover - `_check` lets nobody in without
            return
        if socket not in self._limit:
            return  # it had to make room in the meantime
        goes = self._limit.admit(cast(SecureConnection, socket), station)
        if goes is not None:
            goes.turn_out()
        charge_point_id = station.config.charge_point_id
        _LOGGER.debug("Wallbox %s connected", charge_point_id)
        self._problems.resolve(Problem.CONNECTION_LOST, charge_point_id)
        self._accept_certificate(cast(SecureConnection, socket), station)
        connection = Connection(station, socket, self._schemas)
        await connection.serve()
        _LOGGER.debug("Wallbox %s disconnected", charge_point_id)
        if station.connection is None:  # no newer connection has replaced it
            self._problems.report(
                Problem.CONNECTION_LOST,
                charge_point_id,
                expected=self._stopping or connection.told_to_reboot,
            )

    def _accept_certificate(self, socket: SecureConnection, station: Station) -> None:
        """Take note by which name a wallbox came, and what it has accepted."""
        if socket.host not in (None, station.state.host):
            station.update(replace(station.state, host=socket.host))
        self.accepted = socket.certificate
        if self.accepted == self._certificates.info:
            self._problems.resolve(Problem.CERTIFICATE_UNTRUSTED)
