"""The outbox: facts written in the transaction of the change they announce, and read in the order of transactions.

A transaction gets its number when it first writes, and is seen when it commits. What is read lies below the oldest that
still runs: so nothing can appear later before a place that a reader has passed.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Row,
    Select,
    Uuid,
    cast,
    exists,
    func,
    insert,
    literal,
    null,
    or_,
    select,
    text,
    true,
    tuple_,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from zerosum.db.identifiers import made_at
from zerosum.db.queries.pages import look_up_by_key
from zerosum.db.schema.tables import Xid8, events, postings, scheduled_payments
from zerosum.domain.events import EventType, ResourceType
from zerosum.domain.identifiers import Prefix, render_id
from zerosum.domain.traces import origin_now

SCANNED_MAX = 5_000
"""Events that one page looks at, however few of them pass its filter."""

_NEARNESS = (timedelta(seconds=5), timedelta(minutes=2), timedelta(hours=2))
"""How far an event's own time lies from the one in its id: other clocks, and what waited. The index by time is coarse,
so it is asked for little first."""

NEARNESS_MAX = _NEARNESS[-1]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewEvent:
    ledger_id: UUID
    id: UUID
    type: EventType
    resource_type: ResourceType
    resource_id: UUID | None
    created_at: datetime
    data: Mapping[str, Any] | None = None


async def insert_events(connection: AsyncConnection, new: Sequence[NewEvent]) -> None:
    if new:
        origin = origin_now()
        await connection.execute(
            insert(events),
            [
                {
                    "ledger_id": event.ledger_id,
                    "id": event.id,
                    "created_at": event.created_at,
                    "type": event.type.value,
                    "resource_type": event.resource_type.value,
                    "resource_id": event.resource_id,
                    "data": null() if event.data is None else dict(event.data),
                    "traceparent": None if origin is None else origin.traceparent,
                }
                for event in new
            ],
        )


class FeedPosition(NamedTuple):
    """A place in a ledger's feed, behind an event."""

    xid: int
    id: UUID


