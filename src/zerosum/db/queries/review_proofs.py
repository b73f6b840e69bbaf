"""Reading reviews for the proof of a ledger: each with what was ordered, answered, and paid."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from zerosum.db.queries.moments import micros

# Of an entry of a `page`: whether the review is there that its key speaks of.
HAS_REVIEW = """case when page.idempotency_key ~ '^review [0-9a-f-]{36}$' then exists (
           select from reviews review where review.ledger_id = page.ledger_id
           and review.id = split_part(page.idempotency_key, ' ', 2)::uuid
           and review.status = 'approved' and review.last_id = page.id
       ) else true end as has_review"""


def _further(id_: str, number: int) -> str:
    """What else a command has made: an id behind its own, within the last 32 bits, which are random."""
    last = f"('x' || right(replace({id_}::text, '-', ''), 8))::bit(32)::bigint"
    return f"(left(replace({id_}::text, '-', ''), 24) || lpad(to_hex({last} + {number}), 8, '0'))::uuid"


def _told(status: str) -> str:
    """What an event says of a review, which nothing else in the books would."""
    return (
        f"jsonb_build_array({status}, actor, rule, rules_version, 'acc_' || payer_id, 'acc_' || payee_id,"
        " currency, amount::text)::text"
    )


TOLD_OF_REVIEW = (
    "jsonb_build_array(page.data->'status', page.data->'made_by', page.data->'rule', page.data->'rules_version',"
    " page.data->'from', page.data->'to', page.data->'currency', page.data->'amount')::text"
)
"""The same, of an event of a `page`."""


def _person(actor: str) -> str:
    """Who stands behind a credential, as `people_behind` tells it."""
    actor = f"coalesce(substring({actor} from '^zerosum ingest [^[:space:]]+ for (.+)$'), {actor})"
    key = f"case when {actor} ~ '^key_[0-9a-f-]{{36}}$' then substr({actor}, 5)::uuid end"
    found = f"select key.person from api_keys key where key.ledger_id = page.ledger_id and key.id = {key}"  # noqa: S608
    return f"coalesce(({found}), {actor})"


_LAST_VERB = "case status when 'approved' then 'review_approved' else 'refused' end"

# What is announced of reviews, in the shape of entries: the ids are those of the events.
NAMES_OF_REVIEWS = f"""
    (select id, 'in_review', 'review', 'None' as own_id, {micros("created_at")}, array[payer_id, payee_id], null,
            {_told("'in_review'")}
     from reviews where ledger_id = :ledger_id and id > :after order by id limit :limit)
    union all
    (select {_further("first_id", 1)}, 'review_approved', 'review', id::text, {micros("first_at")},
            array[payer_id, payee_id], null, {_told("'in_review'")}
     from reviews where ledger_id = :ledger_id and first_id >= :after order by first_id limit :limit)
    union all
    (select {_further("last_id", 1)}, {_LAST_VERB}, 'review', id::text, {micros("last_at")},
            array[payer_id, payee_id], null, {_told("status")}
     from reviews where ledger_id = :ledger_id and last_id >= :after order by last_id limit :limit)
"""  # noqa: S608 - made of constants only

_REVIEWS = text(f"""
with page as materialized (
    select *, {_told("'in_review'")} as told_open, {_told("status")} as told_last from reviews
    where ledger_id = :ledger_id and id > :after order by id limit :limit
)
select page.id, page.type, page.status, page.currency, page.amount::text as amount, page.payer_id, page.payee_id,
       payer.code as payer_code, payee.code as payee_code, page.ordered::text as ordered, page.fingerprint, page.actor,
       page.first_id, page.first_by, page.first_reason, page.last_id, page.last_by, page.last_reason,
       page.maker_person, page.first_person, page.last_person,
       {_person("page.actor")} as maker_is, {_person("page.first_by")} as first_is,
       {_person("page.last_by")} as last_is,
       {micros("page.created_at")} as created_at, {micros("page.first_at")} as first_at,
       {micros("page.last_at")} as last_at, page.told_open, page.told_last,
       answer.fingerprint as answer_fingerprint, answer.resource_id as answered_id,
       exists (select from journal_entries entry where entry.ledger_id = page.ledger_id
               and entry.idempotency_key = 'review ' || page.id) as is_paid,
       entry.fingerprint as entry_fingerprint, entry.actor as entry_actor, {micros("entry.posted_at")} as posted_at,
       entry.idempotency_key as entry_key,
       (select array_agg(answer.fingerprint) from answers answer where answer.ledger_id = page.ledger_id
        and answer.resource_type = 'review' and answer.resource_id = page.id
        and answer.content->>'recorded_id' = page.first_id::text) as first_said,
       (select array_agg(answer.fingerprint) from answers answer where answer.ledger_id = page.ledger_id
        and answer.resource_type = 'review' and answer.resource_id = page.id
        and answer.content->>'recorded_id' = page.last_id::text) as last_said,
       array(select type || ' ' || coalesce(actor, '') || ' ' || coalesce(reason, '') from audit_log told
             where told.ledger_id = page.ledger_id and told.resource = 'rev_' || page.id
             and told.id = any (array[{_further("page.first_id", 2)}, {_further("page.last_id", 2)}])
             order by told.id = {_further("page.last_id", 2)}) as audited
from page
left join accounts payer on payer.ledger_id = page.ledger_id and payer.id = page.payer_id
left join accounts payee on payee.ledger_id = page.ledger_id and payee.id = page.payee_id
left join answers answer on answer.ledger_id = page.ledger_id and answer.idempotency_key = page.idempotency_key
left join journal_entries entry on entry.ledger_id = page.ledger_id and entry.id = page.last_id
order by page.id
""")  # noqa: S608 - made of constants only


async def reviews_after(connection: AsyncConnection, ledger_id: UUID, *, after: UUID, limit: int) -> Sequence[Row[Any]]:
    given = {"ledger_id": ledger_id, "after": after, "limit": limit}
    return (await connection.execute(_REVIEWS, given)).all()
