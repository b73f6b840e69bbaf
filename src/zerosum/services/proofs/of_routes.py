"""A part of a proof: the ledger's own routes are counted without a gap, and each is what the security log tells of.

Whoever could change them unseen could send money through whom nobody has chosen.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zerosum.db.engine import Connection
from zerosum.db.queries.ledger_routes import missing_routes, routes_after
from zerosum.services.proofs.report import BREAKS_MAX, Report, part_of

ROUTES_AT_ONCE = 100


class RoutesProof:
    def __init__(self, report: Report) -> None:
        self._report = report
        self._version = 0

    def position(self) -> dict[str, Any]:
        return {"version": self._version}

    def go_on(self, position: Mapping[str, Any]) -> None:
        self._version = int(position["version"])

    async def take_slice(self, connection: Connection, share: float) -> bool:
        """Whether that was the last one."""
        report, limit = self._report, part_of(ROUTES_AT_ONCE, share)
        rows = await routes_after(connection, report.ledger_id, self._version, limit=limit)
        for row in rows:
            if row.version != self._version + 1:
                report.note(f"the ledger's routes {self._version + 1} are missing")
            if not row.is_told:
                report.note(f"the ledger's routes {row.version} are not what the security log tells of them")
            self._version = row.version
        if len(rows) == limit:
            return False
        for version in await missing_routes(connection, report.ledger_id, limit=BREAKS_MAX):
            report.note(f"the security log tells of the ledger's routes {version}, which are not there")
        return True
