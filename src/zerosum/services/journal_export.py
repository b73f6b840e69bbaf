"""The journal of a span as a whole, with its accounts: for programs that keep books in text.

It is read in pages that follow each other by key, each in a short transaction of its own: nobody who reads slowly holds
one open. All pages look at one instant, before which nothing can be written any more when the first is read, so what
comes is one and the same journal however long it takes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, tzinfo
from uuid import UUID

from zerosum.db.engine import Database
from zerosum.db.queries.accounts import find_accounts
from zerosum.db.queries.journal import EntryFilter, RecordedEntry, list_entries
from zerosum.domain.ledger.account import Account
from zerosum.services.ledgers import Ledgers
from zerosum.services.requests.caller import Caller
from zerosum.services.requests.settled_time import SettledTime
from zerosum.services.requests.time_zones import parse_time_zone
from zerosum.services.requests.times import parse_filter_time

ENTRIES_AT_ONCE = 500
"""Of one page: that much is in memory for a reader, and is read in one transaction."""


ACCOUNTS_AT_ONCE = 10_000
"""Of a page. PostgreSQL takes no more than some thirty thousand values in a statement."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedPage:
    """Entries in the order in which they were written; those of their accounts that no page before has named."""

    entries: Sequence[RecordedEntry]
    accounts: Sequence[Account]


class RunningExport:
    """One journal on its way to one reader. It keeps of it only which accounts it has named."""

    def __init__(self, database: Database, caller: Caller, wanted: EntryFilter, zone: tzinfo, at_once: int) -> None:
        self._database = database
        self._ledger_id = caller.ledger_id
        self._wanted = wanted
        self._at_once = at_once
        self._after: tuple[UUID] | None = None
        self._named = set[UUID]()
        self._is_over = False
        self.zone = zone
        self.entries = 0
        """That were read so far."""

    @property
    def as_of(self) -> datetime | None:
        return self._wanted.posted_to

    async def next_page(self) -> ExportedPage | None:
        """None at the end."""
        if self._is_over:
            return None
        async with self._database.work(self._ledger_id) as connection:
            entries = await list_entries(
                connection, self._ledger_id, self._wanted, after=self._after, limit=self._at_once, is_ascending=True
            )
            ids = sorted({line.account_id for entry in entries for line in entry.postings} - self._named)
            accounts: list[Account] = []
            for start in range(0, len(ids), ACCOUNTS_AT_ONCE):
                some = ids[start : start + ACCOUNTS_AT_ONCE]
                accounts += await find_accounts(connection, self._ledger_id, ids=some, codes=())
        self._is_over = len(entries) < self._at_once
        if not entries:
            return None
        self._after = (entries[-1].id,)
        self._named.update(ids)
        self.entries += len(entries)
        return ExportedPage(entries=entries, accounts=sorted(accounts, key=lambda account: account.code))


class JournalExport:
    def __init__(
        self, database: Database, ledgers: Ledgers, settled: SettledTime, entries_at_once: int = ENTRIES_AT_ONCE
    ) -> None:
        self._database = database
        self._ledgers = ledgers
        self._settled = settled
        self._entries_at_once = entries_at_once

    async def begin(self, caller: Caller, filters: Mapping[str, str]) -> RunningExport:
        """Raises InvalidParameter, and Unavailable where something that was written before is not committed yet."""
        wanted = EntryFilter(
            effective_from=parse_filter_time(filters, "effective_from"),
            effective_to=parse_filter_time(filters, "effective_to"),
        )
        zone = parse_time_zone((await self._ledgers.get(caller.ledger_id)).time_zone)
        wanted = replace(wanted, posted_to=await self._settled.reach(caller.ledger_id))
        return RunningExport(self._database, caller, wanted, zone, self._entries_at_once)
