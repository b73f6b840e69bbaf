"""The service of these tests on a real socket, for what is about bytes or comes from another process."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from typing import Any

import uvicorn

from tests.quiet_server import Quiet
from zerosum.gateway.server.guarded_server import GuardedServer
from zerosum.gateway.server_options import server_options
from zerosum.main import Service


class QuietServer(Quiet, GuardedServer):
    pass


@contextlib.asynccontextmanager
async def served(service: Service) -> AsyncIterator[int]:
    """The port on which it listens meanwhile."""
    listening = listening_socket()
    options: dict[str, Any] = server_options(lifespan="off")
    server = QuietServer(uvicorn.Config(service.app, **options), service.connections)
    running = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        yield listening.getsockname()[1]
    finally:
        server.should_exit = True
        await running
        listening.close()


def listening_socket() -> socket.socket:
    # Said to be TCP, or asyncio leaves answers to Nagle's algorithm; the service itself runs on uvloop, which does not.
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.bind(("127.0.0.1", 0))
    listening.listen(100)
    return listening


class PlainServer(Quiet):
    """Of somebody else: what the service speaks to."""


@contextlib.asynccontextmanager
async def running_server(config: uvicorn.Config, listening: socket.socket) -> AsyncIterator[None]:
    server = PlainServer(config)
    running = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        yield
    finally:
        server.should_exit = True
        await running
        listening.close()
