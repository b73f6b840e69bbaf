"""A free port on the loopback address."""

from __future__ import annotations

import secrets
import socket

from zerosum.embedded.errors import EmbeddedError

LOOPBACK = "127.0.0.1"
PORT_FIRST, PORT_LAST = 15_000, 32_000
"""Below the range from which Linux and macOS take ports for outgoing connections (32768 and up): so no client, not
even one that keeps trying to reach the server, can take the port while the server restarts."""

PORT_ATTEMPTS_MAX = 200


def choose_port(wished: int | None) -> int:
    """The wished port if it is free now, else a random free one. Somebody may still be faster: be ready to retry."""
    if wished is not None and is_free(wished):
        return wished
    for _ in range(PORT_ATTEMPTS_MAX):
        port = PORT_FIRST + secrets.randbelow(PORT_LAST - PORT_FIRST)
        if is_free(port):
            return port
    raise EmbeddedError(f"No free port found between {PORT_FIRST} and {PORT_LAST}.")


def is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
        # As the servers do: connections of the last run that are still closing are no obstacle.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((LOOPBACK, port))
            listener.listen(1)
        except OSError:
            return False
    return True
