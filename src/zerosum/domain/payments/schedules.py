"""A scheduled payment: an order to pay later, once or again and again, which waits until it is due."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple
from uuid import UUID

from zerosum.domain.commands import NO_METADATA
from zerosum.domain.errors import DomainError, ValidationFailed
from zerosum.domain.identifiers import AccountId, LedgerId, PaymentId, ScheduledPaymentId
from zerosum.domain.moments import render_time
from zerosum.domain.money import Money, render_amount
from zerosum.domain.payments.payment import NO_TEXTS, PaymentTexts, PaymentType

SCHEDULED_PAYMENT = "scheduled_payment"
"""Of which kind scheduled payments are among the records."""

SCHEDULED_RUN = "scheduled_run"
"""And their runs, which are only ever added."""

OCCURRENCES_MAX = 1_000
"""So often a payment recurs at most."""

AHEAD_MAX = timedelta(days=3653)
"""The first payment is due at most so far from now: ten years."""

ATTEMPTS_MAX = 20
ATTEMPTS_BY_DEFAULT = 3
RETRY_SECONDS_MIN, RETRY_SECONDS_MAX = 60, 86_400
RETRY_SECONDS_BY_DEFAULT = 3_600


class ScheduleStatus(StrEnum):
    SCHEDULED = "scheduled"
    """A payment of it is still to come."""
    COMPLETED = "completed"
    """Every occurrence has been run, and at least one was paid."""
    FAILED = "failed"
    """Every occurrence has been run, and none was paid."""
    CANCELLED = "cancelled"


class OnRefusal(StrEnum):
    """What is done where a payment that is due is refused: the money is not there, an account is frozen."""

    SKIP = "skip"
    RETRY = "retry"


class RunOutcome(StrEnum):
    EXECUTED = "executed"
    """It was paid."""
    FAILED = "failed"
    """It was refused; it is tried again where attempts are left."""
    SKIPPED = "skipped"
    """It was refused, and is not tried again."""


class Recurrence(NamedTuple):
    rule: str
    time_zone: str


class RefusalPolicy(NamedTuple):
    """`attempts_max` counts the first one too; where nothing is retried it is 1."""

    on_refusal: OnRefusal = OnRefusal.SKIP
    attempts_max: int = 1
    retry_seconds: int = 0


SKIPPED = RefusalPolicy()


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduledPayment:
    """It bears the id of its command. `occurrence` and `attempt` are those that come next, from 1.

    `due_at` is when that occurrence is due, `attempt_at` when it is tried, which a refusal puts off. Once all is over
    they stay where they were. `fingerprint` is that of the payment it orders, and `actor` who has ordered it.
    """

    id: ScheduledPaymentId
    ledger_id: LedgerId
    type: PaymentType
    money: Money
    payer_id: AccountId
    payee_id: AccountId
    execute_at: datetime
    recurrence: Recurrence | None
    occurrences: int
    policy: RefusalPolicy
    actor: str
    fingerprint: bytes
    idempotency_key: str
    created_at: datetime
    due_at: datetime
    attempt_at: datetime
    texts: PaymentTexts = NO_TEXTS
    metadata: Mapping[str, str] = field(default_factory=lambda: NO_METADATA)
    status: ScheduleStatus = ScheduleStatus.SCHEDULED
    occurrence: int = 1
    attempt: int = 1
    runs: int = 0
    payments: int = 0
    ended_at: datetime | None = None
    cancellation_id: UUID | None = None
    """Of the command that has cancelled it."""

    @property
    def is_last_occurrence(self) -> bool:
        return self.occurrence >= self.occurrences


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduledRun:
    """One attempt at one occurrence, and what came of it: a payment, or a refusal."""

    id: UUID
    schedule_id: ScheduledPaymentId
    number: int
    occurrence: int
    attempt: int
    due_at: datetime
    ran_at: datetime
    outcome: RunOutcome
    payment_id: PaymentId | None
    refusal: Mapping[str, Any] | None
    retry_at: datetime | None
    completes: bool
    """Whether nothing was left to do after it, and something was paid."""


def occurrence_key(schedule_id: UUID, occurrence: int) -> str:
    """Of the entry that pays it. It holds blanks, which no caller can send: an occurrence is paid once, for ever."""
    return f"scheduled payment {schedule_id} {occurrence}"


def check_first(execute_at: datetime, now: datetime) -> None:
    """Raises ValidationFailed."""
    if not now < execute_at <= now + AHEAD_MAX:
        raise ValidationFailed("A payment is scheduled for later, at most ten years from now.", pointer="/execute_at")


def after_run(
    schedule: ScheduledPayment,
    run_id: UUID,
    payment_id: PaymentId | None,
    refusal: DomainError | None,
    next_due_at: datetime | None,
    now: datetime,
) -> tuple[ScheduledPayment, ScheduledRun]:
    """The schedule after one attempt at what was due, and the run that tells of it."""
    is_paid = refusal is None
    retry_at = None
    if not is_paid and schedule.attempt < schedule.policy.attempts_max:
        retry_at = now + timedelta(seconds=schedule.policy.retry_seconds)
    after = replace(schedule, runs=schedule.runs + 1, payments=schedule.payments + is_paid)
    if retry_at is not None:
        after = replace(after, attempt=schedule.attempt + 1, attempt_at=retry_at)
    elif schedule.is_last_occurrence:
        status = ScheduleStatus.COMPLETED if after.payments else ScheduleStatus.FAILED
        after = replace(after, status=status, ended_at=now)
    elif next_due_at is None:
        raise LookupError("an occurrence is left, and nobody has said when it is due")
    else:
        after = replace(
            after, occurrence=schedule.occurrence + 1, attempt=1, due_at=next_due_at, attempt_at=next_due_at
        )
    run = ScheduledRun(
        id=run_id,
        schedule_id=schedule.id,
        number=after.runs,
        occurrence=schedule.occurrence,
        attempt=schedule.attempt,
        due_at=schedule.due_at,
        ran_at=now,
        outcome=_outcome(schedule, is_paid=is_paid),
        payment_id=payment_id,
        refusal=None if refusal is None else _told(refusal),
        retry_at=retry_at,
        completes=after.status is ScheduleStatus.COMPLETED,
    )
    return after, run


def _outcome(schedule: ScheduledPayment, *, is_paid: bool) -> RunOutcome:
    if is_paid:
        return RunOutcome.EXECUTED
    return RunOutcome.SKIPPED if schedule.policy.on_refusal is OnRefusal.SKIP else RunOutcome.FAILED


def _told(refusal: DomainError) -> dict[str, Any]:
    told: dict[str, Any] = {"code": refusal.code, "detail": refusal.detail}
    return {**told, "facts": refusal.facts} if refusal.facts else told


def schedule_facts(schedule: ScheduledPayment, run: ScheduledRun | None = None) -> dict[str, Any]:
    """What an event tells: the schedule as it was, and the run that it tells of."""
    facts: dict[str, Any] = {
        "status": schedule.status.value,
        "type": schedule.type.value,
        "amount": render_amount(schedule.money.amount),
        "currency": schedule.money.currency.code,
        "occurrences": schedule.occurrences,
        "payments": schedule.payments,
        "actor": schedule.actor,
        "due_at": render_time(schedule.due_at),
    }
    if run is not None:
        facts |= {
            "run_id": f"run_{run.id}",
            "occurrence": run.occurrence,
            "attempt": run.attempt,
            "payment_id": None if run.payment_id is None else f"pay_{run.payment_id}",
            "refusal": run.refusal,
        }
    return facts
