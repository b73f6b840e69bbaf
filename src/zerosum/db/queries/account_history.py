"""What a page about an account tells besides its balance and its postings: how it stood day by day, and its chain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from zerosum.db.queries.pages import look_up_by_key, plan_once


@dataclass(frozen=True, slots=True)
class Standing:
    """What lay in an account at an instant of the world."""

    at: datetime
    posted: Decimal
    held: Decimal


LINES_MAX = 1_024
"""So many lines since the first instant are taken away from what lies there now: for most accounts all they have."""

# What lies there now, less all that happened after each instant. Nothing is told where that is too much.
_SINCE = text("""
with line as materialized (
    select effective_at, layer, side, releases, amount from postings
    where ledger_id = :ledger_id and account_id = :account_id and effective_at > :first
    order by effective_at, account_version limit cast(:lines_max as integer) + 1
), own as (
    select posted_debits, posted_credits, held, type in ('asset', 'expense') as is_debit from accounts
    where ledger_id = :ledger_id and id = :account_id
), since as (
    select width_bucket(effective_at - interval '1 microsecond', cast(:instants as timestamptz[])) as passed,
           sum(case when layer <> 'p' then 0 when (side = 'd') = is_debit then amount else -amount end) as posted,
           sum(case when layer = 'p' or (side = 'd') = is_debit then 0 when releases then -amount else amount end)
               as held
    from line cross join own group by passed
)
select wanted.at,
       case when is_debit then posted_debits - posted_credits else posted_credits - posted_debits end
       - coalesce((select sum(since.posted) from since where since.passed >= wanted.number), 0) as posted,
       held - coalesce((select sum(since.held) from since where since.passed >= wanted.number), 0) as held
from own cross join unnest(cast(:instants as timestamptz[])) with ordinality wanted (at, number)
where (select count(*) from line) <= :lines_max
order by wanted.number
""")

# Beside checkpoints, so the length of the account's history makes no difference: the balance behind the last line that
# happened by then when it was written; of the dated lines, not those that it counts, but those that had happened. With
# row-level security an index is searched by a column, but not by an expression: so a mark has its nought inside.
_STANDINGS = text("""
with own as (
    select version, type in ('asset', 'expense') as is_debit from accounts
    where ledger_id = :ledger_id and id = :account_id
)
select wanted.at,
       coalesce(line.balance_after, 0) + case when is_debit then 1 else -1 end * (
           happened.debits - mark.dated_debits - written.debits
           - happened.credits + mark.dated_credits + written.credits
       ) as posted,
       coalesce(line.held_after, 0) + happened.held - mark.dated_held - written.held as held
from own cross join unnest(cast(:instants as timestamptz[])) wanted (at)
left join lateral (
    select account_version, balance_after, held_after from postings
    where ledger_id = :ledger_id and account_id = :account_id and effective_at <= wanted.at
      and effective_at = posted_at
    order by effective_at desc, account_version desc limit 1
) line on true
cross join lateral (
    select coalesce(max(account_version), 0) as account_version, coalesce(max(dated_debits), 0) as dated_debits,
           coalesce(max(dated_credits), 0) as dated_credits, coalesce(max(dated_held), 0) as dated_held
    from (
        select account_version, dated_debits, dated_credits, dated_held from account_checkpoints
        where ledger_id = :ledger_id and account_id = :account_id and account_version <= line.account_version
        order by account_version desc limit 1
    ) as last
) mark
cross join lateral (
    select coalesce(sum(amount) filter (where layer = 'p' and side = 'd'), 0) as debits,
           coalesce(sum(amount) filter (where layer = 'p' and side = 'c'), 0) as credits,
           coalesce(sum(case when releases then -amount else amount end)
                    filter (where layer = 'h' and (side = 'c') = is_debit), 0) as held
    from postings
    where ledger_id = :ledger_id and account_id = :account_id and effective_at <> posted_at
      and account_version > mark.account_version and account_version <= line.account_version
) written
cross join lateral zerosum_dated_totals(:ledger_id, :account_id, own.version, wanted.at) happened
order by wanted.at
""")

_LINKS = text("""
select posting.account_id, posting.account_version, posting.hash
from unnest(cast(:ids as uuid[]), cast(:versions as bigint[])) wanted (account_id, version)
join postings posting on posting.ledger_id = :ledger_id and posting.account_id = wanted.account_id
    and posting.account_version = wanted.version
""")


async def standings(
    connection: AsyncConnection,
    ledger_id: UUID,
    account_id: UUID,
    instants: Sequence[datetime],
    *,
    lines_max: int = LINES_MAX,
) -> list[Standing]:
    """At each of these instants, which are in their order. In one snapshot: two statements may be needed."""
    await look_up_by_key(connection)
    await plan_once(connection)
    given = {"ledger_id": ledger_id, "account_id": account_id, "instants": list(instants)}
    near = {**given, "first": instants[0], "lines_max": lines_max}
    rows = (await connection.execute(_SINCE, near)).all() or (await connection.execute(_STANDINGS, given)).all()
    return [Standing(row.at, row.posted, row.held) for row in rows]


async def links_of(
    connection: AsyncConnection, ledger_id: UUID, wanted: Sequence[tuple[UUID, int]]
) -> dict[tuple[UUID, int], bytes]:
    """The hashes of postings, by account and version: of those that there are."""
    ids, versions = ([one[place] for one in wanted] for place in range(2))
    given = {"ledger_id": ledger_id, "ids": ids, "versions": versions}
    rows = await connection.execute(_LINKS, given)
    return {(row.account_id, row.account_version): row.hash for row in rows}
