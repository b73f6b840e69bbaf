"""What a dispatcher of webhooks does in the database: from deliveries to claims and back (from events to deliveries:
`webhook_fan_out.py`).

A delivery is due when `next_at` has come, which only the first pending one of each resource has: the others wait
behind it. Whoever adds deliveries or ends them holds the lock of their endpoint, so that none is left waiting behind
one that has ended.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from zerosum.db.queries.events import is_settled
from zerosum.domain.events import EventType, ResourceType
from zerosum.domain.webhooks import DeliveryStatus

SHARE_LEAST = 4
"""Of one endpoint in one claim, however many others wait."""

EndpointKey = tuple[UUID, UUID]
"""Ledger and endpoint."""


@dataclass(slots=True, kw_only=True)
class ClaimedDelivery:
    """`attempts` counts this one. Not frozen, like all that is made for each delivery: it takes thrice as long."""

    ledger_id: UUID
    endpoint_id: UUID
    event_id: UUID
    event_xid: int
    type: EventType
    resource_type: ResourceType
    resource_id: UUID
    attempts: int

    @property
    def endpoint(self) -> EndpointKey:
        return self.ledger_id, self.endpoint_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """What may be claimed until when: `free` in all, and of one endpoint so many less those that keep it `busy`."""

    busy: Mapping[UUID, int]
    per_endpoint: int
    free: int
    until: datetime


@dataclass(slots=True, kw_only=True)
class AttemptResult:
    """How an attempt has ended. `next_at` is when it is tried again, of one that is pending."""

    delivery: ClaimedDelivery
    status: DeliveryStatus
    attempted_at: datetime
    next_at: datetime | None
    status_code: int | None
    error: str | None


_CLAIM = text("""
with room as (
    select endpoint.ledger_id, endpoint.id,
           case when consecutive_failures >= :breaker then 1 else :per_endpoint end - coalesce(busy.number, 0) as number
    from webhook_endpoints endpoint
    left join unnest(cast(:busy_ids as uuid[]), cast(:busy_numbers as integer[])) busy (id, number)
      on busy.id = endpoint.id
    where endpoint.ledger_id = any(cast(:ledgers as uuid[])) and status = 'enabled'
      and (paused_until is null or paused_until <= :now)
), waiting as materialized (
    -- Each is looked at for its share of what may be taken, and not for all that it may have: to lock is to write.
    select ledger_id, id, least(number, greatest(:free / count(*) over (), :share)) as number
    from room where number > 0 and exists (
        select from webhook_deliveries delivery
        where delivery.ledger_id = room.ledger_id and delivery.endpoint_id = room.id and status = 'pending'
          and next_at <= :now and (claimed_until is null or claimed_until <= :now))
), due as (
    select found.*, row_number() over (partition by room.id order by found.next_at) as place
    from waiting room cross join lateral (
        select delivery.ledger_id, delivery.endpoint_id, delivery.event_id, delivery.next_at
        from webhook_deliveries delivery
        where delivery.ledger_id = room.ledger_id and delivery.endpoint_id = room.id and status = 'pending'
          and next_at <= :now and (claimed_until is null or claimed_until <= :now)
          and event_id = (
              select first.event_id from webhook_deliveries first
              where first.ledger_id = delivery.ledger_id and first.endpoint_id = delivery.endpoint_id
                and first.resource_id = delivery.resource_id and first.status = 'pending'
              order by first.event_xid, first.event_id limit 1)
        order by next_at limit room.number
        for update skip locked
    ) found
), taken as (
    select ledger_id, endpoint_id, event_id from due order by place, random() limit :free
)
update webhook_deliveries delivery set attempts = attempts + 1, claimed_until = cast(:until as timestamptz)
from taken
where delivery.ledger_id = taken.ledger_id and delivery.endpoint_id = taken.endpoint_id
  and delivery.event_id = taken.event_id
returning delivery.ledger_id, delivery.endpoint_id, delivery.event_id, event_xid, type, resource_type, resource_id,
          attempts
""")

_WRITE_RESULTS = text("""
update webhook_deliveries delivery
set status = result.status, next_at = result.next_at, claimed_until = null, attempted_at = result.attempted_at,
    status_code = result.status_code, error = result.error
from unnest(cast(:ledgers as uuid[]), cast(:endpoints as uuid[]), cast(:events as uuid[]), cast(:statuses as text[]),
            cast(:next as timestamptz[]), cast(:attempted as timestamptz[]), cast(:codes as smallint[]),
            cast(:errors as text[]))
    result (ledger_id, endpoint_id, event_id, status, next_at, attempted_at, status_code, error)
where delivery.ledger_id = result.ledger_id and delivery.endpoint_id = result.endpoint_id
  and delivery.event_id = result.event_id
  and (delivery.status = 'pending' or delivery.status = 'parked' and result.status = 'delivered')
""")

PROMOTE = """
with first as materialized (
    select ended.ledger_id, ended.endpoint_id, waiting.event_id
    from (select distinct *
          from unnest(cast(:ledgers as uuid[]), cast(:endpoints as uuid[]), cast(:resources as uuid[])))
        ended (ledger_id, endpoint_id, resource_id)
    cross join lateral (
        select event_id, next_at from webhook_deliveries waiting
        where waiting.ledger_id = ended.ledger_id and waiting.endpoint_id = ended.endpoint_id
          and waiting.resource_id = ended.resource_id and waiting.status = 'pending'
        order by event_xid, event_id limit 1
    ) waiting
    where waiting.next_at is null
)
update webhook_deliveries delivery set next_at = cast(:now as timestamptz)
from first
where delivery.ledger_id = first.ledger_id and delivery.endpoint_id = first.endpoint_id
  and delivery.event_id = first.event_id
