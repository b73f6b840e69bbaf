"""Which requests may go express, told by their heads."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import Any, Protocol
from uuid import UUID

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from zerosum.domain.errors import DomainError
from zerosum.gateway.express.heads import KnownHead
from zerosum.gateway.express.journey import App, Concluding, Journey, Observe, Render
from zerosum.gateway.guards import request_guard as guard
from zerosum.gateway.identity.principal import Principal
from zerosum.gateway.judgement import Authorizer
from zerosum.gateway.limits.admission import Admission
from zerosum.gateway.limits.charging import Charging
from zerosum.gateway.request_state import BeginTrace, Headers, RequestState, begins_trace
from zerosum.gateway.routing import Call, RouteTable, path_pattern


class Remembering(Protocol):
    def find_cached(self, header: bytes, now_monotonic: float) -> Principal | None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What the gateway shares with the express way."""

    judge: Authorizer
    authentication: Remembering
    charging: Charging
    admission: Admission
    standard_headers: Headers
    conclude: Concluding
    render: Render
    may_be_unknown: Callable[[UUID, str | None], bool]
    """Of a ledger and a key, or of all in a body."""
    observe: Observe
    begin_trace: BeginTrace | None


class Connection(Protocol):
    """`judged_head` belongs to the express way alone."""

    judged_head: KnownHead | None

    def start_task(self, cycle: RequestResponseCycle, app: App) -> None:
        """For what has to wait."""


class ExpressWay:
    """`taken` counts the requests that were begun here."""

    def __init__(self, routes: RouteTable, surroundings: Surroundings) -> None:
        self.surroundings = surroundings
        self.taken = 0
        templates = [policy.template for policy in routes.policies() if policy.express is not None]
        self._paths = frozenset(template.encode("ascii") for template in templates)
        """Of patterns the template, which is nobody's path."""
        patterns = "|".join(path_pattern(template).pattern for template in templates if "{" in template)
        self._pattern = re.compile(patterns.encode("ascii")) if patterns else None

    def judge(self, cycle: RequestResponseCycle, connection: Connection) -> Journey | None:
        """Of a request whose head is here. None: it goes the ordinary way."""
        scope: dict[str, Any] = cycle.scope  # type: ignore[assignment]
        if not self._may_lead_here(scope["raw_path"]) or scope["query_string"] or not _is_plain(cycle):
            return None
        try:
            return self._journey(scope, cycle, connection)
        except DomainError:
            return None  # Told, counted and charged where all refusals are.

    def _may_lead_here(self, raw_path: bytes) -> bool:
        return raw_path in self._paths or (self._pattern is not None and self._pattern.fullmatch(raw_path) is not None)

    def _journey(self, scope: dict[str, Any], cycle: RequestResponseCycle, connection: Connection) -> Journey | None:
        around = self.surroundings
        exchange = RequestState(scope, cycle.receive, cycle.send, around.standard_headers)  # type: ignore[arg-type]
        policy, headers, call = around.judge.outside(exchange)
        if (
            policy.express is None
            or headers.is_odd
            or headers.content_length is None
            or len(headers.authorization) != 1
        ):
            return None
        [authorization] = headers.authorization
        principal = around.authentication.find_cached(authorization, monotonic())
        if principal is None:
            return None
        around.judge.note_origin(exchange, call)
        around.judge.may_call(exchange, principal, policy, call)
        around.judge.inside(policy, headers, call)
        begin_trace = begins_trace(around.begin_trace, exchange)
        connection.judged_head = KnownHead.of(scope, policy, call, authorization, begin_trace)
        return Journey(self, cycle, connection.start_task, exchange, policy, call, begin_trace)

    def judge_known(
        self, known: KnownHead, key: bytes, cycle: RequestResponseCycle, connection: Connection
    ) -> Journey | None:
        """The same for a head that has been judged but for its key."""
        around, policy = self.surroundings, known.policy
        principal = around.authentication.find_cached(known.authorization, monotonic())
        if principal is None:
            return None
        scope: dict[str, Any] = cycle.scope  # type: ignore[assignment]
        exchange = RequestState(scope, cycle.receive, cycle.send, around.standard_headers)  # type: ignore[arg-type]
        exchange.request_id = around.judge.new_request_id()
        exchange.template, exchange.brings_trace = policy.template, known.brings_trace
        exchange.caller_address, exchange.address = known.address, known.counted_address
        call = Call(exchange.request_id, exchange.path, b"")
        call.address, call.certificate_subject = known.address, known.subject
        try:
            call.idempotency_key = guard.parse_key(key)
            around.judge.may_call(exchange, principal, policy, call)
        except DomainError:
            return None
        return Journey(self, cycle, connection.start_task, exchange, policy, call, known.begin_trace)


def _is_plain(cycle: RequestResponseCycle) -> bool:
    """HTTP/1.1 on a connection that stays open, and nobody is asked to go on."""
    is_usual = cycle.scope["http_version"] == "1.1" and cycle.keep_alive
    return is_usual and not cycle.waiting_for_100_continue and not cycle.default_headers
