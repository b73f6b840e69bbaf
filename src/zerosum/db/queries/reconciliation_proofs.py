"""Reading reconciliation for the proof of a ledger: files beside their lines, matches beside their items, breaks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

# A file that nothing was matched of yet may still be received.
_FILES = text("""
with page as materialized (
    select * from reconciliation_files where ledger_id = :ledger_id and id > :after order by id limit :limit
)
select page.id, page.lines, page.money_in::text as money_in, page.money_out::text as money_out,
       page.opening::text as opening, page.closing::text as closing,
       exists (select from reconciliation_runs run where run.ledger_id = page.ledger_id and run.file_id = page.id)
           as is_whole,
       exists (select from reconciliation_runs run where run.ledger_id = page.ledger_id and run.file_id = page.id
                 and run.ended_at is not null and run.failure is null) as is_matched,
       told.forgotten,
       told.lines as told, coalesce(told.money_in, 0)::text as told_in, coalesce(told.money_out, 0)::text as told_out,
       told.others, told.last_number
from page
left join lateral (
    select count(*) as lines, sum(line.amount) filter (where line.amount > 0) as money_in,
           -sum(line.amount) filter (where line.amount < 0) as money_out, max(line.number) as last_number,
           count(*) filter (where (line.source, line.currency) is distinct from (page.source, page.currency)) as others,
           count(*) filter (where not line.is_repeat
               and not exists (
                   select from reconciliation_matched one
                   where one.ledger_id = page.ledger_id and one.source = page.source and one.kind = 'line'
                     and one.holder_id = page.id and one.number = line.number)
               and not exists (
                   select from reconciliation_breaks one
                   where one.ledger_id = page.ledger_id and one.source = page.source and one.kind = 'line'
                     and one.holder_id = page.id and one.number = line.number)) as forgotten
    from reconciliation_lines line where line.ledger_id = page.ledger_id and line.file_id = page.id
) told on true
order by page.id
""")

_MATCHES = text("""
with page as materialized (
    select * from reconciliation_matches where ledger_id = :ledger_id and id > :after order by id limit :limit
)
select page.id, page.rule, page.lines, page.entries, page.lines_sum::text as lines_sum,
       page.entries_sum::text as entries_sum, page.tolerance::text as tolerance,
       source.content #>> '{rules,tolerance}' as allowed, item.lines as told_lines, item.entries as told_entries,
       coalesce(item.lines_sum, 0)::text as told_lines_sum, coalesce(item.entries_sum, 0)::text as told_entries_sum,
       item.wrong
from page
left join reconciliation_sources source on source.ledger_id = page.ledger_id and source.name = page.source
     and source.version = page.source_version
left join lateral (
    select count(*) filter (where one.kind = 'line') as lines, count(*) filter (where one.kind = 'entry') as entries,
           sum(one.amount) filter (where one.kind = 'line') as lines_sum,
           sum(one.amount) filter (where one.kind = 'entry') as entries_sum,
           count(*) filter (where one.source <> page.source or one.currency <> page.currency or one.amount
               is distinct from case when one.kind = 'line' then line.amount
                                     when posting.side = 'd' then posting.amount else -posting.amount end
               or line.is_repeat or posting.layer <> 'p'
               or coalesce(line.currency, posting.currency) <> one.currency
               or one.kind = 'line' and line.source <> page.source
               or one.kind = 'entry' and posting.account_id::text is distinct from source.content ->> 'account_id'
           ) as wrong
    from reconciliation_matched one
    left join reconciliation_lines line on one.kind = 'line' and line.ledger_id = one.ledger_id
         and line.file_id = one.holder_id and line.number = one.number
    left join postings posting on one.kind = 'entry' and posting.ledger_id = one.ledger_id
         and posting.account_id = one.holder_id and posting.account_version = one.number
    where one.ledger_id = page.ledger_id and one.match_id = page.id
) item on true
order by page.id
""")

_BREAKS = text("""
with page as materialized (
    select * from reconciliation_breaks where ledger_id = :ledger_id and id > :after order by id limit :limit
)
select page.id, page.state, page.changes, step.steps, step.last_number, last.left_as,
       jsonb_build_object('state', page.state, 'explanation', page.explanation, 'explained_until', page.explained_until,
                          'owner', page.owner, 'note', page.note, 'match_id', page.match_id) as left_now,
       page.match_id is null or exists (
           select from reconciliation_matched one
           where one.ledger_id = page.ledger_id and one.source = page.source and one.kind = page.kind
             and one.holder_id = page.holder_id and one.number = page.number and one.match_id = page.match_id
       ) as has_match,
       page.amount is not distinct from case when page.kind = 'line' then line.amount
                                             when posting.side = 'd' then posting.amount else -posting.amount end
           as fits_item
from page
left join lateral (
    select count(*) as steps, max(number) as last_number from reconciliation_break_changes one
    where one.ledger_id = page.ledger_id and one.break_id = page.id
) step on true
left join reconciliation_break_changes last on last.ledger_id = page.ledger_id and last.break_id = page.id
     and last.number = step.last_number
left join reconciliation_lines line on page.kind = 'line' and line.ledger_id = page.ledger_id
     and line.file_id = page.holder_id and line.number = page.number
left join postings posting on page.kind = 'entry' and posting.ledger_id = page.ledger_id
     and posting.account_id = page.holder_id and posting.account_version = page.number
order by page.id
""")


async def files_after(connection: AsyncConnection, ledger_id: UUID, *, after: UUID, limit: int) -> Sequence[Row[Any]]:
    return (await connection.execute(_FILES, {"ledger_id": ledger_id, "after": after, "limit": limit})).all()


async def matches_after(connection: AsyncConnection, ledger_id: UUID, *, after: UUID, limit: int) -> Sequence[Row[Any]]:
    return (await connection.execute(_MATCHES, {"ledger_id": ledger_id, "after": after, "limit": limit})).all()


async def breaks_after(connection: AsyncConnection, ledger_id: UUID, *, after: UUID, limit: int) -> Sequence[Row[Any]]:
    return (await connection.execute(_BREAKS, {"ledger_id": ledger_id, "after": after, "limit": limit})).all()
