"""All publications of one process, and what it tells of them."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import socket
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from zerosum.db.engine import Database
from zerosum.domain.publications import PublicationUnfit
from zerosum.services.publications.positions import PublicationPositions
from zerosum.services.publications.publisher import PublicationOrder, Publisher, Render
from zerosum.services.spans import NO_SPANS, Spans
from zerosum.services.stopping import rest

UNFIT_SECONDS = 10.0
"""After so long a publication that names something else than it did is looked at again."""

_log = logging.getLogger(__name__)


class Publishing:
    """Publications that share a database."""

    def __init__(
        self,
        orders: Sequence[PublicationOrder],
        database: Database,
        render: Render,
        now: Callable[[], datetime],
        lease_seconds: float,
        spans: Spans = NO_SPANS,
    ) -> None:
        holder = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
        self.publishers = [
            Publisher(
                order.publication,
                PublicationPositions(database, order.only, lease_seconds=lease_seconds),
                database,
                order.make(),
                render,
                now,
                holder=holder,
                begins_latest=order.begins_latest,
                spans=spans,
            )
            for order in orders
        ]

    async def run(self, stop: asyncio.Event) -> None:
        """Until told to stop. One that cannot go on ends the others too, in peace. Raises PublicationUnfit."""
        tasks = [asyncio.create_task(one.run(stop), name="publication") for one in self.publishers]
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        if any(task.exception() is not None for task in done):
            stop.set()
        await asyncio.wait(tasks)
        for task in tasks:
            task.result()

    async def run_patiently(self, stop: asyncio.Event) -> None:
        """Until told to stop; one that cannot go on is told in the log and tried again, and hinders no other."""
        await asyncio.gather(*(_patiently(one, stop) for one in self.publishers))

    def totals(self) -> Mapping[str, float]:
        tallies = [one.tally for one in self.publishers]
        return {
            "published_events": float(sum(tally.published for tally in tallies)),
            "publish_failures": float(sum(tally.failures for tally in tallies)),
            "publish_fenced": float(sum(tally.fenced for tally in tallies)),
        }

    def newest(self) -> Mapping[str, float]:
        """The longest that an event waits; nothing where this process publishes nothing."""
        lags = [lag for one in self.publishers if (lag := one.lag_seconds) is not None]
        return {"publish_lag_seconds": max(lags)} if lags else {}


async def _patiently(publisher: Publisher, stop: asyncio.Event) -> None:
    while not stop.is_set():
        try:
            await publisher.run(stop)
        except PublicationUnfit as unfit:
            _log.error("%s", unfit)
            await rest(stop, UNFIT_SECONDS)
