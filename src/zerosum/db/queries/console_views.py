"""Views that people have kept: of one ledger, one person and one list, by name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, delete, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from zerosum.db.schema.tables import console_views


@dataclass(frozen=True, slots=True)
class ViewsOf:
    """Whose views, and of which list."""

    ledger_id: UUID
    subject: str
    page: str


@dataclass(frozen=True, slots=True)
class KeptView:
    """A name, and the filters as an address has them."""

    name: str
    query: str


async def list_views(connection: AsyncConnection, whose: ViewsOf, *, limit: int) -> Sequence[KeptView]:
    columns = console_views.c
    statement = select(columns.name, columns.query).where(_of(whose)).order_by(columns.name).limit(limit)
    return [KeptView(row.name, row.query) for row in await connection.execute(statement)]


async def put_view(connection: AsyncConnection, whose: ViewsOf, view: KeptView, saved_at: datetime) -> None:
    """In place of the one of this name, where there is one."""
    values: dict[str, Any] = {"query": view.query, "saved_at": saved_at}
    key = {"ledger_id": whose.ledger_id, "subject": whose.subject, "page": whose.page, "name": view.name}
    statement = insert(console_views).values(key | values)
    await connection.execute(statement.on_conflict_do_update(constraint="console_views_pkey", set_=values))


async def rename_view(connection: AsyncConnection, whose: ViewsOf, name: str, new_name: str) -> bool:
    """Whether there was one. Nobody else of this name is to be there."""
    statement = update(console_views).where(_of(whose), console_views.c.name == name).values(name=new_name)
    return bool((await connection.execute(statement)).rowcount)


async def delete_view(connection: AsyncConnection, whose: ViewsOf, name: str) -> None:
    await connection.execute(delete(console_views).where(_of(whose), console_views.c.name == name))


def _of(whose: ViewsOf) -> ColumnElement[bool]:
    columns = console_views.c
    return and_(columns.ledger_id == whose.ledger_id, columns.subject == whose.subject, columns.page == whose.page)
