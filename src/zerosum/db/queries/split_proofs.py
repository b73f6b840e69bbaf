"""Reading splits beside what they must say, for the proof of a ledger."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection


def _sum(entry_id: str, condition: str) -> str:
    """What an entry has moved so on the split's account."""
    return f"""(select sum(amount)::text from postings line
        where line.ledger_id = split.ledger_id and line.entry_id = {entry_id}
        and line.account_id = split.account_id and {condition})"""  # noqa: S608 - made of constants only


def _given(refund_entries: str, condition: str) -> str:
    """What such entries of the payment's refunds have moved on the split's account."""
    return f"""(select sum(line.amount)::text from refunds refund
        left join processor_calls asked on asked.ledger_id = refund.ledger_id and asked.id = refund.id
        join postings line on line.ledger_id = refund.ledger_id and line.entry_id = {refund_entries}
        where refund.ledger_id = split.ledger_id and refund.payment_id = split.payment_id
        and line.account_id = split.account_id and line.side = 'd' and {condition})"""  # noqa: S608 - as above


# Each split with its payment, and with what the entries of the payment and of its refunds moved on its account. Of a
# payment through a processor the first entry makes it pending, and the one that has settled it sets that free.
_SPLITS = text(f"""
with page as materialized (
    select distinct payment_id from payment_splits where ledger_id = :ledger_id and payment_id > :after
    order by payment_id limit :limit
)
select split.payment_id, split.place, split.id, split.account_id, split.called, split.rule, split.value,
       split.currency, split.amount::text as amount, split.refunded::text as refunded,
       split.approved::text as approved, split.refunding::text as refunding, split.pending, account.code,
       payment.id is not null as has_payment, payment.currency as payment_currency,
       payment.amount::text as payment_amount, payment.payer_id, payment.payee_id,
       call.id is not null as is_outside, call.entry_id is not null as is_settled,
       call.approved::text as call_approved,
       {_sum("split.payment_id", "line.layer = 'h' and line.side = 'c' and not line.releases")} as placed,
       {_sum("call.entry_id", "line.layer = 'h' and line.side = 'c' and line.releases")} as freed,
       {_sum("coalesce(call.entry_id, split.payment_id)", "line.layer = 'p' and line.side = 'c'")} as credited,
       (select count(*) from postings line
        where line.ledger_id = split.ledger_id and line.entry_id = coalesce(call.entry_id, split.payment_id)
        and line.layer = 'p' and line.side = 'c') as credits,
       {_given("coalesce(asked.entry_id, refund.id)", "line.layer = 'p'")} as given_back,
       {_given("refund.id", "line.layer = 'h' and asked.entry_id is null")} as asked_back
from page
join payment_splits split on split.ledger_id = :ledger_id and split.payment_id = page.payment_id
left join payments payment on payment.ledger_id = split.ledger_id and payment.id = split.payment_id
left join processor_calls call on call.ledger_id = split.ledger_id and call.id = split.payment_id
left join accounts account on account.ledger_id = split.ledger_id and account.id = split.account_id
order by split.payment_id, split.place
""")  # noqa: S608 - made of constants only


async def splits_after(connection: AsyncConnection, ledger_id: UUID, *, after: UUID, limit: int) -> Sequence[Row[Any]]:
    """Payment by payment, of so many payments."""
    found = await connection.execute(_SPLITS, {"ledger_id": ledger_id, "after": after, "limit": limit})
    return found.all()
