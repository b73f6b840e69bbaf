"""How far messages are settled, and those put aside: what a consumer asks PostgreSQL around each batch.

A partition is taken, which gives it a new epoch. A batch is begun, carried out by the committer, and settled; whoever
comes with an older epoch has been a zombie and is told so. What has its effect once has it by its idempotency key; the
epoch keeps a zombie from moving the position, and from counting (docs/decisions/0036).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from zerosum.db.engine import Database
from zerosum.db.identifiers import new_uuid
from zerosum.db.queries.dead_letters import DeadLetterRecord as DeadLetterRecord  # shown by consumers
from zerosum.db.queries.dead_letters import (
    count_dead_letters,
    first_open_of_each_key,
    insert_dead_letters,
    open_keys,
    update_dead_letter,
)
from zerosum.db.queries.ingest_positions import (
    PositionRecord,
    insert_position,
    lock_position,
    update_position,
)
from zerosum.domain.messages import DeadLetterStatus, Gap, Message, Partition, Position
from zerosum.services.requests.caller import Caller

KEYS_AT_ONCE_MAX = 100
"""So many keys are tried again in one turn."""

RETRY_SECONDS = (1.0, 2.0, 4.0, 8.0)
"""After each attempt that has failed; with the first there are five, within a minute."""

ATTEMPTS_MAX = len(RETRY_SECONDS) + 1


class Fenced(Exception):
    """Somebody else has taken the partition since."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A partition that is ours until somebody takes it."""

    partition: Partition
    epoch: int
    position: Position
    waiting_keys: frozenset[str]
    set_aside: int


@dataclass(frozen=True, slots=True)
class Begun:
    """`tries` is how often the first message was begun without an end; `suspects` are tried one by one."""

    next_offset: int | None
    tries: int
    is_suspect: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """What a batch, or the beginning of one, has come to."""

    last: Message
    messages: int
    is_whole: bool
    """Nothing of the batch is left."""
    set_aside: Sequence[DeadLetterRecord] = ()


