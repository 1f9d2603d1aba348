"""A certificate authority of one's own, for the demo and the tests.

A wallbox checks the certificate's chain and name, and so does the simulated one: it is
given this authority to trust.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
import ssl

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass(frozen=True, slots=True)
class Files:
    """Where the PEM files lie."""

    certificate: Path
    """The server's chain."""
    key: Path
    """The server's private key."""
    authority: Path
    """The authority that a wallbox has to trust."""

    def client_context(self) -> ssl.SSLContext:
        """Make the TLS context of a client that trusts the authority."""
        return ssl.create_default_context(cafile=str(self.authority))


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def issue(
    folder: Path,
    *,
    names: tuple[str, ...] = ("localhost",),
    not_before: datetime | None = None,
    not_after: datetime | None = None,
    self_signed: bool = False,
    without_chain: bool = False,
) -> Files:
    """Issue a server certificate, valid for 90 days, with a new authority.

    Writes `fullchain.pem`, `privkey.pem` and `authority.pem` to `folder`. Blocks.
    `self_signed`: it is its own authority, as wallboxes do not accept it;
    `without_chain`: the first file lacks the authority, which is as bad.
    """
    now = datetime.now(UTC)
    start = not_before or now - timedelta(days=1)
    end = not_after or now + timedelta(days=90)
    authority_key = ec.generate_private_key(ec.SECP256R1())
    authority = (
        x509.CertificateBuilder()
        .subject_name(_name("Demo authority"))
        .issuer_name(_name("Demo authority"))
        .public_key(authority_key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(min(start, now - timedelta(days=1)))
        .not_valid_after(max(end, now + timedelta(days=3650)))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(
            x509.KeyUsage(
                digital_signature=False,
                content_commitment=False,
                key_encipherment=False,
                data_encipherment=False,
                key_agreement=False,
                key_cert_sign=True,
                crl_sign=True,
                encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
        .add_extension(
            x509.SubjectKeyIdentifier.from_public_key(authority_key.public_key()),
            critical=False,
        )
        .sign(authority_key, hashes.SHA256())
    )
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _name(names[0]) if names else x509.Name([])
    signer = key if self_signed else authority_key
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject if self_signed else authority.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()),
            critical=False,
        )
    )
    if names:
        builder = builder.add_extension(
            x509.SubjectAlternativeName([x509.DNSName(name) for name in names]),
            critical=False,
        )
    certificate = builder.sign(signer, hashes.SHA256())
    if self_signed:
        authority = certificate
    folder.mkdir(parents=True, exist_ok=True)
    files = Files(
        folder / "fullchain.pem", folder / "privkey.pem", folder / "authority.pem"
    )
    authority_pem = authority.public_bytes(serialization.Encoding.PEM)
    files.authority.write_bytes(authority_pem)
    files.key.touch(mode=0o600)
    files.key.write_bytes(_pem(key))
    chain = certificate.public_bytes(serialization.Encoding.PEM)
    if not self_signed and not without_chain:
        chain += authority_pem
    files.certificate.write_bytes(chain)
    return files
