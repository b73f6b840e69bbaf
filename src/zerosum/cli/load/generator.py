"""A load generator that costs far less than what it measures: raw protocols, rendered requests, no HTTP client.

Closed loop: each connection sends its next request when it has the answer to the last one. Open loop: requests arrive
by themselves, at random moments (Poisson) of a given rate, and wait where no connection is free; their latency counts
from the moment they were meant to be sent, so a server that stalls cannot hide it.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import islice

from zerosum.cli.load.connection import Connection
from zerosum.cli.load.plan import Acknowledged, LoadFailed, Plan, one_if_successful
from zerosum.cli.load.report import LoadReport, Tally

SWEEP_SECONDS = 0.25
"""How often unanswered requests are looked at, and so how much later than its time one is given up."""

EARLY_SECONDS = 0.0005
"""The event loop's timers are a millisecond wide: an arrival so near is sent now, and counted from now."""

WAITING_MAX = 1_000_000
"""Arrivals that wait for a connection in an open loop; beyond it the run has failed."""


async def run_load(
    plan: Plan,
    requests: Iterator[bytes],
    *,
    acknowledged: Acknowledged = one_if_successful,
    on_window: Callable[[bool], None] | None = None,
    on_progress: Callable[[float], None] | None = None,
) -> LoadReport:
    """Raises LoadFailed when a connection cannot be made at first, or no request is answered.

    `on_window` is called with True when measuring begins and with False when it ends; `on_progress` now and then with
    the share that is done.
    """
    return await _Run(plan, requests, acknowledged, on_window, on_progress).carry_out()


class _Run:
    def __init__(
        self,
        plan: Plan,
        requests: Iterator[bytes],
        acknowledged: Acknowledged,
        on_window: Callable[[bool], None] | None,
        on_progress: Callable[[float], None] | None,
    ) -> None:
        self.plan = plan
        self.acknowledged = acknowledged
        self.tally = Tally()
        self.is_open = True
        self.waiting: deque[float] = deque()
        self.free: deque[Connection] = deque()
        self._source = requests if plan.requests is None else islice(requests, plan.requests)
        self._is_exhausted = False
        self._connections = [Connection(self) for _ in range(plan.connections)]
        self._on_window = on_window
        self._on_progress = on_progress
        self._ended = asyncio.Event()
        self._failure: LoadFailed | None = None

    async def carry_out(self) -> LoadReport:
        helpers: list[asyncio.Task[None]] = []
        try:
            await asyncio.gather(*(connection.connect_first() for connection in self._connections))
            helpers = [asyncio.create_task(self._sweep()), asyncio.create_task(self._begin())]
            return await self._measure()
        finally:
            self.is_open = False
            for connection in self._connections:
                connection.abort()
            await _end(helpers)

    async def _measure(self) -> LoadReport:
        await self._until_ended(self.plan.warm_up_seconds)
        outside, self.tally = self.tally, Tally()
        self._tell(is_open=True)
        opened, cpu = time.perf_counter(), time.process_time()
        await self._until_ended(self.plan.seconds)
        seconds, cpu_seconds = time.perf_counter() - opened, time.process_time() - cpu
        self._tell(is_open=False)
        self.is_open = False
        window, self.tally = self.tally, Tally()
        if any(connection.is_busy for connection in self._connections):
            self._ended.clear()
            await self._ended.wait()  # The sweeper bounds it.
        outside.add(self.tally)
        if self._failure is not None:
            raise self._failure
        if not window.answered and not outside.answered:
            raise LoadFailed(f"no request was answered ({', '.join(window.failures + outside.failures)})")
        return LoadReport(window, outside, seconds, cpu_seconds)

    async def _until_ended(self, seconds: float | None) -> None:
        """Until nothing is left to do, at most so long."""
        try:
            async with asyncio.timeout(seconds):
                await self._ended.wait()
        except TimeoutError:
            return

    def _tell(self, *, is_open: bool) -> None:
        if self._on_window is not None:
            self._on_window(is_open)

    def take(self) -> bytes | None:
        if not self.is_open:
            return None
        request = next(self._source, None)
        if request is None:
            self._is_exhausted = True
        return request

    def on_idle(self, *, is_lost: bool) -> None:
        """All is done when no connection will do anything more."""
        has_arrivals = self.plan.rate is not None and self.is_open and not self._is_exhausted
        if has_arrivals and (not is_lost or any(connection.is_free for connection in self._connections)):
            return
        if not any(connection.is_busy or connection.is_connecting for connection in self._connections):
            self._ended.set()

    async def _begin(self) -> None:
        now = time.perf_counter()
        for connection in self._connections:
            connection.go_on(now)
        if self.plan.rate is not None:
            await self._arrive(self.plan.rate)

    async def _arrive(self, rate: float) -> None:
        """Open loop: arrivals at random moments. The same seed gives the same moments."""
        moments = random.Random(self.plan.seed)  # noqa: S311 - a schedule, no secret
        due = time.perf_counter()
        while self.is_open and not self._is_exhausted:
            now = time.perf_counter()
            while due <= now + EARLY_SECONDS:
                connection = self._free_connection()
                if connection is not None:
                    connection.send(min(due, now), now)
                elif len(self.waiting) < WAITING_MAX:
                    self.waiting.append(due)
                else:
                    self._failure = LoadFailed("the server falls behind without end")
                    self._ended.set()
                    return
                due += moments.expovariate(rate)
            await asyncio.sleep(due - now - EARLY_SECONDS / 2)

    def _free_connection(self) -> Connection | None:
        while self.free:
            connection = self.free.popleft()
            if connection.is_free:  # It may have been lost while it waited.
                return connection
        return None

    async def _sweep(self) -> None:
        """Give up requests that wait too long, and tell how far the run has come."""
        began = time.perf_counter()
        total = (self.plan.seconds or 0.0) + self.plan.warm_up_seconds
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            now = time.perf_counter()
            for connection in self._connections:
                connection.give_up_if_late(now - self.plan.answer_seconds_max)
            if self._on_progress is not None:
                share = (now - began) / total if self.plan.seconds else self.tally.answered / (self.plan.requests or 1)
                self._on_progress(min(1.0, share))


async def _end(helpers: Sequence[asyncio.Task[None]]) -> None:
    """Cancelled, unless one has failed by itself."""
    for helper in helpers:
        helper.cancel()
    for ended in await asyncio.gather(*helpers, return_exceptions=True):
        if isinstance(ended, Exception):
            raise ended
