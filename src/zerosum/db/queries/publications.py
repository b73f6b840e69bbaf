"""How far the events of each ledger are published, and who may publish more.

A lease is a time by PostgreSQL's own clock. Taking a publication that somebody else had adds one to its epoch; moving
its position asks for the epoch, so whoever was stopped for longer than his lease moves nothing.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, delete, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from zerosum.db.queries.events import FeedPosition, is_settled
from zerosum.db.schema.tables import publications
from zerosum.domain.publications import Publication, PublicationKey, TopicTemplate

_columns = publications.c


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicationRecord:
    """`obstacle` is what stands in the way of the next event."""

    ledger_id: UUID
    publication: Publication
    position: FeedPosition
    moved_at: datetime | None
    published: int
    obstacle: str | None
    epoch: int
    holder: str | None
    held_until: datetime | None


@dataclass(frozen=True, slots=True)
class HeldPosition:
    """What a publisher holds of one ledger."""

    ledger_id: UUID
    epoch: int
    position: FeedPosition


async def find_publications(
    connection: AsyncConnection, ledgers: Collection[UUID], name: str | None = None, *, for_update: bool = False
) -> list[PublicationRecord]:
    """Of these ledgers, all or those of one name."""
    statement = select(publications).where(_columns.ledger_id.in_(ledgers))
    if name is not None:
        statement = statement.where(_columns.name == name)
    if for_update:
        statement = statement.with_for_update()
    rows = await connection.execute(statement.order_by(_columns.name, _columns.ledger_id))
    return [_record(row) for row in rows]


async def insert_publication(
    connection: AsyncConnection, ledger_id: UUID, publication: Publication, position: FeedPosition
) -> None:
    """Nothing where it is there."""
    await connection.execute(
        insert(publications)
        .values(
            ledger_id=ledger_id,
            name=publication.name,
            **_described(publication),
            feed_xid=position.xid,
            feed_id=position.id,
            published=0,
            epoch=0,
        )
        .on_conflict_do_nothing(constraint="publications_pkey")
    )


async def describe_anew(connection: AsyncConnection, ledgers: Collection[UUID], publication: Publication) -> int:
    """Of those ledgers that have it, how many. Whoever publishes them is fenced."""
    statement = publications.update().where(_columns.ledger_id.in_(ledgers), _columns.name == publication.name)
    done = await connection.execute(statement.values(**_described(publication), epoch=_columns.epoch + 1))
    return int(done.rowcount)


async def delete_publication(connection: AsyncConnection, ledgers: Collection[UUID], name: str) -> int:
    """How many ledgers had it."""
    statement = delete(publications).where(_columns.ledger_id.in_(ledgers), _columns.name == name)
    return int((await connection.execute(statement)).rowcount)


async def take_publications(
    connection: AsyncConnection, ledgers: Collection[UUID], name: str, holder: str, lease_seconds: float
) -> list[HeldPosition]:
    """Those of these ledgers that are the holder's for so long from now: its own again, and what nobody holds."""
    given = {"ledgers": list(ledgers), "name": name, "holder": holder, "seconds": lease_seconds}
    rows = await connection.execute(_TAKE, given)
    return [HeldPosition(row.ledger_id, row.epoch, FeedPosition(int(row.feed_xid), row.feed_id)) for row in rows]


async def ledgers_behind(
    connection: AsyncConnection, held: Collection[HeldPosition], limit: int
) -> list[tuple[UUID, datetime]]:
    """Which of these have an event that may be published, and when that was recorded."""
    given = {
        "ledgers": [one.ledger_id for one in held],
        "xids": [one.position.xid for one in held],
        "ids": [one.position.id for one in held],
        "limit": limit,
    }
    return [(row.ledger_id, row.created_at) for row in await connection.execute(_BEHIND, given)]


