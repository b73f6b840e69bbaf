"""Holds and refunds are written by templates as their bodies would be, whatever is in them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.api.test_payment_text import CODES, MOMENTS, OF_FIELDS, TEXTS
from zerosum.api.hold_text import hold_text, refund_text
from zerosum.api.schemas.holds import hold_body
from zerosum.api.schemas.payments import refund_body
from zerosum.domain.payments.holds import HoldStatus
from zerosum.services.holds import RecordedHold
from zerosum.services.refunds import RecordedRefund, RefundStatus

AMOUNTS = st.decimals(Decimal("0.01"), Decimal("99999999999999999999"), places=2)
VERSIONS = st.dictionaries(st.uuids(), st.integers(1, 2**63), min_size=1, max_size=2)

OF_HOLDS: dict[str, st.SearchStrategy[Any]] = {
    "id": st.uuids(),
    "status": st.sampled_from(HoldStatus),
    "amount": AMOUNTS,
    "captured": AMOUNTS | st.just(Decimal("0.00")),
    "capture_max": st.none() | AMOUNTS,
    "currency": OF_FIELDS["currency"],
    "payer_id": st.uuids(),
    "payer_code": CODES,
    "payee_id": st.uuids(),
    "payee_code": CODES,
    "texts": OF_FIELDS["texts"],
    "expires_at": MOMENTS,
    "created_at": MOMENTS,
    "metadata": OF_FIELDS["metadata"],
    "entry_ids": st.lists(st.uuids(), min_size=1, max_size=3),
    "payment_ids": st.lists(st.uuids(), max_size=3),
    "house_rules": st.none() | st.integers(1, 2**31),
    "account_versions": st.none() | VERSIONS,
}
OF_REFUNDS: dict[str, st.SearchStrategy[Any]] = {
    "id": st.uuids(),
    "payment_id": st.uuids(),
    "amount": AMOUNTS,
    "currency": OF_FIELDS["currency"],
    "reason": st.none() | TEXTS,
    "created_at": MOMENTS,
    "metadata": OF_FIELDS["metadata"],
    "account_versions": VERSIONS,
    "lines": st.just(()),
    "status": st.sampled_from(RefundStatus),
}


@settings(max_examples=200, deadline=None)
@given(st.fixed_dictionaries(OF_HOLDS))
def test_a_hold(members: dict[str, Any]) -> None:
    hold = RecordedHold(**members)
    assert hold_text(hold) == orjson.dumps(hold_body(hold))


@settings(max_examples=200, deadline=None)
@given(st.fixed_dictionaries(OF_REFUNDS))
def test_a_refund(members: dict[str, Any]) -> None:
    refund = RecordedRefund(**members)
    assert refund_text(refund) == orjson.dumps(refund_body(refund))
