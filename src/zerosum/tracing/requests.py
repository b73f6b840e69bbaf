"""A span for each request over HTTP."""

from __future__ import annotations

import re
from collections.abc import Callable

from opentelemetry.context import Context
from opentelemetry.trace import (
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    StatusCode,
    TraceFlags,
    TraceState,
    set_span_in_context,
)

from zerosum.domain.traces import current_origins
from zerosum.gateway.request_state import RequestState, current_request_state
from zerosum.gateway.trace_context import TraceParent, read_trace_parent, without_credentials
from zerosum.tracing.spans import Tracing, origin_of

METHODS = frozenset({"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"})
OTHER_METHOD = "_OTHER"
"""What the semantic conventions call a method that is none."""

_ID = re.compile(r"[a-z]{2,5}_[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
"""Of ours. What a caller has chosen himself is shown as the template names it."""


class RequestTracing(Tracing):
    """Of a process that is called over HTTP."""

    def begin_request(self, exchange: RequestState) -> Callable[[], None]:
        """The request's span. What comes back ends it."""
        parent = read_trace_parent(exchange.scope["headers"])
        is_recorded = self.is_drawn() if parent is None else parent.origin.is_recorded
        span = self._request_span(exchange, parent) if is_recorded else None
        # What is not recorded is still told to be a part of its caller's trace, and of no other.
        origin = origin_of(span) if span is not None else None if parent is None else parent.origin
        exchange.trace_id = "" if origin is None else origin.trace_id
        exchange.is_recorded = is_recorded
        outer, outer_origins = current_request_state.set(exchange), current_origins.set((origin,) if origin else ())

        def end() -> None:
            current_request_state.reset(outer)
            current_origins.reset(outer_origins)
            if span is not None:
                _describe(span, exchange)
                span.end()

        return end

    def _request_span(self, exchange: RequestState, parent: TraceParent | None) -> Span:
        method = exchange.scope["method"]
        known = method if method in METHODS else OTHER_METHOD
        return self.tracer.start_span(
            known if known == method else "HTTP",
            Context() if parent is None else _as_parent(parent),
            SpanKind.SERVER,
            {"http.request.method": known, "url.scheme": exchange.scope.get("scheme", "http")},
        )


def _as_parent(parent: TraceParent) -> Context:
    state = TraceState.from_header([parent.state]) if parent.state else None
    origin = parent.origin
    remote = SpanContext(int(origin.trace_id, 16), int(origin.span_id, 16), True, TraceFlags(origin.flags), state)
    return set_span_in_context(NonRecordingSpan(remote), Context())


def _shown_path(route: str, path: str) -> str:
    parts, given = route.split("/"), path.split("/")
    if len(parts) != len(given):
        return route
    return "/".join(
        told if part.startswith("{") and _ID.fullmatch(told) else part for part, told in zip(parts, given, strict=True)
    )


def _describe(span: Span, exchange: RequestState) -> None:
    """By the semantic conventions for HTTP servers, and the request's id."""
    route = exchange.template.replace(":path}", "}")
    if route:
        span.update_name(f"{exchange.scope['method']} {route}")
        span.set_attribute("http.route", route)
        span.set_attribute("url.path", _shown_path(route, exchange.path))
    span.set_attribute("zerosum.request_id", without_credentials(exchange.request_id))
    status = exchange.status
    if status:
        span.set_attribute("http.response.status_code", status)
    if not status or status >= 500:
        span.set_attribute("error.type", str(status) if status else "unanswered")
        span.set_status(StatusCode.ERROR)
