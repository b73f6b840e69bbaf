"""Closed periods: a ledger's closings with their seals, the balances that were sealed, and what came late."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Select, and_, func, insert, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from zerosum.db.batch.period_records import CLOSINGS
from zerosum.db.queries.accounts import paged
from zerosum.db.queries.pages import look_up_by_key
from zerosum.db.schema.tables import accounts, late_entries, period_closings, period_seals
from zerosum.domain.ledger.periods import Closing

_FIND_NEWEST = CLOSINGS.find_statement(locked=False)

# Of short accounts the postings are added up as they are, as for a trial balance; long ones have checkpoints.
_SEALED_LINES = text("""
select account.id, account.currency, coalesce(short.debits, long.debits, 0)::text as debits,
       coalesce(short.credits, long.credits, 0)::text as credits
from (
    select * from accounts where ledger_id = :ledger_id and id > :after order by id limit :limit
) account
left join lateral (
    select sum(amount) filter (where side = 'd') as debits, sum(amount) filter (where side = 'c') as credits
    from postings posting
    where posting.ledger_id = account.ledger_id and posting.account_id = account.id and account.version <= 256
      and layer = 'p' and effective_at < :ends_at and posted_at <= :recorded_until
) short on true
left join lateral (
    select totals.debits, totals.credits from (select 1) one
    cross join lateral zerosum_totals_at(
        account.ledger_id, account.id, cast(:ends_at as timestamptz) - interval '1 microsecond', :recorded_until, true
    ) totals where account.version > 256
) long on true
order by account.id
""")


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedClosing:
    """A closing as it lies in the books; what its seal says is None until there is one."""

    ledger_id: UUID
    number: int
    id: UUID
    period: str
    time_zone: str
    starts_at: datetime
    ends_at: datetime
    begun_at: datetime
    actor: str
    recorded_until: datetime | None = None
    sealed_at: datetime | None = None
    accounts: int | None = None
    totals: Sequence[Mapping[str, str]] | None = None
    digest: bytes | None = None
    hash: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedLateEntry:
    id: UUID
    way: str
    requested_at: datetime
    reason: str | None


_OF_CLOSING = ("ledger_id", "number", "id", "period", "time_zone", "starts_at", "ends_at", "begun_at", "actor")
_OF_SEAL = ("recorded_until", "sealed_at", "accounts", "totals", "digest", "hash")


async def newest_closing(connection: AsyncConnection, ledger_id: UUID) -> Closing | None:
    """What is closed in this ledger by now, and what it does with late entries. None: there is no such ledger."""
    row = (await connection.exec_driver_sql(_FIND_NEWEST, ([ledger_id], [ledger_id]))).first()
    return None if row is None else CLOSINGS.read(row[1:])


async def find_closing(
    connection: AsyncConnection, ledger_id: UUID, *, period: str | None = None, number: int | None = None
) -> RecordedClosing | None:
    """Of a period, of a number, or else the newest."""
    statement = _closings(ledger_id)
    if period is not None:
        statement = statement.where(period_closings.c.period == period)
    if number is not None:
        statement = statement.where(period_closings.c.number == number)
    row = (await connection.execute(statement.order_by(period_closings.c.number.desc()).limit(1))).first()
    return None if row is None else _closing(row)


async def list_closings(
    connection: AsyncConnection, ledger_id: UUID, *, after: int | None, limit: int, is_ascending: bool
) -> list[RecordedClosing]:
    key = period_closings.c.number
    statement = _closings(ledger_id)
    if after is not None:
        statement = statement.where(key > after if is_ascending else key < after)
    rows = await connection.execute(statement.order_by(key.asc() if is_ascending else key.desc()).limit(limit))
    return [_closing(row) for row in rows]


async def insert_closing(connection: AsyncConnection, closing: RecordedClosing) -> None:
    await connection.execute(insert(period_closings).values({name: getattr(closing, name) for name in _OF_CLOSING}))


async def insert_seal(connection: AsyncConnection, sealed: RecordedClosing) -> None:
    names = ("ledger_id", "number", *_OF_SEAL)
    await connection.execute(insert(period_seals).values({name: getattr(sealed, name) for name in names}))


async def newest_posting(connection: AsyncConnection, ledger_id: UUID) -> datetime | None:
    """When the last posting of the ledger was written, by the clock that was furthest ahead."""
    statement = select(func.max(accounts.c.last_posted_at)).where(accounts.c.ledger_id == ledger_id)
    found: datetime | None = (await connection.execute(statement)).scalar()
    return found


async def sealed_lines(
    connection: AsyncConnection,
    ledger_id: UUID,
    *,
    ends_at: datetime,
    recorded_until: datetime,
    after: UUID,
    limit: int,
) -> Sequence[Row[Any]]:
    """A page of the accounts by id, each with what was posted to it before the end, as far as it was written then."""
    await look_up_by_key(connection)
    given = {
        "ledger_id": ledger_id,
        "ends_at": ends_at,
        "recorded_until": recorded_until,
        "after": after,
        "limit": limit,
    }
    return (await connection.execute(_SEALED_LINES, given)).all()


async def list_late_entries(
    connection: AsyncConnection, ledger_id: UUID, closing: int, *, after: UUID | None, limit: int, is_ascending: bool
) -> list[RecordedLateEntry]:
    """What came when this closing was the newest, by the ids of the entries, which are by time."""
    statement = select(late_entries).where(late_entries.c.ledger_id == ledger_id, late_entries.c.closing == closing)
    rows = await connection.execute(paged(statement, late_entries.c.id, after, limit, is_ascending=is_ascending))
    return [RecordedLateEntry(id=row.id, way=row.way, requested_at=row.requested_at, reason=row.reason) for row in rows]


def _closings(ledger_id: UUID) -> Select[Any]:
    seal = and_(
        period_seals.c.ledger_id == period_closings.c.ledger_id, period_seals.c.number == period_closings.c.number
    )
    own = [period_seals.c[name] for name in _OF_SEAL]
    joined = period_closings.outerjoin(period_seals, seal)
    return select(period_closings, *own).select_from(joined).where(period_closings.c.ledger_id == ledger_id)


def _closing(row: Row[Any]) -> RecordedClosing:
    return RecordedClosing(**{name: getattr(row, name) for name in (*_OF_CLOSING, *_OF_SEAL)})
