"""What lies about a payment in other tables, found by the ids of its journal entries: nothing here reads a range."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import and_, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from zerosum.db.identifiers import made_at
from zerosum.db.queries.pages import look_up_by_key
from zerosum.db.schema.tables import events, postings, webhook_deliveries, webhook_endpoints

_NEAR = timedelta(seconds=5)
"""How far an event's own time lies from the one in its id: by that an index of a few bytes finds it."""

EVENTS_LOOKED_UP_MAX = 40
DELIVERIES_SHOWN_MAX = 200


class EventTold(NamedTuple):
    id: UUID
    type: str
    created_at: datetime


class DeliveryTold(NamedTuple):
    event_id: UUID
    endpoint_id: UUID
    url: str
    status: str
    attempts: int
    attempted_at: datetime | None
    next_at: datetime | None
    status_code: int | None
    error: str | None


async def hold_of_entry(connection: AsyncConnection, ledger_id: UUID, entry_id: UUID) -> UUID | None:
    """The hold that an entry has placed or released."""
    found: UUID | None = await connection.scalar(
        select(postings.c.hold_id)
        .where(postings.c.ledger_id == ledger_id, postings.c.entry_id == entry_id, postings.c.hold_id.is_not(None))
        .limit(1)
    )
    return found


async def events_of_entries(
    connection: AsyncConnection, ledger_id: UUID, entry_ids: Collection[UUID]
) -> list[EventTold]:
    """Those that bear the ids of these entries, of at most EVENTS_LOOKED_UP_MAX of them."""
    columns = events.c
    each = [
        and_(columns.id == id_, columns.created_at.between(made_at(id_) - _NEAR, made_at(id_) + _NEAR))
        for id_ in sorted(entry_ids)[:EVENTS_LOOKED_UP_MAX]
    ]
    statement = select(columns.id, columns.type, columns.created_at).where(columns.ledger_id == ledger_id, or_(*each))
    rows = await connection.execute(statement.order_by(columns.created_at, columns.xid))
    return [EventTold(row.id, row.type, row.created_at) for row in rows]


async def deliveries_of_events(
    connection: AsyncConnection, ledger_id: UUID, event_ids: Collection[UUID]
) -> list[DeliveryTold]:
    """To every endpoint of the ledger."""
    if not event_ids:
        return []
    await look_up_by_key(connection)
    sent, endpoint = webhook_deliveries.c, webhook_endpoints.c
    statement = (
        select(webhook_deliveries, endpoint.url)
        .join(webhook_endpoints, and_(endpoint.ledger_id == sent.ledger_id, endpoint.id == sent.endpoint_id))
        .where(endpoint.ledger_id == ledger_id, sent.ledger_id == ledger_id, sent.event_id.in_(event_ids))
        .order_by(sent.event_id, sent.endpoint_id)
        .limit(DELIVERIES_SHOWN_MAX)
    )
    return [
        DeliveryTold(*(getattr(row, name) for name in DeliveryTold._fields))
        for row in await connection.execute(statement)
    ]
