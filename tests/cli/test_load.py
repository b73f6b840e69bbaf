"""The load generator against a server that answers as a script says, to the last request."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count, repeat

import pytest

from zerosum.cli.load import Histogram, LoadFailed, LoadReport, Plan, run_load
from zerosum.cli.load.forks import ForkFailed, in_forks
from zerosum.cli.load.payments import Target, bulk_payments, count_bulk, hot_pairs, single_payments, uniform_pairs
from zerosum.cli.load.responses import MalformedResponse, ResponseReader

GET = b"GET / HTTP/1.1\r\nHost: test\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
CHUNKED = (
    b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"6\r\nhello \r\n5;note=x\r\nworld\r\n0\r\nTrailer: t\r\n\r\n"
)


def fed(*parts: bytes) -> list[tuple[int, bytes]]:
    """What a reader makes of these arrivals: each response with its body."""
    reader = ResponseReader()
    found = []
    for part in parts:
        status = reader.feed(part)
        if status:
            found.append((status, reader.body))
    status = reader.finish()
    return [*found, (status, reader.body)] if status else found


def one_by_one(text: bytes) -> list[bytes]:
    return [text[index : index + 1] for index in range(len(text))]


def test_a_response_with_a_length_is_read_at_once_and_byte_by_byte() -> None:
    assert fed(OK) == [(200, b"ok")]
    assert fed(*one_by_one(OK), OK) == [(200, b"ok"), (200, b"ok")]


def test_chunks_and_trailers_are_read_at_once_and_byte_by_byte() -> None:
    assert fed(CHUNKED) == [(201, b"hello world")]
    assert fed(*one_by_one(CHUNKED), OK) == [(201, b"hello world"), (200, b"ok")]


def test_a_response_without_a_length_lasts_until_the_connection_ends() -> None:
    assert fed(b"HTTP/1.1 200 OK\r\n\r\n", b"all ", b"of it") == [(200, b"all of it")]


def test_a_head_may_come_in_any_case_and_before_it_a_100() -> None:
    assert fed(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 422 No\r\nCONTENT-LENGTH:3\r\n\r\nbad") == [(422, b"bad")]
    assert fed(b"HTTP/1.1 204 No Content\r\n\r\n", OK) == [(204, b""), (200, b"ok")]


def test_the_last_response_of_a_connection_is_known_as_such() -> None:
    reader = ResponseReader()
    assert reader.feed(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n") == 200
    assert reader.is_last
    assert ResponseReader().feed(OK) == 200
    old = ResponseReader()
    assert old.feed(b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n") == 200
    assert old.is_last


@pytest.mark.parametrize(
    "text",
    [
        b"SSH-2.0-OpenSSH\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: two\r\n\r\nok",
        OK + b"more",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n",
        CHUNKED + b"more",
    ],
)
def test_what_is_no_response_is_refused(text: bytes) -> None:
    with pytest.raises(MalformedResponse):
        fed(text)


def test_a_histogram_is_at_most_one_percent_off() -> None:
    histogram = Histogram.of([number / 10_000 for number in range(1, 10_001)])
    assert histogram.count == 10_000
    assert histogram.seconds_at(0.5) == pytest.approx(0.5, rel=0.01)
    assert histogram.seconds_at(0.99) == pytest.approx(0.99, rel=0.01)
    assert histogram.seconds_at(1.0) == histogram.max_seconds == 1.0
    assert histogram.mean_seconds == pytest.approx(0.50005, rel=0.01)


def test_a_histogram_holds_the_very_short_the_very_long_and_the_sum_of_two() -> None:
    histogram = Histogram.of([0.0, -1.0, 0.000_127, 0.000_128, 1e9])
    other = Histogram.of([2.0])
    other.add(histogram)
    assert histogram.count == 5
    assert other.count == 6
    assert other.max_seconds == histogram.max_seconds > 3600
    assert Histogram().seconds_at(0.5) == 0.0


Answer = Callable[[int], Awaitable[bytes | None]]
"""The number of a request -> what is written in answer; None closes the connection."""


@dataclass
class Server:
    """Counts what it is sent. `answer` may wait, or write half of it and close."""

    port: int = 0
    requests: list[bytes] = field(default_factory=list)
    connections: int = 0


@asynccontextmanager
async def serving(answer: Answer) -> AsyncIterator[Server]:
    server = Server()
    open_writers: set[asyncio.StreamWriter] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server.connections += 1
        open_writers.add(writer)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                server.requests.append(head)
                text = await answer(len(server.requests))
                if text is None:
                    break
                writer.write(text)
                await writer.drain()
                if text.startswith(HALF):
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            open_writers.discard(writer)
            writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listening.close()
        for writer in list(open_writers):
            writer.transport.abort()
        await listening.wait_closed()
        await asyncio.sleep(0.01)


HALF = b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nhalf"


def always(text: bytes | None) -> Answer:
    async def answer(_: int) -> bytes | None:
        return text

    return answer


def plan_for(server: Server, *, connections: int = 4, requests: int | None = 100, **members: float | None) -> Plan:
    return Plan(host="127.0.0.1", port=server.port, connections=connections, requests=requests, **members)  # type: ignore[arg-type]


async def test_connections_are_kept_and_every_request_is_counted_once() -> None:
    async with serving(always(OK)) as server:
        report = await run_load(plan_for(server), repeat(GET))
    assert (server.connections, len(server.requests)) == (4, 100)
    assert (dict(report.statuses), dict(report.failures), report.acknowledged) == ({200: 100}, {}, 100)
    assert report.window.latencies.count == 100


async def test_chunked_bodies_and_bodies_in_pieces_are_whole_when_counted() -> None:
    bodies = []

    def take(_: int, body: bytes) -> int:
        bodies.append(body)
        return 3

    async with serving(always(CHUNKED)) as server:
        report = await run_load(plan_for(server, requests=10), repeat(GET), acknowledged=take)
    assert bodies == [b"hello world"] * 10
    assert report.acknowledged == 30


async def test_statuses_are_counted_and_only_successes_acknowledged() -> None:
    async def answer(number: int) -> bytes:
        status = (b"201 Created", b"422 No", b"503 Later", b"504 Unknown")[number % 4]
        return b"HTTP/1.1 %b\r\ncontent-length: 0\r\n\r\n" % status

    async with serving(answer) as server:
        report = await run_load(plan_for(server), repeat(GET))
    assert dict(report.statuses) == {201: 25, 422: 25, 503: 25, 504: 25}
    assert (report.acknowledged, report.unknown) == (25, 25)


async def test_a_connection_closed_in_the_middle_is_unknown_and_made_anew() -> None:
    async def answer(number: int) -> bytes | None:
        return HALF if number == 10 else None if number == 20 else OK

    async with serving(answer) as server:
        report = await run_load(plan_for(server), repeat(GET))
    assert (server.connections, len(server.requests)) == (6, 100)
    assert (dict(report.statuses), dict(report.failures)) == ({200: 98}, {"closed": 2})
    assert (report.acknowledged, report.unknown) == (98, 2)


async def test_a_connection_the_server_ends_in_good_order_loses_nothing() -> None:
    closing = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok"
    async with serving(always(closing)) as server:
        report = await run_load(plan_for(server, requests=20), repeat(GET))
    assert server.connections >= 20
    assert (dict(report.statuses), report.unknown) == ({200: 20}, 0)


async def test_a_request_without_answer_is_given_up() -> None:
    async def answer(number: int) -> bytes | None:
        if number == 1:
            await asyncio.sleep(60)
        return OK

    async with serving(answer) as server:
        report = await run_load(plan_for(server, requests=20, answer_seconds_max=0.2), repeat(GET))
    assert (dict(report.statuses), dict(report.failures), report.unknown) == ({200: 19}, {"timed out": 1}, 1)


async def test_nonsense_is_counted_as_malformed() -> None:
    async def answer(number: int) -> bytes | None:
        return b"nonsense\r\n\r\n" if number == 3 else OK

    async with serving(answer) as server:
        report = await run_load(plan_for(server, requests=10), repeat(GET))
    assert (dict(report.statuses), dict(report.failures)) == ({200: 9}, {"malformed": 1})


async def test_what_is_under_way_at_the_end_is_waited_for_and_counted_outside_the_window() -> None:
    async def answer(_: int) -> bytes | None:
        await asyncio.sleep(0.15)
        return OK

    moments: list[bool] = []
    async with serving(answer) as server:
        plan = plan_for(server, connections=2, requests=None, seconds=0.2, warm_up_seconds=0.2)
        report = await run_load(plan, repeat(GET), on_window=moments.append)
    assert moments == [True, False]
    assert report.acknowledged == len(server.requests)
    assert report.window.answered < len(server.requests)
    assert report.unknown == 0


async def test_no_server_and_a_server_that_never_answers_are_told() -> None:
    async with serving(always(OK)) as server:
        pass
    with pytest.raises(LoadFailed, match="cannot connect"):
        await run_load(plan_for(server), repeat(GET))
    async with serving(always(None)) as silent:
        with pytest.raises(LoadFailed, match="no request was answered"):
            await run_load(plan_for(silent, requests=5), repeat(GET))


async def test_an_open_loop_sends_what_arrives_however_late_the_answers() -> None:
    async def answer(_: int) -> bytes | None:
        await asyncio.sleep(0.05)
        return OK

    async with serving(answer) as server:
        plan = plan_for(server, connections=1, requests=20, rate=1000.0)
        report = await run_load(plan, repeat(GET))
    assert (len(server.requests), report.acknowledged) == (20, 20)
    # One connection and 50 ms each: the last one has waited for all the others, and its latency says so.
    assert report.window.latencies.max_seconds > 0.5


async def test_a_source_that_fails_fails_the_run() -> None:
    async with serving(always(OK)) as server:
        with pytest.raises(ZeroDivisionError):
            await run_load(plan_for(server, seconds=0.1), (b"%d" % (1 // number) for number in count()))


TARGET = Target(host="test", token="secret", key_prefix="run")
CODES = [f"a:{number}" for number in range(10)]


def test_payments_are_the_same_for_the_same_seed_and_each_has_a_key_of_its_own() -> None:
    def first(seed: int) -> list[bytes]:
        made = single_payments(TARGET, uniform_pairs(CODES, seed, 50), seed)
        return [next(made) for _ in range(120)]

    assert first(1) == first(1) != first(2)
    assert len({text.partition(b"Idempotency-Key: ")[2].partition(b"\r\n")[0] for text in first(1)}) == 120
    for text in first(1):
        head, _, body = text.partition(b"\r\n\r\n")
        assert b"Content-Length: %d\r\n" % len(body) in head


def test_a_hot_account_pays_everybody_else() -> None:
    pairs = hot_pairs(CODES, 1)
    assert {payer for payer, _ in pairs} == {"a:0"}
    assert {payee for _, payee in pairs} == set(CODES[1:])
    assert all(payer != payee for payer, payee in uniform_pairs(CODES, 1))


def test_a_bulk_call_carries_its_items_and_its_answer_is_counted() -> None:
    calls = bulk_payments(TARGET, uniform_pairs(CODES, 1), 30, 1)
    bodies = [next(calls).partition(b"\r\n\r\n")[2] for _ in range(2)]
    keys = {key for body in bodies for key in body.split(b'"idempotency_key": "')[1:]}
    assert [body.count(b'"transfer"') for body in bodies] == [30, 30]
    assert len({key.partition(b'"')[0] for key in keys}) == 60
    assert count_bulk(200, b'{"results":[{"index":0,"status":201,"data":{"status":"succeeded"}},{"status":422,}]}') == 1
    assert count_bulk(503, b'"status":201,') == 0


FORKS_BESIDE_THREADS = pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
"""The test runner has threads of its own; the commands that fork have none."""


@FORKS_BESIDE_THREADS
def test_generators_in_forks_give_their_reports_back() -> None:
    def report(number: int) -> LoadReport:
        made = LoadReport.empty()
        made.window.statuses[200] = number
        return made

    reports = in_forks([lambda number=number: report(number) for number in (1, 2)])  # type: ignore[misc]
    reports[0].add(reports[1])
    assert dict(reports[0].statuses) == {200: 3}


@FORKS_BESIDE_THREADS
def test_a_fork_that_fails_is_told() -> None:
    with pytest.raises(ForkFailed):
        in_forks([lambda: 1 // 0])
