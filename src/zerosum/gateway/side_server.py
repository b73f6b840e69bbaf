"""A second port of a process that serves already: for what is not everybody's business."""

from __future__ import annotations

import socket
from typing import Any

import uvicorn

from zerosum.gateway.server.connection_register import ConnectionLimits, ConnectionRegister
from zerosum.gateway.server.guarded_server import GuardedServer
from zerosum.gateway.server.shared_port import shared_listener
from zerosum.gateway.server_options import server_options

BACKLOG = 100
GOODBYE_SECONDS_MAX = 1


class SideServer:
    """Runs in the loop of the first server and leaves signals to it.

    Every process of the service listens on the same port; who asks is answered by any one of them.
    """

    def __init__(self, app: Any, host: str, port: int, limits: ConnectionLimits, **tls: Any) -> None:
        self._address = host, port
        options = server_options(lifespan="off", timeout_graceful_shutdown=GOODBYE_SECONDS_MAX, **tls)
        self._server = GuardedServer(uvicorn.Config(app, **options), ConnectionRegister(limits))
        self._sockets: list[socket.socket] = []

    async def start(self) -> None:
        """Raises OSError where the port belongs to somebody else."""
        config = self._server.config
        config.load()
        self._server.lifespan = config.lifespan_class(config)
        self._sockets = [shared_listener(*self._address, BACKLOG)]
        # Not `serve`: it would take the signals.
        await self._server.startup(sockets=self._sockets)

    async def stop(self) -> None:
        if self._server.started:
            await self._server.shutdown(sockets=self._sockets)
