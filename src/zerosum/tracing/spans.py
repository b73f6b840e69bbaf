"""A span for each request and for each batch of the committer.

What a span says is listed here and nowhere else: never a header but the request's own id, never a query, a body, a key.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable, Iterator, Sequence

from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, ParentBased, Sampler, TraceIdRatioBased
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    StatusCode,
    TraceFlags,
    Tracer,
    TraceState,
    format_trace_id,
    set_span_in_context,
)

from zerosum import __version__
from zerosum.gateway.request_state import RequestState, current_request_state
from zerosum.gateway.trace_context import Headers, read_trace_parent, without_credentials
from zerosum.services.committing.held_up import HeldUp
from zerosum.services.committing.lane_loop import Carrier
from zerosum.services.committing.work import Work
from zerosum.tracing.export import TraceExporter

QUEUE_SPANS_MAX = 2048
"""Spans that wait to be sent. What comes beyond pushes out the oldest."""

SEND_SPANS_MAX = 512
SEND_EVERY_SECONDS = 2.0

FLUSH_SECONDS_MAX = 1.0
"""How long the end of a process waits for the collector to take its last spans."""

LINKS_MAX = 64
"""A batch carries up to a thousand requests: it names so many of them, and says how many there were."""

ATTRIBUTE_CHARACTERS_MAX = 512

METHODS = frozenset({"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"})
OTHER_METHOD = "_OTHER"
"""What the semantic conventions call a method that is none."""

KEY_PARAMETER = "{key"
"""An address with an idempotency key in it is shown as its template."""

_log = logging.getLogger(__name__)


class Tracing:
    """Makes the spans of one process. `start` before the first request, `stop` after the last."""

    def __init__(self, endpoint: str, ratio: float, *, flush_seconds: float = FLUSH_SECONDS_MAX) -> None:
        """`ratio` of the requests that come without a parent are traced; the others follow their parent."""
        self.exporter = TraceExporter(endpoint)
        self._flush_seconds = flush_seconds
        self._resource = Resource.create({"service.name": "zerosum", "service.version": __version__})
        self._providers: list[TracerProvider] = []
        self._requests = self._tracer(ParentBased(TraceIdRatioBased(ratio)))
        # Begun only for a request that is traced.
        self._batches = self._tracer(ALWAYS_ON)
        self._sender: BatchSpanProcessor | None = None

    def start(self) -> None:
        self._sender = BatchSpanProcessor(
            self.exporter,
            max_queue_size=QUEUE_SPANS_MAX,
            max_export_batch_size=SEND_SPANS_MAX,
            schedule_delay_millis=SEND_EVERY_SECONDS * 1000,
        )
        for provider in self._providers:
            provider.add_span_processor(self._sender)

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

    def begin_request(self, exchange: RequestState) -> Callable[[], None]:
        """The request's span. What comes back ends it."""
        method = exchange.scope["method"]
        known = method if method in METHODS else OTHER_METHOD
        span = self._requests.start_span(
            known if known == method else "HTTP",
            _parent(exchange.scope["headers"]),
            SpanKind.SERVER,
            {"http.request.method": known, "url.scheme": exchange.scope.get("scheme", "http")},
        )
        exchange.span = span.get_span_context()
        exchange.trace_id = format_trace_id(span.get_span_context().trace_id)
        outer = current_request_state.set(exchange)

        def end() -> None:
            current_request_state.reset(outer)
            if span.is_recording():
                _describe(span, exchange)
                span.end()

        return end

    def find_origin(self) -> object:
        """Of the request for which something is done now."""
        exchange = current_request_state.get()
        return None if exchange is None else exchange.span

    def traced(self, carrier: Carrier) -> Carrier:
        return _TracedCarrier(carrier, self)

    @contextlib.contextmanager
    def batch(self, works: Sequence[Work]) -> Iterator[None]:
        """A span of its own, for it belongs to many traces; it is there where one of its requests is traced."""
        origins = {
            work.origin.span_id: work.origin
            for work in works
            if isinstance(work.origin, SpanContext) and work.origin.trace_flags.sampled
        }
        if not origins:
            yield
            return
        sizes = {"zerosum.batch.commands": sum(len(work.commands) for work in works), "zerosum.batch.works": len(works)}
        links = [Link(origin) for origin in list(origins.values())[:LINKS_MAX]]
        span = self._batches.start_span("committer batch", Context(), attributes=sizes, links=links)
        try:
            yield
        finally:
            failed = sum(_has_failed(work) for work in works)
            if failed:
                span.set_attribute("zerosum.batch.failed_works", failed)
                span.set_status(StatusCode.ERROR)
            span.end()

    def _tracer(self, sampler: Sampler) -> Tracer:
        limits = SpanLimits(max_attribute_length=ATTRIBUTE_CHARACTERS_MAX)
        # Not ended by the interpreter, which would wait for the collector much longer than we do.
        provider = TracerProvider(sampler, self._resource, shutdown_on_exit=False, span_limits=limits)
        self._providers.append(provider)
        return provider.get_tracer("zerosum", __version__)


class _TracedCarrier:
    def __init__(self, carrier: Carrier, tracing: Tracing) -> None:
        self._carrier = carrier
        self._tracing = tracing

    async def warm_up(self) -> None:
        await self._carrier.warm_up()

    async def carry_out(self, works: Sequence[Work]) -> HeldUp:
        with self._tracing.batch(works):
            return await self._carrier.carry_out(works)

    def abandon(self) -> None:
        self._carrier.abandon()

    async def close(self) -> None:
        await self._carrier.close()


def _parent(headers: Headers) -> Context:
    parent = read_trace_parent(headers)
    if parent is None:
        return Context()
    state = TraceState.from_header([parent.state]) if parent.state else None
    remote = SpanContext(int(parent.trace_id, 16), int(parent.span_id, 16), True, TraceFlags(parent.flags), state)
    return set_span_in_context(NonRecordingSpan(remote), Context())


def _describe(span: Span, exchange: RequestState) -> None:
    """By the semantic conventions for HTTP servers, and the request's id."""
    route = exchange.template.replace(":path}", "}")
    if route:
        span.update_name(f"{exchange.scope['method']} {route}")
        span.set_attribute("http.route", route)
    path = route if KEY_PARAMETER in route else exchange.path
    # A lone surrogate would make a whole message to the collector impossible.
    span.set_attribute("url.path", without_credentials(path.encode("utf-8", "replace").decode("utf-8")))
    span.set_attribute("zerosum.request_id", without_credentials(exchange.request_id))
    status = exchange.status
    if status:
        span.set_attribute("http.response.status_code", status)
    if not status or status >= 500:
        span.set_attribute("error.type", str(status) if status else "unanswered")
        span.set_status(StatusCode.ERROR)


def _has_failed(work: Work) -> bool:
    return work.is_answered and not work.answer.cancelled() and work.answer.exception() is not None
