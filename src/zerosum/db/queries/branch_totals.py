"""What branches came to at any instant, beside the totals that are sealed (`total_functions.py`): exact, or not told.

The newest seal in reach of the instant says what was posted up to it, and the entries since are added to it. Of an
instant of the world the seal behind it will do as well, where that is nearer: then the entries in between are taken
away. Dated postings are counted by themselves there: by whole days and hours, and one by one within the last; and as
far as they were written by an instant that has passed, all of them but those that had not happened yet.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from zerosum.db.identifiers import first_uuid_of
from zerosum.db.queries.balances import Instant
from zerosum.db.queries.pages import POSTING_MAX, look_up_as_planned, look_up_by_key
from zerosum.db.queries.posted_entries import entries_where, posted_between
from zerosum.db.schema.entry_times import APART
from zerosum.domain.ledger.account import AccountType
from zerosum.domain.ledger.entry import EFFECTIVE_AHEAD_MAX

ENTRIES_MAX = 20_000
"""So many are added to what is sealed at the most. Where the worker lags by more, nothing is told here."""

_BEGINNING, _END = datetime(1970, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)


class _Seal(NamedTuple):
    sealed_at: datetime
    accounts_until: datetime


_NOTHING = _Seal(_BEGINNING, _BEGINNING)  # stands before the first seal

_NEWEST = text("""
select sealed_at, accounts_until from total_seals
where ledger_id = :ledger_id and sealed_at <= :until order by sealed_at desc limit 1
""")
_NEXT = text("""
select sealed_at from total_seals
where ledger_id = :ledger_id and sealed_at > :after order by sealed_at limit 1
""")
_KEPT = text("""
select distinct branch from total_branches
where ledger_id = :ledger_id and branch = any(:branches) and since <= :before
""")

_COUNT = f"""select (
    select count(*) from (select from ({{entries}}) as found limit {ENTRIES_MAX + 1}) as some_of_them
) as number"""  # noqa: S608 - made of constants only

_IS_DATED = "effective_at <> posted_at"
_SINCE_NEWEST = posted_between("newest", "recorded")
_UNDATED = posted_between("base", "written", " and effective_at = posted_at")
_UNDATED_SINCE = posted_between("written", "base", " and effective_at = posted_at")
_DATED = posted_between("newest", "recorded", f" and {_IS_DATED}")
_LATE = posted_between("newest", "recorded", f" and {_IS_DATED} and effective_at < :hour")
_OF_THE_HOUR = entries_where(
    f"{_IS_DATED} and effective_at >= :hour and effective_at <= :effective and posted_at <= :recorded"
)
_NOT_YET = entries_where(
    f"{_IS_DATED} and effective_at > :effective and effective_at <= :ahead and posted_at <= :recorded"
)

# In which branch an account of this code is counted: in the whole of what was asked for, or right below it.
_WHOLE = "cast(:prefix as text)"
_BELOW = "cast(:prefix as text) || left({rest}, strpos({rest}, ':'))".format(
    rest="substr(code, length(cast(:prefix as text)) + 1)"
)

_OF_ENTRIES = """
select {branch} as branch, type, currency, 0::bigint as accounts, {sign}lines as lines, {sign}debits as debits,
       {sign}credits as credits
from (
    select line.account_id, count(*) as lines,
           coalesce(sum(amount) filter (where layer = 'p' and side = 'd'), 0) as debits,
           coalesce(sum(amount) filter (where layer = 'p' and side = 'c'), 0) as credits
    from ({entries} offset 0) as entry
    join postings line on line.ledger_id = :ledger_id and line.entry_id = entry.id
    group by line.account_id
) as moved
join accounts account on account.ledger_id = :ledger_id and account.id = moved.account_id
where code ~>=~ :prefix and code ~<~ (:prefix || '~')
"""
_OPENED = """
select {branch}, type, currency, 1, 0, 0, 0 from accounts account
where account.ledger_id = :ledger_id and id >= :opened_low and created_at > :opened_since and created_at <= :recorded
  and code ~>=~ :prefix and code ~<~ (:prefix || '~')
