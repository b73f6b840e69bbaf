"""Where a proof is cut into pieces of about the same size, and what a signed checkpoint has of a ledger."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from zerosum.db.queries.events import FeedPosition

# Each with what the next piece begins behind. An account weighs as much as its postings, and one for itself.
_ACCOUNTS = text("""
select distinct on (share) id
from (
    select id, div(sum(greatest(version, 0) + 1::numeric) over (order by id), :size) as share
    from accounts where ledger_id = :ledger_id
) as weighed
order by share, id desc
""")
_ENTRIES = text("""
select id from (
    select id, row_number() over (order by id) as number from journal_entries where ledger_id = :ledger_id
) as numbered where number % :size = 0 order by number
""")
_EVENTS = text("""
select xid, id from (
    select xid, id, row_number() over (order by xid, id) as number from events where ledger_id = :ledger_id
) as numbered where number % :size = 0 order by number
""")
_SEALS = text("""
select sealed_at, accounts_until from (
    select sealed_at, accounts_until, row_number() over (order by sealed_at) as place
    from total_seals where ledger_id = :ledger_id
) as numbered where place % :size = 0 order by place
""")
_CHECKPOINTS = text("""
select number, size, frontier, until_xid, until_id from signed_checkpoints
where ledger_id = :ledger_id and number % :size = 0 order by number
""")

_SEALED = text("""
select coalesce(sum(length(kinds) - length(replace(kinds, 'e', ''))), 0) as entries
from signed_checkpoints where ledger_id = :ledger_id and number <= :number
""")
_UNTIL = text("""
select number, until_xid, until_id from signed_checkpoints
where ledger_id = :ledger_id and (size = :size or cast(:size as bigint) is null) order by number desc limit 1
""")
_SINCE = text("""
select count(distinct entry.id) as entries, min(entry.posted_at) as posted_at,
       (array_agg(entry.id order by entry.id))[1] as first_id
from events event
join journal_entries entry on entry.ledger_id = :ledger_id and entry.id = event.id
    and entry.posted_at = event.created_at
where event.ledger_id = :ledger_id and (event.xid, event.id) > (cast(:xid as xid8), cast(:id as uuid))
""")
_NUMBERS = text("""
select (select count(*) from journal_entries where ledger_id = :ledger_id) as entries,
       (select count(*) from postings where ledger_id = :ledger_id) as postings,
       (select coalesce(sum(version), 0) from accounts where ledger_id = :ledger_id) as versions
""")


@dataclass(frozen=True, slots=True)
class Unsealed:
    """What the feed tells of behind a checkpoint. `first_at` and `first_id` are None where that is nothing."""

    first_at: datetime | None
    first_id: UUID | None


@dataclass(frozen=True, slots=True)
class SealedUntil:
    """A signed checkpoint, by where in the feed it ends."""

    number: int
    until: FeedPosition


async def account_bounds(connection: AsyncConnection, ledger_id: UUID, size: int) -> list[UUID]:
    """Of accounts with so many postings together. The last account of all is no bound."""
    return [row.id for row in await _bounds(connection, _ACCOUNTS, ledger_id, size)][:-1]


async def entry_bounds(connection: AsyncConnection, ledger_id: UUID, size: int) -> list[UUID]:
    return [row.id for row in await _bounds(connection, _ENTRIES, ledger_id, size)]


async def event_bounds(connection: AsyncConnection, ledger_id: UUID, size: int) -> list[FeedPosition]:
    return [FeedPosition(row.xid, row.id) for row in await _bounds(connection, _EVENTS, ledger_id, size)]


async def seal_bounds(connection: AsyncConnection, ledger_id: UUID, size: int) -> Sequence[Row[Any]]:
    """Seals of totals, with what each says."""
    return await _bounds(connection, _SEALS, ledger_id, size)


async def checkpoint_bounds(connection: AsyncConnection, ledger_id: UUID, size: int) -> Sequence[Row[Any]]:
    """Signed checkpoints, with the right edge of the tree at each."""
    return await _bounds(connection, _CHECKPOINTS, ledger_id, size)


async def find_sealed_until(connection: AsyncConnection, ledger_id: UUID, size: int | None) -> SealedUntil | None:
    """The signed checkpoint of this size, or the newest. None where there is none."""
    row = (await connection.execute(_UNTIL, {"ledger_id": ledger_id, "size": size})).first()
    return None if row is None else SealedUntil(row.number, FeedPosition(row.until_xid, row.until_id))


async def find_unsealed(connection: AsyncConnection, ledger_id: UUID, sealed: SealedUntil) -> Unsealed | None:
    """None where a journal entry or a posting is neither sealed there nor told of behind it."""
    place = {"xid": sealed.until.xid, "id": sealed.until.id}
    since = (await connection.execute(_SINCE, {"ledger_id": ledger_id, **place})).one()
    below = (await connection.execute(_SEALED, {"ledger_id": ledger_id, "number": sealed.number})).scalar_one()
    there = (await connection.execute(_NUMBERS, {"ledger_id": ledger_id})).one()
    if there.entries != below + since.entries or there.postings != there.versions:
        return None
    return Unsealed(since.posted_at, since.first_id)


async def _bounds(connection: AsyncConnection, statement: Any, ledger_id: UUID, size: int) -> Sequence[Row[Any]]:
    return (await connection.execute(statement, {"ledger_id": ledger_id, "size": size})).all()
