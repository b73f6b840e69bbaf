"""The record set of what still names an account: read under its lock, and written nowhere."""

from __future__ import annotations

from zerosum.db.batch.record_sets import Column, RecordSet, uuids
from zerosum.domain.payments.closing import ACCOUNT_USE, USES_TOLD, AccountUse

_PARTS = f"""(select one.id from processor_calls one join payment_splits part
    on part.ledger_id = one.ledger_id and part.payment_id = coalesce(one.refunded_payment_id, one.id)
    where one.ledger_id = account.ledger_id and one.entry_id is null and part.account_id = account.id
    limit {USES_TOLD + 1})"""  # noqa: S608 - made of constants only
"""The processor calls that wait, of payments of which the account gets a part."""


def _those_of(table: str, condition: str, *besides: str) -> str:
    """Each side by an index of its own."""
    sides = " union all ".join(
        f"(select id from {table} one where one.ledger_id = account.ledger_id and one.{side} = account.id "  # noqa: S608 - made of constants only
        f"and {condition} limit {USES_TOLD + 1})"
        for side in ("payer_id", "payee_id")
    )
    return f"array({' union all '.join((sides, *besides))}) as {table}"


_USES = (
    _those_of("holds", "status = 'open'"),
    _those_of("scheduled_payments", "status = 'scheduled'"),
    _those_of("disputes", "status in ('open', 'under_review')"),
    _those_of("processor_calls", "entry_id is null", _PARTS),
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
