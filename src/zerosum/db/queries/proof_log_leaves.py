"""What the proof log has a leaf of, and what each says, worked out by the database.

    e   a journal entry: its id, and the hashes of its postings
    a   a revision of what is said about an account
    s   a seal of the security log;  r  of refusals;  d  of events that were dropped;  p  of a closed period

A posting's hash carries on that of the posting before it on its account, and what the entry says. So a leaf of an entry
binds the whole of it, and all that was posted before on its accounts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from zerosum.db.queries.events import FeedPosition
from zerosum.db.queries.pages import look_up_by_key

ENTRY, REVISION = "e", "a"

CHAINS = ("s", "r", "d", "p")
"""In this order the numbers of a checkpoint stand that say how far each chain is in the log. New ones at the end."""

ENTRY_TAG, REVISION_TAG, CHAIN_TAG = b"zerosum.leaf.entry.v1", b"zerosum.leaf.account.v1", b"zerosum.leaf.chain.v1"

_SEALS = {"s": "audit_seals", "r": "refusal_seals", "d": "event_seals", "p": "period_seals"}


class Leaf(NamedTuple):
    """`id` is the entry's, the account's, or the ledger's; `number` which revision or seal of it."""

    kind: str
    id: UUID
    number: int
    hash: bytes


@dataclass(frozen=True, slots=True)
class Found:
    """Leaves of a stretch of the feed, in order; where looking ended, and how many events were looked at."""

    leaves: Sequence[Leaf]
    until: FeedPosition
    events: int
    posted_until: datetime | None


def _tagged(tag: bytes) -> str:
    return f"decode('{(chr(0).encode() + tag).hex()}', 'hex')"


def _of_entry(ledger_id: str, entry_id: str) -> str:
    """Null where it has no postings."""
    return f"""(select sha256({_tagged(ENTRY_TAG)} || uuid_send({entry_id})
                       || string_agg(posting.hash, ''::bytea order by posting.place))
                from postings posting where posting.ledger_id = {ledger_id} and posting.entry_id = {entry_id})"""  # noqa: S608 - made of constants only


def _of_revision(change: str) -> str:
    return (
        f"sha256({_tagged(REVISION_TAG)} || uuid_send({change}.account_id) || int8send({change}.revision) "
        f"|| {change}.hash)"
    )


def _of_seal(letter: str, seal: str) -> str:
    return f"sha256({_tagged(CHAIN_TAG + letter.encode())} || int8send({seal}.number) || {seal}.hash)"


# An entry is told of by the event that has its id and its time. A revision goes with the first event of its account in
# its transaction.
_LOOK = """
with looked_at as materialized (
    select xid, id, created_at, resource_type, resource_id from events
    where ledger_id = :ledger_id and (xid, id) > (cast(:after_xid as xid8), cast(:after_id as uuid)) and {bound}
    order by xid, id limit :limit
), found as materialized (
    select event.xid, event.id as event_id, 'e' as kind, event.id, cast(0 as bigint) as number, entry.posted_at,
           {of_entry} as hash
    from looked_at event
    join journal_entries entry on entry.ledger_id = :ledger_id and entry.id = event.id
        and entry.posted_at = event.created_at
    union all
    select event.xid, event.id, 'a', change.account_id, change.revision, null, {of_revision}
    from looked_at event
    join account_changes change on change.ledger_id = :ledger_id and change.account_id = event.resource_id
        and change.xid = event.xid
    where event.resource_type = 'account' and not exists (
        select from events earlier where earlier.ledger_id = :ledger_id and earlier.xid = event.xid
        and earlier.id < event.id and earlier.resource_type = 'account' and earlier.resource_id = event.resource_id
    )
)
select kind, id, number, hash, posted_until, last_xid, last_id, events
from (
    select kind, id, number, hash, null as posted_until, null as last_xid, null as last_id, null as events,
           xid, event_id
    from found where hash is not null
    union all
    select null, null, null, null, (select max(posted_at) from found where hash is not null), last.xid, last.id,
           (select count(*) from looked_at), null, null
    from (select xid, id from looked_at order by xid desc, id desc limit 1) last
) line
order by xid nulls last, event_id, number
"""
"""The leaves in order; the last row says where looking has ended."""
_GIVEN = {"of_entry": _of_entry(":ledger_id", "event.id"), "of_revision": _of_revision("change")}
_NEXT = text(_LOOK.format(bound="xid < zerosum_feed_horizon()", **_GIVEN))
_BETWEEN = text(_LOOK.format(bound="(xid, id) <= (cast(:until_xid as xid8), cast(:until_id as uuid))", **_GIVEN))

