"""The certificates of one bootstrap: with them the engine takes connections of the supervisor alone.

They are made for the moment. The key of the authority never leaves this function, so that no other program can have
another certificate signed; the keys of the two ends are files that only the owner can read, because the engine and
PyMongo take them from files. They are removed when the engine has stopped, and those of a bootstrap that was killed by
the next supervisor.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from docservice.engine.files import open_private

_VALID = timedelta(hours=1)
"""How long before and after now: a bootstrap takes seconds, but clocks are set forward and back."""


@dataclass(frozen=True)
class Certificates:
    """PEM files for both ends of a connection.

    Attributes:
        authority: the certificate that both ends believe, and no other.
        server: certificate and key of the engine, for 127.0.0.1.
        client: certificate and key of the supervisor.
    """

    authority: Path
    server: Path
    client: Path


@contextlib.contextmanager
def certificates_in(folder: Path) -> Iterator[Certificates]:
    """Make new certificates, which are removed at the end of the block. Blocks for some milliseconds.

    Args:
        folder: is made, closed to other users; what is there is removed.
    """
    remove(folder)
    folder.mkdir(mode=0o700)
    try:
        paths = Certificates(folder / "authority.pem", folder / "server.pem", folder / "client.pem")
        _make(paths)
        yield paths
    finally:
        remove(folder)


def remove(folder: Path) -> None:
    """Remove certificates that a bootstrap which was killed left behind, if there are any."""
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(folder)


def _make(paths: Certificates) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name("authority")
    authority = (
        _unsigned(name, name, key, key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .sign(key, hashes.SHA256())
    )
    _write(paths.authority, authority.public_bytes(Encoding.PEM))
    for path, usage in (
        (paths.server, ExtendedKeyUsageOID.SERVER_AUTH),
        (paths.client, ExtendedKeyUsageOID.CLIENT_AUTH),
    ):
        own_key = ec.generate_private_key(ec.SECP256R1())
        certificate = (
            _unsigned(_name(path.stem), name, own_key, key)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=True)
            .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
            .sign(key, hashes.SHA256())
        )
        private = own_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        _write(path, certificate.public_bytes(Encoding.PEM) + private)


def _name(what: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"docservice bootstrap {what}")])


def _unsigned(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, issuer_key: ec.EllipticCurvePrivateKey
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _VALID)
        .not_valid_after(now + _VALID)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )


def _write(path: Path, pem: bytes) -> None:
    with open_private(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL) as descriptor:
        os.write(descriptor, pem)
