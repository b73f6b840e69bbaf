"""The file of processors read anew without a restart, how well they answer, and what waits for one that is gone."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.api.conftest import Client
from tests.conftest import Servers, TestDatabase
from tests.processors.processing import QUICK, SECRET, client_with, processing_service, sandbox_running, withdrawn
from tests.rules.judging import hanging
from zerosum.adapters.clock import now
from zerosum.cli.sandbox.behaviour import Chances
from zerosum.cli.sandbox.server import Sandbox
from zerosum.domain.identifiers import SERVICE_LEDGER, LedgerId
from zerosum.main import Service
from zerosum.outside import live_processors
from zerosum.services.background.completer import Completer
from zerosum.services.background.completers import Completers
from zerosum.services.requests import live_processors as live_module

NOWHERE = "http://127.0.0.1:9"
ROUTE = {"name": "all", "processors": ["first", "second"]}


@pytest.fixture(autouse=True)
def looked_at_every_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_module, "LOOK_SECONDS", 0.0)


def written(path: Path, urls: dict[str, str], route: dict[str, Any] | None = None, **rules: Any) -> Path:
    described = {
        name: {"kind": "sandbox", "base_url": url, "secret": SECRET, **QUICK, **rules} for name, url in urls.items()
    }
    path.write_text(json.dumps({"processors": described, "routes": [route or ROUTE]}), encoding="utf-8")
    return path


@asynccontextmanager
async def running(
    database: TestDatabase, servers: Servers, file: Path, ledger_id: LedgerId
) -> AsyncIterator[tuple[Service, Client]]:
    async with processing_service(database, servers, file) as service:
        client = await client_with(service, ledger_id)
        yield service, client
        await client.http.aclose()
        async with service.database.work(SERVICE_LEDGER) as connection:
            # The next test's processors are called the same.
            await connection.exec_driver_sql(
                "update processor_health set consecutive_failures = 0, paused_until = null, approved = 0, "
                "attempts = 0, approved_before = 0, attempts_before = 0"
            )


async def call_of(client: Client, payment: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = (await client.get(f"/v1/processor-calls/{payment['id']}")).json()
    return found


async def test_one_that_does_not_answer_is_left_alone_and_routes_pass_it_over_until_it_does(
    test_database: TestDatabase, servers: Servers, sandbox: Sandbox, tmp_path: Path, ledger_id: LedgerId
) -> None:
    rules: dict[str, Any] = {"breaker_failures": 3, "backoff_seconds": 60, "backoff_seconds_max": 60}
    file = written(tmp_path / "p.json", {"first": NOWHERE, "second": sandbox.url}, **rules)
    async with running(test_database, servers, file, ledger_id) as (service, client):
        live = service.services.live_processors
        waiting = [await withdrawn(client, processor="auto") for _ in range(3)]
        assert {payment["processor"] for payment in waiting} == {"first"}
        first = Completer(service.database, service.committer, live.processors["first"], now)
        assert await first.run_once() == 3
        async with service.database.operator_work() as connection:
            due = "update processor_calls set next_at = now() where processor = 'first' and state = 'unknown'"
            await connection.exec_driver_sql(due)
        assert await first.run_once() == 0, "they are due again, and nobody asks"
        other = Completer(service.database, service.committer, live.processors["first"], now)
        assert await other.run_once() == 0, "another worker knows it as well"
        await live.look_at_health()
        chosen = await withdrawn(client, processor="auto")
        call = await call_of(client, chosen)
        assert (call["processor"], call["route"]) == ("second", "all")
        assert call["routing"] == {
            "version": live.outside.version,
            "passed_over": {"first": "3 attempts in a row had no reply"},
            "routes": None,
            "next": ["first"],
        }
        written(file, {"first": sandbox.url, "second": sandbox.url}, **rules)
        later = live_processors(service.settings).processors["first"]
        async with service.database.work(SERVICE_LEDGER) as connection:
            await connection.exec_driver_sql("update processor_health set paused_until = now() - interval '1 second'")
        assert await Completer(service.database, service.committer, later, now).run_once() == 3
        await live.look_at_health()
        assert (await withdrawn(client, processor="auto"))["processor"] == "first"
        for payment in waiting:
            assert (await client.get(f"/v1/payments/{payment['id']}")).json()["status"] == "succeeded"


async def test_one_that_answers_look_ups_and_pays_nothing_is_left_alone(
    test_database: TestDatabase, servers: Servers, tmp_path: Path, ledger_id: LedgerId
) -> None:
    rules: dict[str, Any] = {
        "breaker_failures": 2,
        "breaker_seconds": 600,
        "timeout_seconds": 0.2,
        "backoff_seconds": 60,
        "backoff_seconds_max": 60,
    }
    with sandbox_running(chances=Chances(never=1.0)) as silent:
        file = written(tmp_path / "p.json", {"first": silent.url, "second": silent.url}, **rules)
        async with running(test_database, servers, file, ledger_id) as (service, client):
            await withdrawn(client, processor="first")
            first = Completer(
                service.database, service.committer, service.services.live_processors.processors["first"], now
            )
            for begun in (1, 1, 0):
                async with service.database.operator_work() as connection:
                    await connection.exec_driver_sql(
                        "update processor_calls set next_at = now() where processor = 'first' and next_at is not null"
                    )
                assert await first.run_once() == begun


async def test_where_all_are_in_trouble_the_first_takes_it(
    test_database: TestDatabase, servers: Servers, tmp_path: Path, ledger_id: LedgerId
) -> None:
    file = written(tmp_path / "p.json", {"first": NOWHERE, "second": NOWHERE})
    async with running(test_database, servers, file, ledger_id) as (service, client):
        live = service.services.live_processors
        described = live.described
        live.described = replace(described, outside=replace(described.outside, troubled={"first": "a", "second": "b"}))
        assert (await withdrawn(client, processor="auto"))["processor"] == "first"


async def test_a_changed_file_counts_at_once_and_a_faulty_one_changes_nothing(
    test_database: TestDatabase,
    servers: Servers,
    sandbox: Sandbox,
    tmp_path: Path,
    ledger_id: LedgerId,
    caplog: pytest.LogCaptureFixture,
) -> None:
    file = written(tmp_path / "p.json", {"first": sandbox.url, "second": sandbox.url})
    async with running(test_database, servers, file, ledger_id) as (_, client):
        before = await call_of(client, await withdrawn(client, processor="auto"))
        written(file, {"first": sandbox.url, "third": sandbox.url}, {"name": "new", "processors": ["third"]})
        after = await call_of(client, await withdrawn(client, processor="auto"))
        assert (after["processor"], after["route"]) == ("third", "new")
        assert after["routing"]["version"] != before["routing"]["version"]
        gone = await client.pay(
            {"type": "withdrawal", "amount": "1", "currency": "USD", "from": "alice", "processor": "second"}
        )
        assert gone.status_code == 422
        file.write_text('{"processors": {"third": {"kind": "unknown"}}}', encoding="utf-8")
        with caplog.at_level(logging.ERROR):
            same = await call_of(client, await withdrawn(client, processor="auto"))
            await withdrawn(client, processor="auto")
        assert (same["processor"], same["routing"]["version"]) == ("third", after["routing"]["version"])
        [told] = [record for record in caplog.records if "the one before it goes on" in record.message]
        assert "processors.third.kind is one of" in told.message
        file.unlink()
        assert (await withdrawn(client, processor="auto"))["processor"] == "third"


async def test_a_file_system_that_hangs_keeps_nobody_from_paying(
    test_database: TestDatabase, servers: Servers, sandbox: Sandbox, tmp_path: Path, ledger_id: LedgerId
) -> None:
    file = written(tmp_path / "p.json", {"first": sandbox.url, "second": sandbox.url})
    content = file.read_text(encoding="utf-8").replace("first", "third")
    async with running(test_database, servers, file, ledger_id) as (_, client):
        with hanging(file, tmp_path / "pipe") as go_on:
            async with asyncio.timeout(20):
                for _number in range(10):
                    assert (await withdrawn(client, processor="auto"))["processor"] == "first"
            file.unlink()
            file.write_text(content, encoding="utf-8")
            async with asyncio.timeout(20):
                while (await withdrawn(client, processor="auto"))["processor"] == "first":
                    go_on()


async def test_the_worker_asks_one_that_is_new_and_tells_of_what_waits_for_one_that_is_gone(
    test_database: TestDatabase,
    servers: Servers,
    sandbox: Sandbox,
    tmp_path: Path,
    ledger_id: LedgerId,
    caplog: pytest.LogCaptureFixture,
) -> None:
    file = written(tmp_path / "p.json", {"first": NOWHERE, "second": sandbox.url})
    async with running(test_database, servers, file, ledger_id) as (service, client):
        waits = await withdrawn(client, processor="first")
        written(file, {"second": sandbox.url, "third": sandbox.url}, {"name": "new", "processors": ["third"]})
        stop = asyncio.Event()
        completers = Completers(service.database, service.committer, live_processors(service.settings), now)
        running_ = asyncio.create_task(completers.run(stop))
        with caplog.at_level(logging.ERROR):
            new = await withdrawn(client, processor="auto")
            async with asyncio.timeout(20):
                while (await call_of(client, new))["state"] != "approved":
                    await asyncio.sleep(0.05)
        stop.set()
        await running_
        assert any("wait for the processor first, which is not in the file" in one.message for one in caplog.records)
        call = await call_of(client, waits)
        assert call["last_error"] == "the processor is not in the file: nobody asks it"
        body = {"outcome": "declined", "reason": "It was never asked."}
        answer = await client.post(f"/v1/processor-calls/{waits['id']}/settle", body, key="by-hand")
        assert (answer.status_code, answer.json()["state"]) == (200, "declined")


async def test_what_is_not_begun_when_the_file_changes_is_asked_as_the_new_one_says(
    test_database: TestDatabase, servers: Servers, sandbox: Sandbox, tmp_path: Path, ledger_id: LedgerId
) -> None:
    """However much of it there is: a turn may last for minutes."""
    file = written(tmp_path / "p.json", {"first": NOWHERE, "second": sandbox.url}, at_once=1)
    async with running(test_database, servers, file, ledger_id) as (service, client):
        waiting = [await withdrawn(client, processor="first") for _ in range(3)]
        live = live_processors(service.settings)
        outside = live.processors["first"]
        completers = Completers(service.database, service.committer, live, now)
        written(file, {"first": sandbox.url, "second": sandbox.url})
        described_so = partial(completers._is_described_so, outside, asyncio.Event())
        assert await Completer(service.database, service.committer, outside, now).run_once(described_so) == 0
        completer = Completer(service.database, service.committer, live.processors["first"], now)
        assert await completer.run_once() == 3
        for payment in waiting:
            assert (await client.get(f"/v1/payments/{payment['id']}")).json()["status"] == "succeeded"


async def test_a_file_that_changes_in_the_middle_of_a_payment_lets_it_be_asked_for_again(
    test_database: TestDatabase,
    servers: Servers,
    sandbox: Sandbox,
    tmp_path: Path,
    ledger_id: LedgerId,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file = written(tmp_path / "p.json", {"first": sandbox.url, "second": sandbox.url})
    async with running(test_database, servers, file, ledger_id) as (service, client):
        prepared = service.services.payments.kind.prepare

        async def and_then_it_changes(*given: Any, **members: Any) -> Any:
            made = await prepared(*given, **members)
            written(file, {"second": sandbox.url}, {"name": "new", "processors": ["second"]})
            return made

        body = {"type": "withdrawal", "amount": "1", "currency": "USD", "from": "alice", "processor": "auto"}
        with monkeypatch.context() as patched:
            patched.setattr(service.services.payments.kind, "prepare", and_then_it_changes)
            first = await client.pay(body, "once")
        assert (first.status_code, first.json()["retryable"]) == (503, True)
        again = await client.pay(body, "once")
        assert (again.status_code, again.json()["processor"]) == (201, "second")
