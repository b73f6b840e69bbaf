"""Reading processor calls for the proof of a ledger: each beside its payment and what its two entries moved."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from zerosum.db.queries.moments import micros

_OF_ITS_PAYMENT = "part.ledger_id = page.ledger_id and part.payment_id = coalesce(page.refunded_payment_id, page.id)"
_HAS_PART = f"""exists (
    select from payment_splits part where {_OF_ITS_PAYMENT} and part.account_id = posting.account_id
    and (posting.side = 'd') = (page.refunded_payment_id is not null)
)"""
"""Whether a posting is to who gets a part of the payment, or gives one back."""

_RECEIVERS = f"""(
    select count(*) filter (where coalesce((page.parts ->> part.place)::numeric, part.amount) > 0)
    from payment_splits part where {_OF_ITS_PAYMENT} having count(*) > 0
)"""  # noqa: S608 - made of constants only
"""For how many something is pending of what goes to several; null: it goes to one."""


def _pending_of_part(entry_id: str, condition: str) -> str:
    return f"""(select coalesce(sum(line.amount), 0) from postings line
        where line.ledger_id = page.ledger_id and line.entry_id = {entry_id} and line.account_id = part.account_id
        and line.side = 'd' and line.layer = 'h' and {condition})"""  # noqa: S608 - made of constants only


_FITS_PARTS = f"""(page.parts is null or page.refunded_payment_id is not null) and not exists (
    select from payment_splits part where {_OF_ITS_PAYMENT} and page.refunded_payment_id is not null
    and ((page.parts ->> part.place)::numeric is distinct from {_pending_of_part("page.id", "not line.releases")}
         or page.entry_id is not null and (page.parts ->> part.place)::numeric
            is distinct from {_pending_of_part("page.entry_id", "line.releases")}))"""  # noqa: S608 - made of constants only
"""Whether a refund of what went to several has pending, and has set free, what each is to give back of it."""


def _moved(name: str, entry_id: str, payer: str = "page.payer_id", payee: str = "page.payee_id") -> str:
    """What the entry has placed, set free and paid between the two accounts; and how much else it has moved."""
    return f"""left join lateral (
    select coalesce(sum(amount) filter (where is_own and layer = 'h' and not releases and side = 'd'), 0)::text placed,
           coalesce(sum(amount) filter (where is_own and layer = 'h' and releases and side = 'd'), 0)::text freed,
           coalesce(sum(amount) filter (where is_own and layer = 'p' and side = 'd'), 0)::text paid,
           count(*) filter (where not is_own) as others
    from (
        select posting.*, posting.currency = page.currency
                   and (posting.account_id = case side when 'd' then {payer} else {payee} end or {_HAS_PART})
                   and (layer = 'p') = (hold_id is null) and (hold_id is null or hold_id = page.id) as is_own
        from postings posting where posting.ledger_id = page.ledger_id and posting.entry_id = {entry_id}
    ) line
) {name} on true"""  # noqa: S608 - made of constants only


_MOVES = """(
    select jsonb_agg(jsonb_build_object(
        'id', moved.id, 'number', moved.number, 'why', moved.why, 'told', moved.told,
        'left', jsonb_build_array(moved.processor, moved.payer_id, moved.payee_id),
        'taken', jsonb_build_array(moved.to_processor, moved.to_payer_id, moved.to_payee_id),
        'fingerprint', encode(entry.fingerprint, 'hex'),
        'is_own', (entry.reason, entry.resource_type, entry.resource_id, entry.posted_at)
            is not distinct from ('payment moved', 'payment', page.id::text, moved.moved_at)
            and coalesce(late.requested_at, entry.effective_at) = coalesce(page.effective_at, entry.posted_at),
        'has_moved', (
            select count(*) = 4 and count(distinct (side, releases)) = 4 and count(*) filter (
                where (layer, hold_id, amount, line.currency) = ('h', page.id, page.amount, page.currency)
                and account_id = case when releases and side = 'd' then moved.payer_id
                                      when releases then moved.payee_id
                                      when side = 'd' then moved.to_payer_id else moved.to_payee_id end) = 4
            from postings line where line.ledger_id = moved.ledger_id and line.entry_id = moved.id)
    ) order by moved.number)::text
    from processor_call_moves moved
    left join journal_entries entry on entry.ledger_id = moved.ledger_id and entry.id = moved.id
    left join late_entries late on late.ledger_id = moved.ledger_id and late.id = moved.id
    where moved.ledger_id = page.ledger_id and moved.payment_id = page.id
)"""
"""The moves of a call to other processors, each with whether its entry is of it, and has moved what it should."""

_CALLS = text(f"""
with page as materialized (
    select * from processor_calls where ledger_id = :ledger_id and id > :after order by id limit :limit
)
select page.id, page.processor, page.type, page.currency, page.amount::text as amount, page.payer_id, page.payee_id,
       page.state, page.processor_payment_id, page.reason, page.approved::text as approved, page.entry_id,
       {micros("page.created_at")} as created_at, {micros("page.settled_at")} as settled_at,
       {_RECEIVERS} as receivers, {_FITS_PARTS} as fits_parts,
       {micros("page.effective_at")} as dated_to, {micros("first.effective_at")} as first_effective_at,
       {micros("coalesce(late.requested_at, entry.effective_at)")} as effective_at,
       page.number, page.refunded_payment_id, {_MOVES} as moves, refund.amount is not distinct from page.amount
           and refund.currency is not distinct from page.currency as fits_refund,
       payment.id is not null and (payment.processor, payment.type, payment.currency, payment.payer_id,
           payment.payee_id) = (page.processor, page.type, page.currency,
              case when page.refunded_payment_id is null then page.payer_id else page.payee_id end,
              case when page.refunded_payment_id is null then page.payee_id else page.payer_id end)
           and (page.refunded_payment_id is not null or payment.amount = page.amount) as fits_payment,
       payment.approved::text as payment_approved,
       first.reason as first_reason, {micros("first.posted_at")} as first_posted_at,
       begun.placed as begun_placed, begun.freed as begun_freed, begun.paid as begun_paid, begun.others as begun_others,
       entry.reason as entry_reason, entry.resource_type, entry.resource_id, entry.fingerprint,
       {micros("entry.posted_at")} as posted_at,
       ended.placed, ended.freed, ended.paid, ended.others,
       (select count(*) from postings posting where posting.ledger_id = page.ledger_id and posting.hold_id = page.id)
           as pending_postings
from page
left join processor_call_moves as first_move on first_move.ledger_id = page.ledger_id
    and first_move.payment_id = page.id and first_move.number = 1
left join refunds refund on refund.ledger_id = page.ledger_id and refund.id = page.id
    and refund.payment_id = page.refunded_payment_id
left join payments payment on payment.ledger_id = page.ledger_id
    and payment.id = coalesce(page.refunded_payment_id, page.id)
left join journal_entries first on first.ledger_id = page.ledger_id and first.id = page.id
left join journal_entries entry on entry.ledger_id = page.ledger_id and entry.id = page.entry_id
left join late_entries late on late.ledger_id = page.ledger_id and late.id = page.entry_id
{
    _moved(
        "begun",
        "page.id",
        "coalesce(first_move.payer_id, page.payer_id)",
        "coalesce(first_move.payee_id, page.payee_id)",
    )
}
{_moved("ended", "page.entry_id")}
order by page.id
""")  # noqa: S608 - made of constants only


async def processor_calls_after(
    connection: AsyncConnection, ledger_id: UUID, *, after: UUID, limit: int
) -> Sequence[Row[Any]]:
    given = {"ledger_id": ledger_id, "after": after, "limit": limit}
    return (await connection.execute(_CALLS, given)).all()
