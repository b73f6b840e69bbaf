"""Reading scheduled payments, their runs, and which of them are due."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, Row, select
from sqlalchemy.ext.asyncio import AsyncConnection

from zerosum.db.gently import gently
from zerosum.db.queries.pages import in_order, longest_due, look_up_by_key, page_by, page_of_either
from zerosum.db.queries.parties import shown_with_codes
from zerosum.db.schema.tables import scheduled_payments, scheduled_runs
from zerosum.domain.payments.payment import PaymentTexts, PaymentType
from zerosum.domain.payments.schedules import OnRefusal, Recurrence, RefusalPolicy, RunOutcome, ScheduleStatus


@dataclass(slots=True, kw_only=True)
class RecordedSchedule:
    """A scheduled payment as it is now, or as it was when it was made."""

    id: UUID
    type: PaymentType
    status: ScheduleStatus
    amount: Decimal
    currency: str
    payer_id: UUID
    payer_code: str
    payee_id: UUID
    payee_code: str
    texts: PaymentTexts
    execute_at: datetime
    recurrence: Recurrence | None
    occurrences: int
    policy: RefusalPolicy
    actor: str
    created_at: datetime
    metadata: Mapping[str, str]
    attempt_at: datetime
    runs: int
    payments: int
    ended_at: datetime | None

    @property
    def next_at(self) -> datetime | None:
        """When it is tried next, if it is."""
        return self.attempt_at if self.status is ScheduleStatus.SCHEDULED else None


@dataclass(slots=True, kw_only=True)
class RecordedRun:
    id: UUID
    number: int
    occurrence: int
    attempt: int
    due_at: datetime
    ran_at: datetime
    outcome: RunOutcome
    payment_id: UUID | None
    refusal: Mapping[str, Any] | None
    retry_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleFilter:
    """`account_id` is the payer or the payee."""

    account_id: UUID | None = None
    status: str | None = None


class DueSchedule(NamedTuple):
    """What the worker must know of one to run it; it is looked at again under its lock."""

    attempt_at: datetime
    ledger_id: UUID
    id: UUID
    payer_id: UUID
    payee_id: UUID
    execute_at: datetime
    rule: str | None
    time_zone: str | None
    occurrences: int
    occurrence: int
    attempt: int
    actor: str
    fingerprint: bytes


async def find_schedules(
    connection: AsyncConnection, ledger_id: UUID, ids: Collection[UUID]
) -> dict[UUID, RecordedSchedule]:
    await look_up_by_key(connection)
    rows = await connection.execute(
        shown_with_codes(scheduled_payments, ledger_id).where(scheduled_payments.c.id.in_(ids))
    )
    return {row.id: _schedule(row) for row in rows}


async def list_schedules(
    connection: AsyncConnection,
    ledger_id: UUID,
    wanted: ScheduleFilter,
    *,
    after: UUID | None,
    limit: int,
    is_ascending: bool,
) -> list[RecordedSchedule]:
    """A page by id, which is by the time they were made. Those of an account are found by either side of it."""
    await look_up_by_key(connection)
    columns = scheduled_payments.c

    def page(*conditions: ColumnElement[bool]) -> Any:
        statement = select(columns.id).where(columns.ledger_id == ledger_id, *conditions)
        if wanted.status is not None:
            statement = statement.where(columns.status == wanted.status)
        return page_by(statement, [columns.id], None if after is None else [after], limit, is_ascending=is_ascending)

    if wanted.account_id is None:
        found = page()
    else:
        sides = [page(column == wanted.account_id) for column in (columns.payer_id, columns.payee_id)]
        found = page_of_either(sides, limit, is_ascending=is_ascending)
    statement = shown_with_codes(scheduled_payments, ledger_id).join(found, found.c.id == columns.id)
    return await gently(_schedule, await connection.execute(in_order(statement, found, is_ascending=is_ascending)))


async def list_runs(
    connection: AsyncConnection,
    ledger_id: UUID,
    schedule_id: UUID,
    *,
    after: int | None,
    limit: int,
    is_ascending: bool,
) -> Sequence[RecordedRun]:
    columns = scheduled_runs.c
    statement = select(scheduled_runs).where(
        columns.ledger_id == ledger_id, columns.scheduled_payment_id == schedule_id
    )
    if after is not None:
        statement = statement.where(columns.number > after if is_ascending else columns.number < after)
    statement = statement.order_by(columns.number if is_ascending else columns.number.desc()).limit(limit)
    return await gently(_run, await connection.execute(statement))


async def find_due_schedules(
    connection: AsyncConnection, now: datetime, after: DueSchedule | None, limit: int
) -> list[DueSchedule]:
    """Of all ledgers, what has waited longest first. For an operator's unit of work."""
    columns = scheduled_payments.c
    key = (columns.attempt_at, columns.ledger_id, columns.id)
    statement = select(*[columns[name] for name in DueSchedule._fields]).where(
        columns.attempt_at <= now, columns.status == "scheduled"
    )
    return [DueSchedule(*row) for row in await connection.execute(longest_due(statement, key, after, limit))]


def _schedule(row: Row[Any]) -> RecordedSchedule:
    return RecordedSchedule(
        id=row.id,
        type=PaymentType(row.type),
        status=ScheduleStatus(row.status),
        amount=row.amount,
        currency=row.currency,
        payer_id=row.payer_id,
        payer_code=row.payer_code,
        payee_id=row.payee_id,
        payee_code=row.payee_code,
        texts=PaymentTexts(*[getattr(row, name) for name in PaymentTexts._fields]),
        execute_at=row.execute_at,
        recurrence=None if row.rule is None else Recurrence(row.rule, row.time_zone),
        occurrences=row.occurrences,
        policy=RefusalPolicy(OnRefusal(row.on_refusal), row.attempts_max, row.retry_seconds),
        actor=row.actor,
        created_at=row.created_at,
        metadata=row.metadata or {},
        attempt_at=row.attempt_at,
        runs=row.runs,
        payments=row.payments,
        ended_at=row.ended_at,
    )


def _run(row: Row[Any]) -> RecordedRun:
    return RecordedRun(
        id=row.id,
        number=row.number,
        occurrence=row.occurrence,
        attempt=row.attempt,
        due_at=row.due_at,
        ran_at=row.ran_at,
        outcome=RunOutcome(row.outcome),
        payment_id=row.payment_id,
        refusal=row.refusal,
        retry_at=row.retry_at,
    )
