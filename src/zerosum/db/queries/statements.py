"""Reading what a statement needs besides its postings, for all its lines at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from zerosum.db.gently import gently
from zerosum.db.schema.tables import postings
from zerosum.domain.events import ResourceType
from zerosum.domain.money import render_number

COUNTERPARTIES_MAX = 10
"""So many other accounts of an entry are named; one that pays a hundred wages is not a line for people any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What a journal entry was about, as one of its accounts sees it. Nothing of it ever changes.

    `resource_id` is None where what it was posted for has no UUID. `reference` is the payment's, also where that was
    given back or disputed. `counterparties` are the codes of its other accounts, in the order of the entry: one more
    than is shown, where there are more.
    """

    reason: str
    resource_type: ResourceType
    resource_id: UUID | None
    reference: str | None
    description: str | None
    counterparties: Sequence[str]


_EXPLANATIONS = text("""
select entry.id, entry.reason, entry.resource_type, entry.resource_id,
       coalesce(payment.reference, exchange.reference, hold.reference) as reference,
       coalesce(payment.description, exchange.description, hold.description) as description,
       refund.reason as refund_reason, dispute.reason as dispute_reason, dispute.network_reason_code,
       dispute.provider_case_id, exchange.currency as sold, exchange.bought_currency as bought, exchange.rate,
       array(
           select account.code
           from (select line.account_id, min(line.place) as place from postings line
                 where line.ledger_id = :ledger_id and line.entry_id = entry.id and line.account_id <> :account_id
                 group by line.account_id order by min(line.place) limit :most) as other
           join accounts account on account.ledger_id = :ledger_id and account.id = other.account_id
           order by other.place) as counterparties
from unnest(cast(:entry_ids as uuid[])) as wanted(id)
cross join lateral (
    select id, reason, resource_type,
           case when resource_type = any(:with_uuid) then coalesce(cast(resource_id as uuid), id) end as resource_id
    from journal_entries where ledger_id = :ledger_id and journal_entries.id = wanted.id
) entry
left join refunds refund
    on entry.resource_type = 'refund' and refund.ledger_id = :ledger_id and refund.id = entry.resource_id
left join disputes dispute
    on entry.resource_type = 'dispute' and dispute.ledger_id = :ledger_id and dispute.id = entry.resource_id
left join exchanges exchange
    on entry.resource_type = 'exchange' and exchange.ledger_id = :ledger_id and exchange.id = entry.resource_id
left join holds hold
    on entry.resource_type = 'hold' and hold.ledger_id = :ledger_id and hold.id = entry.resource_id
left join payments payment on payment.ledger_id = :ledger_id and payment.id = case entry.resource_type
    when 'payment' then entry.resource_id when 'refund' then refund.payment_id when 'dispute' then dispute.payment_id
    else entry.id end
""")

WITH_UUID = ("payment", "refund", "dispute", "exchange", "hold", "journal_entry")
"""What entries are posted for, of that which is known by a UUID. A transaction of a client's is not."""


async def count_effective_postings(
    connection: AsyncConnection, ledger_id: UUID, account_id: UUID, *, start: datetime, end: datetime, most: int
) -> int:
    """How many lines a statement would have, counted up to a bound: a walk along an index that nothing is sent of."""
    lines = (
        select(postings.c.account_version)
        .where(
            postings.c.ledger_id == ledger_id,
            postings.c.account_id == account_id,
            postings.c.layer == "p",
            postings.c.effective_at >= start,
            postings.c.effective_at < end,
        )
        .limit(most)
        .subquery()
    )
    counted: int = (await connection.execute(select(func.count()).select_from(lines))).scalar_one()
    return counted


async def explain(
    connection: AsyncConnection, ledger_id: UUID, account_id: UUID, entry_ids: Sequence[UUID]
) -> dict[UUID, Explanation]:
    """By journal entry, whatever number of them in one statement."""
    if not entry_ids:
        return {}
    rows = await connection.execute(
        _EXPLANATIONS,
        {
            "ledger_id": ledger_id,
            "account_id": account_id,
            "entry_ids": list(dict.fromkeys(entry_ids)),
            "most": COUNTERPARTIES_MAX + 1,
            "with_uuid": list(WITH_UUID),
        },
    )
    return dict(await gently(_explanation, rows))


def _explanation(row: Row[Any]) -> tuple[UUID, Explanation]:
    said = _said(row)
    return row.id, Explanation(
        reason=row.reason,
        resource_type=ResourceType(row.resource_type),
        resource_id=row.resource_id,
        reference=row.reference,
        description=row.description if said is None else said,
        counterparties=row.counterparties,
    )


def _said(row: Row[Any]) -> str | None:
    """Why money was given back or is disputed, and what was exchanged: more than the payment's own description."""
    if row.refund_reason is not None:
        return str(row.refund_reason)
    if row.dispute_reason is not None:
        named = (("code", row.network_reason_code), ("case", row.provider_case_id))
        further = ", ".join(f"{name} {value}" for name, value in named if value is not None)
        return f"{row.dispute_reason} ({further})" if further else str(row.dispute_reason)
    if row.rate is not None:
        traded = f"{row.sold} to {row.bought} at {render_number(row.rate)}"
        return traded if row.description is None else f"{row.description} ({traded})"
    return None
