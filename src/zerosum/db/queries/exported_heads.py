"""The heads of a ledger's chains, to be kept elsewhere, and whether those that were kept are still in the chains."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

# An account with its newest posting and the newest revision of its history.
_HEADS = text("""
with page as materialized (
    select id, version, head from accounts where ledger_id = :ledger_id and id > :after order by id limit :limit
)
select page.id, page.version, page.head, coalesce(last.revision, 0) as revision, coalesce(last.hash, ''::bytea) as hash
from page left join lateral (
    select revision, hash from account_changes change
    where change.ledger_id = :ledger_id and change.account_id = page.id order by revision desc limit 1
) last on true
order by page.id
""")

_FIND = text("""
select wanted.account_id, posting.hash as head, change.hash, account.id is not null as is_there
from unnest(cast(:ids as uuid[]), cast(:versions as bigint[]), cast(:revisions as bigint[]))
    as wanted(account_id, version, revision)
left join accounts account on account.ledger_id = :ledger_id and account.id = wanted.account_id
left join postings posting on posting.ledger_id = :ledger_id and posting.account_id = wanted.account_id
    and posting.account_version = wanted.version
left join account_changes change on change.ledger_id = :ledger_id and change.account_id = wanted.account_id
    and change.revision = wanted.revision
""")

_FIND_SEAL = text("select hash from refusal_seals where ledger_id = :ledger_id and number = :number")


async def heads_after(connection: AsyncConnection, ledger_id: UUID, *, after: UUID, limit: int) -> Sequence[Row[Any]]:
    given = {"ledger_id": ledger_id, "after": after, "limit": limit}
    return (await connection.execute(_HEADS, given)).all()


async def find_links(
    connection: AsyncConnection, ledger_id: UUID, wanted: Sequence[tuple[UUID, int, int]]
) -> Sequence[Row[Any]]:
    """Of each account, the posting with this version and the revision with this number, as far as they are there."""
    ids, versions, revisions = ([one[place] for one in wanted] for place in range(3))
    given = {"ledger_id": ledger_id, "ids": ids, "versions": versions, "revisions": revisions}
    return (await connection.execute(_FIND, given)).all()


async def find_seal_hash(connection: AsyncConnection, ledger_id: UUID, number: int) -> bytes | None:
    found: bytes | None = (await connection.execute(_FIND_SEAL, {"ledger_id": ledger_id, "number": number})).scalar()
    return found