class Ingestion:
    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now

    async def take(
        self,
        caller: Caller,
        partition: Partition,
        holder: str,
        lease_seconds: float | None = None,
        made: str | None = None,
    ) -> Taken | None:
        """Ours from now on. None while somebody else holds a lease on it; without one it is taken at once.

        `made` is when its stream was made, where that can be known. Raises Gap where it is another one than what was
        settled of: offsets mean other messages there.
        """
        now = self._now()
        until = None if lease_seconds is None else now + timedelta(seconds=lease_seconds)
        async with self._database.work(caller.ledger_id) as connection:
            found = await lock_position(connection, caller.ledger_id, partition)
            if found is None:
                found = PositionRecord(
                    partition=partition, next_offset=None, made=made, epoch=1, holder=holder, held_until=until
                )
                if not await insert_position(connection, caller.ledger_id, found, now):
                    return None
            else:
                if until and found.held_until and found.held_until > now and found.holder != holder:
                    return None
                if made and found.made and made != found.made and found.next_offset is not None:
                    raise Gap(
                        f"{partition}: it was made anew at {made}, and {found.next_offset} is settled of one made at "
                        f"{found.made}. Read it under another name (?name=…)"
                    )
                found.made = made or found.made
                found.epoch, found.holder, found.held_until = found.epoch + 1, holder, until
                await update_position(connection, caller.ledger_id, found, now)
            keys, set_aside = await open_keys(connection, caller.ledger_id, partition)
        position = Position(found.next_offset, found.last_place)
        return Taken(partition, found.epoch, position, frozenset(keys), set_aside)

    async def begin(self, caller: Caller, taken: Taken, head: Message, size: int) -> Begun:
        """Count that this batch is begun, before anything of it is tried. Raises Fenced."""
        async with self._database.work(caller.ledger_id) as connection:
            found = await self._ours(connection, caller, taken)
            if found.head is not None:  # Nobody came back from it.
                found.suspects = max(found.suspects, found.begun)
                found.tries = found.tries + 1 if found.head == head.place else 1
            else:
                found.tries = 1
            is_suspect = found.suspects > 0
            found.head, found.begun = head.place, 1 if is_suspect else size
            await update_position(connection, caller.ledger_id, found, self._now())
        return Begun(found.next_offset, found.tries, is_suspect)

    async def settle(self, caller: Caller, taken: Taken, settlement: Settlement) -> Counter[DeadLetterStatus]:
        """How many messages were put aside that did not lie there so before, by what is to become of them.

        Raises Fenced.
        """
        async with self._database.work(caller.ledger_id) as connection:
            found = await self._ours(connection, caller, taken)
            if settlement.last.offset is not None:
                found.next_offset = max(settlement.last.offset + 1, found.next_offset or 0)
            found.last_place = settlement.last.place
            found.suspects = max(0, found.suspects - settlement.messages)
            found.begun = 0 if settlement.is_whole else max(0, found.begun - settlement.messages)
            if settlement.is_whole:
                found.head, found.tries = None, 0
            await update_position(connection, caller.ledger_id, found, self._now())
            return await insert_dead_letters(connection, caller.ledger_id, settlement.set_aside)

    async def abandon(self, caller: Caller, taken: Taken) -> None:
        """A batch that was begun is left in peace: its try does not count. Nothing where it was taken since."""
        async with self._database.work(caller.ledger_id) as connection:
            found = await lock_position(connection, caller.ledger_id, taken.partition)
            if found is None or found.epoch != taken.epoch:
                return
            found.begun, found.tries = 0, max(0, found.tries - 1)
            if not found.tries:
                found.head = None
            await update_position(connection, caller.ledger_id, found, self._now())

    async def only_set_aside(self, caller: Caller, records: Sequence[DeadLetterRecord]) -> Counter[DeadLetterStatus]:
        """Of messages without a position."""
        if not records:
            return Counter()
        async with self._database.work(caller.ledger_id) as connection:
            return await insert_dead_letters(connection, caller.ledger_id, records)

    async def set_aside(self, caller: Caller) -> tuple[int, int]:
        """How many dead letters there are, and how many messages are tried again or wait."""
        async with self._database.work(caller.ledger_id) as connection:
            counts = await count_dead_letters(connection, caller.ledger_id)
        dead = counts.pop(DeadLetterStatus.DEAD, 0)
        return dead, sum(counts.values())

    async def renew(self, caller: Caller, taken: Taken, lease_seconds: float) -> None:
        """Raises Fenced."""
        async with self._database.work(caller.ledger_id) as connection:
            found = await self._ours(connection, caller, taken)
            found.held_until = self._now() + timedelta(seconds=lease_seconds)
            await update_position(connection, caller.ledger_id, found, self._now())

    async def release(self, caller: Caller, taken: Taken) -> None:
        """Somebody else may take it at once. Nothing where it was taken before."""
        async with self._database.work(caller.ledger_id) as connection:
            found = await lock_position(connection, caller.ledger_id, taken.partition)
            if found is not None and found.epoch == taken.epoch:
                found.held_until = None
                await update_position(connection, caller.ledger_id, found, self._now())

    async def to_retry(self, caller: Caller, partition: Partition) -> list[DeadLetterRecord]:
        """The oldest message of each key that is due: one that is tried again, or one that has waited behind it."""
        async with self._database.work(caller.ledger_id) as connection:
            return await first_open_of_each_key(connection, caller.ledger_id, partition, self._now(), KEYS_AT_ONCE_MAX)

    async def begin_retry(self, caller: Caller, taken: Taken, record: DeadLetterRecord) -> None:
        """Count the attempt before it is made: a message may end the process that tries it. Raises Fenced."""
        await self._counted(caller, taken, replace(record, attempts=record.attempts + 1))

    async def abandon_retry(self, caller: Caller, taken: Taken, record: DeadLetterRecord) -> None:
        """What it needs is away: the attempt does not count. Raises Fenced."""
        await self._counted(caller, taken, record)

    async def _counted(self, caller: Caller, taken: Taken, record: DeadLetterRecord) -> None:
        async with self._database.work(caller.ledger_id) as connection:
            await self._ours(connection, caller, taken)
            await update_dead_letter(connection, caller.ledger_id, record)

    async def retried(self, caller: Caller, taken: Taken, record: DeadLetterRecord) -> tuple[frozenset[str], int]:
        """Write down what has come of a retry. The keys that still wait, and how many messages. Raises Fenced."""
        async with self._database.work(caller.ledger_id) as connection:
            await self._ours(connection, caller, taken)
            await update_dead_letter(connection, caller.ledger_id, record)
            keys, set_aside = await open_keys(connection, caller.ledger_id, taken.partition)
        return frozenset(keys), set_aside

    def put_aside(
        self,
        message: Message,
        status: DeadLetterStatus,
        reason: str,
        problem: Mapping[str, Any],
        attempts: int,
        sender: str | None = None,
    ) -> DeadLetterRecord:
        """A record of a message that was not carried out, yet to be settled with its batch."""
        now = self._now()
        record = DeadLetterRecord(
            id=new_uuid(),
            message=message,
            derived_key=message.derived_key,
            status=DeadLetterStatus.DEAD,
            reason=reason,
            problem=problem,
            attempts=attempts,
            first_at=now,
            last_at=now,
            sender=sender,
        )
        if status is DeadLetterStatus.RETRYING:
            return self.again_later(record, reason, problem)
        return replace(record, status=status, next_at=now if status is DeadLetterStatus.WAITING else None)

    def again_later(self, record: DeadLetterRecord, reason: str, problem: Mapping[str, Any]) -> DeadLetterRecord:
        """After an attempt that has failed: tried again in a while, or given up."""
        now, attempts = self._now(), record.attempts + 1
        is_over = attempts >= ATTEMPTS_MAX
        return replace(
            record,
            status=DeadLetterStatus.DEAD if is_over else DeadLetterStatus.RETRYING,
            reason=reason,
            problem=problem,
            attempts=attempts,
            last_at=now,
            next_at=None if is_over else now + timedelta(seconds=RETRY_SECONDS[attempts - 1]),
        )

    def done(self, record: DeadLetterRecord, actor: str) -> DeadLetterRecord:
        """It was carried out, or refused by the books."""
        return replace(
            record,
            status=DeadLetterStatus.REPLAYED,
            attempts=record.attempts + 1,
            last_at=self._now(),
            next_at=None,
            actor=actor,
        )

    def given_up(self, record: DeadLetterRecord, reason: str, problem: Mapping[str, Any]) -> DeadLetterRecord:
        return replace(
            record,
            status=DeadLetterStatus.DEAD,
            reason=reason,
            problem=problem,
            attempts=record.attempts + 1,
            last_at=self._now(),
            next_at=None,
        )

    async def _ours(self, connection: Any, caller: Caller, taken: Taken) -> PositionRecord:
        found = await lock_position(connection, caller.ledger_id, taken.partition)
        if found is None or found.epoch != taken.epoch:
            raise Fenced(str(taken.partition))
        return found
