"""A ledger as large as a big installation's, written set-wise past all triggers: to open the console's pages on.

Many customers and a thousand merchants; deposits, purchases and fees over a month. Versions, running balances, totals
and times are as the service would have written them. Hashes are empty, so these chains cannot be verified.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg

from zerosum.services.background.totals_sealing import KEPT_ACCOUNTS, SEAL_ENTRIES

Say = Callable[[str], None]

BANKS = 4
MERCHANTS = 1_000
SPAN = "30 days"
DATED_EVERY = 100

_ACCOUNTS = """
insert into accounts (ledger_id, id, version, code, currency, type, status, posted_debits, posted_credits, held, head,
                      created_at)
select $1::uuid, (lpad(to_hex((extract(epoch from $3::timestamptz) * 1000)::bigint), 12, '0') || '70008'
                  || lpad(to_hex(number), 15, '0'))::uuid,
       0, code, 'USD', type, 'open', 0, 0, 0, '', $3::timestamptz
from (
    select number, 'assets:bank:' || number as code, 'asset' as type from generate_series(1, 4) as number
    union all select 5, 'revenue:fees', 'revenue'
    union all
    select 5 + number, 'merchants:' || lpad(number::text, 4, '0'), 'liability' from generate_series(1, 1000) as number
    union all
    select 1005 + number, 'customers:' || lpad(number::text, 7, '0'), 'liability'
    from generate_series(1, $2::bigint - 1005) as number
) as wanted
"""

# Of each ten entries five are deposits, four purchases, one a fee. `$2` accounts, `$4` entries, the first at `$3`.
_ENTRIES = """
create unlogged table bench_entries as
select number, posted_at, payer, payee,
       case when number % 100 = 0 then posted_at - (hashint8(number) & 2147483647) % 1000000 * interval '1 second'
            else posted_at end as effective_at,
       (lpad(to_hex((extract(epoch from posted_at) * 1000)::bigint), 12, '0') || '70008'
        || lpad(to_hex(number), 15, '0'))::uuid as id,
       (array['deposit', 'transfer', 'deposit', 'transfer', 'deposit', 'transfer', 'deposit', 'transfer', 'deposit',
              'transfer'])[1 + number % 10] as type
from (
    select number, $3::timestamptz + number * (interval '30 days' / $4::bigint) as posted_at,
           case when number % 2 = 0 then 1 + number / 2 % 4
                when number % 10 = 9 then 6 + number / 10 % 1000 else customer end as payer,
           case when number % 2 = 0 then customer
                when number % 10 = 9 then 5 else 6 + (hashint8(number + 7) & 2147483647) % 1000 end as payee
    from (
        select number, 1006 + (hashint8(number / 2) & 2147483647) % ($2::bigint - 1005) as customer
        from generate_series(0, $4::bigint - 1) as number
    ) as drawn
) as line
"""
_JOURNAL = """
insert into journal_entries (ledger_id, id, effective_at, posted_at, idempotency_key, fingerprint, resource_type,
                             reason, actor)
select $1::uuid, id, effective_at, posted_at, 'bench-' || number, '', 'payment', 'payment', 'key_bench'
from bench_entries order by number
"""
_PAYMENTS = """
insert into payments (ledger_id, id, type, status, currency, amount, payer_id, payee_id, processor, reference)
select $1::uuid, entry.id, entry.type, 'succeeded', 'USD', 1.00, payer.id, payee.id, 'internal', 'ref-' || entry.number
from bench_entries entry join bench_accounts payer on payer.number = entry.payer
join bench_accounts payee on payee.number = entry.payee order by entry.number
"""
_EVENTS = """
insert into events (ledger_id, xid, id, created_at, type, resource_type)
select $1::uuid, zerosum_feed_place(), id, posted_at, 'payment.succeeded', 'payment' from bench_entries order by number
"""
_NUMBERED = """
create unlogged table bench_accounts as
select id, type, ('x' || right(replace(id::text, '-', ''), 15))::bit(60)::bigint as number from accounts
where ledger_id = $1::uuid and head = ''
"""
_POSTINGS = """
insert into postings (ledger_id, account_id, account_version, entry_id, effective_at, posted_at, place, side, layer,
                      releases, currency, amount, balance_after, held_after, hash)
select $1::uuid, own.id, row_number() over so_far, line.id, effective_at, posted_at, place, side, 'p', false, 'USD',
       1.00, sum(case when (own.type = 'asset') = (side = 'd') then 1.00 else -1.00 end) over so_far, 0, ''
