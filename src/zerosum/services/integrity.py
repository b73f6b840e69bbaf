"""What proves a ledger, as an operator looks at it: how far the self-audit has come, and the heads of the chains."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from zerosum.db.engine import Database
from zerosum.db.queries.exported_heads import heads_after
from zerosum.db.queries.proofs import FIRST_ID
from zerosum.db.queries.refusal_seals import find_last_seal
from zerosum.services.background.audit_positions import AuditPositions, Pass
from zerosum.services.requests.caller import Caller
from zerosum.services.requests.paging import Cursors, Page, PageRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """Where an account's two chains end: its postings, and the revisions of what was said about it."""

    account_id: UUID
    version: int
    head: bytes
    revision: int
    hash: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class SelfAudit:
    """`going` is the pass through all ledgers; `reached` where this one is in it: None before and after its turn."""

    going: Pass | None
    reached: Mapping[str, Any] | None
    taken_at: datetime | None


class Integrity:
    def __init__(self, database: Database, cursors: Cursors, now: Callable[[], datetime]) -> None:
        self._database = database
        self._cursors = cursors
        self._audit = AuditPositions(database, now)

    async def self_audit(self, caller: Caller) -> SelfAudit:
        going = await self._audit.find_pass()
        found = None if going is None else await self._audit.find(caller.ledger_id, going.begun_at)
        return SelfAudit(
            going=going,
            reached=None if found is None else found.position,
            taken_at=None if found is None else found.taken_at,
        )

    async def heads(self, caller: Caller, request: PageRequest) -> Page[Head]:
        """As they are exported, by account."""
        position = self._cursors.position(caller.ledger_id, request)
        after = position.after_as(UUID) or FIRST_ID
        async with self._database.work(caller.ledger_id) as connection:
            rows = await heads_after(connection, caller.ledger_id, after=after, limit=request.limit + 1)
        found = [
            Head(account_id=row.id, version=row.version, head=row.head, revision=row.revision, hash=row.hash)
            for row in rows
        ]
        return self._cursors.page(caller.ledger_id, request, position, found, lambda head: head.account_id)

    async def refusal_seal(self, caller: Caller) -> tuple[int, bytes] | None:
        """Number and hash of the newest, where there is one."""
        async with self._database.work(caller.ledger_id) as connection:
            seal = await find_last_seal(connection, caller.ledger_id)
        return None if seal is None else (seal.number, seal.hash)
