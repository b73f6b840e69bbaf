"""Signatures of webhooks, as Standard Webhooks has them (https://www.standardwebhooks.com): no I/O."""

from __future__ import annotations

import base64
import hmac
import secrets
from collections.abc import Sequence
from hashlib import sha256

SECRET_BYTES = 32
SECRET_PREFIX = "whsec_"  # noqa: S105 - not a secret


def make_secret() -> bytes:
    return secrets.token_bytes(SECRET_BYTES)


def secret_text(secret: bytes) -> str:
    """As it is shown, once."""
    return SECRET_PREFIX + base64.b64encode(secret).decode("ascii")


def signed_headers(message_id: str, timestamp: int, body: bytes, keys: Sequence[bytes]) -> dict[str, str]:
    """One signature by each secret: while one takes over from another, the receiver may know either."""
    signed = b"%b.%d.%b" % (message_id.encode("ascii"), timestamp, body)
    signatures = [base64.b64encode(hmac.digest(key, signed, sha256)).decode("ascii") for key in keys]
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }
