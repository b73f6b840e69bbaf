"""HTTP/1.1 on a real socket: framing, limits and deadlines, as attackers and broken clients use them."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import orjson
import pytest
import uvicorn

from tests.gateway.ground import Ground
from tests.gateway.raw_http import HOST, MONEY, PATIENCE_SECONDS, Reply
from tests.quiet_server import Quiet
from zerosum.api.problems import problem
from zerosum.domain.errors import InvalidRequest
from zerosum.gateway.server.connection_register import ConnectionRegister
from zerosum.gateway.server.guarded_server import GuardedServer
from zerosum.gateway.server.http_server import GuardedProtocol
from zerosum.gateway.server_options import server_options

ARRIVAL_SECONDS = 0.3
"""Of the impatient server."""


class ImpatientProtocol(GuardedProtocol):
    arrival_seconds_max = ARRIVAL_SECONDS


class QuietServer(Quiet, GuardedServer):
    pass


@dataclass
class Running:
    """A server and the ground it stands on."""

    port: int
    ground: Ground

    async def connect(self) -> Connection:
        return Connection(*await asyncio.open_connection("127.0.0.1", self.port))

    async def send(self, text: str | bytes) -> list[Reply]:
        """All replies until the server closes the connection."""
        async with await self.connect() as connection:
            connection.write(text)
            return await connection.replies()

    async def ask(self, text: str | bytes) -> Reply:
        """The one reply, after which the server has closed the connection."""
        (reply,) = await self.send(text)
        return reply


class Connection:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def __aenter__(self) -> Connection:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.writer.close()
        with contextlib.suppress(OSError):
            await self.writer.wait_closed()

    def write(self, text: str | bytes) -> None:
        self.writer.write(text.encode() if isinstance(text, str) else text)

    async def replies(self) -> list[Reply]:
        """Until the end of the connection, which must come from the server."""
        found = []
        while (reply := await self.reply()) is not None:
            found.append(reply)
        return found

    async def reply(self) -> Reply | None:
        """The next reply; None where the connection ended instead."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            if not (first_byte := await self.reader.read(1)):
                return None
            head = first_byte + await self.reader.readuntil(b"\r\n\r\n")
            first, *lines = head.decode("latin-1").split("\r\n")[:-2]
            headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
            body = await self.reader.readexactly(int(headers.get("content-length", 0)))
            return Reply(int(first.split(" ")[1]), headers, body)


@contextlib.asynccontextmanager
async def serving(protocol: type[GuardedProtocol]) -> AsyncIterator[Running]:
    ground = Ground()
    listening = socket.create_server(("127.0.0.1", 0))
    options: dict[str, Any] = server_options(http=protocol, lifespan="off")
    server = QuietServer(uvicorn.Config(ground.gateway, **options), ConnectionRegister(tick_seconds=0.02))
    running = asyncio.create_task(server.serve(sockets=[listening]))
    yield Running(listening.getsockname()[1], ground)
    server.should_exit = True
    await running
    listening.close()


@pytest.fixture(scope="module")
async def servers() -> AsyncIterator[tuple[Running, Running]]:
    async with serving(GuardedProtocol) as patient, serving(ImpatientProtocol) as impatient:
        yield patient, impatient


@pytest.fixture
def server(servers: tuple[Running, Running]) -> Running:
    """With the deadlines of production."""
    servers[0].ground.calls.clear()
    return servers[0]


@pytest.fixture
def impatient(servers: tuple[Running, Running]) -> Running:
    servers[1].ground.calls.clear()
    return servers[1]


# --- Requests as they should be --------------------------------------------------------------------------------------


async def test_requests_on_one_connection_are_answered_one_after_the_other(server: Running) -> None:
    async with await server.connect() as connection:
        for _ in range(3):
            connection.write(f"POST /pay HTTP/1.1\r\n{MONEY}Content-Length: 2\r\n\r\n{{}}")
            reply = await connection.reply()
            assert reply is not None
            assert reply.status == 200
    assert len(server.ground.calls) == 3


async def test_a_body_may_come_in_chunks(server: Running) -> None:
    async with await server.connect() as connection:
        connection.write(f"POST /pay HTTP/1.1\r\n{MONEY}Transfer-Encoding: chunked\r\n\r\n")
        connection.write('3\r\n{"a\r\n4;x=y\r\n":1}\r\n0\r\n\r\n')
        reply = await connection.reply()
        assert reply is not None
        assert reply.status == 200
    assert server.ground.calls[0].content == {"a": 1}


async def test_an_absolute_address_names_its_path(server: Running) -> None:
    reply = await server.ask(f"GET http://zerosum.test/health HTTP/1.1\r\n{HOST}Connection: close\r\n\r\n")
    assert reply.status == 200


# --- Sizes -----------------------------------------------------------------------------------------------------------


async def test_a_body_that_will_be_too_large_is_refused_before_it_comes(server: Running) -> None:
    reply = await server.ask(f"POST /pay HTTP/1.1\r\n{MONEY}Content-Length: 65537\r\n\r\n")
    assert (reply.status, reply.code, reply.headers["connection"]) == (413, "body_too_large", "close")


async def test_a_chunked_body_is_refused_as_soon_as_it_is_too_large(server: Running) -> None:
    chunk = b"1000\r\n" + b" " * 0x1000 + b"\r\n"
    head = f"POST /pay HTTP/1.1\r\n{MONEY}Transfer-Encoding: chunked\r\n\r\n".encode()
    reply = await server.ask(head + chunk * 17)
    assert (reply.status, reply.code) == (413, "body_too_large")


@pytest.mark.parametrize(
    ("lines", "status", "code"),
    [
        (f"GET /health HTTP/1.1\r\n{HOST}X: {'a' * 17_000}\r\n\r\n", 431, "headers_too_large"),
        (f"GET /health HTTP/1.1\r\n{HOST}" + "X: y\r\n" * 200 + "\r\n", 431, "headers_too_large"),
        (f"GET /{'a' * 10_000} HTTP/1.1\r\n{HOST}\r\n", 414, "uri_too_long"),
        (f"GET /health?{'a' * 10_000} HTTP/1.1\r\n{HOST}\r\n", 414, "uri_too_long"),
        # What never ends is not waited for.
        (f"GET /health HTTP/1.1\r\n{HOST}X: {'a' * 100_000}", 431, "headers_too_large"),
        (f"GET /health HTTP/1.1\r\n{HOST}" + "X: y\r\n" * 20_000, 431, "headers_too_large"),
        (f"GET /{'a' * 100_000}", 414, "uri_too_long"),
    ],
)
async def test_a_head_is_bounded(server: Running, lines: str, status: int, code: str) -> None:
    replies = await server.send(lines)
    assert [(reply.status, reply.code) for reply in replies] == [(status, code)]


async def test_a_flood_of_chunk_extensions_is_cut_off(server: Running) -> None:
    head = f"POST /pay HTTP/1.1\r\n{MONEY}Transfer-Encoding: chunked\r\n\r\n1;"
    async with await server.connect() as connection:
        connection.write(head)
        with contextlib.suppress(ConnectionError):
            for _ in range(200):
                connection.write(b"a" * 65_536)
                await connection.writer.drain()
        with contextlib.suppress(ConnectionError):
            assert [reply.status for reply in await connection.replies()] in ([400], [])
    assert server.ground.calls == []


# --- Framing that two parsers could read differently -----------------------------------------------------------------


@pytest.mark.parametrize(
    "lines",
    [
        "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n0\r\n\r\n",
        "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{} ",
        "Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
        "Content-Length: 2, 2\r\n\r\n{}",
        "Content-Length: +2\r\n\r\n{}",
        "Content-Length: -2\r\n\r\n{}",
        "Content-Length: 0x2\r\n\r\n{}",
        "Content-Length: 99999999999999999999999\r\n\r\n{}",
        "Content-Length : 2\r\n\r\n{}",
        "Content-Length: 2\r\n folded\r\n\r\n{}",
        "X: a\r\n b\r\nContent-Length: 2\r\n\r\n{}",
        "Transfer-Encoding: gzip\r\n\r\n{}",
        "Transfer-Encoding: chunked, gzip\r\n\r\n{}",
        "Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFF\r\n{}",
        "Transfer-Encoding: chunked\r\n\r\n-2\r\n{}\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n2 \r\n{}\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n0x2\r\n{}\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n2\n{}\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n2\r\n{}}\r\n0\r\n\r\n",
        "X: a\rb\r\nContent-Length: 2\r\n\r\n{}",
        "X: a\0b\r\nContent-Length: 2\r\n\r\n{}",
        "X y: a\r\nContent-Length: 2\r\n\r\n{}",
        ": a\r\nContent-Length: 2\r\n\r\n{}",
    ],
)
async def test_ambiguous_framing_is_refused_and_nothing_is_done(server: Running, lines: str) -> None:
    reply = await server.ask(f"POST /pay HTTP/1.1\r\n{MONEY}{lines}")
    assert (reply.status, reply.code, reply.headers["connection"]) == (400, "invalid_request", "close")
    assert server.ground.calls == []


@pytest.mark.parametrize(
    "text",
    [
        "GET /health\r\n\r\n",
        "GET  /health HTTP/1.1\r\n\r\n",
        "GET /health HTTP/1.2\r\n\r\n",
        "GET /health HTTP/9.9\r\n\r\n",
        "GET /he\0alth HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /he alth HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /h\xe9 HTTP/1.1\r\nHost: a\r\n\r\n".encode("latin-1"),
        "FOO /health HTTP/1.1\r\nHost: a\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        "nonsense\r\n\r\n",
    ],
)
async def test_what_is_not_http_is_told_so(server: Running, text: str | bytes) -> None:
    reply = await server.ask(text)
    assert (reply.status, reply.code) == (400, "invalid_request")


async def test_the_servers_own_words_have_the_form_of_all_problems(server: Running) -> None:
    reply = await server.ask(f"GET /health?x HTTP/1.1\r\n{HOST}X-Request-Id: mine\r\nA: b\r\nX y: a\r\n\r\n")
    told = orjson.loads(reply.body)
    assert told.keys() == problem(InvalidRequest("x"), "id", "/").keys()
    assert (told["instance"], told["request_id"], reply.headers["x-request-id"]) == ("/health", "mine", "mine")
    assert reply.headers["x-content-type-options"] == "nosniff"


async def test_a_request_hidden_in_a_refused_body_is_not_carried_out(server: Running) -> None:
    hidden = f"POST /pay HTTP/1.1\r\n{MONEY}Content-Length: 2\r\n\r\n{{}}"
    for line in ("POST /nothing", "GET /read"):
        reply = await server.ask(f"{line} HTTP/1.1\r\n{HOST}Content-Length: {len(hidden)}\r\n\r\n{hidden}")
        assert reply.status in (404, 405)
    assert server.ground.calls == []


# --- Paths, methods, hosts -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/health%00", 400),
        ("/health%0d%0aX:y", 400),
        ("/%e2%80%ae", 400),
        ("/%2e%2e%2fhealth", 404),
        ("/../health", 404),
        ("//health", 404),
        ("/health;x", 404),
        ("/health/", 404),
        ("/%ff", 404),
        ("/%", 404),
    ],
)
async def test_a_strange_path_leads_nowhere(server: Running, path: str, status: int) -> None:
    reply = await server.ask(f"GET {path} HTTP/1.1\r\n{HOST}Connection: close\r\n\r\n")
    assert (reply.status, server.ground.calls) == (status, [])


@pytest.mark.parametrize("method", ["TRACE", "PROPFIND", "DELETE", "OPTIONS", "HEAD"])
async def test_other_methods_are_not_allowed(server: Running, method: str) -> None:
    text = f"{method} /pay HTTP/1.1\r\n{HOST}X-HTTP-Method-Override: POST\r\nConnection: close\r\n\r\n"
    async with await server.connect() as connection:
        connection.write(text)
        head = await connection.reader.readuntil(b"\r\n\r\n")
    assert b" 405 " in head
    assert b"allow: POST" in head
    assert server.ground.calls == []


@pytest.mark.parametrize("line", ["CONNECT zerosum.test:443 HTTP/1.1", "OPTIONS * HTTP/1.1", "GET * HTTP/1.1"])
async def test_what_is_not_asked_of_a_path_is_refused(server: Running, line: str) -> None:
    (reply, *_) = await server.send(f"{line}\r\n{HOST}Connection: close\r\n\r\n")
    assert reply.status in (400, 404, 405)


async def test_a_get_with_a_body_is_refused(server: Running) -> None:
    for lines in ("Content-Length: 2\r\n\r\n{}", "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"):
        reply = await server.ask(f"GET /read HTTP/1.1\r\n{MONEY}{lines}")
        assert (reply.status, reply.code) == (405, "method_not_allowed")


@pytest.mark.parametrize("hosts", ["", HOST + HOST, f"{HOST}Host: other.test\r\n"])
async def test_there_must_be_one_host(server: Running, hosts: str) -> None:
    for version in ("1.1", "1.0"):
        reply = await server.ask(f"GET /health HTTP/{version}\r\n{hosts}Connection: close\r\n\r\n")
        assert (reply.status, reply.code) == (400, "invalid_request")


async def test_an_upgrade_is_not_taken_up(server: Running) -> None:
    text = f"GET /health HTTP/1.1\r\n{HOST}Connection: Upgrade, close\r\nUpgrade: websocket\r\n\r\n"
    assert (await server.ask(text)).status == 200


# --- Many at once ----------------------------------------------------------------------------------------------------


async def test_a_hundred_pipelined_requests_are_answered_in_order(server: Running) -> None:
    one = f"POST /pay HTTP/1.1\r\n{MONEY}"
    texts = [f"{one}Content-Length: {len(body)}\r\n\r\n{body}" for body in (f'{{"n":{n}}}' for n in range(100))]
    async with await server.connect() as connection:
        connection.write("".join(texts))
        for _ in range(100):
            reply = await connection.reply()
            assert reply is not None
            assert reply.status == 200
    assert [call.content["n"] for call in server.ground.calls] == list(range(100))


