"""The feed of a ledger backwards, for people: the newest first."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import Uuid, cast, literal, select, text, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from zerosum.db.queries.events import (
    SCANNED_MAX,
    EventFilter,
    FeedPosition,
    RecordedEvent,
    is_settled,
    is_wanted,
    recorded_event,
)
from zerosum.db.queries.pages import look_up_by_key
from zerosum.db.schema.tables import Xid8, events


async def events_before(
    connection: AsyncConnection, ledger_id: UUID, position: FeedPosition | None, wanted: EventFilter, limit: int
) -> tuple[list[RecordedEvent], FeedPosition | None]:
    """At most `limit`, out of at most SCANNED_MAX; and where looking ended, if that was before the beginning.

    Without a position the newest.
    """
    await look_up_by_key(connection)
    everything = select(events).where(events.c.ledger_id == ledger_id, text(is_settled("events")))
    if position is not None:
        place = tuple_(cast(literal(position.xid, Xid8()), Xid8()), literal(position.id, Uuid()))
        everything = everything.where(tuple_(events.c.xid, events.c.id) < place)
    most = SCANNED_MAX if wanted.is_narrow else limit + 1
    newest = everything.order_by(events.c.xid.desc(), events.c.id.desc()).limit(most)
    looked_at = newest.cte("looked_at").prefix_with("materialized")
    page = select(looked_at).where(*is_wanted(looked_at.c, ledger_id, wanted))
    ordered = page.order_by(looked_at.c.xid.desc(), looked_at.c.id.desc()).limit(limit + 1)
    found = [recorded_event(row) for row in await connection.execute(ordered)]
    if len(found) > limit:
        return found[:limit], found[limit - 1].position
    if not wanted.is_narrow:
        return found, None
    last = newest.with_only_columns(events.c.xid, events.c.id).offset(SCANNED_MAX - 1).limit(1)
    row = (await connection.execute(last)).one_or_none()
    return found, None if row is None else FeedPosition(row.xid, row.id)
