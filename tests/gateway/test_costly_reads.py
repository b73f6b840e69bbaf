"""Turns of costly reads: in lines of their own, and with a rest while others have requests in work."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

import pytest

from zerosum.domain.errors import Overloaded
from zerosum.gateway.limits import costly_reads
from zerosum.gateway.limits.costly_reads import WAITING_MAX, CostlyReads

LEDGER, OTHER = UUID(int=1), UUID(int=2)
READ_SECONDS = 0.02


class Line:
    """Readers, one after the other as they come, and how many requests are said to be in work besides."""

    def __init__(self, running_max: int = 1) -> None:
        self.others = 0
        self.waiting = 0
        self.running = 0
        self.most = 0
        self.reads = CostlyReads(running_max, lambda: self.others + self.waiting)

    async def read(self, ledger: object = LEDGER, *, is_report: bool = False, seconds: float = READ_SECONDS) -> None:
        self.waiting += 1
        try:
            async with self.reads.turn(ledger, is_report=is_report):  # type: ignore[arg-type]
                self.running += 1
                self.most = max(self.most, self.running)
                await asyncio.sleep(seconds)
                self.running -= 1
        finally:
            self.waiting -= 1


@pytest.fixture
async def line() -> AsyncIterator[Line]:
    line = Line()
    yield line
    await asyncio.sleep(2 * READ_SECONDS * costly_reads.REST_SHARE)
    assert line.reads._lines == {}, "nothing is kept of lines that are empty"


async def test_one_at_a_time_of_a_ledger_and_kind(line: Line) -> None:
    await asyncio.gather(*(line.read() for _ in range(5)))
    assert line.most == 1
    await asyncio.gather(line.read(), line.read(is_report=True), line.read(OTHER))
    assert line.most == 3


async def test_alone_nobody_rests(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(costly_reads, "REST_SECONDS_MAX", 30.0)
    monkeypatch.setattr(costly_reads, "REST_SHARE", 1000.0)
    async with asyncio.timeout(5):
        await asyncio.gather(*(line.read() for _ in range(5)))


async def test_beside_others_a_line_rests_after_each_turn(line: Line) -> None:
    line.others = 1
    loop = asyncio.get_running_loop()
    began = loop.time()
    await asyncio.gather(*(line.read() for _ in range(3)))
    assert loop.time() - began >= READ_SECONDS * (3 + 2 * costly_reads.REST_SHARE)
    line.others = 0
    await asyncio.sleep(READ_SECONDS * costly_reads.REST_SHARE)


async def test_too_many_and_too_long_waits_are_refused(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(costly_reads, "WAIT_SECONDS_MAX", 0.05)
    first = asyncio.create_task(line.read(seconds=0.2))
    await asyncio.sleep(0)
    waiting = [asyncio.create_task(line.read()) for _ in range(WAITING_MAX)]
    await asyncio.sleep(0)
    with pytest.raises(Overloaded):
        await line.read()
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert {type(result) for result in results} == {Overloaded}
    await first


async def test_whoever_gives_up_leaves_the_turn_to_the_next(line: Line) -> None:
    first = asyncio.create_task(line.read())
    await asyncio.sleep(0)
    second, third = asyncio.create_task(line.read()), asyncio.create_task(line.read())
    await asyncio.sleep(0)
    second.cancel()
    await asyncio.gather(first, third)
    with pytest.raises(asyncio.CancelledError):
        await second
