"""The third part of a proof: what happened was announced, once, and nothing else was.

Events are found by the transaction that wrote them and not by what they speak of. So both sides are added up, what
entries make one expect and what there is, and only where the sums differ it is looked for which.
"""

from __future__ import annotations

import hashlib
from typing import Any

from zerosum.db.engine import Connection
from zerosum.db.proofs import FIRST_ID, entries_without_event, events_after, events_without_entry
from zerosum.domain.identifiers import Prefix, render_id
from zerosum.services.proof_report import BREAKS_MAX, Report

EVENTS_AT_ONCE = 5_000

_CLIENT_EVENTS = {
    "deposit": "client_transaction.carried_out",
    "withdrawal": "client_transaction.carried_out",
    "dispute": "client_transaction.disputed",
    "resolve": "client_transaction.resolved",
    "chargeback": "client_transaction.charged_back",
}


class EventsProof:
    """`horizon` (microseconds) is for slices that look at different moments: what is younger is left to the next proof.

    `is_naming` says which events are missing, which takes looking through the ledger as a whole.
    """

    def __init__(self, report: Report, *, horizon: int | None, is_naming: bool) -> None:
        self._report = report
        self._horizon = horizon
        self._is_naming = is_naming
        self._position = (0, FIRST_ID)
        self._expected = self._found = 0

    def expect(self, entry: Any) -> None:
        """What is announced of an entry bears its id and its time."""
        if self._is_looked_at(entry.posted_at):
            type_ = _type_of(entry)
            self._expected += _number(str(entry.id), type_, entry.resource_type, "None", entry.posted_at)

    async def take_slice(self, connection: Connection) -> bool:
        """Whether that was the last one. The entries must have been told of before the last."""
        rows = await events_after(connection, self._report.ledger_id, self._position, limit=EVENTS_AT_ONCE)
        for row in rows:
            if row.resource_type == "account":
                if not row.is_explained:
                    self._report.note(f"the event {_event(row.id)} tells of a change that is not recorded")
            elif self._is_looked_at(row.created_at):
                self._found += _number(str(row.id), row.type, row.resource_type, str(row.resource_id), row.created_at)
        if len(rows) == EVENTS_AT_ONCE:
            self._position = (rows[-1].xid, rows[-1].id)
            return False
        if self._found != self._expected:
            await self._tell(connection)
        return True

    async def _tell(self, connection: Connection) -> None:
        report, before = self._report, len(self._report.breaks)
        if self._is_naming:
            for row in await entries_without_event(connection, report.ledger_id, BREAKS_MAX):
                report.note(f"the journal entry {render_id(Prefix.JOURNAL_ENTRY, row.id)} has no event")
            for row in await events_without_entry(connection, report.ledger_id, BREAKS_MAX):
                report.note(f"the event {_event(row.id)} has no journal entry")
        if len(report.breaks) == before:
            report.note("the events are not those that the journal entries make one expect")

    def _is_looked_at(self, moment: str) -> bool:
        return self._horizon is None or int(moment) < self._horizon


def _type_of(entry: Any) -> str:
    if entry.resource_type == "client_transaction":
        return _CLIENT_EVENTS.get(entry.reason, "")
    return "payment.succeeded" if entry.resource_type == "payment" else "journal_entry.posted"


def _number(*texts: str) -> int:
    """Sums of these are equal only where the same was added up, in whatever order."""
    return int.from_bytes(hashlib.sha256("|".join(texts).encode()).digest())


def _event(event_id: Any) -> str:
    return render_id(Prefix.EVENT, event_id)
