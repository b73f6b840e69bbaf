"""Adjustments: an entry that is posted for a break, by the normal command, under a key of the break's own.

1. The break is marked as being adjusted: from then on nobody matches or resolves it.
2. The entry is posted. Its key is made of the break, so that however often this is tried there is one entry.
3. The item and the entry's posting are written down as a match, and the break is adjusted.

Whoever dies between them leaves a break that is being adjusted; the same request again goes on. Where the books refuse
the entry the break is open again, and the next try has another key: a refusal is kept under its own for good.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from zerosum.db.engine import Database
from zerosum.db.identifiers import new_uuid
from zerosum.db.queries.reconciliation_breaks import break_changes, change_break, find_break, posted_or_free_key
from zerosum.db.queries.reconciliation_matches import MatchRecord, insert_matches
from zerosum.domain.errors import (
    AccountNotFound,
    DomainError,
    IdempotencyInProgress,
    IdempotencyKeyReused,
    InvalidState,
    OutcomeUnknown,
    Overloaded,
    QuotaExceeded,
    Unavailable,
    ValidationFailed,
)
from zerosum.domain.identifiers import Prefix, render_id
from zerosum.domain.ledger.account import Side
from zerosum.domain.money import add, render_amount
from zerosum.domain.reconciliation.breaks import CHANGES_MAX, BreakState, BreakStep, ReconciliationBreak
from zerosum.domain.reconciliation.matching import MatchRule
from zerosum.domain.reconciliation.open_items import ItemKind
from zerosum.domain.reconciliation.sources import ReconciliationSource
from zerosum.services.journal import EntryOrder, Journal, PostingOrder, RecordedEntry
from zerosum.services.reconciliation.breaks import check_may_change, closed, locked_break, tell_step
from zerosum.services.reconciliation.open_sides import ADJUSTMENT_KEY
from zerosum.services.reconciliation.running import close_breaks
from zerosum.services.reconciliation.sources import ReconciliationSources
from zerosum.services.requests.account_directory import AccountDirectory
from zerosum.services.requests.caller import Caller

ATTEMPTS_MAX = 20
"""Entries of one break that the books may refuse."""

POSTING_MAX = timedelta(minutes=5)
"""No command is under way for so long by far."""

_UNDECIDED = (Unavailable, Overloaded, OutcomeUnknown, IdempotencyKeyReused, IdempotencyInProgress)
"""Behind these an entry may be there."""

BREAK_MEMBER = "reconciliation_break"
"""Of the entry's metadata: the break it was posted for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AdjustmentOrder:
    """`account` is the other side of the entry, an id or a code."""

    account: str
    reason: str
    effective_at: datetime | None = None
    metadata: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Adjusted:
    adjusted: ReconciliationBreak
    entry: RecordedEntry
    is_replay: bool


