"""The TLS handshake with whoever connects, and what it tells of who fails.

The certificate is taken when a client comes, so that a renewed one needs no restart.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
import logging
import re
import ssl
from typing import Any, Final, cast, override

from websockets.asyncio.server import ServerConnection

from .certificate import (
    CertificateError,
    CertificateInfo,
    CertificateStore,
    Distrust,
    host_of,
    is_for,
    objection,
)
from .connection_limit import ConnectionLimit
from .errors import log_bug
from .station import Station

_LOGGER = logging.getLogger(__name__)

#: How long a client may take for the TLS handshake, in s.
HANDSHAKE_TIMEOUT = 10
#: So much is taken from one connection before the event loop's next round, in bytes.
_ONE_GO = 2 * 1024
#: The alerts that refuse a certificate (RFC 8446, 6.2), in OpenSSL's words.
_REFUSALS: Final = re.compile(
    "ALERT_("
    "BAD_CERTIFICATE|UNSUPPORTED_CERTIFICATE|CERTIFICATE_REVOKED|CERTIFICATE_EXPIRED|"
    "CERTIFICATE_UNKNOWN|UNKNOWN_CA)$"
)


#: How a handshake ends where the client cannot check a key of this kind.
_NO_WAY_TO_CHECK: Final = frozenset(
    {"NO_SHARED_CIPHER", "NO_SUITABLE_SIGNATURE_ALGORITHM"}
)


class Refusal(Enum):
    """What a client does not accept of the certificate."""

    UNSAID = auto()
    """It does not say, and nothing is known here."""
    AUTHORITY = auto()
    """Who issued it."""
    NAME = auto()
    """The name: the client came by another one."""
    VALIDITY = auto()
    """Its dates, or those of one in its chain."""
    KEY = auto()
    """The kind of its key: the client knows RSA alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HandshakeFailure:
    """Why a TLS handshake failed."""

    reason: str
    """In the words of OpenSSL, or of the operating system."""
    hung_up: bool = False
    """Whether the client ended it without a word."""
    host: str | None = None
    """The name that it asked for; None: none."""
    certificate: CertificateInfo | None = None
    """What it was shown."""

    @property
    def alert(self) -> str | None:
        """Return the alert that refuses the certificate; None: there was none."""
        found = _REFUSALS.search(self.reason)
        return None if found is None else found[1].lower()

    @property
    def refusal(self) -> Refusal | None:
        """Return what the client does not accept of the certificate; None: no refusal.

        Some hang up where they should send the alert, or have no cipher for the key.
        That counts if they asked for a name: what looks for open ports knows none.
        """
        alert, certificate = self.alert, self.certificate
        cannot = self.reason in _NO_WAY_TO_CHECK
        if certificate is None or (
            alert is None and (self.host is None or not (self.hung_up or cannot))
        ):
            return None
        if self.host is not None and not is_for(certificate.names, self.host):
            return Refusal.NAME
        if cannot:
            return None if certificate.rsa else Refusal.KEY
        if alert == "certificate_expired":
            return Refusal.VALIDITY
        if alert == "unknown_ca" or certificate.chain in (
            Distrust.SELF_SIGNED,
            Distrust.CHAIN_INCOMPLETE,
        ):
            return Refusal.AUTHORITY
        return Refusal.UNSAID


