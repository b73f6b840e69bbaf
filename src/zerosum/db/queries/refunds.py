"""Reading refunds. One shares its UUID with the journal entry that gave the money back."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Select, and_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from zerosum.db.gently import gently
from zerosum.db.queries.given_versions import read_lines, read_versions, versions_given
from zerosum.db.queries.pages import in_order, look_up_by_key, page_by
from zerosum.db.queries.payments import Line, RecordedSettlement
from zerosum.db.schema.tables import journal_entries, processor_calls, refunds
from zerosum.domain.payments.processor_calls import CallState
from zerosum.domain.payments.refunds import RefundStatus


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
    status: RefundStatus = RefundStatus.SUCCEEDED
    settlement: RecordedSettlement | None = None
    """Of one that the payment's processor was asked for, once that has said what became of it."""


async def refunds_as_made(
    connection: AsyncConnection, ledger_id: UUID, ids: Collection[UUID]
) -> dict[UUID, RecordedRefund]:
    """As they were when they were made, whatever has become of them since."""
    await look_up_by_key(connection)
    rows = await connection.execute(_select(ledger_id).where(refunds.c.id.in_(ids)))
    return {
        refund.id: replace(
            refund,
            settlement=None,
            status=RefundStatus.SUCCEEDED if refund.settlement is None else RefundStatus.PROCESSING,
        )
        if refund.status is not RefundStatus.PROCESSING
        else refund
        for refund in map(_refund, rows)
    }


async def find_refund(connection: AsyncConnection, ledger_id: UUID, id_: UUID) -> RecordedRefund | None:
    """As it is now."""
    await look_up_by_key(connection)
    row = (await connection.execute(_select(ledger_id).where(refunds.c.id == id_))).one_or_none()
    return None if row is None else _refund(row)


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
    entry, call = journal_entries, processor_calls
    said = (call.c.state, call.c.approved, call.c.entry_id, call.c.processor_payment_id)
    return (
        select(
            refunds,
            entry.c.posted_at,
            entry.c.metadata,
            versions.label("account_versions"),
            *said,
            call.c.reason.label("failure_reason"),
        )
        .join(entry, and_(entry.c.ledger_id == ledger_id, entry.c.id == refunds.c.id))
        .outerjoin(call, and_(call.c.ledger_id == ledger_id, call.c.id == refunds.c.id))
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
        status=_status(row.state),
        settlement=None
        if row.entry_id is None
        else RecordedSettlement(row.entry_id, row.approved, row.failure_reason, row.processor_payment_id),
    )


def _status(state: str | None) -> RefundStatus:
    """None: no processor was asked."""
    if state in (None, CallState.APPROVED):
        return RefundStatus.SUCCEEDED
    return RefundStatus.FAILED if state == CallState.DECLINED else RefundStatus.PROCESSING
