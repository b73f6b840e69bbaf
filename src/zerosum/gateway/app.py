"""The gateway layer: every request passes here, in one fixed order of judgement.

    address and headers -> route -> admission -> size -> media type -> JSON -> authentication -> scope -> rate limit
    -> idempotency key -> the endpoint

Pure ASGI: a framework's middleware would cost more than the whole payment. What passes becomes a `Call`; the hottest
routes are answered by their lean endpoint directly, everything else by the web framework.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import parse_qs

from zerosum.domain.errors import (
    DomainError,
    Forbidden,
    InternalError,
    OutcomeUnknown,
    Unauthenticated,
    Unavailable,
)
from zerosum.gateway import request_guard as guard
from zerosum.gateway.admission import Admission
from zerosum.gateway.json_guard import parse_json
from zerosum.gateway.principal import Principal
from zerosum.gateway.rate_limit import RateLimiter
from zerosum.gateway.routing import Answer, BodyKind, Call, Policy, RouteTable

Scope = dict[str, Any]
Send = Callable[[dict[str, Any]], Awaitable[None]]
App = Callable[[Scope, guard.Receive, Send], Awaitable[None]]
Render = Callable[[DomainError, str, str], Answer]
"""A refusal, the request's id and its path -> the problem to send."""

REQUEST_SECONDS_MAX = 10.0
"""No call through the web framework lives longer; the committer's own deadline is shorter."""

_STANDARD_HEADERS = ((b"x-content-type-options", b"nosniff"), (b"cache-control", b"no-store"))

_log = logging.getLogger(__name__)


class Authentication(Protocol):
    """Turns Authorization headers into a principal."""

    def find_cached(self, header: bytes, now_monotonic: float) -> Principal | None: ...

    async def authenticate(self, headers: Sequence[bytes], now_monotonic: float) -> Principal:
        """Raises Unauthenticated."""


class Observer(Protocol):
    """Told of every answer: for metrics and traces."""

    def __call__(self, template: str, method: str, status: int, seconds: float) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayOptions:
    """`trusted_proxies` are the peers whose X-Forwarded-For is believed."""

    allowed_hosts: frozenset[bytes] = frozenset()
    trusted_proxies: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...] = ()


