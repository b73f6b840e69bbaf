"""What every answer of the console says about itself to browsers. There are no exceptions."""

from __future__ import annotations

from dataclasses import replace

from zerosum.gateway.routing import HttpAnswer

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)

HEADERS = (
    (b"content-security-policy", POLICY.encode()),
    # Not `no-referrer`: with it a browser would not say from where a form was sent.
    (b"referrer-policy", b"same-origin"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
)


def with_headers(answer: HttpAnswer) -> HttpAnswer:
    return replace(answer, headers=(*answer.headers, *HEADERS))
