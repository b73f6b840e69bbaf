"""Reading issued statements for their proof, beside what the postings say. Amounts and times come as text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from zerosum.db.queries.moments import micros

# What is announced of them, in the shape of entries.
NAMES_OF_STATEMENTS = f"""
    (select id, 'issued', 'statement', null, {micros("issued_at")}, array[account_id], null, encode(hash, 'hex')
     from statements where ledger_id = :ledger_id and id > :after order by id limit :limit)
"""  # noqa: S608 - made of constants only

_SIGNED = """case when posting.side = 'd' and account.type in ('asset', 'expense')
                or posting.side = 'c' and account.type not in ('asset', 'expense')
            then posting.amount else -posting.amount end"""

# What lay there before is read beside checkpoints, as far as it was written by the time of the statement's last
# posting; what was written at that same instant with a higher version is taken off again.
_STATEMENTS = text(f"""
with page as materialized (
    select * from statements where ledger_id = :ledger_id and (account_id, number) > (:account_id, :number)
    order by account_id, number limit :limit
)
select page.id, page.account_id, page.number, page.currency, page.opening::text as opening,
       page.closing::text as closing, page.lines, page.account_version, page.head, page.hash,
       {micros("page.from_at")} as from_at, {micros("page.to_at")} as to_at,
       {micros("page.issued_at")} as issued_at, account.currency as account_currency,
       case when page.account_version = 0
            then sha256('zerosum.genesis.v1'::bytea || uuid_send(page.ledger_id) || uuid_send(page.account_id))
            else last.hash end as version_head,
       case when last.hash is null then '0' else (before.posted - later.moved)::text end as before,
       inside.moved::text as moved, inside.found
from page
left join accounts account on account.ledger_id = page.ledger_id and account.id = page.account_id
left join postings last on last.ledger_id = page.ledger_id and last.account_id = page.account_id
    and last.account_version = page.account_version
left join lateral zerosum_totals_at(
    page.ledger_id, page.account_id, page.from_at - interval '1 microsecond', last.posted_at, false) before on true
left join lateral (
    select coalesce(sum({_SIGNED}), 0) as moved from postings posting
    where posting.ledger_id = page.ledger_id and posting.account_id = page.account_id
      and posting.account_version > page.account_version
      and posting.account_version <= zerosum_version_at(page.ledger_id, page.account_id, last.posted_at)
      and posting.layer = 'p' and posting.effective_at < page.from_at
) later on true
left join lateral (
    select coalesce(sum({_SIGNED}), 0) as moved, count(*) as found from postings posting
    where posting.ledger_id = page.ledger_id and posting.account_id = page.account_id and posting.layer = 'p'
      and posting.effective_at >= page.from_at and posting.effective_at < page.to_at
      and posting.account_version <= page.account_version
) inside on true
order by page.account_id, page.number
""")  # noqa: S608 - made of constants only


async def statements_after(
    connection: AsyncConnection, ledger_id: UUID, position: tuple[UUID, int], *, limit: int
) -> Sequence[Row[Any]]:
    """In the order of accounts and numbers."""
    given = {"ledger_id": ledger_id, "account_id": position[0], "number": position[1], "limit": limit}
    return (await connection.execute(_STATEMENTS, given)).all()
