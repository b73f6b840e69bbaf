"""The journal of a span as a whole, with its accounts: for programs that keep books in text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from zerosum.db.engine import Database
from zerosum.db.queries.accounts import find_accounts
from zerosum.domain.errors import TooManyItems
from zerosum.domain.ledger.account import Account
from zerosum.services.journal import Journal, RecordedEntry
from zerosum.services.requests.caller import Caller
from zerosum.services.requests.paging import PageRequest

ENTRIES_MAX = 10_000
"""In one export. A longer span is exported in pieces: the texts of two spans, one behind the other, are one journal."""

ACCOUNTS_AT_ONCE = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedJournal:
    """Entries in the order in which they were written; every account of their postings."""

    entries: Sequence[RecordedEntry]
    accounts: Mapping[UUID, Account]


class JournalExport:
    def __init__(self, database: Database, journal: Journal) -> None:
        self._database = database
        self._journal = journal

    async def whole(self, caller: Caller, request: PageRequest) -> ExportedJournal:
        """Raises TooManyItems."""
        page = await self._journal.list(caller, replace(request, limit=ENTRIES_MAX, is_ascending=True))
        if page.next_cursor is not None:
            raise TooManyItems(
                f"The span has more than {ENTRIES_MAX} entries: ask for a shorter one.",
                pointer="effective_to",
                entries_max=ENTRIES_MAX,
            )
        ids = sorted({line.account_id for entry in page.items for line in entry.postings})
        accounts: dict[UUID, Account] = {}
        async with self._database.work(caller.ledger_id) as connection:
            for start in range(0, len(ids), ACCOUNTS_AT_ONCE):
                some = ids[start : start + ACCOUNTS_AT_ONCE]
                for account in await find_accounts(connection, caller.ledger_id, ids=some, codes=()):
                    accounts[account.state.id] = account
        return ExportedJournal(entries=page.items, accounts=accounts)
