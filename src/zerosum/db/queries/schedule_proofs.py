"""Reading scheduled payments for the proof of a ledger: each with its runs and what these have paid."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from zerosum.db.queries.moments import micros
from zerosum.db.queries.review_proofs import TOLD_OF_REVIEW
from zerosum.domain.payments.payment import PaymentTexts

# Of an entry of a `page`: whether the run is there that its key speaks of.
HAS_RUN = """case when page.idempotency_key ~ '^scheduled payment [0-9a-f-]{36} [0-9]{1,9}$' then exists (
           select from scheduled_runs run where run.ledger_id = page.ledger_id
           and run.scheduled_payment_id = split_part(page.idempotency_key, ' ', 3)::uuid
           and run.occurrence = split_part(page.idempotency_key, ' ', 4)::integer and run.outcome = 'executed'
           and run.payment_id = page.id
       ) else true end as has_run"""

_ACCOUNTS = """array(select unnest(array[payer_id, payee_id]) from scheduled_payments schedule
                  where schedule.ledger_id = run.ledger_id and schedule.id = run.scheduled_payment_id)"""


# What the event of a step tells, which nothing else in the books would: who is to pay, when that is due after it, and
# why it was refused.
def _told(actor: str, due_at: str, refusal: str = "null::jsonb") -> str:
    moment = f"to_char({due_at} at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"
    return f"jsonb_build_array({actor}, {moment}, {refusal})::text"


TOLD_BY_EVENT = (
    """case when page.type = 'scheduled_payment.completed' then ''
        when page.resource_type = 'scheduled_payment'
        then jsonb_build_array(page.data->'actor', page.data->'due_at', page.data->'refusal')::text
        when page.resource_type = 'review' then """
    + TOLD_OF_REVIEW
    + """
        when page.resource_type in ('statement', 'template') then coalesce(page.data->>'hash', '') else '' end"""
)
"""Of an event of a `page`. A completion stands beside the run that completes it, which tells all of it."""

# What is announced of scheduled payments, in the shape of entries.
NAMES_OF_SCHEDULES = f"""
    (select id, 'created', 'scheduled_payment', id::text as own_id, {micros("created_at")},
            array[payer_id, payee_id], null, {_told("actor", "execute_at")}
     from scheduled_payments where ledger_id = :ledger_id and id > :after order by id limit :limit)
    union all
    (select cancellation_id, 'cancelled', 'scheduled_payment', id::text, {micros("ended_at")},
            array[payer_id, payee_id], null, {_told("actor", "due_at")}
     from scheduled_payments where ledger_id = :ledger_id and cancellation_id > :after
     order by cancellation_id limit :limit)
    union all
    (select run.id, run.outcome || case when run.completes then ' completed' else '' end, 'scheduled_payment',
            run.scheduled_payment_id::text, {micros("run.ran_at")}, {_ACCOUNTS}, null,
            (select {_told("schedule.actor", "coalesce(next.due_at, schedule.due_at)", "run.refusal")}
             from scheduled_payments schedule
             left join scheduled_runs next on next.ledger_id = schedule.ledger_id
                  and next.scheduled_payment_id = schedule.id and next.number = run.number + 1
             where schedule.ledger_id = run.ledger_id and schedule.id = run.scheduled_payment_id)
     from scheduled_runs run where ledger_id = :ledger_id and id > :after order by id limit :limit)
"""  # noqa: S608 - made of constants only

_NEXT_DUE_AT = "coalesce(lead(run.due_at) over (partition by page.id order by run.number), page.due_at)"

_RUNS = text(f"""
with page as materialized (
    select * from scheduled_payments where ledger_id = :ledger_id and id > :after order by id limit :limit
)
select page.id as scheduled_payment_id, page.type, page.currency, page.amount::text as amount, page.payer_id,
       page.payee_id, {micros("page.execute_at")} as execute_at, page.rule, page.time_zone, page.occurrences,
       page.on_refusal, page.attempts_max, page.retry_seconds, page.actor, page.fingerprint, page.metadata,
       {micros("page.created_at")} as created_at, {", ".join(f"page.{name}" for name in PaymentTexts._fields)},
       page.status, page.occurrence as next_occurrence, page.attempt as next_attempt,
       {micros("page.due_at")} as next_due_at, {micros("page.attempt_at")} as attempt_at, page.runs, page.payments,
       {micros("page.ended_at")} as ended_at, page.cancellation_id,
       answer.fingerprint as ordered, answer.resource_id as ordered_id, cancelling.fingerprint as cancelling,
       {_told("page.actor", "page.execute_at")} as told_first, {_told("page.actor", "page.due_at")} as told_last,
       {_told("page.actor", _NEXT_DUE_AT, "run.refusal")} as told,
       exists (
           select from journal_entries stray where stray.ledger_id = page.ledger_id
           and stray.idempotency_key = 'scheduled payment ' || page.id || ' ' || page.occurrence
       ) as is_next_paid,
       run.id, run.number, run.occurrence, run.attempt, {micros("run.due_at")} as due_at,
       {micros("run.ran_at")} as ran_at, run.outcome, run.payment_id, {micros("run.retry_at")} as retry_at,
       run.completes, run.refusal is not null as is_refused,
       entry.idempotency_key, entry.actor as entry_actor, entry.fingerprint as entry_fingerprint,
       {micros("entry.posted_at")} as posted_at, entry.metadata as entry_metadata,
       payment.type as payment_type, payment.currency as payment_currency, payment.amount::text as payment_amount,
       payment.payer_id as payment_payer_id, payment.payee_id as payment_payee_id,
       {", ".join(f"payment.{name} as payment_{name}" for name in PaymentTexts._fields)}
from page
left join answers answer on answer.ledger_id = page.ledger_id and answer.idempotency_key = page.idempotency_key
left join answers cancelling on cancelling.ledger_id = page.ledger_id and cancelling.resource_id = page.id
    and cancelling.resource_type = 'scheduled_payment' and cancelling.created_at = page.ended_at
    and cancelling.idempotency_key <> page.idempotency_key
left join scheduled_runs run on run.ledger_id = page.ledger_id and run.scheduled_payment_id = page.id
left join journal_entries entry on entry.ledger_id = page.ledger_id and entry.id = run.payment_id
left join payments payment on payment.ledger_id = page.ledger_id and payment.id = run.payment_id
order by page.id, run.number
""")  # noqa: S608 - made of constants only


async def scheduled_runs_after(
    connection: AsyncConnection, ledger_id: UUID, *, after: UUID, limit: int
) -> Sequence[Row[Any]]:
    """Schedule by schedule, of so many schedules: a row a run, or one without a run where there is none."""
    given = {"ledger_id": ledger_id, "after": after, "limit": limit}
    return (await connection.execute(_RUNS, given)).all()
