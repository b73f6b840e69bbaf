"""Reading sealed totals of branches beside what they must say, for the proof of a ledger.

What is compared here is derived from postings and accounts alone, by other statements than those that made the totals.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from zerosum.db.identifiers import first_uuid_of
from zerosum.db.queries.checkpoints import ALLOW_TIME
from zerosum.db.queries.pages import POSTING_MAX
from zerosum.db.queries.posted_entries import posted_between
from zerosum.db.schema.entry_times import APART

BEGINNING = datetime.fromisoformat("1970-01-01T00:00:00Z")

_SEALS = text("""
select sealed_at, accounts_until from total_seals
where ledger_id = :ledger_id and sealed_at > :after
  and sealed_at <= coalesce(cast(:until as timestamptz), 'infinity') order by sealed_at limit :limit
""")

# What was posted in between, by account.
_MOVED = f"""
select line.account_id, count(*) as lines,
       sum(case when line.layer = 'p' and line.side = 'd' then line.amount else 0 end) as debits,
       sum(case when line.layer = 'p' and line.side = 'c' then line.amount else 0 end) as credits,
       sum(case when line.effective_at = line.posted_at then 0 else 1 end) as dated_lines,
       sum(case when line.effective_at <> line.posted_at and line.layer = 'p' and line.side = 'd' then line.amount
                else 0 end) as dated_debits,
       sum(case when line.effective_at <> line.posted_at and line.layer = 'p' and line.side = 'c' then line.amount
                else 0 end) as dated_credits
from postings line
where line.ledger_id = :ledger_id and line.posted_at > :after and line.entry_id in (
    {posted_between("after", "until")}
)
group by line.account_id
"""  # noqa: S608 - made of constants only

# An account lies in the whole chart, and in each branch that ends at one of its colons.
_LIES_IN = """cross join lateral (
    select left(code, place) as branch from generate_series(0, length(code)) as place
    where place = 0 or substr(code, place, 1) = ':'
) as lies_in"""

_WRONG_STEPS = text(f"""
with must as (
    select branch, type, currency, sum(opened) as accounts, sum(lines) as lines, sum(debits) as debits,
           sum(credits) as credits, sum(dated_lines) as dated_lines, sum(dated_debits) as dated_debits,
           sum(dated_credits) as dated_credits
    from (
        select code, type, currency, 0 as opened, lines, debits, credits, dated_lines, dated_debits, dated_credits
        from ({_MOVED}) as moved
        join accounts account on account.ledger_id = :ledger_id and account.id = moved.account_id
        union all
        select code, type, currency, 1, 0, 0, 0, 0, 0, 0 from accounts
        where ledger_id = :ledger_id and id >= :opened_low and id < :opened_high and created_at > :opened_after
          and created_at <= :opened_until
    ) as part
    {_LIES_IN}
    where exists (
        select from total_branches kept
        where kept.ledger_id = :ledger_id and kept.branch = lies_in.branch and kept.since < :until
    )
    group by branch, type, currency
), said as (
    select own.branch, own.type, own.currency, own.accounts - coalesce(before.accounts, 0) as accounts,
           own.lines - coalesce(before.lines, 0) as lines, own.debits - coalesce(before.debits, 0) as debits,
           own.credits - coalesce(before.credits, 0) as credits,
           own.dated_lines - coalesce(before.dated_lines, 0) as dated_lines,
           own.dated_debits - coalesce(before.dated_debits, 0) as dated_debits,
           own.dated_credits - coalesce(before.dated_credits, 0) as dated_credits
    from branch_totals own
    join total_branches kept using (ledger_id, branch, type, currency)
    left join lateral (
        select * from branch_totals earlier
        where earlier.ledger_id = own.ledger_id and earlier.branch = own.branch and earlier.type = own.type
          and earlier.currency = own.currency and earlier.sealed_at < own.sealed_at
        order by earlier.sealed_at desc limit 1
    ) as before on true
    where own.ledger_id = :ledger_id and own.sealed_at = :until and kept.since < own.sealed_at
)
select branch, type, currency from must full join said using (branch, type, currency)
where (must.accounts, must.lines, must.debits, must.credits, must.dated_lines, must.dated_debits, must.dated_credits)
      is distinct from (said.accounts, said.lines, said.debits, said.credits, said.dated_lines, said.dated_debits,
                        said.dated_credits)
