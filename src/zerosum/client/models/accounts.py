"""Accounts, what is in them, and what was posted to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from zerosum.client.models.model import Model, Written


@dataclass(frozen=True, kw_only=True)
class AccountFigures(Model):
    posted: Decimal
    held: Decimal
    available: Decimal


@dataclass(frozen=True, kw_only=True)
class AccountVelocityLimit(Model):
    """How much, or how often, may move within a window of time."""

    direction: str
    window: str
    seconds: int | None
    amount: Decimal | None
    count: int | None


@dataclass(frozen=True, kw_only=True)
class Account(Written):
    """`min_available` None means that there is no floor."""

    id: str
    code: str
    name: str | None
    currency: str
    type: str
    normal_side: str
    status: str
    min_available: Decimal | None
    max_available: Decimal | None
    velocity_limits: tuple[AccountVelocityLimit, ...]
    metadata: Mapping[str, str]
    balance: AccountFigures
    in_debt: bool
    debt: Decimal
    version: int
    created_at: datetime


@dataclass(frozen=True, kw_only=True)
class Balance(Model):
    """Of one account, at `version`."""

    account_id: str
    code: str
    currency: str
    posted: Decimal
    held: Decimal
    available: Decimal
    version: int
    as_of: datetime


@dataclass(frozen=True, kw_only=True)
class AccountPosting(Model):
    """A line of an account's history."""

    journal_entry_id: str
    account_id: str
    account_code: str
    account_version: int
    side: str
    amount: Decimal
    currency: str
    layer: str
    balance_after: Decimal
    held_after: Decimal
    effective_at: datetime
    posted_at: datetime
    hash: str
