"""Reading payments. A payment shares its UUID with the journal entry that began it, which holds times and metadata."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Select, and_, func, select
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.ext.asyncio import AsyncConnection

from zerosum.db.accounts import paged
from zerosum.db.tables import accounts, journal_entries, payments, postings
from zerosum.domain.payments.payment import PaymentStatus, PaymentType


@dataclass(slots=True, kw_only=True)
class RecordedPayment:
    """Not frozen only because one is made for every payment.

    `account_versions` are those its first journal entry gave, in the order of its postings.
    """

    id: UUID
    type: PaymentType
    status: PaymentStatus
    amount: Decimal
    currency: str
    payer_id: UUID
    payer_code: str
    payee_id: UUID
    payee_code: str
    processor: str
    reference: str | None
    description: str | None
    effective_at: datetime
    created_at: datetime
    metadata: Mapping[str, str]
    account_versions: Mapping[UUID, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentFilter:
    """`effective_from` is inclusive, `effective_to` exclusive."""

    type: str | None = None
    currency: str | None = None
    status: str | None = None
    effective_from: datetime | None = None
    effective_to: datetime | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)


async def find_payments(
    connection: AsyncConnection, ledger_id: UUID, ids: Collection[UUID]
) -> dict[UUID, RecordedPayment]:
    rows = await connection.execute(_select(ledger_id).where(payments.c.id.in_(ids)))
    return {row.id: _payment(row) for row in rows}


async def list_payments(
    connection: AsyncConnection,
    ledger_id: UUID,
    wanted: PaymentFilter,
    *,
    after: UUID | None,
    limit: int,
    is_ascending: bool,
) -> list[RecordedPayment]:
    statement = _select(ledger_id)
    for column, value in (
        (payments.c.type, wanted.type),
        (payments.c.currency, wanted.currency),
        (payments.c.status, wanted.status),
    ):
        if value is not None:
            statement = statement.where(column == value)
    if wanted.effective_from is not None:
        statement = statement.where(journal_entries.c.effective_at >= wanted.effective_from)
    if wanted.effective_to is not None:
        statement = statement.where(journal_entries.c.effective_at < wanted.effective_to)
    for key, member in wanted.metadata.items():
        statement = statement.where(journal_entries.c.metadata[key].astext == member)
    rows = await connection.execute(paged(statement, payments.c.id, after, limit, is_ascending=is_ascending))
    return [_payment(row) for row in rows]


def _select(ledger_id: UUID) -> Select[Any]:
    payer, payee = accounts.alias("payer"), accounts.alias("payee")
    line = postings.alias("line")
    versions = (
        select(
            func.jsonb_agg(
                aggregate_order_by(func.jsonb_build_array(line.c.account_id, line.c.account_version), line.c.place)
            )
        )
        .where(line.c.ledger_id == ledger_id, line.c.entry_id == payments.c.id)
        .scalar_subquery()
    )
    return (
        select(
            payments,
            payer.c.code.label("payer_code"),
            payee.c.code.label("payee_code"),
            journal_entries.c.effective_at,
            journal_entries.c.posted_at.label("created_at"),
            journal_entries.c.metadata,
            versions.label("account_versions"),
        )
        .join(
            journal_entries,
            and_(journal_entries.c.ledger_id == payments.c.ledger_id, journal_entries.c.id == payments.c.id),
        )
        .join(payer, and_(payer.c.ledger_id == payments.c.ledger_id, payer.c.id == payments.c.payer_id))
        .join(payee, and_(payee.c.ledger_id == payments.c.ledger_id, payee.c.id == payments.c.payee_id))
        .where(payments.c.ledger_id == ledger_id)
    )


def _payment(row: Row[Any]) -> RecordedPayment:
    return RecordedPayment(
        id=row.id,
        type=PaymentType(row.type),
        status=PaymentStatus(row.status),
        amount=row.amount,
        currency=row.currency,
        payer_id=row.payer_id,
        payer_code=row.payer_code,
        payee_id=row.payee_id,
        payee_code=row.payee_code,
        processor=row.processor,
        reference=row.reference,
        description=row.description,
        effective_at=row.effective_at,
        created_at=row.created_at,
        metadata=row.metadata or {},
        account_versions={UUID(account_id): version for account_id, version in row.account_versions},
    )
