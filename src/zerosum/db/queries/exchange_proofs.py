"""Reading exchanges beside their journal entries, for the proof of a ledger."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from zerosum.db.queries.moments import micros
from zerosum.domain.payments.payment import PaymentTexts

# Each exchange with its entry, and the lines of that: code, account, side, layer, currency, amount.
_EXCHANGES = text(f"""
with page as materialized (
    select * from exchanges where ledger_id = :ledger_id and id > :after order by id limit :limit
)
select page.id, page.payer_id, page.payee_id, page.currency, page.amount::text as amount, page.bought_currency,
       page.bought::text as bought, page.margin::text as margin, page.margin_percent::text as margin_percent,
       page.rate::text as rate, page.rate_source, {micros("page.rate_at")} as rate_at, page.rounding,
       page.exact::text as exact, page.difference::text as difference, page.gain::text as gain,
       {", ".join(f"page.{name}" for name in PaymentTexts._fields)},
       payer.code as payer_code, payee.code as payee_code, entry.id is not null as has_entry, entry.reason,
       entry.resource_type, entry.fingerprint, entry.metadata, {micros("entry.effective_at")} as effective_at,
       {micros("entry.posted_at")} as posted_at, {micros("late.requested_at")} as late_requested_at,
       (select jsonb_agg(jsonb_build_array(account.code, line.account_id, line.side::text, line.layer::text,
                                           line.currency, line.amount::text) order by line.place)::text
        from postings line
        left join accounts account on account.ledger_id = line.ledger_id and account.id = line.account_id
        where line.ledger_id = page.ledger_id and line.entry_id = page.id) as lines
from page
left join journal_entries entry on entry.ledger_id = page.ledger_id and entry.id = page.id
left join late_entries late on late.ledger_id = page.ledger_id and late.id = page.id
left join accounts payer on payer.ledger_id = page.ledger_id and payer.id = page.payer_id
left join accounts payee on payee.ledger_id = page.ledger_id and payee.id = page.payee_id
order by page.id
""")  # noqa: S608 - made of constants only

_EXCHANGES_NAMED = text("select id from exchanges where ledger_id = :ledger_id and id = any(:ids)")


async def exchanges_after(
    connection: AsyncConnection, ledger_id: UUID, *, after: UUID, limit: int
) -> Sequence[Row[Any]]:
    found = await connection.execute(_EXCHANGES, {"ledger_id": ledger_id, "after": after, "limit": limit})
    return found.all()


async def exchanges_named(connection: AsyncConnection, ledger_id: UUID, ids: Collection[UUID]) -> set[UUID]:
    """Which of these there are."""
    if not ids:
        return set()
    found = await connection.execute(_EXCHANGES_NAMED, {"ledger_id": ledger_id, "ids": list(ids)})
    return {row.id for row in found}
