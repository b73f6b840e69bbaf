"""The record sets of scheduled payments and of their runs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from operator import attrgetter
from typing import Any

from zerosum.db.batch.record_sets import Column, RecordSet, metadata_column, stored_money
from zerosum.domain.commands import NO_METADATA
from zerosum.domain.identifiers import AccountId, LedgerId, ScheduledPaymentId
from zerosum.domain.money import render_amount
from zerosum.domain.payments.payment import PaymentTexts, PaymentType
from zerosum.domain.payments.schedules import (
    SCHEDULED_PAYMENT,
    SCHEDULED_RUN,
    OnRefusal,
    Recurrence,
    RefusalPolicy,
    ScheduledPayment,
    ScheduleStatus,
)


def _schedule(row: Sequence[Any]) -> ScheduledPayment:
    return ScheduledPayment(
        ledger_id=LedgerId(row[0]),
        id=ScheduledPaymentId(row[1]),
        type=PaymentType(row[2]),
        money=stored_money(row[4], row[3]),
        payer_id=AccountId(row[5]),
        payee_id=AccountId(row[6]),
        execute_at=row[7],
        recurrence=None if row[8] is None else Recurrence(row[8], row[9]),
        occurrences=row[10],
        policy=RefusalPolicy(OnRefusal(row[11]), row[12], row[13]),
        actor=row[14],
        fingerprint=row[15],
        idempotency_key=row[16],
        created_at=row[17],
        metadata=json.loads(row[18]) if row[18] else NO_METADATA,
        status=ScheduleStatus(row[19]),
        occurrence=row[20],
        attempt=row[21],
        due_at=row[22],
        attempt_at=row[23],
        runs=row[24],
        payments=row[25],
        ended_at=row[26],
        cancellation_id=row[27],
        texts=PaymentTexts(*row[28:]),
    )


SCHEDULED_PAYMENTS = RecordSet(
    kind=SCHEDULED_PAYMENT,
    table="scheduled_payments",
    columns=(
        Column("id", "uuid", attrgetter("id")),
        Column("type", "text", attrgetter("type")),
        Column("currency", "text", lambda schedule: schedule.money.currency.code),
        Column("amount", "text", lambda schedule: render_amount(schedule.money.amount), "numeric"),
        Column("payer_id", "uuid", attrgetter("payer_id")),
        Column("payee_id", "uuid", attrgetter("payee_id")),
        Column("execute_at", "timestamptz", attrgetter("execute_at")),
        Column("rule", "text", lambda schedule: schedule.recurrence and schedule.recurrence.rule),
        Column("time_zone", "text", lambda schedule: schedule.recurrence and schedule.recurrence.time_zone),
        Column("occurrences", "int", attrgetter("occurrences")),
        Column("on_refusal", "text", attrgetter("policy.on_refusal")),
        Column("attempts_max", "int", attrgetter("policy.attempts_max")),
        Column("retry_seconds", "int", attrgetter("policy.retry_seconds")),
        Column("actor", "text", attrgetter("actor")),
        Column("fingerprint", "bytea", attrgetter("fingerprint")),
        Column("idempotency_key", "text", attrgetter("idempotency_key")),
        Column("created_at", "timestamptz", attrgetter("created_at")),
        Column("metadata", "text", lambda schedule: metadata_column(schedule.metadata), "jsonb"),
        Column("status", "text", attrgetter("status")),
        Column("occurrence", "int", attrgetter("occurrence")),
        Column("attempt", "int", attrgetter("attempt")),
        Column("due_at", "timestamptz", attrgetter("due_at")),
        Column("attempt_at", "timestamptz", attrgetter("attempt_at")),
        Column("runs", "int", attrgetter("runs")),
        Column("payments", "int", attrgetter("payments")),
        Column("ended_at", "timestamptz", attrgetter("ended_at")),
        Column("cancellation_id", "uuid", attrgetter("cancellation_id")),
        *(Column(name, "text", attrgetter(f"texts.{name}")) for name in PaymentTexts._fields),
    ),
    changing=(
        "status",
        "occurrence",
        "attempt",
        "due_at",
        "attempt_at",
        "runs",
        "payments",
        "ended_at",
        "cancellation_id",
    ),
    read=_schedule,
)

SCHEDULED_RUNS = RecordSet(
    kind=SCHEDULED_RUN,
    table="scheduled_runs",
    columns=(
        Column("id", "uuid", attrgetter("id")),
        Column("scheduled_payment_id", "uuid", attrgetter("schedule_id")),
        Column("number", "int", attrgetter("number")),
        Column("occurrence", "int", attrgetter("occurrence")),
        Column("attempt", "int", attrgetter("attempt")),
        Column("due_at", "timestamptz", attrgetter("due_at")),
        Column("ran_at", "timestamptz", attrgetter("ran_at")),
        Column("outcome", "text", attrgetter("outcome")),
        Column("payment_id", "uuid", attrgetter("payment_id")),
        Column("refusal", "text", lambda run: None if run.refusal is None else json.dumps(run.refusal), "jsonb"),
        Column("retry_at", "timestamptz", attrgetter("retry_at")),
        Column("completes", "bool", attrgetter("completes")),
    ),
    changing=(),
    read=lambda row: row[1],
)
"""Written and never changed."""
