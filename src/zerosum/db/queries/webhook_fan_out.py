"""From events to deliveries: what has happened behind the place of each endpoint, and the place moved on.

What waits for nothing is claimed as it is made, where its endpoint has room: it need not be looked for, locked and
written once more.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from zerosum.db.queries.events import is_of_types, is_settled
from zerosum.db.queries.webhook_dispatch import ClaimedDelivery, Room, claimed_delivery

_LOCK_THOSE_BEHIND = text(f"""
select ledger_id, id from webhook_endpoints endpoint
where status = 'enabled' and ledger_id = any(cast(:ledgers as uuid[])) and exists (
    select from events event
    where event.ledger_id = endpoint.ledger_id and (event.xid, event.id) > (endpoint.feed_xid, endpoint.feed_id)
      and {is_settled()})
order by feed_xid limit :endpoints
for update skip locked
""")  # noqa: S608 - made of constants

_FAN_OUT = text(f"""
with seen as materialized (
    select endpoint.ledger_id, endpoint.id as endpoint_id, event_types, event.xid < parked_xid as is_parked,
           case when consecutive_failures = 0 and paused_until is null then room else 0 end as room,
           event.xid, event.id, event.type, event.resource_type, event.resource_id
    from unnest(cast(:ledgers as uuid[]), cast(:ids as uuid[]), cast(:rooms as integer[])) wanted (ledger_id, id, room)
    join webhook_endpoints endpoint on endpoint.ledger_id = wanted.ledger_id and endpoint.id = wanted.id
    cross join lateral (
        select event.xid, event.id, event.type, event.resource_type,
               coalesce(event.resource_id, event.id) as resource_id
        from events event
        where event.ledger_id = endpoint.ledger_id
          and (event.xid, event.id) > (endpoint.feed_xid, endpoint.feed_id) and {is_settled()}
        order by event.xid, event.id limit :at_once
    ) event
), moved as (
    update webhook_endpoints endpoint set feed_xid = last.xid, feed_id = last.id
    from (select distinct on (ledger_id, endpoint_id) ledger_id, endpoint_id, xid, id from seen
          order by ledger_id, endpoint_id, xid desc, id desc) last
    where endpoint.ledger_id = last.ledger_id and endpoint.id = last.endpoint_id
), chosen as (
    select event.*, row_number() over (partition by ledger_id, endpoint_id, resource_id, is_parked order by xid, id) = 1
           as is_first
    from seen event
    where (event_types is null or {is_of_types("event_types")})
      -- What was replayed meanwhile is there, and nothing must wait for this one to come before it.
      and not exists (
          select from webhook_deliveries there
          where there.ledger_id = event.ledger_id and there.endpoint_id = event.endpoint_id
            and there.event_id = event.id)
), judged as materialized (
    select chosen.*, is_first and not is_parked and not exists (
        select from webhook_deliveries earlier
        where earlier.ledger_id = chosen.ledger_id and earlier.endpoint_id = chosen.endpoint_id
          and earlier.resource_id = chosen.resource_id and earlier.status = 'pending'
          and (earlier.event_xid, earlier.event_id) < (chosen.xid, chosen.id)) as is_due
    from chosen
), placed as (
    select judged.*, is_due and row_number() over (partition by ledger_id, endpoint_id, is_due order by xid, id) <= room
           as is_claimed
    from judged
), added as (
    insert into webhook_deliveries (ledger_id, endpoint_id, event_id, event_xid, type, resource_type, resource_id,
                                    status, next_at, attempts, claimed_until)
    select ledger_id, endpoint_id, id, xid, type, resource_type, resource_id,
           case when is_parked then 'parked' else 'pending' end, case when is_due then cast(:now as timestamptz) end,
           case when is_claimed then 1 else 0 end, case when is_claimed then cast(:until as timestamptz) end
    from placed on conflict do nothing
    returning ledger_id, endpoint_id, event_id, event_xid, type, resource_type, resource_id, attempts
)
select looked_at.number, claimed.*
from (select count(*) as number from seen) looked_at left join added claimed on claimed.attempts > 0
""")  # noqa: S608 - made of constants


async def fan_out(
    connection: AsyncConnection,
    ledger_ids: Sequence[UUID],
    room: Room,
    now: datetime,
    *,
    endpoints_max: int,
    events_max: int,
) -> tuple[int, list[ClaimedDelivery]]:
    """Make deliveries of what has happened behind the place of each endpoint; how many events were looked at.

    Of what is due at once so much is claimed as there is room for, the same for each endpoint: nothing of one that has
    just failed, which is judged by what is looked for.
    """
    behind = (
        await connection.execute(_LOCK_THOSE_BEHIND, {"ledgers": list(ledger_ids), "endpoints": endpoints_max})
    ).all()
    if not behind:
        return 0, []
    share = room.free // len(behind)
    # Locked by a statement of its own: what others have committed before that is seen by the next.
    given = {
        "ledgers": [row.ledger_id for row in behind],
        "ids": [row.id for row in behind],
        "rooms": [max(0, min(share, room.per_endpoint - room.busy.get(row.id, 0))) for row in behind],
        "at_once": events_max,
        "now": now,
        "until": room.until,
    }
    rows = (await connection.execute(_FAN_OUT, given)).all()
    return rows[0].number, [claimed_delivery(row) for row in rows if row.event_id is not None]
