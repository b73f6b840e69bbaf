"""Events that are dropped: up to where they may be, and the seals of those that were."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, literal, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from zerosum.db.queries.events import FeedPosition
from zerosum.db.queries.signed_checkpoints import first_unsealed
from zerosum.db.schema.tables import Xid8, event_seals

_columns = event_seals.c

# Below the place of everybody who has still to be told. What the log of deliveries still shows may be sent again: its
# oldest are looked at here, and all of them when events are dropped.
_TOLD_BELOW = text(f"""
select least(
    (select xid from events where ledger_id = :ledger_id and xid < zerosum_feed_horizon()
     order by xid desc, id desc limit 1),
    (select min(feed_xid) from webhook_endpoints where ledger_id = :ledger_id and status <> 'deleted'),
    (select min(feed_xid) from publications where ledger_id = :ledger_id),
    (select min(feed_xid) from notifications where ledger_id = :ledger_id and status = 'enabled'),
    (select min(oldest.event_xid) from webhook_endpoints endpoint cross join lateral (
         select event_xid from webhook_deliveries delivery
         where delivery.ledger_id = endpoint.ledger_id and delivery.endpoint_id = endpoint.id and event_xid > '0'
         order by event_id limit 500) oldest where endpoint.ledger_id = :ledger_id),
    (select min(event_xid) from notification_mails
     where ledger_id = :ledger_id and status = 'pending' and event_xid > '0'),
    -- What the proof log has no leaf of yet, though it tells of one.
    (select unsealed.xid from ({first_unsealed(":ledger_id")}) unsealed)
) as place, now() as moment
""")  # noqa: S608 - made of constants only

_DROP = text("select zerosum_drop_events(:ledger_id)")


@dataclass(frozen=True, slots=True, kw_only=True)
class EventSeal:
    """What was dropped behind the seal before it. `sums` are those of the proof of events. The hash chains them."""

    number: int
    last: FeedPosition
    greatest_id: UUID
    events: int
    newest_at: datetime
    sums: Mapping[str, str]
    sealed_at: datetime
    hash: bytes


async def told_below(connection: AsyncConnection, ledger_id: UUID) -> tuple[int, datetime]:
    """All events of lower transactions everybody was told of, and none is the last; and the transaction's time."""
    row = (await connection.execute(_TOLD_BELOW, {"ledger_id": ledger_id})).one()
    return int(row.place or 0), row.moment


async def drop_events(connection: AsyncConnection, ledger_id: UUID, seal: EventSeal) -> int:
    """The seal is made, and what it seals is gone: in one transaction."""
    values = {name: getattr(seal, name) for name in EventSeal.__slots__ if name != "last"}
    values |= {"ledger_id": ledger_id, "last_xid": literal(seal.last.xid, Xid8()), "last_id": seal.last.id}
    await connection.execute(insert(event_seals).values(**{**values, "sums": dict(seal.sums)}))
    return int((await connection.execute(_DROP, {"ledger_id": ledger_id})).scalar_one())


async def find_last_event_seal(connection: AsyncConnection, ledger_id: UUID) -> EventSeal | None:
    statement = select(event_seals).where(_columns.ledger_id == ledger_id).order_by(_columns.number.desc()).limit(1)
    row = (await connection.execute(statement)).first()
    return None if row is None else _seal(row)


async def event_seals_after(
    connection: AsyncConnection, ledger_id: UUID, after: int, *, limit: int
) -> Sequence[EventSeal]:
    statement = select(event_seals).where(_columns.ledger_id == ledger_id, _columns.number > after)
    return [_seal(row) for row in await connection.execute(statement.order_by(_columns.number).limit(limit))]


def _seal(row: Row[Any]) -> EventSeal:
    members = {name: getattr(row, name) for name in EventSeal.__slots__ if name != "last"}
    return EventSeal(last=FeedPosition(row.last_xid, row.last_id), **members)