from (
    select number, id, effective_at, posted_at, payer as account, 0 as place, 'd'::"char" as side from bench_entries
    union all
    select number, id, effective_at, posted_at, payee, 1, 'c'::"char" from bench_entries
) as line
join bench_accounts own on own.number = line.account
window so_far as (partition by own.id order by line.number)
order by own.id, line.number
"""
_TOTALS = """
update accounts own set version = lines.version, posted_debits = lines.debits, posted_credits = lines.credits,
       last_posted_at = lines.at, overdrawn = lines.credits < lines.debits and own.type <> 'asset'
from (select account_id, max(account_version) as version, max(posted_at) as at,
             coalesce(sum(amount) filter (where side = 'd'), 0) as debits,
             coalesce(sum(amount) filter (where side = 'c'), 0) as credits
      from postings where ledger_id = $1::uuid group by account_id) as lines
where own.ledger_id = $1::uuid and own.id = lines.account_id
"""
_LONG = "select id from accounts where ledger_id = $1 and version >= 256 order by id"
_UNSEALED = """
select version - 256 >= coalesce((select max(account_version) from account_checkpoints mark
                                  where mark.ledger_id = $1 and mark.account_id = $2), 0)
from accounts where ledger_id = $1 and id = $2
"""
_HOLD_TOTALS = "select pg_advisory_{}(hashtextextended('zerosum:totals:' || $1, 0))"
_ALL_SEALED = """
select $2 > (select count(*) from (
    select from journal_entries where ledger_id = $1 and posted_at > coalesce(
        (select max(sealed_at) from total_seals where ledger_id = $1), '-infinity') order by id desc limit $2) as more)
"""
_WRITTEN = (
    "accounts, journal_entries, payments, events, postings, account_checkpoints, dated_checkpoints, total_seals, "
    "total_branches, branch_totals, dated_branch_totals"
)


@dataclass(frozen=True, slots=True)
class ConsoleGround:
    ledger_id: UUID
    accounts: int
    postings: int
    first_at: datetime

    async def write(self, connection: asyncpg.Connection[asyncpg.Record], say: Say) -> None:
        """`connection` is the superuser's; the tables that others see hold nothing unfinished at the end."""
        own, size, entries = self.ledger_id, self.accounts, self.postings // 2
        # Nobody seals what is half written: the lock is that of `zerosum_seal_totals`.
        await connection.execute(_literal(_HOLD_TOTALS.format("lock"), (own,)))
        await connection.execute("set session_replication_role = replica; set synchronous_commit = off")
        await connection.execute("set work_mem = '512MB'; set maintenance_work_mem = '512MB'")
        steps: list[tuple[str, str, tuple[object, ...]]] = [
            ("accounts", _ACCOUNTS, (own, size, self.first_at)),
            ("entries", _ENTRIES, (own, size, self.first_at, entries)),
            ("numbers", _NUMBERED, (own,)),
            ("journal", _JOURNAL, (own,)),
            ("payments", _PAYMENTS, (own,)),
            ("events", _EVENTS, (own,)),
            ("postings", _POSTINGS, (own,)),
            ("totals", _TOTALS, (own,)),
        ]
        for name, statement, given in steps:
            say(f"  {name}")
            await connection.execute(_literal(statement, given), timeout=3600)
        await connection.execute("drop table bench_entries, bench_accounts; set session_replication_role = origin")
        say("  checkpoints")
        await self._seal(connection)
        say("  totals")
        await connection.execute(_literal(_HOLD_TOTALS.format("unlock"), (own,)))
        await self._seal_totals(connection)
        await connection.execute(f"vacuum analyze {_WRITTEN}", timeout=3600)
        await connection.execute("checkpoint", timeout=600)

    async def _seal(self, connection: asyncpg.Connection[asyncpg.Record]) -> None:
        """All that the worker would seal in its turns, at once."""
        await connection.execute(f"set zerosum.ledgers = '{{{self.ledger_id}}}'")
        for row in await connection.fetch(_LONG, self.ledger_id):
            while await connection.fetchval(_UNSEALED, self.ledger_id, row["id"]):
                statement = "select zerosum_make_checkpoints($1, $2, 256)"
                if not await connection.fetchval(statement, self.ledger_id, row["id"], timeout=600):
                    await asyncio.sleep(0.1)  # The worker is at it.

    async def _seal_totals(self, connection: asyncpg.Connection[asyncpg.Record]) -> None:
        """The worker may be at it, too."""
        while not await connection.fetchval(_ALL_SEALED, self.ledger_id, SEAL_ENTRIES):
            statement = "select zerosum_seal_totals($1, now(), $2, $3)"
            if not await connection.fetchval(statement, self.ledger_id, SEAL_ENTRIES, KEPT_ACCOUNTS, timeout=600):
                await asyncio.sleep(0.1)


def _literal(statement: str, given: tuple[object, ...]) -> str:
    """Tables are made by statements that take no parameters; all of these are our own numbers and times."""
    for number, value in enumerate(given, start=1):
        statement = statement.replace(f"${number}", f"'{value}'")
    return statement
