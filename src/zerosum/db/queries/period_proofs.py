"""Reading a ledger for the proof of its closed periods."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from zerosum.db.queries.moments import micros

_CLOSINGS = text("""
select closing.*, seal.recorded_until, seal.sealed_at, seal.accounts, seal.totals, seal.digest, seal.hash
from period_closings closing
left join period_seals seal on seal.ledger_id = closing.ledger_id and seal.number = closing.number
where closing.ledger_id = :ledger_id order by closing.number
""")

NAMES_OF_PERIODS = f"""
    (select closing.id, 'closed', 'period', null, {micros("seal.sealed_at")}, '{{}}'::uuid[], null, ''
     from period_closings closing
     join period_seals seal on seal.ledger_id = closing.ledger_id and seal.number = closing.number
     where closing.ledger_id = :ledger_id and closing.id > :after order by closing.id limit :limit)
"""  # noqa: S608 - made of constants only
"""What is announced of them, beside what `proofs` reads."""

_LAST_OF_PAGE = text("""
select id from accounts where ledger_id = :ledger_id and id > :after order by id offset :limit - 1 limit 1
""")

# The place of the first closing that has a posting is as many as have it not: they ended before it happened, or were
# sealed before it was written. Late is what a closing of its time has not.
_SUMS = text("""
select account_id, currency, place, coalesce(sum(debit), 0)::text as debits, coalesce(sum(credit), 0)::text as credits,
       array_agg(distinct entry_id) filter (where place > of_its_time) as late_ids
from (
    select account_id, currency, entry_id, width_bucket(effective_at, cast(:ends as timestamptz[])) as of_its_time,
           greatest(width_bucket(effective_at, cast(:ends as timestamptz[])),
                    width_bucket(posted_at - interval '1 microsecond', cast(:recorded as timestamptz[]))) as place,
           case when layer = 'p' and side = 'd' then amount end as debit,
           case when layer = 'p' and side = 'c' then amount end as credit
    from postings
    where ledger_id = :ledger_id and account_id > :after and account_id <= :last
      and effective_at < (cast(:ends as timestamptz[]))[cardinality(cast(:ends as timestamptz[]))]
) line
group by account_id, currency, place order by account_id, currency, place
""")

_OVERRIDDEN = text("""
select id from late_entries where ledger_id = :ledger_id and id = any(:ids) and way = 'overridden'
""")

_LATE_WITHOUT_ENTRY = text("""
select late.id from late_entries late
where late.ledger_id = :ledger_id and not exists (
    select from journal_entries entry where entry.ledger_id = late.ledger_id and entry.id = late.id)
order by late.id limit :limit
""")


@dataclass(frozen=True, slots=True)
class PeriodSums:
    """What was posted to an account and is in the closing of this place (from 0) and in all that follow.

    `late_ids` are the entries among it that are in a later closing than that of their time, or in none.
    """

    account_id: UUID
    currency: str
    place: int
    debits: str
    credits: str
    late_ids: Sequence[UUID] | None


async def closings_with_seals(connection: AsyncConnection, ledger_id: UUID) -> Sequence[Row[Any]]:
    return (await connection.execute(_CLOSINGS, {"ledger_id": ledger_id})).all()


async def period_sums_after(
    connection: AsyncConnection, ledger_id: UUID, closings: Sequence[Any], *, after: UUID, limit: int
) -> tuple[Sequence[PeriodSums], UUID | None]:
    """Of so many accounts; and the last of them, or None where those were all."""
    page = {"ledger_id": ledger_id, "after": after, "limit": limit}
    last: UUID | None = (await connection.execute(_LAST_OF_PAGE, page)).scalar()
    given = {
        "ledger_id": ledger_id,
        "after": after,
        "last": last or UUID(int=2**128 - 1),
        "ends": [closing.ends_at for closing in closings],
        "recorded": [closing.recorded_until for closing in closings],
    }
    return [PeriodSums(*row) for row in await connection.execute(_SUMS, given)], last


async def overridden_among(connection: AsyncConnection, ledger_id: UUID, ids: Sequence[UUID]) -> set[UUID]:
    found = await connection.execute(_OVERRIDDEN, {"ledger_id": ledger_id, "ids": ids})
    return set(found.scalars())


async def late_entries_without_entry(connection: AsyncConnection, ledger_id: UUID, *, limit: int) -> Sequence[UUID]:
    return (await connection.execute(_LATE_WITHOUT_ENTRY, {"ledger_id": ledger_id, "limit": limit})).scalars().all()