BEGINNING = FeedPosition(0, UUID(int=0))


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedEvent:
    """`data` is None where the resource says itself how it was."""

    position: FeedPosition
    id: UUID
    type: EventType
    created_at: datetime
    resource_type: ResourceType
    resource_id: UUID
    data: Mapping[str, Any] | None
    traceparent: str | None = None
    """Of which trace what has happened was a part, if of any."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventFilter:
    """`types` are names of event types; `account_id` is one that the event moves, or speaks of."""

    types: Collection[str] = ()
    resource: tuple[ResourceType, UUID] | None = None
    account_id: UUID | None = None

    @property
    def is_narrow(self) -> bool:
        return bool(self.types) or self.resource is not None or self.account_id is not None


async def events_behind(
    connection: AsyncConnection, ledger_id: UUID, position: FeedPosition, wanted: EventFilter, limit: int
) -> tuple[list[RecordedEvent], FeedPosition, bool]:
    """The next events, the oldest first; where looking ended, and whether that was before the end of the feed.

    At most `limit`, and out of at most SCANNED_MAX. All of it is found by one statement: what settles between two
    would lie before a place that the second has passed, and was not in the page of the first.
    """
    await look_up_by_key(connection)
    looked_at = _behind(ledger_id, position).limit(SCANNED_MAX).cte("looked_at").prefix_with("materialized")
    page = select(looked_at).where(*is_wanted(looked_at.c, ledger_id, wanted))
    page_ = page.order_by(looked_at.c.xid, looked_at.c.id).limit(limit).subquery("page")
    newest = looked_at.alias("newest")
    number = select(func.count()).select_from(looked_at).scalar_subquery()
    last = select(newest.c.xid, newest.c.id, number.label("number"))
    edge = last.order_by(newest.c.xid.desc(), newest.c.id.desc()).limit(1).subquery("edge")
    both = select(edge.c.xid.label("last_xid"), edge.c.id.label("last_id"), edge.c.number, page_)
    statement = both.select_from(edge.outerjoin(page_, true())).order_by(page_.c.xid, page_.c.id)
    rows = (await connection.execute(statement)).all()
    if not rows:
        return [], position, False
    found = [recorded_event(row) for row in rows if row.id is not None]
    if len(found) == limit:
        return found, found[-1].position, True
    return found, FeedPosition(rows[0].last_xid, rows[0].last_id), rows[0].number == SCANNED_MAX


async def events_at(
    connection: AsyncConnection, ledger_id: UUID, positions: Sequence[FeedPosition]
) -> list[RecordedEvent]:
    """Those that lie exactly there."""
    given = {
        "ledger_id": ledger_id,
        "xids": [position.xid for position in positions],
        "ids": [position.id for position in positions],
    }
    return [recorded_event(row) for row in await connection.execute(_AT, given)]


async def position_of_event(connection: AsyncConnection, ledger_id: UUID, event_id: UUID) -> FeedPosition | None:
    """None where the ledger has no such event, or it is not in the feed yet."""
    made = made_at(event_id)
    for distance in _NEARNESS:
        found = await connection.scalar(
            select(events.c.xid).where(
                events.c.ledger_id == ledger_id,
                events.c.id == event_id,
                events.c.created_at.between(made - distance, made + distance),
                _IS_SETTLED,
            )
        )
        if found is not None:
            return FeedPosition(found, event_id)
    # The event of a period bears the id of its closing, which may have been begun long before.
    of_closing = await connection.scalar(_OF_CLOSING, {"ledger_id": ledger_id, "id": event_id})
    return None if of_closing is None else FeedPosition(of_closing, event_id)


async def last_position(connection: AsyncConnection, ledger_id: UUID) -> FeedPosition:
    """Behind all that can be read now."""
    newest = select(events.c.xid, events.c.id).where(events.c.ledger_id == ledger_id, _IS_SETTLED)
    newest = newest.order_by(events.c.xid.desc(), events.c.id.desc()).limit(1)
    row = (await connection.execute(newest)).one_or_none()
    return BEGINNING if row is None else FeedPosition(row.xid, row.id)


async def account_versions_of(
    connection: AsyncConnection, ledger_id: UUID, entry_ids: Collection[UUID]
) -> dict[UUID, dict[UUID, int]]:
    """The version that each entry left its accounts at."""
    found: dict[UUID, dict[UUID, int]] = {}
    given = {"ledger_id": ledger_id, "entry_ids": list(entry_ids)}
    for entry_id, account_id, version in await connection.execute(_VERSIONS, given):
        found.setdefault(entry_id, {})[account_id] = version
    return found


def recorded_event(row: Row[Any]) -> RecordedEvent:
    return RecordedEvent(
        position=FeedPosition(row.xid, row.id),
        id=row.id,
        type=EventType(row.type),
        created_at=row.created_at,
        resource_type=ResourceType(row.resource_type),
        resource_id=row.resource_id or row.id,
        data=row.data,
        traceparent=row.traceparent,
    )


# Each by its key: with the limit the planner cannot make one large join of it.
_AT = text("""
select event.* from unnest(cast(:xids as xid8[]), cast(:ids as uuid[])) place (xid, id)
cross join lateral (
    select * from events event
    where event.ledger_id = :ledger_id and event.xid = place.xid and event.id = place.id limit 1
) event
""").columns(*events.c)


_VERSIONS = text("""
select entry_id, account_id, max(account_version) from postings
where ledger_id = :ledger_id and entry_id = any(cast(:entry_ids as uuid[]))
group by entry_id, account_id order by entry_id, min(place)
""")


def is_settled(event: str = "event") -> str:
    """Whether it lies below the oldest transaction that still runs, whoever runs it on that server."""
    return f"{event}.xid < zerosum_feed_horizon()"


def is_of_types(types: str) -> str:
    """Whether the type of an `event` is among names, or all of its kind are (`payment.*`)."""
    return f"(event.type = any({types}) or split_part(event.type, '.', 1) || '.*' = any({types}))"


_OF_CLOSING = text(f"""
select event.xid
from period_closings closing
join period_seals seal on seal.ledger_id = closing.ledger_id and seal.number = closing.number
join events event on event.ledger_id = closing.ledger_id and event.id = closing.id
    and event.created_at between seal.sealed_at - interval '5 seconds' and seal.sealed_at + interval '5 seconds'
where closing.ledger_id = :ledger_id and closing.id = :id and {is_settled()}
""")  # noqa: S608 - made of constants only

_IS_SETTLED = text(is_settled("events"))


def _behind(ledger_id: UUID, position: FeedPosition) -> Select[Any]:
    place = tuple_(events.c.xid, events.c.id)
    statement = select(events).where(
        events.c.ledger_id == ledger_id,
        place > tuple_(cast(literal(position.xid, Xid8()), Xid8()), literal(position.id, Uuid())),
        _IS_SETTLED,
    )
    return statement.order_by(events.c.xid, events.c.id)


def is_wanted(event: Any, ledger_id: UUID, wanted: EventFilter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    spoken_of = func.coalesce(event.resource_id, event.id)
    if wanted.types:
        conditions.append(event.type.in_(sorted(wanted.types)))
    if wanted.resource is not None:
        kind, resource_id = wanted.resource
        conditions += [event.resource_type == kind.value, spoken_of == resource_id]
    if wanted.account_id is not None:
        wire_id = render_id(Prefix.ACCOUNT, wanted.account_id)
        is_moved = exists().where(
            postings.c.ledger_id == ledger_id,
            postings.c.entry_id == event.id,
            postings.c.account_id == wanted.account_id,
        )
        is_paid = exists().where(
            postings.c.ledger_id == ledger_id,
            postings.c.entry_id == event.resource_id,
            postings.c.account_id == wanted.account_id,
        )
        is_named = or_(*[event.data[name].astext == wire_id for name in ("from", "to", "account_id")])
        is_scheduled = exists().where(
            scheduled_payments.c.ledger_id == ledger_id,
            scheduled_payments.c.id == spoken_of,
            or_(*[scheduled_payments.c[side] == wanted.account_id for side in ("payer_id", "payee_id")]),
        )
        conditions.append(or_(spoken_of == wanted.account_id, is_moved, is_paid, is_named, is_scheduled))
    return conditions
