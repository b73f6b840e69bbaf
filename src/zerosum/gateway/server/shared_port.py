"""One port for all processes of a service."""

from __future__ import annotations

import socket


def shared_listener(host: str, port: int, backlog: int) -> socket.socket:
    """Listens on a port that other processes of this user may share."""
    opened = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        opened.bind((host, port))
        opened.listen(backlog)
        opened.setblocking(False)
    except OSError:
        opened.close()
        raise
    return opened
