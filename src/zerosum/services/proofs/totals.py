"""A quick look at the books: every sum, version and head in one snapshot. The links of the chains are not walked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from zerosum.db.engine import Database
from zerosum.db.queries.inspection import contradictions, count_accounts
from zerosum.db.queries.integrity import (
    count_postings,
    currency_places,
    entries_without_postings,
    finest_amounts,
    unbalanced_entries,
)
from zerosum.domain.identifiers import Prefix, render_id
from zerosum.services.proofs.whole_ledger import BREAKS_MAX, ISO_PLACES, Report
from zerosum.services.requests.caller import Caller

_CONTRADICTIONS = {
    "is_orphaned": "postings to an account that does not exist",
    "is_gapped": "the account's version is not the number of its postings",
    "is_missummed": "the account's stored balance is not the sum of its postings",
    "is_unchained": "the account's head is not the hash of its last posting",
}


@dataclass(frozen=True, slots=True)
class Inspection:
    """A report, and when its snapshot was taken."""

    report: Report
    as_of: datetime


class Inspector:
    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now

    async def inspect(self, caller: Caller) -> Inspection:
        """Raises Unavailable where adding up takes longer than a statement may."""
        ledger_id: UUID = caller.ledger_id
        report, as_of = Report(ledger_id), self._now()
        async with self._database.snapshot(ledger_id) as connection:
            report.accounts = await count_accounts(connection, ledger_id)
            report.postings = await count_postings(connection, ledger_id)
            for row in await unbalanced_entries(connection, ledger_id, BREAKS_MAX):
                name = render_id(Prefix.JOURNAL_ENTRY, row.entry_id)
                report.note(f"the journal entry {name} does not balance in {row.currency}")
            for row in await entries_without_postings(connection, ledger_id, BREAKS_MAX):
                report.note(f"the journal entry {render_id(Prefix.JOURNAL_ENTRY, row.id)} has no postings")
            places = await currency_places(connection, ledger_id) | ISO_PLACES
            for row in await finest_amounts(connection, ledger_id):
                if row.is_no_number or (row.places or 0) > places.get(row.currency, -1):
                    report.note(f"postings are finer than {row.currency}, or no numbers")
            for row in await contradictions(connection, ledger_id, BREAKS_MAX):
                for column, what in _CONTRADICTIONS.items():
                    if getattr(row, column):
                        report.note(what, row.account_id, row.account_version)
        return Inspection(report, as_of)
