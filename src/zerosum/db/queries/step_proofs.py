"""Reading holds and disputes step by step, each beside what its command has posted, for the proof of a ledger."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from zerosum.db.queries.moments import micros
from zerosum.db.queries.proofs import GONE, SPLITS
from zerosum.domain.payments.disputes import DisputeTexts
from zerosum.domain.payments.payment import PaymentTexts


def _moved(debited: str, credited: str) -> str:
    """What a step has placed, set free and paid from one of the two accounts to the other; and how much else."""
    return f"""left join lateral (
    select coalesce(sum(amount) filter (where is_own and layer = 'h' and not releases and side = 'd'), 0)::text placed,
           coalesce(sum(amount) filter (where is_own and layer = 'h' and releases and side = 'd'), 0)::text freed,
           coalesce(sum(amount) filter (where is_own and layer = 'p' and side = 'd'), 0)::text paid,
           count(*) filter (where not is_own) as others
    from (
        select posting.*, posting.currency = page.currency
                   and posting.account_id = case side when 'd' then page.{debited} else page.{credited} end
                   and (layer = 'p') = (hold_id is null) and (hold_id is null or hold_id = page.id) as is_own
        from postings posting where posting.ledger_id = page.ledger_id and posting.entry_id = change.id
    ) line
) posted on true"""  # noqa: S608 - made of constants only


# Each step of a hold with what it posted between the two accounts of the hold, and elsewhere.
_HOLD_STEPS = text(f"""
with page as materialized (
    select * from holds where ledger_id = :ledger_id and id > :after order by id limit :limit
)
select page.id as hold_id, page.status, page.currency, page.amount::text as amount, page.captured::text as captured,
       page.capture_max::text as capture_max, page.house_rules, rules.content::text as rules_content,
       page.payer_id, page.payee_id, page.entry_ids, page.changes,
       {micros("page.expires_at")} as expires_at, {micros("page.created_at")} as created_at, page.metadata,
       {", ".join(f"page.{name}" for name in PaymentTexts._fields)},
       change.id, change.number, change.verb, change.status as status_after, change.amount::text as amount_after,
       change.captured::text as captured_after, change.capture_max::text as capture_max_after,
       {micros("change.expires_at")} as expires_at_after, {micros("change.changed_at")} as changed_at,
       change.entries, entry.id is not null as has_entry, entry.reason as entry_reason, entry.resource_type,
       entry.resource_id, entry.fingerprint, {micros("entry.posted_at")} as posted_at,
       posted.placed, posted.freed, posted.paid, posted.others, page.payment_ids,
       payment.id as payment_id, payment.type as payment_type, payment.status as payment_status,
       payment.currency as payment_currency, payment.amount::text as payment_amount,
       payment.payer_id as payment_payer_id, payment.payee_id as payment_payee_id, payment.processor,
       {", ".join(f"payment.{name} as payment_{name}" for name in PaymentTexts._fields)},
       payment.refunded::text as payment_refunded,
       {GONE},
       {SPLITS}
from page
left join house_rules rules on rules.ledger_id = page.ledger_id and rules.version = page.house_rules
left join hold_changes change on change.ledger_id = page.ledger_id and change.hold_id = page.id
left join journal_entries entry on entry.ledger_id = page.ledger_id and entry.id = change.id
left join payments payment on payment.ledger_id = page.ledger_id and payment.id = change.id
{_moved("payer_id", "payee_id")}
order by page.id, change.number
""")  # noqa: S608 - made of constants only


# Each step of a dispute with what it posted between the two accounts of its payment, and elsewhere.
_DISPUTE_STEPS = text(f"""
with page as materialized (
    select * from disputes where ledger_id = :ledger_id and id > :after order by id limit :limit
)
select page.id as dispute_id, page.payment_id, page.status, page.currency, page.amount::text as amount, page.payer_id,
       page.payee_id, page.entry_ids, page.changes, page.last_change_id, page.note, page.evidence::text as evidence,
       {", ".join(f"page.{name}" for name in DisputeTexts._fields)},
       payment.id is not null and (payment.payer_id, payment.payee_id, payment.currency)
           = (page.payer_id, page.payee_id, page.currency) as fits_payment,
       change.id, change.number, change.verb, change.status as status_after, change.note as note_after,
       change.evidence::text as evidence_after, {micros("change.changed_at")} as changed_at, change.entries,
       page.stage, page.fee::text as fee, page.fee_account_id, change.stage as stage_after,
       page.fee_house_rules, rules.content::text as rules_content,
       change.respond_by as respond_by_after,
       (select code from accounts earner where earner.ledger_id = page.ledger_id
        and earner.id = page.fee_account_id) as fee_code,
       entry.id is not null as has_entry, entry.reason as entry_reason, entry.resource_type, entry.resource_id,
       entry.fingerprint, {micros("entry.posted_at")} as posted_at,
       posted.placed, posted.freed, posted.paid, posted.others
from page
left join payments payment on payment.ledger_id = page.ledger_id and payment.id = page.payment_id
left join house_rules rules on rules.ledger_id = page.ledger_id and rules.version = page.fee_house_rules
left join dispute_changes change on change.ledger_id = page.ledger_id and change.dispute_id = page.id
left join journal_entries entry on entry.ledger_id = page.ledger_id and entry.id = change.id
{_moved("payee_id", "payer_id")}
order by page.id, change.number
""")  # noqa: S608 - made of constants only


async def hold_steps_after(
    connection: AsyncConnection, ledger_id: UUID, *, after: UUID, limit: int
) -> Sequence[Row[Any]]:
    """Hold by hold, of so many holds: a row a step, or one without a step where there is none."""
    given = {"ledger_id": ledger_id, "after": after, "limit": limit}
    return (await connection.execute(_HOLD_STEPS, given)).all()


async def dispute_steps_after(
    connection: AsyncConnection, ledger_id: UUID, *, after: UUID, limit: int
) -> Sequence[Row[Any]]:
    """Dispute by dispute, of so many disputes: a row a step, or one without a step where there is none."""
    given = {"ledger_id": ledger_id, "after": after, "limit": limit}
    return (await connection.execute(_DISPUTE_STEPS, given)).all()
