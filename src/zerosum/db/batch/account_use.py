"""The record set of what still names an account: read under its lock, and written nowhere."""

from __future__ import annotations

from zerosum.db.batch.record_sets import Column, RecordSet, uuids
from zerosum.domain.payments.closing import ACCOUNT_USE, USES_TOLD, AccountUse


def _those_of(table: str, condition: str) -> str:
    """Each side by an index of its own."""
    sides = " union all ".join(
        f"(select id from {table} one where one.ledger_id = account.ledger_id and one.{side} = account.id "  # noqa: S608 - made of constants only
        f"and {condition} limit {USES_TOLD + 1})"
        for side in ("payer_id", "payee_id")
    )
    return f"array({sides}) as {table}"


_USES = (
    _those_of("holds", "status = 'open'"),
    _those_of("scheduled_payments", "status = 'scheduled'"),
    _those_of("disputes", "status in ('open', 'under_review')"),
    _those_of("processor_calls", "entry_id is null"),
)

ACCOUNT_USES = RecordSet(
    kind=ACCOUNT_USE,
    table=f"(select account.ledger_id, account.id, {', '.join(_USES)} from accounts account)",  # noqa: S608 - as above
    columns=(
        Column("id", "uuid"),
        Column("holds", "text", cast="uuid[]"),
        Column("scheduled_payments", "text", cast="uuid[]"),
        Column("disputes", "text", cast="uuid[]"),
        Column("processor_calls", "text", cast="uuid[]"),
    ),
    changing=(),
    read=lambda row: AccountUse(*(frozenset(uuids(ids)) for ids in row[2:])),
    is_stored=False,
)
