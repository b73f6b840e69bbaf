"""Reading refunds. One shares its UUID with the journal entry that gave the money back."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Select, and_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from zerosum.db.gently import gently
from zerosum.db.queries.given_versions import read_lines, read_versions, versions_given
from zerosum.db.queries.pages import in_order, look_up_by_key, page_by
from zerosum.db.queries.payments import Line
from zerosum.db.schema.tables import journal_entries, refunds


@dataclass(slots=True, kw_only=True)
class RecordedRefund:
    """`account_versions` are those its entry gave."""

    id: UUID
    payment_id: UUID
    amount: Decimal
    currency: str
    reason: str | None
    created_at: datetime
    metadata: Mapping[str, str]
    account_versions: Mapping[UUID, int]
    lines: Sequence[Line] = ()
    """Those of its entry, in order."""


async def find_refunds(
    connection: AsyncConnection, ledger_id: UUID, ids: Collection[UUID]
) -> dict[UUID, RecordedRefund]:
    await look_up_by_key(connection)
    rows = await connection.execute(_select(ledger_id).where(refunds.c.id.in_(ids)))
    return {row.id: _refund(row) for row in rows}


async def list_refunds(
    connection: AsyncConnection,
    ledger_id: UUID,
    payment_id: UUID,
    *,
    after: UUID | None,
    limit: int,
    is_ascending: bool,
) -> list[RecordedRefund]:
    """A page of one payment's refunds by id, which is by time."""
    await look_up_by_key(connection)
    own = select(refunds.c.id).where(refunds.c.ledger_id == ledger_id, refunds.c.payment_id == payment_id)
    page = page_by(own, [refunds.c.id], None if after is None else [after], limit, is_ascending=is_ascending)
    statement = _select(ledger_id).join(page, page.c.id == refunds.c.id)
    return await gently(_refund, await connection.execute(in_order(statement, page, is_ascending=is_ascending)))


def _select(ledger_id: UUID) -> Select[Any]:
    versions = versions_given(ledger_id, refunds.c.id)
    entry = journal_entries
    return (
        select(refunds, entry.c.posted_at, entry.c.metadata, versions.label("account_versions"))
        .join(entry, and_(entry.c.ledger_id == ledger_id, entry.c.id == refunds.c.id))
        .where(refunds.c.ledger_id == ledger_id)
    )


def _refund(row: Row[Any]) -> RecordedRefund:
    return RecordedRefund(
        id=row.id,
        payment_id=row.payment_id,
        amount=row.amount,
        currency=row.currency,
        reason=row.reason,
        created_at=row.posted_at,
        metadata=row.metadata or {},
        account_versions=read_versions(row.account_versions),
        lines=read_lines(row.account_versions),
    )
