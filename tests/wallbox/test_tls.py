"""The server's certificate: each fault by its name, and renewal without a restart."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
import os
from pathlib import Path
import ssl

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
import pytest

from custom_components.bmw_wallbox_victron.wallbox.certificate import (
    CertificateError,
    CertificateFault,
    CertificateInfo,
    CertificateStore,
    Distrust,
    Objection,
    check_key,
    check_validity,
    examine,
    host_of,
    load_context,
    objection,
    read_certificate,
)
from custom_components.bmw_wallbox_victron.wallbox.tls import (
    HandshakeFailure,
    Refusal,
)
from simulators import pki


@pytest.fixture
def files(tmp_path: Path) -> pki.Files:
    """A certificate and its key, to be spoilt."""
    return pki.issue(tmp_path / "ssl", names=("box.example.org", "localhost"))


def fault_of(files: pki.Files) -> tuple[CertificateFault, bool]:
    """Give what is wrong, and whether it lies in the key file."""
    with pytest.raises(CertificateError) as caught:
        load_context(str(files.certificate), str(files.key))
    assert str(caught.value).startswith("key" if caught.value.in_key else "certificate")
    return caught.value.fault, caught.value.in_key


def test_good_files(files: pki.Files) -> None:
    context = load_context(str(files.certificate), str(files.key))
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    info = read_certificate(str(files.certificate))
    assert info.names == ("box.example.org", "localhost")
    check_validity(info, datetime.now(UTC))


def test_certificate_without_names(files: pki.Files) -> None:
    """The authority's own has none, and vouches for itself."""
    info = read_certificate(str(files.authority))
    assert info.names == ()
    assert info.self_signed
    assert not read_certificate(str(files.certificate)).self_signed


# What a wallbox says of it


def examined(files: pki.Files) -> CertificateInfo:
    """Have a client look at the certificate."""
    context = load_context(str(files.certificate), str(files.key))
    return examine(context, str(files.certificate))


def test_chain(tmp_path: Path) -> None:
    """An authority of one's own is one like others, if its root is in the file."""
    assert examined(pki.issue(tmp_path)).chain is None
    alone = pki.issue(tmp_path, without_chain=True)
    assert examined(alone).chain is Distrust.CHAIN_INCOMPLETE
    itself = pki.issue(tmp_path, self_signed=True)
    assert examined(itself).chain is Distrust.SELF_SIGNED
    twice = itself.certificate.read_bytes() * 2
    itself.certificate.write_bytes(twice)
    assert examined(itself).chain is Distrust.SELF_SIGNED


def test_chain_of_another_day(tmp_path: Path) -> None:
    """That it has expired is said elsewhere, and with another sentence."""
    past = datetime.now(UTC) - timedelta(days=1)
    files = pki.issue(tmp_path, not_before=past - timedelta(days=9), not_after=past)
    assert examined(files).chain is None


