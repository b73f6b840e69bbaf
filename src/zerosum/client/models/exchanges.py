"""Exchanges: one currency sold for another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from zerosum.client.models.model import Written
from zerosum.client.models.payments import BalanceAfter, LateDate


@dataclass(frozen=True, kw_only=True)
class Exchange(Written):
    """`amount` of `currency` was sold, `bought` of `to_currency` for it."""

    id: str
    from_: str
    from_code: str
    to: str
    to_code: str
    amount: Decimal
    currency: str
    bought: Decimal
    to_currency: str
    margin: Decimal
    margin_percent: Decimal | None
    gain: Decimal | None
    rate: Decimal
    rate_source: str
    rate_at: datetime
    exact: Decimal
    rounding: str
    difference: Decimal
    reference: str | None
    description: str | None
    journal_entry_ids: tuple[str, ...]
    account_versions: Mapping[str, int]
    effective_at: datetime
    created_at: datetime
    metadata: Mapping[str, str]
    late: LateDate | None = None
    balances: tuple[BalanceAfter, ...] = ()
