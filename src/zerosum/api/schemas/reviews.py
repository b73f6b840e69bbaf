"""Reviews on the wire: payments that a rule has held, and what people say of them."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field

from zerosum.api.render import render_time
from zerosum.api.schemas.accounts import AccountId
from zerosum.api.schemas.bulk import DryRunBalance
from zerosum.api.schemas.fields import (
    EXAMPLE_UUID,
    Amount,
    AnsweredCode,
    AnsweredMetadata,
    CurrencyCode,
    OneOf,
    Request,
    Response,
    Text,
    Time,
    id_field,
)
from zerosum.api.schemas.payments import PaymentTypeName
from zerosum.domain.identifiers import Prefix, render_id
from zerosum.domain.money import render_amount
from zerosum.domain.payments.reviews import Decision, ReviewStatus
from zerosum.services.reviews import DecisionOrder, RecordedReview

ReviewStatusName = Annotated[str, OneOf(ReviewStatus)]


class ReviewDecisionRequest(Request):
    """Why it is approved or refused."""

    reason: Annotated[Text, Field(description="Kept with the review, and in the security log.", examples=["Known."])]

    def order(self, idempotency_key: str, review_id: UUID) -> DecisionOrder:
        return DecisionOrder(idempotency_key=idempotency_key, review_id=review_id, reason=self.reason)


class DecisionResponse(Response):
    """What one person has said."""

    by: Annotated[str, Field(description="Who.", examples=[f"key_{EXAMPLE_UUID}"])]
    reason: Annotated[str, Field(description="Why.", examples=["Known."])]
    at: Annotated[Time, Field(description="When.")]


class ReviewResponse(Response):
    """A payment that a rule has held. Nothing of it is posted before it is approved."""

    id: Annotated[str, id_field(Prefix.REVIEW, "The review.")]
    status: Annotated[ReviewStatusName, Field(description="`in_review` until people have decided.")]
    type: Annotated[PaymentTypeName, Field(description="Of the payment.")]
    amount: Amount
    currency: CurrencyCode
    from_: Annotated[AccountId, Field(alias="from", description="The account that would be debited.")]
    from_code: AnsweredCode
    to: Annotated[AccountId, Field(description="The account that would be credited.")]
    to_code: Annotated[AnsweredCode, Field(examples=["customers:bob"])]
    reference: Annotated[str | None, Field(description="Your own reference, or null.", examples=["invoice 1001"])]
    description: Annotated[str | None, Field(description="For people, or null.", examples=["Lunch"])]
    metadata: AnsweredMetadata
    rule: Annotated[str, Field(description="The rule that has held it.", examples=["large transfers"])]
    rules_version: Annotated[
        str, Field(description="Of which version of the rules that was.", examples=["9f86d081884c7d65"])
    ]
    detail: Annotated[
        str,
        Field(
            description="What the rule has found.",
            examples=["The amount is above what the rule `large transfers` allows."],
        ),
    ]
    made_by: Annotated[
        str, Field(description="Who has made the payment, and may not approve it.", examples=[f"key_{EXAMPLE_UUID}"])
    ]
    created_at: Annotated[Time, Field(description="When it was held.")]
    approvals_needed: Annotated[int, Field(description="How many people have to approve it.", examples=[1])]
    approvals: Annotated[int, Field(description="How many have.", examples=[0])]
    first_approval: Annotated[DecisionResponse | None, Field(description="Where two are needed: the first.")]
    decision: Annotated[DecisionResponse | None, Field(description="What has decided it, or null.")]
    payment_id: Annotated[
        str | None, Field(description="The payment, once it was approved.", examples=[f"pay_{EXAMPLE_UUID}"])
    ]


class ReviewDryRun(ReviewResponse):
    """A review as it would be, and the balances after it."""

    dry_run: Annotated[Literal[True], Field(description="Nothing was written.")]
    balances: Annotated[list[DryRunBalance], Field(description="How the touched accounts would stand.")]


def review_body(review: RecordedReview) -> dict[str, Any]:
    return {
        "id": render_id(Prefix.REVIEW, review.id),
        "status": review.status,
        "type": review.type,
        "amount": render_amount(review.amount),
        "currency": review.currency,
        "from": render_id(Prefix.ACCOUNT, review.payer_id),
        "from_code": review.payer_code,
        "to": render_id(Prefix.ACCOUNT, review.payee_id),
        "to_code": review.payee_code,
        **review.texts._asdict(),
        "metadata": dict(review.metadata),
        "rule": review.rule,
        "rules_version": review.rules_version,
        "detail": review.detail,
        "made_by": review.actor,
        "created_at": render_time(review.created_at),
        "approvals_needed": review.approvals_needed,
        "approvals": review.approvals,
        "first_approval": _decision(review.first),
        "decision": _decision(review.last),
        "payment_id": None if review.payment_id is None else render_id(Prefix.PAYMENT, review.payment_id),
    }


def _decision(decision: Decision | None) -> dict[str, str] | None:
    if decision is None:
        return None
    return {"by": decision.actor, "reason": decision.reason, "at": render_time(decision.decided_at)}
