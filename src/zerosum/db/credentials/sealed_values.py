"""Where sealed values lie. A table that gets a sealed column is added here, and key rotation reaches it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, Table, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from zerosum.db.schema.tables import checkpoint_keys, signing_keys, subjects, webhook_endpoints
from zerosum.domain.identifiers import LedgerId


@dataclass(frozen=True, slots=True)
class SealedColumn:
    """A column of sealed values and the column that names its rows within a ledger."""

    table: Table
    column: Column[str]
    row_id: Column[Any]


SEALED_COLUMNS = (
    SealedColumn(signing_keys, signing_keys.c.sealed_private_key, signing_keys.c.id),
    SealedColumn(checkpoint_keys, checkpoint_keys.c.sealed_private_key, checkpoint_keys.c.id),
    SealedColumn(webhook_endpoints, webhook_endpoints.c.sealed_secret, webhook_endpoints.c.id),
    SealedColumn(webhook_endpoints, webhook_endpoints.c.sealed_previous_secret, webhook_endpoints.c.id),
    SealedColumn(webhook_endpoints, webhook_endpoints.c.sealed_headers, webhook_endpoints.c.id),
    SealedColumn(subjects, subjects.c.sealed_key, subjects.c.reference),
)


async def list_sealed_values(
    connection: AsyncConnection, place: SealedColumn, ledger_id: LedgerId, *, after: Any | None, limit: int
) -> list[tuple[Any, str]]:
    """A page of row ids and their sealed values, by row id."""
    statement = select(place.row_id, place.column).where(
        place.table.c.ledger_id == ledger_id, place.column.is_not(None)
    )
    if after is not None:
        statement = statement.where(place.row_id > after)
    rows = await connection.execute(statement.order_by(place.row_id).limit(limit))
    return [(row[0], row[1]) for row in rows]


async def replace_sealed_value(
    connection: AsyncConnection, place: SealedColumn, ledger_id: LedgerId, row_id: Any, *, old: str, new: str
) -> bool:
    """Whether the row still held `old`; otherwise its owner has changed or deleted it, and that stands."""
    statement = (
        update(place.table)
        .where(place.table.c.ledger_id == ledger_id, place.row_id == row_id, place.column == old)
        .values({place.column.name: new})
        .returning(place.row_id)
    )
    return (await connection.execute(statement)).first() is not None
