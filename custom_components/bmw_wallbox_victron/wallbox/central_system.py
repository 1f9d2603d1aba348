"""The WSS server that wallboxes connect to (OCPP 2.0.1 Part 4, section 3)."""

from base64 import b64decode
import binascii
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial
from http import HTTPStatus
import logging
import re
from typing import Any, Final, cast
from urllib.parse import unquote

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from .charge_point import ChargePoint
from .gate import Schemas
from .station import Station
from .tls import CertificateStore, SecureConnection

_LOGGER = logging.getLogger(__name__)

SUBPROTOCOL: Final = Subprotocol("ocpp2.0.1")
#: An identity has at most 48 characters (Part 4, 3.1.1).
MAX_IDENTITY: Final = 48
#: What OCPP 2.0.1 allows in an identity (identifierString, Part 2 section 3).
_IDENTITY: Final = re.compile(r"[A-Za-z0-9*\-_=:+|@.]+")
#: Above this a frame ends the connection with 1009; below, it is answered. In bytes.
MAX_FRAME: Final = 4 * 1024 * 1024
#: A dead line is found within twice this, in s.
PING_INTERVAL: Final = 30
#: The same refusal is logged once in this time.
LOG_AGAIN_AFTER: Final = timedelta(hours=1)
#: Of so many refusals in that time strangers are not logged any more. There are only a
#: few for each wallbox, and these always are.
_REFUSALS_AN_HOUR: Final = 64
#: The WebSocket server logs headers with passwords and frames with tokens, at levels
#: that users switch on. It writes here: nowhere. What matters is logged by us.
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


class Answer(StrEnum):
    """How somebody who knocks is answered."""

    ADMITTED = "admitted"
    UNKNOWN = "unknown"
    """There is no such charge point."""
    WRONG_PASSWORD = "wrong_password"  # noqa: S105 - an answer's name


@dataclass(frozen=True, slots=True, kw_only=True)
class Knock:
    """Somebody who speaks OCPP wants to connect."""

    answer: Answer
    """What became of it."""
    charge_point_id: str
    """The id that is configured; of a stranger, what it says, whatever that is."""
    address: str
    """Where it comes from."""


def is_identity(text: str) -> bool:
    """Tell whether a text may be a station's identity."""
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


class CentralSystem:
    """Accepts the connections of configured stations, one live one each."""

    def __init__(
        self,
        config: ServerConfig,
        *,
        stations: Iterable[Station],
        schemas: Schemas,
        certificates: CertificateStore,
        clock: Callable[[], datetime],
        on_knock: Callable[[Knock], None],
    ) -> None:
        """Serve `stations`; `schemas` are loaded beforehand, in a thread.

        `on_knock` is told of each that comes, however often: its id is all that is
        known of a stranger, and may be anything.
        """
        self._config = config
        self._stations = {
            station.config.charge_point_id.casefold(): station for station in stations
        }
        self._schemas = schemas
        self._certificates = certificates
        self._clock = clock
        self._on_knock = on_knock
        self._server: Server | None = None
        self._connections: set[SecureConnection] = set()
        self._refusals: OrderedDict[str, datetime] = OrderedDict()

    async def start(self) -> None:
        """Listen.

        Raises OSError where the port is taken, CertificateError where there is no
        certificate to listen with.
        """
        await self._certificates.context()
        connection = partial(
            SecureConnection,
            certificates=self._certificates,
            open_connections=self._connections,
        )
        self._server = await serve(
            self._serve,
            self._config.host,
            self._config.port,
            subprotocols=[SUBPROTOCOL],
            process_request=self._check,
            server_header=None,
            ping_interval=PING_INTERVAL,
            ping_timeout=PING_INTERVAL,
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
        for connection in tuple(self._connections):
            await connection.abandon_handshake()
        self._server.close()
        await self._server.wait_closed()
        self._server = None

    def _check(self, connection: ServerConnection, request: Request) -> Response | None:
        """Refuse who may not connect, before the upgrade; None: it goes on."""
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
                self._tell(Answer.UNKNOWN, identity, connection)
            self._log_refusal(
                f"An unknown charge point knocks, with the id {identity!r}: if it is "
                "yours, add it as a wallbox or mend the id in its installer app",
                stranger=True,
            )
            return connection.respond(HTTPStatus.NOT_FOUND, "Unknown charge point\n")
        # Headers may come twice; then none of them counts.
        headers = request.headers.get_all("Authorization")
        header = headers[0] if len(headers) == 1 else None
        charge_point_id = station.config.charge_point_id
        if not station.config.admits(basic_credentials(header)):
            self._tell(Answer.WRONG_PASSWORD, charge_point_id, connection)
            self._log_refusal(
                f"Wallbox {charge_point_id} came with a wrong password "
                "or none: set the same one here and in its installer app"
            )
            response = connection.respond(HTTPStatus.UNAUTHORIZED, "Wrong password\n")
            response.headers["WWW-Authenticate"] = 'Basic realm="OCPP"'
            return response
        self._tell(Answer.ADMITTED, charge_point_id, connection)
        if SUBPROTOCOL not in offered:
            self._log_refusal(
                f"Wallbox {charge_point_id} does not speak OCPP 2.0.1: "
                "set its protocol to OCPP 2.0.1 in its installer app"
            )
            return connection.respond(HTTPStatus.BAD_REQUEST, "Speak ocpp2.0.1\n")
        cast(SecureConnection, connection).station = station
        return None

    def _tell(
        self, answer: Answer, charge_point_id: str, connection: ServerConnection
    ) -> None:
        """Tell how somebody was answered."""
        peer = connection.remote_address
        self._on_knock(
            Knock(
                answer=answer,
                charge_point_id=charge_point_id,
                address=str(peer[0]) if peer else "?",
            )
        )

    def _log_refusal(self, message: str, *, stranger: bool = False) -> None:
        """Log a refusal, but not each time that the same one comes back."""
        now = self._clock()
        while self._refusals:
            oldest = next(iter(self._refusals))
            if now - self._refusals[oldest] < LOG_AGAIN_AFTER:
                break
            del self._refusals[oldest]
        if message in self._refusals:
            return
        if stranger and len(self._refusals) >= _REFUSALS_AN_HOUR:
            return  # somebody tries ids; the first ones say enough
        self._refusals[message] = now
        _LOGGER.warning("%s", message)

    async def _serve(self, connection: ServerConnection) -> None:
        """Serve a connection that passed the checks, until it ends."""
        station = cast(SecureConnection, connection).station
        if station is None:  # pragma: no cover - `_check` lets nobody in without
            return
        _LOGGER.debug("Wallbox %s connected", station.config.charge_point_id)
        await ChargePoint(station, connection, self._schemas).serve()
        _LOGGER.debug("Wallbox %s disconnected", station.config.charge_point_id)
