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
import logging
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from zerosum.domain.errors import OutcomeUnknown, Overloaded, Unavailable
from zerosum.domain.ledger.book import LedgerCommand
from zerosum.domain.ledger.outcome import Answer
from zerosum.services.held_up import HeldUp, refuse_as_busy
from zerosum.services.work import Answers, Work

_log = logging.getLogger(__name__)

BATCH_COMMANDS_MAX = 1000
"""Beyond this a batch gains nothing and its neighbours wait longer."""

GATHER_SECONDS_MAX = 0.002
"""How long a lane waits for the callers it has just answered to come back, so that they share one transaction."""

SWEEP_SECONDS = 0.1
"""How often deadlines are looked at; a caller may wait this much longer than its deadline."""


@dataclass(slots=True)
class CommitterStats:
    """Counters, read by telemetry. Plain integers: the hot path does not call a metrics library."""

    batches: int = 0
    commands: int = 0
    retries: int = 0
    unknown: int = 0
    shed: int = 0
    expired: int = 0


@dataclass(slots=True)
class CommitterOptions:
    """Bounds, all named. `deadline_seconds` runs from the moment a command is handed over."""

    lanes: int = 1
    queue_commands_max: int = 20_000
    deadline_seconds: float = 5.0


class Carrier(Protocol):
    """What a lane does with a batch (`lane.py`): every work it is given is answered, or given back, in the end."""

    async def warm_up(self) -> None:
        """Be ready before the first work comes, as far as that is possible now. Does not raise."""

    async def carry_out(self, works: Sequence[Work]) -> HeldUp:
        """What it gives back, unanswered, is given again when its time has come."""

    async def close(self) -> None: ...