@pytest.mark.parametrize("curve", [ec.SECP256R1(), ec.SECP224R1()])
def test_certificate_that_no_client_takes(
    files: pki.Files, curve: ec.EllipticCurve
) -> None:
    """Issued by who may issue none; with a key of a kind that TLS does not use."""
    issuer = x509.load_pem_x509_certificate(files.certificate.read_bytes())
    issuer_key = serialization.load_pem_private_key(files.key.read_bytes(), None)
    assert isinstance(issuer_key, ec.EllipticCurvePrivateKey)
    key = ec.generate_private_key(curve)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([]))
        .issuer_name(issuer.subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(issuer.not_valid_before_utc)
        .not_valid_after(issuer.not_valid_after_utc)
        .sign(issuer_key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    chain = certificate.public_bytes(pem) + files.certificate.read_bytes()
    files.certificate.write_bytes(chain)
    files.key.write_bytes(
        key.private_bytes(
            pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    assert examined(files).chain is Distrust.REFUSED


def info_for(*names: str, chain: Distrust | None = None) -> CertificateInfo:
    """Make a certificate for these names."""
    day = datetime(2026, 3, 1, tzinfo=UTC)
    return CertificateInfo(
        not_before=day, not_after=day, names=names, self_signed=False, chain=chain
    )


@pytest.mark.parametrize(
    ("info", "hosts", "distrust"),
    [
        (info_for("box.example.org"), [], None),
        (info_for("a.example.org", "box.example.org"), ["box.example.org"], None),
        (info_for("*.example.org"), ["box.example.org"], None),
        (info_for("*.example.org"), ["example.org"], "example.org"),
        (info_for("*.example.org"), ["a.b.example.org"], "a.b.example.org"),
        (info_for("a.example"), ["a.example", "b.example"], "b.example"),
        (info_for("a.example"), ["192.168.1.5"], "192.168.1.5"),
        (info_for(), ["a.example"], Distrust.NO_NAME),
        (info_for(chain=Distrust.SELF_SIGNED), ["a"], Distrust.SELF_SIGNED),
    ],
)
def test_objection(
    info: CertificateInfo, hosts: list[str], distrust: Distrust | str | None
) -> None:
    """The first reason is enough; a host stands for a name that it is not for."""
    found = objection(info, hosts)
    if isinstance(distrust, Distrust):
        assert found == Objection(distrust)
    elif distrust is not None:
        assert found == Objection(Distrust.OTHER_NAME, distrust)
    else:
        assert found is None


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("Box.Example.org:9000", "box.example.org"),
        ("box.example.org.", "box.example.org"),
        ("192.168.1.5:9000", "192.168.1.5"),
        ("my_box", "my_box"),
        ("[fd00::1]:9000", None),
        ("box:9000`", None),
        ("**x**", None),
        ("x" * 300, None),
        ("", None),
        (None, None),
    ],
)
def test_host_that_a_client_gives(text: str | None, host: str | None) -> None:
    """What can be no host, or means something where it is shown, is none."""
    assert host_of(text) == host


@pytest.mark.parametrize(
    ("reason", "host", "refusal"),
    [
        ("TLSV1_ALERT_UNKNOWN_CA", "a.example", Refusal.AUTHORITY),
        ("TLSV1_ALERT_UNKNOWN_CA", None, Refusal.AUTHORITY),
        ("SSLV3_ALERT_BAD_CERTIFICATE", "b.example", Refusal.NAME),
        ("SSLV3_ALERT_BAD_CERTIFICATE", None, Refusal.UNSAID),
        ("SSLV3_ALERT_CERTIFICATE_UNKNOWN", "a.example", Refusal.UNSAID),
        ("SSLV3_ALERT_CERTIFICATE_EXPIRED", "a.example", Refusal.VALIDITY),
        ("hung up", "a.example", Refusal.UNSAID),
        ("hung up", "b.example", Refusal.NAME),
        ("hung up", None, None),
        ("SSLV3_ALERT_HANDSHAKE_FAILURE", "a.example", None),
        ("NO_SHARED_CIPHER", "a.example", None),
        ("NO_SHARED_CIPHER", "b.example", Refusal.NAME),
        ("NO_SHARED_CIPHER", None, None),
    ],
)
def test_refusal(reason: str, host: str | None, refusal: Refusal | None) -> None:
    """By the alert, and by what is known here of the certificate.

    Who looks for open ports hangs up as well, but asks for no name.
    """
    failure = HandshakeFailure(
        reason=reason,
        hung_up=reason == "hung up",
        host=host,
        certificate=info_for("a.example"),
    )
    assert failure.refusal is refusal
    bad = replace(
        failure, certificate=info_for("a.example", chain=Distrust.SELF_SIGNED)
    )
    if refusal is Refusal.UNSAID:
        assert bad.refusal is Refusal.AUTHORITY
    assert replace(failure, certificate=None).refusal is None


# Validity


def test_validity_by_the_second() -> None:
    day = datetime(2026, 3, 1, tzinfo=UTC)
    info = CertificateInfo(
        not_before=day,
        not_after=day + timedelta(days=90),
        names=(),
        self_signed=False,
    )
    second = timedelta(seconds=1)
    check_validity(info, info.not_before)
    check_validity(info, info.not_after)
    with pytest.raises(CertificateError) as early:
        check_validity(info, info.not_before - second)
    assert early.value.fault is CertificateFault.NOT_YET_VALID
    with pytest.raises(CertificateError) as late:
        check_validity(info, info.not_after + second)
    assert late.value.fault is CertificateFault.EXPIRED


@pytest.mark.parametrize(
    ("first", "last", "fault"),
    [
        (-90, -1, CertificateFault.EXPIRED),
        (1, 90, CertificateFault.NOT_YET_VALID),
    ],
)
def test_validity_of_files(
    tmp_path: Path, first: int, last: int, fault: CertificateFault
) -> None:
    """Such a certificate can be read: its dates are what is wrong with it."""
    now = datetime.now(UTC)
    files = pki.issue(
        tmp_path,
        not_before=now + timedelta(days=first),
        not_after=now + timedelta(days=last),
    )
    info = read_certificate(str(files.certificate))
    with pytest.raises(CertificateError) as caught:
        check_validity(info, now)
    assert caught.value.fault is fault
    assert not caught.value.in_key


# Faults of the files


def _missing(path: Path) -> None:
    path.unlink()


def _directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _loop(path: Path) -> None:
    path.unlink()
    path.symlink_to(path)


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _text(path: Path) -> None:
    path.write_text("Hello, this is no certificate.\n", encoding="utf-8")


def _half(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:150])


def _noise(path: Path) -> None:
    path.write_bytes(bytes(range(256)) * 8)


@pytest.mark.parametrize("in_key", [False, True], ids=["certificate", "key"])
@pytest.mark.parametrize(
    ("spoil", "fault"),
    [
        (_missing, CertificateFault.NOT_FOUND),
        (_directory, CertificateFault.UNREADABLE),
        (_loop, CertificateFault.UNREADABLE),
        (_empty, CertificateFault.NOT_PEM),
        (_text, CertificateFault.NOT_PEM),
        (_half, CertificateFault.NOT_PEM),
        (_noise, CertificateFault.NOT_PEM),
    ],
)
def test_spoilt_file(
    files: pki.Files,
    spoil: Callable[[Path], None],
    fault: CertificateFault,
    in_key: bool,
) -> None:
    """The fault is named, and the file it is in."""
    spoil(files.key if in_key else files.certificate)
    assert fault_of(files) == (fault, in_key)


@pytest.mark.parametrize("path", ["\0", "x" * 5000])
def test_path_that_no_file_can_have(path: str) -> None:
    with pytest.raises(CertificateError) as caught:
        read_certificate(path)
    assert caught.value.fault is CertificateFault.UNREADABLE
    with pytest.raises(CertificateError) as caught:
        check_key(path)
    assert caught.value.in_key


def test_der_files(files: pki.Files) -> None:
    """The binary form of both; a `.crt` or `.key` often is."""
    certificate = x509.load_pem_x509_certificate(files.certificate.read_bytes())
    pem = files.certificate.read_bytes()
    files.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.DER))
    assert fault_of(files) == (CertificateFault.NOT_PEM, False)
    files.certificate.write_bytes(pem)
    key = serialization.load_pem_private_key(files.key.read_bytes(), None)
    files.key.write_bytes(
        key.private_bytes(
            serialization.Encoding.DER,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    assert fault_of(files) == (CertificateFault.NOT_PEM, True)


def test_files_swapped(files: pki.Files) -> None:
    """The key's path typed for the certificate: no certificate is in there."""
    swapped = pki.Files(files.key, files.certificate, files.authority)
    assert fault_of(swapped) == (CertificateFault.NOT_PEM, False)


@pytest.mark.parametrize(
    "form",
    [
        serialization.PrivateFormat.PKCS8,
        serialization.PrivateFormat.TraditionalOpenSSL,
    ],
)
def test_encrypted_key(files: pki.Files, form: serialization.PrivateFormat) -> None:
    key = serialization.load_pem_private_key(files.key.read_bytes(), None)
    files.key.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            form,
            serialization.BestAvailableEncryption(b"secret"),
        )
    )
    assert fault_of(files) == (CertificateFault.KEY_ENCRYPTED, True)


