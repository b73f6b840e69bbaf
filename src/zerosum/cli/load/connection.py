"""One keep-alive connection of the load generator, with at most one request under way."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import Protocol

from zerosum.cli.load.plan import Acknowledged, LoadFailed, Plan
from zerosum.cli.load.report import CLOSED, MALFORMED, NOT_CONNECTED, TIMED_OUT, Tally
from zerosum.cli.load.responses import MalformedResponse, ResponseReader

CONNECT_SECONDS_MAX = 5.0
RECONNECT_SECONDS = 0.05
RECONNECTS_MAX = 100
"""In a row: five seconds at least. Then the connection is given up."""


class Run(Protocol):
    """What the connections of a run share."""

    plan: Plan
    acknowledged: Acknowledged
    tally: Tally
    is_open: bool
    """Whether requests are still to be sent."""
    waiting: deque[float]
    """Open loop: when arrivals that found no free connection were meant to be sent."""
    free: deque[Connection]
    """Open loop: connections that wait for an arrival."""

    def take(self) -> bytes | None:
        """The next request, or None when no more are to be sent."""

    def on_idle(self, *, is_lost: bool) -> None:
        """A connection has nothing to do now; a lost one never will."""


class Connection(asyncio.Protocol):
    """Made anew when it is lost, as long as the run is open."""

    def __init__(self, run: Run) -> None:
        self.is_busy = False
        """A request is under way."""
        self.is_connecting = False
        self._run = run
        self._is_paced = run.plan.rate is not None
        self._is_ended = False
        self._reader = ResponseReader()
        self._transport: asyncio.WriteTransport | None = None
        self._started = 0.0
        self._sent_at = 0.0
        self._reconnecting: asyncio.Task[None] | None = None

    @property
    def is_free(self) -> bool:
        return self._transport is not None and not self.is_busy and not self.is_connecting

    async def connect_first(self) -> None:
        """Raises LoadFailed."""
        plan = self._run.plan
        try:
            await self._connect()
        except (OSError, TimeoutError) as error:
            raise LoadFailed(f"cannot connect to {plan.host}:{plan.port} ({error or 'it takes too long'})") from None

    def go_on(self, now: float) -> None:
        """Send what is next; in an open loop what waits, or wait for an arrival."""
        if not self._is_paced:
            self.send(now, now)
        elif self._run.waiting:
            self.send(self._run.waiting.popleft(), now)
        else:
            self.is_busy = False
            self._run.free.append(self)
            self._run.on_idle(is_lost=False)

    def send(self, started: float, now: float) -> None:
        """The next request. Its latency counts from `started`."""
        if self._transport is None or self.is_connecting:
            return  # It goes on when it is connected again.
        request = self._run.take()
        if request is None:
            self.is_busy = False
            self._run.on_idle(is_lost=False)
            return
        self.is_busy = True
        self._started = started
        self._sent_at = now
        self._transport.write(request)

    def give_up_if_late(self, sent_before: float) -> None:
        if self.is_busy and self._sent_at < sent_before:
            self._lose(TIMED_OUT)

    def abort(self) -> None:
        """For good."""
        self._is_ended = True
        self.is_busy = False
        if self._reconnecting is not None:
            self._reconnecting.cancel()
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.WriteTransport) -> None:  # type: ignore[override]
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        try:
            status = self._reader.feed(data)
        except MalformedResponse:
            self._lose(MALFORMED)
            return
        if status:
            self._on_answer(status, is_last=self._reader.is_last)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the protocol's signature
        self._transport = None
        if self.is_busy:
            status = self._reader.finish()
            if status:
                self._on_answer(status, is_last=True)
            else:
                self._lose(CLOSED)
        if self._run.is_open and not self._is_ended:
            self.is_connecting = True
            self._reconnecting = asyncio.get_running_loop().create_task(self._reconnect())
        else:
            self.is_connecting = False
            self._run.on_idle(is_lost=True)

    def _on_answer(self, status: int, *, is_last: bool) -> None:
        if not self.is_busy:
            self._lose(MALFORMED)
            return
        now = time.perf_counter()
        run = self._run
        tally = run.tally
        tally.tell(status, now - self._started)
        tally.acknowledged += run.acknowledged(status, self._reader.body)
        if is_last:
            self.is_busy = False
            self._close()
        else:
            self.go_on(now)

    def _lose(self, kind: str) -> None:
        """What is under way will not be answered any more."""
        self._run.tally.failures[kind] += 1
        self.is_busy = False
        self._close()

    def _close(self) -> None:
        """`connection_lost` follows, and makes it anew."""
        if self._transport is not None:
            self.is_connecting = True
            self._transport.abort()

    async def _reconnect(self) -> None:
        for _ in range(RECONNECTS_MAX):
            if not self._run.is_open:
                break
            try:
                await self._connect()
            except (OSError, TimeoutError):
                self._run.tally.failures[NOT_CONNECTED] += 1
                await asyncio.sleep(RECONNECT_SECONDS)
            else:
                self.is_connecting = False
                self.go_on(time.perf_counter())
                return
        self.is_connecting = False
        self._run.on_idle(is_lost=True)

    async def _connect(self) -> None:
        plan = self._run.plan
        self._reader = ResponseReader()
        async with asyncio.timeout(CONNECT_SECONDS_MAX):
            await asyncio.get_running_loop().create_connection(lambda: self, plan.host, plan.port, ssl=plan.tls)
