"""A gateway on a socket whose route `/express` may go express, and the same without an express way."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import uvicorn

from tests.gateway.ground import Ground
from tests.gateway.raw_http import PATIENCE_SECONDS
from tests.quiet_server import Quiet
from zerosum.gateway.express.protocol import ExpressProtocol
from zerosum.gateway.server.connection_register import ConnectionRegister
from zerosum.gateway.server.http_server import GuardedProtocol
from zerosum.gateway.server.lingering_server import LingeringServer
from zerosum.gateway.server_options import server_options

BUFFER_BYTES = 16_384
"""So that little hides in the system."""

HOST = "Host: zerosum.test\r\n"
KEY = "Authorization: Bearer good\r\n"
JSON = "Content-Type: application/json\r\n"
HEAD = HOST + KEY + JSON


class Impatient(ExpressProtocol):
    arrival_seconds_max = 0.2
    idle_seconds_max = 0.4


class OrdinaryImpatient(GuardedProtocol):
    arrival_seconds_max = Impatient.arrival_seconds_max
    idle_seconds_max = Impatient.idle_seconds_max


class QuietServer(Quiet, LingeringServer):
    pass


@dataclass
class Wire:
    """One connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def write(self, text: str) -> None:
        self.writer.write(text.encode("utf-8", "surrogateescape"))

    async def reply(self) -> str:
        """As it came, to the last byte. Empty: the connection has ended."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            try:
                head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
            except asyncio.IncompleteReadError:
                return ""
            lines = [line for line in head.split("\r\n") if line.startswith("content-length:")]
            return head + (await self.reader.readexactly(int(lines[0].split(":")[1]) if lines else 0)).decode()

    async def ask(self, text: str) -> str:
        self.write(text)
        return await self.reply()

    def close(self) -> None:
        self.writer.close()


@dataclass
class Served:
    port: int
    ground: Ground
    server: LingeringServer

    @property
    def taken(self) -> int:
        return self.ground.gateway.express.taken

    @contextlib.asynccontextmanager
    async def connected(self) -> AsyncIterator[Wire]:
        made = socket.socket()
        made.setblocking(False)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
        await asyncio.get_running_loop().sock_connect(made, ("127.0.0.1", self.port))
        wire = Wire(*await asyncio.open_connection(sock=made))
        try:
            yield wire
        finally:
            wire.close()

    async def ask(self, text: str) -> str:
        async with self.connected() as wire:
            return await wire.ask(text)


@contextlib.asynccontextmanager
async def serving(protocol: type[GuardedProtocol] = ExpressProtocol, **of_ground: Any) -> AsyncIterator[Served]:
    ground = Ground(**of_ground)
    ground.keys.remembers = True
    listening = socket.create_server(("127.0.0.1", 0))
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER_BYTES)
    options: dict[str, Any] = server_options(http=protocol, lifespan="off")
    server = QuietServer(uvicorn.Config(ground.gateway, **options), ConnectionRegister(tick_seconds=0.02))
    running = asyncio.create_task(server.serve(sockets=[listening]))
    served = Served(listening.getsockname()[1], ground, server)
    try:
        yield served
    finally:
        server.should_exit = True
        await running
        listening.close()


def request(key: str = "k", body: str = '{"a":"b"}', path: str = "/express", head: str = HEAD) -> str:
    length = len(body.encode("utf-8", "surrogateescape"))
    return f"POST {path} HTTP/1.1\r\n{head}Idempotency-Key: {key}\r\nContent-Length: {length}\r\n\r\n{body}"


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not is_so():
            await asyncio.sleep(0.002)
