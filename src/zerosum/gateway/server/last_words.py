"""What our server says by itself before it closes a connection, in the form of all problems."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from http import HTTPStatus

import orjson

from zerosum.domain.errors import DomainError
from zerosum.gateway.guards.request_guard import TARGET_BYTES_MAX, harmless_request_id


def last_words(
    status: int, error: DomainError, target: bytes = b"/", headers: Sequence[tuple[bytes, bytes]] = ()
) -> bytes:
    """A whole answer to a request as far as it has come: its target, and headers with names in lower case."""
    request_id = _request_id(headers)
    path = target.partition(b"?")[0]
    body = orjson.dumps(
        {
            "type": f"urn:zerosum:problem:{error.code}",
            "title": error.title,
            "status": status,
            "detail": error.detail,
            "instance": path[:TARGET_BYTES_MAX].decode("ascii", "replace"),
            "code": error.code,
            "request_id": request_id,
            "retryable": error.retryable,
        }
    )
    retry_after = "retry-after: 1\r\n" if status == HTTPStatus.SERVICE_UNAVAILABLE else ""
    head = (
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n"
        f"content-type: application/problem+json\r\nx-request-id: {request_id}\r\n{retry_after}"
        "x-content-type-options: nosniff\r\ncache-control: no-store\r\n"
        f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
    )
    return head.encode("ascii") + body


def _request_id(headers: Sequence[tuple[bytes, bytes]]) -> str:
    for name, value in headers:
        if name == b"x-request-id":
            return harmless_request_id(value) or secrets.token_hex(12)
    return secrets.token_hex(12)
