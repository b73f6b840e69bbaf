"""Batches that are decided by what is remembered, and while the one before them is still on its way.

PostgreSQL and the process take turns where each batch waits for the one before it. So a second batch is decided upon
what the first is about to leave, and sent on a second connection: there it waits for the rows of the first, and is
written only if that one was, and nobody else came between (`db/batch/holding.py`). Records that it stands on are looked
at beforehand, and compared likewise (`db/batch/posting.py`). Who finds anything else has
written nothing, and goes the usual way once the one before it has landed. Whoever falls waits until the one behind it
has heard from PostgreSQL: what it writes later is never taken for what was foreseen.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from zerosum.db.batch import AccountKey, BatchConnection, Key
from zerosum.db.batch.holding import CHANGED, LEFT_BY_BEHIND, OTHER_RECORDS
from zerosum.db.batch.looking import Left, Looked, RememberedNewest, RememberedRecords, left_by
from zerosum.db.batch.posting import posting_of
from zerosum.domain.ledger.account import AccountState
from zerosum.domain.ledger.book import Book
from zerosum.domain.ledger.outcome import Posted
from zerosum.domain.ledger.records import ChangedRecords
from zerosum.services.committing.idempotent_book import IdempotentBook, answers_to
from zerosum.services.committing.remembered import RememberedAccounts
from zerosum.services.committing.work import Answers, Work, committing, stands_apart


class Flight:
    """One batch from memory: what it has decided, and on which connection it is sent."""

    def __init__(
        self,
        works: Sequence[Work],
        connection: BatchConnection,
        posting: tuple[str, list[Any]],
        answers: Sequence[Answers],
        posted: Sequence[Posted],
        posted_at: datetime,
        behind: Flight | None,
    ) -> None:
        self.posted_at = posted_at
        self.works, self.connection, self.answers, self.behind = works, connection, answers, behind
        self.states: Sequence[AccountState] = ()
        self.changed: list[AccountState] = []
        """As it leaves them if it is written."""
        self.passed_on: list[AccountState] = []
        """As the one before it leaves them: it changes nothing of these."""
        self.left: Left = ()
        """Records as it leaves them, likewise."""
        self.follower: Flight | None = None
        self.stands_on_another = False
        """Then it may also have come to the rows before the one that it is behind."""
        self.number: int | None = None
        """Of the transaction that has written it."""
        self.replied, self.landed = asyncio.Event(), asyncio.Event()
        self._posting, self._posted = posting, posted

    async def post(self) -> str:
        """What PostgreSQL tells; it is in the books if that is HELD. Raises as `BatchConnection.post` does."""
        left = max(work.deadline for work in self.works) - asyncio.get_running_loop().time()
        try:
            with committing(self.works):
                told, self.number = await self.connection.post(*self._posting, left)
        finally:
            self.replied.set()
        return told

    async def landed_before(self) -> None:
        """Until the one that it is behind has landed."""
        if self.behind is not None:
            await self.behind.landed.wait()

    def entry_in(self, ledger_ids: set[UUID]) -> UUID | None:
        """One of those that it writes: in its transaction stands what it leaves."""
        return next((outcome.first_id for outcome in self._posted if outcome.ledger_id in ledger_ids), None)


class Flights:
    """Of one lane. What is remembered, and the batches that stand on it."""

    def __init__(self) -> None:
        self.in_air: list[Flight] = []
        """In the order in which they were sent and land."""
        self.newest = RememberedNewest()
        self.records = RememberedRecords()
        self._remembered = RememberedAccounts()
        self._earliest = datetime.min.replace(tzinfo=UTC)

    def moment(self, now: datetime, accounts: Iterable[AccountState]) -> datetime:
        """Of posting. Time never goes back on an account, whatever the clocks of this and other machines say."""
        posted_before = (account.last_posted_at for account in accounts if account.last_posted_at is not None)
        return max((now, self._earliest, *posted_before))

    def was_not_heard_of(self, flight: Flight) -> None:
        """It may still wait in PostgreSQL. Another attempt of the one that it stands on writes the same entry: that is
        of a later moment, also where the clock goes back, so that nothing of an earlier one fits upon it."""
        self._earliest = max(self._earliest, flight.posted_at + timedelta(microseconds=1))

    def remember_all(self, wanted: Collection[AccountKey]) -> bool:
        """Whether it is worth a look at what else there is to be known."""
        return self._remembered.has_all(wanted)

    def plan(
        self, connection: BatchConnection, works: Sequence[Work], wanted: set[AccountKey], looked: Looked, now: datetime
    ) -> Flight | None:
        """Decide by what is remembered, and records that were looked at. None where that is not all, or where there
        is more to write than entries and records."""
        known = self._remembered.take(wanted)
        if known is None:
            return None
        flight = self._decide(connection, works, known, looked, now)
        if flight is None:
            self._remembered.remember(known)
            return None
        self._remembered.remember(flight.states)
        if flight.behind is not None:
            flight.behind.follower = flight
        self.in_air.append(flight)
        return flight

    def _decide(
        self,
        connection: BatchConnection,
        works: Sequence[Work],
        known: Sequence[AccountState],
        looked: Looked,
        now: datetime,
    ) -> Flight | None:
        before: dict[UUID, AccountState] = {account.id: account for account in known}
        behind = self.in_air[-1] if self.in_air else None
        entry_id = None
        if behind is not None and any(account.row_version == LEFT_BY_BEHIND for account in known):
            entry_id = behind.entry_in({account.ledger_id for account in known})
        records = ChangedRecords(looked.records, looked.only_read)
        book = Book([account.copy() for account in known], records)
        posted_at = self.moment(now, known)
        # A refusal is counted where it is written, which is not here.
        judge = IdempotentBook(book, {}, posted_at, goes_straight=stands_apart(works, looked.needed))
        answers = answers_to(judge, works)
        posting = posting_of(
            judge.rows,
            judge.changes_since(before),
            records,
            looked.row_versions,
            known,
            keys_of(works),
            posted_at,
            entry_id,
        )
        if posting is None:
            return None
        flight = Flight(works, connection, posting, answers, judge.rows.posted, posted_at, behind)
        flight.stands_on_another = entry_id is not None
        flight.left = left_by(judge.rows.posted, records)
        flight.states = list(book.accounts.values())
        for account in flight.states:
            if has_changed(before.get(account.id), account):
                account.row_version = LEFT_BY_BEHIND
                flight.changed.append(account)
            elif account.row_version == LEFT_BY_BEHIND:
                flight.passed_on.append(account)
        return flight

    def was_written(self, flight: Flight) -> None:
        """And all before it have landed: what it leaves is known by its number now."""
        if flight.number is None:
            raise LookupError("what was written has a number")
        self._remembered.was_right()
        self.records.learn(flight.left, flight.number)
        for account in flight.changed:
            account.row_version = flight.number
        if flight.follower is not None:
            for account in flight.follower.passed_on:
                account.row_version = flight.number
        # Where nobody has told the number of the one before it, they are read again.
        self._remembered.forget([account for account in flight.passed_on if account.row_version == LEFT_BY_BEHIND])

    def fell(self, flight: Flight, told: str) -> None:
        """Nothing of it was written, or nobody knows. As soon as that is heard: nobody is to stand on it any more."""
        self._remembered.forget(flight.states)
        if told == CHANGED and not flight.stands_on_another:
            self._remembered.was_wrong()
        if told == OTHER_RECORDS:
            self.newest.forget_all()

    def landed(self, flight: Flight) -> None:
        """However it ended."""
        flight.replied.set()
        flight.landed.set()
        flight.behind = None
        if flight in self.in_air:
            self.in_air.remove(flight)

    def remember(self, before: Mapping[UUID, AccountState], after: Sequence[AccountState], number: int | None) -> None:
        """What was read under locks and written. `number` is that of the transaction that has changed them; what it
        is not known of is read again."""
        for account in after:
            if account.velocity or account.groups:
                continue  # What counts in its windows is another thing a moment later.
            if has_changed(before.get(account.id), account):
                if number is None:
                    continue
                account.row_version = number
            self._remembered.remember([account])

    def abandon(self) -> None:
        """Those in the air are ended from outside, one perhaps before it began: nobody waits for their landing."""
        self.forget_all()
        for flight in [*self.in_air]:
            self.landed(flight)

    def forget_all(self) -> None:
        """What those in the air leave is of the server before."""
        for flight in self.in_air:
            flight.left = ()
        self._remembered.forget_all()
        self.newest.forget_all()
        self.records.forget_all()


def has_changed(old: AccountState | None, new: AccountState) -> bool:
    return old is None or new.version != old.version or new != old


def keys_of(works: Sequence[Work]) -> list[Key]:
    return list({key for work in works for key in work.keys})


def accounts_of(works: Sequence[Work]) -> set[AccountKey]:
    return {(c.ledger_id, id_) for work in works for c in work.commands for id_ in c.account_ids()}
