"""A payment's body as it is written: `orjson.dumps(payment_body(...))`, byte for byte, for a tenth of its price.

A test holds the two against each other over all that can be in a payment; what a payment is shown with is decided in
`payment_body`.
"""

from __future__ import annotations

from typing import Any

import orjson

from zerosum.api.render import render_time
from zerosum.api.schemas.payments import payment_body
from zerosum.api.schemas.reviews import review_body
from zerosum.api.text_parts import id_items, metadata_text, texts_members, versions_members
from zerosum.domain.money import render_amount
from zerosum.domain.payments.payment import INTERNAL_PROCESSOR
from zerosum.services.payments import RecordedPayment, RecordedReview

CREATED, HELD = 201, 202


def paid_or_held_status(made: RecordedPayment | RecordedReview) -> int:
    """What is held for review is accepted, and nothing is made yet."""
    return HELD if isinstance(made, RecordedReview) else CREATED


def paid_or_held_body(made: RecordedPayment | RecordedReview) -> dict[str, Any]:
    return review_body(made) if isinstance(made, RecordedReview) else payment_body(made)


def paid_or_held_text(made: RecordedPayment | RecordedReview) -> bytes:
    return orjson.dumps(review_body(made)) if isinstance(made, RecordedReview) else payment_text(made)


def payment_text(payment: RecordedPayment) -> bytes:
    is_outside = payment.processor != INTERNAL_PROCESSOR
    if payment.splits or payment.late is not None or payment.charged_back is not None or is_outside:
        return orjson.dumps(payment_body(payment))
    id_text = str(payment.id)
    amount = render_amount(payment.amount)
    none = render_amount(payment.amount - payment.amount)
    refunded = none if payment.refunded is None else render_amount(payment.refunded)
    disputed = none if payment.disputed is None else render_amount(payment.disputed)
    entries = id_items("je_", (id_text, *payment.further_ids))
    created_at = render_time(payment.created_at)
    is_now = payment.effective_at is payment.created_at
    effective_at = created_at if is_now else render_time(payment.effective_at)
    return (
        f'{{"id":"pay_{id_text}","type":"{payment.type}","status":"{payment.status}","amount":"{amount}",'
        f'"currency":"{payment.currency}","from":"acc_{payment.payer_id}","from_code":"{payment.payer_code}",'
        f'"to":"acc_{payment.payee_id}","to_code":"{payment.payee_code}",{texts_members(payment.texts)},'
        f'"processor":"{payment.processor}","refunded":"{refunded}",'
        f'"disputed":"{disputed}","journal_entry_ids":[{entries}],"account_versions":{{{versions_members(payment.account_versions)}}},'
        f'"effective_at":"{effective_at}","created_at":"{created_at}","metadata":{metadata_text(payment.metadata)}}}'
    ).encode()
