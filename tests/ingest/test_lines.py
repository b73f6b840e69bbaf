"""Messages as JSON lines: from stdin, and from whoever connects to a port."""

from __future__ import annotations

import asyncio
import contextlib
import os
import tempfile
from pathlib import Path
from typing import Any

import pytest

from tests.api.conftest import Client
from tests.ingest.ground import as_lines, consumed, consumer, deposit, desk_of, running, transfer, until
from tests.ingest.test_every_input import Sabotaged
from zerosum.adapters.streams.line_splitter import LineSplitter
from zerosum.adapters.streams.lines import StandardInput, TcpInput
from zerosum.main import Service

BYTES_MAX = 65_536


async def read_to_the_end(
    service: Service, client: Client, content: bytes, name: str | None = None, **options: Any
) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "lines"
        path.write_bytes(content)
        descriptor = os.open(path, os.O_RDONLY)
        try:
            source = StandardInput(name or "stdin", BYTES_MAX, has_positions=name is not None, descriptor=descriptor)
            return await consumed(service, client, source, **options)
        finally:
            os.close(descriptor)


async def test_lines_become_payments_and_the_same_lines_again_change_nothing(service: Service, client: Client) -> None:
    a, b = [(await client.open_account())["code"] for _ in range(2)]
    lines = as_lines([deposit(a, "10.00", "k1"), transfer(a, b, "4.00", "k2"), transfer(a, b, "100.00", "k3")])
    for replayed in (0, 3):
        tally, told = await read_to_the_end(service, client, lines)
        assert (tally.done, tally.refused, tally.dead, tally.replayed) == (2, 1, 0, replayed)
        assert told.statuses == ["done", "done", "refused"]
        assert told.answers[2]["problem"]["code"] == "insufficient_funds"
        assert (await client.balance(a))["posted"] == "6.00"
        assert (await client.balance(b))["posted"] == "4.00"


async def test_lines_of_a_named_stdin_need_no_keys(service: Service, client: Client) -> None:
    a = (await client.open_account())["code"]
    lines = as_lines([deposit(a), deposit(a), deposit(a)])
    for replayed in (0, 3):
        tally, _ = await read_to_the_end(service, client, lines, name="morning")
        assert (tally.done, tally.replayed) == (3, replayed)
        assert (await client.balance(a))["posted"] == "3.00"
    tally, _ = await read_to_the_end(service, client, as_lines([deposit(a, "2.00")]), name="morning")
    assert (tally.done, tally.dead) == (0, 1), "another file of that name: its line is told apart from the first one"
    tally, told = await read_to_the_end(service, client, lines)
    assert tally.dead == 3
    assert told.answers[0]["problem"]["code"] == "idempotency_key_missing"


async def test_long_lines_are_cut_and_short_ones_around_them_read(service: Service, client: Client) -> None:
    a = (await client.open_account())["code"]
    long = b'{"command": "' + b"x" * (2 * 1024 * 1024) + b'"}'
    tally, told = await read_to_the_end(service, client, as_lines([deposit(a, key="1"), long, deposit(a, key="2")]))
    assert (tally.done, tally.dead) == (2, 1)
    assert told.answers[1]["problem"]["code"] == "body_too_large"


def test_a_splitter_gives_whole_lines_whatever_the_blocks_are() -> None:
    content = b"first\n\nsecond one\n" + b"x" * 30 + b"\nlast"
    for size in (1, 3, 7, 100):
        splitter = LineSplitter(20)
        found = [pair for at in range(0, len(content), size) for pair in splitter.split(content[at : at + size])]
        found += splitter.rest()
        assert [length for _, length in found] == [5, 0, 10, 30, 4]
        assert found[2][0] == b"second one"


async def test_who_connects_is_answered_line_by_line(service: Service, client: Client) -> None:
    a = (await client.open_account())["code"]
    source = TcpInput("tcp", "127.0.0.1", 0, BYTES_MAX)
    made, _ = consumer(service, client, source)
    async with running(made):
        while source._server is None:
            await asyncio.sleep(0.01)
        reader, writer = await asyncio.open_connection("127.0.0.1", source.port)
        writer.write(as_lines([deposit(a, key="t1"), b"nonsense", deposit(a, key="t1")]))
        writer.write_eof()
        async with asyncio.timeout(20):
            answers = (await reader.read()).splitlines()
        writer.close()
    assert [b'"status":"done"' in line for line in answers] == [True, False, True]
    assert b'"malformed_json"' in answers[1]
    assert (await client.balance(a))["posted"] == "1.00"


@pytest.mark.parametrize(
    "start",
    [
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\n\r\n",
        b"\r\n\r\nPOST / HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\n",
        b"nonsense\n",
    ],
    ids=["a browser", "behind blank lines", "TLS", "nonsense"],
)
async def test_who_begins_with_another_protocol_is_sent_away(service: Service, client: Client, start: bytes) -> None:
    """A page that is open on this machine may send to any of its ports, and a body may hold lines."""
    a = (await client.open_account())["code"]
    source = TcpInput("tcp", "127.0.0.1", 0, BYTES_MAX)
    made, tally = consumer(service, client, source)
    async with running(made):
        await until(lambda: source._server is not None)
        for pause in (False, True):
            reader, writer = await asyncio.open_connection("127.0.0.1", source.port)
            writer.write(start)
            if pause:
                await writer.drain()
                await asyncio.sleep(0.01)
            with contextlib.suppress(ConnectionError):
                writer.write(as_lines([deposit(a, key="forged")]))
                async with asyncio.timeout(20):
                    assert await reader.read() == b""
            writer.close()
        reader, writer = await asyncio.open_connection("127.0.0.1", source.port)
        writer.write(as_lines([deposit(a, key="true")]))
        async with asyncio.timeout(20):
            assert b'"done"' in await reader.readline()
        writer.close()
    assert tally.messages == 1
    assert (await client.balance(a))["posted"] == "1.00"


async def test_stdin_waits_at_its_end_for_what_is_tried_again(service: Service, client: Client) -> None:
    a = (await client.open_account())["code"]
    desk = Sabotaged(desk_of(service, client))
    desk.breaks_on = {"late"}
    reading, writing = os.pipe()
    os.write(writing, as_lines([deposit(a, key="late"), deposit(a)]))
    os.close(writing)
    source = StandardInput("late-lines", BYTES_MAX, has_positions=True, descriptor=reading)
    made, tally = consumer(service, client, source, desk=desk)
    task = asyncio.create_task(made.run())
    await until(lambda: tally.retried >= 1)
    assert not task.done()
    desk.breaks_on = set()
    await asyncio.wait_for(task, 30)
    assert (tally.done, tally.dead) == (2, 0)
    assert (await client.balance(a))["posted"] == "2.00"
