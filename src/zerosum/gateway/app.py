"""The gateway layer: every request passes here, in one fixed order of judgement.

    size and framing -> route -> length of the body -> admission -> credential -> scope -> rate limit
    -> media type -> idempotency key -> the body's arrival -> admission again -> JSON -> the endpoint

Who is calling is settled before anything that costs work: nothing is read, decoded or parsed for strangers. Pure ASGI:
a framework's middleware would cost more than the whole payment. What passes becomes a `Call`; the hottest routes are
answered by their lean endpoint directly, everything else by the web framework.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol
from uuid import UUID

from zerosum.domain.errors import (
    DomainError,
    InternalError,
    OutcomeUnknown,
    Overloaded,
    RateLimited,
    Unavailable,
)
from zerosum.gateway.express.way import ExpressWay, Surroundings
from zerosum.gateway.guards import request_guard as guard
from zerosum.gateway.guards.json_guard import parse_json
from zerosum.gateway.identity.principal import Principal
from zerosum.gateway.judgement import Authorizer
from zerosum.gateway.limits.admission import Admission
from zerosum.gateway.limits.charging import Charging, Limiters
from zerosum.gateway.limits.costly_reads import CostlyReads
from zerosum.gateway.limits.streams import STREAM_SECONDS_MAX, Streams
from zerosum.gateway.request_state import BeginTrace, RequestState, Scope, Send, standard_headers, traced
from zerosum.gateway.routing import (
    BODY_BYTES_MAX,
    REPORT_EFFORT_MIN,
    BodyKind,
    Call,
    HttpAnswer,
    Policy,
    RouteTable,
    begin_express,
)
from zerosum.gateway.trace_context import log_failure, request_names
from zerosum.services.background.security_log import RefusedRequest
from zerosum.services.committing.unknown_keys import UnknownKeys
from zerosum.services.requests.networks import Network

App = Callable[[Scope, guard.Receive, Send], Awaitable[None]]
Render = Callable[[DomainError, str, str], HttpAnswer]
"""A refusal, the request's id and its path -> the problem to send."""

REQUEST_SECONDS_MAX = 10.0
"""No call through the web framework lives longer; the committer's own deadline is shorter."""

_log = logging.getLogger(__name__)


class Authentication(Protocol):
    """Turns Authorization headers into a principal."""

    def find_cached(self, header: bytes, now_monotonic: float) -> Principal | None: ...

    async def authenticate(self, headers: Sequence[bytes], now_monotonic: float) -> Principal:
        """Raises Unauthenticated."""


class RefusalLog(Protocol):
    """Told of every request that was refused for what its caller is or may do. Must not wait."""

    def refused(self, request: RefusedRequest) -> None: ...


class TellRequest(Protocol):
    """Told of every request that is over: for the log. Must not wait."""

    def tell(self, exchange: RequestState, seconds: float) -> None: ...


class Observer(Protocol):
    """Told of every answer: for metrics."""

    def __call__(
        self, template: str, method: str, status: int, seconds: float, trace_id: str = "", code: str = ""
    ) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayOptions:
    """`trusted_proxies` are the peers whose X-Forwarded-For is believed."""

    allowed_hosts: frozenset[bytes] = frozenset()
    trusted_proxies: tuple[Network, ...] = ()
    hsts_seconds: int = 0
    """How long browsers shall speak TLS only; 0 where they need not."""


