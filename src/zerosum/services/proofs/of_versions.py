"""Parts of a proof: what has versions is counted without a gap, and each is what the security log tells of it.

Whoever could change a chart unseen could let payments open accounts that nobody has allowed; who could change house
rules, let more be captured than was agreed to; who could change routes, send money through whom nobody has chosen.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from zerosum.db.engine import Connection
from zerosum.db.queries.chart_proofs import charts_after, missing_charts
from zerosum.db.queries.house_rules import house_rules_after, missing_house_rules
from zerosum.db.queries.ledger_routes import missing_routes, routes_after
from zerosum.services.proofs.report import BREAKS_MAX, Report, part_of

VERSIONS_AT_ONCE = 100


class _VersionsProof(ABC):
    """`named`, `be` and `it` are the words of what is found: "the ledger's chart" 3 "is" not what is told of "it"."""

    named: ClassVar[str]
    be: ClassVar[str] = "are"
    it: ClassVar[str] = "them"

    def __init__(self, report: Report) -> None:
        self._report = report
        self._version = 0

    def position(self) -> dict[str, Any]:
        return {"version": self._version}

    def go_on(self, position: Mapping[str, Any]) -> None:
        self._version = int(position["version"])

    async def take_slice(self, connection: Connection, share: float) -> bool:
        """Whether that was the last one."""
        limit = part_of(VERSIONS_AT_ONCE, share)
        rows = await self._after(connection, limit)
        for row in rows:
            if row.version != self._version + 1:
                self._report.note(f"{self.named} {self._version + 1} {self.be} missing")
            self._judge(row)
            self._version = row.version
        if len(rows) == limit:
            return False
        for version in await self._missing(connection):
            self._report.note(f"the security log tells of {self.named} {version}, which {self.be} not there")
        return True

    def _judge(self, row: Any) -> None:
        if not row.is_told:
            self._report.note(f"{self.named} {row.version} {self.be} not what the security log tells of {self.it}")

    @abstractmethod
    async def _after(self, connection: Connection, limit: int) -> Sequence[Any]:
        """What comes behind the version that was looked at last."""

    @abstractmethod
    async def _missing(self, connection: Connection) -> Sequence[str | None]:
        """Versions that the security log tells of and that are not there, at most BREAKS_MAX."""


class ChartsProof(_VersionsProof):
    named, be, it = "the ledger's chart", "is", "it"

    async def _after(self, connection: Connection, limit: int) -> Sequence[Any]:
        return await charts_after(connection, self._report.ledger_id, self._version, limit=limit)

    async def _missing(self, connection: Connection) -> Sequence[str | None]:
        return await missing_charts(connection, self._report.ledger_id, limit=BREAKS_MAX)


class RoutesProof(_VersionsProof):
    named = "the ledger's routes"

    async def _after(self, connection: Connection, limit: int) -> Sequence[Any]:
        return await routes_after(connection, self._report.ledger_id, self._version, limit=limit)

    async def _missing(self, connection: Connection) -> Sequence[str | None]:
        return await missing_routes(connection, self._report.ledger_id, limit=BREAKS_MAX)


class HouseRulesProof(_VersionsProof):
    """These were announced by an event, too."""

    named = "the house rules"

    async def _after(self, connection: Connection, limit: int) -> Sequence[Any]:
        return await house_rules_after(connection, self._report.ledger_id, self._version, limit=limit)

    async def _missing(self, connection: Connection) -> Sequence[str | None]:
        return await missing_house_rules(connection, self._report.ledger_id, limit=BREAKS_MAX)

    def _judge(self, row: Any) -> None:
        super()._judge(row)
        if not row.is_announced:
            self._report.note(f"{self.named} {row.version} {self.be} not what was announced")
