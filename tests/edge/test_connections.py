"""Connections that bring no request take no place from those that do."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from tests.edge.sealed_certificates import Authority
from tests.gateway.ground import Ground
from zerosum.gateway import front_door
from zerosum.gateway.client_address import client_address
from zerosum.gateway.exchange import REST, TLS
from zerosum.gateway.front_door import ConnectionLimits
from zerosum.gateway.http_server import GuardedProtocol, server_options, tls_options
from zerosum.gateway.lingering_server import LingeringServer
from zerosum.gateway.routing import Answer, Call
from zerosum.services.addresses import parse_network

HEALTH = b"GET /health HTTP/1.1\r\nHost: zerosum.test\r\n\r\n"
PATIENCE_SECONDS = 8.0
SHORT_SECONDS = 0.3


class ImpatientProtocol(GuardedProtocol):
    arrival_seconds_max = SHORT_SECONDS
    unread_seconds_max = SHORT_SECONDS


class QuietServer(LingeringServer):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals belong to the test run."""
        yield


@dataclass
class Running:
    server: QuietServer
    ground: Ground
    port: int
    peers: list[Peer] = field(default_factory=list)

    async def connect(self, address: str = "127.0.0.1", **options: Any) -> Peer:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, local_addr=(address, 0), **options)
        self.peers.append(Peer(reader, writer))
        return self.peers[-1]

    async def leave(self) -> None:
        for peer in self.peers:
            peer.writer.transport.abort()
            with contextlib.suppress(OSError):
                await peer.writer.wait_closed()

    async def until(self, claim: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not claim():
                await asyncio.sleep(0.01)

    @property
    def open_connections(self) -> int:
        return self.server.doors[0].in_all


@dataclass
class Peer:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def ask(self, text: bytes = HEALTH) -> bytes:
        """The answer's first line, or nothing where the connection was closed."""
        self.writer.write(text)
        return await self.answer()

    async def answer(self) -> bytes:
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                head = await self.reader.readuntil(b"\r\n\r\n")
                if b"transfer-encoding: chunked" in head.lower():
                    await self.reader.readuntil(b"0\r\n\r\n")
                else:
                    length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length"))
                    await self.reader.readexactly(int(length.split(b":")[1]))
        except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
            return b""
        return head.split(b"\r\n")[0]

    async def is_closed(self) -> bool:
        with contextlib.suppress(ConnectionError):
            async with asyncio.timeout(PATIENCE_SECONDS):
                while await self.reader.read(1 << 20):
                    continue
        return True


@asynccontextmanager
async def running(
    limits: ConnectionLimits | None = None, ground: Ground | None = None, **options: Any
) -> AsyncIterator[Running]:
    listening = socket.create_server(("127.0.0.1", 0), backlog=2048)
    given: dict[str, Any] = server_options(lifespan="off", timeout_graceful_shutdown=2, **options)
    served = ground or Ground()
    server = QuietServer(uvicorn.Config(served.gateway, **given), limits)
    task = asyncio.create_task(server.serve(sockets=[listening]))
    while not server.started:
        await asyncio.sleep(0.005)
    made = Running(server, served, listening.getsockname()[1])
    try:
        yield made
    finally:
        await made.leave()
        server.should_exit = server.force_exit = True
        await task


# --- How many --------------------------------------------------------------------------------------------------------


async def test_an_address_has_so_many_connections_and_another_its_own() -> None:
    async with running(ConnectionLimits(per_address=3)) as service:
        mine = [await service.connect("127.0.0.2") for _ in range(3)]
        assert all([await peer.ask() for peer in mine])
        assert await (await service.connect("127.0.0.2")).ask() == b""
        assert await (await service.connect("127.0.0.3")).ask() == b"HTTP/1.1 200 OK"
        mine[0].writer.close()
        await service.until(lambda: service.open_connections == 3)
        assert await (await service.connect("127.0.0.2")).ask() == b"HTTP/1.1 200 OK"


async def test_a_trusted_proxy_is_counted_in_all_only() -> None:
    limits = ConnectionLimits(per_address=1, trusted_proxies=(ip_network("127.0.0.2/32"),))
    async with running(limits) as service:
        carried = [await service.connect("127.0.0.2") for _ in range(5)]
        assert all([await peer.ask() for peer in carried])


async def test_who_is_idle_for_longest_makes_room_and_who_is_busy_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(front_door, "EVICTIONS_MAX", 1)
    monkeypatch.setattr(front_door, "EVICTION_SECONDS", 0.0)
    async with running(ConnectionLimits(in_all=3)) as service:
        peers = [await service.connect() for _ in range(3)]
        for peer in peers:
            assert await peer.ask()
        peers[0].writer.write(HEALTH[:10])  # busy: a request has begun
        await asyncio.sleep(0.05)
        newcomer = await service.connect()
        if not await newcomer.ask():  # the first newcomer makes room for the next
            newcomer = await service.connect()
            assert await newcomer.ask() == b"HTTP/1.1 200 OK"
        assert await peers[1].is_closed()
        assert await peers[0].ask(HEALTH[10:]) == b"HTTP/1.1 200 OK"
        assert await peers[2].ask() == b"HTTP/1.1 200 OK"


async def test_without_idle_ones_who_comes_too_late_is_turned_away() -> None:
    async with running(ConnectionLimits(in_all=2)) as service:
        for _ in range(2):
            (await service.connect()).writer.write(HEALTH[:10])
        await service.until(lambda: service.open_connections == 2)
        assert await (await service.connect()).ask() == b""
        assert service.server.doors[0].turned_away == 1


async def test_without_descriptors_the_door_pauses_and_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(front_door, "PAUSE_SECONDS", 0.05)
    async with running() as service:
        door = service.server.doors[0]
        attempts = 0

        class Exhausted:
            def accept(self) -> Any:
                nonlocal attempts
                attempts += 1
                raise OSError(24, "Too many open files")

            def fileno(self) -> int:
                return listening.fileno()

        listening, door._listening = door._listening, Exhausted()  # type: ignore[assignment]
        waiting = await service.connect()
        await asyncio.sleep(0.3)
        assert 1 <= attempts <= 8, "no busy loop"
        door._listening = listening
        assert await waiting.ask() == b"HTTP/1.1 200 OK"


# --- How long --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"\r\n",
        b"\r\n" * 50,
        HEALTH[:20],
        HEALTH + HEALTH[:20],
        b"POST /pay HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n{",
    ],
    ids=["nothing", "one empty line", "empty lines", "half a head", "half a second head", "half a body"],
)
async def test_what_is_no_whole_request_ends_whatever_bytes_come(sent: bytes) -> None:
    async with running(http=ImpatientProtocol) as service:
        peer = await service.connect()
        peer.writer.write(sent)
        assert await peer.is_closed()


