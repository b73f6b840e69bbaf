"""Rate limits: per principal and per address.

A budget of N per period may be spent at once and fills up again steadily, one request every period / N: within a time T
no more than N + N * T / period requests pass. Each worker leases a slice of the budget from Redis and spends it by
itself, so most requests cost no round trip; what a slice leaves over goes back with the next lease. While Redis is away
a worker goes on with its share.
"""

from __future__ import annotations

import asyncio
import math
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, Protocol

from zerosum.adapters.rate_store import Grant
from zerosum.adapters.redis import RedisAway
from zerosum.domain.errors import RateLimited
from zerosum.services.requests.limits import Limit

SLICE_SHARE = 0.02
"""The part of a budget leased at once: a worker can be ahead of the others by no more than this."""

LEASE_SECONDS = 1.0
"""A slice is spent within this time or given back."""

RENEWED_AFTER_SECONDS = 0.7
KEPT_SHARE = 0.25
"""A slice in use is leased anew before its time is over, or when a quarter is left of it, which is spent meanwhile: so
that many who ask at once never all wait for a lease together."""

BLOCKED_SECONDS_MIN = 0.02
"""Whoever has used up a budget is refused this long without a look at it: refusals must be cheap."""

ROUNDING_SECONDS = 0.01
"""What milliseconds rounded up may add to a full period, which shall not be told as a second more."""

BUCKETS_MAX = 50_000
"""Kept by one worker. Those not used for longest are forgotten first, with what was left of their slices."""


class Budgets(Protocol):
    """Where budgets are counted: Redis."""

    async def lease(self, key: str, *, amount: int, period_seconds: int, wanted: int, returned: int) -> Grant: ...


