"""A part of a proof: the ledger is set to what the security log tells of it.

Whoever could change its time zone unseen could move what belongs to a closed period.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zerosum.db.engine import Connection
from zerosum.db.queries.answer_proofs import settings_untold
from zerosum.services.proofs.report import Report


class SettingsProof:
    """One look: a ledger is changed seldom, by administrators."""

    def __init__(self, report: Report) -> None:
        self._report = report

    def position(self) -> dict[str, Any]:
        return {}

    def go_on(self, position: Mapping[str, Any]) -> None:
        """There is but one slice."""

    async def take_slice(self, connection: Connection, share: float) -> bool:  # noqa: ARG002 - it is one look
        for name in await settings_untold(connection, self._report.ledger_id):
            self._report.note(f"the ledger's {name} is not what the security log tells of it")
        return True
