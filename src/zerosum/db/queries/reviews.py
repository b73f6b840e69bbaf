"""Reading reviews: payments that a rule has held, and what was said of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Row, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from zerosum.db.gently import gently
from zerosum.db.queries.pages import in_order, longest_due, look_up_by_key, page_by
from zerosum.db.queries.parties import shown_with_codes
from zerosum.db.schema.tables import reviews
from zerosum.domain.payments.payment import PaymentTexts, PaymentType
from zerosum.domain.payments.reviews import Decision, Review, ReviewStatus


@dataclass(slots=True, kw_only=True)
class RecordedReview:
    """A review as it is now, or as it was when something was said. `lines` are none: nothing was posted."""

    id: UUID
    type: PaymentType
    status: ReviewStatus
    amount: Decimal
    currency: str
    payer_id: UUID
    payer_code: str
    payee_id: UUID
    payee_code: str
    texts: PaymentTexts
    metadata: Mapping[str, str]
    ordered: Mapping[str, Any]
    fingerprint: bytes
    rule: str
    rules_version: str
    detail: str
    actor: str
    created_at: datetime
    approvals_needed: int
    first: Decision | None = None
    last: Decision | None = None
    lines: tuple[()] = ()

    @property
    def approvals(self) -> int:
        return (self.first is not None) + (self.status is ReviewStatus.APPROVED)

    @property
    def payment_id(self) -> UUID | None:
        return self.last.id if self.last is not None and self.status is ReviewStatus.APPROVED else None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewFilter:
    status: str | None = None
    rule: str | None = None


class DueReview(NamedTuple):
    created_at: datetime
    ledger_id: UUID
    id: UUID
    payer_id: UUID
    payee_id: UUID


async def find_due(
    connection: AsyncConnection, made_until: datetime, after: DueReview | None, limit: int
) -> list[DueReview]:
    """Of all ledgers, those that wait since then, the oldest first. For an operator's unit of work."""
    columns = reviews.c
    key = (columns.created_at, columns.ledger_id, columns.id)
    statement = select(*key, columns.payer_id, columns.payee_id).where(
        columns.created_at <= made_until, columns.status == "in_review"
    )
    return [DueReview(*row) for row in await connection.execute(longest_due(statement, key, after, limit))]


async def find_reviews(
    connection: AsyncConnection, ledger_id: UUID, ids: Collection[UUID]
) -> dict[UUID, RecordedReview]:
    await look_up_by_key(connection)
    rows = await connection.execute(shown_with_codes(reviews, ledger_id).where(reviews.c.id.in_(ids)))
    return {row.id: _review(row) for row in rows}


async def reviews_as_made(
    connection: AsyncConnection, ledger_id: UUID, ids: Collection[UUID]
) -> dict[UUID, RecordedReview]:
    """As they were before anybody has said anything."""
    found = await find_reviews(connection, ledger_id, ids)
    return {id_: replace(one, status=ReviewStatus.IN_REVIEW, first=None, last=None) for id_, one in found.items()}


async def reviews_as_decided(
    connection: AsyncConnection, ledger_id: UUID, ids: Collection[UUID]
) -> dict[UUID, RecordedReview]:
    """By the ids of what was said, each as it was after that."""
    await look_up_by_key(connection)
    columns = reviews.c
    rows = await connection.execute(
        shown_with_codes(reviews, ledger_id).where(or_(columns.first_id.in_(ids), columns.last_id.in_(ids)))
    )
    found: dict[UUID, RecordedReview] = {}
    for review in map(_review, rows):
        if review.first is not None:
            found[review.first.id] = replace(review, status=ReviewStatus.IN_REVIEW, last=None)
        if review.last is not None:
            found[review.last.id] = review
    return found


async def list_reviews(
    connection: AsyncConnection,
    ledger_id: UUID,
    wanted: ReviewFilter,
    *,
    after: UUID | None,
    limit: int,
    is_ascending: bool,
) -> list[RecordedReview]:
    """A page by id, which is by the time they were made."""
    await look_up_by_key(connection)
    columns = reviews.c
    statement = select(columns.id).where(columns.ledger_id == ledger_id)
    if wanted.status is not None:
        statement = statement.where(columns.status == wanted.status)
    if wanted.rule is not None:
        statement = statement.where(columns.rule == wanted.rule)
    page: Any = page_by(statement, [columns.id], None if after is None else [after], limit, is_ascending=is_ascending)
    shown = shown_with_codes(reviews, ledger_id).join(page, page.c.id == columns.id)
    return await gently(_review, await connection.execute(in_order(shown, page, is_ascending=is_ascending)))


def shown_review(review: Review, names: Mapping[UUID, str]) -> RecordedReview:
    return RecordedReview(
        id=review.id,
        type=review.type,
        status=review.status,
        amount=review.money.amount,
        currency=review.money.currency.code,
        payer_id=review.payer_id,
        payer_code=names[review.payer_id],
        payee_id=review.payee_id,
        payee_code=names[review.payee_id],
        texts=review.texts,
        metadata=review.metadata,
        ordered=review.ordered,
        fingerprint=review.fingerprint,
        rule=review.rule,
        rules_version=review.rules_version,
        detail=review.detail,
        actor=review.actor,
        created_at=review.created_at,
        approvals_needed=review.approvals_needed,
        first=review.first,
        last=review.last,
    )


def _review(row: Row[Any]) -> RecordedReview:
    return RecordedReview(
        id=row.id,
        type=PaymentType(row.type),
        status=ReviewStatus(row.status),
        amount=row.amount,
        currency=row.currency,
        payer_id=row.payer_id,
        payer_code=row.payer_code,
        payee_id=row.payee_id,
        payee_code=row.payee_code,
        texts=PaymentTexts(*[row.ordered.get(name) for name in PaymentTexts._fields]),
        metadata=row.ordered.get("metadata", {}),
        ordered=row.ordered,
        fingerprint=row.fingerprint,
        rule=row.rule,
        rules_version=row.rules_version,
        detail=row.detail,
        actor=row.actor,
        created_at=row.created_at,
        approvals_needed=row.approvals_needed,
        first=_decision(row, "first"),
        last=_decision(row, "last"),
    )


def _decision(row: Row[Any], which: str) -> Decision | None:
    id_ = getattr(row, f"{which}_id")
    if id_ is None:
        return None
    return Decision(
        id=id_,
        actor=getattr(row, f"{which}_by"),
        reason=getattr(row, f"{which}_reason"),
        decided_at=getattr(row, f"{which}_at"),
        person=getattr(row, f"{which}_person"),
    )
