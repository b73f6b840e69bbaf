"""A part of a proof: the versions of account groups have no gap, and each is the one that the security log tells of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from zerosum.db.engine import Connection
from zerosum.db.queries.account_group_proofs import account_groups_after, missing_account_groups
from zerosum.services.proofs.report import BREAKS_MAX, Report, part_of

GROUPS_AT_ONCE = 100


class AccountGroupsProof:
    """`on_change` is told of each version: the proof of events counts them."""

    def __init__(self, report: Report, on_change: Callable[[Any], None]) -> None:
        self._report = report
        self._on_change = on_change
        self._after = ("", 0)

    def position(self) -> dict[str, Any]:
        return {"after": [*self._after]}

    def go_on(self, position: Mapping[str, Any]) -> None:
        name, version = position["after"]
        self._after = (str(name), int(version))

    async def take_slice(self, connection: Connection, share: float) -> bool:
        """Whether that was the last one."""
        report, limit = self._report, part_of(GROUPS_AT_ONCE, share)
        rows = await account_groups_after(connection, report.ledger_id, self._after, limit=limit)
        for row in rows:
            name, version = self._after
            expected = version + 1 if row.name == name else 1
            if row.version != expected:
                report.note(f"the account group {row.name}@{expected} is missing")
            if not row.is_told:
                report.note(f"the account group {row.name}@{row.version} is not what the security log tells of it")
            self._on_change(_Announced(row))
            self._after = (row.name, row.version)
        if len(rows) == limit:
            return False
        for row in await missing_account_groups(connection, report.ledger_id, limit=BREAKS_MAX):
            report.note(f"the security log tells of the account group {row.name}@{row.version}, which is not there")
        return True


class _Announced:
    """A version, as the proof of events knows entries."""

    resource_type, resource_id = "account_group", None

    def __init__(self, row: Any) -> None:
        self.id, self.posted_at = row.id, row.posted_at
        self.reason = "deleted" if row.is_gone else "changed"
