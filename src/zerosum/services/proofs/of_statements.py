"""A part of a proof: statements that were issued have no gap, follow from each other, and say what the postings say."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any
from uuid import UUID

from zerosum.db.engine import Connection
from zerosum.db.queries.proofs import FIRST_ID
from zerosum.db.queries.statement_proofs import statements_after
from zerosum.domain.identifiers import Prefix, render_id
from zerosum.services.proofs.of_events import Recorded
from zerosum.services.proofs.report import Report, part_of

STATEMENTS_AT_ONCE = 50
"""Each has up to as many lines as the service allows, which are added up by the database."""


class StatementsProof:
    """`on_record` is told of each: the proof of events counts them."""

    def __init__(self, report: Report, on_record: Callable[[Any], None]) -> None:
        self._report = report
        self._on_record = on_record
        self._account_id = FIRST_ID
        self._number = 0
        self._hash = b""

    def position(self) -> dict[str, Any]:
        return {"account": str(self._account_id), "number": self._number, "hash": self._hash.hex()}

    def go_on(self, position: Mapping[str, Any]) -> None:
        self._account_id, self._number = UUID(position["account"]), int(position["number"])
        self._hash = bytes.fromhex(position["hash"])

    async def take_slice(self, connection: Connection, share: float) -> bool:
        """Whether that was the last one."""
        report, limit = self._report, part_of(STATEMENTS_AT_ONCE, share)
        rows = await statements_after(connection, report.ledger_id, (self._account_id, self._number), limit=limit)
        for row in rows:
            if row.account_id != self._account_id:
                self._account_id, self._number = row.account_id, 0
                begins = b"zerosum.statement-genesis.v1" + report.ledger_id.bytes + row.account_id.bytes
                self._hash = hashlib.sha256(begins).digest()
            self._on_record(Recorded(row.id, row.issued_at, "statement", row.hash.hex()))
            name = f"the statement {render_id(Prefix.STATEMENT, row.id)}"
            with report.noting(f"{name} cannot be read", row.account_id):
                for fault in self._faults(row):
                    report.note(f"{name} {fault}", row.account_id)
            self._number, self._hash = row.number, row.hash
        return len(rows) < limit

    def _faults(self, row: Any) -> list[str]:
        faults = []
        if row.number != self._number + 1:
            faults.append(f"does not follow the number {self._number}")
        elif _link(self._hash, row) != row.hash:
            faults.append("does not follow from the one before")
        if row.account_currency is None:
            return [*faults, "is one of an account that does not exist"]
        if row.currency != row.account_currency:
            faults.append("is in another currency than its account")
        if row.version_head != row.head:
            faults.append("names another head than its account had")
        moved = Decimal(row.moved)
        if (Decimal(row.opening), Decimal(row.closing)) != (Decimal(row.before), Decimal(row.before) + moved):
            faults.append("does not open and close as its postings say")
        if row.lines != row.found:
            faults.append("has another number of lines than its postings say")
        return faults


def _link(previous: bytes, row: Any) -> bytes:
    """The hash as `docs/ARCHITECTURE.md` describes it."""
    texts = (
        str(row.account_id), str(row.number), row.from_at, row.to_at, row.issued_at, row.currency, row.opening,
        row.closing, str(row.lines), str(row.account_version), row.head.hex(),
    )  # fmt: skip
    content = b"".join(b"%d:%b," % (len(text.encode()), text.encode()) for text in texts)
    return hashlib.sha256(b"zerosum.statement.v1" + previous + content).digest()
