"""A span for each batch of the committer, one for how long each request has waited for it, one for its COMMIT.

A batch belongs to many traces. It lies in that of its first request, and is linked to all of them; how long each of
them has waited lies in its own trace, and is linked to the batch.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextvars import ContextVar
from typing import Any

from opentelemetry.context import Context
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    StatusCode,
    TraceFlags,
    Tracer,
    set_span_in_context,
)

from zerosum.adapters.clock import now
from zerosum.domain.traces import TraceOrigin
from zerosum.services.committing.held_up import HeldUp
from zerosum.services.committing.lane_loop import Carrier
from zerosum.services.committing.work import Work

LINKS_MAX = 64
"""A batch carries up to a thousand requests: it names so many of them, and says how many there were."""

_current_batch: ContextVar[Span | None] = ContextVar("batch", default=None)


class BatchTracing:
    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer

    @contextlib.contextmanager
    def batch(self, works: Sequence[Work]) -> Iterator[None]:
        """Where one of its requests is traced."""
        waited = [(work, origin) for work in works if work.origins for origin in work.recorded_origins]
        if not waited:
            yield
            return
        origins = list(dict.fromkeys(origin for _, origin in waited))[:LINKS_MAX]
        sizes = {"zerosum.batch.commands": sum(len(work.commands) for work in works), "zerosum.batch.works": len(works)}
        links = [Link(context_of(origin)) for origin in origins]
        span = self._tracer.start_span("committer batch", as_parent(origins[0]), attributes=sizes, links=links)
        self._tell_waits(waited[:LINKS_MAX], span)
        outer = _current_batch.set(span)
        try:
            yield
        finally:
            _current_batch.reset(outer)
            failed = sum(_has_failed(work) for work in works)
            if failed:
                span.set_attribute("zerosum.batch.failed_works", failed)
                span.set_status(StatusCode.ERROR)
            span.end()

    def _tell_waits(self, waited: Sequence[tuple[Work, TraceOrigin]], batch: Span) -> None:
        ended, clock = _nanoseconds(now().timestamp()), asyncio.get_running_loop().time()
        links = [Link(batch.get_span_context())]
        for work, origin in waited:
            begun = ended - _nanoseconds(clock - work.handed_over_at)
            self._tracer.start_span("committer queue", as_parent(origin), links=links, start_time=begun).end(ended)
        for work, _ in waited:
            work.handed_over_at = clock  # from here on it waits for another batch, should this one give it back

    def tell_commit(self, operation: str) -> Callable[[bool], None]:
        """A round trip that commits. Nothing of the statement is told."""
        batch = _current_batch.get()
        if batch is None:
            return _tell_nobody
        said = {"db.system.name": "postgresql", "db.operation.name": operation}
        context = set_span_in_context(batch, Context())
        span = self._tracer.start_span(f"postgresql {operation}", context, SpanKind.CLIENT, said)

        def end(has_failed: bool) -> None:
            if has_failed:
                span.set_status(StatusCode.ERROR)
            span.end()

        return end


class TracedCarrier:
    def __init__(self, carrier: Carrier, tracing: BatchTracing) -> None:
        self._carrier = carrier
        self._tracing = tracing

    async def warm_up(self) -> None:
        await self._carrier.warm_up()

    @property
    def has_room(self) -> bool:
        return self._carrier.has_room

    async def launch(self, works: Sequence[Work]) -> Coroutine[Any, Any, HeldUp] | None:
        flying = await self._carrier.launch(works)
        return None if flying is None else self._told(works, flying)

    async def _told(self, works: Sequence[Work], flying: Coroutine[Any, Any, HeldUp]) -> HeldUp:
        with self._tracing.batch(works):
            return await flying

    async def carry_out(self, works: Sequence[Work]) -> HeldUp:
        with self._tracing.batch(works):
            return await self._carrier.carry_out(works)

    def abandon(self) -> None:
        self._carrier.abandon()

    async def close(self) -> None:
        await self._carrier.close()


def as_parent(origin: TraceOrigin) -> Context:
    return set_span_in_context(NonRecordingSpan(context_of(origin)), Context())


def context_of(origin: TraceOrigin) -> SpanContext:
    return SpanContext(int(origin.trace_id, 16), int(origin.span_id, 16), True, TraceFlags(origin.flags))


def _tell_nobody(_has_failed: bool) -> None:
    """Nobody who is traced waits for it."""


def _nanoseconds(seconds: float) -> int:
    return int(seconds * 1_000_000_000)


def _has_failed(work: Work) -> bool:
    return work.is_answered and not work.answer.cancelled() and work.answer.exception() is not None
