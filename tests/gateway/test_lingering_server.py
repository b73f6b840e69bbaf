"""A server that is told to stop: who has a connection is answered once more, who has none finds nobody."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
import uvicorn

from tests.campaigns.wire import read_answer
from tests.gateway.ground import Ground
from tests.quiet_server import Quiet
from zerosum.gateway.server.lingering_server import LINGER_SECONDS, LingeringServer
from zerosum.gateway.server_options import server_options

REQUEST = b"GET /health HTTP/1.1\r\nHost: zerosum.test\r\n\r\n"
PATIENCE_SECONDS = 8.0


class QuietServer(Quiet, LingeringServer):
    pass


@dataclass
class Running:
    server: QuietServer
    task: asyncio.Task[None]
    listening: socket.socket
    port: int

    def tell_to_stop(self) -> None:
        self.server.should_exit = True

    async def until_it_takes_no_more(self) -> None:
        while self.listening.fileno() >= 0 and self.server.servers[0].is_serving():
            await asyncio.sleep(0.005)

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port)


@pytest.fixture
async def running() -> AsyncIterator[Running]:
    listening = socket.create_server(("127.0.0.1", 0))
    options: dict[str, Any] = server_options(lifespan="off", timeout_graceful_shutdown=5)
    server = QuietServer(uvicorn.Config(Ground().gateway, **options))
    port = listening.getsockname()[1]
    task = asyncio.create_task(server.serve(sockets=[listening]))
    while not server.started:
        await asyncio.sleep(0.005)
    yield Running(server, task, listening, port)
    server.should_exit = True
    await task


async def test_a_request_that_was_about_to_be_sent_is_answered_and_ends_the_connection(running: Running) -> None:
    reader, writer = await running.connect()
    async with asyncio.timeout(PATIENCE_SECONDS):
        writer.write(REQUEST)
        first = await read_answer(reader)
        running.tell_to_stop()
        await running.until_it_takes_no_more()
        writer.write(REQUEST)
        second = await read_answer(reader)
        assert await reader.read() == b""
        await running.task
    assert [answer.status for answer in (first, second)] == [200, 200]
    assert [answer.headers.get("connection") for answer in (first, second)] == [None, "close"]
    writer.close()
    await writer.wait_closed()


async def test_a_connection_without_a_request_is_closed_after_a_while(running: Running) -> None:
    reader, writer = await running.connect()
    async with asyncio.timeout(PATIENCE_SECONDS):
        writer.write(REQUEST)
        await read_answer(reader)
        running.tell_to_stop()
        await running.until_it_takes_no_more()
        began = asyncio.get_running_loop().time()
        assert await reader.read() == b""
        assert asyncio.get_running_loop().time() - began < LINGER_SECONDS + 2.0
        await running.task
    writer.close()
    await writer.wait_closed()


async def test_nobody_is_taken_after_it_was_told_to_stop(running: Running) -> None:
    running.tell_to_stop()
    async with asyncio.timeout(PATIENCE_SECONDS):
        await running.task
    with pytest.raises(ConnectionRefusedError):
        await running.connect()


async def test_connections_that_waited_in_the_queue_are_answered(running: Running) -> None:
    """They were made before it was told to stop; nobody had looked at them yet."""
    running.tell_to_stop()
    waiting = []
    for _ in range(20):  # All at once, without giving the server a turn in between.
        waiting.append(socket.create_connection(("127.0.0.1", running.port)))
        waiting[-1].sendall(REQUEST)
    async with asyncio.timeout(PATIENCE_SECONDS):
        for connection in waiting:
            reader, writer = await asyncio.open_connection(sock=connection)
            assert (await read_answer(reader)).status == 200
            writer.close()
            await writer.wait_closed()
        await running.task
