"""One input, for as long as it is wanted: opened again when it went away, paused while the ledger is away."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import orjson

from zerosum.domain.errors import DomainError
from zerosum.domain.messages import Gap, InputAway, Message, Partition, Position
from zerosum.ingest.streams.batches import RETRY_TURN_SECONDS, DependencyAway, PartitionWork
from zerosum.ingest.streams.port import Desk, IngestTally, Input, Replies
from zerosum.ingest.streams.results import Answered
from zerosum.ingest.streams.time_order import TimeOrder
from zerosum.services.ingestion import Fenced, Ingestion, Taken
from zerosum.services.requests.caller import Caller
from zerosum.services.stopping import rest

PAUSE_SECONDS_MIN, PAUSE_SECONDS_MAX = 0.1, 5.0
RECEIVE_SECONDS = 0.5
ORDERED_RECEIVE_SECONDS = 0.02
LEASE_SECONDS = 10.0
LEASE_PAUSE_SECONDS = 1.0
LAG_SECONDS = 5.0
KEEP_ALIVE_SECONDS = 5.0
"""So often an input from which nothing is received is told that somebody reads it."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsumerOptions:
    batch_max: int
    """Messages in one batch of a partition."""
    in_memory_max: int
    """Messages of one input that were received and not settled: nothing more is received until there are fewer."""
    holder: str
    """This process, in leases."""
    lease_seconds: float = LEASE_SECONDS
    """Where the input does not decide itself who reads it."""
    sender: str | None = None
    """Whose credential writes to the input."""


