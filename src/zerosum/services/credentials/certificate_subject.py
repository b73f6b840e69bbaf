"""The subject of a client certificate, in the one form in which subjects are compared (RFC 4514)."""

from __future__ import annotations

import re

from cryptography import x509

_BLANKS = re.compile(r"(?<!\\),[ ]+")


def canonical_subject(text: str) -> str:
    """As the gateway layer tells it of a connection, whatever escapes somebody wrote, and blanks behind commas.

    Raises ValueError.
    """
    return x509.Name.from_rfc4514_string(_BLANKS.sub(",", text)).rfc4514_string()
