"""What one lane does with one batch: mark, lock, look up, judge, write, commit, write through, answer."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any, Protocol

from zerosum.db.batch import AccountKey, BatchConnection
from zerosum.db.client_batch import find_client_transactions, freeze_accounts, write_client_transactions
from zerosum.db.errors import CommitOutcomeUnknown, FailureKind, classify
from zerosum.domain.errors import InternalError, OutcomeUnknown, RecordUnreadable, Unavailable
from zerosum.domain.ledger.account import AccountState
from zerosum.domain.ledger.book import Book
from zerosum.domain.ledger.reverse import Reverse
from zerosum.services.committer import Answers, CommitterStats, Work
from zerosum.services.judging import Judge
from zerosum.services.quotas import RefusalQuota

ATTEMPTS_MAX = 3
"""How often a batch is tried as a whole before its works are tried one by one."""

UNREACHABLE_SECONDS_MAX = 1.5
"""How long a batch that has not reached COMMIT waits for PostgreSQL to come back before it is refused."""

RECONNECT_SECONDS = 0.1

_log = logging.getLogger(__name__)


class BalanceCache(Protocol):
    """The write-through copy of balances. It never raises, and never takes longer than its time-out."""

    async def mark(self, accounts: Sequence[AccountKey]) -> object: ...

    async def store(self, mark: Any, states: Sequence[AccountState]) -> None:
        """These balances in place of the marks; of other accounts the marks are only lifted."""


class LaneCarrier:
    """Owns one connection. Answers every work it is given, whatever happens."""

    def __init__(
        self,
        connect: Callable[[], Awaitable[BatchConnection]],
        now: Callable[[], datetime],
        cache: BalanceCache,
        stats: CommitterStats,
        refusal_quota: RefusalQuota | None = None,
    ) -> None:
        self._refusal_quota = refusal_quota
        self._connect = connect
        self._now = now
        self._cache = cache
        self._stats = stats
        self._connection: BatchConnection | None = None
        self._is_reachable = True
        self._mark: object = None
        """Of the attempt under way."""
        self._answering: set[asyncio.Task[None]] = set()

    @property
    def is_connected(self) -> bool:
        return self._connection is not None and not self._connection.is_closed

    async def warm_up(self) -> None:
        try:
            self._connection = await self._connect()
        except Exception as failure:
            _log.warning("a lane cannot connect yet (%s)", failure or type(failure).__name__)

    async def close(self) -> None:
        if self._answering:
            await asyncio.wait(self._answering)
        if self._connection is not None:
            await self._connection.close()

    async def carry_out(self, works: Sequence[Work]) -> None:
        """Try the batch; then again with the same keys; then, if it still fails as a whole, each work by itself."""
        kind = FailureKind.TRANSIENT
        error: Exception | None = None
        for _ in range(ATTEMPTS_MAX):
            works = _unanswered(works)
            if not works:
                return
            try:
                await self._attempt(works, skip_locked=kind is FailureKind.BUSY)
            except Exception as failure:
                error, kind = failure, classify(failure)
                self._stats.retries += 1
                await self._give_up(kind)
            else:
                return
            if kind is FailureKind.CONNECTION:
                await self._outlast(works)
                return
            if kind is FailureKind.DEFECT:
                break
        works = _unanswered(works)
        if len(works) > 1:
            for work in works:
                await self.carry_out([work])
        elif works:
            _refuse(works[0], kind, error)

    async def _outlast(self, works: Sequence[Work]) -> None:
        """PostgreSQL is away. Run the batch again as soon as it is back: the unique keys tell what had happened."""
        loop = asyncio.get_running_loop()
        patience_ends = loop.time() + (UNREACHABLE_SECONDS_MAX if self._is_reachable else 0.0)
        self._is_reachable = False
        while works := _unanswered(works):
            try:
                await self._attempt(works)
            except Exception as failure:
                kind = classify(failure)
                await self._give_up(kind)
                if kind is not FailureKind.CONNECTION:
                    await self.carry_out(works)
                    return
            else:
                return
            now = loop.time()
            for work in works:
                if not work.may_have_committed and now >= patience_ends:
                    work.refuse(Unavailable("The database cannot be reached; nothing was done.", retry_after=1))
            await asyncio.sleep(RECONNECT_SECONDS)

    async def _attempt(self, works: Sequence[Work], *, skip_locked: bool = False) -> None:
        """One try at the whole batch. Returns when it is committed and its answers are on their way."""
        loop = asyncio.get_running_loop()
        deadline = max(work.deadline for work in works)
        async with asyncio.timeout_at(deadline):
            if self._connection is None:
                self._connection = await self._connect()
            accounts = list({(c.ledger_id, id_) for work in works for c in work.commands for id_ in c.account_ids()})
            self._mark = await self._cache.mark(accounts)
            connection = self._connection
            await connection.begin({ledger_id for ledger_id, _ in accounts})
            locked = await connection.lock_accounts(accounts, skip_locked=skip_locked)
            if skip_locked:
                works = _without_busy(works, locked)
            answers, states = await self._judge_and_write(connection, works, locked)
        try:
            await connection.commit(deadline - loop.time())
        except CommitOutcomeUnknown:
            for work in works:
                work.may_have_committed = True
            raise
        self._is_reachable = True
        mark, self._mark = self._mark, None
        task = asyncio.create_task(self._answer(works, answers, mark, states))
        self._answering.add(task)
        task.add_done_callback(self._answering.discard)

    async def _judge_and_write(
        self, connection: BatchConnection, works: Sequence[Work], locked: Sequence[AccountState]
    ) -> tuple[list[Answers], list[AccountState]]:
        """Decide, then write without further questions. Nothing here waits for anything but PostgreSQL."""
        keys = list({(c.ledger_id, c.idempotency_key) for work in works for c in work.commands})
        used = await connection.find_used_keys(keys)
        originals = [(c.ledger_id, c.original_id) for work in works for c in work.commands if isinstance(c, Reverse)]
        reversed_ = await connection.find_reversed(originals) if originals else None
        wanted = {key for work in works for c in work.commands for key in c.record_keys()}
        records = await find_client_transactions(connection, wanted) if wanted else {}
        before = {account.id: (account.version, account.status, account.overdrawn) for account in locked}
        book = Book(locked, dict(records), reversed_)
        posted_at = self._now()
        judge = Judge(book, used, posted_at, self._refusal_quota)
        answers: list[Answers] = [
            judge.answer_together(work.commands)
            if work.is_atomic
            else [judge.answer(command) for command in work.commands]
            for work in works
        ]
        changed = [account for account in book.accounts.values() if account.version != before[account.id][0]]
        verdict = judge.verdict
        if verdict.posted:
            # One order for everybody: two batches that share keys must not wait for each other on the unique index.
            verdict.posted.sort(key=lambda outcome: outcome.entry.idempotency_key)
            overdrawn = [account for account in changed if account.overdrawn and not before[account.id][2]]
            await connection.write(verdict.posted, overdrawn, posted_at)
            if wanted:
                await write_client_transactions(connection, records, book.records, verdict.posted)
                locked_clients = [account for account in changed if account.status is not before[account.id][1]]
                if locked_clients:
                    await freeze_accounts(connection, locked_clients, posted_at)
        if verdict.refusals:
            verdict.refusals.sort(key=lambda row: row.idempotency_key)
            await connection.write_refusals(verdict.refusals, posted_at)
        return answers, list(book.accounts.values())

    async def _answer(
        self, works: Sequence[Work], answers: Sequence[Answers], mark: object, states: Sequence[AccountState]
    ) -> None:
        """Only after the write-through: every read that starts after an acknowledgement sees the write.

        Also of accounts that stayed as they were: a replay acknowledges what an earlier try may not have written.
        """
        await self._cache.store(mark, states)
        for work, answer in zip(works, answers, strict=True):
            work.resolve(answer)

    async def _give_up(self, kind: FailureKind) -> None:
        """End the attempt. Its marks are lifted, or its accounts would be read from PostgreSQL until they expire."""
        await self._leave_transaction(kind)
        mark, self._mark = self._mark, None
        if mark is not None:
            await self._cache.store(mark, ())

    async def _leave_transaction(self, kind: FailureKind) -> None:
        """Back to a clean connection, or to none."""
        connection = self._connection
        if connection is None:
            return
        if kind is not FailureKind.CONNECTION:
            try:
                async with asyncio.timeout(RECONNECT_SECONDS):
                    await connection.rollback()
            except Exception:
                _log.warning("a lane drops its connection: the rollback failed")
            else:
                return
        connection.terminate()
        self._connection = None


def _without_busy(works: Sequence[Work], locked: Sequence[AccountState]) -> list[Work]:
    """The works whose accounts are all free. The others are refused, so that one stuck account stops nobody else."""
    free = {account.id for account in locked}
    kept: list[Work] = []
    for work in works:
        if all(account_id in free for command in work.commands for account_id in command.account_ids()):
            kept.append(work)
        else:
            _refuse(work, FailureKind.BUSY, None)
    return kept


def _unanswered(works: Sequence[Work]) -> list[Work]:
    """Who was told that nothing was done must not be carried out by a later try."""
    return [work for work in works if not work.is_answered]


def _refuse(work: Work, kind: FailureKind, error: Exception | None) -> None:
    if work.may_have_committed:
        work.refuse(OutcomeUnknown("The outcome is not known; retry with the same key."))
    elif kind is FailureKind.DEFECT:
        _log.error("a command could not be carried out", exc_info=error)
        if isinstance(error, ArithmeticError):
            work.refuse(RecordUnreadable("An account of this command cannot be read; nothing was done."))
            return
        work.refuse(InternalError("The command could not be carried out; nothing was done."))
    else:
        work.refuse(Unavailable("The accounts are busy; nothing was done.", retry_after=1))
