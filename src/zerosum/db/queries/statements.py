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

COUNTERPARTIES_MAX = 10
"""So many other accounts of an entry are named; one that pays a hundred wages is not a line for people any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What a journal entry was about, as one of its accounts sees it.

    `counterparties` are the codes of its other accounts, in the order of the entry: one more than is shown, where there
    are more.
    """

    reason: str
    reference: str | None
    description: str | None
    counterparties: Sequence[str]


_EXPLANATIONS = text("""
select entry.id, entry.reason, payment.reference, payment.description,
       array(
           select account.code
           from (select line.account_id, min(line.place) as place from postings line
                 where line.ledger_id = :ledger_id and line.entry_id = entry.id and line.account_id <> :account_id
                 group by line.account_id order by min(line.place) limit :most) as other
           join accounts account on account.ledger_id = :ledger_id and account.id = other.account_id
           order by other.place) as counterparties
from unnest(cast(:entry_ids as uuid[])) as wanted(id)
join journal_entries entry on entry.ledger_id = :ledger_id and entry.id = wanted.id
left join payments payment on payment.ledger_id = :ledger_id and payment.id = wanted.id
""")


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
        },
    )
    return dict(await gently(_explanation, rows))


def _explanation(row: Row[Any]) -> tuple[UUID, Explanation]:
    return row.id, Explanation(
        reason=row.reason,
        reference=row.reference,
        description=row.description,
        counterparties=row.counterparties,
    )
