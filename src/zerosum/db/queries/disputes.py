"""Reading disputes: as they are now, and as each step of their lives left them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Row, select
from sqlalchemy.ext.asyncio import AsyncConnection

from zerosum.db.gently import gently
from zerosum.db.queries.pages import found_first, in_order, look_up_by_key, page_by
from zerosum.db.queries.parties import Parties, parties_of_payments
from zerosum.db.schema.tables import dispute_changes, disputes
from zerosum.domain.payments.disputes import DisputeStage, DisputeStatus, DisputeTexts, Evidence


@dataclass(slots=True, kw_only=True)
class RecordedDispute:
    """A dispute as it is now, or as a command left it."""

    id: UUID
    payment_id: UUID
    status: DisputeStatus
    amount: Decimal
    currency: str
    payer_id: UUID
    payee_id: UUID
    texts: DisputeTexts
    note: str | None
    evidence: Sequence[Evidence]
    entry_ids: Sequence[UUID]
    created_at: datetime
    stage: DisputeStage
    fee: Decimal | None
    fee_account_id: UUID | None
    fee_house_rules: int | None
    step_id: UUID
    """Of the step that left it so, and so of what that has posted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DisputeFilter:
    payment_id: UUID | None = None
    status: str | None = None


async def find_dispute(connection: AsyncConnection, ledger_id: UUID, dispute_id: UUID) -> RecordedDispute | None:
    statement = select(disputes).where(disputes.c.ledger_id == ledger_id, disputes.c.id == dispute_id)
    row = (await connection.execute(statement)).first()
    return None if row is None else _dispute(row)


async def list_disputes(
    connection: AsyncConnection,
    ledger_id: UUID,
    wanted: DisputeFilter,
    *,
    after: UUID | None,
    limit: int,
    is_ascending: bool,
) -> list[RecordedDispute]:
    """A page by id, which is by time."""
    await look_up_by_key(connection)
    own = select(disputes.c.id).where(disputes.c.ledger_id == ledger_id)
    if wanted.payment_id is not None:
        own = own.where(disputes.c.payment_id == wanted.payment_id)
    if wanted.status is not None:
        own = own.where(disputes.c.status == wanted.status)
    page = page_by(own, [disputes.c.id], None if after is None else [after], limit, is_ascending=is_ascending)
    statement = select(disputes).join(page, page.c.id == disputes.c.id).where(disputes.c.ledger_id == ledger_id)
    return await gently(_dispute, await connection.execute(in_order(statement, page, is_ascending=is_ascending)))


async def find_answered_disputes(
    connection: AsyncConnection, ledger_id: UUID, change_ids: Collection[UUID]
) -> dict[UUID, RecordedDispute]:
    """Disputes as these steps left them: what their commands were answered."""
    await look_up_by_key(connection)
    steps = found_first(
        select(dispute_changes).where(dispute_changes.c.ledger_id == ledger_id, dispute_changes.c.id.in_(change_ids))
    )
    left = [steps.c[name].label(f"left_{name}") for name in _LEFT]
    statement = (
        select(disputes, steps.c.id.label("change_id"), *left)
        .join(steps, steps.c.dispute_id == disputes.c.id)
        .where(disputes.c.ledger_id == ledger_id)
    )
    return {row.change_id: _as_left(row) for row in await connection.execute(statement)}


async def parties_of_disputes(
    connection: AsyncConnection, ledger_id: UUID, ids: Collection[UUID]
) -> dict[UUID, Parties]:
    """Those of their payments."""
    found = await connection.execute(
        select(disputes.c.id, disputes.c.payment_id).where(disputes.c.ledger_id == ledger_id, disputes.c.id.in_(ids))
    )
    payment_ids: dict[UUID, UUID] = {row.id: row.payment_id for row in found}
    parties = await parties_of_payments(connection, ledger_id, set(payment_ids.values()))
    return {
        id_: parties[payment_id]._replace(payment_id=payment_id)
        for id_, payment_id in payment_ids.items()
        if payment_id in parties
    }


_LEFT = ("status", "note", "evidence", "entries", "stage", "respond_by")


def _dispute(row: Row[Any]) -> RecordedDispute:
    return RecordedDispute(
        id=row.id,
        payment_id=row.payment_id,
        status=DisputeStatus(row.status),
        amount=row.amount,
        currency=row.currency,
        payer_id=row.payer_id,
        payee_id=row.payee_id,
        texts=DisputeTexts(*[getattr(row, name) for name in DisputeTexts._fields]),
        note=row.note,
        evidence=[Evidence(*piece) for piece in row.evidence],
        entry_ids=tuple(row.entry_ids),
        created_at=row.created_at,
        stage=DisputeStage(row.stage),
        fee=row.fee,
        fee_account_id=row.fee_account_id,
        fee_house_rules=row.fee_house_rules,
        step_id=row.last_change_id,
    )


def _as_left(row: Row[Any]) -> RecordedDispute:
    dispute = _dispute(row)
    dispute.step_id = row.change_id
    dispute.status, dispute.note = DisputeStatus(row.left_status), row.left_note
    dispute.evidence = [Evidence(*piece) for piece in row.left_evidence]
    dispute.entry_ids = dispute.entry_ids[: row.left_entries]
    dispute.stage, dispute.texts = DisputeStage(row.left_stage), dispute.texts._replace(respond_by=row.left_respond_by)
    if dispute.status is not DisputeStatus.LOST:  # Of all steps only the last one costs something.
        dispute.fee = dispute.fee_account_id = dispute.fee_house_rules = None
    return dispute
