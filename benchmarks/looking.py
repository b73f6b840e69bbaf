# ruff: noqa: SLF001 - it stands in for parts of a process that nobody else exchanges.
"""python -m benchmarks.looking (or `make looking`): what looking costs the process that answers payments.

Services that differ in nothing but who looks, all in this process, pay in turns as in `benchmarks.stages`: without
sockets, and without PostgreSQL. Processor time of all threads, also of those that write lines and send spans; the
collector is a process of its own. So differences of a microsecond can be told, which `benchmarks.telemetry` cannot.

    nothing counted      with what the gateway and the committer count taken out: no setting does that
    metrics              as by default; all others as well, and besides
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from multiprocessing.connection import Connection
from statistics import mean, median
from typing import Any, cast

import uvloop

from benchmarks.service import Service as Servers
from benchmarks.service import fresh_folder, running_service
from benchmarks.stages import NO_LIMITS, Bench, opened
from benchmarks.telemetry import collector
from benchmarks.walk import served
from zerosum.gateway.app import Gateway
from zerosum.logs.setting_up import log_formatter
from zerosum.logs.writing import LineWriter
from zerosum.services.committing.measured import CommitTally

CALLERS = 64
SLICE_ROUNDS = 25
"""So many times all callers pay in one slice: about as many spans as go in one message."""
LOOKED_SECONDS = 0.002

UNCOUNTED, METRICS = "nothing counted", "metrics"


class NoTally(CommitTally):
    """Counts nothing."""

    def took(self, *_: Any) -> None: ...

    def locked(self, *_: Any) -> None: ...

    def count(self, *_: Any) -> None: ...


@dataclass(slots=True)
class Way:
    """One way of being looked at. `costs` are microseconds a payment, a slice each."""

    name: str
    bench: Bench
    prepare: Callable[[], None]
    costs: list[float] = field(default_factory=list)

    async def pay(self) -> None:
        self.prepare()
        begun = time.process_time_ns()
        await self.bench.single(CALLERS, SLICE_ROUNDS)
        await self._sent()
        self.costs.append((time.process_time_ns() - begun) / 1000 / CALLERS / SLICE_ROUNDS)

    async def _sent(self) -> None:
        """All that was told is with the collector."""
        tracing = self.bench.service.tracing
        if tracing is None:
            return
        exporter, before = tracing.exporter, -1
        exporter._is_due.set()
        while exporter._waiting or before != exporter.exported:
            before = exporter.exported
            await asyncio.sleep(LOOKED_SECONDS)

    @property
    def least(self) -> float:
        """The quarter that was disturbed least."""
        return mean(sorted(self.costs)[: max(1, len(self.costs) // 4)])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slices", type=int, default=40, help="of each way")
    options = parser.parse_args()
    with _collecting() as port, fresh_folder() as folder, running_service(folder) as servers:
        uvloop.run(_measured(servers, f"http://127.0.0.1:{port}", options.slices))
    return 0


@contextmanager
def _collecting() -> Iterator[int]:
    """In a process of its own, whose time is nobody's."""
    fork = multiprocessing.get_context("fork")
    here, there = fork.Pipe()
    process = fork.Process(target=_collect, args=(there,), daemon=True)
    process.start()
    yield here.recv()
    here.send(None)
    process.join()


def _collect(there: Connection) -> None:
    with collector() as port:
        there.send(port)
        there.recv()


async def _measured(servers: Servers, endpoint: str, slices: int) -> None:
    _write_lines_to_nobody()
    async with AsyncExitStack() as stack:

        async def opening(**settings: Any) -> Bench:
            opening = served(servers, workers=1, **NO_LIMITS, **settings)
            bench = await opened(*await stack.enter_async_context(opening))
            await bench.bulk(3)
            _trace(bench, 0.0)
            await bench.single(CALLERS, 5)  # Batches with and without a trace are statements of their own.
            _trace(bench, 1.0)
            await stack.enter_async_context(bench.leading_nowhere(CALLERS))
            return bench

        plain, lines = await opening(), await opening(log_requests="all")
        traced = await opening(otlp_endpoint=endpoint)
        counting = Counting(plain)
        ways = [
            Way(UNCOUNTED, plain, counting.leave_off),
            Way(METRICS, plain, counting.go_on),
            Way("and a collector, but no trace", traced, partial(_trace, traced, 0.0)),
            Way("and one trace in a hundred", traced, partial(_trace, traced, 0.01)),
            Way("and every trace", traced, partial(_trace, traced, 1.0)),
            Way("and a line a request", lines, lambda: None),
        ]
        for number in range(slices + 1):
            for way in (*ways[number % len(ways) :], *ways[: number % len(ways)]):
                await way.pay()
        for way in ways:
            del way.costs[0]  # The first one warms up.
        _show(ways)


def _trace(bench: Bench, ratio: float) -> None:
    if bench.service.tracing is not None:
        bench.service.tracing._ratio = ratio


class Counting:
    """What the gateway and the committer count, of a service that can do without."""

    def __init__(self, bench: Bench) -> None:
        self._gateway = cast(Gateway, bench.service.app)
        self._stats = bench.service.stats
        self._sound = self._gateway._observe, self._stats.tally

    def leave_off(self) -> None:
        self._gateway._observe, self._stats.tally = lambda *_: None, NoTally()

    def go_on(self) -> None:
        self._gateway._observe, self._stats.tally = self._sound


def _write_lines_to_nobody() -> None:
    writer = LineWriter(os.open(os.devnull, os.O_WRONLY))
    writer.setFormatter(log_formatter("json"))
    log = logging.getLogger("zerosum")
    log.handlers[:] = [writer]
    log.setLevel(logging.INFO)
    log.propagate = False


def _show(ways: list[Way]) -> None:
    print("| | µs a payment | more than metrics | slice by slice |", "| --- | --- | --- | --- |", sep="\n")
    metrics = next(way for way in ways if way.name == METRICS)
    for way in ways:
        pairs = median([mine - plain for mine, plain in zip(way.costs, metrics.costs, strict=True)])
        print(f"| {way.name} | {way.least:.1f} | {way.least - metrics.least:+.1f} | {pairs:+.1f} |")


if __name__ == "__main__":
    sys.exit(main())
