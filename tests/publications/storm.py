"""Payments, two publishers of what they tell that are killed and stopped, and a broker that is cut off and broken."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

from tests.campaigns.installation import Installation
from tests.campaigns.weather import Weather, process_of
from tests.cli.command import zerosum
from tests.cli.warm_start import Process
from tests.ingest.broker_servers import BrokerServer
from tests.ingest.brokers import connected_again
from tests.publications.brokers import Broker, fresh
from tests.publications.ground import TYPES, arrived

ACCOUNTS = 10
LEASE_SECONDS = 2.0
PAYING_PAUSE_SECONDS = 0.03
TRIES_MAX = 30


class Storm(Weather):
    """Two publishers of what payments tell."""

    zombie_seconds = 5.0
    hanging_seconds = 12.0
    returned_seconds = (1.0, 3.0)

    def __init__(
        self, installation: Installation, broker: Broker, seed: int, *, server: BrokerServer | None = None
    ) -> None:
        super().__init__(installation, seed, server)
        self.broker = broker
        self.paid = 0
        self.name = fresh("storm")
        self._accounts: list[str] = []
        self._http = httpx.AsyncClient(
            base_url=installation.base_url, headers=installation.headers, trust_env=False, verify=False, timeout=20
        )

    async def open(self) -> None:
        await super().open()
        for number in range(ACCOUNTS):
            body = {"code": f"{self.name}:{number}", "currency": "USD", "type": "liability"}
            answer = await self._http.post("/v1/accounts", json=body)
            assert answer.status_code == 201
            self._accounts.append(answer.json()["id"])

    async def close(self) -> None:
        await super().close()
        await self._http.aclose()

    async def pay(self, enough: asyncio.Event) -> None:
        while not enough.is_set():
            to = self._chance.choice(self._accounts)
            body = {"type": "deposit", "amount": "1.00", "currency": "USD", "to": to}
            await self._pay(body, fresh("pay"))
            self.paid += 1
            await asyncio.sleep(PAYING_PAUSE_SECONDS)

    async def _pay(self, body: dict[str, str], key: str) -> None:
        """Where the machine is too busy it is asked again under its key."""
        for _ in range(TRIES_MAX):
            with contextlib.suppress(httpx.TimeoutException):
                answer = await self._http.post("/v1/payments", json=body, headers={"Idempotency-Key": key})
                if answer.status_code not in (503, 504):
                    break
            await asyncio.sleep(0.5)
        assert answer.status_code == 201, answer.text

    async def _act(self, act: str, aside: asyncio.TaskGroup) -> None:
        (self.broker.cut if act == "cut" else self.broker.hang)()
        await asyncio.sleep(self._chance.uniform(0.3, 2.0))
        self.broker.mend()

    async def settle(self, already: int, seconds: float) -> int:
        """How many messages there are once everything has arrived."""
        if self._server is not None:
            await connected_again(self.broker.connect)
        found = await arrived(self._http, self.broker, already + self.paid, seconds)
        await self.end()
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

    async def _done(self) -> int:
        return int(await self._look("published") or 0)  # nobody has begun before the first

    async def _holder(self) -> int | None:
        return process_of(await self._look("holder"))

    async def _look(self, column: str) -> Any:
        assert self._superuser is not None
        return await self._superuser.fetchval(f"select {column} from publications where name = $1", self.name)

    def _start(self) -> Process:
        words = ["publish", "--to", self.broker.url, "--topic", f"{self.broker.prefix}.{{resource}}", "--types", TYPES]
        return self._started([*words, "--name", self.name], {"ZEROSUM_PUBLISH_LEASE_SECONDS": str(LEASE_SECONDS)})

    def _log_path(self) -> Path:
        return self.installation.folder.parent / f"{self.name}.log"


async def weathered(
    installation: Installation,
    broker: Broker,
    acts: Mapping[str, int],
    server: BrokerServer | None = None,
    *,
    seconds: float = 90.0,
) -> None:
    storm = Storm(installation, broker, seed=sum(acts.values()), server=server)
    enough = asyncio.Event()
    begun = time.monotonic()
    try:
        already = await storm.payments_there_are()
        await storm.open()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(storm.pay(enough))
            done = await storm.run(acts)
            enough.set()
        number = await storm.settle(already, seconds)
    except (TimeoutError, ExceptionGroup) as error:
        raise AssertionError(storm.log()) from error
    finally:
        await storm.close()
    print(f"\n{dict(done)}: {storm.paid} payments, {number} messages, {time.monotonic() - begun:.0f} s")
    said = await asyncio.to_thread(zerosum, "publications", "list", "--data-dir", str(installation.folder))
    assert said.code == 0, said.err
    assert storm.name in said.out
