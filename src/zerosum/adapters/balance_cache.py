"""The write-through copy of balances in Redis: a copy that cannot lie for long.

A key is in one of four states:

    (absent)            nobody has read the account lately
    R<token>            a reader is fetching it from PostgreSQL; only that reader may fill it
    M<token>@<until>,…  writers are changing it; each has its own mark, which expires by itself
    V<version>|<value>  the balances at that version

A writer puts its mark before its transaction begins and after the commit turns it into the value, unless other writers'
marks remain. It never overwrites a newer version. Only then is its caller answered, so every read that starts after an
acknowledgement finds the value, a newer one, or none. A reader that meets a mark or nothing asks PostgreSQL, and may
fill only the key it leased itself: a late reader, a flush or an eviction in between voids the lease. A writer that
crashes leaves marks, which expire. The keys carry an epoch that is raised when Redis returns after a failure, so that
nothing from before the gap is served again. (docs/decisions/0005)
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from zerosum.adapters.redis import RedisAway, RedisLink, Script
from zerosum.domain.ledger.account import AccountState
from zerosum.domain.money import render_amount

VALUE_MILLISECONDS = 5_000
MARK_MILLISECONDS = 20_000
"""Longer than any transaction may last, so that a mark never ends before what it announces."""
LEASE_MILLISECONDS = 2_000

_EPOCH_KEY = "zerosum:balances"
_AMOUNT = re.compile(r"-?[0-9]{1,20}(\.[0-9]{1,18})?", re.ASCII)

_MARK = Script("""
local epoch = redis.call('GET', KEYS[1]) or '0'
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local mark = ARGV[1] .. '@' .. string.format('%d', now + ARGV[2])
for index = 3, #ARGV do
    local key = KEYS[1] .. ':' .. epoch .. ':' .. ARGV[index]
    local value = redis.call('GET', key)
    local marks = mark
    if value and string.sub(value, 1, 1) == 'M' then
        for token, ends in string.gmatch(string.sub(value, 2), '([^@,]+)@(%d+)') do
            if tonumber(ends) > now then marks = marks .. ',' .. token .. '@' .. ends end
        end
    end
    redis.call('SET', key, 'M' .. marks, 'PX', ARGV[2])