limit :limit
""")  # noqa: S608 - made of constants only

_LINES = """
select branch, type, currency from branch_totals where ledger_id = :ledger_id
union select branch, type, currency from dated_branch_totals where ledger_id = :ledger_id
union select branch, type, currency from total_branches where ledger_id = :ledger_id
"""

# The newest of each, and what was posted since, beside what the accounts say; its dated postings beside their hours.
_COMPARED = text(f"""
with line as materialized (
    select * from ({_LINES}) as every
    where (branch, type, currency) > (cast(:branch as text), cast(:type as text), cast(:currency as text))
    order by branch, type, currency limit :limit
), moved as materialized (
    select moved.*, code, type, currency from ({_MOVED}) as moved
    join accounts account on account.ledger_id = :ledger_id and account.id = moved.account_id
)
select line.branch, line.type, line.currency,
       (coalesce(newest.accounts, 0) + opened.number, coalesce(newest.lines, 0) + coalesce(since.lines, 0),
        coalesce(newest.debits, 0) + coalesce(since.debits, 0),
        coalesce(newest.credits, 0) + coalesce(since.credits, 0))
       is not distinct from (stored.accounts, stored.lines, stored.debits, stored.credits)
       and exists (
           select from total_branches kept
           where kept.ledger_id = :ledger_id and kept.branch = line.branch and kept.type = line.type
             and kept.currency = line.currency
       ) as is_right,
       (coalesce(newest.dated_lines, 0), coalesce(newest.dated_debits, 0), coalesce(newest.dated_credits, 0))
       is not distinct from (dated.days, dated.days_debits, dated.days_credits)
       and (dated.days, dated.days_debits, dated.days_credits)
       is not distinct from (dated.hours, dated.hours_debits, dated.hours_credits) as is_dated_right
