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

# `offset 0` makes a question of each row, which its whole key in the index answers. Without it what is matched may be
# joined by its holder alone, where the tables' statistics are old: each row with all that were ever matched.

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
        and matched.holder_id = line.file_id and matched.number = line.number offset 0)
  and not exists (
      select from reconciliation_breaks closed
      where closed.ledger_id = line.ledger_id and closed.source = line.source and closed.kind = 'line'
        and closed.holder_id = line.file_id and closed.number = line.number and closed.state <> 'open' offset 0)
order by line.file_id = :file_id desc, line.file_id desc, line.number desc limit :limit
""")

# Where so many postings end, whether they are matched or not. The index alone tells it.
_END_OF_PAGE = text("""
select max(effective_at) as end_at, (array_agg(account_version order by effective_at desc, account_version desc))[1]
       as end_version, count(*) as walked
from (
    select effective_at, account_version from postings
    where ledger_id = :ledger_id and account_id = :account_id and effective_at >= :after_at and effective_at < :to_at
      and (effective_at, account_version) > (:after_at, :after_version)
    order by effective_at, account_version limit :limit
) walked
""")

_OPEN_ENTRIES = text("""
with page as materialized (
    select posting.account_version, posting.entry_id, posting.effective_at, posting.side, posting.amount
    from postings posting
    where posting.ledger_id = :ledger_id and posting.account_id = :account_id and posting.layer = 'p'
      and posting.effective_at between :after_at and :end_at
      and (posting.effective_at, posting.account_version) > (:after_at, :after_version)
      and (posting.effective_at, posting.account_version) <= (:end_at, :end_version)
      and posting.posted_at <= :posted_until
      and not exists (
          select from reconciliation_matched matched
          where matched.ledger_id = posting.ledger_id and matched.source = :source and matched.kind = 'entry'
            and matched.holder_id = posting.account_id and matched.number = posting.account_version offset 0)
      and not exists (
          select from reconciliation_breaks closed
          where closed.ledger_id = posting.ledger_id and closed.source = :source and closed.kind = 'entry'
            and closed.holder_id = posting.account_id and closed.number = posting.account_version
            and closed.state <> 'open' offset 0)
)
select page.account_version, page.entry_id, page.effective_at, page.side, page.amount, entry.idempotency_key,
       entry.metadata ->> :member as named, payment.id as payment_id, payment.reference, call.processor_payment_id,
       call.number as call_number, refund.id as refund_id, adjusted.source as adjusts_source
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
    """Which entries are asked for. `after` is where the page before has ended: at first when the days begin.

    `limit` is of the postings that are looked at, so that a page takes as long whatever is matched of it.
    """

    account_id: UUID
    source: str
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


async def open_entries(
    connection: AsyncConnection, ledger_id: UUID, page: EntryPage
) -> tuple[Sequence[Row[Any]], tuple[datetime, int] | None]:
    """Those without a match among the postings of a page, and where the next page begins; None: it was the last."""
    after_at, after_version = page.after
    given = {
        "ledger_id": ledger_id,
        "account_id": page.account_id,
        "after_at": after_at,
        "after_version": after_version,
    }
    end = (await connection.execute(_END_OF_PAGE, {**given, "to_at": page.to_at, "limit": page.limit})).one()
    if not end.walked:
        return (), None
    given |= {"source": page.source, "posted_until": page.posted_until, "member": page.member}
    given |= {"end_at": end.end_at, "end_version": end.end_version}
    found = (await connection.execute(_OPEN_ENTRIES, given)).all()
    return found, (end.end_at, end.end_version) if end.walked == page.limit else None


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
