"""Routes that ledgers have of their own: the version that counts, all of them, and both beside the security log."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, null, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from zerosum.db.schema.tables import ledger_routes
from zerosum.domain.payments.ledger_routes import LedgerRoutes

_columns = ledger_routes.c

_ALL = text("""
select made.version, exists (
    select from audit_log log
    where log.ledger_id = made.ledger_id and log.type = 'routes.changed' and log.recorded_at = made.created_at
    and log.actor = made.actor
    and log.facts = jsonb_build_object('version', made.version, 'why', made.why, 'routes', made.routes)
) as is_told
from ledger_routes made where made.ledger_id = :ledger_id and made.version > :after order by made.version limit :limit
""")

_MISSING = text("""
select log.facts->>'version' as version from audit_log log
where log.ledger_id = :ledger_id and log.type = 'routes.changed' and not exists (
    select from ledger_routes made
    where made.ledger_id = log.ledger_id and to_jsonb(made.version) = log.facts->'version'
) order by log.id limit :limit
""")


async def find_routes(connection: AsyncConnection, ledger_id: UUID) -> LedgerRoutes:
    """The version that counts; an empty one of version 0 where there was never any."""
    found = await list_routes(connection, ledger_id, after=None, limit=1, is_ascending=False)
    return found[0] if found else LedgerRoutes()


async def list_routes(
    connection: AsyncConnection, ledger_id: UUID, *, after: int | None, limit: int, is_ascending: bool
) -> list[LedgerRoutes]:
    statement = select(ledger_routes).where(_columns.ledger_id == ledger_id)
    if after is not None:
        statement = statement.where(_columns.version > after if is_ascending else _columns.version < after)
    order = _columns.version.asc() if is_ascending else _columns.version.desc()
    return [_routes(row) for row in await connection.execute(statement.order_by(order).limit(limit))]


async def insert_routes(connection: AsyncConnection, ledger_id: UUID, made: LedgerRoutes) -> bool:
    """False where somebody else has made one of this version."""
    done = await connection.execute(
        insert(ledger_routes)
        .values(
            ledger_id=ledger_id,
            version=made.version,
            routes=null() if made.routes is None else [dict(one) for one in made.routes],
            why=made.why,
            actor=made.actor,
            created_at=made.created_at,
        )
        .on_conflict_do_nothing(constraint="ledger_routes_pkey")
        .returning(_columns.version)
    )
    return done.first() is not None


async def routes_after(connection: AsyncConnection, ledger_id: UUID, after: int, *, limit: int) -> Sequence[Row[Any]]:
    """Their versions, and whether the security log tells of each exactly what is stored."""
    return (await connection.execute(_ALL, {"ledger_id": ledger_id, "after": after, "limit": limit})).all()


async def missing_routes(connection: AsyncConnection, ledger_id: UUID, *, limit: int) -> Sequence[str | None]:
    """The versions that the security log tells of and that are not there."""
    return (await connection.execute(_MISSING, {"ledger_id": ledger_id, "limit": limit})).scalars().all()


def _routes(row: Row[Any]) -> LedgerRoutes:
    return LedgerRoutes(
        version=row.version,
        routes=None if row.routes is None else tuple(row.routes),
        why=row.why,
        actor=row.actor,
        created_at=row.created_at,
    )
