"""Which files were imported into a ledger, by name and content."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from zerosum.db.schema.tables import imports


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportRecord:
    name: str
    content_sha256: bytes
    created_at: datetime


async def remember_import(connection: AsyncConnection, ledger_id: UUID, record: ImportRecord) -> ImportRecord:
    """The record of this name: the one given, or the one that was there before."""
    statement = (
        insert(imports)
        .values(
            ledger_id=ledger_id,
            name=record.name,
            content_sha256=record.content_sha256,
            created_at=record.created_at,
        )
        .on_conflict_do_nothing(constraint="imports_pkey")
    )
    await connection.execute(statement)
    wanted = select(imports).where(imports.c.ledger_id == ledger_id, imports.c.name == record.name)
    row = (await connection.execute(wanted)).one()
    return ImportRecord(name=row.name, content_sha256=row.content_sha256, created_at=row.created_at)
