"""Reading a ledger's charts for its proof, each beside what the security log tells of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

_CHARTS = text("""
select chart.version, exists (
    select from audit_log log
    where log.ledger_id = chart.ledger_id and log.type = 'chart.changed' and log.recorded_at = chart.created_at
    and log.actor = chart.actor and log.facts = jsonb_build_object('version', chart.version, 'rules', chart.rules)
) as is_told
from charts chart where chart.ledger_id = :ledger_id and chart.version > :after order by chart.version limit :limit
""")

_MISSING = text("""
select log.facts->>'version' as version from audit_log log
where log.ledger_id = :ledger_id and log.type = 'chart.changed' and not exists (
    select from charts chart where chart.ledger_id = log.ledger_id and to_jsonb(chart.version) = log.facts->'version'
) order by log.id limit :limit
""")


async def charts_after(connection: AsyncConnection, ledger_id: UUID, after: int, *, limit: int) -> Sequence[Row[Any]]:
    """Their versions, and whether the security log tells of each exactly what is stored."""
    return (await connection.execute(_CHARTS, {"ledger_id": ledger_id, "after": after, "limit": limit})).all()


async def missing_charts(connection: AsyncConnection, ledger_id: UUID, *, limit: int) -> Sequence[str | None]:
    """The versions that the security log tells of and that are not there."""
    return (await connection.execute(_MISSING, {"ledger_id": ledger_id, "limit": limit})).scalars().all()
