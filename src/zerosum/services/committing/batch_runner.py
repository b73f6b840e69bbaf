"""What one lane does with one batch: lock, look up, judge, write, commit, write through, answer."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from zerosum.db.batch import AccountKey, BatchConnection
from zerosum.db.batch.holding import HELD
from zerosum.db.batch.looking import NOTHING, Looked, look, may_look
from zerosum.db.batch.writing import write_batch
from zerosum.db.errors import FailureKind, classify
from zerosum.domain.errors import Unavailable
from zerosum.domain.ledger.account import AccountState
from zerosum.domain.ledger.book import Book
from zerosum.domain.ledger.records import ChangedRecords, Need, only_read
from zerosum.services.committing.answering import Answering, BalanceCache
from zerosum.services.committing.flights import Flight, Flights, accounts_of, keys_of
from zerosum.services.committing.held_up import HeldKeys, HeldUp, in_rounds, in_turn, refuse_as_failed
from zerosum.services.committing.idempotent_book import IdempotentBook, answers_to
from zerosum.services.committing.lane_connections import LaneConnections
from zerosum.services.committing.lane_loop import CommitterStats
from zerosum.services.committing.work import (
    Answers,
    Work,
    committing,
    forget_told,
    needs_of,
    opened_in,
    stands_apart,
    windows_of,
)
from zerosum.services.requests.quotas import RefusalQuota

ATTEMPTS_MAX = 3
"""How often a batch is tried as a whole before its works are tried one by one."""

UNREACHABLE_SECONDS_MAX = 1.5
"""How long a batch that has not reached COMMIT waits for PostgreSQL to come back before it is refused."""

RECONNECT_SECONDS = 0.1

_log = logging.getLogger(__name__)


class BatchRunner:
    """Owns the connections of its lane. Answers every work it is given, whatever happens."""

    def __init__(
        self,
        connect: Callable[[], Awaitable[BatchConnection]],
        now: Callable[[], datetime],
        cache: BalanceCache,
        stats: CommitterStats,
        refusal_quota: RefusalQuota | None = None,
        *,
        remembers: bool = True,
    ) -> None:
        """`remembers` accounts between batches: worth it where nobody else writes to the same ones all the time."""
        self._remembers = remembers
        self._refusal_quota = refusal_quota
        self._connections = LaneConnections(connect)
        self._now = now
        self._cache = cache
        self._stats = stats
        self._is_reachable = True
        self._stuck: dict[AccountKey, int] = {}
        """Accounts that somebody else holds and does nothing with, and their version when that was first seen."""
        self._held_keys = HeldKeys()
        self._has_locked = False
        """In the present attempt: what is waited for from then on are keys."""
        self._flights = Flights()
        self._is_carrying_out = False
        self._looking = asyncio.Lock()
        self._answering = Answering(cache)

    @property
    def is_connected(self) -> bool:
        return self._connections.first is not None and not self._connections.first.is_closed

    async def warm_up(self) -> None:
        try:
            await self._connect_anew()
        except Exception as failure:
            _log.warning("a lane cannot connect yet (%s)", failure or type(failure).__name__)

    async def _connect_anew(self) -> BatchConnection:
        """Another server numbers its transactions anew: nothing is remembered."""
        self._flights.forget_all()
        return await self._connections.open(with_second=self._remembers)

    def abandon(self) -> None:
        self._flights.abandon()
        self._connections.terminate()

    async def close(self) -> None:
        await self._answering.all_answered()
        await self._connections.close()

    @property
    def has_room(self) -> bool:
        return self._free_connection() is not None

    def _free_connection(self) -> BatchConnection | None:
        if not self._remembers or self._is_carrying_out:
            return None
        return self._connections.free([flight.connection for flight in self._flights.in_air])

    async def launch(self, works: Sequence[Work]) -> Coroutine[Any, Any, HeldUp] | None:
        """Decide by what is remembered and looked at, then lock, compare, look up the keys, write and commit in one
        round trip."""
        accounts = accounts_of(works)
        looked = await self._look(works, accounts)
        connection = self._free_connection()
        if looked is None or connection is None or self._held_keys.apart(works)[1] or accounts & self._stuck.keys():
            return None
        try:
            flight = self._flights.plan(connection, works, accounts, looked, self._now())
        except Exception:  # A fault of one command: it fails alone where works are tried one by one.
            return None
        return None if flight is None else self._fly(flight)

    async def _look(self, works: Sequence[Work], accounts: set[AccountKey]) -> Looked | None:
        """At the records that they stand on, as far as these are not remembered. None: they go the usual way."""
        needs = needs_of(works)
        if not needs:
            return NOTHING
        if not may_look(needs) or windows_of(works) or not self._flights.remember_all(accounts):
            return None
        looked = self._flights.records.take(needs)
        if unknown := [need for need in self._flights.newest.unknown(needs) if need.key not in looked.records]:
            seen = await self._look_at(works, unknown)
            if seen is None:
                return None
            looked = looked.with_those(seen)
        return self._flights.newest.beside(looked, needs)

    async def _look_at(self, works: Sequence[Work], needs: Sequence[Need]) -> Looked | None:
        """On a connection that nobody uses."""
        connection = self._free_connection()
        if connection is None:
            return None
        async with self._looking:
            try:
                async with asyncio.timeout_at(max(work.deadline for work in works)):
                    looked = await look(connection.fetch, needs)
            except Exception as failure:
                await self._give_up(classify(failure), connection)
                return None
        if looked is not None:
            self._flights.newest.learn(needs, looked)
        return looked

    async def _fly(self, flight: Flight) -> HeldUp:
        """It lands behind the one before it. If it was not written, it goes the usual way then."""
        account_ids = [account.id for account in flight.states]
        self._cache.begins(account_ids)
        try:
            told, kind = await self._send(flight)
            if told == HELD:
                with committing(flight.works):  # Whoever ends this here may not say that nothing was done.
                    await flight.landed_before()
                    self._flights.was_written(flight)
                    self._conclude(flight.works, flight.answers, flight.states)
                return HeldUp()
            self._flights.fell(flight, told)
            await flight.landed_before()
            if flight.follower is not None:
                await flight.follower.replied.wait()
            return await self.carry_out(flight.works, is_searching=kind is FailureKind.BUSY)
        finally:
            self._cache.ends(account_ids)
            self._flights.landed(flight)

    async def _send(self, flight: Flight) -> tuple[str, FailureKind | None]:
        try:
            return await flight.post(), None
        except BaseException as failure:
            self._flights.was_not_heard_of(flight)
            if not isinstance(failure, Exception):
                raise
            kind = classify(failure)
            self._stats.retries += 1
            await self._give_up(kind, flight.connection)
            return "", kind

    async def carry_out(self, works: Sequence[Work], *, is_searching: bool = False) -> HeldUp:
        """All together, but for those whose keys were held before: they are tried alone, and do not wait for long."""
        self._is_carrying_out = True
        account_ids = [account_id for _, account_id in accounts_of(works)]
        self._cache.begins(account_ids)
        try:
            async with self._looking:  # Perhaps on the connection that is needed.
                return await self._carry_out_all(works, is_searching=is_searching)
        finally:
            self._cache.ends(account_ids)
            self._is_carrying_out = False

    async def _carry_out_all(self, works: Sequence[Work], *, is_searching: bool) -> HeldUp:
        held_up = HeldUp()
        together, alone = self._held_keys.apart(works)
        for works_of_round in in_rounds(together):
            await self._carry_out(works_of_round, held_up, is_searching=is_searching)
        if alone:
            await self._carry_out_alone(alone, held_up)
            held_up.put_in_order(works)
        self._held_keys.found(work for work in held_up.works if work.is_key_held)
        held_up.settle(asyncio.get_running_loop().time())
        return held_up

    async def _carry_out_alone(self, alone: Sequence[Work], held_up: HeldUp) -> None:
        """As many as are not in vain; the others are given back as they are."""
        loop = asyncio.get_running_loop()
        tried: set[int] = set()
        for work in in_turn(alone):
            if self._held_keys.is_resting(loop.time()):
                break
            tried.add(id(work))
            await self._carry_out([work], held_up, is_impatient=True)
            self._held_keys.was_tried(work, loop.time(), in_vain=held_up.has(work))
        for work in alone:
            if id(work) not in tried:
                held_up.add(work, is_key_held=self._held_keys.has(work), is_apart=True)

    async def _carry_out(
        self,
        works: Sequence[Work],
        held_up: HeldUp,
        *,
        is_impatient: bool = False,
        is_searching: bool = False,
    ) -> None:
        """Try the batch; then again with the same keys; then, if it still fails as a whole, in two halves."""
        kind = FailureKind.TRANSIENT
        error: Exception | None = None
        for _ in range(ATTEMPTS_MAX):
            works = held_up.undecided(works)
            if not works:
                return
            try:
                await self._attempt(works, held_up, is_impatient=is_impatient, is_searching=is_searching)
            except Exception as failure:
                error, kind = failure, classify(failure)
                self._stats.retries += 1
                await self._give_up(kind)
            else:
                return
            if kind is FailureKind.CONNECTION:
                await self._outlast(works, held_up)
                return
            if kind is FailureKind.DEFECT or (kind is FailureKind.BUSY and (is_searching or self._has_locked)):
                break  # What is busy although no account is, is a key.
            is_searching = is_searching or kind is FailureKind.BUSY
        works = held_up.undecided(works)
        is_busy = kind is FailureKind.BUSY
        if len(works) > 1:
            middle = len(works) // 2
            for half in (works[:middle], works[middle:]):
                await self._carry_out(half, held_up, is_impatient=is_impatient or is_busy, is_searching=is_busy)
        elif works and is_busy:
            held_up.add(works[0], is_key_held=True)
        elif works:
            refuse_as_failed(works[0], kind, error)

    async def _outlast(self, works: Sequence[Work], held_up: HeldUp) -> None:
        """PostgreSQL is away. Run the batch again as soon as it is back: the unique keys tell what had happened."""
        loop = asyncio.get_running_loop()
        patience_ends = loop.time() + (UNREACHABLE_SECONDS_MAX if self._is_reachable else 0.0)
        self._is_reachable = False
        while works := held_up.undecided(works):
            try:
                await self._attempt(works, held_up)
            except Exception as failure:
                kind = classify(failure)
                await self._give_up(kind)
                if kind is not FailureKind.CONNECTION:
                    await self._carry_out(works, held_up)
                    return
            else:
                return
            for work in works:
                if not work.may_have_committed and loop.time() >= patience_ends:
                    work.refuse_undone(Unavailable("The database cannot be reached; nothing was done.", retry_after=1))
            await asyncio.sleep(RECONNECT_SECONDS)

    async def _attempt(
        self, works: Sequence[Work], held_up: HeldUp, *, is_impatient: bool = False, is_searching: bool = False
    ) -> None:
        """One try at the whole batch. Returns when it is committed and its answers are on their way.

        It waits for rows, but not for those that are stuck; where it `is_searching` for those, for none.
        """
        loop = asyncio.get_running_loop()
        deadline = max(work.deadline for work in works)
        self._has_locked = False
        async with asyncio.timeout_at(deadline):
            connection = self._connections.first or await self._connect_anew()
            accounts = accounts_of(works)
            await connection.begin({ledger_id for ledger_id, _ in accounts}, is_impatient=is_impatient)
            asked = accounts if is_searching else accounts & self._stuck.keys()
            waited_for = accounts - asked
            locked = await connection.loader.accounts(waited_for) if waited_for else []
            if asked:
                # Last, and without waiting: so that no order of locks is broken, and nobody waits for us meanwhile.
                locked += await connection.loader.accounts(asked, skip_locked=True)
                works = await self._free(connection, works, locked, held_up, is_apart=is_impatient)
                if not works:
                    await self._give_up(FailureKind.BUSY)
                    return
            self._has_locked = True
            answers, before, states, number = await self._judge_and_write(
                connection, works, locked, is_impatient=is_impatient or is_searching
            )
        with committing(works):
            await connection.commit(deadline - loop.time())
            if self._remembers:
                self._flights.remember(before, states, number)
            self._conclude(works, answers, states)

    def _conclude(self, works: Sequence[Work], answers: Sequence[Answers], states: Sequence[AccountState]) -> None:
        """It is committed: the answers may go, but not before the cached balances are true."""
        self._is_reachable = True
        self._stats.tally.count(works, answers)
        forget_told(works, answers)
        self._answering.begin(works, answers, states)

    async def _free(
        self,
        connection: BatchConnection,
        works: Sequence[Work],
        locked: Sequence[AccountState],
        held_up: HeldUp,
        *,
        is_apart: bool,
    ) -> list[Work]:
        """Those whose accounts are all to be had, and behind nobody who is held up. The others are held up.

        `is_apart` where a key of theirs may be the one that is looked for.
        """
        had = {(account.ledger_id, account.id) for account in locked}
        missing = accounts_of(works) - had
        held = await connection.loader.versions(missing) if missing else {}
        for free_now in had:
            self._stuck.pop(free_now, None)
        for key, version in held.items():
            if self._stuck.setdefault(key, version) != version:
                del self._stuck[key]  # It moves: many want it, and we wait in line for it as usual.
        free: list[Work] = []
        for work in works:
            if held_up.is_behind_one(work) or not held.keys().isdisjoint(accounts_of([work])):
                held_up.add(work, is_apart=is_apart)
            else:
                free.append(work)
        return free

    async def _judge_and_write(
        self,
        connection: BatchConnection,
        works: Sequence[Work],
        locked: Sequence[AccountState],
        *,
        is_impatient: bool,
    ) -> tuple[list[Answers], dict[UUID, AccountState], list[AccountState], int | None]:
        """Decide, then write without further questions. Nothing here waits for anything but PostgreSQL."""
        needs = needs_of(works)
        posted_at = self._flights.moment(self._now(), locked)
        groups = await connection.loader.limited_groups(locked, opened_in(works) if needs else (), posted_at)
        used = await connection.loader.used_keys(keys_of(works), is_impatient=is_impatient)
        self._flights.records.take(needs)  # They are others from here on.
        records = ChangedRecords(await connection.loader.records(needs), only_read(needs))
        before: dict[UUID, AccountState] = {account.id: account.copy() for account in locked}
        book = Book(locked, records, groups)
        await connection.loader.count_velocity(locked, windows_of(works) if needs else {}, posted_at)
        goes_straight = may_look(needs) and stands_apart(works, {need.key for need in needs})
        judge = IdempotentBook(book, used, posted_at, self._refusal_quota, goes_straight=goes_straight)
        answers = answers_to(judge, works)
        changes = judge.changes_since(before)
        number = await write_batch(connection.fetch, judge.rows, changes, records, posted_at)
        if needs and any(command.regroups for work in works for command in work.commands):
            number = None  # Rows that it has marked are of the same transaction, and not what is known of them here.
        return answers, before, list(book.accounts.values()), number

    async def _give_up(self, kind: FailureKind, connection: BatchConnection | None = None) -> None:
        """End the attempt. Back to a clean connection, or to none."""
        connection = connection or self._connections.first
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
        self._connections.drop(connection)
