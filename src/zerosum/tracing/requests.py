"""A span for each request over HTTP."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from time import time_ns

from zerosum.domain.traces import TraceOrigin, current_origins
from zerosum.gateway.request_state import RequestState, current_request_state
from zerosum.gateway.trace_context import TraceParent, read_trace_parent, without_credentials
from zerosum.tracing.otlp import HAS_FAILED, Kind, named, with_attribute, with_attributes, with_state, write_span
from zerosum.tracing.spans import Tracing
from zerosum.tracing.told import beginning, part_of

METHODS = frozenset({"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"})
OTHER_METHOD = "_OTHER"
"""What the semantic conventions call a method that is none."""

_ID = re.compile(r"[a-z]{2,5}_[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
"""Of ours. What a caller has chosen himself is shown as the template names it."""

_FACTS_KNOWN_MAX = 1024


class RequestTracing(Tracing):
    """Of a process that is called over HTTP."""

    def begin_request(self, exchange: RequestState) -> Callable[[], None]:
        """The request's span. What comes back ends it."""
        parent = read_trace_parent(exchange.scope["headers"])
        above = None if parent is None else parent.origin
        is_recorded = self.is_drawn() if above is None else above.is_recorded
        # What is not recorded is still told to be a part of its caller's trace, and of no other.
        origin = above if not is_recorded else beginning() if above is None else part_of(above)
        exchange.trace_id = "" if origin is None else origin.trace_id
        exchange.is_recorded = is_recorded
        outer, outer_origins = current_request_state.set(exchange), current_origins.set((origin,) if origin else ())
        began_at = time_ns()

        def end() -> None:
            current_request_state.reset(outer)
            current_origins.reset(outer_origins)
            if is_recorded and origin is not None:
                self.exporter.tell(_told(exchange, origin, parent, began_at))

        return end


@dataclass(slots=True)
class _ToldRequest:
    origin: TraceOrigin
    parent: TraceParent | None
    began_at: int
    ended_at: int
    method: str
    scheme: str
    template: str
    path: str
    request_id: str
    status: int

    spans = 1

    def written(self) -> bytes:
        """By the semantic conventions for HTTP servers, and the request's id."""
        route = self.template.replace(":path}", "}")
        path = with_attribute("url.path", _shown_path(route, self.path)) if route else b""
        above, state = ("", "") if self.parent is None else (self.parent.origin.span_id, self.parent.state)
        return write_span(
            self.origin,
            above,
            self.began_at,
            self.ended_at,
            _facts(self.method, self.scheme, route, self.status),
            path,
            with_attribute("zerosum.request_id", without_credentials(self.request_id)),
            with_state(state),
        )


def _told(exchange: RequestState, origin: TraceOrigin, parent: TraceParent | None, began_at: int) -> _ToldRequest:
    scope = exchange.scope
    return _ToldRequest(
        origin, parent, began_at, time_ns(), scope["method"], scope.get("scheme", "http"), exchange.template,
        exchange.path, exchange.request_id, exchange.status,
    )  # fmt: skip


@lru_cache(_FACTS_KNOWN_MAX)
def _facts(method: str, scheme: str, route: str, status: int) -> bytes:
    """What many requests have in common."""
    known = method if method in METHODS else OTHER_METHOD
    shown = known if known == method else "HTTP"
    told: dict[str, str | int] = {"http.request.method": known, "url.scheme": scheme}
    if route:
        told["http.route"] = route
    if status:
        told["http.response.status_code"] = status
    has_failed = not status or status >= 500
    if has_failed:
        told["error.type"] = str(status) if status else "unanswered"
    name = f"{method} {route}" if route else shown
    return named(name, Kind.SERVER) + with_attributes(told) + (HAS_FAILED if has_failed else b"")


def _shown_path(route: str, path: str) -> str:
    if "{" not in route:
        return route
    parts, given = route.split("/"), path.split("/")
    if len(parts) != len(given):
        return route
    return "/".join(
        told if part.startswith("{") and _ID.fullmatch(told) else part for part, told in zip(parts, given, strict=True)
    )
