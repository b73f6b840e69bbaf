"""Deliveries of webhooks: whether they are ours, by Standard Webhooks (docs/EVENTS.md)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import time
from collections.abc import Mapping, Sequence
from decimal import Decimal

from zerosum.client.decoding import decode
from zerosum.client.errors import WebhookRefused
from zerosum.client.models.events import Event

TOLERANCE_SECONDS = 300
SECRET_PREFIX = "whsec_"  # noqa: S105 - what secrets begin with
SIGNATURE_VERSION = "v1"


def verify_webhook(
    body: bytes | str,
    headers: Mapping[str, str],
    secrets: str | Sequence[str],
    *,
    tolerance_seconds: int = TOLERANCE_SECONDS,
    at: float | None = None,
) -> Event:
    """The event of a delivery, by its raw body. Raises WebhookRefused.

    Several `secrets` are good while one is being rotated: one of them has to fit one of the signatures. An event may be
    delivered twice: remember its id. `at` is the time in place of now, in seconds since 1970.
    """
    content = _encoded(body) if isinstance(body, str) else body
    found = {name.lower(): value for name, value in headers.items()}
    try:
        message_id, timestamp, signatures = (found[f"webhook-{name}"] for name in ("id", "timestamp", "signature"))
    except KeyError as error:
        raise WebhookRefused(f"the header {error.args[0]} is missing") from None
    _check_time(timestamp, tolerance_seconds, time.time() if at is None else at)
    signed = _encoded(f"{message_id}.{timestamp}.") + content
    # All are computed, whichever fits: how long it takes tells nothing. Each once, however many a stranger sends.
    ours = [_signature(secret, signed) for secret in ([secrets] if isinstance(secrets, str) else secrets)]
    given = [_encoded(one) for one in _given(signatures)]
    fits = [hmac.compare_digest(one, other) for one in ours for other in given]
    if not any(fits):
        raise WebhookRefused("no signature fits")
    return _event(content)


def _check_time(timestamp: str, tolerance_seconds: int, at: float) -> None:
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12):
        raise WebhookRefused("the timestamp is none")
    if abs(at - int(timestamp)) > tolerance_seconds:
        raise WebhookRefused(f"it is more than {tolerance_seconds} seconds off: too old, or a clock is wrong")


def _given(signatures: str) -> list[str]:
    parts = [one.split(",", 1) for one in signatures.split(" ")]
    return [part[1] for part in parts if len(part) == 2 and part[0] == SIGNATURE_VERSION]


def _encoded(text: str) -> bytes:
    """Some servers hand what is no UTF-8 on as signs that no text has. It fits nothing."""
    return text.encode(errors="replace")


def _signature(secret: str, signed: bytes) -> bytes:
    try:
        key = base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except binascii.Error:
        raise ValueError("a webhook secret is base64 behind whsec_") from None
    return base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest())


def _event(content: bytes) -> Event:
    try:
        told = json.loads(content, parse_float=Decimal)
    except ValueError:
        raise WebhookRefused("the body is no JSON") from None
    return decode(Event, told)
