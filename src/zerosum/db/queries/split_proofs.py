"""Reading splits beside what they must say, for the proof of a ledger."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

# Each split with its payment, and with what the entries of the payment and of its refunds moved on its account.
_SPLITS = text("""
with page as materialized (
    select distinct payment_id from payment_splits where ledger_id = :ledger_id and payment_id > :after
    order by payment_id limit :limit
)
select split.payment_id, split.place, split.id, split.account_id, split.called, split.rule, split.value,
       split.currency, split.amount::text as amount, split.refunded::text as refunded, account.code,
       payment.id is not null as has_payment, payment.currency as payment_currency,
       payment.amount::text as payment_amount, payment.payer_id, payment.payee_id,
       (select sum(amount)::text from postings line
        where line.ledger_id = split.ledger_id and line.entry_id = split.payment_id
        and line.account_id = split.account_id and line.layer = 'p' and line.side = 'c') as credited,
       (select count(*) from postings line
        where line.ledger_id = split.ledger_id and line.entry_id = split.payment_id
        and line.layer = 'p' and line.side = 'c') as credits,
       (select sum(line.amount)::text from refunds refund
        join postings line on line.ledger_id = refund.ledger_id and line.entry_id = refund.id
        where refund.ledger_id = split.ledger_id and refund.payment_id = split.payment_id
        and line.account_id = split.account_id and line.side = 'd') as given_back
from page
join payment_splits split on split.ledger_id = :ledger_id and split.payment_id = page.payment_id
left join payments payment on payment.ledger_id = split.ledger_id and payment.id = split.payment_id
left join accounts account on account.ledger_id = split.ledger_id and account.id = split.account_id
order by split.payment_id, split.place
""")


async def splits_after(connection: AsyncConnection, ledger_id: UUID, *, after: UUID, limit: int) -> Sequence[Row[Any]]:
    """Payment by payment, of so many payments."""
    found = await connection.execute(_SPLITS, {"ledger_id": ledger_id, "after": after, "limit": limit})
    return found.all()
