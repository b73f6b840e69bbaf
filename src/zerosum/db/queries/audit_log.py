"""The security log in PostgreSQL: rows that are only ever added, by the role of the service as by everybody else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Select, literal, select, true
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from zerosum.db.gently import gently
from zerosum.db.queries.accounts import paged
from zerosum.db.schema.tables import audit_log, ledgers
from zerosum.domain.audit import AuditRecord as AuditRecord  # shown by the use cases
from zerosum.domain.audit import AuditType
from zerosum.domain.identifiers import SERVICE_LEDGER, LedgerId

CLOCK_SLACK = timedelta(minutes=1)
"""An id is made within this time of the moment that its row tells."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditFilter:
    """Which rows are wanted: of one ledger or of all, of one type, from `start` to before `end`."""

    ledger_id: LedgerId | None = None
    type: str | None = None
    start: datetime | None = None
    end: datetime | None = None


async def insert_audit_records(connection: AsyncConnection, records: Sequence[AuditRecord]) -> None:
    """Those of them that are not there yet: whoever does not know whether he has written a row writes it again."""
    if records:
        statement = insert(audit_log).on_conflict_do_nothing(constraint="audit_log_pkey")
        await connection.execute(statement, [_row(record) for record in records])


async def list_audit_records(
    connection: AsyncConnection, wanted: AuditFilter, *, after: UUID | None, limit: int, is_ascending: bool
) -> list[AuditRecord]:
    """A page by id, which is by time."""

    def page(statement: Select[Any]) -> Select[Any]:
        return paged(_narrowed(statement, wanted), audit_log.c.id, after, limit, is_ascending=is_ascending)

    if wanted.ledger_id is not None:
        statement = page(select(audit_log).where(audit_log.c.ledger_id == wanted.ledger_id))
        return [read_record(row) for row in await connection.execute(statement)]
    # Every index begins with the ledger. So a page of each ledger is looked up, and the page of all is among those:
    # the cost grows with the number of ledgers and not with the length of the log.
    every = select(ledgers.c.ledger_id).union(select(literal(SERVICE_LEDGER, audit_log.c.ledger_id.type))).subquery()
    of_each = page(select(audit_log).where(audit_log.c.ledger_id == every.c.ledger_id)).lateral()
    key = of_each.c.id.asc() if is_ascending else of_each.c.id.desc()
    rows = await connection.execute(select(of_each).select_from(every.join(of_each, true())).order_by(key).limit(limit))
    return await gently(read_record, rows)


async def has_audit_record(connection: AsyncConnection, like: AuditRecord, *, since: datetime) -> bool:
    """Whether the same was told since then: of that type, about that resource, by that actor."""
    wanted = AuditFilter(ledger_id=like.ledger_id, type=like.type.value, start=since)
    columns = audit_log.c
    same = select(columns.id).where(
        columns.ledger_id == like.ledger_id, columns.actor == like.actor, columns.resource == like.resource
    )
    return (await connection.execute(_narrowed(same, wanted).limit(1))).first() is not None


def _narrowed(statement: Select[Any], wanted: AuditFilter) -> Select[Any]:
    if wanted.type is not None:
        statement = statement.where(audit_log.c.type == wanted.type)
    # The ids begin with the time they were made at, so that a span is a range of the index.
    if wanted.start is not None:
        statement = statement.where(audit_log.c.recorded_at >= wanted.start)
        statement = statement.where(audit_log.c.id >= first_id(wanted.start - CLOCK_SLACK))
    if wanted.end is not None:
        statement = statement.where(audit_log.c.recorded_at < wanted.end)
        statement = statement.where(audit_log.c.id < first_id(wanted.end + CLOCK_SLACK))
    return statement


def first_id(moment: datetime) -> UUID:
    """Below every UUIDv7 of this millisecond or later."""
    milliseconds = max(0, int(moment.timestamp() * 1000))
    return UUID(int=milliseconds << 80)


def _row(record: AuditRecord) -> dict[str, Any]:
    return {
        "ledger_id": record.ledger_id,
        "id": record.id,
        "recorded_at": record.recorded_at,
        "type": record.type.value,
        "actor": record.actor,
        "address": record.address,
        "request_id": record.request_id,
        "resource": record.resource,
        "reason": record.reason,
        "occurrences": record.occurrences,
        "facts": dict(record.facts) or None,
    }


def read_record(row: Row[Any]) -> AuditRecord:
    return AuditRecord(
        ledger_id=LedgerId(row.ledger_id),
        id=row.id,
        recorded_at=row.recorded_at,
        type=AuditType(row.type),
        actor=row.actor,
        address=row.address,
        request_id=row.request_id,
        resource=row.resource,
        reason=row.reason,
        occurrences=row.occurrences,
        facts=row.facts or {},
    )
