"""Scheduled payments of the tests, and a worker of any moment."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

from tests.api.conftest import Client, fresh_key
from zerosum.adapters.balance_cache import NoBalanceCache
from zerosum.adapters.clock import now
from zerosum.db.batch import BatchConnection
from zerosum.main import Service
from zerosum.services.background.scheduled_runs import ScheduledRuns
from zerosum.services.committing.batch_runner import BatchRunner
from zerosum.services.committing.committer import Committer, CommitterOptions
from zerosum.services.committing.lane_loop import CommitterStats
from zerosum.services.judging import PaymentRules
from zerosum.services.spans import NO_SPANS, Spans

SOON = timedelta(minutes=1)
RENT = {"type": "transfer", "amount": "10", "currency": "USD", "from": "tenant", "to": "landlord"}


@asynccontextmanager
async def committer_at(service: Service, moment: datetime) -> AsyncIterator[Committer]:
    """Of a worker: with a lane of its own, as the real one has; its clock stands still."""
    lane_url, stats = service.settings.lane_url(), CommitterStats()

    def carrier() -> BatchRunner:
        return BatchRunner(
            lambda: BatchConnection.open(lane_url, 5.0), lambda: moment, NoBalanceCache(), stats, remembers=False
        )

    committer = Committer(carrier, CommitterOptions(), stats)
    committer.start()
    try:
        yield committer
    finally:
        await committer.stop()


@asynccontextmanager
async def worker_at(service: Service, moment: datetime, spans: Spans = NO_SPANS) -> AsyncIterator[ScheduledRuns]:
    async with committer_at(service, moment) as committer:
        book = service.rule_book
        rules = None if book is None else PaymentRules(book, service.database, committer, spans)
        yield ScheduledRuns(service.database, committer, lambda: moment, rules, spans)


async def run_at(service: Service, moment: datetime, turns: int = 1) -> None:
    """How many it runs tells nothing: it looks over all ledgers."""
    async with worker_at(service, moment) as worker:
        for _ in range(turns):
            await worker.run_once()


async def scheduled(client: Client, **members: Any) -> dict[str, Any]:
    body = {**RENT, "execute_at": (now() + SOON).isoformat(), **members}
    answer = await client.post("/v1/scheduled-payments", body, key=fresh_key())
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def read(client: Client, made: dict[str, Any]) -> dict[str, Any]:
    answer = await client.get(f"/v1/scheduled-payments/{made['id']}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found
