"""Sessions of the console and the links that begin them, in PostgreSQL: of each token only a digest."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Table, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from zerosum.db.queries.audit_log import first_id
from zerosum.db.schema.tables import console_links, console_sessions
from zerosum.domain.identifiers import SERVICE_LEDGER


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRecord:
    """`ledgers` None: all. `way` is how it began: by a link, or by an issuer."""

    id: UUID
    digest: bytes
    subject: str
    role: str
    ledgers: tuple[UUID, ...] | None
    way: str
    made_at: datetime
    used_at: datetime
    stepped_up_at: datetime
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkRecord:
    """Good once, until it expires."""

    id: UUID
    digest: bytes
    subject: str
    role: str
    ledgers: tuple[UUID, ...] | None
    made_at: datetime
    expires_at: datetime
    used_at: datetime | None = None


async def insert_session(connection: AsyncConnection, record: SessionRecord) -> None:
    await connection.execute(insert(console_sessions).values(_values(record)))


async def insert_link(connection: AsyncConnection, record: LinkRecord) -> None:
    await connection.execute(insert(console_links).values(_values(record)))


async def find_session(connection: AsyncConnection, id_: UUID) -> SessionRecord | None:
    """Whether or not it is still good."""
    row = (await connection.execute(select(console_sessions).where(*_is(console_sessions, id_)))).first()
    return None if row is None else SessionRecord(**_members(SessionRecord, row))


async def lock_link(connection: AsyncConnection, id_: UUID) -> LinkRecord | None:
    """Whoever else has it waits, and then finds it used."""
    statement = select(console_links).where(*_is(console_links, id_)).with_for_update()
    row = (await connection.execute(statement)).first()
    return None if row is None else LinkRecord(**_members(LinkRecord, row))


async def mark_link_used(connection: AsyncConnection, id_: UUID, used_at: datetime) -> None:
    await connection.execute(update(console_links).where(*_is(console_links, id_)).values(used_at=used_at))


async def update_session(connection: AsyncConnection, id_: UUID, **moments: datetime) -> None:
    """`used_at`, `stepped_up_at`, `ended_at`."""
    await connection.execute(update(console_sessions).where(*_is(console_sessions, id_)).values(moments))


async def delete_older(connection: AsyncConnection, before: datetime) -> None:
    """Sessions and links made before that time, all of which have ended."""
    for table in (console_sessions, console_links):
        statement = delete(table).where(table.c.ledger_id == SERVICE_LEDGER, table.c.id < first_id(before))
        await connection.execute(statement)


def _is(table: Table, id_: UUID) -> tuple[Any, ...]:
    return table.c.ledger_id == SERVICE_LEDGER, table.c.id == id_


def _values(record: SessionRecord | LinkRecord) -> dict[str, Any]:
    values = {member.name: getattr(record, member.name) for member in fields(record)}
    ledgers = record.ledgers
    return {**values, "ledger_id": SERVICE_LEDGER, "ledgers": None if ledgers is None else list(ledgers)}


def _members(kind: type[SessionRecord | LinkRecord], row: Row[Any]) -> dict[str, Any]:
    members = {member.name: getattr(row, member.name) for member in fields(kind)}
    members["digest"] = bytes(row.digest)
    members["ledgers"] = None if row.ledgers is None else tuple(row.ledgers)
    return members
