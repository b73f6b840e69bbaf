"""A certificate for trying HTTPS on one's own machine. Production brings its own."""

from __future__ import annotations

import ipaddress
from datetime import timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from zerosum.adapters.clock import now
from zerosum.embedded.durable_files import make_folder, write_durably

VALID_DAYS = 365
RENEW_DAYS = 30


def development_certificate(data_dir: Path, host: str | None) -> dict[str, Path]:
    """The settings that name it. Made anew when it is about to expire or does not cover the host."""
    folder = data_dir / "tls"
    make_folder(folder, mode=0o700)
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    if not (certificate.exists() and key.exists() and _is_good(certificate, host)):
        private = ec.generate_private_key(ec.SECP256R1())
        write_durably(key, _key_text(private))
        write_durably(certificate, _certificate_text(private, host), mode=0o644)
    return {"tls_certificate": certificate, "tls_key": key}


def _is_good(path: Path, host: str | None) -> bool:
    try:
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, x509.ExtensionNotFound):
        return False
    covers = host is None or _name(host) in names
    return covers and certificate.not_valid_after_utc - now() > timedelta(days=RENEW_DAYS)


def _certificate_text(private: ec.EllipticCurvePrivateKey, host: str | None) -> str:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "zerosum development")])
    names = {_name(text) for text in ("localhost", "127.0.0.1", "::1", host or "localhost")}
    built = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now() - timedelta(minutes=5))
        .not_valid_after(now() + timedelta(days=VALID_DAYS))
        .add_extension(x509.SubjectAlternativeName(sorted(names, key=repr)), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(private, hashes.SHA256())
    )
    return built.public_bytes(serialization.Encoding.PEM).decode("ascii")


def _key_text(private: ec.EllipticCurvePrivateKey) -> str:
    return private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode("ascii")


def _name(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)
