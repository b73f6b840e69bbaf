"""What the console tells the security log: who has looked at whose data, and who has done what, and why."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime, timedelta

from zerosum.db.advisory_locks import lock_until_commit
from zerosum.db.engine import Database
from zerosum.db.queries.audit_log import has_audit_record
from zerosum.domain.audit import AuditType
from zerosum.services.audit import audit_record, audited, write_audit
from zerosum.services.requests.caller import Caller

SEEN_APART = timedelta(hours=1)
"""A person who looks at a thing again and again is told of once in so long."""

REMEMBERED_MAX = 10_000


class ConsoleLog:
    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now
        self._seen: OrderedDict[tuple[object, ...], datetime] = OrderedDict()

    async def note(self, caller: Caller, resource: str) -> None:
        """That `caller` looks at `resource`: before it is shown, and over all processes once an hour."""
        now, one = self._now(), (caller.ledger_id, caller.actor, resource)
        told = self._seen.get(one)
        if told is not None and now - told < SEEN_APART:
            return
        record = audit_record(AuditType.CONSOLE_VIEWED, caller, now, resource=resource)
        async with self._database.work(caller.ledger_id) as connection:
            await lock_until_commit(connection, f"viewed:{caller.ledger_id}:{caller.actor}")
            if not await has_audit_record(connection, record, since=now - SEEN_APART):
                await audited(connection, record)
        while len(self._seen) >= REMEMBERED_MAX:
            self._seen.popitem(last=False)
        self._seen[one] = now

    async def acted(self, caller: Caller, action: str, resource: str, reason: str) -> None:
        """What was asked for. What has become of it is told by the thing itself."""
        record = audit_record(
            AuditType.CONSOLE_ACTED, caller, self._now(), resource=resource, reason=reason, facts={"action": action}
        )
        await write_audit(self._database, record)
