"""A part of a proof: the ledger's charts are counted without a gap, and each is the one that the security log tells of.

Whoever could change a chart unseen could let payments open accounts that nobody has allowed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zerosum.db.engine import Connection
from zerosum.db.queries.chart_proofs import charts_after, missing_charts
from zerosum.services.proofs.report import BREAKS_MAX, Report, part_of

CHARTS_AT_ONCE = 100


class ChartsProof:
    def __init__(self, report: Report) -> None:
        self._report = report
        self._version = 0

    def position(self) -> dict[str, Any]:
        return {"version": self._version}

    def go_on(self, position: Mapping[str, Any]) -> None:
        self._version = int(position["version"])

    async def take_slice(self, connection: Connection, share: float) -> bool:
        """Whether that was the last one."""
        report, limit = self._report, part_of(CHARTS_AT_ONCE, share)
        rows = await charts_after(connection, report.ledger_id, self._version, limit=limit)
        for row in rows:
            if row.version != self._version + 1:
                report.note(f"the ledger's chart {self._version + 1} is missing")
            if not row.is_told:
                report.note(f"the ledger's chart {row.version} is not what the security log tells of it")
            self._version = row.version
        if len(rows) == limit:
            return False
        for version in await missing_charts(connection, report.ledger_id, limit=BREAKS_MAX):
            report.note(f"the security log tells of the ledger's chart {version}, which is not there")
        return True