def test_key_of_another_certificate(files: pki.Files, tmp_path: Path) -> None:
    other = pki.issue(tmp_path / "other")
    mixed = pki.Files(files.certificate, other.key, files.authority)
    assert fault_of(mixed) == (CertificateFault.KEY_MISMATCH, True)


# Renewal


def serial(store: CertificateStore) -> datetime:
    """Tell one certificate from another by its end."""
    assert store.info is not None
    return store.info.not_after


def renew(files: pki.Files, days: int) -> datetime:
    """Issue anew, in place."""
    end = (datetime.now(UTC) + timedelta(days=days)).replace(microsecond=0)
    pki.issue(files.certificate.parent, not_after=end)
    return end


@pytest.fixture
def store(files: pki.Files) -> CertificateStore:
    """The store over those files."""
    return CertificateStore(str(files.certificate), str(files.key))


async def test_same_files_same_context(store: CertificateStore) -> None:
    assert await store.context() is await store.context()


async def test_renewed_certificate_is_used_next(
    store: CertificateStore, files: pki.Files
) -> None:
    before = await store.context()
    end = renew(files, 200)
    assert await store.context() is not before
    assert serial(store) == end
    assert store.fault is None


async def test_file_written_in_place_with_the_same_size(
    store: CertificateStore, files: pki.Files
) -> None:
    """Its time alone tells that it is another."""
    before = await store.context()
    os.utime(files.certificate, (1, 1))
    assert await store.context() is not before