from line
left join lateral (
    select * from branch_totals own
    where own.ledger_id = :ledger_id and own.branch = line.branch and own.type = line.type
      and own.currency = line.currency order by own.sealed_at desc limit 1
) as newest on true
cross join lateral (
    select count(*) as accounts, coalesce(sum(version), 0) as lines, coalesce(sum(posted_debits), 0) as debits,
           coalesce(sum(posted_credits), 0) as credits
    from accounts account
    where account.ledger_id = :ledger_id and account.code ~>=~ line.branch and account.code ~<~ (line.branch || '~')
      and account.type = line.type and account.currency = line.currency
) as stored
cross join lateral (
    select sum(lines) as lines, sum(debits) as debits, sum(credits) as credits from moved
    where starts_with(moved.code, line.branch) and moved.type = line.type and moved.currency = line.currency
) as since
cross join lateral (
    select count(*) as number from accounts account
    where account.ledger_id = :ledger_id and account.id >= :opened_low and account.created_at > :opened_after
      and starts_with(account.code, line.branch) and account.type = line.type and account.currency = line.currency
) as opened
cross join lateral (
    select coalesce(sum(lines) filter (where grain = 'day'), 0) as days,
           coalesce(sum(debits) filter (where grain = 'day'), 0) as days_debits,
           coalesce(sum(credits) filter (where grain = 'day'), 0) as days_credits,
           coalesce(sum(lines) filter (where grain = 'hour'), 0) as hours,
           coalesce(sum(debits) filter (where grain = 'hour'), 0) as hours_debits,
           coalesce(sum(credits) filter (where grain = 'hour'), 0) as hours_credits
    from dated_branch_totals own
    where own.ledger_id = :ledger_id and own.branch = line.branch and own.type = line.type
      and own.currency = line.currency
) as dated
order by line.branch, line.type, line.currency
""")  # noqa: S608 - made of constants only

_NEXT_DAY = text("""
select date_trunc('day', effective_at, 'UTC') from journal_entries
where ledger_id = :ledger_id and effective_at <> posted_at and effective_at >= :after order by effective_at, id limit 1
""")

_WRONG_HOURS = text(f"""
with must as (
    select lies_in.branch, type, currency, grain, date_trunc(grain, effective_at, 'UTC') as starts_at,
           count(*) as lines,
           sum(case when line.layer = 'p' and line.side = 'd' then line.amount else 0 end) as debits,
           sum(case when line.layer = 'p' and line.side = 'c' then line.amount else 0 end) as credits
    from (
        select account_id, layer, side, amount, effective_at from postings
        where ledger_id = :ledger_id and effective_at <> posted_at and entry_id in (
            select id from journal_entries
            where ledger_id = :ledger_id and effective_at <> posted_at and effective_at >= :day
              and effective_at < cast(:day as timestamptz) + interval '1 day'
              and posted_at <= (select max(sealed_at) from total_seals where ledger_id = :ledger_id)
        )
    ) as line
    join accounts account on account.ledger_id = :ledger_id and account.id = line.account_id
    {_LIES_IN}
    cross join (values ('day'), ('hour')) as grains (grain)
    where exists (
        select from total_branches kept where kept.ledger_id = :ledger_id and kept.branch = lies_in.branch
    )
    group by lies_in.branch, type, currency, grain, date_trunc(grain, effective_at, 'UTC')
), said as (
    select own.branch, own.type, own.currency, own.grain, own.starts_at, own.lines, own.debits, own.credits
    from total_branches kept
    join dated_branch_totals own using (ledger_id, branch, type, currency)
    where kept.ledger_id = :ledger_id and own.grain in ('day', 'hour') and own.starts_at >= :day
      and own.starts_at < cast(:day as timestamptz) + interval '1 day'
)
select distinct branch from must full join said using (branch, type, currency, grain, starts_at)
where (must.lines, must.debits, must.credits) is distinct from (said.lines, said.debits, said.credits)
limit :limit
""")  # noqa: S608 - made of constants only


async def seals_after(
    connection: AsyncConnection, ledger_id: UUID, after: datetime, *, until: datetime | None, limit: int
) -> Sequence[Row[Any]]:
    """With the instants up to which they count accounts; up to and with `until`."""
    given = {"ledger_id": ledger_id, "after": after, "until": until, "limit": limit}
    return (await connection.execute(_SEALS, given)).all()


async def newest_seal(connection: AsyncConnection, ledger_id: UUID) -> tuple[datetime, datetime]:
    """When it is, and up to when it counts accounts."""
    statement = text(
        "select sealed_at, accounts_until from total_seals where ledger_id = :ledger_id order by sealed_at desc limit 1"
    )
    row = (await connection.execute(statement, {"ledger_id": ledger_id})).first()
    return (BEGINNING, BEGINNING) if row is None else (row.sealed_at, row.accounts_until)


async def wrong_steps(
    connection: AsyncConnection,
    ledger_id: UUID,
    since: tuple[datetime, datetime],
    until: tuple[datetime, datetime],
    *,
    limit: int,
) -> Sequence[str]:
    """Branches that have not changed from one seal to the next by what was posted in between."""
    await connection.execute(ALLOW_TIME)
    given = _span(since, until[0]) | {"ledger_id": ledger_id, "opened_until": until[1], "limit": limit}
    return [row.branch for row in await connection.execute(_WRONG_STEPS, given)]


async def compared_lines(
    connection: AsyncConnection,
    ledger_id: UUID,
    after: tuple[str, str, str],
    seal: tuple[datetime, datetime],
    *,
    limit: int,
) -> Sequence[Row[Any]]:
    """The next ones, each with whether it is right."""
    await connection.execute(ALLOW_TIME)
    given = _span(seal, datetime.fromisoformat("9000-01-01T00:00:00Z"))
    given |= {"ledger_id": ledger_id, "branch": after[0], "type": after[1], "currency": after[2], "limit": limit}
    return (await connection.execute(_COMPARED, given)).all()


async def next_dated_day(connection: AsyncConnection, ledger_id: UUID, after: datetime) -> datetime | None:
    """The next day, from this time on, in which dated entries happened."""
    return (await connection.execute(_NEXT_DAY, {"ledger_id": ledger_id, "after": after})).scalar_one_or_none()


async def wrong_hours(connection: AsyncConnection, ledger_id: UUID, day: datetime, *, limit: int) -> Sequence[str]:
    """Branches whose dated postings of a day are not what is sealed of it and its hours."""
    await connection.execute(ALLOW_TIME)
    given = {"ledger_id": ledger_id, "day": day, "limit": limit}
    return (await connection.execute(_WRONG_HOURS, given)).scalars().all()


def _span(since: tuple[datetime, datetime], until: datetime) -> dict[str, Any]:
    return {
        "after": since[0],
        "until": until,
        "after_low": first_uuid_of(since[0] - APART),
        "until_high": first_uuid_of(until + APART),
        "opened_after": since[1],
        "opened_low": first_uuid_of(since[1] - POSTING_MAX),
        "opened_high": first_uuid_of(until + POSTING_MAX),
    }
