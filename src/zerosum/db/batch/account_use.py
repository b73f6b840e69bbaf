"""The record set of what still names an account: read under its lock, and written nowhere."""

from __future__ import annotations

from zerosum.db.batch.record_sets import Column, RecordSet, uuids
from zerosum.domain.payments.closing import ACCOUNT_USE, USES_TOLD, AccountUse

_PARTS = f"""(select payment_id from payment_splits part
    where part.ledger_id = account.ledger_id and part.account_id = account.id and part.pending
    limit {USES_TOLD + 1})"""  # noqa: S608 - made of constants only
"""The processor calls that wait, of payments of which the account gets a part: they have the ids of their payments."""

_PARTS_GIVEN_BACK = f"""(select one.id from payment_splits part cross join lateral (
        select id from processor_calls call where call.ledger_id = part.ledger_id
        and call.refunded_payment_id = part.payment_id and call.entry_id is null offset 0
    ) as one
    where part.ledger_id = account.ledger_id and part.account_id = account.id and part.refunding is not null
    limit {USES_TOLD + 1})"""  # noqa: S608 - made of constants only
"""Those of refunds of which it gives back a part."""


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
    _those_of("processor_calls", "entry_id is null", _PARTS, _PARTS_GIVEN_BACK),
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
