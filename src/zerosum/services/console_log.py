"""What the console tells the security log: who has looked at whose data, and who has done what, and why."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from zerosum.db.advisory_locks import lock_until_commit
from zerosum.db.engine import Database
from zerosum.db.identifiers import new_uuid
from zerosum.db.queries.audit_log import has_audit_record
from zerosum.domain.audit import AuditType
from zerosum.domain.errors import DomainError, OutcomeUnknown
from zerosum.domain.identifiers import Prefix, render_id
from zerosum.services.audit import AuditRecord, audit_record, audited, write_audit
from zerosum.services.requests.caller import Caller

SEEN_APART = timedelta(hours=1)
"""A person who looks at a thing again and again is told of once in so long."""

REMEMBERED_MAX = 10_000

_log = logging.getLogger(__name__)


class Outcome(StrEnum):
    """What has become of an act."""

    CARRIED_OUT = "carried_out"
    WAITS = "waits"
    """For a second person. What becomes of it then, its proposal tells."""
    REFUSED = "refused"
    UNKNOWN = "unknown"


@dataclass
class Ending:
    """Where nothing was raised."""

    outcome: Outcome = Outcome.CARRIED_OUT


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

    async def acted(self, caller: Caller, action: str, resource: str, reason: str) -> AuditRecord:
        """What is asked for, before anything is done. `outcome` tells what has become of it."""
        record = audit_record(
            AuditType.CONSOLE_ACTED, caller, self._now(), resource=resource, reason=reason, facts={"action": action}
        )
        await write_audit(self._database, record)
        return record

    @asynccontextmanager
    async def outcome(self, act: AuditRecord) -> AsyncIterator[Ending]:
        """Around what carries the act out.

        A process that dies meanwhile, or is out of time, tells none: then nobody knows here, but the thing itself does.
        """
        ending = Ending()
        try:
            yield ending
        except OutcomeUnknown as unknown:
            await self._ended(act, Outcome.UNKNOWN, unknown.code)
            raise
        except DomainError as refusal:
            await self._ended(act, Outcome.REFUSED, refusal.code)
            raise
        await self._ended(act, ending.outcome, None)

    async def _ended(self, act: AuditRecord, outcome: Outcome, code: str | None) -> None:
        """Best effort: what was done is done, and is told to whoever has done it, though its log is away now."""
        facts = {"action": act.facts["action"], "act": render_id(Prefix.AUDIT_RECORD, act.id), "outcome": outcome.value}
        ended = replace(
            act,
            id=new_uuid(),
            recorded_at=self._now(),
            type=AuditType.CONSOLE_ACT_ENDED,
            facts=facts if code is None else {**facts, "code": code},
        )
        try:
            await write_audit(self._database, ended)
        except DomainError:
            _log.warning("how an act of the console has ended was not written", extra={"audit_id": facts["act"]})
