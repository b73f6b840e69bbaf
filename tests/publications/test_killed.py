"""`zerosum publish` as whole processes, two at once, killed and stopped in the middle, the broker cut off and hung.

Every committed event arrives, duplicates carry the same id, and those of a key first come in the order of the feed.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.campaigns.installation import Installation, installed
from tests.cli.command import zerosum
from tests.cli.warm_start import Process, start_in_background
from tests.publications.brokers import Broker, KafkaEvents, fresh
from tests.publications.ground import TYPES, arrived

pytestmark = pytest.mark.xdist_group("publications")

ACCOUNTS = 10
LEASE_SECONDS = 2.0
ZOMBIE_SECONDS = 3.0
"""Longer than a lease."""

SECONDS_MAX = 90.0


@pytest.fixture(scope="module")
def installation() -> Iterator[Installation]:
    with installed("--no-demo", is_warm=True) as running:
        yield running


class Storm:
    """Payments, and two publishers of what they tell."""

    def __init__(self, installation: Installation, broker: Broker, seed: int) -> None:
        self.installation = installation
        self.broker = broker
        self.paid = 0
        self._name = fresh("storm")
        self._chance = random.Random(seed)
        self._processes: list[Process] = []
        self._accounts: list[str] = []
        self._http = httpx.AsyncClient(
            base_url=installation.base_url, headers=installation.headers, trust_env=False, verify=False, timeout=20
        )

    async def open_accounts(self) -> None:
        for number in range(ACCOUNTS):
            body = {"code": f"{self._name}:{number}", "currency": "USD", "type": "liability"}
            answer = await self._http.post("/v1/accounts", json=body)
            assert answer.status_code == 201
            self._accounts.append(answer.json()["id"])

    def start(self) -> Process:
        words = ["publish", "--to", self.broker.url, "--topic", f"{self.broker.prefix}.{{resource}}", "--types", TYPES]
        words += ["--name", self._name, "--data-dir", str(self.installation.folder)]
        environment = {"ZEROSUM_PUBLISH_LEASE_SECONDS": str(LEASE_SECONDS)}
        with self._log_path().open("ab") as log:
            process = start_in_background(words, environment=environment, output=log.fileno(), is_warm=True)
        self._processes.append(process)
        return process

    async def pay(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            to = self._chance.choice(self._accounts)
            body = {"type": "deposit", "amount": "1.00", "currency": "USD", "to": to}
            answer = await self._http.post("/v1/payments", json=body, headers={"Idempotency-Key": fresh("pay")})
            assert answer.status_code == 201, answer.text
            self.paid += 1
            await asyncio.sleep(0.02)

    async def run(self, acts: dict[str, int]) -> None:
        running = [self.start(), self.start()]
        left = [act for act, number in acts.items() for _ in range(number)]
        self._chance.shuffle(left)
        for act in left:
            await asyncio.sleep(self._chance.uniform(0.3, 2.0))
            at = self._chance.randrange(2)
            if act == "kill":
                running[at].send_signal(signal.SIGKILL)
                running[at].wait(10)
                running[at] = self.start()
            elif act == "stop":
                running[at].send_signal(signal.SIGSTOP)
                await asyncio.sleep(ZOMBIE_SECONDS)
                running[at].send_signal(signal.SIGCONT)
            else:
                (self.broker.cut if act == "cut" else self.broker.hang)()
                await asyncio.sleep(self._chance.uniform(0.3, 2.0))
                self.broker.mend()

    async def settle(self, already: int) -> int:
        """How many messages there are once everything has arrived."""
        found = await arrived(self._http, self.broker, already + self.paid, SECONDS_MAX)
        for process in self._processes[-2:]:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        return len(found)

    async def payments_there_are(self) -> int:
        """Of storms before: they are published here too."""
        number = 0
        after: dict[str, str] = {}
        while True:
            answer = await self._http.get("/v1/events", params={"type": "payment.succeeded", "limit": "100", **after})
            page: dict[str, Any] = answer.json()
            number += len(page["data"])
            if not page["has_more"]:
                return number
            after = {"after": page["next_after"]}

    async def end(self) -> None:
        for process in self._processes:
            process.send_signal(signal.SIGCONT)
            process.kill()
        await self._http.aclose()

    def log(self) -> str:
        return self._log_path().read_text(errors="replace")[-6000:]

    def _log_path(self) -> Path:
        return self.installation.folder.parent / f"{self._name}.log"


async def weathered(installation: Installation, broker: Broker, **acts: int) -> None:
    storm = Storm(installation, broker, seed=sum(acts.values()))
    if isinstance(broker, KafkaEvents) and broker.mock is None:
        acts["cut"] = acts["hang"] = 0
    stop = asyncio.Event()
    try:
        already = await storm.payments_there_are()
        await storm.open_accounts()
        paying = asyncio.create_task(storm.pay(stop))
        await storm.run(acts)
        stop.set()
        await paying
        number = await storm.settle(already)
    except TimeoutError:
        raise AssertionError(storm.log()) from None
    finally:
        stop.set()
        await storm.end()
    print(f"{acts}: {storm.paid} payments, {number} messages")
    said = zerosum("publications", "list", "--data-dir", str(installation.folder))
    assert said.code == 0, said.err
    assert storm._name in said.out


async def test_publishers_killed_and_stopped_and_a_broker_cut_off_and_hung_lose_nothing(
    installation: Installation, broker: Broker
) -> None:
    await weathered(installation, broker, kill=2, stop=1, cut=1, hang=1)


@pytest.mark.campaign
@pytest.mark.timeout(3_600)
async def test_a_long_storm(installation: Installation, broker: Broker) -> None:
    kills = int(os.environ.get("KILLS", "100"))
    await weathered(installation, broker, kill=kills, stop=kills // 5, cut=kills // 5, hang=kills // 5)
