"""A review: a payment that a rule has held, until people approve or refuse it. Nothing of it is in the books."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from zerosum.domain.commands import NO_METADATA
from zerosum.domain.identifiers import AccountId, LedgerId, PaymentId, ReviewId
from zerosum.domain.moments import render_time
from zerosum.domain.money import Money, render_amount
from zerosum.domain.payments.payment import NO_TEXTS, PaymentTexts, PaymentType

REVIEW = "review"
"""Of which kind reviews are among the records."""


class ReviewStatus(StrEnum):
    """Nothing leads out of the last two."""

    IN_REVIEW = "in_review"
    APPROVED = "approved"
    """It was paid then."""
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What one person has said. It bears the id of its command, and so of the payment, where it has made one.

    `person` stands behind the credential `actor`; only approvals tell it.
    """

    id: UUID
    actor: str
    reason: str
    decided_at: datetime
    person: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """It bears the id of the order's command. `ordered` is all that the order says, as its fingerprint has it.

    `actor` has made the payment and may not approve it, nor may `maker_person`, who stands behind that credential and
    is written down with the first approval. `first` is the first of two approvals, `last` what decided.
    """

    id: ReviewId
    ledger_id: LedgerId
    type: PaymentType
    money: Money
    payer_id: AccountId
    payee_id: AccountId
    ordered: Mapping[str, Any]
    fingerprint: bytes
    idempotency_key: str
    actor: str
    created_at: datetime
    rule: str
    rules_version: str
    detail: str
    approvals_needed: int
    texts: PaymentTexts = NO_TEXTS
    metadata: Mapping[str, str] = field(default_factory=lambda: NO_METADATA)
    status: ReviewStatus = ReviewStatus.IN_REVIEW
    first: Decision | None = None
    last: Decision | None = None
    maker_person: str | None = None

    @property
    def approvals(self) -> int:
        return (self.first is not None) + (self.status is ReviewStatus.APPROVED)

    @property
    def payment_id(self) -> PaymentId | None:
        """What it was paid by, once it was approved."""
        return PaymentId(self.last.id) if self.last is not None and self.status is ReviewStatus.APPROVED else None


def approval_key(review_id: UUID) -> str:
    """Of the entry that pays it. It holds a blank, which no caller can send: it is paid once, for ever."""
    return f"review {review_id}"


def review_facts(review: Review) -> dict[str, Any]:
    """What an event tells of it, as it was then."""
    return {
        "status": review.status.value,
        "type": review.type.value,
        "amount": render_amount(review.money.amount),
        "currency": review.money.currency.code,
        "from": f"acc_{review.payer_id}",
        "to": f"acc_{review.payee_id}",
        **review.texts._asdict(),
        "metadata": dict(review.metadata),
        "rule": review.rule,
        "rules_version": review.rules_version,
        "detail": review.detail,
        "made_by": review.actor,
        "approvals_needed": review.approvals_needed,
        "approvals": review.approvals,
        "first_approval": _told(review.first),
        "decision": _told(review.last),
        "payment_id": None if review.payment_id is None else f"pay_{review.payment_id}",
    }


def _told(decision: Decision | None) -> dict[str, str] | None:
    if decision is None:
        return None
    return {"by": decision.actor, "reason": decision.reason, "at": render_time(decision.decided_at)}
