"""The committer in a process of its own, without HTTP: commands made beforehand, and callers that wait for answers."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gc
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import uvloop

from benchmarks.books import check_books
from benchmarks.cpu import OURSELVES, Meter, Spent
from benchmarks.databases import fresh_database
from benchmarks.ground import Ground
from benchmarks.readings import Reading
from benchmarks.service import Service
from zerosum.cli.installation import installation_settings
from zerosum.cli.load import Histogram
from zerosum.cli.load.forks import in_forks
from zerosum.cli.processes import GC_THRESHOLDS
from zerosum.domain.errors import OutcomeUnknown, Unavailable
from zerosum.domain.ledger.outcome import Answer, Posted
from zerosum.domain.payments.pay import Pay
from zerosum.main import Service as Whole
from zerosum.services.committing.committer import Committer

COMMANDS_PER_SECOND = 25_000
"""So many are made beforehand for each second; a reading that uses them up ends early."""

WARM_UP_SHARE = 0.25
SEED = 7
TRIES_MAX = 10


class CommandWasRefused(Exception):
    """Every payment of a benchmark can be carried out; one that was not is a fault."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitterCase:
    """`items` above 1: each caller hands over so many commands at once."""

    part: str = "committer"
    name: str
    service: Service
    ground: Ground
    callers: int
    items: int = 1
    seconds: float
    has_cache: bool = True

    def run(self) -> Reading:
        with fresh_database(self.service) as database:
            reading, payments = in_forks([functools.partial(self.measure, database)])[0]
            before = check_books(self.service, database).payments - len(self.ground.account_ids)
            if before != payments:
                raise CommandWasRefused(f"{payments} payments were acknowledged, {before} are in the books")
        return reading

    def measure(self, database: str) -> tuple[Reading, int]:
        """In a process that ends with it. With how many payments were made in all."""
        settings = installation_settings(
            self.service.data_dir,
            database_url=self.service.dsn(database),
            # Another number than the service's own: the same accounts have other balances here.
            redis_url=self.service.redis_url[:-1] + "1" if self.has_cache else None,
        )
        commands = self.ground.commands(int(COMMANDS_PER_SECOND * self.seconds * (1 + WARM_UP_SHARE)), SEED)
        gc.freeze()
        gc.set_threshold(*GC_THRESHOLDS)
        return uvloop.run(self._carry_out(Whole(settings), commands))

    async def _carry_out(self, whole: Whole, commands: list[Pay]) -> tuple[Reading, int]:
        await whole.start()
        try:
            run = _Run(whole.committer, commands, self.items)
            meter = Meter({"postgres": self.service.postgres_pids, "valkey": self.service.valkey_pids})
            callers = [asyncio.create_task(run.call()) for _ in range(self.callers)]
            await asyncio.sleep(self.seconds * WARM_UP_SHARE)
            run.start_window()
            meter.start()
            began = time.perf_counter()
            await asyncio.wait(callers, timeout=self.seconds)
            seconds, spent = time.perf_counter() - began, meter.stop()
            items, latencies = run.items, run.latencies
            run.is_open = False
            await asyncio.gather(*callers)
        finally:
            await whole.stop()
        reading = Reading.of(items=items, seconds=seconds, latencies=latencies, spent=own_as_api(spent))
        return reading, run.payments


class _Run:
    """What the callers share."""

    def __init__(self, committer: Committer, commands: list[Pay], items: int) -> None:
        self.is_open = True
        self.payments = 0
        self.items = 0
        self.latencies = Histogram()
        self._committer = committer
        self._items = items
        self._batches = self._cut(commands)

    def start_window(self) -> None:
        self.items, self.latencies = 0, Histogram()

    def _cut(self, commands: list[Pay]) -> Iterator[list[Pay]]:
        for first in range(0, len(commands), self._items):
            yield commands[first : first + self._items]

    async def call(self) -> None:
        for batch in self._batches:
            began = time.perf_counter()
            answers = await self._answers(batch)
            self.latencies.record(time.perf_counter() - began)
            if not all(isinstance(answer, Posted) for answer in answers):
                raise CommandWasRefused(str(answers[0]))
            self.items += len(batch)
            self.payments += len(batch)
            if not self.is_open:
                return

    async def _answers(self, batch: list[Pay]) -> Sequence[Answer]:
        """Of a machine that is too busy it is asked again under the same keys, which is part of the time it took."""
        for _ in range(TRIES_MAX):
            with contextlib.suppress(Unavailable, OutcomeUnknown):
                if len(batch) == 1:
                    return [await self._committer.carry_out(batch[0])]
                return await self._committer.carry_out_each(batch)
        raise CommandWasRefused(f"too busy, {TRIES_MAX} times")


def own_as_api(spent: Spent) -> Spent:
    """Here this process stands in the place of the API process."""
    seconds = dict(spent.seconds)
    seconds["api"] = seconds.pop(OURSELVES)
    return Spent(seconds, spent.foreign_seconds)
