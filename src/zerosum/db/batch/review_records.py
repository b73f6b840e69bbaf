"""The record sets of reviews, and of earlier orders of the same, which are only looked for."""

from __future__ import annotations

import json
from collections.abc import Sequence
from operator import attrgetter
from typing import Any

from zerosum.db.batch.record_sets import Column, RecordSet, stored_money
from zerosum.domain.identifiers import AccountId, LedgerId, ReviewId
from zerosum.domain.money import render_amount
from zerosum.domain.payments.book_checks import PAYMENT_TWIN, Twin
from zerosum.domain.payments.payment import PaymentTexts, PaymentType
from zerosum.domain.payments.reviews import REVIEW, Decision, Review, ReviewStatus


def _review(row: Sequence[Any]) -> Review:
    ordered = json.loads(row[7])
    return Review(
        ledger_id=LedgerId(row[0]),
        id=ReviewId(row[1]),
        type=PaymentType(row[2]),
        money=stored_money(row[4], row[3]),
        payer_id=AccountId(row[5]),
        payee_id=AccountId(row[6]),
        ordered=ordered,
        fingerprint=row[8],
        idempotency_key=row[9],
        actor=row[10],
        created_at=row[11],
        rule=row[12],
        rules_version=row[13],
        detail=row[14],
        approvals_needed=row[15],
        status=ReviewStatus(row[16]),
        first=_decision(row[17:22]),
        last=_decision(row[22:27]),
        maker_person=row[27],
        texts=PaymentTexts(*[ordered.get(name) for name in PaymentTexts._fields]),
        metadata=ordered.get("metadata", {}),
    )


def _decision(row: Sequence[Any]) -> Decision | None:
    return (
        None if row[0] is None else Decision(id=row[0], actor=row[1], reason=row[2], decided_at=row[3], person=row[4])
    )


def _columns_of(which: str) -> tuple[Column, ...]:
    """Of a decision, each null where there is none yet."""

    def of(name: str) -> Any:
        return lambda review: None if (said := getattr(review, which)) is None else getattr(said, name)

    return (
        Column(f"{which}_id", "uuid", of("id")),
        Column(f"{which}_by", "text", of("actor")),
        Column(f"{which}_reason", "text", of("reason")),
        Column(f"{which}_at", "timestamptz", of("decided_at")),
        Column(f"{which}_person", "text", of("person")),
    )


REVIEWS = RecordSet(
    kind=REVIEW,
    table="reviews",
    columns=(
        Column("id", "uuid", attrgetter("id")),
        Column("type", "text", attrgetter("type")),
        Column("currency", "text", lambda review: review.money.currency.code),
        Column("amount", "text", lambda review: render_amount(review.money.amount), "numeric"),
        Column("payer_id", "uuid", attrgetter("payer_id")),
        Column("payee_id", "uuid", attrgetter("payee_id")),
        Column("ordered", "text", lambda review: json.dumps(dict(review.ordered)), "jsonb"),
        Column("fingerprint", "bytea", attrgetter("fingerprint")),
        Column("idempotency_key", "text", attrgetter("idempotency_key")),
        Column("actor", "text", attrgetter("actor")),
        Column("created_at", "timestamptz", attrgetter("created_at")),
        Column("rule", "text", attrgetter("rule")),
        Column("rules_version", "text", attrgetter("rules_version")),
        Column("detail", "text", attrgetter("detail")),
        Column("approvals_needed", "int", attrgetter("approvals_needed")),
        Column("status", "text", attrgetter("status")),
        *_columns_of("first"),
        *_columns_of("last"),
        Column("maker_person", "text", attrgetter("maker_person")),
    ),
    changing=(
        "status",
        "first_id",
        "first_by",
        "first_reason",
        "first_at",
        "first_person",
        "last_id",
        "last_by",
        "last_reason",
        "last_at",
        "last_person",
        "maker_person",
    ),
    read=_review,
)

# The key says whose postings are looked through, and for what; `wanted` is what the statement asks for. What is held
# for a review has no postings: it is looked for only where none of what was posted is like it.
_TWIN = """(
    (select account.ledger_id, wanted.id as twin, payment.id as earlier_id, false as is_held
    from accounts account
    join postings line on line.ledger_id = account.ledger_id and line.account_id = account.id
        and line.account_version >= zerosum_first_version_since(
            account.ledger_id, account.id, account.version,
            now() - make_interval(secs => split_part(wanted.id, ' ', 7)::int))
    join payments payment on payment.ledger_id = line.ledger_id and payment.id = line.entry_id
        and payment.payer_id = split_part(wanted.id, ' ', 2)::uuid
        and payment.payee_id = split_part(wanted.id, ' ', 3)::uuid
        and payment.currency = split_part(wanted.id, ' ', 4)
        and payment.amount = split_part(wanted.id, ' ', 5)::numeric
        and payment.type = split_part(wanted.id, ' ', 6)
        and payment.status <> 'failed'
    where account.ledger_id = wanted.ledger_id and account.id = split_part(wanted.id, ' ', 1)::uuid
    limit 1)
    union all
    (select review.ledger_id, wanted.id, review.id, true
    from reviews review
    where review.ledger_id = wanted.ledger_id and review.status = 'in_review'
        and review.payer_id = split_part(wanted.id, ' ', 2)::uuid
        and review.payee_id = split_part(wanted.id, ' ', 3)::uuid
        and review.currency = split_part(wanted.id, ' ', 4)
        and review.amount = split_part(wanted.id, ' ', 5)::numeric
        and review.type = split_part(wanted.id, ' ', 6)
        and review.created_at >= now() - make_interval(secs => split_part(wanted.id, ' ', 7)::int)
    limit 1)
    limit 1
)"""

PAYMENT_TWINS = RecordSet(
    kind=PAYMENT_TWIN,
    table=f"{_TWIN} twins",
    columns=(Column("twin", "text"), Column("earlier_id", "uuid"), Column("is_held", "boolean")),
    changing=(),
    read=lambda row: Twin(row[2], is_held=row[3]),
    is_stored=False,
)
"""Written as payments are: the locks of their accounts are theirs."""
