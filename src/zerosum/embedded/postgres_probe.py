"""Asking a PostgreSQL whether it takes connections, in its own protocol: an open port alone proves nothing."""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass

from zerosum.embedded.ports import LOOPBACK

PROBE_SECONDS_MAX = 0.5
ANSWER_BYTES_MAX = 4096

PROTOCOL_3 = 196_608
_STARTUP = b"user\0postgres\0database\0postgres\0\0"

AUTHENTICATION_REQUEST = b"R"
ERROR_RESPONSE = b"E"
TOO_MANY_CONNECTIONS = "53300"


@dataclass(frozen=True, slots=True)
class PostgresAnswer:
    """`words` says what it said instead, while it does not take connections (starting, recovering)."""

    is_accepting: bool
    words: str


def ask_postgres(port: int) -> PostgresAnswer:
    """Begin a connection, and leave when the server asks for the password."""
    try:
        with socket.create_connection((LOOPBACK, port), timeout=PROBE_SECONDS_MAX) as connection:
            connection.sendall(struct.pack("!ii", len(_STARTUP) + 8, PROTOCOL_3) + _STARTUP)
            answer = connection.recv(ANSWER_BYTES_MAX)
    except OSError:
        return PostgresAnswer(is_accepting=False, words="no answer yet")
    if answer[:1] == AUTHENTICATION_REQUEST:
        return PostgresAnswer(is_accepting=True, words="")
    fields = _error_fields(answer)
    # Full is a way of being up; above all 57P03 (cannot_connect_now) is not: the server starts or recovers.
    return PostgresAnswer(
        is_accepting=fields.get("C") == TOO_MANY_CONNECTIONS,
        words=fields.get("M", "no answer yet"),
    )


def _error_fields(answer: bytes) -> dict[str, str]:
    """The fields of an ErrorResponse: one letter, a text and a NUL each, after tag and length."""
    if answer[:1] != ERROR_RESPONSE:
        return {}
    texts = answer[5:].decode(errors="replace").split("\0")
    return {text[0]: text[1:] for text in texts if text}
