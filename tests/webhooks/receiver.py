"""A receiver of webhooks on a real socket. It answers as it is told to, well or badly, and keeps what it got."""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


def answer(status: int, *headers: str, body: bytes = b"") -> bytes:
    head = "".join(f"{line}\r\n" for line in (f"HTTP/1.1 {status} Word", *headers, f"content-length: {len(body)}"))
    return head.encode() + b"\r\n" + body


@dataclass(frozen=True)
class Received:
    path: str
    headers: dict[str, str]
    body: bytes
    at: float

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def event(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads(self.body)
        return content


Answer = Callable[[Received], bytes]
Hostile = Callable[[asyncio.StreamWriter], Any]


@dataclass
class Receiver:
    """`answer` makes the answer of what was received; `hostile`, where it is set, writes whatever it likes instead."""

    answer: Answer = lambda _: OK
    hostile: Hostile | None = None
    seconds: float = 0.0
    """That it takes to answer."""
    received: list[Received] = field(default_factory=list)
    connections: int = 0
    port: int = 0
    _came: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    @property
    def ids(self) -> list[str]:
        return [one.id for one in self.received]

    async def has(self, number: int, seconds: float = 20.0) -> list[Received]:
        """Once so many have come."""
        async with asyncio.timeout(seconds):
            while len(self.received) < number:
                self._came.clear()
                await self._came.wait()
        return self.received

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
                headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
                exact = dict(line.split(": ", 1) for line in head[1:] if line)
                kept = {name.lower(): value for name, value in exact.items()}
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                one = Received(head[0].split(" ")[1], kept, body, asyncio.get_running_loop().time())
                self.received.append(one)
                self._came.set()
                if self.hostile is not None:
                    await self.hostile(writer)
                    break
                await asyncio.sleep(self.seconds)
                writer.write(self.answer(one))
                await writer.drain()
        writer.close()


@contextlib.asynccontextmanager
async def receiving(tls: ssl.SSLContext | None = None, **options: Any) -> AsyncIterator[Receiver]:
    receiver = Receiver(**options)
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0, ssl=tls, limit=1 << 20)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        server.close()
