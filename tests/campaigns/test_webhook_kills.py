"""kill -9 of the worker while it delivers: each committed event arrives, and what comes twice bears the same id."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.campaigns.installation import Installation, children, installed
from tests.webhooks.receiver import Receiver, receiving
from zerosum.services.webhooks.dispatcher import CLAIM_TIME

STILL_SECONDS_MAX = CLAIM_TIME.total_seconds() + 60
"""Without a single event: what a killed worker had claimed comes after the first of these."""
LIVES_AT_ONCE = 5


def worker_pid(installation: Installation) -> int | None:
    """The fork of `zerosum up` that serves nothing."""
    serving = set(installation.api_pids())
    own = Path(f"/proc/{installation.process.pid}/cmdline").read_bytes()
    for pid in children(installation.process.pid):
        with contextlib.suppress(OSError):
            if pid not in serving and Path(f"/proc/{pid}/cmdline").read_bytes() == own:
                return pid
    return None


async def the_worker(installation: Installation) -> int:
    """Once it is there: the more often it has died, the longer it is waited until it is started again."""
    while (pid := worker_pid(installation)) is None:
        await asyncio.sleep(0.05)
    return pid


async def more_than(number: int, receiver: Receiver) -> None:
    await receiver.has(number + 1, STILL_SECONDS_MAX)


async def hold_lives(client: httpx.AsyncClient, number: int) -> None:
    """A hold of five steps: events of one resource, whose order can be judged."""
    key = f"hold-{number}"
    body = {"from": "customers:alice", "to": "customers:bob", "amount": "1.00", "currency": "USD"}
    hold = (await client.post("/v1/holds", json=body, headers={"Idempotency-Key": key})).json()["id"]
    for step, (verb, given) in enumerate(
        (
            ("increment", {"amount": "1.00"}),
            ("increment", {"amount": "1.00"}),
            ("capture", {"amount": "1.00"}),
            ("void", {}),
        )
    ):
        answer = await client.post(f"/v1/holds/{hold}/{verb}", json=given, headers={"Idempotency-Key": f"{key}-{step}"})
        assert answer.status_code == 200, answer.text


async def feed(client: httpx.AsyncClient) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    after: dict[str, Any] = {}
    while True:
        page = (await client.get("/v1/events", params={"type": "hold.*", "limit": 200, **after})).json()
        found += page["data"]
        if not page["has_more"]:
            return found
        after = {"after": page["next_after"]}


def judge(receiver: Receiver, told: list[dict[str, Any]]) -> int:
    """How many came twice."""
    first: dict[str, dict[str, Any]] = {}
    for one in receiver.received:
        assert first.setdefault(one.id, one.event) == one.event
    assert first == {event["id"]: event for event in told}
    wanted: dict[str, list[str]] = {}
    for event in told:
        wanted.setdefault(event["resource"]["id"], []).append(event["id"])
    came: dict[str, list[str]] = {}
    for event in first.values():
        came.setdefault(event["resource"]["id"], []).append(event["id"])
    assert came == wanted
    return len(receiver.received) - len(first)


@pytest.mark.parametrize("kills", [1, pytest.param(100, marks=pytest.mark.campaign)])
async def test_a_killed_worker_loses_no_event(kills: int) -> None:
    generator = random.Random(7)
    environment = {"ZEROSUM_WEBHOOK_ALLOW_PRIVATE": "true"}
    with installed("--workers", "1", environment=environment, is_warm=kills == 1) as installation:
        async with (
            receiving(seconds=0.2) as receiver,
            httpx.AsyncClient(base_url=installation.base_url, headers=installation.headers, timeout=30) as client,
        ):
            body = {"url": receiver.url, "event_types": ["hold.*"]}
            assert (await client.post("/v1/webhook-endpoints", json=body)).status_code == 201
            money = {"type": "deposit", "amount": "100000.00", "currency": "USD", "to": "customers:alice"}
            await client.post("/v1/payments", json=money, headers={"Idempotency-Key": "money"})
            for killed in range(kills):
                lives = [hold_lives(client, LIVES_AT_ONCE * killed + place) for place in range(LIVES_AT_ONCE)]
                before = len(receiver.received)
                await asyncio.gather(*lives)
                await more_than(before, receiver)
                await asyncio.sleep(generator.uniform(0.0, 0.3))
                os.kill(await the_worker(installation), signal.SIGKILL)
            told = await feed(client)
            assert len(told) == 5 * LIVES_AT_ONCE * kills
            while len(set(receiver.ids)) < len(told):
                await more_than(len(receiver.received), receiver)
            print(f"\n{kills} kills, {len(told)} events, {judge(receiver, told)} of them twice")
