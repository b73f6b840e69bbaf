"""A server of ours as it runs in production, in a thread and a loop (uvloop) of its own, and bytes to it from here."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvicorn
import uvloop

from tests.gateway.ground import Ground
from tests.gateway.raw_http import HOST, MONEY, PATIENCE_SECONDS, Reply
from zerosum.gateway.routing import Call, HttpAnswer
from zerosum.gateway.server.connection_register import ConnectionLimits, ConnectionRegister
from zerosum.gateway.server.http_server import GuardedProtocol
from zerosum.gateway.server.lingering_server import LingeringServer
from zerosum.gateway.server_options import server_options

NO_END_OF_THEM = 1_000_000
"""Connections that the tests make from one address, one after the other."""

HEALTH = f"GET /health HTTP/1.1\r\n{HOST}\r\n".encode()
READ = f"GET /read HTTP/1.1\r\n{MONEY}\r\n".encode()


class Impatient(GuardedProtocol):
    arrival_seconds_max = 0.3
    idle_seconds_max = 0.6
    unread_seconds_max = 0.3
    drain_seconds_max = 1.0


class QuickServer(LingeringServer):
    handshake_seconds_max = 0.5


@dataclass
class Pages(Ground):
    """Answers of any size."""

    answer_bytes: int = 2

    async def endpoint(self, call: Call) -> HttpAnswer:
        self.calls.append(call)
        return HttpAnswer(200, b"x" * self.answer_bytes, ((b"content-type", b"text/plain"),))


@dataclass
class Connection:
    """What is not read is not taken from the server either."""

    socket: socket.socket
    buffer: bytearray = field(default_factory=bytearray)

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, text: str | bytes) -> None:
        self.socket.sendall(text.encode() if isinstance(text, str) else text)

    def ask(self, text: str | bytes) -> Reply:
        self.send(text)
        reply = self.reply()
        assert reply is not None, "the connection was closed instead"
        return reply

    def reply(self, *, has_body: bool = True) -> Reply | None:
        """None: the connection has ended."""
        while b"\r\n\r\n" not in self.buffer:
            if not self._more():
                assert not self.buffer, f"cut off after {bytes(self.buffer)!r}"
                return None
        head, _, rest = bytes(self.buffer).partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        length = int(headers.get("content-length", 0)) if has_body else 0
        self.buffer[:] = rest
        while len(self.buffer) < length:
            assert self._more(), "cut off in the body"
        body, self.buffer[:] = bytes(self.buffer[:length]), self.buffer[length:]
        return Reply(int(first.split(" ")[1]), headers, body)

    def replies(self) -> list[Reply]:
        """Until the server ends the connection."""
        found = []
        while (reply := self.reply()) is not None:
            found.append(reply)
        return found

    def is_over(self) -> bool:
        """Whether the server has ended it; what it said before is thrown away."""
        self.socket.setblocking(False)
        try:
            while self.socket.recv(65_536):
                continue
        except BlockingIOError:
            return False
        except OSError:
            return True
        finally:
            self.socket.settimeout(PATIENCE_SECONDS)
        return True

    def _more(self) -> bool:
        try:
            got = self.socket.recv(65_536)
        except ConnectionError:
            return False
        self.buffer += got
        return bool(got)


@dataclass
class Running:
    server: LingeringServer
    port: int
    pages: Pages
    thread: threading.Thread
    listening: socket.socket
    connected: list[socket.socket] = field(default_factory=list)

    @property
    def register(self) -> ConnectionRegister:
        return self.server.register

    def connect(
        self, source: str = "127.0.0.1", tls: ssl.SSLContext | None = None, read_bytes: int | None = None
    ) -> Connection:
        made = socket.socket()
        if read_bytes is not None:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, read_bytes)
        made.settimeout(PATIENCE_SECONDS)
        made.bind((source, 0))
        self.connected.append(made)
        made.connect(("127.0.0.1", self.port))
        if tls is not None:
            made = tls.wrap_socket(made, server_hostname="localhost")
            self.connected.append(made)
        return Connection(made)

    def ask(self, text: str | bytes) -> list[Reply]:
        """All that comes until the server ends the connection."""
        with self.connect() as connection:
            connection.send(text)
            return connection.replies()

    def stop(self) -> None:
        for connection in self.connected:
            connection.close()
        self.server.should_exit = True
        self.thread.join(PATIENCE_SECONDS)
        assert not self.thread.is_alive()


def until(is_so: Callable[[], bool]) -> float:
    """How long it took."""
    began = time.monotonic()
    while not is_so():
        assert time.monotonic() - began < PATIENCE_SECONDS, "it never came to that"
        time.sleep(0.005)
    return time.monotonic() - began


@contextlib.contextmanager
def serving(
    app: Any = None,
    *,
    pages: Pages | None = None,
    protocol: type[GuardedProtocol] = Impatient,
    limits: ConnectionLimits | None = None,
    listening: socket.socket | None = None,
    **options: Any,
) -> Iterator[Running]:
    pages = pages or Pages()
    limits = limits or ConnectionLimits(per_address_and_second_max=NO_END_OF_THEM)
    if listening is None:
        listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16_384)  # so that little hides in the system
    listening.bind(("127.0.0.1", 0))
    listening.listen(1024)
    settings: dict[str, Any] = server_options(http=protocol, lifespan="off", timeout_graceful_shutdown=2, **options)
    config = uvicorn.Config(app or pages.gateway, **settings)
    server = QuickServer(config, ConnectionRegister(limits, tick_seconds=0.02))
    thread = threading.Thread(target=lambda: uvloop.run(server.serve(sockets=[listening])))
    running = Running(server, listening.getsockname()[1], pages, thread, listening)
    thread.start()
    try:
        until(lambda: server.started)
        yield running
    finally:
        running.stop()


def certificate_options(certificate: Path, key: Path, **options: Any) -> dict[str, Any]:
    return {"ssl_certfile": certificate, "ssl_keyfile": key, **options}