@pytest.mark.parametrize("follows", ["GARBAGE\0", f"GET /{'a' * 100_000}", "POST /pay HTTP/1.1\r\nHost: a\r\n\0:"])
async def test_a_good_request_is_never_given_the_refusal_of_what_follows_it(server: Running, follows: str) -> None:
    good = f"POST /pay HTTP/1.1\r\n{MONEY}Content-Length: 2\r\n\r\n{{}}"
    for before in (good, good * 5):
        replies = await server.send(before + follows)
        assert [reply.status for reply in replies[: before.count("POST")]] == [200] * before.count("POST")


async def test_a_client_that_goes_away_leaves_nothing_behind(server: Running) -> None:
    one = f"POST /pay HTTP/1.1\r\n{MONEY}Content-Length: 2\r\n\r\n{{}}"
    async with await server.connect() as connection:
        connection.write(one * 100 + one[:-1])
        await connection.reply()
        connection.writer.transport.abort()
    reply = await server.ask(f"GET /health HTTP/1.1\r\n{HOST}Connection: close\r\n\r\n")
    assert reply.status == 200
    assert server.ground.admission.in_flight == 0
    assert all(call.content == {} for call in server.ground.calls)


# --- Deadlines -------------------------------------------------------------------------------------------------------


async def test_a_silent_connection_is_closed(impatient: Running) -> None:
    assert await impatient.send("") == []


@pytest.mark.parametrize(
    "text",
    [
        "POST",
        "POST /pay HTTP/1.1\r\nHost",
        f"POST /pay HTTP/1.1\r\n{MONEY}",
        f"POST /pay HTTP/1.1\r\n{MONEY}Content-Length: 2\r\n\r\n{{",
        f"POST /pay HTTP/1.1\r\n{MONEY}Transfer-Encoding: chunked\r\n\r\n2\r\n{{}}\r\n",
        f"POST /pay HTTP/1.1\r\n{MONEY}Transfer-Encoding: chunked\r\n\r\n2;",
    ],
)
async def test_a_request_that_stops_is_given_up(impatient: Running, text: str) -> None:
    reply = await impatient.ask(text)
    assert (reply.status, reply.code, reply.headers["connection"]) == (408, "request_timeout", "close")
    assert impatient.ground.calls == []


async def test_a_body_asked_for_that_never_comes_is_given_up(impatient: Running) -> None:
    text = f"POST /pay HTTP/1.1\r\n{MONEY}Content-Length: 2\r\nExpect: 100-continue\r\n\r\n"
    assert [reply.status for reply in await impatient.send(text)] == [100, 408]
    assert impatient.ground.admission.in_flight == 0


@pytest.mark.parametrize("head", ["X: ", "Content-Length: 60000\r\n\r\n"])
async def test_a_trickle_does_not_move_the_deadline(impatient: Running, head: str) -> None:
    loop = asyncio.get_running_loop()
    started = loop.time()
    async with await impatient.connect() as connection:
        connection.write(f"POST /pay HTTP/1.1\r\n{MONEY}{head}")
        reading = asyncio.create_task(connection.replies())
        while not reading.done():  # a byte now and then, until the server has had enough
            with contextlib.suppress(ConnectionError):
                connection.write(b" ")
                await connection.writer.drain()
            await asyncio.wait([reading], timeout=ARRIVAL_SECONDS / 10)
        assert [reply.status for reply in await reading] == [408]
    assert loop.time() - started < PATIENCE_SECONDS


async def test_each_request_has_its_own_deadline(impatient: Running) -> None:
    async with await impatient.connect() as connection:
        connection.write(f"GET /health HTTP/1.1\r\n{HOST}\r\n")
        first = await connection.reply()
        assert first is not None
        assert first.status == 200
        connection.write("GET /hea")
        assert [reply.status for reply in await connection.replies()] == [408]


async def test_a_connection_between_requests_may_be_silent(impatient: Running) -> None:
    async with await impatient.connect() as connection:
        for _ in range(2):
            connection.write(f"GET /health HTTP/1.1\r\n{HOST}\r\n")
            reply = await connection.reply()
            assert reply is not None
            assert reply.status == 200
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(2 * ARRIVAL_SECONDS):
                    await connection.reader.read(1)


async def test_a_refused_body_that_still_trickles_in_gets_no_second_answer(impatient: Running) -> None:
    text = f"DELETE /nothing HTTP/1.1\r\n{HOST}Content-Length: 1000\r\n\r\nx"
    assert [reply.status for reply in await impatient.send(text)] == [404]