class ReconciliationAdjustments:
    def __init__(
        self,
        database: Database,
        journal: Journal,
        sources: ReconciliationSources,
        directory: AccountDirectory,
        now: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._journal = journal
        self._sources = sources
        self._directory = directory
        self._now = now

    async def adjust(self, caller: Caller, id_: UUID, order: AdjustmentOrder) -> Adjusted:
        """Raises what the books refuse, ReconciliationBreakNotFound, ReconciliationBreakClosed."""
        begun, entry_id, key = await self._begin(caller, id_)
        if entry_id is not None:
            entry, is_replay = await self._journal.get(caller, entry_id), True
        else:
            try:
                done = await self._journal.desk.one(caller, await self._entry_order(caller, begun, order, key or ""))
            except DomainError as refusal:
                await self._reopen(caller, begun, refusal)
                raise _at_its_member(refusal) from None
            entry, is_replay = done.view, done.is_replay
        return Adjusted(await self._link(caller, id_, entry), entry, is_replay)

    async def _begin(self, caller: Caller, id_: UUID) -> tuple[ReconciliationBreak, UUID | None, str | None]:
        """The break as it was before, and what was posted for it already, or else the key to do so with."""
        keys = [f"{ADJUSTMENT_KEY}{id_} {attempt}" for attempt in range(1, ATTEMPTS_MAX + 1)]
        async with self._database.work(caller.ledger_id) as connection:
            found = await locked_break(connection, caller, id_)
            entry_id, key = await posted_or_free_key(connection, caller.ledger_id, keys)
            if found.state is BreakState.ADJUSTED and entry_id is not None:
                return found, entry_id, None
            if found.state not in (BreakState.OPEN, BreakState.ADJUSTING):
                raise closed(found)
            if entry_id is None and key is None:
                raise QuotaExceeded(f"The books have refused {ATTEMPTS_MAX} adjustments of this break.")
            if found.state is BreakState.OPEN:
                check_may_change(found)
            if found.changes < CHANGES_MAX:
                # Also by who joins another one: from then on that one no longer reopens it.
                after = replace(found, state=BreakState.ADJUSTING, changes=found.changes + 1)
                await change_break(connection, caller.ledger_id, after, BreakStep.ADJUSTING, caller.actor, self._now())
            return found, entry_id, key

    async def _entry_order(
        self, caller: Caller, found: ReconciliationBreak, order: AdjustmentOrder, key: str
    ) -> EntryOrder:
        account_id = (await self._sources.get(caller, found.source)).account_id
        with contextlib.suppress(AccountNotFound):  # the chart may let it be opened
            if (await self._directory.get(caller.ledger_id, order.account)).id == account_id:
                raise ValidationFailed("The other side is another account.", pointer="/account")
        # A line that our books lack comes in; an entry that is too much is taken back.
        comes_in = (found.amount > 0) == (found.kind is ItemKind.LINE)
        amount, currency = render_amount(found.amount.copy_abs()), found.currency
        own, others = (Side.DEBIT, Side.CREDIT) if comes_in else (Side.CREDIT, Side.DEBIT)
        own_account = render_id(Prefix.ACCOUNT, account_id)
        return EntryOrder(
            idempotency_key=key,
            reason=order.reason,
            postings=[
                PostingOrder(account=own_account, side=own, amount=amount, currency=currency),
                PostingOrder(account=order.account, side=others, amount=amount, currency=currency),
            ],
            effective_at=order.effective_at,
            metadata={**order.metadata, BREAK_MEMBER: render_id(Prefix.RECONCILIATION_BREAK, found.id)},
        )

    async def _reopen(self, caller: Caller, begun: ReconciliationBreak, refusal: DomainError) -> None:
        """Unless an entry may be there all the same, or somebody else may be posting one."""
        id_ = begun.id
        if isinstance(refusal, _UNDECIDED):
            return
        async with self._database.work(caller.ledger_id) as connection:
            found = await locked_break(connection, caller, id_)
            steps = await break_changes(connection, caller.ledger_id, id_)
            before = next(step for step in reversed(steps) if step.number <= begun.changes)
            is_mine = begun.state is BreakState.OPEN or before.changed_at < self._now() - POSTING_MAX
            is_mine = is_mine and found.changes == begun.changes + 1
            if found.state is BreakState.ADJUSTING and is_mine:
                after = replace(found, state=BreakState.OPEN, changes=found.changes + 1)
                await change_break(connection, caller.ledger_id, after, BreakStep.REOPENED, caller.actor, self._now())

    async def _link(self, caller: Caller, id_: UUID, entry: RecordedEntry) -> ReconciliationBreak:
        now = self._now()
        source = await self._source_of(caller, id_)
        (posted,) = [line for line in entry.postings if line.account_id == source.account_id]
        async with self._database.work(caller.ledger_id) as connection:
            found = await locked_break(connection, caller, id_)
            if found.state is BreakState.ADJUSTED:
                return found
            own = posted.amount if posted.side is Side.DEBIT else posted.amount.copy_negate()
            is_line = found.kind is ItemKind.LINE
            record = MatchRecord(
                id=new_uuid(),
                source=found.source,
                source_version=source.version,
                run_id=None,
                rule=MatchRule.ADJUSTMENT.value,
                currency=found.currency,
                tolerance=Decimal(0),
                lines_sum=found.amount if is_line else Decimal(0),
                entries_sum=own if is_line else add(found.amount, own),
                actor=caller.actor,
                matched_at=now,
                items=[
                    (found.kind, found.holder_id, found.number, found.amount),
                    (ItemKind.ENTRY, posted.account_id, posted.account_version, own),
                ],
            )
            if not await insert_matches(connection, caller.ledger_id, [record]):
                raise InvalidState("The entry was matched with something else.")
            await close_breaks(connection, caller, [record], BreakStep.ADJUSTED, now)
            await tell_step(connection, caller, found, BreakStep.ADJUSTED, now, entry.reason)
            adjusted = await find_break(connection, caller.ledger_id, id_)
        return found if adjusted is None else adjusted

    async def _source_of(self, caller: Caller, id_: UUID) -> ReconciliationSource:
        async with self._database.work(caller.ledger_id) as connection:
            found = await locked_break(connection, caller, id_)
        return await self._sources.get(caller, found.source)


def _at_its_member(refusal: DomainError) -> DomainError:
    """Its pointer leads into the entry, which the caller has not written."""
    if refusal.pointer == "/postings/1/account":
        return refusal.at("/account")
    return refusal
