"""Journal entries, and the trial balance over all of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from zerosum.client.models.model import Model, Written
from zerosum.client.models.payments import BalanceAfter, LateDate


@dataclass(frozen=True, kw_only=True)
class EntryPosting(Model):
    """One side of an entry, as it was posted."""

    account_id: str
    account_code: str
    side: str
    amount: Decimal
    currency: str
    layer: str
    account_version: int
    balance_after: Decimal


@dataclass(frozen=True, kw_only=True)
class UsedTemplate(Model):
    """By which template an entry was posted."""

    name: str
    version: int
    parameters: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class JournalEntry(Written):
    """One balanced fact of the books."""

    id: str
    reason: str
    postings: tuple[EntryPosting, ...]
    effective_at: datetime
    posted_at: datetime
    reverses: str | None
    reversed_by: str | None
    actor: str
    metadata: Mapping[str, str]
    account_versions: Mapping[str, int]
    late: LateDate | None = None
    template: UsedTemplate | None = None
    balances: tuple[BalanceAfter, ...] = ()
    trace_id: str | None = None


@dataclass(frozen=True, kw_only=True)
class CurrencyTotal(Model):
    """`difference` is zero, or the books are broken."""

    currency: str
    debits: Decimal
    credits: Decimal
    difference: Decimal


@dataclass(frozen=True, kw_only=True)
class AccountTotal(Model):
    """What one account adds to the trial balance."""

    account_id: str
    code: str
    type: str
    currency: str
    debits: Decimal
    credits: Decimal


@dataclass(frozen=True, kw_only=True)
class TrialBalance(Model):
    """`accounts` is its first page: `reports.trial_balance_accounts` has all of them."""

    as_of: datetime
    currencies: tuple[CurrencyTotal, ...]
    accounts: tuple[AccountTotal, ...]
    has_more: bool
    next_cursor: str | None
