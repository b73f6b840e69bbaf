"""Reading for a proof what keys were answered, beside what was recorded then, and what a ledger is set to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from zerosum.db.queries.moments import micros

# The version of a template is found by its name: it has no id.
_ANSWERS = text(f"""
with page as materialized (
    select * from answers where ledger_id = :ledger_id and idempotency_key > :after
    order by idempotency_key limit :limit
)
select page.idempotency_key, page.fingerprint, page.resource_type, page.resource_id, page.content::text as content,
       {micros("page.created_at")} as created_at, statement.account_id, {micros("statement.from_at")} as from_at,
       {micros("statement.to_at")} as to_at, {micros("statement.issued_at")} as issued_at,
       template.name, template.version, template.content as made, {micros("template.created_at")} as made_at,
       template.actor, encode(template.hash, 'hex') as hash,
       schedule.id as scheduled_payment_id, schedule.idempotency_key as schedule_key,
       {micros("schedule.created_at")} as scheduled_at, {micros("schedule.ended_at")} as ended_at,
       page.fingerprint as cancelling, schedule.cancellation_id,
       review.id as review_id, review.idempotency_key as review_key, review.first_id, review.last_id,
       {micros("review.created_at")} as held_at, {micros("review.first_at")} as first_at,
       {micros("review.last_at")} as last_at
from page
left join statements statement on page.resource_type = 'statement' and statement.ledger_id = page.ledger_id
    and statement.id = page.resource_id
left join templates template on page.resource_type = 'template' and template.ledger_id = page.ledger_id
    and template.name = page.content->>'name' and template.version::text = page.content->>'version'
left join scheduled_payments schedule on page.resource_type = 'scheduled_payment'
    and schedule.ledger_id = page.ledger_id and schedule.id = page.resource_id
left join reviews review on page.resource_type = 'review' and review.ledger_id = page.ledger_id
    and review.id = page.resource_id
order by page.idempotency_key
""")  # noqa: S608 - made of constants only

# What a setting was first, and became, less what it was before that, and is: nothing is left, in whatever order.
# Only what was changed since the ledger was made stands in the log of one that is older than these settings.
_SETTINGS = text("""
with told as (
    select type, facts from audit_log where ledger_id = :ledger_id and type in ('ledger.created', 'ledger.changed')
), settings (name, was, is_now) as (
    select setting.* from ledgers ledger cross join lateral (
        values ('time_zone', 'UTC', ledger.time_zone), ('late_entries', 'refuse', ledger.late_entries)) setting
    where ledger.ledger_id = :ledger_id
)
select distinct name from (
    select name, is_now as value, -1 as times from settings
    union all
    select name, coalesce((select facts->>name from told where type = 'ledger.created'
                           order by facts->>name limit 1), was), 1 from settings
    union all
    select name, facts->name->>'to', 1 from settings, told where type = 'ledger.changed' and facts ? name
    union all
    select name, facts->name->>'from', -1 from settings, told where type = 'ledger.changed' and facts ? name
) counted group by name, value having sum(times) <> 0 order by name
""")


async def answers_after(connection: AsyncConnection, ledger_id: UUID, after: str, *, limit: int) -> Sequence[Row[Any]]:
    given = {"ledger_id": ledger_id, "after": after, "limit": limit}
    return (await connection.execute(_ANSWERS, given)).all()


async def settings_untold(connection: AsyncConnection, ledger_id: UUID) -> Sequence[str]:
    """What the ledger is set to otherwise than the security log tells."""
    return (await connection.execute(_SETTINGS, {"ledger_id": ledger_id})).scalars().all()