end
""")

_STORE = Script("""
local epoch = redis.call('GET', KEYS[1]) or '0'
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
for index = 3, #ARGV, 3 do
    local key = KEYS[1] .. ':' .. epoch .. ':' .. ARGV[index]
    local version, value = ARGV[index + 1], ARGV[index + 2]
    local present = redis.call('GET', key)
    local state = present and string.sub(present, 1, 1)
    if state == 'M' then
        local is_mine, others = false, {}
        for token, ends in string.gmatch(string.sub(present, 2), '([^@,]+)@(%d+)') do
            if token == ARGV[1] then is_mine = true
            elseif tonumber(ends) > now then others[#others + 1] = token .. '@' .. ends end
        end
        if is_mine and #others == 0 then
            redis.call('SET', key, 'V' .. version .. '|' .. value, 'PX', ARGV[2])
        elseif is_mine then
            redis.call('SET', key, 'M' .. table.concat(others, ','), 'KEEPTTL')
        end
    elseif state == 'V' then
        local known = tonumber(string.match(present, '^V(%d+)|'))
        if known and known < tonumber(version) then
            redis.call('SET', key, 'V' .. version .. '|' .. value, 'PX', ARGV[2])
        elseif not known then
            redis.call('DEL', key)
        end
    elseif present then
        redis.call('DEL', key)
    end
end
""")

_READ = Script("""
local epoch = redis.call('GET', KEYS[1]) or '0'
local key = KEYS[1] .. ':' .. epoch .. ':' .. ARGV[1]
local present = redis.call('GET', key)
if not present then redis.call('SET', key, 'R' .. ARGV[2], 'PX', ARGV[3]) end
return present
""")

_FILL = Script("""
local epoch = redis.call('GET', KEYS[1]) or '0'
local key = KEYS[1] .. ':' .. epoch .. ':' .. ARGV[1]
if redis.call('GET', key) == 'R' .. ARGV[2] then redis.call('SET', key, ARGV[3], 'PX', ARGV[4]) end
""")


@dataclass(frozen=True, slots=True)
class CachedBalance:
    """Amounts in their wire form."""

    version: int
    posted: str
    held: str
    available: str


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to fill one key, from one reader's miss until somebody else touches it."""

    account_id: UUID
    token: str


class BalanceCache:
    """Never raises and never waits longer than Redis' time-out. All methods do nothing while Redis is away."""

    def __init__(self, link: RedisLink) -> None:
        self._link = link
        link.on_return(self._raise_epoch)
        self.hits = 0
        self.misses = 0

    async def mark(self, accounts: Sequence[tuple[UUID, UUID]]) -> str | None:
        """Announce a write to these accounts; None where Redis is away, and then the breaker is open."""
        token = secrets.token_hex(8)
        try:
            await self._link.run(
                _MARK, [_EPOCH_KEY], token, MARK_MILLISECONDS, *[account_id.hex for _, account_id in accounts]
            )
        except RedisAway:
            return None
        return token

    async def store(self, mark: str | None, states: Sequence[AccountState]) -> None:
        """After the commit: the new balances in place of the marks."""
        if mark is None or not states:
            return
        arguments: list[str | int] = []
        for state in states:
            arguments += (state.id.hex, state.version, _value(state))
        try:
            await self._link.run(_STORE, [_EPOCH_KEY], mark, VALUE_MILLISECONDS, *arguments)
        except RedisAway:
            return

    async def read(self, ledger_id: UUID, account_id: UUID) -> CachedBalance | Lease | None:
        """The balances; or a lease where there are none and the caller may fill them; or None."""
        token = secrets.token_hex(8)
        try:
            present = await self._link.run(_READ, [_EPOCH_KEY], account_id.hex, token, LEASE_MILLISECONDS)
        except RedisAway:
            return None
        if present is None:
            self.misses += 1
            return Lease(account_id, token)
        found = _parse(present, ledger_id, account_id)
        if found is None:
            self.misses += 1
        else:
            self.hits += 1
        return found

    async def fill(self, lease: Lease, state: AccountState) -> None:
        value = f"V{state.version}|{_value(state)}"
        try:
            await self._link.run(_FILL, [_EPOCH_KEY], lease.account_id.hex, lease.token, value, VALUE_MILLISECONDS)
        except RedisAway:
            return

    async def _raise_epoch(self) -> None:
        await self._link.call_while_open("INCR", _EPOCH_KEY)


class NoBalanceCache:
    """Stands where there is no Redis: every read goes to PostgreSQL."""

    hits = 0
    misses = 0

    async def mark(self, _: Sequence[tuple[UUID, UUID]], /) -> None:
        return None

    async def store(self, _: object, __: Sequence[AccountState], /) -> None:
        return None

    async def read(self, _: UUID, __: UUID, /) -> None:
        return None

    async def fill(self, _: Lease, __: AccountState, /) -> None:
        return None


def _value(state: AccountState) -> str:
    posted = state.posted
    return (
        f'{{"ledger":"{state.ledger_id}","account":"{state.id}","version":{state.version},'
        f'"posted":"{render_amount(posted)}","held":"{render_amount(state.held)}",'
        f'"available":"{render_amount(state.available)}"}}'
    )


def _parse(present: Any, ledger_id: UUID, account_id: UUID) -> CachedBalance | None:
    """Foreign, malformed and impossible values are misses: the value must say itself whose it is."""
    try:
        text = present.decode("ascii") if isinstance(present, bytes) else present
        if not text.startswith("V"):
            return None
        head, _, body = text[1:].partition("|")
        value = json.loads(body)
        if value["ledger"] != str(ledger_id) or value["account"] != str(account_id):
            return None
        if value["version"] != int(head) or value["version"] < 0:
            return None
        texts = (value["posted"], value["held"], value["available"])
        if not all(isinstance(amount, str) and _AMOUNT.fullmatch(amount) for amount in texts):
            return None
        return CachedBalance(value["version"], *texts)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
