"""Signed checkpoints, each with the leaves that it adds to the proof log, and the nodes that are kept of its tree."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Select, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from zerosum.db.queries.events import BEGINNING, FeedPosition
from zerosum.db.queries.pages import look_up_by_key
from zerosum.db.queries.proof_log_leaves import CHAINS, Leaf
from zerosum.db.schema.tables import proof_log_nodes, signed_checkpoints
from zerosum.domain.proof_log.note import Statement
from zerosum.domain.proof_log.tree import HASH_BYTES, Node

_columns = signed_checkpoints.c

LOOKED_AT_MAX = 1_000
"""Checkpoints in which an entry is looked for. It is in one of the first behind its time, unless clocks differ."""

# Where something happened that no checkpoint has: of each ledger the last event, and the newest seals.
_UNSEALED = text("""
select every.ledger_id
from unnest(cast(:ledger_ids as uuid[]), cast(:xids as xid8[]), cast(:ids as uuid[])) every (ledger_id, xid, id)
left join lateral (
    select until_xid, until_id, chains from signed_checkpoints sealed where sealed.ledger_id = every.ledger_id
    order by number desc limit 1
) last on true
where exists (
    select from events where events.ledger_id = every.ledger_id and events.xid < zerosum_feed_horizon()
    and (events.xid, events.id) > (every.xid, every.id)
    and (events.xid, events.id)
        > (coalesce(last.until_xid, '0'), coalesce(last.until_id, '00000000-0000-0000-0000-000000000000'))
) or exists (
    select from (values
        (1, (select max(number) from audit_seals seal where seal.ledger_id = every.ledger_id)),
        (2, (select max(number) from refusal_seals seal where seal.ledger_id = every.ledger_id)),
        (3, (select max(number) from event_seals seal where seal.ledger_id = every.ledger_id)),
        (4, (select max(number) from period_seals seal where seal.ledger_id = every.ledger_id))
    ) chain (place, number)
    where chain.number > coalesce(last.chains[chain.place], 0)
)
""")

_NEWEST = text("""
select every.ledger_id, last.number from unnest(cast(:ledger_ids as uuid[])) every (ledger_id)
cross join lateral (
    select number from signed_checkpoints sealed where sealed.ledger_id = every.ledger_id order by number desc limit 1
) last
""")


def first_unsealed(ledger_id: str) -> str:
    """The first event of a ledger that tells of a leaf which no checkpoint has."""
    return f"""
    select event.xid, event.created_at from events event
    left join (select until_xid, until_id from signed_checkpoints sealed where sealed.ledger_id = {ledger_id}
               order by number desc limit 1) last on true
    where event.ledger_id = {ledger_id}
      and (event.xid, event.id)
          > (coalesce(last.until_xid, '0'), coalesce(last.until_id, '00000000-0000-0000-0000-000000000000'))
      and (event.resource_type = 'account'
           or exists (select from journal_entries entry where entry.ledger_id = {ledger_id} and entry.id = event.id))
    order by event.xid, event.id limit 1"""  # noqa: S608 - made of constants only


_WITH_ENTRY = text(f"""
select size - cardinality(ids) + array_position(ids, :entry_id) - 1 as place, kinds
from (
    select * from signed_checkpoints where ledger_id = :ledger_id and posted_until >= :posted_at
    order by posted_until, number limit {LOOKED_AT_MAX}
) near
where :entry_id = any(ids) order by number limit 1
""")  # noqa: S608 - made of constants only

# Each begins where the one before ended: so the first that reaches the end is the last of them.
_LEAF_HASHES = text("""
(select size, hashes from signed_checkpoints
 where ledger_id = :ledger_id and size > :start and size < :end order by size limit :limit)