"""
_OF_SEAL = """
select kept.branch, kept.type, kept.currency, {columns}
from total_branches kept
cross join lateral (
    select * from branch_totals own
    where own.ledger_id = :ledger_id and own.branch = kept.branch and own.type = kept.type
      and own.currency = kept.currency and own.sealed_at <= :{seal}
    order by own.sealed_at desc limit 1
) as total
where kept.ledger_id = :ledger_id and kept.branch = any(:branches)
"""
_OF_DATED = """
select branch, type, currency, 0, lines, debits, credits from dated_branch_totals
where ledger_id = :ledger_id and branch = any(:branches)
  and (grain = 'day' and starts_at < :day or grain = 'hour' and starts_at >= :day and starts_at < :hour)
"""
_ALL = "total.accounts, total.lines, total.debits, total.credits"
_UNDATED_ONLY = """0, total.lines - total.dated_lines, total.debits - total.dated_debits,
       total.credits - total.dated_credits"""
_ACCOUNTS_ONLY = "total.accounts, 0, 0, 0"
_DATED_ONLY = "total.accounts, total.dated_lines, total.dated_debits, total.dated_credits"

_ADDED_UP = """
select branch, type, currency, sum(accounts)::bigint as accounts, sum(lines)::bigint as lines, sum(debits) as debits,
       sum(credits) as credits