class SecureConnection(ServerConnection, asyncio.BufferedProtocol):
    """A server connection that takes its certificate when a client comes.

    The `ssl` argument of a server fixes its certificate for good. Here the TCP
    connection is accepted plain, the certificate is looked at, and the first thing on
    the wire is the TLS handshake: a client that speaks anything else is hung up on.

    As a buffered protocol it says how much TLS hands over in one go; by itself that is
    256 KiB, and 40,000 pings in it take 0.1 s.
    """

    def __init__(
        self,
        *args: Any,
        certificates: CertificateStore,
        limit: ConnectionLimit[SecureConnection],
        on_handshake: Callable[[str, HandshakeFailure | None], None],
        **kwargs: Any,
    ) -> None:
        """Take the certificates, and what counts the connections.

        `on_handshake` is told whose handshake is over, and why it failed.
        """
        super().__init__(*args, **kwargs)
        self._certificates = certificates
        self._limit = limit
        self._on_handshake = on_handshake
        self._plain: asyncio.Transport | None = None
        self._handshake: asyncio.Task[None] | None = None
        self._secured = False
        self._room = memoryview(bytearray(_ONE_GO))
        self._full = False
        """Whether there was more to be read than there is room for."""
        self._early: list[bytes] = []
        """What came before the WebSocket was there for it."""
        self._address = "?"
        self.certificate: CertificateInfo | None = None
        """The certificate that it is shown."""
        self.host: str | None = None
        """The name that it asked for in TLS; None: none."""
        self._judged = False
        """Whether it was said what the client thinks of the certificate."""
        self.station: Station | None = None
        """Whose connection it is, once that was checked."""

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start the TLS handshake on a new TCP connection, where there is room."""
        plain = self._plain = cast(asyncio.Transport, transport)
        plain.pause_reading()  # until TLS reads; `start_tls` wants it so
        if peername := plain.get_extra_info("peername"):
            self._address = str(peername[0])
        goes = self._limit.enter(self, self._address)
        if goes is not None:
            goes.turn_out("it does not go on")
        if goes is not self:
            self._handshake = self.loop.create_task(self._secure(plain))

    @override
    def get_buffer(self, sizehint: int) -> memoryview:
        """Return where TLS puts what it has read, before everybody else's turn."""
        if self._plain is not None and self._full:
            self._full = False
            self._plain.resume_reading()
        return self._room

    @override
    def buffer_updated(self, nbytes: int) -> None:
        """Take what TLS has read.

        Where there is more, TLS goes on in the next round; once in a round, as long as
        nothing else comes in.
        """
        if self._plain is not None and nbytes == len(self._room):
            self._full = True
            self._plain.pause_reading()
        self.data_received(bytes(self._room[:nbytes]))

    @override
    def data_received(self, data: bytes) -> None:
        """Hand data to the WebSocket, or keep it.

        What came together with the end of the handshake is here before `start_tls` has
        returned, and the WebSocket has no transport yet to answer on.
        """
        if self._secured:
            self._accepted()
            super().data_received(data)
        else:
            self._early.append(data)

    @override
    def eof_received(self) -> None:
        """Pass it on to the WebSocket, where there is one. The transport closes."""
        if self._secured:
            if not self.transport.is_closing():
                self._hung_up()
            super().eof_received()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        """Pass it on to the WebSocket, where there is one."""
        self._limit.leave(self)
        if self._secured:
            if exc is not None:
                self._hung_up()
            super().connection_lost(exc)

    def turn_out(self, reason: str | None = None) -> None:
        """Hang up at once, whatever the other side does.

        `reason`: what is said of a handshake that ends by that; None: nothing.
        """
        self._limit.leave(self)
        if self._secured:
            _LOGGER.debug("Hung up on %s", self._address)
            self.transport.abort()
            return
        if self._plain is not None:
            self._plain.abort()
        if self._handshake is not None and not self._handshake.done():
            self._handshake.cancel()
            if reason is not None:
                self._failed(HandshakeFailure(reason=reason))

    async def until_handshake_over(self) -> None:
        """Wait until nothing of a handshake is left."""
        if self._handshake is not None:
            await asyncio.gather(self._handshake, return_exceptions=True)

    def _failed(self, failure: HandshakeFailure) -> None:
        """Take note that the handshake failed."""
        _LOGGER.debug("TLS handshake with %s failed: %s", self._address, failure.reason)
        self._on_handshake(self._address, failure)

    def _is_doubtful(self) -> bool:
        """Return whether a client has reason to hang up still.

        Some libraries look at the certificate only once the handshake is over. Who asks
        for no name may have come by an address.
        """
        if self.host is None or self.certificate is None:
            return True
        return objection(self.certificate, (self.host,)) is not None

    def _accepted(self) -> None:
        """Take note that the client accepts the certificate."""
        if not self._judged:
            self._judged = True
            self._on_handshake(self._address, None)

    def _hung_up(self) -> None:
        """Take note that the client went without a word after the handshake."""
        if not self._judged:
            self._judged = True
            self._failed(
                HandshakeFailure(
                    reason="hung up after the handshake",
                    hung_up=True,
                    host=self.host,
                    certificate=self.certificate,
                )
            )

    async def _secure(self, transport: asyncio.Transport) -> None:
        """Shake hands and hand over to the WebSocket."""
        try:
            context = await self._certificates.context()
            self.certificate = self._certificates.info
            secure: Any = await self.loop.start_tls(
                transport,
                self,
                self._listening(context),
                server_side=True,
                ssl_handshake_timeout=HANDSHAKE_TIMEOUT,
            )
            if self._early or not self._is_doubtful():
                self._accepted()
            if secure is None or secure.is_closing():  # gone as soon as it was there
                self._hung_up()
                self._limit.leave(self)
                transport.abort()
                return
            super().connection_made(secure)
            self._secured = True
            for data in self._early:
                super().data_received(data)
            self._early.clear()
        except (OSError, CertificateError) as err:
            # Scanners, plain ws, a client that does not trust the certificate.
            self._limit.leave(self)
            transport.abort()
            reason = err.reason if isinstance(err, ssl.SSLError) else None
            hung_up = isinstance(err, ConnectionResetError)
            self._failed(
                HandshakeFailure(
                    reason="hung up"
                    if hung_up
                    else reason or str(err) or type(err).__name__,
                    hung_up=hung_up,
                    host=self.host,
                    certificate=self.certificate,
                )
            )
        except Exception as err:  # noqa: BLE001 - nobody else would hear of a bug here
            log_bug(err)
            self._limit.leave(self)
            transport.abort()

    def _listening(self, context: ssl.SSLContext) -> ssl.SSLContext:
        """Return a context of this connection alone, which hears the name asked for.

        Its certificate is that of `context`, which all share. It resumes no session of
        before, so that whoever gets in has accepted the certificate.
        """
        own = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        own.minimum_version = context.minimum_version

        def heard(client: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
            self.host = host_of(name)
            client.context = context

        own.sni_callback = heard
        return own
