"""Budgets of requests, counted in Redis by the generic cell rate algorithm (GCRA) with the server's own clock."""

from __future__ import annotations

from dataclasses import dataclass

from zerosum.adapters.redis import RedisLink, Script

# The theoretical arrival time (tat) moves on by one interval for each request granted; it may be one period ahead of
# now. What a worker leased and did not use is taken back first.
_LEASE = Script("""
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local period, amount = tonumber(ARGV[1]), tonumber(ARGV[2])
local wanted, returned = tonumber(ARGV[3]), tonumber(ARGV[4])
local interval = period / amount
local tat = tonumber(redis.call('GET', KEYS[1]) or now) - returned * interval
if tat < now then tat = now end
local free = math.floor((now + period - tat) / interval + 0.000001)
local granted = math.min(wanted, free)
if granted < 0 then granted = 0 end
tat = tat + granted * interval
if tat > now then
    redis.call('SET', KEYS[1], string.format('%d', tat), 'PX', math.ceil((tat - now) / 1000) + 1)
end
local wait = 0
if granted == 0 then wait = math.max(1, math.ceil((tat + interval - period - now) / 1000)) end
return {granted, math.max(0, free - granted), wait, math.ceil((tat - now) / 1000)}
""")


@dataclass(frozen=True, slots=True)
class Grant:
    """What a lease brought: requests granted, still free in the budget, and times in milliseconds."""

    granted: int
    remaining: int
    retry_milliseconds: int
    reset_milliseconds: int


class RateStore:
    def __init__(self, link: RedisLink) -> None:
        self._link = link

    async def lease(self, key: str, *, amount: int, period_seconds: int, wanted: int, returned: int) -> Grant:
        """Up to `wanted` requests of the budget `amount` per period. Raises RedisAway."""
        reply = await self._link.run(
            _LEASE, [f"zerosum:rate:{{{key}}}"], period_seconds * 1_000_000, amount, wanted, returned
        )
        return Grant(*(int(value) for value in reply))