async def test_link_to_a_renewed_certificate_is_followed(
    store: CertificateStore, files: pki.Files, tmp_path: Path
) -> None:
    """Certbot keeps links to the newest files."""
    await store.context()
    newer = pki.issue(tmp_path / "archive")
    for link, target in (
        (files.certificate, newer.certificate),
        (files.key, newer.key),
    ):
        link.unlink()
        link.symlink_to(target)
    await store.context()
    assert serial(store) == read_certificate(str(newer.certificate)).not_after


async def test_first_fault_is_raised(store: CertificateStore, files: pki.Files) -> None:
    """With nothing to go on with; and it works once the files do."""
    key = files.key.read_bytes()
    files.key.write_bytes(b"")
    with pytest.raises(CertificateError):
        await store.context()
    files.key.write_bytes(key)
    assert isinstance(await store.context(), ssl.SSLContext)


@pytest.mark.parametrize("spoil", [_missing, _empty, _half, _directory])
@pytest.mark.parametrize("in_key", [False, True], ids=["certificate", "key"])
async def test_half_written_renewal(
    store: CertificateStore,
    files: pki.Files,
    spoil: Callable[[Path], None],
    in_key: bool,
) -> None:
    """The old one stays in use, and what is wrong is known until it is over."""
    before = await store.context()
    path = files.key if in_key else files.certificate
    spoil(path)
    for _ in range(3):
        assert await store.context() is before
        assert store.fault is not None
        assert store.fault.in_key is in_key
    if path.is_dir():
        path.rmdir()
    end = renew(files, 200)
    for _ in range(3):
        assert await store.context() is not before
        assert store.fault is None
    assert serial(store) == end


async def test_new_certificate_and_old_key(
    store: CertificateStore, files: pki.Files, tmp_path: Path
) -> None:
    """Between the writing of the one and of the other they do not match."""
    before = await store.context()
    was = serial(store)
    newer = pki.issue(tmp_path / "newer")
    files.certificate.write_bytes(newer.certificate.read_bytes())
    assert await store.context() is before
    assert serial(store) == was
    files.key.write_bytes(newer.key.read_bytes())
    assert await store.context() is not before
    assert store.fault is None


async def test_old_files_come_back(store: CertificateStore, files: pki.Files) -> None:
    """The folder was away and is back: that too is over, and the next fault is new."""
    before = await store.context()
    away = files.key.with_name("away.pem")
    for _ in range(2):
        files.key.rename(away)
        assert await store.context() is before
        assert store.fault is not None
        away.rename(files.key)
        assert await store.context() is before
        assert store.fault is None


async def test_no_path_and_no_key_in_the_log(
    store: CertificateStore, files: pki.Files, caplog: pytest.LogCaptureFixture
) -> None:
    await store.context()
    key = files.key.read_text(encoding="utf-8")
    files.key.write_text(key[:100], encoding="utf-8")
    await store.context()
    assert key[30:60] not in caplog.text
