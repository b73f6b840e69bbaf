"""The spans of one process: of the steps that it tells, and of each batch of the committer.

What a span says is listed where it is begun: never a header but the request's own id, never a query, a body, a key.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable
from time import time_ns

from opentelemetry.sdk.resources import Resource

from zerosum import __version__
from zerosum.db.batch import BatchConnection
from zerosum.domain.traces import TraceOrigin
from zerosum.services.committing.lane_loop import Carrier
from zerosum.services.spans import NO_SPANS, NOTHING_MORE, Attributes, Step, StepKind
from zerosum.tracing.batches import BatchTracing, TracedCarrier
from zerosum.tracing.export import TraceExporter
from zerosum.tracing.otlp import Envelope, Kind
from zerosum.tracing.told import Tell, beginning, part_of, written_step

FLUSH_SECONDS_MAX = 1.0
"""How long the end of a process waits for the collector to take its last spans."""

_KINDS = {
    StepKind.ASKS: Kind.CLIENT,
    StepKind.PUBLISHES: Kind.PRODUCER,
    StepKind.TAKES: Kind.CONSUMER,
    StepKind.WORKS: Kind.INTERNAL,
}


class Tracing:
    """Makes the spans of one process. `start` before the first, `stop` after the last."""

    def __init__(
        self, endpoint: str, ratio: float, process: str = "api", *, flush_seconds: float = FLUSH_SECONDS_MAX
    ) -> None:
        """`ratio` of what comes without a parent is traced; the others follow their parent."""
        told = {"service.name": "zerosum", "service.version": __version__, "zerosum.process": process}
        resource = {name: str(value) for name, value in Resource.create(told).attributes.items()}
        self.exporter = TraceExporter(endpoint, Envelope(resource, "zerosum", __version__))
        self._flush_seconds = flush_seconds
        self._ratio = ratio
        self._batches = BatchTracing(self.exporter.tell)
        self._ended: asyncio.Event | None = None

    def start(self) -> None:
        loop, self._ended = asyncio.get_running_loop(), asyncio.Event()
        ended = self._ended

        def tell_end() -> None:
            with contextlib.suppress(RuntimeError):  # the loop is gone: nobody waits any more
                loop.call_soon_threadsafe(ended.set)

        self.exporter.start(tell_end)

    async def stop(self) -> None:
        """Sends what waits. What the collector does not take in time is lost."""
        if self._ended is None:
            return
        self.exporter.end()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._flush_seconds):
                await self._ended.wait()
        self.exporter.close()

    def begin(
        self,
        name: str,
        kind: StepKind,
        origin: TraceOrigin | None,
        attributes: Attributes = NOTHING_MORE,
        *,
        may_begin: bool = False,
    ) -> Step:
        if origin is not None and not origin.is_recorded:
            return NO_SPANS.begin(name, kind, origin)
        if origin is None:
            if not may_begin or not self.is_drawn():
                return NO_SPANS.begin(name, kind, None)
            return _Step(self.exporter.tell, name, _KINDS[kind], beginning(), None, attributes)
        return _Step(self.exporter.tell, name, _KINDS[kind], part_of(origin), origin, attributes)

    def is_drawn(self) -> bool:
        """Whether what has no parent is traced. One span that is not recorded costs a payment more than its metrics."""
        return random.random() < self._ratio  # noqa: S311 - nobody gains by guessing it

    def traced(self, carrier: Carrier) -> Carrier:
        return TracedCarrier(carrier, self._batches)

    def connecting(self, connect: Callable[[], Awaitable[BatchConnection]]) -> Callable[[], Awaitable[BatchConnection]]:
        """The same; what is sent on such a connection to commit is told."""

        async def connected() -> BatchConnection:
            connection = await connect()
            connection.tell_commit = self._batches.tell_commit
            return connection

        return connected


class _Step:
    __slots__ = ("_attributes", "_began_at", "_kind", "_name", "_parent", "_tell", "origin")

    def __init__(
        self,
        tell: Tell,
        name: str,
        kind: Kind,
        origin: TraceOrigin,
        parent: TraceOrigin | None,
        attributes: Attributes,
    ) -> None:
        self.origin = origin
        self._tell = tell
        self._name = name
        self._kind = kind
        self._parent = parent
        self._attributes = attributes
        self._began_at = time_ns()

    def end(self, error: str | None = None, attributes: Attributes = NOTHING_MORE) -> None:
        told = {**self._attributes, **attributes}
        if error is not None:
            told["error.type"] = error
        times = self._began_at, time_ns()
        has_failed = error is not None
        self._tell(written_step(self._name, self._kind, self.origin, self._parent, times, told, has_failed=has_failed))
