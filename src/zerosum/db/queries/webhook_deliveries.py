"""Deliveries as their owner sees and steers them: what became of an event at an endpoint, and sending it again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, insert, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from zerosum.db.identifiers import first_uuid_of
from zerosum.db.queries.accounts import paged
from zerosum.db.queries.events import is_of_types, is_settled
from zerosum.db.queries.pages import look_up_by_key
from zerosum.db.queries.webhook_dispatch import PROMOTE
from zerosum.db.schema.tables import webhook_deliveries
from zerosum.domain.events import EventType, ResourceType
from zerosum.domain.webhooks import DeliveryStatus

SCANNED_MAX = 5_000
"""Deliveries that one page looks at, however few of them pass its filter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryRecord:
    endpoint_id: UUID
    event_id: UUID
    type: EventType
    resource_type: ResourceType
    resource_id: UUID
    status: DeliveryStatus
    attempts: int
    next_at: datetime | None
    attempted_at: datetime | None
    status_code: int | None
    error: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryFilter:
    """`start` and `end` are of the event's id, which tells when it was made."""

    status: str | None = None
    event_id: UUID | None = None
    type: str | None = None
    status_code: int | None = None
    start: datetime | None = None
    end: datetime | None = None


async def list_deliveries(
    connection: AsyncConnection,
    ledger_id: UUID,
    endpoint_id: UUID,
    wanted: DeliveryFilter,
    *,
    after: UUID | None,
    limit: int,
    is_ascending: bool,
) -> tuple[list[DeliveryRecord], UUID | None]:
    """At most `limit`, out of at most SCANNED_MAX; and the event where looking ended, if that was before the end."""
    await look_up_by_key(connection)
    delivery = webhook_deliveries.c
    everything = select(webhook_deliveries).where(delivery.ledger_id == ledger_id, delivery.endpoint_id == endpoint_id)
    if wanted.event_id is not None:
        everything = everything.where(delivery.event_id == wanted.event_id)
    if wanted.start is not None:
        everything = everything.where(delivery.event_id >= first_uuid_of(wanted.start))
    if wanted.end is not None:
        everything = everything.where(delivery.event_id < first_uuid_of(wanted.end))
    if wanted.status in (DeliveryStatus.FAILED, DeliveryStatus.PARKED):
        everything = everything.where(text("status in ('failed', 'parked')"))  # says which index it may be
    window = paged(everything, delivery.event_id, after, SCANNED_MAX, is_ascending=is_ascending)
    looked_at = window.cte("looked_at").prefix_with("materialized")
    page = select(looked_at)
    for column, value in (
        (looked_at.c.status, wanted.status),
        (looked_at.c.type, wanted.type),
        (looked_at.c.status_code, wanted.status_code),
    ):
        if value is not None:
            page = page.where(column == value)
    ordered = paged(page, looked_at.c.event_id, None, limit, is_ascending=is_ascending)
    found = [_record(row) for row in await connection.execute(ordered)]
    if len(found) == limit:
        return found, found[-1].event_id
    last = window.with_only_columns(delivery.event_id).offset(SCANNED_MAX - 1).limit(1)
    return found, await connection.scalar(last)


async def find_delivery(
    connection: AsyncConnection, ledger_id: UUID, endpoint_id: UUID, event_id: UUID
) -> DeliveryRecord | None:
    wanted = DeliveryFilter(event_id=event_id)
    found, _ = await list_deliveries(connection, ledger_id, endpoint_id, wanted, after=None, limit=1, is_ascending=True)
    return found[0] if found else None


async def insert_ping(
    connection: AsyncConnection, ledger_id: UUID, endpoint_id: UUID, event_id: UUID, now: datetime
) -> None:
    """An event that is nowhere but here, and for this endpoint alone. It waits for no other of the endpoint's."""
    await connection.execute(
        insert(webhook_deliveries).values(
            ledger_id=ledger_id,
            endpoint_id=endpoint_id,
            event_id=event_id,
            event_xid=text("'0'"),
            type=EventType.WEBHOOK_ENDPOINT_PING.value,
            resource_type=ResourceType.WEBHOOK_ENDPOINT.value,
            resource_id=event_id,
            status=DeliveryStatus.PENDING.value,
            next_at=now,
        )
    )


