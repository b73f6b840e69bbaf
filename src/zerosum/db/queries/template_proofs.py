"""Reading templates and their uses for a proof, a slice at a time, with amounts and times as text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from zerosum.db.queries.moments import micros

# What is announced of them, in the shape of entries.
NAMES_OF_TEMPLATES = f"""
    (select * from (select (lpad(to_hex(case when created_at > 'epoch' and isfinite(created_at)
                then floor(extract(epoch from created_at) * 1000)::bigint else 0 end), 12, '0')
            || encode(substring(hash from 1 for 10), 'hex'))::uuid as id, 'made', 'template', null::text,
            {micros("created_at")}, '{{}}'::uuid[], null::uuid, encode(hash, 'hex')
     from templates where ledger_id = :ledger_id) made where id > :after order by id limit :limit)
"""  # noqa: S608 - made of constants only

# Each version with the hash of the one before it.
_TEMPLATES = text(f"""
with page as materialized (
    select * from templates where ledger_id = :ledger_id and (name, version) > (:name, :version)
    order by name, version limit :limit
)
select page.name, page.version, page.content, {micros("page.created_at")} as created_at, page.actor, page.hash,
       before.hash as previous_hash
from page
left join templates before on before.ledger_id = page.ledger_id and before.name = page.name
     and before.version = page.version - 1
order by page.name, page.version
""")  # noqa: S608 - made of constants only

# Each entry by a template, with the template and its lines.
_TEMPLATE_USES = text(f"""
with page as materialized (
    select * from template_uses where ledger_id = :ledger_id and id > :after order by id limit :limit
)
select page.id, page.name, page.version, page.parameters::text as parameters, template.content, entry.reason,
       entry.fingerprint, entry.resource_type, entry.resource_id, entry.metadata,
       {micros("entry.effective_at")} as effective_at, {micros("entry.posted_at")} as posted_at,
       {micros("late.requested_at")} as late_requested_at,
       (select jsonb_agg(jsonb_build_object('side', line.side, 'account_id', line.account_id, 'code', account.code,
                                            'amount', line.amount::text, 'currency', line.currency) order by line.place)
        from postings line
        left join accounts account on account.ledger_id = line.ledger_id and account.id = line.account_id
        where line.ledger_id = page.ledger_id and line.entry_id = page.id) as lines
from page
left join templates template on template.ledger_id = page.ledger_id and template.name = page.name
     and template.version = page.version
left join journal_entries entry on entry.ledger_id = page.ledger_id and entry.id = page.id
left join late_entries late on late.ledger_id = page.ledger_id and late.id = page.id
order by page.id
""")  # noqa: S608 - made of constants only


async def templates_after(
    connection: AsyncConnection, ledger_id: UUID, position: tuple[str, int], *, limit: int
) -> Sequence[Row[Any]]:
    given = {"ledger_id": ledger_id, "name": position[0], "version": position[1], "limit": limit}
    return (await connection.execute(_TEMPLATES, given)).all()


async def template_uses_after(
    connection: AsyncConnection, ledger_id: UUID, *, after: UUID, limit: int
) -> Sequence[Row[Any]]:
    given = {"ledger_id": ledger_id, "after": after, "limit": limit}
    return (await connection.execute(_TEMPLATE_USES, given)).all()
