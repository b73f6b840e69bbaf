"""Certification authorities for tests, and certificates that they sign."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from zerosum.adapters.clock import now


@dataclass(frozen=True)
class Pair:
    """Files of a certificate and its key, and what is in them."""

    certificate: Path
    key: Path
    of: x509.Certificate
    private: ec.EllipticCurvePrivateKey


def certify(
    folder: Path,
    name: str,
    signer: Pair | None = None,
    *,
    days: int = 1,
    organization: str | None = "Ümlaut, Inc.",
    host: str | None = None,
    password: str | None = None,
) -> Pair:
    """Without a signer it is an authority of its own. `password` seals the key."""
    private = ec.generate_private_key(ec.SECP256R1())
    of_organization = [] if organization is None else [x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization)]
    subject = x509.Name([*of_organization, x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject if signer is None else signer.of.subject)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now() - timedelta(days=2))
        .not_valid_after(now() + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=signer is None, path_length=None), critical=True)
    )
    if host is not None:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
    built = builder.sign(private if signer is None else signer.private, hashes.SHA256())
    stem = name.replace(" ", "-")
    pair = Pair(folder / f"{stem}.pem", folder / f"{stem}.key", built, private)
    pair.certificate.write_bytes(built.public_bytes(serialization.Encoding.PEM))
    sealing = serialization.BestAvailableEncryption(password.encode()) if password else serialization.NoEncryption()
    pair.key.write_bytes(private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, sealing))
    pair.key.chmod(0o600)
    return pair


class Authority:
    """Signs certificates of servers and callers. Everything it makes lies in `folder`."""

    def __init__(self, folder: Path, name: str = "test authority") -> None:
        self._folder = folder
        self._pair = certify(folder, name, organization=None)
        self.path = self._pair.certificate

    def sign(self, name: str, *, host: str | None = None, password: str | None = None) -> tuple[Path, Path]:
        """A certificate for this subject and its key, which may be sealed with a password."""
        made = certify(self._folder, name, self._pair, organization=None, host=host, password=password)
        return made.certificate, made.key
