"""Budgets of requests, counted in Redis by the generic cell rate algorithm (GCRA) with the server's own clock."""

from __future__ import annotations

from dataclasses import dataclass

from zerosum.adapters.redis import RedisAway, RedisLink, Script

# The theoretical arrival time (tat) moves on by one interval for each request granted; it may be one period ahead of
# now. What a worker leased and did not use is taken back first. A tat that is no number, or further ahead than it can
# be under this limit (the limit was another one, the clock was set back), counts as a budget just used up.
# %.17g keeps every digit, since an interval is seldom a whole number of microseconds; the small addition makes up for
# what is lost all the same, at a millionth of a request.
_LEASE = Script("""
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local period, amount = tonumber(ARGV[2]), tonumber(ARGV[3])
local wanted, returned = tonumber(ARGV[4]), tonumber(ARGV[5])
local interval = period / amount
local text = redis.pcall('GET', KEYS[1])
local tat = now
if text then
    tat = type(text) == 'string' and tonumber(text) or now + period
    if not (tat <= now + period) then tat = now + period end
    tat = math.max(now, tat - returned * interval)
end
local free = math.floor((now + period - tat) / interval + 0.000001)
local granted = math.max(0, math.min(wanted, free))
tat = tat + granted * interval
redis.call('SET', KEYS[1], string.format('%.17g', tat), 'PX', math.max(1, math.ceil((tat - now) / 1000)))
local wait = 0
if granted == 0 then wait = math.max(1, math.ceil((tat + interval - period - now) / 1000)) end
return {ARGV[1], granted, math.max(0, free - granted), wait, math.ceil((tat - now) / 1000)}
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
            _LEASE, (f"zerosum:rate:{key}",), period_seconds * 1_000_000, amount, wanted, returned
        )
        if len(reply) != 4 or not all(type(value) is int for value in reply):
            raise RedisAway
        grant = Grant(*reply)
        if not (0 <= grant.granted <= wanted and 0 <= grant.remaining <= amount):
            raise RedisAway
        return grant
