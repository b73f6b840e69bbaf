"""Withdrawals and refunds through a processor that declines, hangs, loses replies and repeats itself, workers killed.

What has left our books is what the processor has paid out and not given back, to the digit; nothing was asked for under
two keys; and the reconciliation of its settlement file leaves nothing unexplained.
"""

from __future__ import annotations

import asyncio
import csv
import io
import json
import os
import random
import signal
import tempfile
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.at_length import as_many_as
from tests.campaigns.installation import Installation, children, installed
from tests.cli.command import zerosum
from tests.processors.processing import processors_file, sandbox_running
from zerosum.api.routes.reconciliation import SANDBOX
from zerosum.cli.sandbox.behaviour import Chances
from zerosum.cli.sandbox.callbacks import Callbacks
from zerosum.cli.sandbox.server import Sandbox

PAYERS = 8
CHANCES = Chances(declined=0.05, lost=0.10, hangs=0.05, partial=0.05, never=0.03, fails=0.03, pending=0.10)
REPEATS = 0.3
SETTLED_SECONDS_MAX = 180.0
RULES = {"timeout_seconds": 0.5, "backoff_seconds": 0.2, "backoff_seconds_max": 2.0, "attempts_max": 40}


def worker_pids(installation: Installation) -> list[int]:
    """The forks of the service that serve nobody."""
    own = Path(f"/proc/{installation.process.pid}/cmdline").read_bytes()
    api, found = set(installation.api_pids()), []
    for pid in children(installation.process.pid):
        with suppress(OSError):
            if pid not in api and Path(f"/proc/{pid}/cmdline").read_bytes() == own:
                found.append(pid)
    return found


async def _opened(client: httpx.AsyncClient) -> None:
    for number in range(PAYERS):
        account = {"code": f"payer:{number}", "currency": "USD", "type": "liability"}
        (await client.post("/v1/accounts", json=account)).raise_for_status()
        body = {"type": "deposit", "amount": "1000000.00", "currency": "USD", "to": account["code"]}
        answer = await client.post("/v1/payments", json=body, headers={"Idempotency-Key": f"deposit-{number}"})
        answer.raise_for_status()


async def _withdrawn(client: httpx.AsyncClient, number: int, amount: str) -> dict[str, Any]:
    payer = f"payer:{number % PAYERS}"
    body = {"type": "withdrawal", "amount": amount, "currency": "USD", "from": payer, "processor": "sandbox"}
    answer = await client.post("/v1/payments", json=body, headers={"Idempotency-Key": f"withdrawal-{number}"})
    answer.raise_for_status()
    made: dict[str, Any] = answer.json()
    return made


async def _kill_workers(installation: Installation, times: int, between: float) -> int:
    killed = 0
    while killed < times:
        await asyncio.sleep(between)
        for pid in worker_pids(installation)[:1]:
            os.kill(pid, signal.SIGKILL)
            killed += 1
    return killed


