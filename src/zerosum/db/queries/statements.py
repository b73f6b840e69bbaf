"""Reading what a statement needs besides its postings, for all its lines at once."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Row, Uuid, cast, func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from zerosum.db.gently import gently
from zerosum.db.schema.tables import postings, scheduled_runs
from zerosum.domain.events import ResourceType

COUNTERPARTIES_MAX = 10
"""So many other accounts of an entry are named; one that pays a hundred wages is not a line for people any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Countervalue:
    """Of an exchange: what stood against the line's own currency, and at which rate sold money became bought money."""

    amount: Decimal
    currency: str
    rate: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What a journal entry was about, as one of its accounts sees it. Nothing of it changes once the entry is posted.

    `reason` is the entry's own; `cause` is why a refund or a dispute was made, as it was given. `reference` and
    `description` are the payment's, also of what became of the payment later, or the hold's or the exchange's.
    `counterparties` are the codes of its other accounts, in the order of the entry: one more than is shown, where there
    are more.
    """

    reason: str
    reference: str | None
    description: str | None
    counterparties: Sequence[str]
    resource_type: ResourceType
    resource_id: UUID | str | None
    """Of the resource that posted the entry: the UUID, or what names one that has none on the wire."""
    cause: str | None
    payment_id: UUID | None
    network_reason_code: str | None
    provider_case_id: str | None
    counter: Countervalue | None
    reverses: UUID | None
    template: str | None
    scheduled_payment_id: UUID | None


_EXPLANATIONS = text("""
select entry.id, entry.reason, entry.resource_type, entry.resource_id, entry.own_id, entry.reverses,
       coalesce(refund.reason, dispute.reason) as cause, payment.id as payment_id,
       coalesce(payment.reference, hold.reference, exchange.reference) as reference,
       coalesce(payment.description, hold.description, exchange.description) as description,
       dispute.network_reason_code, dispute.provider_case_id, exchange.rate,
       case exchange.currency when seen.currency then exchange.bought else exchange.amount end as counter_amount,
       case exchange.currency when seen.currency then exchange.bought_currency else exchange.currency end
           as counter_currency,
       array(
           select account.code
           from (select line.account_id, min(line.place) as place from postings line
                 where line.ledger_id = :ledger_id and line.entry_id = entry.id and line.account_id <> :account_id
                 group by line.account_id order by min(line.place) limit :most) as other
           join accounts account on account.ledger_id = :ledger_id and account.id = other.account_id
           order by other.place) as counterparties
from unnest(cast(:entry_ids as uuid[])) as wanted(id)
cross join lateral (
    select id, reason, resource_type, resource_id, reverses,
           case when resource_type in ('payment', 'refund', 'hold', 'dispute', 'exchange')
                then coalesce(cast(resource_id as uuid), id) end as own_id
    from journal_entries where ledger_id = :ledger_id and id = wanted.id limit 1
) as entry
join accounts seen on seen.ledger_id = :ledger_id and seen.id = :account_id
left join lateral (
    select * from refunds
    where ledger_id = :ledger_id and id = entry.own_id and entry.resource_type = 'refund' limit 1
) as refund on true
left join lateral (
    select * from processor_calls
    where ledger_id = :ledger_id and id = entry.own_id and entry.resource_type = 'refund' limit 1
) as call on true
left join lateral (
    select * from disputes
    where ledger_id = :ledger_id and id = entry.own_id and entry.resource_type = 'dispute' limit 1
) as dispute on true
left join lateral (
    select * from holds
    where ledger_id = :ledger_id and id = entry.own_id and entry.resource_type = 'hold' limit 1
) as hold on true
left join lateral (
    select * from exchanges
    where ledger_id = :ledger_id and id = entry.own_id and entry.resource_type = 'exchange' limit 1
) as exchange on true
left join lateral (
    select * from payments
    where ledger_id = :ledger_id and id = case entry.resource_type
        when 'payment' then entry.own_id
        when 'refund' then coalesce(refund.payment_id, call.refunded_payment_id)
        when 'dispute' then dispute.payment_id
        else entry.id end
    limit 1
) as payment on true
""")
"""By what each entry says of itself, with one look-up by key in each table that tells of it.

`limit 1` keeps the planner from joining the whole of a table; which index it takes is still up to its statistics.
"""


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
    """By journal entry: two queries, whatever number of entries there is."""
    if not entry_ids:
        return {}
    found = await connection.execute(
        _EXPLANATIONS,
        {
            "ledger_id": ledger_id,
            "account_id": account_id,
            "entry_ids": list(dict.fromkeys(entry_ids)),
            "most": COUNTERPARTIES_MAX + 1,
        },
    )
    rows = found.all()
    payment_ids = {row.payment_id for row in rows if row.payment_id is not None}
    schedules = await _schedules_of(connection, ledger_id, payment_ids)
    return dict(await gently(lambda row: (row.id, _explanation(row, schedules)), rows))


async def _schedules_of(
    connection: AsyncConnection, ledger_id: UUID, payment_ids: Collection[UUID]
) -> dict[UUID, UUID]:
    """By payment: the schedule that made it. A run has the further id of its command, whose own the payment has."""
    if not payment_ids:
        return {}
    columns = scheduled_runs.c
    run_ids = [UUID(int=id_.int + 1) for id_ in payment_ids]
    wanted = select(columns.payment_id, columns.scheduled_payment_id).where(
        columns.ledger_id == ledger_id, columns.id == func.any(cast(run_ids, ARRAY(Uuid)))
    )
    rows = await connection.execute(wanted)
    return {row.payment_id: row.scheduled_payment_id for row in rows if row.payment_id is not None}


def _explanation(row: Row[Any], schedules: Mapping[UUID, UUID]) -> Explanation:
    type_ = ResourceType(row.resource_type)
    is_entry = type_ is ResourceType.JOURNAL_ENTRY
    has_counter = row.counter_amount is not None
    return Explanation(
        reason=row.reason,
        reference=row.reference,
        description=row.description,
        counterparties=row.counterparties,
        resource_type=type_,
        resource_id=row.id if is_entry else row.own_id or row.resource_id,
        cause=row.cause,
        payment_id=row.payment_id,
        network_reason_code=row.network_reason_code,
        provider_case_id=row.provider_case_id,
        counter=Countervalue(amount=row.counter_amount, currency=row.counter_currency, rate=row.rate)
        if has_counter
        else None,
        reverses=row.reverses,
        template=row.resource_id if is_entry else None,
        scheduled_payment_id=schedules.get(row.payment_id),
    )
