"""How the service is, as one read model: for `GET /v1/status`, the terminal and whoever shows it on a screen.

What it costs does not grow with the past: all is looked up by indexes and counted up to a bound, the trial balance
adds up a bounded number of accounts once a while, and an answer holds for everybody for a second.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from zerosum.db.engine import Database
from zerosum.db.queries.ledgers import list_ledgers
from zerosum.db.queries.status import ACCOUNTS_MAX, count_waiting, look_at_server, total_accounts
from zerosum.db.queries.webhook_dispatch import oldest_due
from zerosum.domain.errors import DomainError
from zerosum.domain.identifiers import LedgerId
from zerosum.services.background.audit_positions import AuditPositions
from zerosum.services.publications.positions import states_of
from zerosum.services.shared_looks import SharedLooks
from zerosum.services.status.checks import Check, State, checks_of, worst
from zerosum.services.status.found import AuditState, Found, Load, TrialBalance

KEPT_SECONDS = 1.0
TOTALS_SECONDS = 30.0
"""So long a trial balance is shown before it is made again."""

LEDGERS_MAX = 200
"""That an operator's status looks into: the newest."""

KEPT_MAX = 256
"""Ledgers whose status a process keeps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """`state` is that of the worst of the checks."""

    state: State
    checks: Sequence[Check]
    found: Found


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """What the process that answers knows by itself."""

    is_ready: Callable[[], Awaitable[bool]]
    load: Callable[[], Load]


class StatusBoard:
    def __init__(
        self, database: Database, process: Process, now: Callable[[], datetime], clock: Callable[[], float]
    ) -> None:
        self._database = database
        self._process = process
        self._now = now
        self._audit = AuditPositions(database, now)
        self._looks = SharedLooks(clock, KEPT_MAX)
        self._totals: dict[LedgerId | None, TrialBalance] = {}

    async def read(self, ledger_id: LedgerId | None) -> Status:
        """Of one ledger; None: of all, for an operator."""
        return await self._looks.look(ledger_id, KEPT_SECONDS, lambda: self._look(ledger_id))

    async def _look(self, ledger_id: LedgerId | None) -> Status:
        is_ready, load = await self._process.is_ready(), self._process.load()
        try:
            found = await self._look_up(ledger_id, is_ready=is_ready, load=load)
        except DomainError:
            found = Found(as_of=self._now(), is_ready=False, load=load)
        checks = checks_of(found)
        return Status(state=worst(checks), checks=checks, found=found)

    async def _look_up(self, ledger_id: LedgerId | None, *, is_ready: bool, load: Load) -> Found:
        now, ledger_ids = self._now(), await self._ledgers(ledger_id)
        async with self._database.work(*ledger_ids) as connection:
            server = await look_at_server(connection)
            waiting = await count_waiting(connection, ledger_ids, now)
            webhooks_since = await oldest_due(connection, ledger_ids, now) if ledger_ids else None
        return Found(
            as_of=now,
            is_ready=is_ready,
            load=load,
            ledgers=len(ledger_ids),
            server=server,
            waiting=waiting,
            trial_balance=await self._trial_balance(ledger_id, ledger_ids),
            audit=await self._audit_state(),
            webhooks_since=webhooks_since,
            publications=await states_of(self._database, ledger_ids),
        )

    async def _ledgers(self, ledger_id: LedgerId | None) -> list[UUID]:
        if ledger_id is not None:
            return [ledger_id]
        async with self._database.operator_work() as connection:
            newest = await list_ledgers(connection, after=None, limit=LEDGERS_MAX, is_ascending=False)
        return [ledger.id for ledger in newest]

    async def _trial_balance(self, ledger_id: LedgerId | None, ledger_ids: Sequence[UUID]) -> TrialBalance:
        kept = self._totals.get(ledger_id)
        if kept is not None and self._now() - kept.as_of < timedelta(seconds=TOTALS_SECONDS):
            return kept
        async with self._database.work(*ledger_ids) as connection:
            totals = await total_accounts(connection, ledger_ids)
        differences = {currency: one for currency, one in totals.differences.items() if one}
        made = TrialBalance(
            differences=None if totals.accounts > ACCOUNTS_MAX else differences,
            accounts=totals.accounts,
            as_of=self._now(),
        )
        if len(self._totals) >= KEPT_MAX:
            self._totals.pop(next(iter(self._totals)))
        self._totals[ledger_id] = made
        return made

    async def _audit_state(self) -> AuditState | None:
        going = await self._audit.find_pass()
        if going is None:
            return None
        return AuditState(
            differences=going.differences,
            ledgers_done=going.ledgers_done,
            begun_at=going.begun_at,
            completed_at=going.completed_at,
        )
