"""Reading checkpoints beside what they must say, for the proof of a ledger.

What is compared here is derived from postings alone, by other statements than those that made the checkpoints.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from zerosum.db.queries.checkpoints import ALLOW_TIME, BLOCK

# A posting is held against where it will take out: on the side opposite to the account's normal one.
_HOLD = """case when line.layer = 'h' and (line.side = 'c') = (type in ('asset', 'expense'))
            then case when line.releases then -line.amount else line.amount end else 0 end"""
_DEBIT = "case when line.layer = 'p' and line.side = 'd' then line.amount else 0 end"
_CREDIT = "case when line.layer = 'p' and line.side = 'c' then line.amount else 0 end"

# Each checkpoint with the sums of the 256 postings before it.
_MARKS = text(f"""
with page as materialized (
    select * from account_checkpoints
    where ledger_id = :ledger_id and (account_id, account_version) > (:account_id, :version)
    order by account_id, account_version limit :limit
)
select page.account_id, page.account_version, page.currency, account.currency as account_currency,
       page.debits, page.dated_debits, page.dated_credits, page.dated_held, page.undated_version, block.*
from page
left join accounts account on account.ledger_id = page.ledger_id and account.id = page.account_id
cross join lateral (
    select count(*) as lines, coalesce(sum({_DEBIT}), 0) as block_debits,
           coalesce(sum({_DEBIT}) filter (where is_dated), 0) as block_dated_debits,
           coalesce(sum({_CREDIT}) filter (where is_dated), 0) as block_dated_credits,
           coalesce(sum({_HOLD}) filter (where is_dated), 0) as block_dated_held,
           coalesce(max(line.account_version) filter (where not is_dated), 0) as block_undated_version
    from (
        select *, effective_at <> posted_at as is_dated, account.type from postings posting
        where posting.ledger_id = page.ledger_id and posting.account_id = page.account_id
          and posting.account_version > page.account_version - 256 and posting.account_version <= page.account_version
    ) as line
) as block
order by page.account_id, page.account_version
""")  # noqa: S608 - made of constants only

# Each dated posting of the blocks that ended within the span, beside the place where it must stand in what is sealed.
_WRONG_BLOCKS = text(f"""
with must as (
    select block, effective_at, row_number() over so_far - 1 as rank,
           max(account_version) over so_far as version, sum(debit) over so_far as debits,
           sum(credit) over so_far as credits, sum(hold) over so_far as held
    from (
        select (line.account_version - 1) / cast(:postings as bigint) as block, line.account_version, line.effective_at,
               {_DEBIT} as debit, {_CREDIT} as credit, {_HOLD} as hold
        from postings line
        join accounts account on account.ledger_id = line.ledger_id and account.id = line.account_id
        where line.ledger_id = :ledger_id and line.account_id = :account_id and line.effective_at <> line.posted_at
          and line.account_version > cast(:first_block as bigint) * cast(:postings as bigint)
          and line.account_version <= cast(:end_block as bigint) * cast(:postings as bigint)
    ) as dated
    window so_far as (partition by block order by effective_at, account_version rows unbounded preceding)
), said as (
    select chunk.block, moment as effective_at, chunk.place * 256 + number - 1 as rank, version, step_debits as debits,
           step_credits as credits, step_held as held,
           number > 1 or moment = chunk.first_effective_at as is_found_by_its_key
    from dated_checkpoints chunk
    cross join lateral unnest(effective_ats, versions, debits, credits, held)
        with ordinality as step (moment, version, step_debits, step_credits, step_held, number)
    where chunk.ledger_id = :ledger_id and chunk.account_id = :account_id and chunk.level = :level
      and chunk.block >= :first_block and chunk.block < :end_block
)
select distinct block from must full join said using (block, rank)
where (must.effective_at, must.version, must.debits, must.credits, must.held)
      is distinct from (said.effective_at, said.version, said.debits, said.credits, said.held)
   or not said.is_found_by_its_key
order by block limit :limit
""")  # noqa: S608 - made of constants only

# Beyond what is sealed of an account, and of accounts of which nothing is.
_STRAY_BLOCKS = text("""
select * from (
    select account_id from dated_checkpoints
    where ledger_id = :ledger_id and account_id > :after and account_id < :account_id limit 1
) as unsealed
union all
select beyond.account_id from generate_series(0, 3) as size
cross join lateral (
    select account_id from dated_checkpoints
    where ledger_id = :ledger_id and account_id = :account_id and level = size
      and block >= cast(:sealed as bigint) >> (4 * size) limit 1
) as beyond
""")


async def checkpoints_after(
    connection: AsyncConnection, ledger_id: UUID, position: tuple[UUID, int], *, limit: int
) -> Sequence[Row[Any]]:
    """In the order of accounts and versions."""
    given = {"ledger_id": ledger_id, "account_id": position[0], "version": position[1], "limit": limit}
    return (await connection.execute(_MARKS, given)).all()


async def wrong_dated_blocks(
    connection: AsyncConnection, ledger_id: UUID, account_id: UUID, *, level: int, blocks: range, limit: int
) -> Sequence[int]:
    """Of blocks of one size: those whose sealed parts are not what the postings say."""
    await connection.execute(ALLOW_TIME)
    given = {"ledger_id": ledger_id, "account_id": account_id, "level": level, "limit": limit}
    given |= {"first_block": blocks.start, "end_block": blocks.stop, "postings": BLOCK * 16**level}
    return (await connection.execute(_WRONG_BLOCKS, given)).scalars().all()


async def stray_dated_blocks(
    connection: AsyncConnection, ledger_id: UUID, account_id: UUID, *, after: UUID, sealed: int
) -> Sequence[UUID]:
    """Accounts between `after` and this one that have any, and this one where it has more than of its sealed blocks."""
    given = {"ledger_id": ledger_id, "account_id": account_id, "after": after, "sealed": sealed}
    return (await connection.execute(_STRAY_BLOCKS, given)).scalars().all()
