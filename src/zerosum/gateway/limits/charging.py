"""What a request costs its caller: units of the budgets of its principal, its ledger and its address.

| who | is charged for | told by |
| --- | --- | --- |
| address | every request, open to everybody or refused as well | `address` |
| address | each credential that was no good; then it is turned away before its next one is judged | `failures` |
| principal, ledger | every request that may pass, and each item of a bulk call | `principal`, `ledger` |
| principal, ledger | every page and form of the console, once it is known who has signed in | `principal`, `ledger` |
| ledger | reads that make the database work: lists, statements, reports | `costly` |
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from zerosum.domain.errors import RateLimited
from zerosum.gateway.identity.principal import Principal
from zerosum.gateway.limits.client_address import caller_address, counted_as
from zerosum.gateway.limits.rate_limit import Allowance, Bucket, RateLimiter
from zerosum.gateway.request_state import REST, Headers, RequestState
from zerosum.gateway.routing import Call, Policy
from zerosum.services.requests.networks import Network, is_within

REFUSAL_UNITS = 5
"""Of its address's budget, for a request that was refused before anybody was charged: no honest caller has many."""

REST_SECONDS = 0.5
"""Nothing more is read from a connection for so long after it was told that it asks too often, or that we are busy.

A caller that waits as it is told does not notice; one that does not would cost almost as much refused as served.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limiters:
    principal: RateLimiter
    ledger: RateLimiter
    address: RateLimiter
    failures: RateLimiter

    def all(self) -> tuple[RateLimiter, ...]:
        return self.principal, self.ledger, self.address, self.costly, self.failures

    costly: RateLimiter


Leased = list[tuple[RateLimiter, Bucket]]
"""Where each budget of a request can be spent of what this process holds."""


class Charging:
    """`trusted_proxies` are the peers whose X-Forwarded-For is believed."""

    def __init__(self, limiters: Limiters, trusted_proxies: Sequence[Network]) -> None:
        self._limiters = limiters
        self._trusted_proxies = tuple(trusted_proxies)
        told = self._of_all_requests = (limiters.principal, limiters.ledger, limiters.address)
        self._policy_header = (b"ratelimit-policy", b", ".join(each.policy_header for each in told if each.limit))

    def address(self, exchange: RequestState) -> str:
        """Where the request comes from, as it is counted."""
        if not exchange.address:
            exchange.address = counted_as(self.caller_address(exchange))
        return exchange.address

    def caller_address(self, exchange: RequestState) -> str:
        """Where the request comes from, to the last bit."""
        if not exchange.caller_address:
            forwarded_for = None
            if self._trusted_proxies:
                fields = [value for name, value in exchange.scope["headers"] if name == b"x-forwarded-for"]
                forwarded_for = b", ".join(fields) or None
            exchange.caller_address = caller_address(_peer(exchange), forwarded_for, self._trusted_proxies)
        return exchange.caller_address

    def check_guessing(self, exchange: RequestState) -> None:
        """Before a credential is judged. Raises RateLimited for an address that has guessed too often.

        Its budget is counted in this process alone, so that it stays in force when Redis is away.
        """
        if self._limiters.failures.limit is not None:
            self._limiters.failures.check(self.address(exchange))

    async def count_failure(self, exchange: RequestState) -> None:
        """A credential was no good."""
        limiter = self._limiters.failures
        if limiter.limit is not None:
            try:
                await limiter.spend(self.address(exchange))
            except RateLimited:
                return  # Those that were judged at the same moment; the next one meets `check_guessing`.

    async def charge(self, exchange: RequestState, principal: Principal | None, policy: Policy) -> None:
        """By principal and ledger where there is one, then by address. Without waiting while slices last."""
        exchange.is_charged = True
        if principal is not None:
            await self._charge_principal(exchange, principal, policy.units)
        await self._spend(exchange, self._limiters.address, self.address(exchange), policy.units)
        if principal is not None and (effort := policy.effort_of(exchange.scope["query_string"])):
            await self._spend(exchange, self._limiters.costly, principal.ledger_text, effort)

    async def charge_person(self, exchange: RequestState, policy: Policy, principal: Principal) -> None:
        """Who has signed in, once a page knows it: the address is charged already. Raises RateLimited."""
        exchange.rate_headers = ()
        await self._charge_principal(exchange, principal, policy.units)

    def find_leased(self, exchange: RequestState, principal: Principal, policy: Policy) -> Leased | None:
        """What `charge` would spend, if slices that are held here are enough for all of it. Nothing is spent yet."""
        keys = principal.rate_key, principal.ledger_text, exchange.address or self.address(exchange)
        leased: Leased = []
        for limiter, key in zip(self._of_all_requests, keys, strict=True):
            if limiter.limit is None:
                continue
            bucket = limiter.find_leased(key, policy.units)
            if bucket is None:
                return None
            leased.append((limiter, bucket))
        return leased

    def charge_leased(self, exchange: RequestState, leased: Leased, policy: Policy) -> None:
        """Spend what was found a moment ago, before anything else was waited for."""
        exchange.is_charged = True
        for limiter, bucket in leased:
            bucket.left -= policy.units
            limiter.allowed += 1
        if leased:
            limiter, bucket = leased[0]
            exchange.rate_headers = self._headers(limiter.name, limiter.allowance(bucket))

    async def charge_items(self, exchange: RequestState, call: Call) -> None:
        """A bulk call costs what its items would cost by themselves; the first is paid for already."""
        items = call.content.get("items")
        if call.principal is not None and isinstance(items, list) and len(items) > 1:
            exchange.rate_headers = ()
            await self._charge_principal(exchange, call.principal, len(items) - 1)
            await self._spend(exchange, self._limiters.address, self.address(exchange), len(items) - 1)

    async def _charge_principal(self, exchange: RequestState, principal: Principal, units: int) -> None:
        await self._spend(exchange, self._limiters.principal, principal.rate_key, units)
        if self._limiters.ledger.limit is not None:
            await self._spend(exchange, self._limiters.ledger, principal.ledger_text, units)

    async def charge_refusal(self, exchange: RequestState) -> None:
        """Raises RateLimited for an address that has had too many of them; once a request."""
        if not exchange.is_charged:
            exchange.is_charged = True
            await self._spend(exchange, self._limiters.address, self.address(exchange), REFUSAL_UNITS)

    def let_rest(self, exchange: RequestState) -> None:
        """After a refusal for asking too much; but a proxy of ours carries others on the same connection."""
        rest = exchange.extension(REST)
        if rest is not None and not is_within(_peer(exchange), self._trusted_proxies):
            rest(REST_SECONDS)

    async def _spend(self, exchange: RequestState, limiter: RateLimiter, key: str, units: int) -> None:
        if limiter.limit is None:
            return
        try:
            bucket = limiter.spend_leased(key, units) or await limiter.spend(key, units)
        except RateLimited as refusal:
            exchange.rate_headers = self._headers(limiter.name, Allowance(0, refusal.facts["retry_after"]))
            raise
        exchange.rate_headers = exchange.rate_headers or self._headers(limiter.name, limiter.allowance(bucket))

    def _headers(self, name: str, allowance: Allowance) -> Headers:
        standing = b'"%b";r=%d;t=%d' % (name.encode(), allowance.remaining, allowance.reset_seconds)
        return ((b"ratelimit", standing), self._policy_header)


def _peer(exchange: RequestState) -> str:
    client = exchange.scope.get("client")
    return client[0] if client else "unknown"
