"""The spans of one process: of the steps that it tells, and of each batch of the committer.

What a span says is listed where it is begun: never a header but the request's own id, never a query, a body, a key.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import threading
from collections.abc import Awaitable, Callable

from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import Span, SpanKind, StatusCode

from zerosum import __version__
from zerosum.db.batch import BatchConnection
from zerosum.domain.traces import TraceOrigin, make_origin
from zerosum.services.committing.lane_loop import Carrier
from zerosum.services.spans import NO_SPANS, NOTHING_MORE, Attributes, Step, StepKind
from zerosum.tracing.batches import BatchTracing, TracedCarrier, as_parent
from zerosum.tracing.export import TraceExporter

QUEUE_SPANS_MAX = 2048
"""Spans that wait to be sent. What comes beyond pushes out the oldest."""

SEND_SPANS_MAX = 512
SEND_EVERY_SECONDS = 2.0

FLUSH_SECONDS_MAX = 1.0
"""How long the end of a process waits for the collector to take its last spans."""

ATTRIBUTE_CHARACTERS_MAX = 512

_KINDS = {
    StepKind.ASKS: SpanKind.CLIENT,
    StepKind.PUBLISHES: SpanKind.PRODUCER,
    StepKind.TAKES: SpanKind.CONSUMER,
    StepKind.WORKS: SpanKind.INTERNAL,
}


class Tracing:
    """Makes the spans of one process. `start` before the first, `stop` after the last."""

    def __init__(
        self, endpoint: str, ratio: float, process: str = "api", *, flush_seconds: float = FLUSH_SECONDS_MAX
    ) -> None:
        """`ratio` of what comes without a parent is traced; the others follow their parent."""
        self.exporter = TraceExporter(endpoint)
        self._flush_seconds = flush_seconds
        told = {"service.name": "zerosum", "service.version": __version__, "zerosum.process": process}
        self._resource = Resource.create(told)
        self._ratio = ratio
        provider = TracerProvider(
            ALWAYS_ON,
            self._resource,
            shutdown_on_exit=False,  # The interpreter would wait for the collector much longer than we do.
            span_limits=SpanLimits(max_attribute_length=ATTRIBUTE_CHARACTERS_MAX),
        )
        self._provider = provider
        self.tracer = provider.get_tracer("zerosum", __version__)
        """Its spans are recorded: whether something is traced is known before one is made."""
        self._batches = BatchTracing(self.tracer)
        self._sender: BatchSpanProcessor | None = None

    def start(self) -> None:
        self._sender = BatchSpanProcessor(
            self.exporter,
            max_queue_size=QUEUE_SPANS_MAX,
            max_export_batch_size=SEND_SPANS_MAX,
            schedule_delay_millis=SEND_EVERY_SECONDS * 1000,
        )
        self._provider.add_span_processor(self._sender)

    async def stop(self) -> None:
        """Sends what waits. What the collector does not take in time is lost."""
        if self._sender is None:
            return
        loop, sender, is_sent = asyncio.get_running_loop(), self._sender, asyncio.Event()

        def flush() -> None:
            sender.shutdown()  # type: ignore[no-untyped-call]
            with contextlib.suppress(RuntimeError):  # the loop is gone: nobody waits any more
                loop.call_soon_threadsafe(is_sent.set)

        # A thread of its own that nobody joins: those of the loop's executor hold up the end of the process.
        threading.Thread(target=flush, name="last traces", daemon=True).start()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._flush_seconds):
                await is_sent.wait()
        self.exporter.shutdown()

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
            return _Step(self.tracer.start_span(name, Context(), _KINDS[kind], dict(attributes)))
        return _Step(self.tracer.start_span(name, as_parent(origin), _KINDS[kind], dict(attributes)))

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
    def __init__(self, span: Span) -> None:
        self._span = span

    @property
    def origin(self) -> TraceOrigin:
        return origin_of(self._span)

    def end(self, error: str | None = None, attributes: Attributes = NOTHING_MORE) -> None:
        for name, value in attributes.items():
            self._span.set_attribute(name, value)
        if error is not None:
            self._span.set_attribute("error.type", error)
            self._span.set_status(StatusCode.ERROR)
        self._span.end()


def origin_of(span: Span) -> TraceOrigin:
    context = span.get_span_context()
    return make_origin(f"{context.trace_id:032x}", f"{context.span_id:016x}", context.trace_flags)
