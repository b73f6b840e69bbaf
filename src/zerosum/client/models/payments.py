"""Payments, their refunds and disputes, and what a rule has held for review."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from zerosum.client.models.model import Model, Written


@dataclass(frozen=True, kw_only=True)
class BalanceAfter(Model):
    """What an account had right after a write, which was asked for with `with_balances`."""

    account_id: str
    posted: Decimal
    held: Decimal
    available: Decimal


@dataclass(frozen=True, kw_only=True)
class SplitPart(Model):
    """What one of several got of a payment."""

    to: str
    to_code: str
    percent: Decimal | None
    fixed: Decimal | None
    remainder: bool
    amount: Decimal
    refunded: Decimal
    approved: Decimal | None = None


@dataclass(frozen=True, kw_only=True)
class LateDate(Model):
    """What became of a date in a closed period."""

    way: str
    effective_at_requested: datetime
    reason: str | None


@dataclass(frozen=True, kw_only=True)
class Payment(Written):
    """`from_` and `to` are ids of accounts, `from_code` and `to_code` their own names."""

    id: str
    type: str
    status: str
    amount: Decimal
    currency: str
    from_: str
    from_code: str
    to: str
    to_code: str
    reference: str | None
    description: str | None
    processor: str
    refunded: Decimal
    disputed: Decimal
    journal_entry_ids: tuple[str, ...]
    account_versions: Mapping[str, int]
    effective_at: datetime
    created_at: datetime
    metadata: Mapping[str, str]
    splits: tuple[SplitPart, ...] = ()
    late: LateDate | None = None
    approved: Decimal | None = None
    failure_reason: str | None = None
    processor_payment_id: str | None = None
    charged_back: Decimal | None = None
    refunding: Decimal | None = None
    balances: tuple[BalanceAfter, ...] = ()
    trace_id: str | None = None


@dataclass(frozen=True, kw_only=True)
class Refund(Written):
    """What was given back of a payment."""

    id: str
    payment_id: str
    amount: Decimal
    currency: str
    status: str
    reason: str | None
    journal_entry_ids: tuple[str, ...]
    account_versions: Mapping[str, int]
    created_at: datetime
    metadata: Mapping[str, str]
    approved: Decimal | None = None
    failure_reason: str | None = None
    processor_refund_id: str | None = None
    balances: tuple[BalanceAfter, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Evidence(Model):
    text: str
    added_at: datetime


@dataclass(frozen=True, kw_only=True)
class DisputeFee(Model):
    amount: Decimal
    to: str
    house_rules: int | None


@dataclass(frozen=True, kw_only=True)
class Dispute(Written):
    """What the payer's bank questions."""

    id: str
    payment_id: str
    status: str
    stage: str
    amount: Decimal
    currency: str
    reason: str
    network_reason_code: str | None
    provider_case_id: str | None
    respond_by: datetime | None
    evidence: tuple[Evidence, ...]
    note: str | None
    fee: DisputeFee | None
    journal_entry_ids: tuple[str, ...]
    created_at: datetime
    balances: tuple[BalanceAfter, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Decision(Model):
    by: str
    reason: str
    at: datetime


@dataclass(frozen=True, kw_only=True)
class Review(Written):
    """A payment that a rule has held: nothing is posted before somebody decides."""

    id: str
    status: str
    type: str
    amount: Decimal
    currency: str
    from_: str
    from_code: str
    to: str
    to_code: str
    reference: str | None
    description: str | None
    metadata: Mapping[str, str] = field(default_factory=dict)
    rule: str
    rules_version: str
    detail: str
    made_by: str
    created_at: datetime
    approvals_needed: int
    approvals: int
    first_approval: Decision | None
    decision: Decision | None
    payment_id: str | None
