"""Journal entries with all that their hashes cover, for receipts and exports."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from zerosum.db.queries.moments import micros
from zerosum.db.queries.proof_log_leaves import Leaf, hashes_of

_ENTRIES = text(f"""
select entry.id, {micros("entry.effective_at")} as effective_at, {micros("entry.posted_at")} as posted_at,
       entry.posted_at as moment, entry.reverses, entry.fingerprint, entry.resource_type, entry.resource_id,
       entry.idempotency_key, entry.actor, entry.reason, entry.metadata,
       late.closing as late_closing, late.way as late_way, late.reason as late_reason,
       {micros("late.requested_at")} as late_requested_at
from unnest(cast(:ids as uuid[])) wanted (id)
join journal_entries entry on entry.ledger_id = :ledger_id and entry.id = wanted.id
left join late_entries late on late.ledger_id = :ledger_id and late.id = wanted.id
""")  # noqa: S608 - made of constants only

_POSTINGS = text("""
select posting.entry_id, posting.place, posting.account_id, posting.account_version, posting.side::text as side,
       posting.layer::text as layer, posting.releases, posting.hold_id, posting.amount::text as amount,
       posting.currency, posting.balance_after::text as balance_after, posting.held_after::text as held_after,
       posting.hash, previous.hash as previous_hash
from unnest(cast(:ids as uuid[])) wanted (id)
join postings posting on posting.ledger_id = :ledger_id and posting.entry_id = wanted.id
left join postings previous on previous.ledger_id = :ledger_id and previous.account_id = posting.account_id
    and previous.account_version = posting.account_version - 1
order by posting.entry_id, posting.place
""")


_ACCOUNTS = text("""
select id, code, type, currency from accounts where ledger_id = :ledger_id and id > :after order by id limit :limit
""")

_LINKS = text("""
select case wanted.kind
    when 's' then (select hash from audit_seals where ledger_id = :ledger_id and audit_seals.number = wanted.number)
    when 'r' then (select hash from refusal_seals where ledger_id = :ledger_id and refusal_seals.number = wanted.number)
    when 'd' then (select hash from event_seals where ledger_id = :ledger_id and event_seals.number = wanted.number)
    when 'p' then (select hash from period_seals where ledger_id = :ledger_id and period_seals.number = wanted.number)
end as hash
from unnest(string_to_array(:kinds, null), cast(:ids as uuid[]), cast(:numbers as bigint[]))
    with ordinality as wanted(kind, id, number, place)
order by place
""")

_REVISIONS = text(f"""
select change.account_id, change.revision, change.origin, change.xid::text as transaction,
       {micros("change.changed_at")} as changed_at, change.actor, change.code, change.name, change.type,
       change.currency, change.status, change.min_available::text as min_available,
       change.max_available::text as max_available, change.metadata::text as metadata,
       change.velocity_limits::text as velocity_limits, change.hash, previous.hash as previous_hash
from unnest(cast(:ids as uuid[]), cast(:numbers as bigint[])) wanted (id, number)
join account_changes change on change.ledger_id = :ledger_id and change.account_id = wanted.id
    and change.revision = wanted.number
left join account_changes previous on previous.ledger_id = :ledger_id and previous.account_id = wanted.id
    and previous.revision = wanted.number - 1
""")  # noqa: S608 - made of constants only


async def revisions_of(
    connection: AsyncConnection, ledger_id: UUID, leaves: Sequence[Leaf]
) -> dict[tuple[UUID, int], Row[Any]]:
    """By account and number, each as it is hashed. The first has no previous hash."""
    ids, numbers = [leaf.id for leaf in leaves], [leaf.number for leaf in leaves]
    rows = await connection.execute(_REVISIONS, {"ledger_id": ledger_id, "ids": ids, "numbers": numbers})
    return {(row.account_id, row.revision): row for row in rows}


async def accounts_of(connection: AsyncConnection, ledger_id: UUID, *, after: UUID, limit: int) -> Sequence[Row[Any]]:
    return (await connection.execute(_ACCOUNTS, {"ledger_id": ledger_id, "after": after, "limit": limit})).all()


async def link_hashes(connection: AsyncConnection, ledger_id: UUID, leaves: Sequence[Leaf]) -> list[bytes | None]:
    """Of leaves that are seals, the hash that each is of."""
    return await hashes_of(connection, _LINKS, ledger_id, leaves)


async def entries_with_postings(
    connection: AsyncConnection, ledger_id: UUID, ids: Collection[UUID]
) -> tuple[dict[UUID, Row[Any]], dict[UUID, Sequence[Row[Any]]]]:
    """By the entry's id. Times are microseconds since 1970; the first posting of an account has no previous hash."""
    given = {"ledger_id": ledger_id, "ids": list(ids)}
    entries = {row.id: row for row in await connection.execute(_ENTRIES, given)}
    postings: dict[UUID, list[Row[Any]]] = {}
    for row in await connection.execute(_POSTINGS, given):
        postings.setdefault(row.entry_id, []).append(row)
    return entries, dict(postings)
