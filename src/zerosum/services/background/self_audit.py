"""The books are proved again and again while they are used: in slices, each bounded and in a read-only snapshot.

Where an account contradicts itself it is frozen, told of in the security log and in the log, and counted for
Prometheus. Nothing is corrected: what is right only people can say.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from zerosum.db.engine import Database
from zerosum.db.queries.ledgers import list_ledgers
from zerosum.domain.audit import AuditType
from zerosum.domain.errors import DomainError
from zerosum.domain.identifiers import LedgerId, Prefix, render_id
from zerosum.services.accounts import Accounts
from zerosum.services.audit import audit_record, write_audit
from zerosum.services.proofs.whole_ledger import Break, LedgerProof
from zerosum.services.requests.caller import Caller

ACTOR = "system:self-audit"

SETTLED_AFTER = timedelta(minutes=10)
"""No transaction takes so long: of what was written before, everything is there."""

TOLD_MAX = 1_000
"""Differences that are remembered as told, so that each pass does not tell of them again."""

_log = logging.getLogger("zerosum.integrity")


@dataclass(slots=True)
class AuditProgress:
    """Where it is. A pass goes through all ledgers; times are seconds since 1970, 0 before the first."""

    slices: int = 0
    postings: int = 0
    ledgers_done: int = 0
    """Of this pass."""
    differences: int = 0
    """Of the last whole pass, or of this one where it has found more already."""
    slice_at: float = 0.0
    completed_at: float = 0.0
    """When the last whole pass ended."""


class SelfAudit:
    """Begins with the first ledger; a process that is started again begins anew."""

    def __init__(self, database: Database, accounts: Accounts, now: Callable[[], datetime]) -> None:
        self._database = database
        self._accounts = accounts
        self._now = now
        self._proof: LedgerProof | None = None
        self._after: UUID | None = None
        self._found = 0
        self._told: set[tuple[UUID, Break]] = set()
        self.progress = AuditProgress()

    async def run_once(self) -> None:
        """One slice: at most a few thousand rows of one ledger."""
        proof = self._proof or await self._next_proof()
        if proof is None:
            return
        # A slice that fails is not gone on with: its ledger is begun anew.
        self._proof = None
        walked, known = proof.report.postings, len(proof.report.breaks)
        async with self._database.snapshot(proof.report.ledger_id) as connection:
            is_last = await proof.take_slice(connection)
        self.progress.slices += 1
        self.progress.postings += proof.report.postings - walked
        self.progress.slice_at = self._now().timestamp()
        for difference in proof.report.breaks[known:]:
            self._found += 1
            self.progress.differences = max(self.progress.differences, self._found)
            await self._act(LedgerId(proof.report.ledger_id), difference)
        if is_last:
            self._after = proof.report.ledger_id
            self.progress.ledgers_done += 1
        else:
            self._proof = proof

    async def _next_proof(self) -> LedgerProof | None:
        """Of the ledger after the last one; None where a pass has ended."""
        async with self._database.operator_work() as connection:
            page = await list_ledgers(connection, after=self._after, limit=1, is_ascending=True)
        if not page:
            self._after = None
            self.progress.differences, self._found = self._found, 0
            self.progress.ledgers_done = 0
            self.progress.completed_at = self._now().timestamp()
            return None
        horizon = int((self._now() - SETTLED_AFTER).timestamp() * 1_000_000)
        return LedgerProof(page[0].id, horizon=horizon)

    async def _act(self, ledger_id: LedgerId, difference: Break) -> None:
        if (ledger_id, difference) in self._told:
            return
        caller = Caller(ledger_id, ACTOR)
        frozen = [await freeze(self._accounts, caller, one, difference.what) for one in difference.accounts]
        action = "none" if not frozen else "frozen" if all(frozen) else "not_frozen"
        account = None if difference.account_id is None else render_id(Prefix.ACCOUNT, difference.account_id)
        facts = {
            "what": difference.what,
            "account_version": difference.account_version,
            "accounts": [render_id(Prefix.ACCOUNT, one) for one in difference.accounts],
            "action": action,
        }
        record = audit_record(
            AuditType.DIFFERENCE_FOUND, caller, self._now(), resource=account, reason=difference.what, facts=facts
        )
        _log.error(
            "the books contradict themselves: %s",
            difference.what,
            extra={"action": action, "ledger": render_id(Prefix.LEDGER, ledger_id), "account": account},
        )
        await write_audit(self._database, record)
        if len(self._told) < TOLD_MAX:
            self._told.add((ledger_id, difference))


async def freeze(accounts: Accounts, caller: Caller, account_id: UUID, reason: str) -> bool:
    """Freeze an account that a difference concerns. Whether that could be done."""
    try:
        await accounts.freeze(caller, account_id, reason)
    except (DomainError, ArithmeticError, LookupError, ValueError):
        # It is closed, or gone, or its row cannot even be read: no money can move there, or nobody can be sure.
        return False
    return True
