"""The committer: the one writer of money.

A caller hands over commands and waits for their answers. What gathers while one batch commits becomes the next one:
a lane locks all touched accounts in one order, looks up the keys, lets the Book decide, writes everything set-wise,
commits, and only then answers. A batch of one is the same code. Several lanes and processes may run at once; the row
locks make that safe (docs/decisions/0002).

The promises are kept here: the work runs in the lane's own task, so a caller that goes away cancels nothing; a batch
that fails is tried again with the same keys, then command by command, so that one bad command never fails its
neighbours; a connection that dies in COMMIT leads to the same batch again, for the unique keys tell what happened.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from zerosum.db.batch import Key
from zerosum.domain.errors import OutcomeUnknown, Overloaded, Unavailable
from zerosum.domain.ledger.book import LedgerCommand
from zerosum.domain.ledger.outcome import Answer
from zerosum.domain.traces import current_origins
from zerosum.services.committing.fair_queue import FairQueue
from zerosum.services.committing.lane_loop import Carrier, CommitterStats, Lane
from zerosum.services.committing.pace import Pressure
from zerosum.services.committing.unknown_keys import UnknownKeys
from zerosum.services.committing.work import Answers, Work, outcome_unknown

WORKS_TAKEN_ALWAYS = 64
"""So many of a ledger may wait, however long. Few callers with large requests are no flood, and wait for themselves."""

COMMANDS_TAKEN_ALWAYS = 1_000
"""Of all ledgers together, however slowly they are carried out: a stall of PostgreSQL is no flood either."""

SWEEP_SECONDS = 0.1
"""How often deadlines are looked at; a caller may wait this much longer than its deadline."""


@dataclass(slots=True)
class CommitterOptions:
    """Bounds, all named. `deadline_seconds` runs from the moment a command is handed over."""

    lanes: int = 1
    is_alone: bool = False
    """No other process of this machine writes for this service."""
    queue_commands_max: int = 20_000
    queue_seconds_max: float = 0.5
    """What would wait for longer is refused."""
    deadline_seconds: float = 5.0


class Committer:
    """Bounded queue, lanes, deadlines. `start` before use; `stop` answers everything that was accepted."""

    def __init__(
        self,
        make_carrier: Callable[[], Carrier],
        options: CommitterOptions,
        stats: CommitterStats,
        unknown_keys: UnknownKeys | None = None,
    ) -> None:
        """Other processes may share `unknown_keys`."""
        self.unknown_keys = UnknownKeys() if unknown_keys is None else unknown_keys
        self._options = options
        self._stats = stats
        self._shared = FairQueue()
        pressure = Pressure(
            self._shared,
            stats.pace,
            seconds_max=options.queue_seconds_max,
            works_min=WORKS_TAKEN_ALWAYS,
            commands_min=COMMANDS_TAKEN_ALWAYS,
        )
        self.is_too_much = pressure.is_too_much
        """Whether more of a ledger is refused at present: so many of its works wait, and would for so long."""
        self._lanes = [
            Lane(self._shared, make_carrier(), stats, options.is_alone and options.lanes == 1)
            for _ in range(options.lanes)
        ]
        self._queued_commands = 0
        self._shed_orders: set[int] = set()
        self._is_stopping = False
        self._sweeper: asyncio.Task[None] | None = None

    def start(self) -> None:
        for lane in self._lanes:
            lane.start(self._on_taken)
        self._sweeper = asyncio.create_task(self._sweep(), name="committer deadlines")

    async def stop(self) -> None:
        """Finish what was accepted; refuse what comes now."""
        self._is_stopping = True
        for lane in self._lanes:
            await lane.stop()
        if self._sweeper is not None:
            self._sweeper.cancel()
            await asyncio.gather(self._sweeper, return_exceptions=True)

    @property
    def is_whole(self) -> bool:
        """Whether all lanes live."""
        return all(lane.is_alive for lane in self._lanes)

    @property
    def queued_commands(self) -> int:
        return self._queued_commands

    @property
    def held_up_works(self) -> int:
        return sum(len(lane.held_up) for lane in self._lanes)

    async def carry_out(self, command: LedgerCommand, *, order_key: int | None = None) -> Answer:
        """The answer to one command, after commit. Commands with one order key keep their order.

        Raises Overloaded or Unavailable (nothing was done) and OutcomeUnknown (ask again with the same key).
        """
        return (await self.carry_out_each((command,), order_key=order_key))[0]

    async def carry_out_each(self, commands: Sequence[LedgerCommand], *, order_key: int | None = None) -> list[Answer]:
        """The answers in order; each command is judged by itself."""
        return each_of(await outlasting(self.hand_over(commands, is_atomic=False, order_key=order_key)))

    async def carry_out_together(self, commands: Sequence[LedgerCommand]) -> Answers:
        """All or nothing: every answer, or the index and refusal of the command that stood in the way."""
        return await outlasting(self.hand_over(commands, is_atomic=True, order_key=None))

    def refusal_of(self, refusal: Unavailable, keys: Sequence[Key]) -> Unavailable | OutcomeUnknown:
        """What is to be said of these keys, where nothing was done with them this time."""
        return outcome_unknown() if self.unknown_keys.has_any(keys) else refusal

    def hand_over(
        self, commands: Sequence[LedgerCommand], *, is_atomic: bool, order_key: int | None
    ) -> asyncio.Future[Answers]:
        """Its answer will be there: the caller may leave, the work goes on."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._options.deadline_seconds
        work = Work(commands, is_atomic, loop.create_future(), deadline, self.unknown_keys)
        work.order_key = order_key
        if self._is_stopping:
            work.refuse_undone(Unavailable("The service is shutting down; nothing was done.", retry_after=1))
            return work.answer
        is_full = self._queued_commands + len(commands) > self._options.queue_commands_max
        if is_full or order_key in self._shed_orders or (order_key is None and self.is_too_much(work.ledger_id)):
            self._shed(work)
            return work.answer
        origins = current_origins.get()
        if origins:
            work.origins, work.handed_over_at = origins, loop.time()
        self._queued_commands += len(commands)
        if order_key is None:
            self._shared.append(work)
            self._wake_one()
        else:
            self._lanes[order_key % len(self._lanes)].take_in_order(work)
        return work.answer

    def _shed(self, work: Work) -> None:
        """With it whatever its order hands over before anybody can have seen that: it may be less, and fit."""
        self._stats.shed += len(work.commands)
        work.refuse_undone(Overloaded("The queue is full; nothing was done.", retry_after=1))
        if work.order_key is not None and work.order_key not in self._shed_orders:
            self._shed_orders.add(work.order_key)
            asyncio.get_running_loop().call_soon(self._shed_orders.discard, work.order_key)

    def _wake_one(self) -> None:
        for lane in self._lanes:
            if lane.is_idle:
                lane.wake()
                return

    def _on_taken(self, works: Sequence[Work]) -> None:
        taken = sum(len(work.commands) for work in works)
        self._queued_commands -= taken
        self._stats.batches += 1
        self._stats.commands += taken
        handed_over_at = min(work.deadline for work in works) - self._options.deadline_seconds
        self._stats.tally.took(taken, self._queued_commands, asyncio.get_running_loop().time() - handed_over_at)

    async def _sweep(self) -> None:
        """Answer what has waited too long: nothing was done if it never left the queue, otherwise nobody knows yet."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            now = loop.time()
            for work in self._shared:
                if work.deadline <= now:
                    self._expire(work)
            for lane in self._lanes:
                for work in (*lane.held_up, *lane.ordered.works):
                    if work.deadline <= now:
                        self._expire(work)
                for work in lane.running:
                    if work.deadline <= now and not work.is_answered:
                        self._stats.unknown += 1
                        work.refuse(OutcomeUnknown("The outcome is not known yet; retry with the same key."))
                if lane.ordered.works or lane.held_up:
                    lane.refuse_those_behind()

    def _expire(self, work: Work) -> None:
        if not work.is_answered:
            self._stats.expired += 1
            work.refuse_undone(Unavailable("The service is too busy; nothing was done.", retry_after=1))


async def outlasting(answer: asyncio.Future[Answers]) -> Answers:
    """Whoever leaves does not take it with him: its work would count as answered, and not be carried out."""
    try:
        return await asyncio.shield(answer)
    except asyncio.CancelledError:
        answer.add_done_callback(asyncio.Future.exception)  # looked at, or asyncio complains that nobody has
        raise


def each_of(answers: Answers) -> list[Answer]:
    """Of a work that was not atomic."""
    if isinstance(answers, tuple):
        raise TypeError("only an atomic work is answered as a whole")
    return answers