class Gateway:
    def __init__(
        self,
        *,
        app: App,
        routes: RouteTable,
        authentication: Authentication,
        principal_limiter: RateLimiter,
        address_limiter: RateLimiter,
        failure_limiter: RateLimiter,
        admission: Admission,
        render: Render,
        new_request_id: Callable[[], str],
        observe: Observer,
        options: GatewayOptions,
    ) -> None:
        self._app = app
        self._routes = routes
        self._authentication = authentication
        self._principal_limiter = principal_limiter
        self._address_limiter = address_limiter
        self._failure_limiter = failure_limiter
        self._admission = admission
        self._render = render
        self._new_request_id = new_request_id
        self._observe = observe
        self._options = options
        policies = [limiter.policy_header for limiter in (principal_limiter, address_limiter) if limiter.limit]
        self._rate_policy_header = (b"ratelimit-policy", b", ".join(policies))

    async def __call__(self, scope: Scope, receive: guard.Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        exchange = _Exchange(scope, receive, send)
        try:
            await self._serve(exchange)
        except DomainError as error:
            await self._refuse(exchange, error)
        except Exception:
            _log.exception("a request failed", extra={"request_id": exchange.request_id})
            await self._refuse(exchange, InternalError("The request failed on our side."))
        self._observe(exchange.template, scope["method"], exchange.status, time.perf_counter() - started)

    async def _serve(self, exchange: _Exchange) -> None:
        scope = exchange.scope
        exchange.request_id = self._new_request_id()
        guard.check_target(scope["raw_path"], scope["query_string"])
        headers = guard.HeaderView(scope["headers"])
        exchange.request_id = headers.caller_request_id() or exchange.request_id
        guard.check_host(headers, self._options.allowed_hosts)
        policy = self._routes.find(scope["method"], scope["path"])
        exchange.template = policy.template
        self._admission.enter(is_read=policy.is_read)
        try:
            call = await self._judge(exchange, policy, headers)
            if policy.lean is not None:
                exchange.is_dispatched = True
                await self._send_answer(exchange, await policy.lean(call))
            else:
                await self._dispatch(exchange, policy, call)
        finally:
            self._admission.leave()

    async def _judge(self, exchange: _Exchange, policy: Policy, headers: guard.HeaderView) -> Call:
        scope = exchange.scope
        call = Call(exchange.request_id, scope["path"], scope["query_string"])
        if policy.body is not BodyKind.NONE:
            await self._take_body(exchange, policy, headers, call)
        if policy.scope is None:
            call.authorization = headers.authorization[0] if headers.authorization else None
            return call
        call.principal = principal = await self._authenticate(exchange, headers)
        if policy.scope not in principal.scopes:
            raise Forbidden(f"The token lacks the scope {policy.scope.value}.", scope=policy.scope.value)
        await self._limit(exchange, headers, principal)
        if policy.needs_key:
            call.idempotency_key = guard.idempotency_key(headers)
        return call

    async def _take_body(self, exchange: _Exchange, policy: Policy, headers: guard.HeaderView, call: Call) -> None:
        guard.check_length(policy, headers)
        is_optional = policy.body is BodyKind.OPTIONAL_JSON
        if is_optional and not headers.content_type and headers.content_encoding is None:
            call.body = await guard.read_body(exchange.receive, policy.body_bytes_max)
            if not call.body:
                call.content = {}
                return
        guard.check_media_type(policy, headers)
        call.body = call.body or await guard.read_body(exchange.receive, policy.body_bytes_max)
        exchange.body_is_read = True
        if policy.body is BodyKind.FORM:
            return
        call.content = {} if is_optional and not call.body else parse_json(call.body)

    async def _authenticate(self, exchange: _Exchange, headers: guard.HeaderView) -> Principal:
        given = headers.authorization
        if len(given) == 1:
            known = self._authentication.find_cached(given[0], time.monotonic())
            if known is not None:
                return known
        try:
            return await self._authentication.authenticate(given, time.monotonic())
        except Unauthenticated:
            # Guessing is slowed down by address; the budget is local and stays in force when Redis is away.
            await self._failure_limiter.spend(self._address(exchange.scope, headers))
            raise

    async def _limit(self, exchange: _Exchange, headers: guard.HeaderView, principal: Principal) -> None:
        limiter = self._principal_limiter
        if limiter.limit is not None:
            key = principal.rate_key
            allowance = limiter.allowance(limiter.spend_leased(key) or await limiter.spend(key))
            exchange.rate_header = b'"%b";r=%d;t=%d' % (
                limiter.name.encode(),
                allowance.remaining,
                allowance.reset_seconds,
            )
        if self._address_limiter.limit is not None:
            address = self._address(exchange.scope, headers)
            if self._address_limiter.spend_leased(address) is None:
                await self._address_limiter.spend(address)

    async def _dispatch(self, exchange: _Exchange, policy: Policy, call: Call) -> None:
        """Through the web framework, with the body played back and a deadline."""
        scope = exchange.scope
        scope.setdefault("state", {})["call"] = call
        is_played = False

        async def play() -> dict[str, Any]:
            nonlocal is_played
            if is_played:
                return await exchange.receive()  # type: ignore[no-any-return]
            is_played = True
            return {"type": "http.request", "body": call.body, "more_body": False}

        async def send(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                exchange.status = message["status"]
                exchange.is_started = True
                message["headers"] = [*message["headers"], *self._headers(exchange, message["headers"])]
            await exchange.send(message)

        exchange.is_dispatched = True
        try:
            async with asyncio.timeout(REQUEST_SECONDS_MAX):
                await self._app(scope, play, send)
        except TimeoutError:
            if policy.is_read:
                raise Unavailable("The answer took too long; nothing was done.", retry_after=1) from None
            raise OutcomeUnknown("The answer took too long; look before you try again.") from None

    async def _refuse(self, exchange: _Exchange, error: DomainError) -> None:
        if exchange.is_started:
            return  # The answer is on its way already; the connection is closed by the server.
        answer = self._render(error, exchange.request_id, exchange.scope["path"])
        if not exchange.is_dispatched and not exchange.body_is_read:
            # A body that nobody will read must not be taken for the next request.
            answer.headers = (*answer.headers, (b"connection", b"close"))
        await self._send_answer(exchange, answer)

    async def _send_answer(self, exchange: _Exchange, answer: Answer) -> None:
        exchange.status = answer.status
        exchange.is_started = True
        headers = [
            (b"content-length", b"%d" % len(answer.body)),
            *answer.headers,
            *self._headers(exchange, answer.headers),
        ]
        await exchange.send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await exchange.send({"type": "http.response.body", "body": answer.body})

    def _headers(self, exchange: _Exchange, present: Sequence[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        names = {name for name, _ in present}
        headers = [(b"x-request-id", exchange.request_id.encode("ascii"))]
        headers += [header for header in _STANDARD_HEADERS if header[0] not in names]
        if exchange.rate_header:
            headers += [(b"ratelimit", exchange.rate_header), self._rate_policy_header]
        return headers

    def _address(self, scope: Scope, headers: guard.HeaderView) -> str:
        """The peer's address; behind a trusted proxy the one it vouches for. IPv6 is counted by /64."""
        peer = scope["client"][0] if scope.get("client") else "unknown"
        if headers.forwarded_for is not None and self._options.trusted_proxies:
            peer = _vouched_for(peer, headers.forwarded_for, self._options.trusted_proxies)
        return _network(peer) if ":" in peer else peer


class _Exchange:
    """One request and its answer, as far as they have come."""

    __slots__ = (
        "body_is_read",
        "is_dispatched",
        "is_started",
        "rate_header",
        "receive",
        "request_id",
        "scope",
        "send",
        "status",
        "template",
    )

    def __init__(self, scope: Scope, receive: guard.Receive, send: Send) -> None:
        self.scope = scope
        self.receive = receive
        self.send = send
        self.request_id = ""
        self.template = ""
        self.status = 0
        self.rate_header = b""
        self.body_is_read = scope["method"] in ("GET", "HEAD")
        self.is_dispatched = False
        self.is_started = False


def _vouched_for(
    peer: str, forwarded_for: bytes, trusted: Sequence[ipaddress.IPv4Network | ipaddress.IPv6Network]
) -> str:
    """The last address in the chain that no trusted proxy of ours has added."""
    chain = [*(part.strip() for part in forwarded_for.decode("latin-1").split(",")), peer]
    for candidate in reversed(chain):
        try:
            address = ipaddress.ip_address(candidate)
        except ValueError:
            return peer
        if not any(address in network for network in trusted):
            return candidate
    return chain[0]


def _network(address: str) -> str:
    try:
        return str(ipaddress.ip_network(f"{address}/64", strict=False))
    except ValueError:
        return address


def query_of(call: Call) -> dict[str, list[str]]:
    """The query parameters of a lean call, blank values kept."""
    return parse_qs(call.query_string.decode("latin-1"), keep_blank_values=True) if call.query_string else {}
