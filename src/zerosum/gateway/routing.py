"""Which call a request is, and what it asks of its caller. A route without a policy does not exist."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any, Protocol
from urllib.parse import unquote, unquote_to_bytes

from zerosum.domain.errors import DomainError, Forbidden, MethodNotAllowed, NotFound
from zerosum.gateway.identity.principal import Principal, Scope
from zerosum.gateway.json_structure import BULK_VALUES_MAX, VALUES_MAX
from zerosum.services.credentials.key_grants import Granter
from zerosum.services.requests.caller import Caller

BODY_BYTES_MAX = 64 * 1024
BULK_BODY_BYTES_MAX = 4 * 1024 * 1024

REPORT_EFFORT_MIN = 10
"""Reads of so much effort wait for their turns in another line than lists do."""

SLASH_IN_A_SEGMENT = "\ue000"
"""Stands for an encoded slash in a path that is being routed. It is of Unicode's private use: no path may hold it."""


class BodyKind(Enum):
    NONE = "none"
    JSON = "json"
    OPTIONAL_JSON = "optional json"
    FORM = "form"
    FILE = "file"
    """Bytes of the caller's own, which the endpoint reads by itself."""


Turn = Callable[[], AbstractAsyncContextManager[None]]
"""Raises Overloaded where it does not come in time."""


Confirm = Callable[[], Awaitable[object]]
"""Raises Unauthenticated where a credential was good when the call came, and is no more."""


async def unconfirmed() -> None:
    """Of a call that is over before that could matter."""


Charge = Callable[[Principal], Awaitable[None]]
"""Raises RateLimited."""


async def charged_before(_: Principal) -> None:
    """Of a call whose caller was known before it was carried out."""


@dataclass(slots=True)
class Call:
    """A request that has passed the gateway. `content` is its JSON object, already judged by the guard.

    Of a call that may go without a body, and does, it is empty.
    """

    request_id: str
    path: str
    query_string: bytes
    content: dict[str, Any] = field(default_factory=dict)
    body: bytes = b""
    principal: Principal | None = None
    idempotency_key: str | None = None
    authorization: bytes | None = None
    """The header of a public call, for the token endpoint, where it means the client."""
    address: str = ""
    certificate_subject: str | None = None
    """Of the certificate that the caller's connection has proved to hold."""
    headers: Sequence[tuple[bytes, bytes]] = ()
    """Of a public call: how its caller wants the answer, and what it has of it already."""
    is_followed: bool = False
    """The answer goes on as long as something happens, and `confirm` says whether its caller may still have it."""
    confirm: Confirm = unconfirmed
    is_head: bool = False
    """Nothing of the answer's body will be sent."""
    turn: Turn = nullcontext
    """Of a streamed answer: what is read for it is read in turns of the line of costly reads, and not in one of all."""
    charge: Charge = charged_before
    """Of a page, that finds out by itself who asks: what it costs them, besides their address."""
    refused_as: str = ""
    """The code of the refusal that the endpoint has answered with, if it has."""

    def must_have(self, scope: Scope, pointer: str) -> None:
        """For what a member of the body asks beyond the route's own scope. Raises Forbidden."""
        if self.principal is None or scope not in self.principal.scopes:
            raise Forbidden(f"The token lacks the scope {scope.value}.", scope=scope.value, pointer=pointer)

    @property
    def caller(self) -> Caller:
        if self.principal is None:
            raise LookupError("a public call has no caller")
        return Caller(self.principal.ledger_id, self.principal.actor, self.address, self.request_id)

    @property
    def granter(self) -> Granter:
        """The caller as who makes and revokes keys."""
        if self.principal is None:
            raise LookupError("a public call has no caller")
        return self.principal.granter(self.caller)


@dataclass(slots=True)
class HttpAnswer:
    """A whole response, ready to be sent."""

    status: int
    body: bytes
    headers: tuple[tuple[bytes, bytes], ...] = ()


Lean = Callable[[Call], Awaitable[HttpAnswer]]
"""An endpoint the gateway calls directly, without the web framework in between: for pages and what is asked of them."""


class Begun(Protocol):
    """A call that is being carried out, whoever waits for it."""

    @property
    def outcome(self) -> asyncio.Future[Any]: ...

    def plain_answer(self) -> HttpAnswer | None:
        """Once the outcome is there: the answer, where nothing has to be waited for and nothing was refused."""

    async def answer(self) -> HttpAnswer:
        """Whatever the answer is. Raises the refusal."""


