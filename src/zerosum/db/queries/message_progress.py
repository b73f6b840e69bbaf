"""How far what comes in and what goes out has come, of one ledger: each figure bounded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from zerosum.db.identifiers import made_at
from zerosum.db.queries.events import is_settled
from zerosum.db.queries.pages import look_up_by_key
from zerosum.db.schema.tables import ingest_positions


@dataclass(frozen=True, slots=True, kw_only=True)
class InputProgress:
    """A partition of an input. `begun` messages are under way; `suspects` are tried one by one after a crash."""

    input: str
    topic: str
    partition: str
    next_offset: int | None
    last_place: str | None
    holder: str
    held_until: datetime | None
    begun: int
    tries: int
    suspects: int
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """What an endpoint has before it, and how it went lately. No count goes beyond the bound it was asked with."""

    pending: int
    waiting_since: datetime | None
    """When the oldest event was made that was counted and has not been delivered."""
    next_at: datetime | None
    failed: int
    parked: int
    delivered: int
    newest: int
    """Of so many of the newest deliveries, `delivered` were."""


async def input_progress(connection: AsyncConnection, ledger_id: UUID, limit: int) -> list[InputProgress]:
    columns = ingest_positions.c
    statement = select(ingest_positions).where(columns.ledger_id == ledger_id)
    ordered = statement.order_by(columns.input, columns.topic, columns.partition).limit(limit)
    names = InputProgress.__slots__
    return [InputProgress(**{name: getattr(row, name) for name in names}) for row in await connection.execute(ordered)]


_BACKLOG = text(f"""
select endpoint.id, pending.number as pending, pending.event_id, behind.created_at, due.next_at,
       ended.failed, ended.parked, lately.delivered, lately.newest
from webhook_endpoints endpoint
cross join lateral (
    select count(*) as number, min(event_id::text)::uuid as event_id from (
        select event_id from webhook_deliveries delivery
        where delivery.ledger_id = endpoint.ledger_id and delivery.endpoint_id = endpoint.id and status = 'pending'
        limit :most) few
) pending
left join lateral (
    select next_at from webhook_deliveries delivery
    where delivery.ledger_id = endpoint.ledger_id and delivery.endpoint_id = endpoint.id and status = 'pending'
      and next_at is not null order by next_at limit 1
) due on true
left join lateral (
    select created_at from events event
    where event.ledger_id = endpoint.ledger_id and (event.xid, event.id) > (endpoint.feed_xid, endpoint.feed_id)
      and {is_settled()} and endpoint.status = 'enabled' order by event.xid, event.id limit 1
) behind on true
cross join lateral (
    select count(*) filter (where status = 'failed') as failed, count(*) filter (where status = 'parked') as parked
    from (
        select status from webhook_deliveries delivery
        where delivery.ledger_id = endpoint.ledger_id and delivery.endpoint_id = endpoint.id
          and status in ('failed', 'parked') order by event_id desc limit :most) few
) ended
cross join lateral (
    select count(*) as newest, count(*) filter (where status = 'delivered') as delivered
    from (
        select status from webhook_deliveries delivery
        where delivery.ledger_id = endpoint.ledger_id and delivery.endpoint_id = endpoint.id
        order by event_id desc limit :most) few
) lately
where endpoint.ledger_id = :ledger_id and endpoint.id = any(cast(:ids as uuid[]))
""")  # noqa: S608 - made of constants


async def backlogs(
    connection: AsyncConnection, ledger_id: UUID, endpoint_ids: Sequence[UUID], most: int
) -> dict[UUID, Backlog]:
    """By endpoint."""
    await look_up_by_key(connection)
    rows = await connection.execute(_BACKLOG, {"ledger_id": ledger_id, "ids": list(endpoint_ids), "most": most})
    return {row.id: _backlog(row) for row in rows}


def _backlog(row: Row[Any]) -> Backlog:
    waiting = [row.created_at, None if row.event_id is None else made_at(row.event_id)]
    return Backlog(
        pending=row.pending,
        waiting_since=min((moment for moment in waiting if moment is not None), default=None),
        next_at=row.next_at,
        failed=row.failed,
        parked=row.parked,
        delivered=row.delivered,
        newest=row.newest,
    )
