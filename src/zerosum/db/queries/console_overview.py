"""The newest payments of a ledger in as few columns as a picture needs: a range of the primary key, from its end."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from zerosum.db.identifiers import made_at
from zerosum.db.queries.audit_log import first_id
from zerosum.db.schema.tables import payments


class NewPayment(NamedTuple):
    made_at: datetime
    currency: str
    amount: Decimal
    status: str


async def newest_payments(
    connection: AsyncConnection, ledger_id: UUID, since: datetime, limit: int
) -> list[NewPayment]:
    """The newest first."""
    columns = payments.c
    statement = (
        select(columns.id, columns.currency, columns.amount, columns.status)
        .where(columns.ledger_id == ledger_id, columns.id >= first_id(since))
        .order_by(columns.id.desc())
        .limit(limit)
    )
    rows = await connection.execute(statement)
    return [NewPayment(made_at(row.id), row.currency, row.amount, row.status) for row in rows]