@dataclass(slots=True)
class Bucket:
    """What one principal or address may still spend here, and until when."""

    left: int = 0
    remaining: int = 0
    leased_at: float = -math.inf
    reset_at: float = 0.0
    blocked_until: float = 0.0
    tokens: float = math.inf
    """Of this worker's own share, at `counted_at`; used while Redis is away."""
    counted_at: float = 0.0
    leasing: asyncio.Lock = field(default_factory=asyncio.Lock)
    is_renewed: bool = False
    """Or need not be: it is being leased anew, or was in vain."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """For the RateLimit header (draft-ietf-httpapi-ratelimit-headers): what remains, and seconds to a full budget."""

    remaining: int
    reset_seconds: int


class RateLimiter:
    """One kind of budget (`name`), counted by key. `clock` is monotonic."""

    def __init__(
        self,
        name: str,
        limit: Limit | None,
        budgets: Budgets | None,
        workers: int,
        clock: Callable[[], float],
        start: Callable[[Coroutine[Any, Any, None]], object] | None = None,
    ) -> None:
        """`start` begins what nobody waits for: a task, unless told otherwise."""
        self._start = start or self._start_task
        self.name = name
        self.limit = limit
        self._budgets = budgets
        self._workers = workers
        self._clock = clock
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()
        self.allowed = 0
        self.refused = 0
        self._slice = max(1, int(limit.amount * SLICE_SHARE)) if limit else 0
        self._kept = int(self._slice * KEPT_SHARE)
        self._renewing: set[asyncio.Task[None]] = set()

    @property
    def policy_header(self) -> bytes:
        if self.limit is None:
            return b""
        return f'"{self.name}";q={self.limit.amount};w={self.limit.period_seconds}'.encode()

    def find_leased(self, key: str, units: int = 1) -> Bucket | None:
        """Where so many units can be spent of a slice already held, by `spend_leased` at once or by nobody."""
        bucket = self._buckets.get(key)
        if bucket is None or bucket.left < units:
            return None
        age = self._clock() - bucket.leased_at
        if age >= LEASE_SECONDS:
            return None
        if (age >= RENEWED_AFTER_SECONDS or bucket.left <= self._kept) and not bucket.is_renewed:
            self._begin_renewal(key, bucket)
        return bucket

    def spend_leased(self, key: str, units: int = 1) -> Bucket | None:
        """Spend of a slice already held: the usual case, without waiting for anything."""
        bucket = self.find_leased(key, units)
        if bucket is not None:
            bucket.left -= units
            self.allowed += 1
        return bucket

    async def spend(self, key: str, units: int = 1) -> Bucket:
        """Spend so many units at once, or none. Raises RateLimited with the seconds to wait.

        What costs more than a whole budget costs the whole budget: it could never pass otherwise.
        """
        bucket = self._bucket(key)
        if self.limit is None:
            return bucket
        units = min(units, self.limit.amount)
        self._check_not_blocked(bucket)
        async with bucket.leasing:
            if (leased := self.spend_leased(key, units)) is not None:
                return leased
            self._check_not_blocked(bucket)  # those who waited are refused together
            await self._lease(key, bucket, self.limit, units)
            self._check_not_blocked(bucket)
            bucket.left = max(0, bucket.left - units)
            self.allowed += 1
            return bucket

    def check(self, key: str) -> None:
        """Raises RateLimited where nothing is left, and spends nothing. Only of budgets that are counted here alone."""
        bucket = self._buckets.get(key)
        if bucket is None or self.limit is None or bucket.left > 0:
            return
        self._check_not_blocked(bucket)
        seconds_each = self._seconds_each(self.limit)
        missing = 1 - (bucket.tokens + (self._clock() - bucket.counted_at) / seconds_each)
        if missing > 0:
            raise self._refusal(missing * seconds_each)

    def allowance(self, bucket: Bucket) -> Allowance:
        reset_seconds = math.ceil(bucket.reset_at - self._clock() - ROUNDING_SECONDS)
        return Allowance(bucket.remaining + bucket.left, max(0, reset_seconds))

    def _check_not_blocked(self, bucket: Bucket) -> None:
        wait = bucket.blocked_until - self._clock()
        if wait > 0:
            raise self._refusal(wait)

    def _refusal(self, wait_seconds: float) -> RateLimited:
        self.refused += 1
        retry_after = max(1, math.ceil(wait_seconds))
        return RateLimited("Too many requests; wait a moment.", limit=self.name, retry_after=retry_after)

    def _begin_renewal(self, key: str, bucket: Bucket) -> None:
        bucket.is_renewed = True
        if self._budgets is None or self.limit is None or not self._kept:
            return
        self._start(self._renew(key, bucket, self.limit))

    def _start_task(self, renewal: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(renewal, name="a lease in time")
        self._renewing.add(task)
        task.add_done_callback(self._renewing.discard)

    async def _renew(self, key: str, bucket: Bucket, limit: Limit) -> None:
        """A part of the slice stays to be spent meanwhile. In vain: it is used up, and leased with a wait, as usual."""
        if bucket.leasing.locked():
            return
        async with bucket.leasing:
            kept = min(bucket.left, self._kept)
            returned, bucket.left = bucket.left - kept, kept
            grant = await self._lease_shared(key, limit, returned, 1)
            if grant is None:
                bucket.left += returned  # Nobody has taken it back.
            elif grant.granted:
                self._take(bucket, grant, bucket.left + grant.granted)

    async def _lease(self, key: str, bucket: Bucket, limit: Limit, units: int) -> None:
        """At least so many units. Raises RateLimited where there are fewer; where there are none, blocks the bucket."""
        # What was leased longer ago than a period has filled up again since.
        returned = bucket.left if self._clock() <= bucket.leased_at + limit.period_seconds else 0
        bucket.left = 0
        grant = await self._lease_shared(key, limit, returned, units)
        if grant is None:
            units = min(units, self._share(limit))
            grant = self._lease_own(bucket, limit, returned, units)
        now = self._take(bucket, grant, grant.granted)
        if grant.granted == 0:
            bucket.blocked_until = now + max(BLOCKED_SECONDS_MIN, grant.retry_milliseconds / 1000)
        elif grant.granted < units:
            # What was granted is kept for smaller calls, and given back with the next lease.
            raise self._refusal((units - grant.granted) * limit.period_seconds / limit.amount)

    def _take(self, bucket: Bucket, grant: Grant, left: int) -> float:
        now = bucket.leased_at = self._clock()
        bucket.left, bucket.remaining, bucket.is_renewed = left, grant.remaining, False
        bucket.reset_at = now + grant.reset_milliseconds / 1000
        return now

    async def _lease_shared(self, key: str, limit: Limit, returned: int, units: int) -> Grant | None:
        if self._budgets is None:
            return None
        try:
            return await self._budgets.lease(
                f"{self.name}:{key}",
                amount=limit.amount,
                period_seconds=limit.period_seconds,
                wanted=max(self._slice, units),
                returned=returned,
            )
        except RedisAway:
            return None

    def _share(self, limit: Limit) -> int:
        """What this worker may spend at once by itself."""
        return max(1, limit.amount // self._workers)

    def _seconds_each(self, limit: Limit) -> float:
        return limit.period_seconds * self._workers / limit.amount

    def _lease_own(self, bucket: Bucket, limit: Limit, returned: int, units: int) -> Grant:
        """From a token bucket with this worker's share: neither open nor closed while nobody counts for all."""
        now = self._clock()
        capacity = max(1.0, limit.amount / self._workers)
        seconds_each = self._seconds_each(limit)
        tokens = min(capacity, bucket.tokens + returned + (now - bucket.counted_at) / seconds_each)
        granted = min(units, int(tokens))
        bucket.tokens, bucket.counted_at = tokens - granted, now
        return Grant(
            granted=granted,
            remaining=int(bucket.tokens),
            retry_milliseconds=math.ceil((1 - tokens) * seconds_each * 1000) if granted == 0 else 0,
            reset_milliseconds=math.ceil((capacity - bucket.tokens) * seconds_each * 1000),
        )

    def _bucket(self, key: str) -> Bucket:
        bucket = self._buckets.get(key)
        if bucket is not None:
            self._buckets.move_to_end(key)
            return bucket
        if len(self._buckets) >= BUCKETS_MAX:
            self._buckets.popitem(last=False)
        bucket = self._buckets[key] = Bucket()
        return bucket
