"""A worker whose clock is not that of the others asks no processor: whom a claim keeps away is decided by clocks."""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tests.conftest import Servers, TestDatabase
from tests.processors.processing import withdrawn
from tests.processors.test_live import call_of, running, written
from zerosum.adapters.clock import now
from zerosum.cli.sandbox.server import Sandbox
from zerosum.domain.identifiers import LedgerId
from zerosum.outside import live_processors
from zerosum.services.background import completers as completers_module
from zerosum.services.background.clock_agreement import APART_MAX
from zerosum.services.background.completers import Completers


@pytest.mark.parametrize("apart", [2 * APART_MAX, -2 * APART_MAX])
async def test_a_worker_whose_clock_is_wrong_asks_nobody_until_it_is_right(
    test_database: TestDatabase,
    servers: Servers,
    sandbox: Sandbox,
    tmp_path: Path,
    ledger_id: LedgerId,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    apart: timedelta,
) -> None:
    monkeypatch.setattr(completers_module, "TURN_SECONDS", 0.02)
    file = written(tmp_path / "p.json", {"first": sandbox.url, "second": sandbox.url})
    async with running(test_database, servers, file, ledger_id) as (service, client):
        payment = await withdrawn(client, processor="first")
        wrong = apart

        def clock() -> datetime:
            return now() + wrong

        stop = asyncio.Event()
        completers = Completers(service.database, service.committer, live_processors(service.settings), clock)
        working = asyncio.create_task(completers.run(stop))
        with caplog.at_level(logging.WARNING):
            async with asyncio.timeout(20):
                while not any("apart" in one.message for one in caplog.records):
                    await asyncio.sleep(0.02)
            assert (await call_of(client, payment))["attempts"] == 0
            wrong = timedelta()
            async with asyncio.timeout(20):
                while (await call_of(client, payment))["state"] != "approved":
                    await asyncio.sleep(0.02)
        stop.set()
        await working
        assert sum("apart" in one.message for one in caplog.records) == 1
