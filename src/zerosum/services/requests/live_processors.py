"""The processors and routes of the file as it is now, and how well each processor answers: read anew without a restart.

A new file that is wrong changes nothing: the one before goes on, and the log says what is wrong, once.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from zerosum.adapters.watched_file import WatchedFile
from zerosum.db.engine import Database
from zerosum.db.queries.processor_health import healths
from zerosum.domain.identifiers import SERVICE_LEDGER
from zerosum.domain.payments.ledger_routes import OwnRoutes
from zerosum.domain.payments.routing import Routed
from zerosum.services.requests.outside_processors import NO_PROCESSORS, Chosen, Outside, OutsideProcessors

LOOK_SECONDS = 1.0
"""So long a change of the file may go unseen."""

HEALTH_SECONDS = 2.0
"""So old what is known of the processors' health may be."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """All that one state of the file says."""

    processors: Mapping[str, Outside] = field(default_factory=dict)
    outside: OutsideProcessors = NO_PROCESSORS


class LiveProcessors:
    """`read` reads the file, and raises what is wrong with it. Made at the start, where that ends it."""

    def __init__(
        self,
        path: Path | None,
        read: Callable[[], Described],
        database: Database | None = None,
        now: Callable[[], datetime] | None = None,
    ) -> None:
        self._database = database
        self._now = now
        self._file = None if path is None else WatchedFile(path, read)
        self.described = read()
        """As it was when one looked last."""
        self._looked_at = time.monotonic()
        self._health: asyncio.Task[None] | None = None

    @property
    def processors(self) -> Mapping[str, Outside]:
        self._look_again()
        return self.described.processors

    @property
    def outside(self) -> OutsideProcessors:
        self._look_again()
        return self.described.outside

    def chosen(self, named: str, payment: Routed, own: OwnRoutes | None = None) -> Chosen:
        """Raises NoRoute, ProcessorNotFound."""
        return self.outside.chosen(named, payment, own)

    def is_asked_to_refund(self, processor: str) -> bool:
        """Raises ProcessorNotFound."""
        return self.outside.is_asked_to_refund(processor)

    def start(self) -> None:
        """From now on to know how well they answer."""
        if self._file is not None and self._database is not None:
            self._health = asyncio.create_task(self._look_at_health(), name="health of processors")

    async def stop(self) -> None:
        if self._health is not None:
            self._health.cancel()
            await asyncio.gather(self._health, return_exceptions=True)

    async def look_at_health(self) -> None:
        """Once."""
        if self._database is None or self._now is None:
            return
        async with self._database.work(SERVICE_LEDGER) as connection:
            found = await healths(connection)
        moment, described = self._now(), self.described
        troubled = {
            name: trouble
            for name, health in found.items()
            if name in described.processors
            and (trouble := health.trouble(described.processors[name].rules.breaker, moment)) is not None
        }
        self.described = replace(described, outside=replace(described.outside, troubled=troubled))

    async def _look_at_health(self) -> None:
        while True:
            try:
                await self.look_at_health()
            except Exception as error:
                _log.warning("the health of the processors could not be read: %s", type(error).__name__)
            await asyncio.sleep(HEALTH_SECONDS)

    def _look_again(self) -> None:
        if self._file is None or time.monotonic() < self._looked_at + LOOK_SECONDS:
            return
        seen = self._file.changed_at_once()
        self._looked_at = time.monotonic()
        if seen is None:
            return
        described = seen.content
        if described is None:
            _log.error("the changed file of processors is wrong, and the one before it goes on: %s", seen.error)
            return
        troubled = self.described.outside.troubled
        self.described = replace(described, outside=replace(described.outside, troubled=troubled))
        _log.info("the file of processors was read anew: version %s", described.outside.version)