_NEWEST_SEALS = text(
    " union all ".join(
        f"(select '{letter}' as kind, number, {_of_seal(letter, 'seal')} as hash from {table} seal "  # noqa: S608
        "where ledger_id = :ledger_id order by number desc limit 1)"
        for letter, table in _SEALS.items()
    )
)

_AGAIN = text(f"""
select case wanted.kind
    when 'e' then {_of_entry(":ledger_id", "wanted.id")}
    when 'a' then (select {_of_revision("change")} from account_changes change
                   where change.ledger_id = :ledger_id and change.account_id = wanted.id
                   and change.revision = wanted.number)
    {
    "".join(
        f"when '{letter}' then (select {_of_seal(letter, 'seal')} from {table} seal "
        "where seal.ledger_id = :ledger_id and seal.number = wanted.number)"
        for letter, table in _SEALS.items()
    )
} end as hash
from unnest(string_to_array(:kinds, null), cast(:ids as uuid[]), cast(:numbers as bigint[]))
    with ordinality as wanted(kind, id, number, place)
order by place
""")  # noqa: S608 - made of constants only


async def next_leaves(connection: AsyncConnection, ledger_id: UUID, after: FeedPosition, limit: int) -> Found:
    """Those that so many settled events behind a place tell of."""
    await look_up_by_key(connection)
    return await _looked(connection, _NEXT, _given(ledger_id, after) | {"limit": limit}, after)


async def leaves_between(
    connection: AsyncConnection, ledger_id: UUID, after: FeedPosition, until: FeedPosition, limit: int
) -> Found:
    """As they are told of now, up to a place."""
    given = _given(ledger_id, after) | {"until_xid": until.xid, "until_id": until.id, "limit": limit}
    return await _looked(connection, _BETWEEN, given, after)


async def newest_seals(connection: AsyncConnection, ledger_id: UUID) -> dict[str, Leaf]:
    """Of each chain of seals the newest, where there is one."""
    rows = await connection.execute(_NEWEST_SEALS, {"ledger_id": ledger_id})
    return {row.kind: Leaf(row.kind, ledger_id, row.number, row.hash) for row in rows}


async def hashes_again(connection: AsyncConnection, ledger_id: UUID, leaves: Sequence[Leaf]) -> list[bytes | None]:
    """What each of them says now, whatever it said. None where what it is of is not there."""
    return await hashes_of(connection, _AGAIN, ledger_id, leaves)


async def hashes_of(
    connection: AsyncConnection, statement: TextClause, ledger_id: UUID, leaves: Sequence[Leaf]
) -> list[bytes | None]:
    """What a statement finds for each of them, in their order."""
    given = {
        "ledger_id": ledger_id,
        "kinds": "".join(leaf.kind for leaf in leaves),
        "ids": [leaf.id for leaf in leaves],
        "numbers": [leaf.number for leaf in leaves],
    }
    return list((await connection.execute(statement, given)).scalars())


def _given(ledger_id: UUID, after: FeedPosition) -> dict[str, Any]:
    return {"ledger_id": ledger_id, "after_xid": after.xid, "after_id": after.id}


async def _looked(connection: AsyncConnection, statement: Any, given: dict[str, Any], after: FeedPosition) -> Found:
    rows = (await connection.execute(statement, given)).all()
    if not rows:
        return Found([], after, 0, None)
    leaves = [Leaf(kind, id_, number, hash_) for kind, id_, number, hash_, *_ in rows[:-1]]
    edge = rows[-1]
    return Found(leaves, FeedPosition(edge.last_xid, edge.last_id), edge.events, edge.posted_until)
