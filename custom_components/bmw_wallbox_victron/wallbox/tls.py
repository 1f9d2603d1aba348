"""The server's certificate: checked before it is used, renewed without a restart.

Delta boxes check the certificate's name and chain, so people use a public certificate
for a local name and renew it every 60 to 90 days. Files are read in a thread.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
import logging
from pathlib import Path
import ssl
from typing import Any, cast, override

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from websockets.asyncio.server import ServerConnection

from .connection_limit import ConnectionLimit
from .errors import log_bug
from .station import Station

_LOGGER = logging.getLogger(__name__)

#: How long a client may take for the TLS handshake, in s.
HANDSHAKE_TIMEOUT = 10
#: No certificate or key file is longer, in bytes.
_MAX_FILE = 1_000_000
#: So much is taken from one connection before the event loop's next round, in bytes.
_ONE_GO = 4 * 1024


class CertificateFault(StrEnum):
    """What is wrong with the certificate or the key."""

    NOT_FOUND = "not_found"
    UNREADABLE = "unreadable"
    NOT_PEM = "not_pem"
    KEY_ENCRYPTED = "key_encrypted"
    KEY_MISMATCH = "key_mismatch"
    REFUSED = "refused"
    EXPIRED = "expired"
    NOT_YET_VALID = "not_yet_valid"


class CertificateError(Exception):
    """The certificate cannot be used."""

    def __init__(self, fault: CertificateFault, *, in_key: bool = False) -> None:
        """Name the fault, and whether it lies in the key file."""
        super().__init__(f"{'key' if in_key else 'certificate'}: {fault}")
        self.fault = fault
        self.in_key = in_key


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateInfo:
    """What the server's certificate says."""

    not_before: datetime
    """Start of its validity."""
    not_after: datetime
    """End of its validity."""
    names: tuple[str, ...]
    """DNS names that it is for."""
    self_signed: bool
    """Whether it vouches for itself: a wallbox does not accept that."""


def check_validity(info: CertificateInfo, now: datetime) -> None:
    """Raise CertificateError where the certificate is not valid at `now`."""
    if now < info.not_before:
        raise CertificateError(CertificateFault.NOT_YET_VALID)
    if now > info.not_after:
        raise CertificateError(CertificateFault.EXPIRED)


def read_certificate(path: str) -> CertificateInfo:
    """Read the first certificate of a PEM chain. Blocks: call it in a thread."""
    try:
        certificate = x509.load_pem_x509_certificates(_read(path, in_key=False))[0]
    except ValueError as err:
        raise CertificateError(CertificateFault.NOT_PEM) from err
    return CertificateInfo(
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        names=_names(certificate),
        self_signed=certificate.issuer == certificate.subject,
    )


def check_key(path: str) -> None:
    """Raise CertificateError where the key file cannot be used. Blocks."""
    try:
        serialization.load_pem_private_key(_read(path, in_key=True), password=None)
    except TypeError as err:
        raise CertificateError(CertificateFault.KEY_ENCRYPTED, in_key=True) from err
    except (ValueError, UnsupportedAlgorithm) as err:
        raise CertificateError(CertificateFault.NOT_PEM, in_key=True) from err


