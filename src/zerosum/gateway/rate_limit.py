"""Rate limits: per principal and per address.

Each worker leases a slice of a budget from Redis and spends it by itself, so most requests cost no round trip; what a
slice leaves over goes back with the next lease. While Redis is away a worker goes on with its share of the budget.
"""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from zerosum.adapters.rate_store import Grant
from zerosum.adapters.redis import RedisAway
from zerosum.domain.errors import RateLimited

SLICE_SHARE = 0.02
"""The part of a budget leased at once: a worker can be ahead of the others by no more than this."""

LEASE_SECONDS = 1.0
"""A slice is spent within this time or given back."""

BUCKETS_MAX = 50_000

_LIMIT = re.compile(r"([1-9][0-9]{0,8})/(s|min|h)", re.ASCII)
_SECONDS = {"s": 1, "min": 60, "h": 3600}


@dataclass(frozen=True, slots=True)
class Limit:
    """So many requests per period; all of them may come at once."""

    amount: int
    period_seconds: int

    @classmethod
    def parse(cls, text: str) -> Limit | None:
        """ "500/s", "1000/min", "20/h"; "off" means no limit. Raises ValueError."""
        if text == "off":
            return None
        match = _LIMIT.fullmatch(text)
        if match is None:
            raise ValueError('a rate limit is written like "500/s", "1000/min", "20/h" or "off"')
        return cls(int(match.group(1)), _SECONDS[match.group(2)])


class Budgets(Protocol):
    """Where budgets are counted: Redis."""

    async def lease(self, key: str, *, amount: int, period_seconds: int, wanted: int, returned: int) -> Grant: ...


@dataclass(slots=True)
class Bucket:
    """What one principal or address may still spend here, and until when."""

    left: int = 0
    remaining: int = 0
    ends_at: float = 0.0
    reset_at: float = 0.0
    blocked_until: float = 0.0
    leasing: asyncio.Lock = field(default_factory=asyncio.Lock)


@dataclass(frozen=True, slots=True)
class Allowance:
    """For the RateLimit header (draft-ietf-httpapi-ratelimit-headers): what remains, and seconds to a full budget."""

    remaining: int
    reset_seconds: int


class RateLimiter:
    """One kind of budget (`name`), counted by key. `clock` is monotonic."""

    def __init__(
        self, name: str, limit: Limit | None, budgets: Budgets | None, workers: int, clock: Callable[[], float]
    ) -> None:
        self.name = name
        self.limit = limit
        self._budgets = budgets
        self._workers = workers
        self._clock = clock
        self._buckets: dict[str, Bucket] = {}
        self._local: dict[str, tuple[float, float]] = {}
        self._slice = max(1, int(limit.amount * SLICE_SHARE)) if limit else 0

    @property
    def policy_header(self) -> bytes:
        if self.limit is None:
            return b""
        return f'"{self.name}";q={self.limit.amount};w={self.limit.period_seconds}'.encode()

    def spend_leased(self, key: str) -> Bucket | None:
        """Spend one request of a slice already held: the usual case, without waiting for anything."""
        bucket = self._buckets.get(key)
        if bucket is not None and bucket.left > 0 and self._clock() < bucket.ends_at:
            bucket.left -= 1
            return bucket
        return None

    async def spend(self, key: str) -> Bucket:
        """Spend one request. Raises RateLimited with the seconds to wait."""
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._new_bucket(key)
        async with bucket.leasing:
            if (leased := self.spend_leased(key)) is not None:
                return leased
            now = self._clock()
            if now >= bucket.blocked_until:
                await self._lease(key, bucket)
        if bucket.left > 0:
            bucket.left -= 1
            return bucket
        wait = max(0.0, bucket.blocked_until - self._clock())
        raise RateLimited(
            "Too many requests; wait a moment.",
            limit=self.name,
            retry_after=max(1, math.ceil(wait)),
        )

    def allowance(self, bucket: Bucket) -> Allowance:
        return Allowance(bucket.remaining + bucket.left, max(0, math.ceil(bucket.reset_at - self._clock())))

    async def _lease(self, key: str, bucket: Bucket) -> None:
        limit = self.limit
        if limit is None:
            raise LookupError("a limiter that is off leases nothing")
        returned, bucket.left = bucket.left, 0
        grant = None
        if self._budgets is not None:
            try:
                grant = await self._budgets.lease(
                    f"{self.name}:{key}",
                    amount=limit.amount,
                    period_seconds=limit.period_seconds,
                    wanted=self._slice,
                    returned=returned,
                )
            except RedisAway:
                grant = None
        if grant is None:
            grant = self._lease_locally(key, limit)
        now = self._clock()
        bucket.left = grant.granted
        bucket.remaining = grant.remaining
        bucket.ends_at = now + LEASE_SECONDS
        bucket.reset_at = now + grant.reset_milliseconds / 1000
        bucket.blocked_until = now + grant.retry_milliseconds / 1000 if grant.granted == 0 else 0.0

    def _lease_locally(self, key: str, limit: Limit) -> Grant:
        """A token bucket with this worker's share: neither open nor closed while nobody counts for all."""
        share = max(1.0, limit.amount / self._workers)
        now = self._clock()
        tokens, since = self._local.get(key, (share, now))
        tokens = min(share, tokens + (now - since) * share / limit.period_seconds)
        if len(self._local) >= BUCKETS_MAX:
            self._local.clear()
        if tokens < 1:
            self._local[key] = (tokens, now)
            wait = (1 - tokens) * limit.period_seconds / share
            return Grant(0, 0, max(1, int(wait * 1000)), int(limit.period_seconds * 1000))
        self._local[key] = (tokens - 1, now)
        return Grant(1, int(tokens - 1), 0, int((share - tokens + 1) * limit.period_seconds / share * 1000))

    def _new_bucket(self, key: str) -> Bucket:
        if len(self._buckets) >= BUCKETS_MAX:
            self._buckets.clear()
        bucket = self._buckets[key] = Bucket()
        return bucket