from ({parts}) as part where branch = any(:branches) group by branch, type, currency order by branch, type, currency
"""


class _Way(NamedTuple):
    """What is sealed, and which entries are added to it and taken away from it."""

    sealed: Sequence[str]
    added: Sequence[str]
    taken: Sequence[str] = ()

    def from_behind(self) -> _Way:
        """Of an instant of the world: from a seal that lies behind it."""
        added = [entries for entries in self.added if entries is not _UNDATED]
        return _Way(self.sealed, added, [*self.taken, _UNDATED_SINCE])


_AS_RECORDED = _Way([_OF_SEAL.format(columns=_ALL, seal="newest")], [_SINCE_NEWEST])
_UNDATED_UP_TO_SEAL = _OF_SEAL.format(columns=_UNDATED_ONLY, seal="base")
_AS_OF = _Way(
    [_UNDATED_UP_TO_SEAL, _OF_SEAL.format(columns=_ACCOUNTS_ONLY, seal="newest"), _OF_DATED],
    [_UNDATED, _LATE, _OF_THE_HOUR],
)
_AS_OF_AS_RECORDED = _Way(
    [_UNDATED_UP_TO_SEAL, _OF_SEAL.format(columns=_DATED_ONLY, seal="newest")], [_UNDATED, _DATED], [_NOT_YET]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class BranchTotal:
    """What the accounts of one branch, type and currency come to. `branch` ends with the separator, or is a code.

    `lines` are the postings that were counted, pending ones among them.
    """

    branch: str
    type: AccountType
    currency: str
    accounts: int
    lines: int
    debits: Decimal
    credits: Decimal


@dataclass(frozen=True, slots=True)
class SealedTotals:
    """What is to be had of a ledger at an instant, in one snapshot."""

    _ledger_id: UUID
    _way: _Way
    _given: dict[str, Any]

    async def whole(self, connection: AsyncConnection) -> Sequence[BranchTotal]:
        """Of the whole chart, by type and currency."""
        return await self._read(connection, _WHOLE, "", [""])

    async def below(self, connection: AsyncConnection, prefix: str, branches: Collection[str]) -> Sequence[BranchTotal]:
        """Of branches that are kept, right below a prefix."""
        return await self._read(connection, _BELOW, prefix, branches)

    async def kept(self, connection: AsyncConnection, branches: Collection[str]) -> set[str]:
        """Those of them that are kept, and were at that instant."""
        given = {"ledger_id": self._ledger_id, "branches": list(branches), "before": self._given["before"]}
        return set((await connection.execute(_KEPT, given)).scalars())

    async def _read(
        self, connection: AsyncConnection, branch: str, prefix: str, branches: Collection[str]
    ) -> Sequence[BranchTotal]:
        parts = [_OF_ENTRIES.format(branch=branch, entries=entries, sign="") for entries in self._way.added]
        parts += [_OF_ENTRIES.format(branch=branch, entries=entries, sign="-") for entries in self._way.taken]
        parts += [_OPENED.format(branch=branch), *self._way.sealed]
        statement = text(_ADDED_UP.format(parts=" union all ".join(parts)))
        given = {**self._given, "prefix": prefix, "branches": list(branches)}
        return [
            BranchTotal(
                branch=row.branch,
                type=AccountType(row.type),
                currency=row.currency,
                accounts=row.accounts,
                lines=row.lines,
                debits=row.debits,
                credits=row.credits,
            )
            for row in await connection.execute(statement, given)
        ]


async def find_sealed_totals(connection: AsyncConnection, ledger_id: UUID, instant: Instant) -> SealedTotals | None:
    """None where nothing is sealed, or too much lies beyond what is: then accounts must be added up as they are."""
    recorded = instant.recorded or _END
    newest = await _seal_before(connection, ledger_id, _END)
    if newest is None:
        return None
    way = _AS_RECORDED if instant.effective is None else _AS_OF
    if newest.sealed_at > recorded:
        newest = await _seal_before(connection, ledger_id, recorded) or _NOTHING
        if instant.effective is not None:  # The hours of dated postings are those up to the newest seal there is.
            way = _AS_OF_AS_RECORDED
    await look_up_by_key(connection)
    given: dict[str, Any] = {
        "ledger_id": ledger_id,
        "newest": newest.sealed_at,
        "before": newest.sealed_at,  # what is counted behind it is in the totals of kept branches
        "newest_low": first_uuid_of(newest.sealed_at - APART),
        "opened_since": newest.accounts_until,
        "opened_low": first_uuid_of(newest.accounts_until - POSTING_MAX),
        "recorded": recorded,
        "recorded_high": first_uuid_of(recorded + APART),
    }
    if instant.effective is not None:
        given |= await _of_world(connection, ledger_id, instant.effective, recorded)
        if given["base"] > given["written"]:
            way = way.from_behind()
    counts = " union all ".join(_COUNT.format(entries=entries) for entries in (*way.added, *way.taken))
    numbers = (await connection.execute(text(counts), given)).scalars()
    if max(numbers) <= ENTRIES_MAX:
        return SealedTotals(ledger_id, way, given)
    await look_up_as_planned(connection)
    return None


async def _of_world(
    connection: AsyncConnection, ledger_id: UUID, effective: datetime, recorded: datetime
) -> dict[str, Any]:
    written = min(effective, recorded)
    before = (await _seal_before(connection, ledger_id, written) or _NOTHING).sealed_at
    behind = (await connection.execute(_NEXT, {"ledger_id": ledger_id, "after": written})).scalar()
    nearest = before if behind is None or written - before <= behind - written else behind
    hour = effective.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    return {
        "before": before,
        "base": nearest,
        "base_low": first_uuid_of(nearest - APART),
        "base_high": first_uuid_of(nearest + APART),
        "written": written,
        "written_low": first_uuid_of(written - APART),
        "written_high": first_uuid_of(written + APART),
        "effective": effective,
        "ahead": recorded + EFFECTIVE_AHEAD_MAX,
        "hour": hour,
        "day": hour.replace(hour=0),
    }


async def _seal_before(connection: AsyncConnection, ledger_id: UUID, until: datetime) -> _Seal | None:
    row = (await connection.execute(_NEWEST, {"ledger_id": ledger_id, "until": until})).first()
    return None if row is None else _Seal(row.sealed_at, row.accounts_until)