class Committer:
    """Bounded queue, lanes, deadlines. `start` before use; `stop` answers everything that was accepted."""

    def __init__(
        self,
        make_carrier: Callable[[], Carrier],
        options: CommitterOptions,
        stats: CommitterStats,
        find_origin: Callable[[], object] | None = None,
    ) -> None:
        """`find_origin` is asked for whom each work is handed over."""
        self._find_origin = find_origin
        self._options = options
        self._stats = stats
        self._shared = _WorkQueue()
        self._lanes = [_Lane(self._shared, make_carrier()) for _ in range(options.lanes)]
        self._queued_commands = 0
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
    def queued_commands(self) -> int:
        return self._queued_commands

    async def carry_out(self, command: LedgerCommand, *, order_key: int | None = None) -> Answer:
        """The answer to one command, after commit. Commands with one order key keep their order.

        Raises Overloaded or Unavailable (nothing was done) and OutcomeUnknown (ask again with the same key).
        """
        answers = await self._hand_over((command,), is_atomic=False, order_key=order_key)
        return _each(answers)[0]

    async def carry_out_each(self, commands: Sequence[LedgerCommand], *, order_key: int | None = None) -> list[Answer]:
        """The answers in order; each command is judged by itself."""
        return _each(await self._hand_over(commands, is_atomic=False, order_key=order_key))

    async def carry_out_together(self, commands: Sequence[LedgerCommand]) -> Answers:
        """All or nothing: every answer, or the index and refusal of the command that stood in the way."""
        return await self._hand_over(commands, is_atomic=True, order_key=None)

    def _hand_over(
        self, commands: Sequence[LedgerCommand], *, is_atomic: bool, order_key: int | None
    ) -> asyncio.Future[Answers]:
        if self._is_stopping:
            raise Unavailable("The service is shutting down; nothing was done.", retry_after=1)
        if self._queued_commands + len(commands) > self._options.queue_commands_max:
            self._stats.shed += len(commands)
            raise Overloaded("The queue is full; nothing was done.", retry_after=1)
        loop = asyncio.get_running_loop()
        work = Work(commands, is_atomic, loop.create_future(), loop.time() + self._options.deadline_seconds)
        work.order_key = order_key
        if self._find_origin is not None:
            work.origin = self._find_origin()
        self._queued_commands += len(commands)
        if order_key is None:
            self._shared.append(work)
            self._wake_one()
        else:
            self._lanes[order_key % len(self._lanes)].take_in_order(work)
        return work.answer

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

    async def _sweep(self) -> None:
        """Answer what has waited too long: nothing was done if it never left the queue, otherwise nobody knows yet."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            now = loop.time()
            for queue in (self._shared, *(lane.ordered for lane in self._lanes)):
                for work in queue.works:
                    if work.deadline > now:
                        break
                    if not work.is_answered:
                        self._stats.expired += 1
                        work.refuse(Unavailable("The service is too busy; nothing was done.", retry_after=1))
            for lane in self._lanes:
                for work in lane.running:
                    if work.deadline <= now and not work.is_answered:
                        self._stats.unknown += 1
                        work.refuse(OutcomeUnknown("The outcome is not known yet; retry with the same key."))


def _each(answers: Answers) -> list[Answer]:
    if isinstance(answers, tuple):
        raise TypeError("only an atomic work is answered as a whole")
    return answers


@dataclass(slots=True, eq=False)
class _WorkQueue:
    """Works in the order of their coming, and how many commands they hold: asked for at each hand-over."""

    works: deque[Work] = field(default_factory=deque)
    commands: int = 0

    def append(self, work: Work) -> None:
        self.works.append(work)
        self.commands += len(work.commands)

    def take(self) -> Work:
        work = self.works.popleft()
        self.commands -= len(work.commands)
        return work


@dataclass(slots=True, eq=False)
class _Lane:
    """One connection's worth of batches, one after the other."""

    shared: _WorkQueue
    carrier: Carrier
    ordered: _WorkQueue = field(default_factory=_WorkQueue)
    running: Sequence[Work] = ()
    held_up: list[Work] = field(default_factory=list)
    _expected: int = 1
    """So many commands came together the last time, in the batch and behind it."""
    _is_gathering: bool = False
    _wakeup: asyncio.Event = field(default_factory=asyncio.Event)
    _is_stopping: bool = False
    _task: asyncio.Task[None] | None = None

    def start(self, on_taken: Callable[[Sequence[Work]], None]) -> None:
        self._task = asyncio.create_task(self._run(on_taken), name="committer lane")

    async def stop(self) -> None:
        self._is_stopping = True
        self._wakeup.set()
        if self._task is not None:
            await self._task
        await self.carrier.close()

    @property
    def is_idle(self) -> bool:
        return not self.running and not self._wakeup.is_set()

    def wake(self) -> None:
        """There is more to do. While the lane gathers, only the last one it waits for wakes it."""
        if not self._is_gathering or self._has_enough():
            self._wakeup.set()

    def take_in_order(self, work: Work) -> None:
        self.ordered.append(work)
        self.wake()

    async def _run(self, on_taken: Callable[[Sequence[Work]], None]) -> None:
        await self.carrier.warm_up()
        while True:
            if not self._waiting() and not self._has_one_due():
                if self._is_stopping and not self.held_up:
                    return
                await self._wait()
                continue
            if self._waiting():
                await self._let_them_gather()
            works = self._gather()
            if works:
                on_taken(works)
            self.running = self._with_those_held_up(works)
            try:
                if self.running:
                    self._hold_up(await self.carrier.carry_out(self.running))
            except Exception:
                # The carrier answers whatever happens. Should it not, the lane must live on for the others.
                _log.exception("a lane's batch has failed in a way that nobody foresaw")
                for work in self.running:
                    work.refuse(OutcomeUnknown("The outcome is not known; retry with the same key."))
            finally:
                self.running = ()
            self._expected = sum(len(work.commands) for work in works) + self._waiting()

    async def _wait(self) -> None:
        """For the next work, or for the time of one that is held up."""
        self._wakeup.clear()
        timer = None
        if self.held_up:
            again_at = min(work.again_at for work in self.held_up)
            timer = asyncio.get_running_loop().call_at(again_at, self._wakeup.set)
        await self._wakeup.wait()
        if timer is not None:
            timer.cancel()

    def _has_one_due(self) -> bool:
        now = asyncio.get_running_loop().time()
        return any(work.again_at <= now for work in self.held_up)

    def _with_those_held_up(self, works: Sequence[Work]) -> list[Work]:
        """Those whose time has come, then the new ones; but none before another of its order that is held up still."""
        if not self.held_up:
            return [work for work in works if not work.is_answered]
        now = asyncio.get_running_loop().time()
        candidates, self.held_up = [*self.held_up, *works], []
        chosen: list[Work] = []
        orders: set[int] = set()
        for work in candidates:
            if work.is_answered:
                continue
            if work.again_at > now or work.order_key in orders:
                self.held_up.append(work)
                if work.order_key is not None:
                    orders.add(work.order_key)
            else:
                chosen.append(work)
        return chosen

    def _hold_up(self, given_back: HeldUp) -> None:
        """Works behind one that was refused are refused with it: they must not overtake its retry."""
        self.held_up = [*given_back.works, *self.held_up]
        if given_back.refused_orders:
            for work in (*self.held_up, *self.ordered.works):
                if work.order_key in given_back.refused_orders:
                    refuse_as_busy(work)
            self.held_up = [work for work in self.held_up if not work.is_answered]

    async def _let_them_gather(self) -> None:
        """A batch costs nearly the same for one command as for ten, so it is worth a moment's wait for those who come.

        Callers who send one command after another and were answered a moment ago are about to send the next. Whoever
        is alone waits for nobody.
        """
        if self._is_stopping or self._has_enough():
            return
        self._is_gathering = True
        self._wakeup.clear()
        timer = asyncio.get_running_loop().call_later(GATHER_SECONDS_MAX, self._wakeup.set)
        await self._wakeup.wait()
        timer.cancel()
        self._is_gathering = False

    def _has_enough(self) -> bool:
        return self._waiting() >= min(self._expected, BATCH_COMMANDS_MAX)

    def _waiting(self) -> int:
        return self.ordered.commands + self.shared.commands

    def _gather(self) -> list[Work]:
        """Everything that waits, up to the bound; at least one work however large."""
        works: list[Work] = []
        count = 0
        for queue in (self.ordered, self.shared):
            while queue.works and (not works or count + len(queue.works[0].commands) <= BATCH_COMMANDS_MAX):
                work = queue.take()
                works.append(work)
                count += len(work.commands)
        return works
