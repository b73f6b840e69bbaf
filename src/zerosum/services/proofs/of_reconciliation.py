"""Reconciliation: files are their lines, matches keep within their tolerance, breaks are as they were left."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from decimal import Decimal
from typing import Any

from zerosum.db.engine import Connection
from zerosum.db.queries.reconciliation_proofs import breaks_after, files_after, matches_after
from zerosum.domain.identifiers import Prefix, render_id
from zerosum.services.proofs.behind_ids import BehindIds
from zerosum.services.proofs.report import Report, part_of

FILES_AT_ONCE = 10
"""Each has up to 10,000 lines."""

MATCHES_AT_ONCE = 500
BREAKS_AT_ONCE = 500

_ONE_SIDED = "adjustment"


class _Walk(BehindIds, ABC):
    """Over the rows of one query, by id."""

    at_once: int
    prefix: Prefix
    noun: str

    def __init__(self, report: Report) -> None:
        self._report = report

    async def take_slice(self, connection: Connection, share: float) -> bool:
        """Whether that was the last one."""
        limit = part_of(self.at_once, share)
        rows = await self.query()(connection, self._report.ledger_id, after=self._after, limit=limit)
        for row in rows:
            what = f"the {self.noun} {render_id(self.prefix, row.id)}"
            with self._report.noting(f"{what} or what stands on it cannot be read"):
                fault = self.fault_of(row)
                if fault is not None:
                    self._report.note(f"{what} {fault}")
            self._after = row.id
        return len(rows) < limit

    @abstractmethod
    def query(self) -> Callable[..., Awaitable[Sequence[Any]]]:
        """What reads them, in the order of their ids."""

    @abstractmethod
    def fault_of(self, row: Any) -> str | None:
        """What is wrong with one, if anything is."""


class ReconciliationFilesProof(_Walk):
    at_once, prefix, noun = FILES_AT_ONCE, Prefix.RECONCILIATION_FILE, "file of reconciliation"

    def query(self) -> Callable[..., Awaitable[Sequence[Any]]]:
        return files_after

    def fault_of(self, row: Any) -> str | None:
        money_in, money_out = Decimal(row.money_in), Decimal(row.money_out)
        is_told = row.opening is not None and row.closing is not None
        if is_told and Decimal(row.opening) + money_in - money_out != Decimal(row.closing):
            return "does not come to its closing balance"
        if not row.is_whole:
            return None
        if (row.told, row.last_number or 0) != (row.lines, row.lines) or row.others:
            return "has not the lines that it was received with"
        if (Decimal(row.told_in), Decimal(row.told_out)) != (money_in, money_out):
            return "is not what its lines come to"
        return "has lines that are neither matched nor a break" if row.is_matched and row.forgotten else None


class ReconciliationMatchesProof(_Walk):
    at_once, prefix, noun = MATCHES_AT_ONCE, Prefix.RECONCILIATION_MATCH, "match"

    def query(self) -> Callable[..., Awaitable[Sequence[Any]]]:
        return matches_after

    def fault_of(self, row: Any) -> str | None:
        if (row.told_lines, row.told_entries) != (row.lines, row.entries):
            return "has not the items that it says"
        if row.wrong:
            return "is of something that is not what it was matched as"
        sums = Decimal(row.lines_sum), Decimal(row.entries_sum)
        if (Decimal(row.told_lines_sum), Decimal(row.told_entries_sum)) != sums:
            return "is not what its items come to"
        allowed = Decimal(0) if row.rule == _ONE_SIDED else Decimal(row.allowed)
        if Decimal(row.tolerance) != allowed or abs(sums[0] - sums[1]) > allowed:
            return "differs by more than its source allows"
        return None if row.rule == _ONE_SIDED or (row.lines and row.entries) else "has one side only"


class ReconciliationBreaksProof(_Walk):
    at_once, prefix, noun = BREAKS_AT_ONCE, Prefix.RECONCILIATION_BREAK, "break"

    def query(self) -> Callable[..., Awaitable[Sequence[Any]]]:
        return breaks_after

    def fault_of(self, row: Any) -> str | None:
        if (row.steps, row.last_number) != (row.changes, row.changes):
            return "has not the steps that it says"
        if row.left_as != row.left_now:
            return "is not as its last step has left it"
        if not row.fits_item:
            return "is of an amount that its item has not"
        return None if row.has_match else "says it has a match and has none"
