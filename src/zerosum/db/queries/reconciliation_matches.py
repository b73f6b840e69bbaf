"""What is open on either side of a source, and the matches that were found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Row, func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from zerosum.db.schema.tables import reconciliation_matched, reconciliation_matches
from zerosum.domain.reconciliation.open_items import ItemKind

# Those of a file are looked at once a run has come to its end over it, or it is the run's own. Of one that was cut off
# or too wide those are that this file tells again, for its own are repeats: nobody else would ever look at them.
_OPEN_LINES = text("""
select line.file_id, line.number, line.booked_on, line.value_on, line.amount, line.reference_texts,
       line.file_id = :file_id or not file.is_done as is_new
from (
    select file.*, exists (
        select from reconciliation_runs run
        where run.ledger_id = file.ledger_id and run.file_id = file.id and run.ended_at is not null
          and run.failure is null) as is_done
    from reconciliation_files file
    where file.ledger_id = :ledger_id and file.source = :source and (file.to_on >= :since or file.id = :file_id)
) file
join reconciliation_lines line on line.ledger_id = file.ledger_id and line.file_id = file.id
where not line.is_repeat
  and (line.file_id = :file_id
    or file.is_done and coalesce(line.value_on, line.booked_on) >= :since
    or not file.is_done and exists (
      select from reconciliation_lines again
      where again.ledger_id = line.ledger_id and again.source = line.source and again.outside_id = line.outside_id
        and again.amount = line.amount and again.file_id = :file_id and again.is_repeat))
  and not exists (
      select from reconciliation_matched matched
      where matched.ledger_id = line.ledger_id and matched.source = line.source and matched.kind = 'line'
        and matched.holder_id = line.file_id and matched.number = line.number)
  and not exists (
      select from reconciliation_breaks closed
      where closed.ledger_id = line.ledger_id and closed.source = line.source and closed.kind = 'line'
        and closed.holder_id = line.file_id and closed.number = line.number and closed.state <> 'open')
order by line.file_id = :file_id desc, line.file_id desc, line.number desc limit :limit
""")

_OPEN_ENTRIES = text("""
with page as materialized (
    select posting.account_version, posting.entry_id, posting.effective_at, posting.side, posting.amount
    from postings posting
    where posting.ledger_id = :ledger_id and posting.account_id = :account_id and posting.layer = 'p'
      and posting.effective_at >= :from_at and posting.effective_at < :to_at and posting.posted_at <= :posted_until
      and (posting.effective_at, posting.account_version) > (:after_at, :after_version)
      and not exists (
          select from reconciliation_matched matched
          where matched.ledger_id = posting.ledger_id and matched.source = :source and matched.kind = 'entry'
            and matched.holder_id = posting.account_id and matched.number = posting.account_version)
      and not exists (
          select from reconciliation_breaks closed
          where closed.ledger_id = posting.ledger_id and closed.source = :source and closed.kind = 'entry'
            and closed.holder_id = posting.account_id and closed.number = posting.account_version
            and closed.state <> 'open')
    order by posting.effective_at, posting.account_version limit :limit
)
select page.account_version, page.entry_id, page.effective_at, page.side, page.amount, entry.idempotency_key,
       entry.metadata ->> :member as named, payment.id as payment_id, payment.reference, call.processor_payment_id,
       refund.id as refund_id, adjusted.source as adjusts_source
from page
join journal_entries entry on entry.ledger_id = :ledger_id and entry.id = page.entry_id
cross join lateral (
    select case when entry.resource_id ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
                then entry.resource_id::uuid else entry.id end as id
) resource
left join payments payment on payment.ledger_id = :ledger_id and entry.resource_type = 'payment'
     and payment.id = resource.id
left join refunds refund on refund.ledger_id = :ledger_id and entry.resource_type = 'refund' and refund.id = resource.id
left join processor_calls call on call.ledger_id = :ledger_id and call.id = coalesce(payment.id, refund.id)
left join reconciliation_breaks adjusted on adjusted.ledger_id = :ledger_id
     and adjusted.id = case when entry.idempotency_key ~ '^reconciliation adjustment [0-9a-f]{8}(-[0-9a-f]{4}){3}-'
                            then split_part(entry.idempotency_key, ' ', 3)::uuid end
order by page.effective_at, page.account_version
""")


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchRecord:
    """`items` are (kind, holder, number, amount)."""

    id: UUID
    source: str
    source_version: int
    run_id: UUID | None
    rule: str
    currency: str
    tolerance: Decimal
    lines_sum: Decimal
    entries_sum: Decimal
    actor: str
    matched_at: datetime
    items: Sequence[tuple[ItemKind, UUID, int, Decimal]]


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryPage:
    """Which entries are asked for. `after` is where the page before has ended."""

    account_id: UUID
    source: str
    from_at: datetime
    to_at: datetime
    posted_until: datetime
    member: str
    after: tuple[datetime, int]
    limit: int


async def open_lines(
    connection: AsyncConnection, ledger_id: UUID, *, source: str, file_id: UUID, since: date, limit: int
) -> Sequence[Row[Any]]:
    """The newest first."""
    given = {"ledger_id": ledger_id, "source": source, "file_id": file_id, "since": since, "limit": limit}
    return (await connection.execute(_OPEN_LINES, given)).all()


async def open_entries(connection: AsyncConnection, ledger_id: UUID, page: EntryPage) -> Sequence[Row[Any]]:
    given = {name: getattr(page, name) for name in EntryPage.__dataclass_fields__ if name != "after"}
    after_at, after_version = page.after
    given |= {"ledger_id": ledger_id, "after_at": after_at, "after_version": after_version}
    return (await connection.execute(_OPEN_ENTRIES, given)).all()


async def insert_matches(connection: AsyncConnection, ledger_id: UUID, records: Sequence[MatchRecord]) -> bool:
    """False where somebody else has matched one of the items: then nothing of it may be committed."""
    if not records:
        return True
    await connection.execute(insert(reconciliation_matches), [_match(ledger_id, record) for record in records])
    items = [
        {
            "ledger_id": ledger_id,
            "source": record.source,
            "kind": kind.value,
            "holder_id": holder_id,
            "number": number,
            "match_id": record.id,
            "amount": amount,
            "currency": record.currency,
        }
        for record in records
        for kind, holder_id, number, amount in record.items
    ]
    await connection.execute(insert(reconciliation_matched).on_conflict_do_nothing(), items)
    made = select(func.count()).where(
        reconciliation_matched.c.ledger_id == ledger_id,
        reconciliation_matched.c.match_id.in_([record.id for record in records]),
    )
    return (await connection.execute(made)).scalar_one() == len(items)


def _match(ledger_id: UUID, record: MatchRecord) -> dict[str, Any]:
    kinds = [kind for kind, *_ in record.items]
    told = ("id", "source", "source_version", "run_id", "rule", "currency", "tolerance", "lines_sum", "entries_sum")
    return {
        "ledger_id": ledger_id,
        **{name: getattr(record, name) for name in (*told, "actor", "matched_at")},
        "lines": kinds.count(ItemKind.LINE),
        "entries": kinds.count(ItemKind.ENTRY),
    }
