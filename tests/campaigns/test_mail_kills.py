"""kill -9 of the worker while it mails: each mail arrives, and what comes twice bears the same id."""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter

import httpx
import pytest

from tests.campaigns.installation import installed
from tests.campaigns.test_webhook_kills import worker_pid
from tests.notifications.mail_server import OK, Taken, mail_server
from zerosum.services.notifications.mailer import CLAIM_TIME

PAYMENTS = 30
KILLS = 2


@pytest.mark.campaign
async def test_a_killed_worker_loses_no_mail() -> None:
    killed = 0
    async with mail_server() as server:
        environment = {"ZEROSUM_SMTP_URL": server.url, "ZEROSUM_MAIL_SENDER": "alerts@example.com"}
        with installed("--workers", "1", environment=environment) as installation:

            async def slow(taken: Taken) -> str:
                """The worker dies while it waits for the answer to each tenth mail."""
                nonlocal killed
                if len(server.taken) % 10 == 5 and killed < KILLS:
                    pid = worker_pid(installation)
                    if pid is not None:
                        os.kill(pid, signal.SIGKILL)
                        killed += 1
                return OK

            server.answers = slow
            async with httpx.AsyncClient(base_url=installation.base_url, headers=installation.headers) as client:
                notification = {
                    "name": "Payments",
                    "event_types": ["payment.succeeded"],
                    "recipients": ["ann@example.com"],
                    "subject": "{data.amount}",
                    "text": "{id}",
                    "mails_per_hour": 100,
                }
                assert (await client.post("/v1/notifications", json=notification)).status_code == 201
                for number in range(PAYMENTS):
                    body = {"type": "deposit", "amount": "1.00", "currency": "USD", "to": "customers:alice"}
                    key = {"Idempotency-Key": f"money-{number}"}
                    assert (await client.post("/v1/payments", json=body, headers=key)).status_code == 201
                async with asyncio.timeout((KILLS + 1) * CLAIM_TIME.total_seconds()):
                    while len(set(server.ids)) < PAYMENTS:
                        await asyncio.sleep(0.5)
    times = Counter(server.ids)
    print(f"\n{killed} kills, {PAYMENTS} events, {sum(times.values()) - PAYMENTS} of them twice")
    assert killed == KILLS
    assert sum(times.values()) - PAYMENTS <= killed
    contents = {one.message["Message-ID"]: one.content for one in server.taken}
    assert all(one.content == contents[one.message["Message-ID"]] for one in server.taken)