"""
_PROMOTE = text(PROMOTE)

_OLDEST_DUE = text(f"""
select min(place.moment) from webhook_endpoints endpoint cross join lateral (
    (select next_at as moment from webhook_deliveries delivery
     where delivery.ledger_id = endpoint.ledger_id and delivery.endpoint_id = endpoint.id
       and status = 'pending' and next_at is not null order by next_at limit 1)
    union all
    (select created_at from events event
     where event.ledger_id = endpoint.ledger_id and (event.xid, event.id) > (endpoint.feed_xid, endpoint.feed_id)
       and {is_settled()} order by event.xid, event.id limit 1)
) place
where endpoint.ledger_id = any(cast(:ledgers as uuid[])) and endpoint.status = 'enabled'
  and (paused_until is null or paused_until <= :now)
""")  # noqa: S608 - made of constants

_GIVE_BACK = text("""
update webhook_deliveries delivery set claimed_until = null, attempts = greatest(attempts - 1, 0)
from unnest(cast(:ledgers as uuid[]), cast(:endpoints as uuid[]), cast(:events as uuid[]))
    unsent (ledger_id, endpoint_id, event_id)
where delivery.ledger_id = unsent.ledger_id and delivery.endpoint_id = unsent.endpoint_id
  and delivery.event_id = unsent.event_id and delivery.status = 'pending'
""")

_NEED_NOT_LAST = text(
    "select set_config('synchronous_commit', 'off', true), set_config('enable_seqscan', 'off', true), "
    "set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true), "
    "set_config('enable_bitmapscan', 'off', true)"
)
_MUST_LAST = text("set local synchronous_commit to default")


async def need_not_last(connection: AsyncConnection) -> None:
    """What this unit of work writes may be lost with the server: it is then done again, and nobody was told of it.

    And whatever it looks up is found by keys.
    """
    await connection.execute(_NEED_NOT_LAST)


async def must_last(connection: AsyncConnection) -> None:
    """After all: it tells of something."""
    await connection.execute(_MUST_LAST)


async def claim(
    connection: AsyncConnection, ledger_ids: Sequence[UUID], room: Room, now: datetime, *, breaker: int
) -> list[ClaimedDelivery]:
    """Some that are due of each endpoint. Who does not come back until then has lost them."""
    given = {
        "ledgers": list(ledger_ids),
        "busy_ids": list(room.busy),
        "busy_numbers": list(room.busy.values()),
        "now": now,
        "until": room.until,
        "breaker": breaker,
        "per_endpoint": room.per_endpoint,
        "free": room.free,
        "share": SHARE_LEAST,
    }
    return [claimed_delivery(row) for row in await connection.execute(_CLAIM, given)]


def claimed_delivery(row: Row[Any]) -> ClaimedDelivery:
    return ClaimedDelivery(
        ledger_id=row.ledger_id,
        endpoint_id=row.endpoint_id,
        event_id=row.event_id,
        event_xid=row.event_xid,
        type=EventType(row.type),
        resource_type=ResourceType(row.resource_type),
        resource_id=row.resource_id,
        attempts=row.attempts,
    )


async def oldest_due(connection: AsyncConnection, ledger_ids: Sequence[UUID], now: datetime) -> datetime | None:
    """Since when something is due, or has happened and is in nobody's deliveries; not of endpoints left alone now."""
    found: datetime | None = await connection.scalar(_OLDEST_DUE, {"ledgers": list(ledger_ids), "now": now})
    return found


async def write_results(connection: AsyncConnection, results: Sequence[AttemptResult], now: datetime) -> None:
    """With the endpoints locked. Where one has ended, the next of its resource is due."""
    if not results:
        return
    given: dict[str, Any] = {
        "ledgers": [result.delivery.ledger_id for result in results],
        "endpoints": [result.delivery.endpoint_id for result in results],
        "events": [result.delivery.event_id for result in results],
        "statuses": [result.status.value for result in results],
        "next": [result.next_at for result in results],
        "attempted": [result.attempted_at for result in results],
        "codes": [result.status_code for result in results],
        "errors": [result.error for result in results],
    }
    await connection.execute(_WRITE_RESULTS, given)
    ended = [result.delivery for result in results if result.status is not DeliveryStatus.PENDING]
    if ended:
        given = {
            "ledgers": [delivery.ledger_id for delivery in ended],
            "endpoints": [delivery.endpoint_id for delivery in ended],
            "resources": [delivery.resource_id for delivery in ended],
            "now": now,
        }
        await connection.execute(_PROMOTE, given)


async def give_back(connection: AsyncConnection, unsent: Sequence[ClaimedDelivery]) -> None:
    """What was claimed and not sent: others may claim it at once."""
    if unsent:
        given = {
            "ledgers": [delivery.ledger_id for delivery in unsent],
            "endpoints": [delivery.endpoint_id for delivery in unsent],
            "events": [delivery.event_id for delivery in unsent],
        }
        await connection.execute(_GIVE_BACK, given)
