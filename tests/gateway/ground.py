"""A gateway layer before an endpoint that remembers its calls: no database, no framework."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import orjson

from zerosum.api.problems import render
from zerosum.domain.errors import Unauthenticated, ValidationFailed
from zerosum.domain.identifiers import LedgerId
from zerosum.gateway.app import BeginTrace, Gateway, GatewayOptions
from zerosum.gateway.identity.principal import Principal, Scope
from zerosum.gateway.limits.admission import Admission
from zerosum.gateway.limits.charging import Limiters
from zerosum.gateway.limits.costly_reads import CostlyReads
from zerosum.gateway.limits.rate_limit import Budgets, RateLimiter
from zerosum.gateway.routing import Begun, BodyKind, Call, HttpAnswer, Policy, RouteTable
from zerosum.services.committing.unknown_keys import UnknownKeys
from zerosum.services.requests.limits import Limit

KEY = (b"authorization", b"Bearer good")
JSON = (b"content-type", b"application/json")
HOST = (b"host", b"zerosum.test")
MONEY = [KEY, JSON, (b"idempotency-key", b"k1")]


PRINCIPAL = Principal(LedgerId(UUID(int=1)), "key_1", frozenset({Scope.PAYMENTS_WRITE}), "principal")


@dataclass
class Keys:
    """Knows one credential with the scope to pay."""

    asked: int = 0
    remembers: bool = False

    def find_cached(self, header: bytes, now_monotonic: float) -> Principal | None:
        return PRINCIPAL if self.remembers and header == KEY[1] else None

    async def authenticate(self, headers: Sequence[bytes], now_monotonic: float) -> Principal:
        self.asked += 1
        if list(headers) != [KEY[1]]:
            raise Unauthenticated("A valid access token or API key is needed.")
        return PRINCIPAL


@dataclass
class Waiting:
    """A call that was begun. Its outcome is a refusal, or None for a plain answer; an answer that is none."""

    call: Call
    outcome: asyncio.Future[Any]
    is_broken: bool = False

    def plain_answer(self) -> HttpAnswer | None:
        if self.is_broken:
            raise RuntimeError("a secret of ours")
        return self.told() if self.outcome.result() is None else None

    async def answer(self) -> HttpAnswer:
        await self.outcome
        if self.is_broken:
            raise RuntimeError("a secret of ours")
        return self.told()

    def told(self) -> HttpAnswer:
        headers = ((b"content-type", b"application/json"),)
        return HttpAnswer(201, orjson.dumps({"key": self.call.idempotency_key, **self.call.content}), headers)


@dataclass
class Ground:
    """A gateway before an endpoint that remembers its calls."""

    principal_limit: str = "off"
    address_limit: str = "off"
    ledger_limit: str = "off"
    failure_limit: str = "off"
    costly_limit: str = "off"
    in_flight_max: int = 10
    options: GatewayOptions = field(default_factory=GatewayOptions)
    calls: list[Call] = field(default_factory=list)
    observed: list[tuple[str, str, int]] = field(default_factory=list)
    status: int = 200
    is_broken: bool = False
    takes_forever: bool = False
    begun: list[Waiting] = field(default_factory=list)
    begin_trace: BeginTrace | None = None
    budgets: Budgets | None = None
    unknown_keys: UnknownKeys | None = None

    def __post_init__(self) -> None:
        self.keys = Keys()
        self.admission = Admission(self.in_flight_max)
        body = BodyKind.JSON
        write, admin = Scope.PAYMENTS_WRITE, Scope.ADMIN
        policies = [
            Policy(method="POST", template="/pay", scope=write, body=body, needs_key=True, lean=self.endpoint),
            Policy(
                method="POST", template="/bulk", scope=write, body=body, body_bytes_max=4_000_000, lean=self.endpoint
            ),
            Policy(method="POST", template="/slow/pay", scope=write, body=body, needs_key=True),
            Policy(method="GET", template="/read", scope=write),
            Policy(method="POST", template="/admin", scope=admin, body=body),
            Policy(method="POST", template="/optional", scope=write, body=BodyKind.OPTIONAL_JSON, lean=self.endpoint),
            Policy(method="POST", template="/token", scope=None, body=BodyKind.FORM, lean=self.endpoint),
            Policy(method="GET", template="/health", scope=None, lean=self.endpoint),
            Policy(method="POST", template="/express", scope=write, body=body, needs_key=True, express=self.express),
            Policy(
                method="POST",
                template="/express/{thing}/act",
                scope=write,
                body=BodyKind.OPTIONAL_JSON,
                needs_key=True,
                express=self.express,
            ),
        ]
        self.gateway = Gateway(
            app=self.framework,
            routes=RouteTable.of(policies),
            authentication=self.keys,
            limiters=Limiters(
                principal=self.limiter("principal", self.principal_limit),
                ledger=self.limiter("ledger", self.ledger_limit),
                address=self.limiter("address", self.address_limit),
                failures=self.limiter("failures", self.failure_limit),
                costly=self.limiter("costly", self.costly_limit),
            ),
            admission=self.admission,
            costly_reads=CostlyReads(1, lambda: self.admission.in_flight),
            render=render,
            new_request_id=lambda: "made-here",
            observe=lambda template, method, status, *_: self.observed.append((template, method, status)),
            options=self.options,
            begin_trace=self.begin_trace,
            unknown_keys=self.unknown_keys,
        )

    def limiter(self, name: str, text: str) -> RateLimiter:
        return RateLimiter(name, Limit.parse(text), self.budgets, 1, lambda: 1000.0)

    async def endpoint(self, call: Call) -> HttpAnswer:
        self.calls.append(call)
        if self.is_broken:
            raise RuntimeError("a secret of ours")
        return HttpAnswer(self.status, b"{}", ((b"content-type", b"application/json"),))

    def express(self, call: Call) -> Begun | None:
        """Plain where the body is; told otherwise by it."""
        if self.is_broken:
            raise RuntimeError("a secret of ours")
        said = (call.content or {}).get("say")
        if said == "nothing":
            return None
        if said == "wrong":
            raise ValidationFailed("This is wrong.", pointer="/say")
        self.calls.append(call)
        self.begun.append(Waiting(call, asyncio.get_running_loop().create_future()))
        if not self.takes_forever:
            self.begun[-1].outcome.set_result(None)
        return self.begun[-1]

    async def framework(self, scope: Any, receive: Any, send: Any) -> None:
        if self.takes_forever:
            await asyncio.Event().wait()
        message = await receive()
        if scope["path"] == "/express" and b"wrong" in message["body"]:
            raise ValidationFailed("This is wrong.", pointer="/say")
        self.calls.append(scope["state"]["call"])
        await send({"type": "http.response.start", "status": 200, "headers": [(b"cache-control", b"public")]})
        await send({"type": "http.response.body", "body": message["body"]})

    async def ask(
        self,
        method: str,
        path: str,
        headers: Sequence[tuple[bytes, bytes]] = (),
        body: bytes = b"",
        *,
        query: bytes = b"",
        peer: str = "192.0.2.1",
        host: tuple[bytes, bytes] | None = HOST,
    ) -> Reply:
        reply = Reply()
        sent = [*([host] if host else []), *headers]
        if body:
            sent.append((b"content-length", b"%d" % len(body)))
        scope = {
            "type": "http",
            "http_version": "1.1",
            "method": method,
            "path": path,
            "raw_path": path.encode("utf-8", "surrogatepass"),
            "query_string": query,
            "headers": sent,
            "client": (peer, 1),
        }

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                reply.status = message["status"]
                reply.headers = dict(message["headers"])
                assert len(reply.headers) == len(message["headers"]), "a header is there twice"
            else:
                reply.body += message["body"]

        await self.gateway(scope, receive, send)
        return reply


@dataclass
class Reply:
    status: int = 0
    headers: dict[bytes, bytes] = field(default_factory=dict)
    body: bytes = b""

    @property
    def code(self) -> str:
        assert self.headers[b"content-type"] == b"application/problem+json"
        code: str = orjson.loads(self.body)["code"]
        return code
