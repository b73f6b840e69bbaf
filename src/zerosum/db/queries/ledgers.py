"""Ledgers, and the currencies each has defined for itself."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from zerosum.db.engine import Database
from zerosum.db.queries.accounts import paged
from zerosum.db.schema.tables import currencies, ledgers
from zerosum.domain.identifiers import SERVICE_LEDGER
from zerosum.domain.ledger.periods import LatePolicy
from zerosum.domain.money import Currency

LEDGERS_AT_ONCE = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerRecord:
    id: UUID
    name: str
    created_at: datetime
    time_zone: str = "UTC"
    late_entries: LatePolicy = LatePolicy.REFUSE


async def insert_ledger(connection: AsyncConnection, ledger: LedgerRecord) -> None:
    await connection.execute(
        insert(ledgers).values(
            ledger_id=ledger.id,
            name=ledger.name,
            created_at=ledger.created_at,
            time_zone=ledger.time_zone,
            late_entries=ledger.late_entries.value,
        )
    )


async def find_ledger(connection: AsyncConnection, ledger_id: UUID, *, for_update: bool = False) -> LedgerRecord | None:
    statement = select(ledgers).where(ledgers.c.ledger_id == ledger_id)
    if for_update:
        statement = statement.with_for_update(key_share=True)
    row = (await connection.execute(statement)).first()
    return None if row is None else _ledger(row)


async def update_ledger(connection: AsyncConnection, ledger: LedgerRecord) -> None:
    await connection.execute(
        update(ledgers)
        .where(ledgers.c.ledger_id == ledger.id)
        .values(time_zone=ledger.time_zone, late_entries=ledger.late_entries.value)
    )


async def list_ledgers(
    connection: AsyncConnection, *, after: UUID | None, limit: int, is_ascending: bool
) -> list[LedgerRecord]:
    """All ledgers the unit of work may see; the service's own is not one of them."""
    statement = select(ledgers).where(ledgers.c.ledger_id != SERVICE_LEDGER)
    rows = await connection.execute(paged(statement, ledgers.c.ledger_id, after, limit, is_ascending=is_ascending))
    return [_ledger(row) for row in rows]


def _ledger(row: Row[Any]) -> LedgerRecord:
    return LedgerRecord(
        id=row.ledger_id,
        name=row.name,
        created_at=row.created_at,
        time_zone=row.time_zone,
        late_entries=LatePolicy(row.late_entries),
    )


async def every_ledger(database: Database) -> AsyncIterator[LedgerRecord]:
    """All there are, in units of work of their own: none is open while the caller does something with one."""
    after: UUID | None = None
    while True:
        async with database.operator_work() as connection:
            page = await list_ledgers(connection, after=after, limit=LEDGERS_AT_ONCE, is_ascending=True)
        for ledger in page:
            yield ledger
        if len(page) < LEDGERS_AT_ONCE:
            return
        after = page[-1].id


async def insert_currency(
    connection: AsyncConnection, ledger_id: UUID, currency: Currency, created_at: datetime
) -> Currency:
    """The currency as the ledger has it afterwards: its own, where another caller was first with this code."""
    await connection.execute(
        insert(currencies)
        .values(
            ledger_id=ledger_id,
            code=currency.code,
            exponent=currency.exponent,
            name=currency.name,
            created_at=created_at,
        )
        .on_conflict_do_nothing(constraint="currencies_pkey")
    )
    found = await find_currency(connection, ledger_id, currency.code)
    return found or currency


async def find_currency(connection: AsyncConnection, ledger_id: UUID, code: str) -> Currency | None:
    statement = select(currencies).where(currencies.c.ledger_id == ledger_id, currencies.c.code == code)
    row = (await connection.execute(statement)).first()
    return None if row is None else Currency(row.code, row.exponent, row.name)


async def list_currencies(connection: AsyncConnection, ledger_id: UUID) -> list[Currency]:
    statement = select(currencies).where(currencies.c.ledger_id == ledger_id).order_by(currencies.c.code)
    return [Currency(row.code, row.exponent, row.name) for row in await connection.execute(statement)]
