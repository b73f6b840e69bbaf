"""Holds: money that is promised, and not yet paid."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from zerosum.client.models.model import Written
from zerosum.client.models.payments import BalanceAfter


@dataclass(frozen=True, kw_only=True)
class Hold(Written):
    """`remaining` of `amount` can still be captured; `payment_ids` are the captures."""

    id: str
    status: str
    amount: Decimal
    captured: Decimal
    remaining: Decimal
    capture_max: Decimal | None
    house_rules: int | None
    currency: str
    from_: str
    from_code: str
    to: str
    to_code: str
    reference: str | None
    description: str | None
    expires_at: datetime
    created_at: datetime
    journal_entry_ids: tuple[str, ...]
    payment_ids: tuple[str, ...]
    account_versions: Mapping[str, int] = field(default_factory=dict)
    metadata: Mapping[str, str]
    balances: tuple[BalanceAfter, ...] = ()
