"""Reading accounts for the proof of a ledger: their chains of postings, what was said of them, a slice at a time.

Amounts and times come as text, as in `proofs.py`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from zerosum.db.queries.moments import micros
from zerosum.db.queries.proofs import rows_of

_ACCOUNTS = text("""
select id, code, name, type, currency, status, version, head, held::text as held, overdrawn, metadata::text as metadata,
       min_available::text as min_available, max_available::text as max_available,
       velocity_limits::text as velocity_limits,
       posted_debits::text as posted_debits, posted_credits::text as posted_credits
from accounts where ledger_id = :ledger_id and id > :after and id <= :until order by id limit :limit
""")

_POSTING = f"""posting.account_id, posting.account_version, posting.place, posting.side::text as side,
       posting.layer::text as layer, posting.releases, posting.hold_id,
       posting.amount::text as amount, posting.currency, posting.balance_after::text as balance_after,
       posting.held_after::text as held_after, posting.hash, posting.entry_id,
       {micros("posting.effective_at")} as posting_effective_at, {micros("posting.posted_at")} as posting_posted_at,
       {micros("entry.effective_at")} as effective_at, {micros("entry.posted_at")} as posted_at,
       entry.reverses, entry.fingerprint, entry.resource_type, entry.resource_id,
       entry.idempotency_key, entry.actor, entry.reason, entry.metadata, entry.id is not null as has_entry,
       late.closing as late_closing, late.way as late_way, late.reason as late_reason,
       {micros("late.requested_at")} as late_requested_at"""
_ITS_ENTRY = """left join journal_entries entry on entry.ledger_id = posting.ledger_id and entry.id = posting.entry_id
left join late_entries late on late.ledger_id = posting.ledger_id and late.id = posting.entry_id"""
_CHAIN = text(f"""
with page as materialized (
    select * from postings
    where ledger_id = :ledger_id and (account_id, account_version) > (:account_id, :version) and account_id <= :last
    order by account_id, account_version limit :limit
)
select {_POSTING}
from page posting
{_ITS_ENTRY}
order by posting.account_id, posting.account_version
""")  # noqa: S608 - made of constants only

# Of each account the last one that was written by a moment, and the hash that it is to follow from.
_LAST_BY = text(f"""
with page as materialized (
    select own.id, zerosum_version_at(:ledger_id, own.id, :moment) as version
    from unnest(cast(:ids as uuid[])) own (id)
)
select {_POSTING}, previous.hash as previous_hash
from page
cross join lateral (
    select * from postings
    where ledger_id = :ledger_id and account_id = page.id and account_version <= page.version
    order by account_version desc limit 1
) posting
left join postings previous on previous.ledger_id = posting.ledger_id and previous.account_id = posting.account_id
    and previous.account_version = posting.account_version - 1
{_ITS_ENTRY}
""")  # noqa: S608 - made of constants only

# Beside each revision what was announced of the account in the same transaction.
_CHANGES = text(f"""
with page as materialized (
    select * from account_changes where ledger_id = :ledger_id and account_id > :after and account_id <= :last
), told as (
    select event.xid, event.resource_id, array_agg(event.type) as types from events event
    where event.ledger_id = :ledger_id and event.resource_type = 'account'
      and event.xid = any (array(select distinct xid from page))
    group by event.xid, event.resource_id
)
select account_id, revision, origin, page.xid::text as xid, {micros("changed_at")} as changed_at, actor, code, name,
       type, currency, status, min_available::text as min_available, max_available::text as max_available,
       metadata::text as metadata, velocity_limits::text as velocity_limits, hash,
       coalesce(told.types, '{{}}') as events,
       page.xid <= coalesce((select max(last_xid) from event_seals where ledger_id = :ledger_id), '0') as is_dropped
from page left join told on told.xid = page.xid and told.resource_id = page.account_id
order by account_id, revision
""")  # noqa: S608 - made of constants only

_CHANGED_CLIENT_TRANSACTIONS = text("""
select client, tx, status from client_transactions
where ledger_id = :ledger_id and client = any(:clients) and status <> 'carried_out'
""")


async def accounts_after(
    connection: AsyncConnection, ledger_id: UUID, *, after: UUID, until: UUID, limit: int
) -> Sequence[Any]:
    """Up to and with `until`."""
    return await rows_of(connection, _ACCOUNTS, ledger_id, after=after, until=until, limit=limit)


async def postings_after(
    connection: AsyncConnection, ledger_id: UUID, position: tuple[UUID, int], *, last: UUID, limit: int
) -> Sequence[Any]:
    """In the order of accounts and versions, each with the entry it belongs to; of no account beyond `last`."""
    return await rows_of(
        connection, _CHAIN, ledger_id, account_id=position[0], version=position[1], last=last, limit=limit
    )


async def last_postings_by(
    connection: AsyncConnection, ledger_id: UUID, account_ids: Collection[UUID], moment: datetime
) -> dict[UUID, Any]:
    """By account: the last posting that was written by then, as `postings_after` tells it, with its `previous_hash`."""
    rows = await rows_of(connection, _LAST_BY, ledger_id, ids=list(account_ids), moment=moment)
    return {row.account_id: row for row in rows}


async def account_changes_between(
    connection: AsyncConnection, ledger_id: UUID, *, after: UUID, last: UUID
) -> Sequence[Any]:
    """The histories of the accounts beyond `after`, up to and with `last`."""
    return await rows_of(connection, _CHANGES, ledger_id, after=after, last=last)


async def changed_client_transactions(
    connection: AsyncConnection, ledger_id: UUID, clients: Collection[int]
) -> Sequence[Any]:
    """Those of these clients that are not as they were carried out."""
    return await rows_of(connection, _CHANGED_CLIENT_TRANSACTIONS, ledger_id, clients=list(clients))