class Consumer:
    """The messages of one input. `run` returns when the input has ended, or `stop` is set and the batch is settled."""

    def __init__(
        self,
        source: Input,
        desk: Desk,
        ingestion: Ingestion,
        caller: Caller,
        options: ConsumerOptions,
        tally: IngestTally,
        replies: Replies | None,
        order: TimeOrder | None = None,
    ) -> None:
        """`order` is that of all inputs of this process; None: each goes by itself."""
        self._input = source
        self._desk = desk
        self._ingestion = ingestion
        self._caller = caller
        self._options = options
        self._tally = tally
        self._replies = replies
        self._order = order
        if order is not None:
            order.expect(source)
        self._works: dict[Partition, PartitionWork] = {}
        self._barrier = asyncio.Lock()
        self._stop = asyncio.Event()
        self._renewed_at = 0.0
        self._lag_at = 0.0
        self._alive_at = 0.0
        self._lost = 0
        self.lag: float | None = None
        self.is_paused = False

    def stop(self) -> None:
        self._stop.set()

    async def run(self) -> None:
        """Raises Gap: messages are missing, and only a person can say whether they may be."""
        pause = PAUSE_SECONDS_MIN
        while not self._stop.is_set():
            settled_before = self._tally.messages
            try:
                await self._input.open(self._take, self._lose)
                if await self._consume():
                    return
            except InputAway as error:
                self._tally.pauses += 1
                _log.warning("the input %s is away: %s", self._input.name, error)
            except Fenced as error:
                self._tally.fenced += 1
                if self._input.is_read_once:
                    raise Gap(
                        f"the input {self._input.name}: somebody else has taken {error} meanwhile, and what was read "
                        "and not carried out yet cannot be read again: send it once more"
                    ) from None
                _log.warning("the input %s: somebody else has taken %s", self._input.name, error)
            except Gap:
                self._tally.gaps += 1
                raise
            except DomainError as error:
                _log.warning("the input %s waits: %s", self._input.name, error.detail)
            finally:
                await self._end()
            pause = PAUSE_SECONDS_MIN if self._tally.messages > settled_before else min(2 * pause, PAUSE_SECONDS_MAX)
            await rest(self._stop, pause)

    async def _consume(self) -> bool:
        """Until it is told to stop, or the input has ended. Raises InputAway, Fenced, Gap."""
        has_ended = False
        pause = PAUSE_SECONDS_MIN
        while not self._stop.is_set():
            await self._keep_up()
            if not self._is_full and not self.is_paused and not has_ended:
                received = await self._input.receive(self._options.in_memory_max - self._in_memory, self._patience)
                has_ended = received is None
                if has_ended and self._order is not None:
                    self._order.end(self._input)
                await self._put(received or ())
            elif not has_ended:
                await self._keep_alive()
            if has_ended and not self._in_memory and not self._set_aside:
                return True
            if await self._advance():
                self.is_paused, pause = False, PAUSE_SECONDS_MIN
                if has_ended and self._set_aside:
                    await rest(self._stop, RETRY_TURN_SECONDS)
                continue
            self.is_paused = True
            self._tally.pauses += 1
            await self._input.keep_alive()
            await rest(self._stop, pause)
            pause = min(2 * pause, PAUSE_SECONDS_MAX)
        if has_ended and self._set_aside:
            _log.warning("the input %s: %s messages wait to be tried again", self._input.name, self._set_aside)
        return True

    async def _keep_alive(self) -> None:
        """While memory is full of what must wait for its turn behind other inputs: maybe for as long as one is away."""
        now = asyncio.get_running_loop().time()
        if now - self._alive_at > KEEP_ALIVE_SECONDS:
            self._alive_at = now
            await self._input.keep_alive()

    @property
    def _patience(self) -> float:
        """What is in memory may have its turn soon."""
        return ORDERED_RECEIVE_SECONDS if self._order is not None and self._in_memory else RECEIVE_SECONDS

    @property
    def _in_memory(self) -> int:
        return sum(work.in_memory for work in self._works.values())

    @property
    def _set_aside(self) -> int:
        return sum(work.set_aside for work in self._works.values())

    @property
    def _is_full(self) -> bool:
        return self._in_memory >= self._options.in_memory_max

    async def _put(self, messages: Sequence[Message]) -> None:
        for message in messages:
            work = self._works.get(message.partition)
            if work is None:
                if self._input.has_positions:
                    continue  # It was revoked between coming and being put here.
                work = self._works[message.partition] = self._work(None)
            work.put(message)

    async def _advance(self) -> bool:
        """One turn of all partitions, at once. False where what they need is away.

        The barrier is held meanwhile: whoever is told to give a partition up waits for the end of its batch.
        """
        async with self._barrier:
            works = list(self._works.values())
            ends = await asyncio.gather(*(work.advance() for work in works), return_exceptions=True)
        failures = [end for end in ends if isinstance(end, BaseException)]
        for failure in failures:
            if not isinstance(failure, DependencyAway | DomainError):
                raise failure
        for failure in failures[:1]:
            if not self.is_paused:
                _log.warning("the input %s is paused: %s", self._input.name, failure)
        return not failures

    async def _take(self, partition: Partition, made: str | None = None) -> Position:
        """Raises InputAway, Gap."""
        lease = self._options.lease_seconds if self._input.is_leased else None
        while not self._stop.is_set():
            taken = await self._ingestion.take(self._caller, partition, self._options.holder, lease, made)
            if taken is not None:
                self._works[partition] = self._work(taken)
                self._renewed_at = asyncio.get_running_loop().time()
                return taken.position
            await rest(self._stop, LEASE_PAUSE_SECONDS)
        raise InputAway("it is told to stop")

    async def _lose(self, partitions: Collection[Partition]) -> None:
        async with self._barrier:
            for partition in partitions:
                work = self._works.pop(partition, None)
                if work is not None:
                    await self._leave(work)

    def _work(self, taken: Taken | None) -> PartitionWork:
        return PartitionWork(
            taken,
            caller=self._caller,
            source=self._input,
            desk=self._desk,
            ingestion=self._ingestion,
            tell=self._tell,
            tally=self._tally,
            batch_max=self._options.batch_max,
            order=self._order,
            sender=self._options.sender,
        )

    async def _tell(self, answered: Sequence[Answered]) -> None:
        """Raises DependencyAway: the batch is not settled before it is told, so it is told again."""
        if not answered:
            return
        if self._replies is not None:
            told = [(one.message.ordering_key, orjson.dumps(dict(one.outcome.answer))) for one in answered]
            try:
                await self._replies.send(told)
            except InputAway as error:
                raise DependencyAway(f"answers cannot be told: {error}") from None
        await self._input.answer([(one.message, one.outcome.answer) for one in answered])

    def _note_losses(self) -> None:
        lost = self._input.lost
        self._tally.lost, self._lost = self._tally.lost + lost - self._lost, lost

    async def _keep_up(self) -> None:
        self._note_losses()
        now = asyncio.get_running_loop().time()
        lease = self._options.lease_seconds
        if self._input.is_leased and now - self._renewed_at > lease / 3:
            for work in list(self._works.values()):
                if work.taken is not None:
                    await self._renew(work.taken, lease)
            self._renewed_at = now
        if now - self._lag_at > LAG_SECONDS:
            self._lag_at = now
            self.lag = await self._input.lag()

    async def _renew(self, taken: Taken, lease: float) -> None:
        """While the ledger is away nobody else can have it either; whoever had it then is found out behind it."""
        try:
            await self._ingestion.renew(self._caller, taken, lease)
        except DomainError as error:
            _log.info("the input %s: its lease is renewed later: %s", self._input.name, error.detail)

    async def _end(self) -> None:
        self._note_losses()
        works, self._works = self._works, {}
        try:
            await self._input.close()
        except InputAway as error:
            _log.warning("the input %s: %s", self._input.name, error)
        for work in works.values():
            await self._leave(work)

    async def _leave(self, work: PartitionWork) -> None:
        try:
            await work.give_up()
            if work.taken is not None and self._input.is_leased:
                await self._ingestion.release(self._caller, work.taken)
        except DomainError as error:
            _log.warning("the input %s: %s", self._input.name, error.detail)