Express = Callable[[Call], Begun | None]
"""Begins a call between two socket events (`express`). None, or a refusal, if it cannot: then nothing was begun."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """`scope` None means open to everybody: health, documentation, the token endpoint, the public keys.

    Whoever has `other_scope` instead may call too. A call spends `units` of the rate limits. `effort` is what a read
    spends of its ledger's budget for costly reads besides; such a read also waits for its turn.
    Where a query parameter is what makes it costly, `costly_query` names it. An answer that `is_streamed` may take much
    longer than others once it has begun, and its endpoint takes the turns by itself. Who accepts the media type
    `followed_as` gets an answer that goes on as long as something happens. `is_page` is what people look at, who are
    asked for their session by the page itself.
    """

    method: str
    template: str
    scope: Scope | None
    body: BodyKind = BodyKind.NONE
    body_bytes_max: int = BODY_BYTES_MAX
    needs_key: bool = False
    lean: Lean | None = None
    express: Express | None = None
    other_scope: Scope | None = None
    units: int = 1
    effort: int = 0
    costly_query: bytes = b""
    is_streamed: bool = False
    followed_as: bytes = b""
    is_page: bool = False

    def effort_of(self, query_string: bytes) -> int:
        if not self.effort:
            return 0
        if b"%" in query_string:  # The names of parameters can be written so too.
            query_string = unquote_to_bytes(query_string)
        return self.effort if self.costly_query in query_string else 0

    @property
    def values_max(self) -> int:
        """Members and elements in the body."""
        return VALUES_MAX if self.body_bytes_max <= BODY_BYTES_MAX else BULK_VALUES_MAX

    @property
    def takes_body(self) -> bool:
        return self.body is not BodyKind.NONE

    @property
    def scopes(self) -> tuple[Scope, ...]:
        """Any one of them is enough."""
        return tuple(scope for scope in (self.scope, self.other_scope) if scope is not None)

    @property
    def is_read(self) -> bool:
        return self.method == "GET"

    @property
    def may_wait(self) -> bool:
        """Refused first when there is too much to do: reads of a ledger, which can be asked for again."""
        return self.method == "GET" and (self.is_page or self.scope is not None)


def routed_path(path: str, raw_path: bytes) -> str:
    """The path by which a call is routed: an encoded slash belongs to its segment and parts nothing (RFC 3986, 2.2).

    Raises NotFound for the segments `.` and `..`, in any writing: what stands between us and the caller may have
    resolved them, or may not.
    """
    if b"%" in raw_path:
        segments = [unquote(segment) for segment in raw_path.decode("latin-1").split("/")]
        path = "/".join(segment.replace("/", SLASH_IN_A_SEGMENT) for segment in segments)
    if "/." in path and not {".", ".."}.isdisjoint(path.split("/")):
        raise NotFound("A path with the segment `.` or `..` leads nowhere.")
    return path


def allowed(methods: Iterable[str]) -> list[str]:
    """As the header Allow lists them."""
    named = set(methods)
    return sorted(named | {"HEAD"} if "GET" in named else named)


_NOTHING: Mapping[str, Policy] = {}


def begin_express(policy: Policy, call: Call) -> Begun | None:
    """None: the framework is to answer it, or to say what is wrong with it."""
    if policy.express is None or call.query_string:
        return None
    try:
        return policy.express(call)
    except DomainError:
        return None


@dataclass(slots=True)
class RouteTable:
    """Finds the policy of a request: by the whole path where a route has no parameters, else by pattern."""

    _exact: dict[str, dict[str, Policy]] = field(default_factory=dict)
    _patterns: list[tuple[re.Pattern[str], dict[str, Policy]]] = field(default_factory=list)

    @classmethod
    def of(cls, policies: Iterable[Policy], *, is_lean: bool = True) -> RouteTable:
        """In the order given: of two patterns that match, the first decides, whatever its methods.

        Without `is_lean` every call goes through the web framework.
        """
        table = cls()
        by_template: dict[str, dict[str, Policy]] = {}
        for policy in policies:
            kept = policy if is_lean else replace(policy, lean=None, express=None)
            by_template.setdefault(policy.template, {})[policy.method] = kept
        for template, methods in by_template.items():
            if "{" in template:
                table._patterns.append((path_pattern(template), methods))
            else:
                table._exact[template] = methods
        return table

    def find(self, method: str, path: str) -> Policy:
        """HEAD is answered as GET is. Raises NotFound, MethodNotAllowed."""
        if method == "HEAD":
            method = "GET"
        exact = self._exact.get(path, _NOTHING)
        policy = exact.get(method)
        if policy is not None:
            return policy
        # "/v1/payments/bulk" is a place of its own for POST; for GET it is a payment that cannot be.
        methods = self._by_pattern(path) or _NOTHING
        policy = methods.get(method)
        if policy is not None:
            return policy
        if not exact and not methods:
            raise NotFound("There is nothing at this address.")
        raise MethodNotAllowed("The method is not allowed here.", allow=allowed(exact or methods))

    def policies(self) -> list[Policy]:
        groups: list[Mapping[str, Policy]] = [*self._exact.values(), *(methods for _, methods in self._patterns)]
        return [policy for methods in groups for policy in methods.values()]

    def _by_pattern(self, path: str) -> dict[str, Policy] | None:
        for pattern, methods in self._patterns:
            if pattern.fullmatch(path):
                return methods
        return None


def path_pattern(template: str) -> re.Pattern[str]:
    """`{name}` is one segment, `{name:path}` one or more: an account's code may hold slashes."""
    parts = re.split(r"(\{[^}]+\})", template)
    return re.compile(
        "".join(
            (".+" if part.endswith(":path}") else "[^/]+") if part.startswith("{") else re.escape(part)
            for part in parts
        )
    )
