"""A part of a proof: house rules are counted without a gap, and each is what was announced and is told of it.

Whoever could change them unseen could let more be captured than was agreed to.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zerosum.db.engine import Connection
from zerosum.db.queries.house_rules import house_rules_after, missing_house_rules
from zerosum.services.proofs.report import BREAKS_MAX, Report, part_of

HOUSE_RULES_AT_ONCE = 100


class HouseRulesProof:
    def __init__(self, report: Report) -> None:
        self._report = report
        self._version = 0

    def position(self) -> dict[str, Any]:
        return {"version": self._version}

    def go_on(self, position: Mapping[str, Any]) -> None:
        self._version = int(position["version"])

    async def take_slice(self, connection: Connection, share: float) -> bool:
        """Whether that was the last one."""
        report, limit = self._report, part_of(HOUSE_RULES_AT_ONCE, share)
        rows = await house_rules_after(connection, report.ledger_id, self._version, limit=limit)
        for row in rows:
            if row.version != self._version + 1:
                report.note(f"the house rules {self._version + 1} are missing")
            if not row.is_told:
                report.note(f"the house rules {row.version} are not what the security log tells of them")
            if not row.is_announced:
                report.note(f"the house rules {row.version} are not what was announced")
            self._version = row.version
        if len(rows) == limit:
            return False
        for version in await missing_house_rules(connection, report.ledger_id, limit=BREAKS_MAX):
            report.note(f"the security log tells of the house rules {version}, which are not there")
        return True
