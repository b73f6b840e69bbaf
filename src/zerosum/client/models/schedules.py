"""Payments that wait for their day, or recur."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from zerosum.client.models.model import Model, Written
from zerosum.client.models.payments import BalanceAfter


@dataclass(frozen=True, kw_only=True)
class ScheduleRule(Model):
    """A rule of RFC 5545, in a time zone."""

    rule: str
    time_zone: str


@dataclass(frozen=True, kw_only=True)
class RunRetries(Model):
    """How often a refused run is tried again, and after how long."""

    attempts: int
    interval_seconds: int


@dataclass(frozen=True, kw_only=True)
class RunProblem(Model):
    code: str
    detail: str
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Run(Model):
    """One of its payments, made or refused."""

    id: str
    number: int
    occurrence: int
    attempt: int
    due_at: datetime
    ran_at: datetime
    outcome: str
    payment_id: str | None
    refusal: RunProblem | None
    retry_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class ScheduledPayment(Written):
    """`next_at` is when its next payment is due. The newest `runs` are told where one is read."""

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
    execute_at: datetime
    recurrence: ScheduleRule | None
    occurrences: int
    on_refusal: str
    retry: RunRetries | None
    scheduled_by: str
    next_at: datetime | None
    payments_made: int
    runs_made: int
    created_at: datetime
    ended_at: datetime | None
    metadata: Mapping[str, str]
    runs: tuple[Run, ...] = ()
    balances: tuple[BalanceAfter, ...] = ()
