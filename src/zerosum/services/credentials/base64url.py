"""Base64url without padding (RFC 4648, section 5), with exactly one text for each value.

Python's own decoder skips foreign characters and ignores stray bits at the end, so that one key or token could be
written in many ways. Here a text that is not the canonical one is refused.
"""

from __future__ import annotations

import base64


def encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def decode(text: str) -> bytes:
    """Raises ValueError unless `text` is what `encode` would write."""
    raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if encode(raw) != text:
        raise ValueError("not canonical base64url")
    return raw
