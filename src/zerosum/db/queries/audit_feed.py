"""The security log in the order of its transactions, so that who reads on misses none.

A record bears the time at which it was made, and is seen when it is committed: in the order of time one could appear
before a place that a reader has passed. What is read here lies below the oldest transaction that still runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import cast, literal, select, text, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from zerosum.db.gently import gently
from zerosum.db.queries.audit_log import AuditFilter, AuditRecord, read_record
from zerosum.db.queries.pages import look_up_by_key
from zerosum.db.schema.tables import Xid8, audit_log

SCANNED_MAX = 2_000
"""Records that one page looks at, however few of them lie in the wanted span of time."""


class AuditPlace(NamedTuple):
    """Behind a record."""

    xid: int
    id: UUID


AUDIT_BEGINNING = AuditPlace(0, UUID(int=0))


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedRecord:
    record: AuditRecord
    place: AuditPlace


_OF_ALL = text("""
select found.* from (select ledger_id from ledgers union select cast(:service as uuid)) every
cross join lateral (
    select * from audit_log log
    where log.ledger_id = every.ledger_id and (log.xid, log.id) > (cast(:xid as xid8), cast(:id as uuid))
      and log.xid < zerosum_feed_horizon()
    order by log.xid, log.id limit :limit
) found
order by found.xid, found.id limit :limit
""").columns(*audit_log.c)


async def records_behind(
    connection: AsyncConnection, wanted: AuditFilter, place: AuditPlace, limit: int, *, service: UUID
) -> tuple[list[PlacedRecord], AuditPlace, bool]:
    """At most `limit`, the oldest first; where looking ended, and whether there may be more now.

    Without a ledger of all and of the service's own, in an operator's unit of work.
    """
    await look_up_by_key(connection)
    looked_at = limit if wanted.start is None and wanted.end is None else SCANNED_MAX
    rows = await _rows(connection, wanted.ledger_id, place, looked_at, service)
    found: list[PlacedRecord] = []
    for row in rows:
        place = row.place
        if _is_within(row.record, wanted):
            found.append(row)
            if len(found) == limit:
                break
    return found, place, len(rows) == looked_at or len(found) == limit


async def _rows(
    connection: AsyncConnection, ledger_id: UUID | None, place: AuditPlace, limit: int, service: UUID
) -> Sequence[PlacedRecord]:
    if ledger_id is None:
        given = {"service": service, "xid": place.xid, "id": place.id, "limit": limit}
        found = (await connection.execute(_OF_ALL, given)).all()
    else:
        statement = select(audit_log).where(
            audit_log.c.ledger_id == ledger_id,
            tuple_(audit_log.c.xid, audit_log.c.id)
            > tuple_(cast(literal(place.xid, Xid8()), Xid8()), literal(place.id)),
            text("audit_log.xid < zerosum_feed_horizon()"),
        )
        found = (await connection.execute(statement.order_by(audit_log.c.xid, audit_log.c.id).limit(limit))).all()
    return await gently(lambda row: PlacedRecord(record=read_record(row), place=AuditPlace(row.xid, row.id)), found)


def _is_within(record: AuditRecord, wanted: AuditFilter) -> bool:
    moment = record.recorded_at
    return (wanted.start is None or moment >= wanted.start) and (wanted.end is None or moment < wanted.end)
