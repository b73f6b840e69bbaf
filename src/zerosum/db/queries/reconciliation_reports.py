"""What was told, matched and not matched, by day and source."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

VALUE_DAYS_MAX = timedelta(days=31)
"""By so much a line's day may lie beside those that its file speaks of."""

_DAYS = text("""
with told as (
    select file.source, file.currency, coalesce(line.value_on, line.booked_on) as day, count(*) as lines,
           count(*) filter (where line.is_repeat) as repeats,
           coalesce(sum(line.amount) filter (where not line.is_repeat), 0) as lines_sum,
           count(matched.match_id) as matched, coalesce(sum(matched.amount), 0) as matched_sum
    from reconciliation_files file
    join reconciliation_lines line on line.ledger_id = file.ledger_id and line.file_id = file.id
    left join reconciliation_matched matched on matched.ledger_id = file.ledger_id and matched.source = file.source
         and matched.kind = 'line' and matched.holder_id = file.id and matched.number = line.number
    where file.ledger_id = :ledger_id and (cast(:source as text) is null or file.source = :source)
      and file.to_on >= :around_from and file.from_on <= :around_to
      and coalesce(line.value_on, line.booked_on) between :from_on and :to_on
    group by 1, 2, 3
), broken as (
    select source, currency, day,
           count(*) filter (where is_open and is_explained) as explained,
           coalesce(sum(own) filter (where is_open and is_explained), 0) as explained_difference,
           count(*) filter (where is_open and not is_explained) as unexplained,
           coalesce(sum(own) filter (where is_open and not is_explained), 0) as unexplained_difference,
           count(*) filter (where state = 'adjusted') as adjusted,
           count(*) filter (where state = 'resolved') as resolved
    from (
        select source, currency, day, state, state in ('open', 'adjusting') as is_open,
               explanation is not null and (explained_until is null or explained_until >= :as_of) as is_explained,
               case kind when 'line' then amount else -amount end as own
        from reconciliation_breaks
        where ledger_id = :ledger_id and (cast(:source as text) is null or source = :source)
          and day between :from_on and :to_on
    ) break
    group by 1, 2, 3
)
select source, currency, day, coalesce(lines, 0) as lines, coalesce(repeats, 0) as repeats,
       coalesce(lines_sum, 0) as lines_sum, coalesce(matched, 0) as matched, coalesce(matched_sum, 0) as matched_sum,
       coalesce(explained, 0) as explained, coalesce(explained_difference, 0) as explained_difference,
       coalesce(unexplained, 0) as unexplained, coalesce(unexplained_difference, 0) as unexplained_difference,
       coalesce(adjusted, 0) as adjusted, coalesce(resolved, 0) as resolved
from told full join broken using (source, currency, day)
order by day, source, currency limit :limit
""")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconciledDay:
    """Differences are what the outside says less what our books say."""

    source: str
    currency: str
    day: date
    lines: int
    repeats: int
    lines_sum: Decimal
    matched: int
    matched_sum: Decimal
    explained: int
    explained_difference: Decimal
    unexplained: int
    unexplained_difference: Decimal
    adjusted: int
    resolved: int


async def reconciled_days(
    connection: AsyncConnection,
    ledger_id: UUID,
    *,
    source: str | None,
    from_on: date,
    to_on: date,
    as_of: date,
    limit: int,
) -> list[ReconciledDay]:
    given = {
        "ledger_id": ledger_id,
        "source": source,
        "from_on": from_on,
        "to_on": to_on,
        "around_from": from_on - VALUE_DAYS_MAX,
        "around_to": to_on + VALUE_DAYS_MAX,
        "as_of": as_of,
        "limit": limit,
    }
    rows: Sequence[Row[Any]] = (await connection.execute(_DAYS, given)).all()
    return [ReconciledDay(**row._asdict()) for row in rows]
