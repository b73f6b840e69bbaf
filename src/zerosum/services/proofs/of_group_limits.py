"""A part of a proof: which accounts stand under the limits of groups is what the groups' newest versions say.

It is worked out here from members and codes; what keeps it is a trigger (`db/schema/group_functions.py`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from zerosum.db.engine import Connection
from zerosum.db.queries.account_group_proofs import groups_in_accounts_after, groups_with_limits
from zerosum.db.queries.proofs import FIRST_ID
from zerosum.services.proofs.behind_ids import BehindIds
from zerosum.services.proofs.report import Report, part_of

ACCOUNTS_AT_ONCE = 2_000


class GroupLimitsProof(BehindIds):
    def __init__(self, report: Report) -> None:
        self._report = report

    async def take_slice(self, connection: Connection, share: float) -> bool:
        """Whether that was the last one."""
        report, limit = self._report, part_of(ACCOUNTS_AT_ONCE, share)
        groups = await groups_with_limits(connection, report.ledger_id)
        if self._after == FIRST_ID:
            for group in groups:
                if group.stored_version != group.version or group.stored_limits != (group.limits or None):
                    report.note(f"the limits of the account group {group.name} are not those that count")
        expected = [(group.name, _expressions(group.members)) for group in groups if group.limits]
        rows = await groups_in_accounts_after(connection, report.ledger_id, self._after, limit=limit)
        for row in rows:
            found = sorted(name for name, members in expected if any(re.fullmatch(one, row.code) for one in members))
            if (row.limited_groups or []) != found:
                report.note("the account is not in the groups with limits that it belongs to", row.id)
            self._after = row.id
        return len(rows) < limit


def _expressions(members: Any) -> Sequence[str]:
    """What cannot be read has none, and another part tells of it."""
    found = []
    for member in members if isinstance(members, list) else ():
        parts = [_part(part) for part in re.split(r"(\*\*|\*)", str(member))]
        found.append("".join(parts))
    return found


def _part(part: str) -> str:
    return {"*": "[^:]+", "**": "[^\\n]+"}.get(part) or re.escape(part)
