"""The loop of one lane: what gathers while a batch is carried out becomes the next one.

It ends when the committer stops. However else it ends, another takes its place: what it was at is answered with what is
known of it, or tried again.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Collection, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from zerosum.services.committing.fair_queue import FairQueue
from zerosum.services.committing.held_up import HeldUp, refuse_as_busy, refuse_those_behind
from zerosum.services.committing.measured import CommitTally
from zerosum.services.committing.pace import Pace
from zerosum.services.committing.work import Work, outcome_unknown

_log = logging.getLogger(__name__)

BATCH_COMMANDS_MAX = 1000
"""Beyond this a batch gains nothing and its neighbours wait longer."""

BATCH_SECONDS, BATCH_COMMANDS_MIN = 0.1, 300
"""Nor is more taken than goes in so long at the pace of the last ones, or than so many: who comes next waits for it."""

GATHER_SECONDS_MAX = 0.002
"""How long a lane waits for the callers it has just answered to come back, so that they share one transaction."""

GATHERED_MIN = 8
GATHERED_SHARE = 4
"""Of many callers a lane that is alone waits for a quarter, and for so many: while PostgreSQL is at these, the process
is at the others. Waiting for all of them makes the two take turns; where there are more lanes, these fill the gaps."""

IN_AIR_MAX = 2
"""Batches: PostgreSQL is at one while the process is at the other. A third would only wait."""

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
    pace: Pace = field(default_factory=Pace)


class Carrier(Protocol):
    """What a lane does with a batch (`batch_runner.py`). Every work is answered or given back in the end."""

    @property
    def has_room(self) -> bool:
        """Whether one more can be launched now."""

    async def launch(self, works: Sequence[Work]) -> Coroutine[Any, Any, HeldUp] | None:
        """The same as `carry_out`, for a batch that need not wait for those launched before it. None: it has to."""

    async def warm_up(self) -> None:
        """Be ready before the first work comes, as far as that is possible now. Does not raise."""

    async def carry_out(self, works: Sequence[Work]) -> HeldUp:
        """What it gives back, unanswered, is given again when its time has come."""

    def abandon(self) -> None:
        """Its lane was lost in the middle of something: nothing of what went on is gone on with."""

    async def close(self) -> None: ...


@dataclass(slots=True, eq=False)
class WorkQueue:
    """Works of one order after another, and how many commands they hold: asked for at each hand-over."""

    works: deque[Work] = field(default_factory=deque)
    commands: int = 0

    def __bool__(self) -> bool:
        return bool(self.works)

    @property
    def next_commands(self) -> int:
        """How many the next work has. Raises IndexError where none waits."""
        return len(self.works[0].commands)

    def append(self, work: Work) -> None:
        self.works.append(work)
        self.commands += len(work.commands)

    def take(self) -> Work:
        work = self.works.popleft()
        self.commands -= len(work.commands)
        return work


class InAir(NamedTuple):
    works: Sequence[Work]
    task: asyncio.Task[HeldUp]
    begun: float


@dataclass(slots=True, eq=False)
class Lane:
    """Batches one after the other, or the next while the one before it is in the air (`flights.py`)."""

    shared: FairQueue
    carrier: Carrier
    stats: CommitterStats
    is_alone: bool = False
    """No other lane works for the same service on this machine."""
    ordered: WorkQueue = field(default_factory=WorkQueue)
    carried: Sequence[Work] = ()
    in_air: list[InAir] = field(default_factory=list)
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
        for flight in self.in_air:
            flight.task.cancel()
        self.carrier.abandon()
        self._take_back()
        asyncio.get_running_loop().call_later(REPLACED_AFTER_SECONDS, self.start, on_taken)

    def _take_back(self) -> None:
        """Works whose COMMIT may have been sent are unknown. The others are the first that the next one tries."""
        in_air = {work for flight in self.in_air for work in flight.works}
        running, self.carried, self.in_air = self.running, (), []
        self._is_gathering = False
        for work in running:
            work.again_at = 0.0
            if work.may_have_committed:
                self.stats.unknown += not work.is_answered
                refuse_as_busy(work)
        self.held_up = [*running, *self.held_up]
        self.refuse_those_behind(in_air=in_air)

    def refuse_those_behind(self, before: Sequence[Work] = (), in_air: Collection[Work] = ()) -> None:
        """What was refused and may be asked for again is not overtaken by what was handed over behind it.

        What is carried out meanwhile may be committed, but for what has come back from that `before`.
        """
        running = {*self.running, *in_air}.difference(before)
        refuse_those_behind((*before, *self.running, *self.held_up, *self.ordered.works), running)
        for work in self.ordered.works:
            work.may_be_retried = False  # all behind it are told; who comes now may be its retry
        self.held_up = [work for work in self.held_up if not work.is_answered]

    @property
    def running(self) -> list[Work]:
        """In the order in which they were taken."""
        return [*(work for flight in self.in_air for work in flight.works), *self.carried]

    @property
    def is_idle(self) -> bool:
        return self.is_alive and not self.carried and not self._is_full and not self._wakeup.is_set()

    @property
    def _is_full(self) -> bool:
        return bool(self.in_air) and (len(self.in_air) >= IN_AIR_MAX or not self.carrier.has_room)

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
            self._receive()
            if self._is_full or not (self._waiting() or self._has_one_due()):
                if self._is_stopping and not (self.in_air or self.held_up):
                    return
                await self._wait()
                continue
            if self._waiting():
                await self._let_them_gather()
            works = self._gather()
            if works:
                on_taken(works)
            self.carried = self._with_those_held_up(works)  # From here on they are found, whatever ends the lane.
            if self.carried and not await self._launch(self.carried):
                await self._all_landed()
                self.carried = self._with_those_held_up(self.carried)
                await self._carry_out(self.carried)
            self.carried = ()

    async def _all_landed(self) -> None:
        self._receive()
        while self.in_air:
            await self._wait()
            self._receive()

    async def _launch(self, works: Sequence[Work]) -> bool:
        """False if they have to wait for those in the air, or cannot be launched at all."""
        if self.in_air:
            orders = {work.order_key for flight in self.in_air for work in flight.works} - {None}
            if orders and any(work.order_key in orders for work in works):
                return False
        begun = time.perf_counter()
        flying = await self.carrier.launch(works)
        if flying is None:
            return False
        task = asyncio.create_task(flying, name="committer flight")
        task.add_done_callback(self._on_landing)
        self.in_air.append(InAir(works, task, begun))
        return True

    def _on_landing(self, _: asyncio.Task[HeldUp]) -> None:
        if not self._is_gathering:
            self._wakeup.set()

    def _receive(self) -> None:
        """Those that have landed. Raises what has killed one of them: the lane dies with it."""
        for flight in [flight for flight in self.in_air if flight.task.done()]:
            try:
                given_back = flight.task.result()
            except Exception:
                self._has_failed(flight.works)
                given_back = HeldUp()
            self.in_air.remove(flight)
            self._settle(flight.works, given_back, flight.begun)

    async def _carry_out(self, works: Sequence[Work]) -> None:
        if not works:
            return
        begun, given_back = time.perf_counter(), HeldUp()
        try:
            given_back = await self.carrier.carry_out(works)
        except Exception:
            self._has_failed(works)
        self._settle(works, given_back, begun)

    def _settle(self, works: Sequence[Work], given_back: HeldUp, begun: float) -> None:
        now, commands = time.perf_counter(), sum(len(work.commands) for work in works)
        self.stats.tally.batch.observe(now - begun)
        self.stats.pace.landed(commands, begun, now)
        self.held_up = [*given_back.works, *self.held_up]
        if self.held_up or self.ordered.works:
            self.refuse_those_behind(works)
        in_air = sum(len(work.commands) for flight in self.in_air for work in flight.works)
        self._expected = commands + in_air + self._waiting()

    def _has_failed(self, works: Sequence[Work]) -> None:
        """The carrier answers whatever happens. Should it not, the lane must live on for the others."""
        _log.exception("a lane's batch has failed in a way that nobody foresaw")
        for work in works:
            work.refuse(outcome_unknown())

    async def _wait(self) -> None:
        """For the next work or landing, or for the time of one that is held up."""
        self._wakeup.clear()
        timer = None
        if self.held_up and not self.in_air:
            timer = asyncio.get_running_loop().call_at(self._due_at(), self._wakeup.set)
        await self._wakeup.wait()
        if timer is not None:
            timer.cancel()

    def _has_one_due(self) -> bool:
        return bool(self.held_up) and self._due_at() <= asyncio.get_running_loop().time()

    def _due_at(self) -> float:
        """When the next of those that are held up can be taken: none is before another of its order."""
        due: list[float] = []
        orders: set[int] = set()
        for work in self.held_up:
            if work.order_key in orders:
                continue
            due.append(work.again_at)
            if work.order_key is not None and not work.is_answered:
                orders.add(work.order_key)
        return min(due)

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
        """Everything that waits, up to the bounds; at least one work however large."""
        works: list[Work] = []
        count = 0
        most = min(BATCH_COMMANDS_MAX, max(BATCH_COMMANDS_MIN, self.stats.pace.commands_in(BATCH_SECONDS)))
        for queue in (self.ordered, self.shared):
            while queue and (not works or count + queue.next_commands <= most):
                work = queue.take()
                works.append(work)
                count += len(work.commands)
        return works
