"""The books are proved again and again while they are used: in slices, each bounded and in a read-only snapshot.

Where it is stands in the database (`audit_positions.py`), so that a restart begins nothing anew.

Where an account contradicts itself it is frozen, told of in the security log and in the log, and counted for
Prometheus. Nothing is corrected: what is right only people can say.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from zerosum.db.engine import Database
from zerosum.db.queries.ledgers import list_ledgers
from zerosum.domain.audit import AuditType
from zerosum.domain.errors import DomainError, OutcomeUnknown, Unavailable
from zerosum.domain.identifiers import SERVICE_LEDGER, LedgerId, Prefix, render_id
from zerosum.services.accounts import Accounts
from zerosum.services.audit import audit_record, write_audit
from zerosum.services.background.audit_positions import AuditPositions, Pass
from zerosum.services.background.ledger_audit import LedgerAudit, Slice
from zerosum.services.proofs.report import Break
from zerosum.services.requests.caller import Caller

ACTOR = "system:self-audit"

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
        self._ledger: LedgerAudit | None = None
        self._owed: list[tuple[LedgerId, Break]] = []
        """Found, and not yet acted on. As long as there is any, no position is kept: a restart finds it again."""
        self._told: set[tuple[LedgerId, Break]] = set()
        self._told_early: set[tuple[LedgerId, Break]] = set()
        """Before their accounts could be frozen."""
        self.progress = AuditProgress()

    async def run_once(self) -> None:
        """One slice, of about SLICE_SECONDS of one ledger."""
        going = self._pass or await self._go_on()
        ledger = self._ledger or await self._next_ledger(going)
        if ledger is None:
            await self._begin_pass(going)
            return
        taken = await self._take_slice(going, ledger)
        self.progress.slices += 1
        self.progress.postings += taken.postings
        self.progress.slice_at = self._now().timestamp()
        self._owed += [(LedgerId(ledger.ledger_id), difference) for difference in taken.found]
        going.found_here += len(taken.found)
        if taken.is_last:
            self._end_ledger(going, ledger, is_proved=True)
        self._show(going)
        await self._act_on_what_is_owed()
        # Last of all: what is not kept is done again.
        if not self._owed:
            position = None if taken.is_last else ledger.position
            await self._positions.keep(going, ledger.ledger_id, ledger.begun_at, position)

    async def _take_slice(self, going: Pass, ledger: LedgerAudit) -> Slice:
        if ledger.position is None:
            going.found_here = 0
        try:
            return await ledger.take_slice()
        except Exception:
            if ledger.is_given_up:
                _log.error("left out by the self-audit: %s", render_id(Prefix.LEDGER, ledger.ledger_id))
                self._end_ledger(going, ledger, is_proved=False)
            raise

    def _end_ledger(self, going: Pass, ledger: LedgerAudit, *, is_proved: bool) -> None:
        going.end_ledger(ledger.ledger_id, is_proved=is_proved)
        self._ledger = None

    async def _begin_pass(self, ended: Pass) -> None:
        self._pass = ended.next(self._now(), is_whole=not ended.left_out)
        self._show(self._pass)
        if not self._owed:
            await self._positions.keep_pass(self._pass)

    async def _go_on(self) -> Pass:
        """Asked once: what is kept is believed at the start of a process only, of the pass that was under way."""
        going = await self._positions.find_pass() or Pass(begun_at=self._now())
        ledger_id = await self._next_ledger_id(going)
        kept = None if ledger_id is None else await self._positions.find(ledger_id, since=going.begun_at)
        if ledger_id is not None and kept is not None:
            self._ledger = self._audit_of(ledger_id, kept.begun_at, kept.position)
        self._pass = going
        self._show(going)
        return going

    async def _next_ledger(self, going: Pass) -> LedgerAudit | None:
        """The one after the last one; None where a pass has ended."""
        ledger_id = await self._next_ledger_id(going)
        self._ledger = None if ledger_id is None else self._audit_of(ledger_id, self._now(), None)
        return self._ledger

    def _audit_of(self, ledger_id: UUID, begun_at: datetime, position: Mapping[str, Any] | None) -> LedgerAudit:
        return LedgerAudit(self._database, ledger_id, begun_at=begun_at, position=position, clock=self._clock)

    async def _next_ledger_id(self, going: Pass) -> UUID | None:
        """The service itself is the first: it has no books, but a security log."""
        if going.after is None:
            return SERVICE_LEDGER
        async with self._database.operator_work() as connection:
            page = await list_ledgers(connection, after=going.after, limit=1, is_ascending=True)
        return page[0].id if page else None

    def _show(self, going: Pass) -> None:
        self.progress.differences = going.differences
        self.progress.ledgers_done = going.ledgers_done
        self.progress.begun_at = going.begun_at.timestamp()
        self.progress.completed_at = 0.0 if going.completed_at is None else going.completed_at.timestamp()

    async def _act_on_what_is_owed(self) -> None:
        """What cannot be frozen now is told of, and frozen as soon as that can be."""
        owed, self._owed = self._owed, []
        for place, (ledger_id, difference) in enumerate(owed):
            try:
                is_done = await self._act(ledger_id, difference)
            except BaseException:
                self._owed += owed[place:]
                raise
            if not is_done:
                self._owed.append((ledger_id, difference))

    async def _act(self, ledger_id: LedgerId, difference: Break) -> bool:
        """Whether nothing is left to be done."""
        if (ledger_id, difference) in self._told:
            return True
        caller = Caller(ledger_id, ACTOR)
        try:
            frozen = [await freeze(self._accounts, caller, one, difference.what) for one in difference.accounts]
        except (Unavailable, OutcomeUnknown):
            if (ledger_id, difference) not in self._told_early:
                await self._tell(caller, difference, "not_frozen")
                self._told_early.add((ledger_id, difference))
            return False
        await self._tell(caller, difference, "none" if not frozen else "frozen" if all(frozen) else "not_frozen")
        self._told_early.discard((ledger_id, difference))
        if len(self._told) < TOLD_MAX:
            self._told.add((ledger_id, difference))
        return True

    async def _tell(self, caller: Caller, difference: Break, action: str) -> None:
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
            extra={"action": action, "ledger": render_id(Prefix.LEDGER, caller.ledger_id), "account": account},
        )
        await write_audit(self._database, record)


async def freeze(accounts: Accounts, caller: Caller, account_id: UUID, reason: str) -> bool:
    """Freeze an account that a difference concerns. Whether it is frozen now: one that is closed or gone cannot be.

    Raises Unavailable and OutcomeUnknown, after which it is to be tried again.
    """
    try:
        await accounts.freeze(caller, account_id, reason)
    except (Unavailable, OutcomeUnknown):
        raise
    except (DomainError, ArithmeticError, LookupError, ValueError):
        # It is closed, or gone, or its row cannot even be read: no money can move there, or nobody can be sure.
        return False
    return True
