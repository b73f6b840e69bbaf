"""Signatures between a processor and us: HMAC-SHA256 over the time and the raw body, good for five minutes."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from datetime import datetime

from zerosum.adapters.processors.contract import BadCallback

SIGNATURE_HEADER = "zerosum-signature"
SIGNED_SECONDS_MAX = 300
"""How old, or how far ahead, what is signed may be."""

_TIME_DIGITS_MAX = 12


def sign(secret: bytes, body: bytes, now: datetime) -> str:
    """The header's value: `t=<seconds since 1970>,v1=<hex>`."""
    moment = str(int(now.timestamp()))
    return f"t={moment},v1={_digest(secret, moment, body)}"


def signature_headers(secrets: Sequence[bytes], body: bytes, now: datetime) -> dict[str, str]:
    """By the first secret, where there is one."""
    return {SIGNATURE_HEADER: sign(secrets[0], body, now)} if secrets else {}


def check_signature(secrets: Sequence[bytes], headers: Mapping[str, str], body: bytes, now: datetime) -> None:
    """Any of the secrets will do: while one is replaced by another both are known. Raises BadCallback."""
    parts = dict(part.strip().partition("=")[::2] for part in headers.get(SIGNATURE_HEADER, "").split(","))
    moment, given = parts.get("t", ""), parts.get("v1", "")
    if not (moment.isascii() and moment.isdigit() and len(moment) <= _TIME_DIGITS_MAX and given.isascii()):
        raise BadCallback("there is no signature")
    if not any(hmac.compare_digest(_digest(secret, moment, body), given) for secret in secrets):
        raise BadCallback("the signature does not fit")
    if abs(now.timestamp() - int(moment)) > SIGNED_SECONDS_MAX:
        raise BadCallback("it was signed too long ago")


def _digest(secret: bytes, moment: str, body: bytes) -> str:
    return hmac.new(secret, moment.encode() + b"." + body, hashlib.sha256).hexdigest()
