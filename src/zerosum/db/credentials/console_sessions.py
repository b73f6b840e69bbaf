"""Sessions of the console and the links that begin them, in PostgreSQL: of each token only a digest."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Row, Select, Table, Uuid, any_, cast, delete, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from zerosum.db.queries.accounts import paged
from zerosum.db.queries.audit_log import first_id
from zerosum.db.schema.tables import console_links, console_sessions
from zerosum.domain.identifiers import SERVICE_LEDGER


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRecord:
    """`ledgers` None: all. `way` is how it began: by a link, or by an issuer, who calls the role as `claimed` says."""

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
    claimed: str | None = None


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


async def list_open_sessions(
    connection: AsyncConnection,
    ledger_id: UUID | None,
    subject: str | None,
    *,
    made_after: datetime,
    used_after: datetime,
    after: UUID | None,
    limit: int,
    is_ascending: bool,
) -> list[SessionRecord]:
    """A page by id, which is by the time they were made; None: of every ledger, or of everybody."""
    statement = _open_sessions(made_after, used_after)
    if ledger_id is not None:
        ledgers = console_sessions.c.ledgers
        statement = statement.where(or_(ledgers.is_(None), any_(ledgers) == ledger_id))
    if subject is not None:
        statement = statement.where(console_sessions.c.subject == subject)
    rows = await connection.execute(paged(statement, console_sessions.c.id, after, limit, is_ascending=is_ascending))
    return [SessionRecord(**_members(SessionRecord, row)) for row in rows]


async def lock_sessions_of(
    connection: AsyncConnection, subject: str, *, made_after: datetime, used_after: datetime
) -> list[SessionRecord]:
    statement = _open_sessions(made_after, used_after).where(console_sessions.c.subject == subject)
    rows = await connection.execute(statement.order_by(console_sessions.c.id).with_for_update())
    return [SessionRecord(**_members(SessionRecord, row)) for row in rows]


async def end_sessions(connection: AsyncConnection, ids: Collection[UUID], ended_at: datetime) -> None:
    columns = console_sessions.c
    statement = update(console_sessions).where(columns.ledger_id == SERVICE_LEDGER, columns.id.in_(ids))
    await connection.execute(statement.where(columns.ended_at.is_(None)).values(ended_at=ended_at))


async def use_up_links(
    connection: AsyncConnection, subject: str, reach: tuple[UUID, ...] | None, used_at: datetime
) -> None:
    """Those for a person that nobody has used: of these ledgers alone, or all."""
    columns = console_links.c
    statement = update(console_links).where(columns.ledger_id == SERVICE_LEDGER, columns.subject == subject)
    if reach is not None:
        statement = statement.where(columns.ledgers.op("<@")(cast(list(reach), ARRAY(Uuid))))
    await connection.execute(statement.where(columns.used_at.is_(None)).values(used_at=used_at))


def _open_sessions(made_after: datetime, used_after: datetime) -> Select[Any]:
    """The ids tell when they were made: what ended by its age is not looked at."""
    columns = console_sessions.c
    return select(console_sessions).where(
        columns.ledger_id == SERVICE_LEDGER,
        columns.id >= first_id(made_after),
        columns.made_at > made_after,
        columns.used_at > used_after,
        columns.ended_at.is_(None),
    )


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
