"""Whom a payment or a hold is between: it never changes, so whoever has read it once knows it."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Table, and_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from zerosum.db.queries.pages import found_first, look_up_by_key
from zerosum.db.schema.tables import accounts, holds, payments, scheduled_payments


class Parties(NamedTuple):
    payer_id: UUID
    payer_code: str
    payee_id: UUID
    payee_code: str
    currency: str
    payment_id: UUID | None = None
    """Of a dispute: the payment that is questioned."""


def parties_of(found: Any) -> Parties:
    """Out of a row, or of a payment or hold as it is shown."""
    return Parties(found.payer_id, found.payer_code, found.payee_id, found.payee_code, found.currency)


async def parties_of_holds(connection: AsyncConnection, ledger_id: UUID, ids: Collection[UUID]) -> dict[UUID, Parties]:
    return await _find(connection, holds, ledger_id, ids)


async def parties_of_schedules(
    connection: AsyncConnection, ledger_id: UUID, ids: Collection[UUID]
) -> dict[UUID, Parties]:
    return await _find(connection, scheduled_payments, ledger_id, ids)


async def parties_of_payments(
    connection: AsyncConnection, ledger_id: UUID, ids: Collection[UUID]
) -> dict[UUID, Parties]:
    return await _find(connection, payments, ledger_id, ids)


async def _find(
    connection: AsyncConnection, table: Table, ledger_id: UUID, ids: Collection[UUID]
) -> dict[UUID, Parties]:
    await look_up_by_key(connection)
    # First these, each by its key: the planner would rather begin with the accounts, and go through all they ever paid.
    found = found_first(
        select(table.c.id, table.c.payer_id, table.c.payee_id, table.c.currency).where(
            table.c.ledger_id == ledger_id, table.c.id.in_(ids)
        )
    )
    payer, payee = accounts.alias("payer"), accounts.alias("payee")
    statement = (
        select(found, payer.c.code.label("payer_code"), payee.c.code.label("payee_code"))
        .join(payer, and_(payer.c.ledger_id == ledger_id, payer.c.id == found.c.payer_id))
        .join(payee, and_(payee.c.ledger_id == ledger_id, payee.c.id == found.c.payee_id))
    )
    return {row.id: parties_of(row) for row in await connection.execute(statement)}