async def _all(client: httpx.AsyncClient, path: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    cursor = ""
    while True:
        page = (await client.get(f"{path}&limit=200{cursor}")).json()
        found += page["data"]
        if not page["has_more"]:
            return found
        cursor = f"&cursor={page['next_cursor']}"


async def _until_settled(client: httpx.AsyncClient) -> None:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + SETTLED_SECONDS_MAX
    while left := (await client.get("/v1/payments?status=processing&limit=5")).json()["data"]:
        assert loop.time() < deadline, left
        await asyncio.sleep(0.5)


async def _refunded(client: httpx.AsyncClient) -> int:
    """Half of every third that has succeeded, and all that is left of every sixth: two at once."""
    payments = [one for one in await _all(client, "/v1/payments?type=withdrawal") if one["status"] == "succeeded"]
    asked = 0
    for number, payment in enumerate(payments[::3]):
        half = (Decimal(payment["approved"]) / 2).quantize(Decimal("0.01"))
        bodies: list[dict[str, str]] = [{"amount": f"{half}"}] if half else []
        bodies += [{}] if number % 2 else []
        answers = await asyncio.gather(
            *[
                client.post(
                    f"/v1/payments/{payment['id']}/refund",
                    json=body,
                    headers={"Idempotency-Key": f"{payment['id']}{turn}"},
                )
                for turn, body in enumerate(bodies)
            ]
        )
        assert {answer.status_code for answer in answers} <= {201, 422}, "all of it may have been asked for first"
        asked += sum(answer.status_code == 201 for answer in answers)
    return asked


async def _until_no_call_is_open(client: httpx.AsyncClient) -> None:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + SETTLED_SECONDS_MAX
    while any(call["settled_at"] is None for call in await _all(client, "/v1/processor-calls?processor=sandbox")):
        assert loop.time() < deadline
        await asyncio.sleep(0.5)


async def _judge(client: httpx.AsyncClient, sandbox: Sandbox, count: int) -> dict[str, Any]:
    payments = await _all(client, "/v1/payments?type=withdrawal")
    made = await _all(client, "/v1/processor-calls?processor=sandbox")
    calls = {call["payment_id"]: call for call in made if call["refund_id"] is None}
    given = {call["key"]: call for call in made if call["refund_id"] is not None and call["state"] == "approved"}
    assert len(payments) == len(calls) == count
    assert {call["state"] for call in calls.values()} <= {"approved", "declined"}
    settlement = list(csv.DictReader(io.StringIO((await client.get(f"{sandbox.url}/settlement.csv")).text)))
    there = {line["key"]: Decimal(line["amount"]) for line in settlement if line["type"] == "withdrawal"}
    back = {line["key"]: Decimal(line["amount"]) for line in settlement if line["type"] == "refund of a withdrawal"}
    assert back == {key: Decimal(call["approved"]) for key, call in given.items()}
    refunded: dict[str, Decimal] = {}
    for call in given.values():
        refunded[call["payment_id"]] = refunded.get(call["payment_id"], Decimal(0)) + Decimal(call["approved"])
    for payment in payments:
        assert (
            Decimal(payment["refunded"]) == refunded.get(payment["id"], Decimal(0)) <= Decimal(payment["approved"] or 0)
        )
        assert payment["refunding"] == "0.00"
    here = {
        calls[payment["id"]]["key"]: Decimal(payment["approved"])
        for payment in payments
        if payment["approved"] is not None
    }
    assert here == there, "every payment of the settlement is one of ours, of the same amount, and the other way round"
    keys: dict[str, set[str]] = {}
    for one in sandbox.books.payments.values():
        if one.given_back_of is not None:
            continue
        keys.setdefault(one.payment_id, set()).add(one.key)
    assert all(own == {calls[payment_id]["key"]} for payment_id, own in keys.items())
    out = sum(there.values(), Decimal(0)) - sum(back.values(), Decimal(0))
    clearing = (await client.get("/v1/accounts/clearing:sandbox:USD/balance")).json()
    assert (Decimal(clearing["posted"]), Decimal(clearing["held"])) == (-out, Decimal(0))
    balances = [(await client.get(f"/v1/accounts/payer:{number}/balance")).json() for number in range(PAYERS)]
    assert sum(Decimal(one["posted"]) for one in balances) == PAYERS * Decimal(1_000_000) - out
    assert {one["held"] for one in balances} == {"0.00"}
    failed = sum(payment["status"] == "failed" for payment in payments)
    return {
        **sandbox.books.figures(),
        "left": str(out),
        "given_back": len(back),
        "failed": failed,
        "callbacks": sandbox.callbacks.sent,
    }


async def _reconciled(client: httpx.AsyncClient, sandbox: Sandbox, folder: Path) -> None:
    """The sandbox's settlement file against its clearing account: nothing is left, on either side."""
    (await client.post("/v1/reconciliation/sources", json=SANDBOX)).raise_for_status()
    file = folder / "settlement.csv"
    file.write_bytes((await client.get(f"{sandbox.url}/settlement.csv")).content)
    told = ("--data-dir", str(folder), "--json")
    for _ in range(2):
        said = await asyncio.to_thread(zerosum, "reconcile", str(file), "--source", "sandbox", *told)
        assert said.code == 0, said
        received = json.loads(said.out)
        lines = sandbox.books.figures()["approved"]
        assert (received["lines"], received["matched"], received["open_breaks"]) == (lines, lines, 0), said
    said = await asyncio.to_thread(zerosum, "reconcile", "report", "--source", "sandbox", *told)
    assert (said.code, json.loads(said.out)["unexplained"]) == (0, 0), said
    assert sandbox.books.figures()["approved"]


async def _campaign(count: int, kills: int, *, is_warm: bool) -> None:
    generator = random.Random(20261129)
    amounts = [f"{generator.randint(1, 99_999) / 100:.2f}" for _ in range(count)]
    with tempfile.TemporaryDirectory() as folder, sandbox_running(chances=CHANCES, hang_seconds=1.5) as sandbox:
        file = processors_file(Path(folder), sandbox.url, **RULES)
        Path(folder).chmod(0o755)
        environment = {"ZEROSUM_PROCESSORS_FILE": str(file)}
        with installed("--no-demo", environment=environment, is_warm=is_warm) as installation:
            url = f"{installation.base_url}/v1/processors/sandbox/callbacks"
            sandbox.callbacks = Callbacks(url, sandbox.options.secret, seed=1, repeats=REPEATS)
            async with httpx.AsyncClient(
                base_url=installation.base_url, headers=installation.headers, trust_env=False, verify=False, timeout=30
            ) as client:
                await _opened(client)
                killing = asyncio.create_task(_kill_workers(installation, kills, between=2.0))
                for start in range(0, count, 20):
                    numbers = range(start, min(start + 20, count))
                    await asyncio.gather(*[_withdrawn(client, number, amounts[number]) for number in numbers])
                await killing
                await _until_settled(client)
                killing = asyncio.create_task(_kill_workers(installation, kills, between=1.0))
                asked = await _refunded(client)
                await killing
                await _until_no_call_is_open(client)
                figures = {**await _judge(client, sandbox, count), "refunds": asked}
                await _reconciled(client, sandbox, installation.folder)
            said = await asyncio.to_thread(zerosum, "verify", "--data-dir", str(installation.folder))
            assert said.code == 0, said
            print(f"\n{figures}, {2 * kills} workers killed")


async def test_50_withdrawals_through_a_bad_processor_come_out_even() -> None:
    await _campaign(50, as_many_as(1, at_length=2), is_warm=True)


@pytest.mark.campaign
async def test_1000_withdrawals_through_a_bad_processor_come_out_even() -> None:
    await _campaign(1000, 2, is_warm=False)
