"""The subject of a client certificate, in the one form in which subjects are compared (RFC 4514)."""

from __future__ import annotations

from cryptography import x509


def canonical_subject(text: str) -> str:
    """As the gateway layer tells it of a connection, whatever blanks and escapes somebody wrote. Raises ValueError."""
    return x509.Name.from_rfc4514_string(text).rfc4514_string()
