"""The worker's chores: again and again, whatever happens to one of them, until it is told to stop."""

from __future__ import annotations

import asyncio
import base64
import logging
import os
import signal
from pathlib import Path

import pytest

from tests.conftest import Servers, clone_database
from tests.services.fresh_database import make_ledger
from zerosum import worker
from zerosum.api.schemas.events import event_body
from zerosum.config import load_settings
from zerosum.db.engine import Database, make_engine
from zerosum.metrics.metrics import Readings
from zerosum.worker import Chore, _repeat


async def test_a_chore_is_done_again_and_again_until_the_stop() -> None:
    stop, turns = asyncio.Event(), 0

    async def run_once() -> None:
        nonlocal turns
        turns += 1
        if turns == 3:
            stop.set()

    await asyncio.wait_for(_repeat(Chore("count", 0.001, run_once), stop), 5)
    assert turns == 3


async def test_a_chore_that_fails_is_logged_and_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    stop, turns = asyncio.Event(), 0

    async def run_once() -> None:
        nonlocal turns
        turns += 1
        if turns == 2:
            stop.set()
        raise ValueError("away")

    with caplog.at_level(logging.ERROR):
        await asyncio.wait_for(_repeat(Chore("count", 0.001, run_once), stop), 5)
    assert turns == 2
    failures = [record.getMessage() for record in caplog.records if "background work failed" in record.getMessage()]
    assert failures == ["background work failed: count"] * 2


async def test_the_stop_does_not_wait_for_the_next_turn() -> None:
    stop, is_done = asyncio.Event(), asyncio.Event()

    async def run_once() -> None:
        is_done.set()

    task = asyncio.create_task(_repeat(Chore("rare", 3600.0, run_once), stop))
    await is_done.wait()
    stop.set()
    await asyncio.wait_for(task, 5)


async def test_the_worker_audits_the_books_and_tells_how_far_it_is(
    servers: Servers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a database of its own, with one ledger: it goes through all that there are."""
    audited = await clone_database(servers, "zerosum_background_work")
    opened = Database(make_engine(audited.service_dsn, pool_size=1))
    await make_ledger(opened)
    await opened.close()
    monkeypatch.setattr(worker, "METRICS_SECONDS", 0.02)
    settings = load_settings(
        database_url=audited.service_dsn,
        master_keys=f"test:{base64.b64encode(bytes(32)).decode()}",
        self_audit_seconds=0.02,
        heads_dir=tmp_path,
    )
    told: dict[str, float] = {}

    def tell(readings: Readings) -> None:
        told.update({metric.name: one for metric, one in readings.items() if isinstance(one, float | int)})
        if told["zerosum_self_audit_slices_total"] and list(tmp_path.glob("heads-*.txt")):
            os.kill(os.getpid(), signal.SIGTERM)

    assert await asyncio.wait_for(worker._work(settings, tell, event_body), 60) == 0
    assert told["zerosum_self_audit_slice_timestamp_seconds"] > 0
    assert told["zerosum_self_audit_differences"] >= 0
