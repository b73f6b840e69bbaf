"""One partition's messages, in batches: begun, carried out in order, told, settled, acknowledged.

1. The batch is begun in PostgreSQL, which counts how often its first message was tried and refuses zombies.
2. What lies below the position was settled before; what lies above it leaves a gap, and stops the partition.
3. What cannot be read is put aside. What follows a message that is tried again, with its ordering key, waits there.
4. Neighbours for one desk go to the committer together; the first that finds it away ends the batch there.
5. Outcomes are told; then the batch is settled; then it is acknowledged. Killed in between, it comes again, and every
   message of it is answered from its idempotency key.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from zlib import crc32

from zerosum.domain.errors import DomainError
from zerosum.domain.messages import DeadLetterStatus, Gap, Message, MessageOutcome, OutcomeKind
from zerosum.ingest.streams.port import Desk, IngestTally, Input, Reading
from zerosum.ingest.streams.results import Answered, Results, reason_of
from zerosum.ingest.streams.time_order import TimeOrder
from zerosum.services.ingestion import ATTEMPTS_MAX, Begun, DeadLetterRecord, Ingestion, Settlement, Taken
from zerosum.services.requests.caller import Caller

SET_ASIDE_MAX = 10_000
"""Of one partition, to be tried again or behind such. With more it waits until there are fewer."""

RETRY_TURN_SECONDS = 0.5

ADVANCE_SECONDS = 0.5
"""In the order of time batches may be of one message each: so long a partition goes on, then its lease is looked after,
and whether it is told to stop."""

READ_AT_ONCE = 16
"""Of the next batch, between two looks at what PostgreSQL has answered: half a millisecond."""

CRASHED = "consumer_crashed"
CRASHED_PROBLEM = {
    "code": CRASHED,
    "detail": f"The consumer has ended {ATTEMPTS_MAX} times while it carried this message out.",
}

BEHIND = MessageOutcome(OutcomeKind.BEHIND, {})

_log = logging.getLogger(__name__)


class DependencyAway(Exception):
    """What messages need is away: nothing is counted, everything waits."""


class PartitionWork:
    """The messages of one partition that are in memory, and what is known of it. One batch at a time."""

    def __init__(
        self,
        taken: Taken | None,
        *,
        caller: Caller,
        source: Input,
        desk: Desk,
        ingestion: Ingestion,
        tell: Callable[[Sequence[Answered]], Awaitable[None]],
        tally: IngestTally,
        batch_max: int,
        order: TimeOrder | None = None,
        sender: str | None = None,
    ) -> None:
        """Without `taken` nothing is remembered of it: its messages have no places that last."""
        self.pending: deque[Message] = deque()
        self._taken = taken
        self._next_offset = None if taken is None else taken.position.next_offset
        self._waiting_keys = frozenset() if taken is None else taken.waiting_keys
        self._set_aside = 0 if taken is None else taken.set_aside
        self._caller = caller
        self._input = source
        self._desk = desk
        self._ingestion = ingestion
        self._tell = tell
        self._tally = tally
        self._batch_max = batch_max
        self._order = order
        self._sender = sender
        self._line = None if order is None else order.line(source)
        self._batch: list[Message] = []
        self._ahead: dict[int, tuple[Message, Reading | Answered]] = {}
        """Those of the next batch that were read already, by their identity."""
        self._is_waiting = False
        self._retries_at = 0.0

    @property
    def in_memory(self) -> int:
        return len(self.pending) + len(self._batch)

    @property
    def set_aside(self) -> int:
        """To be tried again, or behind such."""
        return self._set_aside

    @property
    def taken(self) -> Taken | None:
        return self._taken

    def put(self, message: Message) -> None:
        self.pending.append(message)
        if self._order is not None and self._line is not None:
            self._order.put(self._line, message)

    async def give_up(self) -> None:
        """The partition is left. A batch that only waits for the ledger has not been tried."""
        if self._order is not None and self._line is not None:
            self._order.leave(self._line)
        if self._taken is not None and self._batch and self._is_waiting:
            await self._ingestion.abandon(self._caller, self._taken)

    async def advance(self) -> None:
        """Carry out what is there. Raises DependencyAway, Fenced, Gap, InputAway; then what is left stays."""
        self._is_waiting = False
        try:
            await self._advance()
        except (DependencyAway, DomainError):
            self._is_waiting = True
            raise
        finally:
            self._ahead.clear()  # It may be long until the next turn, and what is in memory and judged another then.
            self._end_turn()

    async def _advance(self) -> None:
        await self._retry()
        clock = asyncio.get_running_loop().time
        until = clock() + ADVANCE_SECONDS
        while self.pending or self._batch:
            if not self._batch:
                if (self._order is not None and clock() >= until) or not await self._has_turn():
                    return
                if not await self._begin():
                    self._end_turn()
                    continue
            await self._carry_out(self._batch)
            self._end_turn()

    async def _has_turn(self) -> bool:
        return self._order is None or self._line is None or await self._order.turn(self._line)

    def _end_turn(self) -> None:
        """A batch that waits keeps it: what comes after it must not come before."""
        if self._order is not None and self._line is not None and not self._batch:
            self._order.give_back(self._line)

    async def _begin(self) -> bool:
        """The next batch. False where nothing of it was left to do."""
        self._drop_settled()
        if not self.pending:
            return False
        is_full = self._set_aside >= SET_ASIDE_MAX
        if self._line is not None:
            self._line.is_aside = is_full
        if is_full:
            raise DependencyAway(f"{self._set_aside} messages of {self.pending[0].partition} are tried again or wait")
        size = min(self._batch_max, len(self.pending))
        if self._order is not None and self._line is not None:
            size = self._order.free(self._line, size)
            if not size:
                return False
        if self._taken is None:
            self._batch = self._next(size)
            return True
        begun = await self._ingestion.begin(self._caller, self._taken, self.pending[0], size)
        self._check_gap(begun)
        if begun.is_suspect:
            size = 1
        self._batch = self._next(size)
        if begun.tries > ATTEMPTS_MAX:
            await self._settle_crashed(self._batch[0])
            return False
        return True

    def _next(self, size: int) -> list[Message]:
        if self._order is not None and self._line is not None:
            self._order.take(self._line, size)
            self._tally.late = self._order.late
        batch = [self.pending.popleft() for _ in range(size)]
        self._ahead = {id(one): self._ahead[id(one)] for one in batch if id(one) in self._ahead}
        return batch

    def _drop_settled(self) -> None:
        while self.pending and self._is_settled(self.pending[0]):
            self.pending.popleft()
            if self._line is not None:
                self._line.drop(1)
            self._tally.skipped += 1

    def _is_settled(self, message: Message) -> bool:
        return message.offset is not None and self._next_offset is not None and message.offset < self._next_offset

    def _check_gap(self, begun: Begun) -> None:
        """Inputs seek to the position, so that whatever comes first above it is what their log has first there."""
        offset = self.pending[0].offset
        if offset is None or begun.next_offset is None:
            return
        if self._next_offset != begun.next_offset:
            raise Gap(f"the position of {self.pending[0].partition} is {begun.next_offset}, not {self._next_offset}")

    async def _settle_crashed(self, message: Message) -> None:
        _log.error(
            "a message ends the consumer again and again and is put aside: %s %s", message.partition, message.place
        )
        record = self._ingestion.put_aside(
            message, DeadLetterStatus.DEAD, CRASHED, CRASHED_PROBLEM, ATTEMPTS_MAX, self._sender
        )
        await self._settle([message], [record])

    async def _carry_out(self, batch: Sequence[Message]) -> None:
        may_retry = self._taken is not None
        results = Results(self._ingestion, set(self._waiting_keys), self._sender, may_retry=may_retry)
        for group in self._groups(batch, results.blocked):
            results.add(await self._ask(group) if isinstance(group, list) else [group])
            if results.away is not None:
                break
        await self._tell(results.answered)
        if results.settled:
            await self._settle(batch[: results.settled], results.set_aside)
            self._waiting_keys = frozenset(results.blocked)
        self._count(results.answered)
        if results.away is not None:
            raise DependencyAway(results.away.detail)

    def _groups(self, batch: Sequence[Message], blocked: set[str]) -> Iterator[list[Reading] | Answered]:
        """In order: neighbours for one desk, what cannot be read, and what must wait behind one of its key.

        `blocked` grows while the groups before are answered.
        """
        group: list[Reading] = []
        for message in batch:
            found = self._read(message)
            if group and (
                isinstance(found, Answered) or found.group is not group[0].group or message.ordering_key in blocked
            ):
                yield group
                group = []
            if message.ordering_key in blocked:
                yield Answered(message, BEHIND)
            elif isinstance(found, Answered):
                yield found
            else:
                group.append(found)
        if group:
            yield group

    def _read(self, message: Message) -> Reading | Answered:
        """Once as it was read ahead: what is tried again is read again."""
        _, found = self._ahead.pop(id(message), (message, None))
        return self._read_now(message) if found is None else found

    def _read_now(self, message: Message) -> Reading | Answered:
        try:
            return self._desk.read(message)
        except DomainError as refusal:
            return Answered(message, self._desk.refused(message, refusal))

    async def _ask(self, readings: Sequence[Reading]) -> list[Answered]:
        order_key = crc32(str(readings[0].message.partition).encode())
        reading_ahead = asyncio.create_task(self._read_ahead(), name="reading ahead")
        try:
            outcomes = await self._desk.carry_out(readings, order_key)
        finally:
            reading_ahead.cancel()
        return [Answered(one.message, outcome) for one, outcome in zip(readings, outcomes, strict=True)]

    async def _read_ahead(self) -> None:
        """The next batch, while PostgreSQL is at this one: else the two would take turns."""
        for number, message in enumerate(list(islice(self.pending, self._batch_max))):
            if id(message) not in self._ahead:
                try:
                    self._ahead[id(message)] = message, self._read_now(message)
                except Exception:
                    return
            if number % READ_AT_ONCE == 0:
                await asyncio.sleep(0)

    async def _settle(self, messages: Sequence[Message], set_aside: Sequence[DeadLetterRecord]) -> None:
        left = self._batch[len(messages) :]
        settlement = Settlement(last=messages[-1], messages=len(messages), is_whole=not left, set_aside=set_aside)
        if self._taken is not None:
            new = await self._ingestion.settle(self._caller, self._taken, settlement)
        else:
            new = await self._ingestion.only_set_aside(self._caller, set_aside)
        dead = new.pop(DeadLetterStatus.DEAD, 0)
        self._set_aside += new.total()
        self._tally.dead += dead
        self._tally.messages += len(messages)
        last = messages[-1].offset
        self._next_offset = self._next_offset if last is None else last + 1
        self._batch = left
        await self._input.acknowledge(messages)

    def _count(self, answered: Sequence[Answered]) -> None:
        for _, outcome in answered:
            self._tally.done += outcome.kind is OutcomeKind.DONE
            self._tally.refused += outcome.kind is OutcomeKind.REFUSED
            self._tally.replayed += outcome.is_replay

    async def _retry(self) -> None:
        """What has failed and is due again, and what has waited behind it: the oldest of each key, one by one."""
        now = asyncio.get_running_loop().time()
        if self._taken is None or not self._set_aside or now < self._retries_at:
            return
        self._retries_at = now + RETRY_TURN_SECONDS
        while records := await self._ingestion.to_retry(self._caller, self._taken.partition):
            for record in records:
                await self._retry_one(self._taken, record)

    async def _retry_one(self, taken: Taken, record: DeadLetterRecord) -> None:
        if record.attempts >= ATTEMPTS_MAX:  # Nobody came back from the last one.
            _log.error("%s of %s ends the consumer and is put aside", record.message.place, taken.partition)
            crashed = replace(record, attempts=record.attempts - 1)
            await self._retried(taken, self._ingestion.given_up(crashed, CRASHED, CRASHED_PROBLEM))
            return
        await self._ingestion.begin_retry(self._caller, taken, record)
        read = self._read(record.message)
        answered = read if isinstance(read, Answered) else (await self._ask([read]))[0]
        kind, answer = answered.outcome.kind, answered.outcome.answer
        if kind is OutcomeKind.AWAY:
            await self._ingestion.abandon_retry(self._caller, taken, record)
            raise DependencyAway("the ledger cannot be reached")
        reason, told = reason_of(answered)
        if kind is OutcomeKind.FAILED:
            after = self._ingestion.again_later(record, reason, told)
        elif kind is OutcomeKind.POISON:
            after = self._ingestion.given_up(record, reason, told)
        else:
            after = self._ingestion.done(record, self._caller.actor)
        if after.next_at is None:
            await self._tell([Answered(record.message, replace(answered.outcome, answer=answer))])
            self._count([answered])
        await self._retried(taken, after)

    async def _retried(self, taken: Taken, after: DeadLetterRecord) -> None:
        self._waiting_keys, self._set_aside = await self._ingestion.retried(self._caller, taken, after)
        self._tally.retried += 1
        self._tally.dead += after.status is DeadLetterStatus.DEAD