_PARK = text("""
update webhook_deliveries set status = 'parked', next_at = null, claimed_until = null
where ledger_id = :ledger_id and endpoint_id = :endpoint_id and event_id in (
    select event_id from webhook_deliveries
    where ledger_id = :ledger_id and endpoint_id = :endpoint_id and status = 'pending' limit :at_once)
""")

_AGAIN = """
on conflict (ledger_id, endpoint_id, event_id) do update
set status = 'pending', attempts = 0, next_at = null, claimed_until = null
where webhook_deliveries.status <> 'pending'
"""

_REPLAY_RANGE = text(f"""
with wanted as (
    select event.xid, event.id, event.type, event.resource_type, coalesce(event.resource_id, event.id) as resource_id,
           event.created_at
    from events event
    where event.ledger_id = :ledger_id and event.created_at >= :since and event.created_at < :until
      and {is_settled()}
      and (cast(:types as text[]) is null or {is_of_types("cast(:types as text[])")})
      and not (:only_undelivered and exists (
          select from webhook_deliveries delivery
          where delivery.ledger_id = event.ledger_id and delivery.endpoint_id = :endpoint_id
            and delivery.event_id = event.id and delivery.status = 'delivered'))
    order by event.created_at, event.id limit :at_once
), again as (
    insert into webhook_deliveries (ledger_id, endpoint_id, event_id, event_xid, type, resource_type, resource_id,
                                    status)
    select :ledger_id, :endpoint_id, id, xid, type, resource_type, resource_id, 'pending' from wanted
    {_AGAIN} returning resource_id
)
select (select count(*) from wanted) as looked_at, (select max(created_at) from wanted) as last_at,
       (select count(*) from again) as replayed, array(select distinct resource_id from again) as resources
""")  # noqa: S608 - made of constants

_REPLAY_ONE = text(f"""
insert into webhook_deliveries (ledger_id, endpoint_id, event_id, event_xid, type, resource_type, resource_id, status)
select event.ledger_id, :endpoint_id, event.id, event.xid, event.type, event.resource_type,
       coalesce(event.resource_id, event.id), 'pending'
from events event
where event.ledger_id = :ledger_id and event.id = :event_id and event.xid = cast(:event_xid as xid8)
{_AGAIN} returning resource_id
""")  # noqa: S608 - made of constants

_RESET = text("""
update webhook_deliveries set status = 'pending', attempts = 0, next_at = null, claimed_until = null
where ledger_id = :ledger_id and endpoint_id = :endpoint_id and event_id = :event_id and status <> 'pending'
returning resource_id
""")

_PROMOTE = text(PROMOTE)

_PURGE = text("""
delete from webhook_deliveries
where ledger_id = :ledger_id and endpoint_id = :endpoint_id and event_id in (
    select event_id from webhook_deliveries delivery
    where ledger_id = :ledger_id and endpoint_id = :endpoint_id and event_id < :before
      and (status <> 'pending' or :is_deleted) limit :at_once)
""")

_FREE_STUCK = text("""
with looked_at as materialized (
    select event_id, event_xid, resource_id, status, next_at from webhook_deliveries
    where ledger_id = :ledger_id and endpoint_id = :endpoint_id and event_id > :after order by event_id limit :at_once
), freed as (
    update webhook_deliveries delivery set next_at = :now
    from looked_at
    where delivery.ledger_id = :ledger_id and delivery.endpoint_id = :endpoint_id
      and delivery.event_id = looked_at.event_id and delivery.status = 'pending' and looked_at.status = 'pending'
      and looked_at.next_at is null
      and not exists (
        select from webhook_deliveries earlier
        where earlier.ledger_id = :ledger_id and earlier.endpoint_id = :endpoint_id
          and earlier.resource_id = looked_at.resource_id and earlier.status = 'pending'
          and (earlier.event_xid, earlier.event_id) < (looked_at.event_xid, looked_at.event_id))
)
select case when count(*) = :at_once then (array_agg(event_id order by event_id desc))[1] end from looked_at
""")


