"""The loop of one lane: what gathers while a batch is carried out becomes the next one.

It ends when the committer stops. However else it ends, another takes its place: what it was at is answered with what is
known of it, or tried again.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from zerosum.services.committing.held_up import HeldUp, refuse_as_busy, refuse_those_behind
from zerosum.services.committing.measured import CommitTally
from zerosum.services.committing.work import Work, outcome_unknown

_log = logging.getLogger(__name__)

BATCH_COMMANDS_MAX = 1000
"""Beyond this a batch gains nothing and its neighbours wait longer."""

GATHER_SECONDS_MAX = 0.002
"""How long a lane waits for the callers it has just answered to come back, so that they share one transaction."""

GATHERED_MIN = 8
GATHERED_SHARE = 4
"""Of many callers a lane that is alone waits for a quarter, and for so many: while PostgreSQL is at these, the process
is at the others. Waiting for all of them makes the two take turns; where there are more lanes, these fill the gaps."""

REPLACED_AFTER_SECONDS = 0.1
"""A lane that dies again and again is not to take the whole process with it."""


@dataclass(slots=True)
class CommitterStats:
    """Counters, read by telemetry. Plain integers: the hot path does not call a metrics library."""

    batches: int = 0
    commands: int = 0
    retries: int = 0
    unknown: int = 0
    shed: int = 0
    expired: int = 0
    lanes_lost: int = 0
    tally: CommitTally = field(default_factory=CommitTally)


class Carrier(Protocol):
    """What a lane does with a batch (`batch_runner.py`). Every work is answered or given back in the end."""

    async def warm_up(self) -> None:
        """Be ready before the first work comes, as far as that is possible now. Does not raise."""

    async def carry_out(self, works: Sequence[Work]) -> HeldUp:
        """What it gives back, unanswered, is given again when its time has come."""

    def abandon(self) -> None:
        """Its lane was lost in the middle of something: nothing of what went on is gone on with."""

    async def close(self) -> None: ...


@dataclass(slots=True, eq=False)
class WorkQueue:
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
class Lane:
    """One connection's worth of batches, one after the other."""

    shared: WorkQueue
    carrier: Carrier
    stats: CommitterStats
    is_alone: bool = False
    """No other lane works for the same service on this machine."""
    ordered: WorkQueue = field(default_factory=WorkQueue)
    running: Sequence[Work] = ()
    held_up: list[Work] = field(default_factory=list)
    _expected: int = 1
    """So many commands came together the last time, in the batch and behind it."""
    _is_gathering: bool = False
    _wakeup: asyncio.Event = field(default_factory=asyncio.Event)
    _is_stopping: bool = False
    is_alive: bool = True
    """False from its death until the one that takes its place is ready for work."""
    _task: asyncio.Task[None] | None = None
    _has_ended: asyncio.Event = field(default_factory=asyncio.Event)

    def start(self, on_taken: Callable[[Sequence[Work]], None]) -> None:
        self._task = asyncio.create_task(self._run(on_taken), name="committer lane")
        self._task.add_done_callback(lambda task: self._on_end(task, on_taken))

    async def stop(self) -> None:
        self._is_stopping = True
        self._wakeup.set()
        if self._task is not None:
            await self._has_ended.wait()
        await self.carrier.close()

    def _on_end(self, task: asyncio.Task[None], on_taken: Callable[[Sequence[Work]], None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is None and not task.cancelled():
            self._has_ended.set()
            return
        _log.error("a lane has died and is replaced", exc_info=error)
        self.is_alive = False
        self.stats.lanes_lost += 1
        self.carrier.abandon()
        self._take_back()
        asyncio.get_running_loop().call_later(REPLACED_AFTER_SECONDS, self.start, on_taken)

    def _take_back(self) -> None:
        """Works whose COMMIT may have been sent are unknown. The others are the first that the next one tries."""
        running, self.running = self.running, ()
        self._is_gathering = False
        for work in running:
            work.again_at = 0.0
            if work.may_have_committed:
                self.stats.unknown += not work.is_answered
                refuse_as_busy(work)
        self.held_up = [*running, *self.held_up]
        self.refuse_those_behind()

    def refuse_those_behind(self) -> None:
        """What was refused and may be asked for again is not overtaken by what was handed over behind it."""
        refuse_those_behind((*self.running, *self.held_up, *self.ordered.works))
        for work in self.ordered.works:
            work.may_be_retried = False  # all behind it are told; who comes now may be its retry
        self.held_up = [work for work in self.held_up if not work.is_answered]

    @property
    def is_idle(self) -> bool:
        return self.is_alive and not self.running and not self._wakeup.is_set()

    def wake(self) -> None:
        """There is more to do. While the lane gathers, only the last one it waits for wakes it."""
        if not self._is_gathering or self._has_enough():
            self._wakeup.set()

    def take_in_order(self, work: Work) -> None:
        self.ordered.append(work)
        self.wake()

    async def _run(self, on_taken: Callable[[Sequence[Work]], None]) -> None:
        await self.carrier.warm_up()
        self.is_alive = True
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
                    begun = time.perf_counter()
                    given_back = await self.carrier.carry_out(self.running)
                    self.stats.tally.batch.observe(time.perf_counter() - begun)
                    self.held_up = [*given_back.works, *self.held_up]
            except Exception:
                # The carrier answers whatever happens. Should it not, the lane must live on for the others.
                _log.exception("a lane's batch has failed in a way that nobody foresaw")
                for work in self.running:
                    work.refuse(outcome_unknown())
            if self.held_up or self.ordered.works:
                self.refuse_those_behind()
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
            return [work for work in works if not work.answer.done()]
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
        enough = max(GATHERED_MIN, self._expected // GATHERED_SHARE) if self.is_alone else self._expected
        return self._waiting() >= min(enough, self._expected, BATCH_COMMANDS_MAX)

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
