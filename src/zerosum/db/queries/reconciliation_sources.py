"""Sources of reconciliation, version by version."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import Row, func, not_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from zerosum.db.queries.pages import in_order, look_up_by_key, page_by
from zerosum.db.schema.tables import reconciliation_sources
from zerosum.domain.reconciliation.sources import ReconciliationSource

_columns = reconciliation_sources.c


async def find_source(
    connection: AsyncConnection, ledger_id: UUID, name: str, version: int | None = None
) -> ReconciliationSource | None:
    """The newest, where no version is asked for."""
    statement = select(reconciliation_sources).where(_columns.ledger_id == ledger_id, _columns.name == name)
    if version is not None:
        statement = statement.where(_columns.version == version)
    row = (await connection.execute(statement.order_by(_columns.version.desc()).limit(1))).one_or_none()
    return None if row is None else _source(row)


async def insert_source(connection: AsyncConnection, source: ReconciliationSource) -> bool:
    """False where somebody else has made one of this version."""
    made = await connection.execute(
        insert(reconciliation_sources)
        .values(
            ledger_id=source.ledger_id,
            name=source.name,
            version=source.version,
            content=dict(source.content),
            actor=source.actor,
            created_at=source.created_at,
        )
        .on_conflict_do_nothing(constraint="reconciliation_sources_pkey")
        .returning(_columns.version)
    )
    return made.first() is not None


async def count_sources(connection: AsyncConnection, ledger_id: UUID) -> int:
    statement = select(func.count()).where(_columns.ledger_id == ledger_id, _columns.version == 1)
    return int((await connection.execute(statement)).scalar_one())


async def list_sources(
    connection: AsyncConnection, ledger_id: UUID, *, after: str | None, limit: int, is_ascending: bool
) -> list[ReconciliationSource]:
    """The newest version of each, by name."""
    await look_up_by_key(connection)
    later = reconciliation_sources.alias("later")
    is_followed = (
        select(later.c.version)
        .where(later.c.ledger_id == ledger_id, later.c.name == _columns.name)
        .where(later.c.version == _columns.version + 1)
        .exists()
    )
    newest = select(reconciliation_sources).where(_columns.ledger_id == ledger_id, not_(is_followed))
    page = page_by(newest, [_columns.name], None if after is None else [after], limit, is_ascending=is_ascending)
    rows = await connection.execute(in_order(select(page), page, is_ascending=is_ascending))
    return [_source(row) for row in rows]


def _source(row: Row[Any]) -> ReconciliationSource:
    return ReconciliationSource(
        ledger_id=row.ledger_id,
        name=row.name,
        version=row.version,
        content=row.content,
        actor=row.actor,
        created_at=row.created_at,
    )
