"""Background work: a completer for each processor of the file as it is now, and what waits for one that is gone."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime
from functools import partial

from zerosum.db.engine import Database
from zerosum.db.queries.processor_calls import calls_of_nobody
from zerosum.services.accounts import bare_accounts
from zerosum.services.background.clock_agreement import ClockAgreement
from zerosum.services.background.completer import Completer, ProcessorTally
from zerosum.services.committing.committer import Committer
from zerosum.services.processor_moves import Mover
from zerosum.services.requests.live_processors import LiveProcessors
from zerosum.services.requests.outside_processors import Outside
from zerosum.services.spans import NO_SPANS, Spans
from zerosum.services.stopping import rest

TURN_SECONDS = 0.5
"""Between two turns of one processor, and between two looks for a processor that is new."""

NOBODY_SECONDS = 60.0
"""How often it is told what waits for a processor that is not in the file."""

_log = logging.getLogger(__name__)


class Completers:
    def __init__(
        self,
        database: Database,
        committer: Committer,
        live: LiveProcessors,
        now: Callable[[], datetime],
        spans: Spans = NO_SPANS,
    ) -> None:
        self._spans = spans
        self._database = database
        self._committer = committer
        self.live = live
        self._now = now
        self._mover = Mover(database, committer, bare_accounts(database, now), live, now)
        self._clock = ClockAgreement(database, now)
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self.tally = ProcessorTally()

    async def run(self, stop: asyncio.Event) -> None:
        """Until then; a turn that is under way ends by itself."""
        told_at = 0.0
        loop = asyncio.get_running_loop()
        while not stop.is_set():
            for name in self.live.processors:
                if name not in self._tasks or self._tasks[name].done():
                    self._tasks[name] = asyncio.create_task(self._complete(name, stop), name=f"calls of {name}")
            if loop.time() >= told_at + NOBODY_SECONDS:
                told_at = loop.time()
                await self._tell_of_nobody()
            await rest(stop, TURN_SECONDS)
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def tell_of_nobody(self) -> dict[str, int]:
        """How many calls wait for each processor that is not in the file. They say so, and so does the log."""
        async with self._database.operator_work() as connection:
            waiting = await calls_of_nobody(connection, list(self.live.processors), self._now())
        for name, number in waiting.items():
            _log.error("%d calls wait for the processor %s, which is not in the file", number, name)
        return waiting

    async def _tell_of_nobody(self) -> None:
        try:
            await self.tell_of_nobody()
        except Exception:
            _log.exception("background work failed: calls of nobody")

    async def _complete(self, name: str, stop: asyncio.Event) -> None:
        """Until its processor is taken out of the file. Described anew, it is asked so from the next turn on."""
        completer: Completer | None = None
        while not stop.is_set():
            outside = self.live.processors.get(name)
            if outside is None:
                return
            if completer is None or completer.outside is not outside:
                completer = Completer(
                    self._database, self._committer, outside, self._now, self.tally, self._spans, self._mover
                )
            try:
                if await self._clock.holds():
                    await completer.run_once(partial(self._is_described_so, outside, stop))
            except Exception:
                _log.exception("background work failed: calls of %s", name)
            await rest(stop, TURN_SECONDS)

    def _is_described_so(self, outside: Outside, stop: asyncio.Event) -> bool:
        """Still, and the worker goes on."""
        return not stop.is_set() and self.live.processors.get(outside.name) is outside
