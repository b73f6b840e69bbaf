"""The books are proved again and again while they are used: in slices, each bounded and in a read-only snapshot.

Where it is stands in the database (`audit_positions.py`), so that a restart begins nothing anew.

Where an account contradicts itself it is frozen, told of in the security log and in the log, and counted for
Prometheus. Nothing is corrected: what is right only people can say.
"""

from __future__ import annotations

import logging
import time
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
from zerosum.services.background.audit_positions import AuditPositions, Pass
from zerosum.services.background.slice_sizes import SliceSizes
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
    begun_at: float = 0.0
    """When this pass began, maybe in a process before this one."""
    completed_at: float = 0.0
    """When the last whole pass ended."""


class SelfAudit:
    """Begins where the process before it was; `clock` is monotonic, in seconds, and measures slices."""

    def __init__(
        self,
        database: Database,
        accounts: Accounts,
        now: Callable[[], datetime],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._accounts = accounts
        self._now = now
        self._clock = clock
        self._positions = AuditPositions(database, now)
        self._pass: Pass | None = None
        self._proof: LedgerProof | None = None
        self._proof_begun_at = now()
        self._sizes = SliceSizes()
        self._told: set[tuple[UUID, Break]] = set()
        self.progress = AuditProgress()

    async def run_once(self) -> None:
        """One slice, of about SLICE_SECONDS of one ledger."""
        going = self._pass or await self._go_on()
        proof = self._proof or await self._next_proof(going)
        if proof is None:
            return
        # A slice that fails is not gone on with: its ledger is begun anew.
        self._proof = None
        walked, known = proof.report.postings, len(proof.report.breaks)
        is_last = await self._take_slice(proof)
        self.progress.slices += 1
        self.progress.postings += proof.report.postings - walked
        self.progress.slice_at = self._now().timestamp()
        for difference in proof.report.breaks[known:]:
            going.found += 1
            await self._act(LedgerId(proof.report.ledger_id), difference)
        if is_last:
            going.after = proof.report.ledger_id
            going.ledgers_done += 1
        else:
            self._proof = proof
        self._show(going)
        # Last of all: what is not kept is done again.
        position = None if is_last else proof.position()
        await self._positions.keep(going, proof.report.ledger_id, self._proof_begun_at, position)

    async def _take_slice(self, proof: LedgerProof) -> bool:
        """Whether that was the last one."""
        part = proof.part
        begun = self._clock()
        async with self._database.snapshot(proof.report.ledger_id) as connection:
            is_last = await proof.take_slice(connection, self._sizes.share(part))
        self._sizes.measured(part, self._clock() - begun)
        return is_last

    async def _go_on(self) -> Pass:
        """Asked once: what is kept is believed at the start of a process only, of the pass that was under way."""
        going = await self._positions.find_pass()
        if going is not None:
            self._proof = await self._kept_proof(going)
        self._pass = going or Pass(begun_at=self._now())
        self._show(self._pass)
        return self._pass

    async def _kept_proof(self, going: Pass) -> LedgerProof | None:
        ledger_id = await self._next_ledger(going)
        kept = None if ledger_id is None else await self._positions.find(ledger_id)
        if ledger_id is None or kept is None:
            return None
        self._proof_begun_at = kept.begun_at
        return LedgerProof(ledger_id, horizon=self._horizon(), position=kept.position)

    async def _next_proof(self, going: Pass) -> LedgerProof | None:
        """Of the ledger after the last one; None where a pass has ended."""
        ledger_id = await self._next_ledger(going)
        if ledger_id is None:
            self._pass = Pass(begun_at=self._now(), found_before=going.found, completed_at=self._now())
            self._show(self._pass)
            await self._positions.keep_pass(self._pass)
            return None
        self._sizes = SliceSizes()
        self._proof_begun_at = self._now()
        return LedgerProof(ledger_id, horizon=self._horizon())

    async def _next_ledger(self, going: Pass) -> UUID | None:
        async with self._database.operator_work() as connection:
            page = await list_ledgers(connection, after=going.after, limit=1, is_ascending=True)
        return page[0].id if page else None

    def _horizon(self) -> int:
        return int((self._now() - SETTLED_AFTER).timestamp() * 1_000_000)

    def _show(self, going: Pass) -> None:
        self.progress.differences = max(going.found, going.found_before)
        self.progress.ledgers_done = going.ledgers_done
        self.progress.begun_at = going.begun_at.timestamp()
        self.progress.completed_at = 0.0 if going.completed_at is None else going.completed_at.timestamp()

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