async def test_empty_lines_do_not_put_off_the_end_of_an_idle_connection() -> None:
    async with running(timeout_keep_alive=SHORT_SECONDS) as service:
        peer = await service.connect()
        assert await peer.ask()

        async def trickle() -> None:
            while True:
                peer.writer.write(b"\r\n")
                await asyncio.sleep(0.05)

        trickling = asyncio.create_task(trickle())
        async with asyncio.timeout(5 * SHORT_SECONDS):
            assert await peer.is_closed()
        trickling.cancel()


async def test_empty_lines_before_a_request_are_fine_and_a_fast_one_is_served() -> None:
    async with running(http=ImpatientProtocol) as service:
        peer = await service.connect()
        assert await peer.ask(b"\r\n\r\n" + HEALTH) == b"HTTP/1.1 200 OK"
        await asyncio.sleep(2 * SHORT_SECONDS)
        assert await peer.ask(b"\r\n" + HEALTH) == b"HTTP/1.1 200 OK"


async def test_silent_handshakes_end_and_lock_nobody_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(front_door, "HANDSHAKE_SECONDS_MAX", 1.0)
    authority = Authority(tmp_path)
    certificate, key = authority.sign("localhost", host="localhost")
    original = front_door.FrontDoor.__init__

    def impatient(self: Any, *arguments: Any, **options: Any) -> None:
        original(self, *arguments, handshake_seconds_max=SHORT_SECONDS, **options)

    monkeypatch.setattr(front_door.FrontDoor, "__init__", impatient)
    async with running(ConnectionLimits(per_address=50), **tls_options(certificate, key)) as service:
        silent = [await service.connect("127.0.0.2") for _ in range(60)]
        honest = await service.connect("127.0.0.3", ssl=authority.trust(), server_hostname="localhost")
        assert await honest.ask() == b"HTTP/1.1 200 OK"
        assert all([await peer.is_closed() for peer in silent])
        await service.until(lambda: service.open_connections == 1)
        again = await service.connect("127.0.0.2", ssl=authority.trust(), server_hostname="localhost")
        assert await again.ask() == b"HTTP/1.1 200 OK"


# --- Who does not read -----------------------------------------------------------------------------------------------


class LargeAnswers(Ground):
    async def endpoint(self, call: Call) -> Answer:
        self.calls.append(call)
        return Answer(200, bytes(8_000_000), ((b"content-type", b"application/octet-stream"),))