union all
(select size, hashes from signed_checkpoints where ledger_id = :ledger_id and size >= :end order by size limit 1)
""")

_NODE_HASHES = text("""
select node.level, node.place, node.hash
from unnest(cast(:levels as smallint[]), cast(:places as bigint[])) wanted (level, place)
join proof_log_nodes node on node.ledger_id = :ledger_id and node.level = wanted.level and node.place = wanted.place
""")


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedRoot:
    """What a reader wants of a checkpoint: without its leaves, of which there may be a thousand."""

    ledger_id: UUID
    number: int
    size: int
    root: bytes
    sealed_at: datetime
    key_id: str
    signature: bytes

    @property
    def statement(self) -> Statement:
        return Statement(ledger_id=self.ledger_id, size=self.size, root=self.root, sealed_at=self.sealed_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedCheckpoint(SignedRoot):
    """`leaves` are those it adds; `chains` says of each chain of seals which is the last in the log."""

    frontier: tuple[bytes, ...]
    leaves: Sequence[Leaf]
    chains: Sequence[int]
    until: FeedPosition
    posted_until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class LogEnd:
    """Where a log is carried on: of its last checkpoint what the next one begins with."""

    number: int = 0
    size: int = 0
    frontier: tuple[bytes, ...] = ()
    chains: Sequence[int] = (0,) * len(CHAINS)
    until: FeedPosition = BEGINNING
    posted_until: datetime = datetime(1970, 1, 1, tzinfo=UTC)


_ROOT = ("ledger_id", "number", "size", "root", "sealed_at", "key_id", "signature")
_END = ("number", "size", "frontier", "chains", "until_xid", "until_id", "posted_until")


async def unsealed(
    connection: AsyncConnection, ledger_ids: Collection[UUID], looked: Mapping[UUID, FeedPosition]
) -> list[UUID]:
    """Of these ledgers, in whose unit of work it is asked. Up to the places of `looked` there is nothing to seal."""
    places = [looked.get(ledger_id, BEGINNING) for ledger_id in ledger_ids]
    looked_to = {"xids": [place.xid for place in places], "ids": [place.id for place in places]}
    return list((await connection.execute(_UNSEALED, {"ledger_ids": list(ledger_ids), **looked_to})).scalars())


async def newest_numbers(connection: AsyncConnection, ledger_ids: Collection[UUID]) -> dict[UUID, int]:
    """Of each of these ledgers that has a checkpoint, the number of the newest."""
    rows = await connection.execute(_NEWEST, {"ledger_ids": list(ledger_ids)})
    return {row.ledger_id: row.number for row in rows}


async def end_of_log(connection: AsyncConnection, ledger_id: UUID) -> LogEnd:
    """The beginning, where there is no checkpoint yet. Its leaves, a thousand perhaps, are not read."""
    statement = select(*[_columns[name] for name in _END])
    row = (await connection.execute(_page(statement, ledger_id, None, 1, is_ascending=False))).first()
    if row is None:
        return LogEnd()
    return LogEnd(
        number=row.number,
        size=row.size,
        frontier=tuple(split_hashes(row.frontier)),
        chains=row.chains,
        until=FeedPosition(row.until_xid, row.until_id),
        posted_until=row.posted_until,
    )


async def list_checkpoints(
    connection: AsyncConnection, ledger_id: UUID, *, after: int | None, limit: int, is_ascending: bool
) -> list[SignedCheckpoint]:
    """Behind a number, in that order."""
    statement = _page(select(signed_checkpoints), ledger_id, after, limit, is_ascending=is_ascending)
    return [_checkpoint(row) for row in await connection.execute(statement)]


async def list_roots(
    connection: AsyncConnection, ledger_id: UUID, *, after: int | None, limit: int, is_ascending: bool
) -> list[SignedRoot]:
    """The same without what they add."""
    statement = _page(select(*[_columns[name] for name in _ROOT]), ledger_id, after, limit, is_ascending=is_ascending)
    return [SignedRoot(**row._mapping) for row in await connection.execute(statement)]  # noqa: SLF001 - its public name


async def root_of_size(connection: AsyncConnection, ledger_id: UUID, size: int) -> SignedRoot | None:
    statement = select(*[_columns[name] for name in _ROOT])
    statement = statement.where(_columns.ledger_id == ledger_id, _columns.size == size)
    row = (await connection.execute(statement)).first()
    return None if row is None else SignedRoot(**row._mapping)  # noqa: SLF001 - its public name


async def newest_root(connection: AsyncConnection, ledger_id: UUID, *, above: int, at_most: int) -> SignedRoot | None:
    """Of the checkpoints that have so many leaves."""
    statement = select(*[_columns[name] for name in _ROOT])
    statement = statement.where(_columns.ledger_id == ledger_id, _columns.size > above, _columns.size <= at_most)
    row = (await connection.execute(statement.order_by(_columns.size.desc()).limit(1))).first()
    return None if row is None else SignedRoot(**row._mapping)  # noqa: SLF001 - its public name


def _page(statement: Select[Any], ledger_id: UUID, after: int | None, limit: int, *, is_ascending: bool) -> Select[Any]:
    statement = statement.where(_columns.ledger_id == ledger_id)
    if after is not None:
        statement = statement.where(_columns.number > after if is_ascending else _columns.number < after)
    return statement.order_by(_columns.number.asc() if is_ascending else _columns.number.desc()).limit(limit)


async def insert_checkpoint(
    connection: AsyncConnection, checkpoint: SignedCheckpoint, nodes: Mapping[Node, bytes]
) -> None:
    """`nodes` are those that it makes full and that are kept beside the leaves."""
    members = ("ledger_id", "number", "size", "root", "posted_until", "sealed_at", "key_id", "signature")
    values = {name: getattr(checkpoint, name) for name in members}
    leaves = checkpoint.leaves
    values |= {
        "frontier": b"".join(checkpoint.frontier),
        "kinds": "".join(leaf.kind for leaf in leaves),
        "ids": [leaf.id for leaf in leaves],
        "numbers": [leaf.number for leaf in leaves],
        "hashes": b"".join(leaf.hash for leaf in leaves),
        "chains": list(checkpoint.chains),
        "until_xid": checkpoint.until.xid,
        "until_id": checkpoint.until.id,
    }
    await connection.execute(insert(signed_checkpoints).values(**values))
    rows = [
        {"ledger_id": checkpoint.ledger_id, "level": node.level, "place": node.place, "hash": hash_}
        for node, hash_ in nodes.items()
    ]
    if rows:
        await connection.execute(insert(proof_log_nodes), rows)


async def place_of_entry(
    connection: AsyncConnection, ledger_id: UUID, entry_id: UUID, posted_at: datetime
) -> int | None:
    """Which leaf of the log it is. None where no checkpoint has it yet."""
    given = {"ledger_id": ledger_id, "entry_id": entry_id, "posted_at": posted_at}
    place: int | None = (await connection.execute(_WITH_ENTRY, given)).scalar()
    return place


async def leaf_hashes(connection: AsyncConnection, ledger_id: UUID, start: int, end: int) -> dict[Node, bytes]:
    """Of the leaves from `start` to below `end`, as far as they are there."""
    given = {"ledger_id": ledger_id, "start": start, "end": end, "limit": end - start}
    found: dict[Node, bytes] = {}
    for row in await connection.execute(_LEAF_HASHES, given):
        first = row.size - len(row.hashes) // HASH_BYTES
        for place in range(max(start, first), min(end, row.size)):
            offset = (place - first) * HASH_BYTES
            found[Node(0, place)] = row.hashes[offset : offset + HASH_BYTES]
    return found


async def node_hashes(connection: AsyncConnection, ledger_id: UUID, wanted: Collection[Node]) -> dict[Node, bytes]:
    await look_up_by_key(connection)
    places = {"levels": [node.level for node in wanted], "places": [node.place for node in wanted]}
    given = {"ledger_id": ledger_id, **places}
    rows = await connection.execute(_NODE_HASHES, given)
    return {Node(row.level, row.place): row.hash for row in rows}


def _checkpoint(row: Row[Any]) -> SignedCheckpoint:
    members = ("ledger_id", "number", "size", "root", "chains", "posted_until", "sealed_at", "key_id", "signature")
    leaves = [
        Leaf(kind, id_, number, row.hashes[place * HASH_BYTES : (place + 1) * HASH_BYTES])
        for place, (kind, id_, number) in enumerate(zip(row.kinds, row.ids, row.numbers, strict=False))
    ]
    return SignedCheckpoint(
        **{name: getattr(row, name) for name in members},
        frontier=tuple(split_hashes(row.frontier)),
        leaves=leaves,
        until=FeedPosition(row.until_xid, row.until_id),
    )


def split_hashes(joined: bytes) -> list[bytes]:
    return [joined[start : start + HASH_BYTES] for start in range(0, len(joined), HASH_BYTES)]
