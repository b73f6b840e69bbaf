"""Reading a whole ledger for verification: every posting with its entry, account by account."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

ROWS_AT_ONCE = 5_000

# Amounts and times come as text: the database can hold more of them than Python, and all of it is looked at.
_CHAIN = text("""
select posting.account_id, posting.account_version, posting.place, posting.side::text as side,
       posting.layer::text as layer, posting.releases,
       posting.amount::text as amount, posting.currency, posting.balance_after::text as balance_after,
       posting.held_after::text as held_after, posting.hash, posting.entry_id,
       trunc(extract(epoch from posting.effective_at) * 1000000)::text as posting_effective_at,
       trunc(extract(epoch from posting.posted_at) * 1000000)::text as posting_posted_at,
       trunc(extract(epoch from entry.effective_at) * 1000000)::text as effective_at,
       trunc(extract(epoch from entry.posted_at) * 1000000)::text as posted_at,
       entry.reverses, entry.fingerprint, entry.resource_type, entry.resource_id,
       entry.idempotency_key, entry.actor, entry.reason, entry.metadata
from postings posting
left join journal_entries entry on entry.ledger_id = posting.ledger_id and entry.id = posting.entry_id
where posting.ledger_id = :ledger_id
order by posting.account_id, posting.account_version
""")

_ACCOUNTS = text("""
select id, code, type, currency, version, head, held::text as held, min_available::text as min_available, overdrawn,
       posted_debits::text as posted_debits, posted_credits::text as posted_credits
from accounts where ledger_id = :ledger_id order by id
""")

_UNBALANCED = text("""
select entry_id, currency, layer from postings where ledger_id = :ledger_id
group by entry_id, currency, layer, releases
having sum(case side when 'd' then amount else -amount end) <> 0
limit :limit
""")

_WITHOUT_POSTINGS = text("""
select entry.id from journal_entries entry
where entry.ledger_id = :ledger_id and not exists (
    select from postings posting where posting.ledger_id = entry.ledger_id and posting.entry_id = entry.id)
limit :limit
""")


_PLACES = text("select code, exponent from currencies where ledger_id = :ledger_id")

_FINEST = text("""
select currency, max(scale(amount)) as places, bool_or(amount in ('NaN', 'Infinity')) as is_no_number
from postings where ledger_id = :ledger_id group by currency order by currency
""")


async def currency_places(connection: AsyncConnection, ledger_id: UUID) -> dict[str, int]:
    """The places of the currencies the ledger has defined for itself, as they stand there."""
    return {row.code: row.exponent for row in await connection.execute(_PLACES, {"ledger_id": ledger_id})}


async def finest_amounts(connection: AsyncConnection, ledger_id: UUID) -> Sequence[Row[Any]]:
    """By currency: the most places an amount has, and whether one is no number at all."""
    return (await connection.execute(_FINEST, {"ledger_id": ledger_id})).all()


async def stream_chain(connection: AsyncConnection, ledger_id: UUID) -> AsyncIterator[Row[Any]]:
    """Every posting, in the order of accounts and versions, with the entry it belongs to."""
    options = {"yield_per": ROWS_AT_ONCE}
    async with connection.stream(_CHAIN, {"ledger_id": ledger_id}, execution_options=options) as rows:
        async for row in rows:
            yield row


async def all_accounts(connection: AsyncConnection, ledger_id: UUID) -> Sequence[Row[Any]]:
    return (await connection.execute(_ACCOUNTS, {"ledger_id": ledger_id})).all()


async def unbalanced_entries(connection: AsyncConnection, ledger_id: UUID, limit: int) -> Sequence[Row[Any]]:
    return (await connection.execute(_UNBALANCED, {"ledger_id": ledger_id, "limit": limit})).all()


async def entries_without_postings(connection: AsyncConnection, ledger_id: UUID, limit: int) -> Sequence[Row[Any]]:
    return (await connection.execute(_WITHOUT_POSTINGS, {"ledger_id": ledger_id, "limit": limit})).all()


async def count_postings(connection: AsyncConnection, ledger_id: UUID) -> int:
    counted: int = (
        await connection.execute(
            text("select count(*) from postings where ledger_id = :ledger_id"), {"ledger_id": ledger_id}
        )
    ).scalar_one()
    return counted