class Gateway:
    def __init__(
        self,
        *,
        app: App,
        routes: RouteTable,
        authentication: Authentication,
        limiters: Limiters,
        admission: Admission,
        costly_reads: CostlyReads,
        render: Render,
        new_request_id: Callable[[], str],
        observe: Observer,
        options: GatewayOptions,
        begin_trace: BeginTrace | None = None,
        security_log: RefusalLog | None = None,
        request_log: TellRequest | None = None,
        unknown_keys: UnknownKeys | None = None,
        streams: Streams | None = None,
        followers: Streams | None = None,
    ) -> None:
        self._app = app
        self._authentication = authentication
        self._charging = Charging(limiters, options.trusted_proxies)
        self._judge = Authorizer(routes, self._charging, new_request_id, options.allowed_hosts)
        self._admission = admission
        self._costly_reads = costly_reads
        self._streams = streams or Streams()
        self._followers = followers or Streams()
        self._render = render
        self._observe = observe
        self._begin_trace = begin_trace
        self._security_log = security_log
        self._request_log = request_log
        self._unknown_keys = unknown_keys
        self.standard_headers = standard_headers(options.hsts_seconds)
        self.express = ExpressWay(
            routes,
            Surroundings(
                judge=self._judge,
                authentication=authentication,
                charging=self._charging,
                admission=admission,
                standard_headers=self.standard_headers,
                conclude=self.conclude,
                render=render,
                may_be_unknown=self._may_be_unknown,
                observe=self.observe,
                begin_trace=begin_trace,
            ),
        )

    async def __call__(self, scope: Scope, receive: guard.Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = RequestState(scope, receive, send, self.standard_headers)
        with traced(self._begin_trace, exchange) as end_trace:
            await self.conclude(exchange, self._serve, end_trace)

    async def conclude(
        self,
        exchange: RequestState,
        serve: Callable[[RequestState], Awaitable[None]],
        end_trace: Callable[[], None] | None,
    ) -> None:
        """Whatever `serve` comes to, an answer leaves, and is charged, counted and told to whom it concerns."""
        try:
            await serve(exchange)
        except DomainError as refusal:
            error = self._true_of_its_key(exchange, refusal)
            if isinstance(error, InternalError):
                log_failure(error, exchange.request_id, exchange.scope["headers"])
            exchange.refusal = error
            await self._refuse(exchange, await self._charged(exchange, error))
        except Exception:
            _log.exception("a request failed", extra=request_names(exchange.request_id, exchange.scope["headers"]))
            await self._refuse(exchange, InternalError("The request failed on our side."))
        finally:
            if end_trace is not None:
                end_trace()
        if exchange.status in (401, 403):
            await self._tell_refused(exchange)
        self.observe(exchange)

    def observe(self, exchange: RequestState) -> None:
        """It is over."""
        seconds = time.perf_counter() - exchange.began_at
        self._observe(
            exchange.template,
            exchange.scope["method"],
            exchange.status,
            seconds,
            exchange.trace_id if exchange.is_recorded else "",
            exchange.refused_as,
        )
        if self._request_log is not None:
            self._request_log.tell(exchange, seconds)

    async def count_refused(self, scope: Scope, status: int) -> None:
        """What our server has refused by itself, for it was no whole request: charged and counted as any other."""
        exchange = RequestState.over(scope)
        with contextlib.suppress(RateLimited):
            await self._charging.charge_refusal(exchange)
        self._observe(exchange.template, scope["method"], status, 0.0)

    async def _serve(self, exchange: RequestState) -> None:
        policy, headers, call = self._judge.outside(exchange)
        self._admission.enter(may_wait=policy.may_wait)
        try:
            await self._authorize(exchange, policy, headers, call)
        finally:
            self._admission.leave()
        if policy.takes_body:
            # A request that is still uploading takes no place from anybody.
            self._judge.inside(policy, headers, call)
            call.body = await guard.read_body(exchange.receive, policy.body_bytes_max)
            exchange.body_is_read = True
        elif policy.needs_key:
            call.idempotency_key = guard.idempotency_key(headers)
        self._admission.enter(may_wait=policy.may_wait)
        try:
            await self._respond(exchange, policy, call)
        finally:
            self._admission.leave()

    async def _authorize(self, exchange: RequestState, policy: Policy, headers: guard.HeaderView, call: Call) -> None:
        """Who calls, whether they may, and whether they do not call too often."""
        self._judge.note_origin(exchange, call)
        if policy.scope is None:
            if policy.body is BodyKind.FORM or headers.authorization:
                self._charging.check_guessing(exchange)
            await self._charging.charge(exchange, None, policy)
            call.charge = partial(self._charging.charge_person, exchange, policy)
            call.authorization = headers.authorization[0] if headers.authorization else None
            call.headers = exchange.scope["headers"]
            return
        principal = await self._authenticate(exchange, headers)
        self._judge.may_call(exchange, principal, policy, call)
        if policy.followed_as and guard.accepts(exchange.scope["headers"], policy.followed_as):
            call.is_followed = True
            call.headers = exchange.scope["headers"]
            call.confirm = partial(self._authenticate, exchange, headers)
        await self._charging.charge(exchange, principal, policy)
        if self._admission.is_too_much(principal.ledger_id, policy):
            raise self._admission.refusal()

    async def _authenticate(self, exchange: RequestState, headers: guard.HeaderView) -> Principal:
        given = headers.authorization
        if len(given) == 1:
            known = self._authentication.find_cached(given[0], time.monotonic())
            if known is not None:
                return known
        self._charging.check_guessing(exchange)
        return await self._authentication.authenticate(given, time.monotonic())

    async def _tell_refused(self, exchange: RequestState) -> None:
        """Count it as a guess where it may be one, and tell the security log of it."""
        if exchange.status == 401:
            await self._charging.count_failure(exchange)
        if self._security_log is not None:
            request = RefusedRequest(
                status=exchange.status,
                refusal=exchange.refusal,
                caller=None if exchange.principal is None else exchange.principal.caller,
                address=self._charging.caller_address(exchange),
                request_id=exchange.request_id,
                target=f"{exchange.scope['method']} {exchange.template}",
            )
            self._security_log.refused(request)

    async def _respond(self, exchange: RequestState, policy: Policy, call: Call) -> None:
        if policy.body is BodyKind.JSON or (policy.body is BodyKind.OPTIONAL_JSON and call.body):
            call.content = parse_json(call.body, policy.values_max)
            if policy.body_bytes_max > BODY_BYTES_MAX:
                await self._charging.charge_items(exchange, call)
        effort = policy.effort_of(call.query_string)
        if policy.is_streamed and call.principal is not None:
            ledger_id = call.principal.ledger_id
            call.turn = partial(self._costly_reads.turn, ledger_id, is_report=effort >= REPORT_EFFORT_MIN)
            with self._streams.place(ledger_id):
                await self._call_endpoint(exchange, policy, call)
        elif call.is_followed and call.principal is not None:
            with self._followers.place(call.principal.ledger_id):
                await self._call_endpoint(exchange, policy, call)
        elif effort and call.principal is not None:
            async with self._costly_reads.turn(call.principal.ledger_id, is_report=effort >= REPORT_EFFORT_MIN):
                await self._call_endpoint(exchange, policy, call)
        else:
            await self._call_endpoint(exchange, policy, call)

    async def _call_endpoint(self, exchange: RequestState, policy: Policy, call: Call) -> None:
        begun = begin_express(policy, call)
        if begun is not None:
            exchange.is_dispatched = True
            await exchange.answer(await begun.answer())
        elif policy.lean is not None:
            exchange.is_dispatched = True
            answer = await policy.lean(call)
            exchange.principal = call.principal  # A page finds out by itself who asks.
            await exchange.answer(answer)
        else:
            await self._dispatch(exchange, policy, call)

    def _may_be_unknown(self, ledger_id: UUID, key: str | None) -> bool:
        """Whether perhaps nobody may say of it that nothing was done. Without one the keys are in a body."""
        keys = self._unknown_keys
        return keys is not None and bool(keys) and (key is None or keys.has_any([(ledger_id, key)]))

    def _true_of_its_key(self, exchange: RequestState, refusal: DomainError) -> DomainError:
        """That nothing was done is not said of a key whose COMMIT was lost.

        The endpoints see to that by themselves. Who does not come to one has no ledger yet, or no body that was read:
        where the keys are in there, any that is unknown may be one of them.
        """
        if not self._unknown_keys or exchange.is_dispatched or not isinstance(refusal, Unavailable | Overloaded):
            return refusal
        is_unknown = exchange.keys_in_body or any(map(self._unknown_keys.has_text, guard.keys_in(exchange.scope)))
        return OutcomeUnknown("The outcome is not known; retry with the same key.") if is_unknown else refusal

    async def _charged(self, exchange: RequestState, error: DomainError) -> DomainError:
        """The refusal; or that there are too many of them from this address, where it was not charged yet."""
        try:
            await self._charging.charge_refusal(exchange)
        except RateLimited as refusal:
            error = refusal
        if isinstance(error, RateLimited | Overloaded):
            self._charging.let_rest(exchange)
        return error

    async def _dispatch(self, exchange: RequestState, policy: Policy, call: Call) -> None:
        """Through the web framework, with the body played back and a deadline."""
        scope = exchange.scope
        scope.setdefault("state", {})["call"] = call
        call.is_head = scope["method"] == "HEAD"
        if call.is_head:
            scope = {**scope, "method": "GET"}  # The framework knows no other; our server keeps the body to itself.
        is_played = False
        flows_since: float | None = None
        deadline = asyncio.timeout(REQUEST_SECONDS_MAX)

        async def play() -> dict[str, Any]:
            nonlocal is_played
            if is_played:
                return await exchange.receive()  # type: ignore[no-any-return]
            is_played = True
            return {"type": "http.request", "body": call.body, "more_body": False}

        async def send(message: dict[str, Any]) -> None:
            nonlocal flows_since
            if message["type"] == "http.response.start":
                exchange.status = message["status"]
                exchange.is_started = True
                if policy.is_streamed or call.is_followed:
                    flows_since = time.perf_counter()
                    deadline.reschedule(asyncio.get_running_loop().time() + STREAM_SECONDS_MAX)
                message["headers"] = [*message["headers"], *exchange.headers(message["headers"])]
            await exchange.send(message)

        exchange.is_dispatched = True
        try:
            async with deadline:
                await self._app(scope, play, send)
        except TimeoutError:
            self._is_unknown_now(call)
            raise too_late(is_read=policy.is_read) from None
        finally:
            if flows_since is not None:
                # How long somebody goes on reading is no measure of how soon we answer.
                exchange.began_at += time.perf_counter() - flows_since
        exchange.refused_as = call.refused_as
        if call.refused_as == OutcomeUnknown.code:
            self._is_unknown_now(call)

    def _is_unknown_now(self, call: Call) -> None:
        if self._unknown_keys is not None and call.principal is not None and call.idempotency_key is not None:
            self._unknown_keys.add([(call.principal.ledger_id, call.idempotency_key)])

    async def _refuse(self, exchange: RequestState, error: DomainError) -> None:
        if exchange.is_started:
            return  # The answer is on its way already; the connection is closed by the server.
        exchange.refused_as = error.code
        answer = self._render(error, exchange.request_id, exchange.path)
        if not (exchange.is_dispatched or exchange.body_is_read or exchange.body_is_short):
            # A body that nobody will read must not be taken for the next request.
            answer.headers = (*answer.headers, (b"connection", b"close"))
        await exchange.answer(answer)


def too_late(*, is_read: bool) -> DomainError:
    """The refusal of a call for which the time was up, wherever it was."""
    if is_read:
        return Unavailable("The answer took too long; nothing was done.", retry_after=1)
    return OutcomeUnknown("The answer took too long; look before you try again.")
