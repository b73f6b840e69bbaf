"""Wrapped data keys in PostgreSQL. They are never deleted: what was sealed under one must open for ever."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, insert, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from zerosum.db.schema.tables import data_keys
from zerosum.domain.identifiers import LedgerId


@dataclass(frozen=True, slots=True, kw_only=True)
class WrappedDataKey:
    ledger_id: LedgerId
    id: UUID
    master_key_id: str
    wrapped_key: str
    created_at: datetime


async def insert_data_key(connection: AsyncConnection, key: WrappedDataKey) -> None:
    await connection.execute(
        insert(data_keys).values(
            ledger_id=key.ledger_id,
            id=key.id,
            master_key_id=key.master_key_id,
            wrapped_key=key.wrapped_key,
            created_at=key.created_at,
        )
    )


async def find_newest_data_key(connection: AsyncConnection, ledger_id: LedgerId) -> WrappedDataKey | None:
    """The key under which new values are sealed."""
    statement = (
        select(data_keys)
        .where(data_keys.c.ledger_id == ledger_id)
        .order_by(data_keys.c.created_at.desc(), data_keys.c.id.desc())
        .limit(1)
    )
    row = (await connection.execute(statement)).first()
    return None if row is None else _wrapped(row)


async def find_data_key(connection: AsyncConnection, ledger_id: LedgerId, key_id: UUID) -> WrappedDataKey | None:
    statement = select(data_keys).where(data_keys.c.ledger_id == ledger_id, data_keys.c.id == key_id)
    row = (await connection.execute(statement)).first()
    return None if row is None else _wrapped(row)


async def list_data_keys_to_rewrap(
    connection: AsyncConnection,
    ledger_ids: Collection[LedgerId],
    master_key_id: str,
    *,
    after: tuple[LedgerId, UUID] | None,
    limit: int,
) -> list[WrappedDataKey]:
    """A page of these ledgers' keys that another master key wraps, by ledger and id."""
    place = tuple_(data_keys.c.ledger_id, data_keys.c.id)
    statement = select(data_keys).where(
        data_keys.c.ledger_id.in_(ledger_ids), data_keys.c.master_key_id != master_key_id
    )
    if after is not None:
        statement = statement.where(place > after)
    rows = await connection.execute(statement.order_by(data_keys.c.ledger_id, data_keys.c.id).limit(limit))
    return [_wrapped(row) for row in rows]


async def replace_wrapping(connection: AsyncConnection, old: WrappedDataKey, new: WrappedDataKey) -> bool:
    """Whether the key was still wrapped as it was read; otherwise somebody else has rewrapped it."""
    statement = (
        update(data_keys)
        .where(
            data_keys.c.ledger_id == old.ledger_id,
            data_keys.c.id == old.id,
            data_keys.c.wrapped_key == old.wrapped_key,
        )
        .values(master_key_id=new.master_key_id, wrapped_key=new.wrapped_key)
        .returning(data_keys.c.id)
    )
    return (await connection.execute(statement)).first() is not None


def _wrapped(row: Row[Any]) -> WrappedDataKey:
    return WrappedDataKey(
        ledger_id=LedgerId(row.ledger_id),
        id=row.id,
        master_key_id=row.master_key_id,
        wrapped_key=row.wrapped_key,
        created_at=row.created_at,
    )
