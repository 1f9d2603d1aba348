"""The certificate of the server: whether it can be used, and what a wallbox says of it.

Delta boxes check the certificate's name and chain, so people use a public certificate
for a local name and renew it every 60 to 90 days.
"""

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from pathlib import Path
import re
import ssl
from typing import Final

import certifi
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import PublicKeyAlgorithmOID

#: No certificate or key file is longer, in bytes.
_MAX_FILE: Final = 1_000_000
#: What a host name, or an IPv4 address, is made of.
_HOST: Final = re.compile(r"[a-z0-9_](?:[a-z0-9._-]{0,251}[a-z0-9_])?")
#: OpenSSL's X509_V_FLAG_NO_CHECK_TIME, which `ssl` has no name for.
_NO_CHECK_TIME: Final = ssl.VerifyFlags(0x200000)


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


class Distrust(StrEnum):
    """Why a wallbox does not accept a certificate that can be used."""

    SELF_SIGNED = "self_signed"
    CHAIN_INCOMPLETE = "chain_incomplete"
    REFUSED = "refused"
    NO_NAME = "no_name"
    OTHER_NAME = "other_name"


#: By OpenSSL's X509_V_ERR_ codes: the issuer of one of its certificates is not there
#: (2, 20, 21) or not trusted (19), or there is none (18). All else is its keys, or what
#: they may be used for.
_VERDICTS: Final = {
    2: Distrust.CHAIN_INCOMPLETE,
    18: Distrust.SELF_SIGNED,
    19: Distrust.CHAIN_INCOMPLETE,
    20: Distrust.CHAIN_INCOMPLETE,
    21: Distrust.CHAIN_INCOMPLETE,
}


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
    rsa: bool = True
    """Whether its key is an RSA key: some clients know no other."""
    chain: Distrust | None = None
    """What a client finds wrong with its chain; None: nothing, or nobody looked."""


@dataclass(frozen=True, slots=True)
class Objection:
    """Why a wallbox that checks a certificate refuses it."""

    distrust: Distrust
    """What it does not accept."""
    host: str = ""
    """The name that the certificate is not for; empty: that is not the reason."""


def is_for(names: Iterable[str], host: str) -> bool:
    """Return whether a certificate for these names is one for a host.

    A wildcard stands for one label, and for no address.
    """
    parent = host.partition(".")[2]
    return host in names or bool(parent and f"*.{parent}" in names)


def objection(info: CertificateInfo, hosts: Iterable[str] = ()) -> Objection | None:
    """Return why a wallbox will refuse a certificate; None: nothing speaks against it.

    `hosts`: the names by which wallboxes came last.
    """
    if info.chain is not None:
        return Objection(info.chain)
    if not info.names:
        return Objection(Distrust.NO_NAME)
    for host in sorted(hosts):
        if not is_for(info.names, host):
            return Objection(Distrust.OTHER_NAME, host)
    return None


def check_validity(info: CertificateInfo, now: datetime) -> None:
    """Raise CertificateError where the certificate is not valid at `now`."""
    if now < info.not_before:
        raise CertificateError(CertificateFault.NOT_YET_VALID)
    if now > info.not_after:
        raise CertificateError(CertificateFault.EXPIRED)


def host_of(text: str | None) -> str | None:
    """Return the host name that a client gave in TLS or HTTP, without its port.

    None: it gave none, or nothing that can be one.
    """
    host, _, port = (text or "").partition(":")
    host = host.lower().removesuffix(".")
    if port and not port.isdecimal():
        return None  # an IPv6 address, too
    return host if _HOST.fullmatch(host) else None


def read_certificate(path: str) -> CertificateInfo:
    """Read the first certificate of a PEM chain. Blocks: call it in a thread."""
    return _info(_chain(path)[0])


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


def examine(context: ssl.SSLContext, certificate: str) -> CertificateInfo:
    """Read a certificate, and have a client look at its chain. Blocks.

    The client is OpenSSL's own, without a socket. Beside the public authorities it
    trusts the roots that are in the file: a wallbox may have been given such a one.
    When the certificate is valid is another question.
    """
    leaf, *others = _chain(certificate)
    info = _info(leaf)
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.verify_flags |= _NO_CHECK_TIME
    client.load_verify_locations(certifi.where())
    for each in others:
        if each.issuer == each.subject and each != leaf:
            client.load_verify_locations(cadata=each.public_bytes(Encoding.DER))
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = context.wrap_bio(to_server, to_client, server_side=True)
    theirs = client.wrap_bio(to_client, to_server)
    try:
        for side in (theirs, ours, theirs):
            with suppress(ssl.SSLWantReadError):
                side.do_handshake()
    except ssl.SSLCertVerificationError as err:
        return replace(info, chain=_VERDICTS.get(err.verify_code, Distrust.REFUSED))
    except ssl.SSLError:
        return replace(info, chain=Distrust.REFUSED)
    return info


def _chain(path: str) -> list[x509.Certificate]:
    """Read the certificates of a PEM file."""
    try:
        return x509.load_pem_x509_certificates(_read(path, in_key=False))
    except ValueError as err:
        raise CertificateError(CertificateFault.NOT_PEM) from err


def _info(certificate: x509.Certificate) -> CertificateInfo:
    """Return what a certificate says."""
    return CertificateInfo(
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        names=_names(certificate),
        self_signed=certificate.issuer == certificate.subject,
        rsa=certificate.public_key_algorithm_oid
        == PublicKeyAlgorithmOID.RSAES_PKCS1_v1_5,
    )


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
    names = extension.value.get_values_for_type(x509.DNSName)
    return tuple(name.lower() for name in names)


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
            info = examine(context, self.certificate)
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
