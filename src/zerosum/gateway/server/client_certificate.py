"""The certificate with which a caller has come, as the ASGI extension for TLS tells it to the application."""

from __future__ import annotations

import hashlib
import ssl
from typing import Any, Final

from cryptography import x509

TLS: Final = "tls"
"""The extension's name in the scope."""

CLIENT_CERTIFICATE_NAME: Final = "client_cert_name"
"""The subject of the caller's certificate as RFC 4514 writes it; None where there is none."""

CLIENT_CERTIFICATE_SHA256: Final = "client_cert_sha256"
"""Our own addition: its fingerprint in hex."""

_VERSIONS = {"TLSv1.2": 0x0303, "TLSv1.3": 0x0304}


def tls_extension(connection: ssl.SSLObject | ssl.SSLSocket | None) -> dict[str, Any]:
    """Made once a connection. A certificate that is named here was signed by the CA for callers' certificates."""
    certificate = None if connection is None else connection.getpeercert(binary_form=True)
    version = None if connection is None else _VERSIONS.get(connection.version() or "")
    told: dict[str, Any] = {
        "server_cert": None,
        "client_cert_chain": [],
        CLIENT_CERTIFICATE_NAME: None,
        CLIENT_CERTIFICATE_SHA256: None,
        "client_cert_error": None,
        "tls_version": version,
        "cipher_suite": None,
    }
    if certificate:
        told[CLIENT_CERTIFICATE_SHA256] = hashlib.sha256(certificate).hexdigest()
        told["client_cert_chain"] = [ssl.DER_cert_to_PEM_cert(certificate)]
        try:
            told[CLIENT_CERTIFICATE_NAME] = x509.load_der_x509_certificate(certificate).subject.rfc4514_string()
        except ValueError:
            told["client_cert_error"] = "its subject cannot be read"
    return told
