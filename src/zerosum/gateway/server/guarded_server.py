"""uvicorn's server with doors that close: it knows all its connections from the moment they are accepted."""

from __future__ import annotations

import asyncio
import dataclasses
import resource
import socket
import sys
from typing import ClassVar

import uvicorn
from uvicorn.config import STARTUP_FAILURE

from zerosum.gateway.server.connection_register import ConnectionLimits, ConnectionRegister
from zerosum.gateway.server.http_server import GuardedProtocol
from zerosum.gateway.server.listener import HANDSHAKE_SECONDS_MAX, Listener

FILES_KEPT_FREE = 128
"""Of those the process may open: for the database, Redis, the log, and what is loaded meanwhile."""


class GuardedServer(uvicorn.Server):
    """Listens on sockets that it is given."""

    handshake_seconds_max: ClassVar[float] = HANDSHAKE_SECONDS_MAX

    servers: list[Listener]  # type: ignore[assignment]

    def __init__(self, config: uvicorn.Config, register: ConnectionRegister | None = None) -> None:
        super().__init__(config)
        self.register = ConnectionRegister() if register is None else register

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await self.lifespan.startup()
        if self.lifespan.should_exit:
            sys.exit(STARTUP_FAILURE)
        self.register.limits = fit_to_files(self.register.limits)
        self.register.start()
        self.servers = [
            Listener(listening, self.register, self._protocol, self.config.ssl, self.handshake_seconds_max)
            for listening in sockets or []
        ]
        for listener in self.servers:
            listener.start()
        self.started = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            await super().shutdown(sockets)
        finally:
            self.register.stop()

    def _protocol(self) -> GuardedProtocol:
        protocol = self.config.http_protocol_class(  # type: ignore[call-arg]
            config=self.config,
            server_state=self.server_state,
            app_state=self.lifespan.state,
            _loop=asyncio.get_running_loop(),
        )
        assert isinstance(protocol, GuardedProtocol)
        return protocol


def fit_to_files(limits: ConnectionLimits) -> ConnectionLimits:
    """Every connection is a file: as many of them as may be open are asked for, and no more promised than are given."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = limits.connections_max + FILES_KEPT_FREE
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return limits
    return dataclasses.replace(limits, connections_max=max(1, soft - FILES_KEPT_FREE))
