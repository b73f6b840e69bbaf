"""What is judged of a request without waiting for anything, in the order of the gateway: the same on every way.

    outside      size and framing, host, route, length of the body
    may_call     where the caller calls from, and its scope
    inside       media type, idempotency key

Whatever is asked of all requests is asked in one of these, so no way can forget it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from zerosum.domain.errors import Forbidden
from zerosum.gateway.guards import request_guard as guard
from zerosum.gateway.identity.principal import Principal
from zerosum.gateway.limits.charging import Charging
from zerosum.gateway.request_state import RequestState
from zerosum.gateway.routing import BODY_BYTES_MAX, BodyKind, Call, Policy, RouteTable, routed_path
from zerosum.gateway.server.client_certificate import CLIENT_CERTIFICATE_NAME, TLS


@dataclass(frozen=True, slots=True)
class Authorizer:
    routes: RouteTable
    charging: Charging
    new_request_id: Callable[[], str]
    allowed_hosts: frozenset[bytes]

    def outside(self, exchange: RequestState) -> tuple[Policy, guard.HeaderView, Call]:
        """Before it is known who calls."""
        scope = exchange.scope
        exchange.request_id = self.new_request_id()
        guard.check_target(exchange.path, scope["raw_path"], scope["query_string"])
        headers = guard.HeaderView(scope["headers"])
        exchange.request_id = headers.caller_request_id() or exchange.request_id
        if headers.is_odd or scope["http_version"] != "1.1":
            guard.check_framing(headers, scope["http_version"])
        guard.check_host(headers, self.allowed_hosts)
        exchange.body_is_read = not headers.has_body
        scope["path"] = routed_path(exchange.path, scope["raw_path"])
        policy = self.routes.find(scope["method"], scope["path"])
        exchange.template = policy.template
        exchange.keys_in_body = policy.body_bytes_max > BODY_BYTES_MAX
        if policy.takes_body:
            guard.check_length(policy, headers)
            exchange.body_is_short = not headers.is_chunked and policy.body_bytes_max <= BODY_BYTES_MAX
        else:
            guard.check_no_body(policy, headers)
        return policy, headers, Call(exchange.request_id, exchange.path, scope["query_string"])

    def note_origin(self, exchange: RequestState, call: Call) -> None:
        """Where the request comes from."""
        call.address = self.charging.caller_address(exchange)
        tls = exchange.extension(TLS)
        if tls is not None:
            call.certificate_subject = tls.get(CLIENT_CERTIFICATE_NAME)

    def may_call(self, exchange: RequestState, principal: Principal, policy: Policy, call: Call) -> None:
        """Raises OriginNotAllowed, Forbidden."""
        call.principal = exchange.principal = principal
        principal.check_origin(call.address, call.certificate_subject)
        if policy.scope not in principal.scopes and policy.other_scope not in principal.scopes:
            wanted = " or ".join(policy.scopes)
            raise Forbidden(f"The token lacks the scope {wanted}.", scope=policy.scopes[0].value)

    def inside(self, policy: Policy, headers: guard.HeaderView, call: Call) -> None:
        """What is said of the body, and the key."""
        if policy.body is not BodyKind.OPTIONAL_JSON or headers.has_body:
            guard.check_media_type(policy, headers)
        if policy.needs_key:
            call.idempotency_key = guard.idempotency_key(headers)
