"""A payment is written by a template as its body would be, whatever is in it."""

from __future__ import annotations

from dataclasses import fields
from datetime import UTC
from decimal import Decimal
from typing import Any

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from zerosum.api.payment_text import payment_text
from zerosum.api.schemas.payments import payment_body
from zerosum.domain.ledger.periods import LateEntry, LateWay
from zerosum.domain.payments.payment import PaymentStatus, PaymentTexts, PaymentType
from zerosum.domain.payments.splits import SplitRule
from zerosum.services.payments import RecordedPayment, RecordedSettlement, RecordedSplit
from zerosum.services.requests.times import FIRST, LAST

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
CODES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.:@/-]{0,20}", fullmatch=True)
MOMENTS = st.datetimes(FIRST.replace(tzinfo=None), LAST.replace(tzinfo=None), timezones=st.just(UTC))
OF_FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "id": st.uuids(),
    "type": st.sampled_from(PaymentType),
    "status": st.sampled_from(PaymentStatus),
    "amount": st.decimals(Decimal("0.01"), Decimal("99999999999999999999"), places=2)
    | st.decimals(1, 10**19, places=0)
    | st.decimals(Decimal("1E-18"), 1, places=18),
    "currency": st.from_regex(r"[A-Z][A-Z0-9]{2,11}", fullmatch=True),
    "payer_id": st.uuids(),
    "payer_code": CODES,
    "payee_id": st.uuids(),
    "payee_code": CODES,
    "processor": st.sampled_from(["internal", "acme"]),
    "texts": st.builds(PaymentTexts, *[st.none() | TEXTS for _ in PaymentTexts._fields]),
    "effective_at": MOMENTS,
    "created_at": MOMENTS,
    "metadata": st.dictionaries(TEXTS, TEXTS, max_size=3),
    "account_versions": st.dictionaries(st.uuids(), st.integers(1, 2**63), min_size=1, max_size=2),
    "lines": st.just(()),
    "refunded": st.none() | st.decimals(Decimal("0.01"), Decimal("99999999999999999999"), places=2),
    "refunding": st.none() | st.decimals(Decimal("0.01"), Decimal("99999999999999999999"), places=2),
    "disputed": st.none() | st.decimals(Decimal("0.01"), Decimal("99999999999999999999"), places=2),
    "further_ids": st.lists(st.uuids(), max_size=3),
    "splits": st.lists(
        st.builds(
            RecordedSplit,
            account_id=st.uuids(),
            code=CODES,
            rule=st.just(SplitRule.PERCENT),
            value=st.just("2.9"),
            amount=st.just(Decimal("0.29")),
            refunded=st.none() | st.just(Decimal("0.01")),
            approved=st.none() | st.just(Decimal("0.28")),
        ),
        max_size=1,
    ),
    "late": st.none()
    | st.builds(
        LateEntry,
        ledger_id=st.uuids(),
        id=st.uuids(),
        closing=st.just(1),
        way=st.sampled_from(LateWay),
        requested_at=MOMENTS,
        reason=st.none() | TEXTS,
    ),
    "settlement": st.none()
    | st.builds(
        RecordedSettlement,
        entry_id=st.uuids(),
        approved=st.none() | st.just(Decimal("0.29")),
        reason=st.none() | TEXTS,
        processor_payment_id=st.none() | TEXTS,
    ),
    "charged_back": st.none() | st.just(Decimal("0.29")),
    "traceparent": st.none() | st.just(f"00-{'1' * 32}-{'2' * 16}-01"),
}
PAYMENTS = st.builds(RecordedPayment, **OF_FIELDS)


def test_all_that_a_payment_is_recorded_with_is_varied_here() -> None:
    assert {field.name for field in fields(RecordedPayment)} == OF_FIELDS.keys()


@settings(max_examples=500, deadline=None, derandomize=True, database=None)
@given(PAYMENTS, st.booleans())
def test_it_is_the_body_byte_for_byte(payment: RecordedPayment, is_now: bool) -> None:
    if is_now:
        payment.effective_at = payment.created_at
    assert payment_text(payment) == orjson.dumps(payment_body(payment))
