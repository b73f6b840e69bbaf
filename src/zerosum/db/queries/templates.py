"""Reading templates. What is written to them goes through `batch` alone."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import Row, not_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from zerosum.db.gently import gently
from zerosum.db.queries.pages import in_order, look_up_by_key, page_by
from zerosum.db.schema.tables import journal_entries, refusals, templates
from zerosum.domain.ledger.templates.template import Template


async def find_template(
    connection: AsyncConnection, ledger_id: UUID, name: str, version: int | None
) -> Template | None:
    """The newest, where no version is asked for."""
    statement = select(templates).where(templates.c.ledger_id == ledger_id, templates.c.name == name)
    if version is not None:
        statement = statement.where(templates.c.version == version)
    row = (await connection.execute(statement.order_by(templates.c.version.desc()).limit(1))).one_or_none()
    return None if row is None else _template(row)


async def label_under_key(connection: AsyncConnection, ledger_id: UUID, key: str) -> str | None:
    """Of the template by which an entry was posted under this idempotency key, or refused."""
    entry, refusal = journal_entries.c, refusals.c
    posted = select(entry.resource_id).where(entry.ledger_id == ledger_id, entry.idempotency_key == key)
    refused = select(refusal.problem["stands_on"].astext).where(
        refusal.ledger_id == ledger_id, refusal.idempotency_key == key
    )
    for statement in (posted, refused):
        found: str | None = (await connection.execute(statement)).scalar_one_or_none()
        if found is not None:
            return found
    return None


async def list_templates(
    connection: AsyncConnection, ledger_id: UUID, *, after: str | None, limit: int, is_ascending: bool
) -> list[Template]:
    """The newest version of each name, by name."""
    await look_up_by_key(connection)
    later = templates.alias("later")
    is_followed = (
        select(later.c.version)
        .where(later.c.ledger_id == ledger_id, later.c.name == templates.c.name)
        .where(later.c.version == templates.c.version + 1)
        .exists()
    )
    newest = select(templates).where(templates.c.ledger_id == ledger_id, not_(is_followed))
    page = page_by(newest, [templates.c.name], None if after is None else [after], limit, is_ascending=is_ascending)
    return await gently(_template, await connection.execute(in_order(select(page), page, is_ascending=is_ascending)))


def _template(row: Row[Any]) -> Template:
    return Template(
        ledger_id=row.ledger_id,
        name=row.name,
        version=row.version,
        content=row.content,
        created_at=row.created_at,
        actor=row.actor,
        hash=row.hash,
    )
