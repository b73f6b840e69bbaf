"""Sums over a whole ledger, each in one statement. `proofs.py` reads it slice by slice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

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


_COUNT = text("select count(*) from (select from postings where ledger_id = :ledger_id limit :at_most) as found")


async def currency_places(connection: AsyncConnection, ledger_id: UUID) -> dict[str, int]:
    """The places of the currencies the ledger has defined for itself, as they stand there."""
    return {row.code: row.exponent for row in await connection.execute(_PLACES, {"ledger_id": ledger_id})}


async def finest_amounts(connection: AsyncConnection, ledger_id: UUID) -> Sequence[Row[Any]]:
    """By currency: the most places an amount has, and whether one is no number at all."""
    return (await connection.execute(_FINEST, {"ledger_id": ledger_id})).all()


async def unbalanced_entries(connection: AsyncConnection, ledger_id: UUID, limit: int) -> Sequence[Row[Any]]:
    return (await connection.execute(_UNBALANCED, {"ledger_id": ledger_id, "limit": limit})).all()


async def entries_without_postings(connection: AsyncConnection, ledger_id: UUID, limit: int) -> Sequence[Row[Any]]:
    return (await connection.execute(_WITHOUT_POSTINGS, {"ledger_id": ledger_id, "limit": limit})).all()


async def count_postings(connection: AsyncConnection, ledger_id: UUID, at_most: int | None = None) -> int:
    """No further than up to a number."""
    counted: int = (await connection.execute(_COUNT, {"ledger_id": ledger_id, "at_most": at_most})).scalar_one()
    return counted
