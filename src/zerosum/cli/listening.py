"""Listening sockets: one a process, all on one port, held by the supervisor so that none is lost with a worker."""

from __future__ import annotations

import errno
import socket

from zerosum.cli.talk import USAGE, CommandFailed
from zerosum.gateway.server.shared_port import shared_listener

BACKLOG = 2048


def listen(host: str, port: int, count: int) -> list[socket.socket]:
    """Sockets that share one port; port 0 chooses a free one. Raises CommandFailed when the port is taken."""
    try:
        _refuse_taken(host, port)
        sockets: list[socket.socket] = []
        for _ in range(count):
            opened = shared_listener(host, port, BACKLOG)
            port = opened.getsockname()[1]
            sockets.append(opened)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise CommandFailed(f"port {port} on {host} is in use; choose another with --port", USAGE) from None
        raise CommandFailed(f"cannot listen on {host}:{port}: {error.strerror or error}", USAGE) from None
    return sockets


def close_all(sockets: list[socket.socket]) -> None:
    """Let the processes' own copies be the last: when they take no more connections, none must queue up unseen."""
    for listening in sockets:
        listening.close()


def check_side_port(host: str, port: int | None) -> None:
    """Whether the processes will be able to listen on it too. Raises CommandFailed."""
    try:
        _refuse_taken(host, port or 0)
    except OSError as error:
        reason = f"cannot listen on {host}:{port} ({error.strerror or error})"
        raise CommandFailed(f"ZEROSUM_METRICS_PORT: {reason}", USAGE) from None


def _refuse_taken(host: str, port: int) -> None:
    """Sharing the port is for our own processes: without this check a second service would join in silently."""
    if port == 0:
        return
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((host, port))
        probe.listen(1)
