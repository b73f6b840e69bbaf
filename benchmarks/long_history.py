"""One account with a very long history, written set-wise past all triggers: what reading is measured on.

Versions, running balances, totals and times are as the service would have written them. Hashes are empty, so the chain
of these accounts cannot be verified.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg

BUSY, COUNTER = "busy", "counter"
CHUNK = 500_000
APART = timedelta(milliseconds=10)
"""Between two payments: a statement of a second has a hundred lines."""

# Every third payment takes 1.00 out, the others put 1.00 in. `$4` is the number of the first, `$5` of the last, each
# `$6`-th has a time of its own, up to 30 days before it was written; `$7` is when the first was written.
_NUMBERED = """
with line as (
    select number, number % 3 = 0 as is_out, posted_at,
           (lpad(to_hex((extract(epoch from posted_at) * 1000)::bigint), 12, '0') || '70008'
            || lpad(to_hex(number), 15, '0'))::uuid as id,
           case when $6::bigint > 0 and number % greatest($6::bigint, 1) = 0
                then posted_at - (hashint8(number) & 2147483647) % 2592000 * interval '1 second'
                else posted_at end as effective_at
    from (select number, $7::timestamptz + number * interval '10 milliseconds' as posted_at
          from generate_series($4::bigint, $5::bigint) as number) as dated
)
"""
_ENTRIES = (
    _NUMBERED
    + """, entry as (
    insert into journal_entries (ledger_id, id, effective_at, posted_at, idempotency_key, fingerprint, resource_type,
                                 reason, actor)
    select $1::uuid, id, effective_at, posted_at, 'long-' || number, '', 'payment', 'payment', 'key_bench' from line
), payment as (
    insert into payments (ledger_id, id, type, status, currency, amount, payer_id, payee_id, processor)
    select $1::uuid, id, case when is_out then 'withdrawal' else 'deposit' end, 'succeeded', 'USD', 1.00,
           case when is_out then $2::uuid else $3::uuid end, case when is_out then $3::uuid else $2::uuid end,
           'internal'
    from line
)
insert into postings (ledger_id, account_id, account_version, entry_id, effective_at, posted_at, place, side, layer,
                      releases, currency, amount, balance_after, held_after, hash)
select $1::uuid, own.id, number, line.id, effective_at, posted_at, case when is_out = own.is_busy then 0 else 1 end,
       (case when is_out = own.is_busy then 'd' else 'c' end)::"char", 'p', false, 'USD', 1.00,
       (number - 2 * (number / 3))::numeric * 1.00, 0, ''
from line, (values ($2::uuid, true), ($3::uuid, false)) as own(id, is_busy)
order by own.id, number
"""
)
_ROW = """
update accounts set version = $3, posted_debits = $4::bigint * 1.00, posted_credits = $5::bigint * 1.00
where ledger_id = $1 and id = $2
"""

_UNSEALED = """
select version - 256 >= coalesce((select max(account_version) from account_checkpoints mark
                                  where mark.ledger_id = $1 and mark.account_id = $2), 0)
from accounts where ledger_id = $1 and id = $2
"""


@dataclass(frozen=True, slots=True)
class LongHistory:
    ledger_id: UUID
    busy_id: UUID
    counter_id: UUID
    number: int
    first_at: datetime

    @property
    def last_at(self) -> datetime:
        return self.first_at + self.number * APART

    async def write(
        self, connection: asyncpg.Connection[asyncpg.Record], dated_every: int, on_progress: Callable[[float], None]
    ) -> None:
        """`connection` is the superuser's. `dated_every` 1 dates all, 0 none."""
        await connection.execute("set session_replication_role = replica; set synchronous_commit = off")
        for first in range(1, self.number + 1, CHUNK):
            last = min(first + CHUNK - 1, self.number)
            await connection.execute(
                _ENTRIES, self.ledger_id, self.busy_id, self.counter_id, first, last, dated_every, self.first_at,
                timeout=600,
            )  # fmt: skip
            on_progress(last / self.number)
        out = self.number // 3
        await connection.execute(_ROW, self.ledger_id, self.busy_id, self.number, out, self.number - out)
        await connection.execute(_ROW, self.ledger_id, self.counter_id, self.number, self.number - out, out)
        await connection.execute("set session_replication_role = origin")
        await connection.execute("vacuum analyze postings, journal_entries, payments, accounts", timeout=3600)

    async def seal(self, connection: asyncpg.Connection[asyncpg.Record]) -> None:
        """All that the worker would seal in its turns, at once."""
        await connection.execute(f"set zerosum.ledgers = '{{{self.ledger_id}}}'")
        for account_id in (self.busy_id, self.counter_id):
            while await connection.fetchval(_UNSEALED, self.ledger_id, account_id):
                statement = "select zerosum_make_checkpoints($1, $2, 256)"
                if not await connection.fetchval(statement, self.ledger_id, account_id, timeout=600):
                    await asyncio.sleep(0.1)  # The worker is at it.
        await connection.execute("vacuum analyze account_checkpoints, dated_checkpoints", timeout=600)