async def park_pending(connection: AsyncConnection, ledger_id: UUID, endpoint_id: UUID, *, at_once: int) -> int:
    await look_up_by_key(connection)
    given = {"ledger_id": ledger_id, "endpoint_id": endpoint_id, "at_once": at_once}
    return (await connection.execute(_PARK, given)).rowcount


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """`last_at` is the time of the last event that was looked at, where there may be more."""

    number: int
    last_at: datetime | None


async def replay_range(
    connection: AsyncConnection,
    ledger_id: UUID,
    endpoint_id: UUID,
    types: Sequence[str] | None,
    since: datetime,
    until: datetime,
    now: datetime,
    *,
    only_undelivered: bool,
    at_once: int,
) -> Replayed:
    """With the endpoint locked."""
    given = {
        "ledger_id": ledger_id,
        "endpoint_id": endpoint_id,
        "types": None if types is None else list(types),
        "since": since,
        "until": until,
        "only_undelivered": only_undelivered,
        "at_once": at_once,
    }
    row = (await connection.execute(_REPLAY_RANGE, given)).one()
    await _promote(connection, ledger_id, endpoint_id, row.resources, now)
    return Replayed(number=row.replayed, last_at=row.last_at if row.looked_at == at_once else None)


async def replay_event(
    connection: AsyncConnection, ledger_id: UUID, endpoint_id: UUID, event_id: UUID, event_xid: int, now: datetime
) -> None:
    """Whether or not it was delivered, or meant for the endpoint. With the endpoint locked."""
    given = {"ledger_id": ledger_id, "endpoint_id": endpoint_id, "event_id": event_id, "event_xid": event_xid}
    resources = list((await connection.execute(_REPLAY_ONE, given)).scalars())
    await _promote(connection, ledger_id, endpoint_id, resources, now)


async def replay_delivery(
    connection: AsyncConnection, ledger_id: UUID, endpoint_id: UUID, event_id: UUID, now: datetime
) -> None:
    """With the endpoint locked."""
    given = {"ledger_id": ledger_id, "endpoint_id": endpoint_id, "event_id": event_id}
    resources = list((await connection.execute(_RESET, given)).scalars())
    await _promote(connection, ledger_id, endpoint_id, resources, now)


async def purge_deliveries(
    connection: AsyncConnection,
    ledger_id: UUID,
    endpoint_id: UUID,
    before: datetime,
    *,
    is_deleted: bool,
    at_once: int,
) -> int:
    """What has ended and is that old; of an endpoint that is deleted also what has not. How many were taken away."""
    await look_up_by_key(connection)
    given = {
        "ledger_id": ledger_id,
        "endpoint_id": endpoint_id,
        "before": first_uuid_of(before),
        "is_deleted": is_deleted,
        "at_once": at_once,
    }
    return (await connection.execute(_PURGE, given)).rowcount


async def free_stuck(
    connection: AsyncConnection, ledger_id: UUID, endpoint_id: UUID, now: datetime, after: UUID | None, *, at_once: int
) -> UUID | None:
    """What waits behind nothing is due, of some deliveries behind an event; where to go on, if there may be more.

    Nobody leaves such a delivery; should it be there, it is not for ever.
    """
    await look_up_by_key(connection)
    given = {
        "ledger_id": ledger_id,
        "endpoint_id": endpoint_id,
        "now": now,
        "after": after or UUID(int=0),
        "at_once": at_once,
    }
    found: UUID | None = await connection.scalar(_FREE_STUCK, given)
    return found


async def _promote(
    connection: AsyncConnection, ledger_id: UUID, endpoint_id: UUID, resources: Sequence[UUID], now: datetime
) -> None:
    if resources:
        given = {
            "ledgers": [ledger_id] * len(resources),
            "endpoints": [endpoint_id] * len(resources),
            "resources": list(resources),
            "now": now,
        }
        await connection.execute(_PROMOTE, given)


def _record(row: Row[Any]) -> DeliveryRecord:
    return DeliveryRecord(
        endpoint_id=row.endpoint_id,
        event_id=row.event_id,
        type=EventType(row.type),
        resource_type=ResourceType(row.resource_type),
        resource_id=row.resource_id,
        status=DeliveryStatus(row.status),
        attempts=row.attempts,
        next_at=row.next_at,
        attempted_at=row.attempted_at,
        status_code=row.status_code,
        error=row.error,
    )
