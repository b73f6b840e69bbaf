"""A span for each request over HTTP."""

from __future__ import annotations

import re
from contextvars import Token
from functools import lru_cache
from time import time_ns

from zerosum.domain.traces import Origins, TraceOrigin, current_origins
from zerosum.gateway.request_state import RequestState, RequestTrace
from zerosum.gateway.trace_context import TraceParent, read_trace_parent, without_credentials
from zerosum.tracing.otlp import HAS_FAILED, Kind, named, with_attribute, with_attributes, with_state, write_span
from zerosum.tracing.spans import Tracing
from zerosum.tracing.told import Tell, beginning, harmless, part_of

METHODS = frozenset({"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"})
OTHER_METHOD = "_OTHER"
"""What the semantic conventions call a method that is none."""

_ID = re.compile(r"[a-z]{2,5}_[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
"""Of ours. What a caller has chosen himself is shown as the template names it."""

_FACTS_KNOWN_MAX = 1024


class RequestTracing(Tracing):
    """Of a process that is called over HTTP."""

    def begin_request(self, exchange: RequestState) -> RequestTrace | None:
        """The request's span, where it is recorded."""
        parent = read_trace_parent(exchange.scope["headers"]) if exchange.brings_trace else None
        if parent is None:
            if self.is_drawn():
                return self._told(exchange, beginning(), None)
            return _UntoldRequest(None) if exchange.brings_trace else None
        if parent.origin.is_recorded:
            return self._told(exchange, part_of(parent.origin), parent)
        # It is still told to be a part of its caller's trace, and of no other.
        exchange.trace_id = parent.origin.trace_id
        return _UntoldRequest(parent.origin)

    def _told(self, exchange: RequestState, origin: TraceOrigin, parent: TraceParent | None) -> RequestTrace:
        exchange.trace_id, exchange.is_recorded = origin.trace_id, True
        return _ToldRequest(exchange, origin, parent, self.exporter.tell)


class _UntoldRequest:
    """One that nobody collects: it is still a part of its caller's trace, or of none."""

    __slots__ = ("_origins", "_outer")

    _outer: Token[Origins]

    def __init__(self, origin: TraceOrigin | None) -> None:
        self._origins = () if origin is None else (origin,)

    def enter(self) -> None:
        self._outer = current_origins.set(self._origins)

    def leave(self) -> None:
        current_origins.reset(self._outer)

    def end(self) -> None:
        """Nobody is told."""


class _ToldRequest(_UntoldRequest):
    __slots__ = ("_began_at", "_exchange", "_origin", "_parent", "_tell")

    def __init__(self, exchange: RequestState, origin: TraceOrigin, parent: TraceParent | None, tell: Tell) -> None:
        super().__init__(origin)
        self._exchange = exchange
        self._origin = origin
        self._parent = parent
        self._tell = tell
        self._began_at = time_ns()

    def end(self) -> None:
        with harmless():
            self._tell(_written(self._exchange, self._origin, self._parent, self._began_at))


def _written(exchange: RequestState, origin: TraceOrigin, parent: TraceParent | None, began_at: int) -> bytes:
    """By the semantic conventions for HTTP servers, and the request's id."""
    scope = exchange.scope
    route = exchange.template.replace(":path}", "}")
    facts = _facts(scope["method"], scope.get("scheme", "http"), route, exchange.status)
    path = with_attribute("url.path", _shown_path(route, exchange.path)) if "{" in route else b""
    request_id = with_attribute("zerosum.request_id", without_credentials(exchange.request_id))
    above, state = ("", b"") if parent is None else (parent.origin.span_id, with_state(parent.state))
    return write_span(origin, above, began_at, time_ns(), facts, path, request_id, state)


@lru_cache(_FACTS_KNOWN_MAX)
def _facts(method: str, scheme: str, route: str, status: int) -> bytes:
    """What many requests have in common."""
    known = method if method in METHODS else OTHER_METHOD
    shown = known if known == method else "HTTP"
    told: dict[str, str | int] = {"http.request.method": known, "url.scheme": scheme}
    if route:
        told["http.route"] = route
        if "{" not in route:
            told["url.path"] = route
    if status:
        told["http.response.status_code"] = status
    has_failed = not status or status >= 500
    if has_failed:
        told["error.type"] = str(status) if status else "unanswered"
    name = f"{method} {route}" if route else shown
    return named(name, Kind.SERVER) + with_attributes(told) + (HAS_FAILED if has_failed else b"")


def _shown_path(route: str, path: str) -> str:
    parts, given = route.split("/"), path.split("/")
    if len(parts) != len(given):
        return route
    return "/".join(
        told if part.startswith("{") and _ID.fullmatch(told) else part for part, told in zip(parts, given, strict=True)
    )