async def move_publication(
    connection: AsyncConnection, name: str, held: HeldPosition, position: FeedPosition, published: int, seconds: float
) -> bool:
    """Behind what is safe at the broker, and held for longer. False where somebody else has taken it."""
    given = {
        "ledger_id": held.ledger_id,
        "name": name,
        "epoch": held.epoch,
        "xid": position.xid,
        "id": position.id,
        "published": published,
        "seconds": seconds,
    }
    return bool((await connection.execute(_MOVE, given)).rowcount)


async def put_publication(connection: AsyncConnection, ledger_id: UUID, name: str, position: FeedPosition) -> None:
    """To another place, whatever was published. Whoever publishes it is fenced and goes on from there."""
    await connection.execute(
        publications.update()
        .where(_columns.ledger_id == ledger_id, _columns.name == name)
        .values(feed_xid=position.xid, feed_id=position.id, epoch=_columns.epoch + 1)
    )


async def tell_obstacle(connection: AsyncConnection, name: str, held: HeldPosition, obstacle: str | None) -> None:
    """Nothing where somebody else has taken it."""
    await connection.execute(
        publications.update()
        .where(_columns.ledger_id == held.ledger_id, _columns.name == name, _columns.epoch == held.epoch)
        .values(obstacle=obstacle)
    )


async def release_publications(connection: AsyncConnection, ledgers: Collection[UUID], name: str, holder: str) -> None:
    """Somebody else may take them at once."""
    await connection.execute(
        publications.update()
        .where(_columns.ledger_id.in_(ledgers), _columns.name == name, _columns.holder == holder)
        .values(held_until=None)
    )


# Locked in one order, and what somebody is moving now is left for the next turn.
_TAKE = text("""
with free as (
    select ledger_id from publications
    where name = :name and ledger_id = any(cast(:ledgers as uuid[]))
      and (holder = :holder or held_until is null or held_until <= clock_timestamp())
    order by ledger_id for update skip locked
)
update publications taken
set epoch = epoch + case when holder is distinct from :holder then 1 else 0 end, holder = :holder,
    held_until = clock_timestamp() + make_interval(secs => :seconds)
from free where taken.ledger_id = free.ledger_id and taken.name = :name
returning taken.ledger_id, epoch, feed_xid, feed_id
""").columns(_columns.ledger_id, _columns.epoch, _columns.feed_xid, _columns.feed_id)

_BEHIND = text(f"""
select place.ledger_id, event.created_at
from unnest(cast(:ledgers as uuid[]), cast(:xids as xid8[]), cast(:ids as uuid[])) place (ledger_id, xid, id)
cross join lateral (
    select created_at from events event
    where event.ledger_id = place.ledger_id and (event.xid, event.id) > (place.xid, place.id) and {is_settled()}
    order by event.xid, event.id limit 1
) event
order by event.created_at limit :limit
""")  # noqa: S608 - made of constants

_MOVE = text("""
update publications set feed_xid = cast(:xid as xid8), feed_id = :id, published = published + :published,
       moved_at = clock_timestamp(), obstacle = null,
       held_until = clock_timestamp() + make_interval(secs => :seconds)
where ledger_id = :ledger_id and name = :name and epoch = :epoch
""")


def _described(publication: Publication) -> dict[str, Any]:
    return {
        "target": publication.target,
        "topic": publication.topic.text,
        "key": publication.key.value,
        "types": list(publication.types),
    }


def _record(row: Row[Any]) -> PublicationRecord:
    publication = Publication(
        name=row.name,
        target=row.target,
        topic=TopicTemplate(row.topic),
        key=PublicationKey(row.key),
        types=tuple(row.types),
    )
    return PublicationRecord(
        ledger_id=row.ledger_id,
        publication=publication,
        position=FeedPosition(int(row.feed_xid), row.feed_id),
        moved_at=row.moved_at,
        published=row.published,
        obstacle=row.obstacle,
        epoch=row.epoch,
        holder=row.holder,
        held_until=row.held_until,
    )