def load_context(certificate: str, key: str) -> ssl.SSLContext:
    """Make the server's TLS context (TLS 1.2 or newer). Blocks: call it in a thread.

    Raises CertificateError, also where the key belongs to another certificate.
    """
    read_certificate(certificate)
    check_key(key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(certificate, key)
    except ssl.SSLError as err:
        if err.reason == "KEY_VALUES_MISMATCH":
            raise CertificateError(CertificateFault.KEY_MISMATCH, in_key=True) from err
        raise CertificateError(CertificateFault.REFUSED) from err
    except OSError as err:
        raise CertificateError(CertificateFault.UNREADABLE) from err
    return context


def _read(path: str, *, in_key: bool) -> bytes:
    """Read a file that somebody typed the path of."""
    try:
        with Path(path).open("rb") as file:
            return file.read(_MAX_FILE)
    except FileNotFoundError as err:
        raise CertificateError(CertificateFault.NOT_FOUND, in_key=in_key) from err
    except (OSError, ValueError) as err:
        raise CertificateError(CertificateFault.UNREADABLE, in_key=in_key) from err


def _names(certificate: x509.Certificate) -> tuple[str, ...]:
    """List the DNS names that a certificate is for."""
    try:
        extension = certificate.extensions.get_extension_for_class(
            x509.SubjectAlternativeName
        )
    except x509.ExtensionNotFound, ValueError:
        return ()
    return tuple(extension.value.get_values_for_type(x509.DNSName))


class CertificateStore:
    """The certificate on disk, and the TLS context made from it."""

    def __init__(self, certificate: str, key: str) -> None:
        """Take the paths of the PEM files."""
        self.certificate = certificate
        self.key = key
        self._stamp: tuple[int, ...] | None = None
        self._context: ssl.SSLContext | None = None
        self._lock = asyncio.Lock()
        self.info: CertificateInfo | None = None
        """What the certificate in use says."""
        self.fault: CertificateError | None = None
        """Why the files on disk cannot be used now; None: they can."""

    async def context(self) -> ssl.SSLContext:
        """Return the context of the certificate that lies on disk now.

        A file caught in the middle of its renewal leaves the context as it was. Raises
        CertificateError where there never was a usable one.
        """
        async with self._lock:
            return await asyncio.to_thread(self._refresh)

    def _refresh(self) -> ssl.SSLContext:
        """Load the files where they changed. Runs in a thread."""
        stamp = self._files_stamp()
        if self._context is not None and stamp == self._stamp:
            self.fault = None
            return self._context
        try:
            context = load_context(self.certificate, self.key)
            info = read_certificate(self.certificate)
        except CertificateError as err:
            self.fault = err
            if self._context is None:
                raise
            return self._context
        self.fault = None
        self._context, self._stamp, self.info = context, stamp, info
        return context

    def _files_stamp(self) -> tuple[int, ...] | None:
        """Return what tells versions of the files apart; links are followed."""
        try:
            both = [Path(path).stat() for path in (self.certificate, self.key)]
        except OSError, ValueError:
            return None
        return tuple(
            item
            for stat in both
            for item in (stat.st_mtime_ns, stat.st_ino, stat.st_size)
        )


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
        on_handshake: Callable[[str, str | None], None],
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
            super().data_received(data)
        else:
            self._early.append(data)

    @override
    def eof_received(self) -> None:
        """Pass it on to the WebSocket, where there is one. The transport closes."""
        if self._secured:
            super().eof_received()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        """Pass it on to the WebSocket, where there is one."""
        self._limit.leave(self)
        if self._secured:
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
                self._failed(reason)

    async def until_handshake_over(self) -> None:
        """Wait until nothing of a handshake is left."""
        if self._handshake is not None:
            await asyncio.gather(self._handshake, return_exceptions=True)

    def _failed(self, reason: str) -> None:
        """Take note that the handshake failed."""
        _LOGGER.debug("TLS handshake with %s failed: %s", self._address, reason)
        self._on_handshake(self._address, reason)

    async def _secure(self, transport: asyncio.Transport) -> None:
        """Shake hands and hand over to the WebSocket."""
        try:
            context = await self._certificates.context()
            secure: Any = await self.loop.start_tls(
                transport,
                self,
                context,
                server_side=True,
                ssl_handshake_timeout=HANDSHAKE_TIMEOUT,
            )
            if secure is None or secure.is_closing():  # gone as soon as it was there
                self._limit.leave(self)
                transport.abort()
                return
            self._on_handshake(self._address, None)
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
            self._failed(reason or str(err) or type(err).__name__)
        except Exception as err:  # noqa: BLE001 - nobody else would hear of a bug here
            log_bug(err)
            self._limit.leave(self)
            transport.abort()
