"""Charts of ledgers. Each change adds a whole chart; the newest counts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from zerosum.db.schema.tables import charts
from zerosum.domain.errors import RecordUnreadable, ValidationFailed
from zerosum.domain.ledger.account import AccountType
from zerosum.domain.ledger.chart import Chart, ChartRule


@dataclass(frozen=True, slots=True, kw_only=True)
class ChartChange:
    actor: str
    created_at: datetime


async def find_chart(connection: AsyncConnection, ledger_id: UUID) -> Chart:
    """The one that counts; an empty one of version 0 where there was never any. Raises RecordUnreadable."""
    newest = select(charts).where(charts.c.ledger_id == ledger_id).order_by(charts.c.version.desc()).limit(1)
    row = (await connection.execute(newest)).first()
    return Chart() if row is None else Chart(tuple(_rules(row.rules)), row.version)


async def insert_chart(connection: AsyncConnection, ledger_id: UUID, chart: Chart, change: ChartChange) -> bool:
    """False where somebody else has made one of this version."""
    made = await connection.execute(
        insert(charts)
        .values(
            ledger_id=ledger_id,
            version=chart.version,
            rules=[rule_content(rule) for rule in chart.rules],
            actor=change.actor,
            created_at=change.created_at,
        )
        .on_conflict_do_nothing(constraint="charts_pkey")
        .returning(charts.c.version)
    )
    return made.first() is not None


def rule_content(rule: ChartRule) -> dict[str, Any]:
    """As plain data: stored, shown and told to the security log."""
    return {
        "pattern": rule.pattern,
        "type": rule.type.value,
        "currency": rule.currency,
        "min_available": rule.min_available,
        "max_available": rule.max_available,
        "velocity_limits": list(rule.velocity_limits),
    }


def _rules(stored: Any) -> list[ChartRule]:
    """Raises RecordUnreadable: the database can hold what is no chart."""
    if not isinstance(stored, list):
        raise _unreadable()
    try:
        return [ChartRule(**{**one, **_read(one)}) for one in stored]
    except (LookupError, TypeError, ValueError, ValidationFailed) as error:
        raise _unreadable() from error


def _read(stored: Any) -> dict[str, Any]:
    return {"type": AccountType(stored["type"]), "velocity_limits": tuple(stored.get("velocity_limits", ()))}


def _unreadable() -> RecordUnreadable:
    return RecordUnreadable("The ledger's chart cannot be read.")