async def test_an_answer_nobody_reads_keeps_little_memory_and_ends() -> None:
    async with running(ground=LargeAnswers(), http=ImpatientProtocol) as service:
        peer = await service.connect()
        peer.reader._transport.pause_reading()  # type: ignore[attr-defined]
        peer.writer.write(HEALTH * 50)
        await service.until(lambda: bool(service.ground.calls))
        await asyncio.sleep(SHORT_SECONDS / 3)
        (guest,) = service.server.server_state.connections
        assert guest.transport.get_write_buffer_size() < 400_000
        assert len(service.ground.calls) == 1, "the next request waits until this answer is read"
        await service.until(lambda: service.open_connections == 0)


async def test_who_reads_slowly_but_reads_gets_it_all() -> None:
    async with running(ground=LargeAnswers(), http=ImpatientProtocol) as service:
        peer = await service.connect()
        peer.writer.write(HEALTH)
        size = 0
        async with asyncio.timeout(PATIENCE_SECONDS):
            while size < 8_000_000:
                size += len(await peer.reader.read(400_000))
                await asyncio.sleep(0.01)


async def test_requests_without_end_on_one_connection_are_given_up() -> None:
    ground = Ground(takes_forever=True)
    async with running(ground=ground) as service:
        peer = await service.connect()
        read = b"GET /read HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer good\r\n\r\n"
        peer.writer.write(read * 200)
        assert await peer.is_closed()


# --- Who asks too often ----------------------------------------------------------------------------------------------


async def test_a_connection_that_asks_too_often_rests_after_the_answer() -> None:
    async with running(ground=Ground(address_limit="1/h")) as service:
        peer = await service.connect()
        assert await peer.ask() == b"HTTP/1.1 200 OK"
        loop = asyncio.get_running_loop()
        assert await peer.ask() == b"HTTP/1.1 429 Too Many Requests"
        told_at = loop.time()
        assert await peer.ask(HEALTH + HEALTH) == b"HTTP/1.1 429 Too Many Requests"
        assert loop.time() - told_at > 0.4
        assert await peer.answer() == b"HTTP/1.1 429 Too Many Requests"
        assert loop.time() - told_at > 0.8


async def test_a_rest_holds_what_was_read_already_too() -> None:
    async with running(ground=Ground(address_limit="1/h")) as service:
        peer = await service.connect()
        peer.writer.write(HEALTH * 20)
        for _ in range(2):
            await peer.answer()
        await asyncio.sleep(0.2)
        assert len(service.ground.observed) == 2


# --- Addresses and certificates --------------------------------------------------------------------------------------


def test_ipv4_mapped_into_ipv6_is_ipv4_in_limits_and_in_trust() -> None:
    assert client_address("::ffff:192.0.2.1", None, ()) == "192.0.2.1"
    trusted = (parse_network("::ffff:10.0.0.0/104"), parse_network("192.168.0.0/16"))
    assert str(trusted[0]) == "10.0.0.0/8"
    assert client_address("::ffff:10.1.2.3", b"198.51.100.7", trusted) == "198.51.100.7"
    assert client_address("::ffff:192.168.1.1", b"::ffff:198.51.100.7", trusted) == "198.51.100.7"
    assert client_address("10.1.2.3", b"198.51.100.9, ::ffff:192.168.3.4", trusted) == "198.51.100.9"
    assert client_address("2001:db8::1", None, ()) == "2001:db8::/64"


async def test_a_callers_certificate_is_verified_and_told_and_may_be_left_out(tmp_path: Path) -> None:
    authority, stranger = Authority(tmp_path), Authority(tmp_path, "another authority")
    certificate, key = authority.sign("localhost", host="localhost")
    seen: list[Any] = []

    class Telling(Ground):
        async def framework(self, scope: Any, receive: Any, send: Any) -> None:
            seen.append(scope["extensions"].get(TLS))
            assert REST in scope["extensions"]
            await super().framework(scope, receive, send)

    read = b"GET /read HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer good\r\n\r\n"
    async with running(ground=Telling(), **tls_options(certificate, key, authority.path)) as service:
        for shown in (None, authority.sign("caller-7")):
            peer = await service.connect(ssl=authority.trust(shown), server_hostname="localhost")
            assert await peer.ask(read) == b"HTTP/1.1 200 OK"
        forged = authority.trust(stranger.sign("evil"))
        with contextlib.suppress(ssl.SSLError, ConnectionError):
            assert await (await service.connect(ssl=forged, server_hostname="localhost")).ask(read) == b""
    assert seen[0] is None
    assert seen[1]["client_cert_name"] == "CN=caller-7"
    assert len(seen) == 2
