"""Payments, two publishers of what they tell that are killed and stopped, and a broker that is cut off and broken."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import asyncpg
import httpx

from tests.campaigns.installation import Installation
from tests.cli.command import zerosum
from tests.cli.warm_start import Process, start_in_background
from tests.ingest.broker_servers import BrokerServer
from tests.ingest.brokers import connected_again
from tests.publications.brokers import Broker, fresh
from tests.publications.ground import TYPES, arrived

ACCOUNTS = 10
LEASE_SECONDS = 2.0
ZOMBIE_SECONDS = 5.0
"""Longer than a lease."""
HANGING_SECONDS = 12.0
"""Longer than anybody waits for an answer of a broker."""
PROGRESS_SECONDS_MAX = 30.0
ACTING_SECONDS_MAX = float(os.environ.get("STORM_SECONDS", "3000"))
"""Of a storm on a slow machine: then fewer acts are judged than were wanted."""
ENDING_SECONDS_MAX = 60.0
PAYING_PAUSE_SECONDS = 0.03


class Storm:
    """`server` is the broker, where it is to be broken too."""

    def __init__(
        self, installation: Installation, broker: Broker, seed: int, *, server: BrokerServer | None = None
    ) -> None:
        self.installation = installation
        self.broker = broker
        self.paid = 0
        self.name = fresh("storm")
        self._server = server
        self._chance = random.Random(seed)
        self._processes: list[Process] = []
        self._running: list[Process] = []
        self._accounts: list[str] = []
        self._superuser: asyncpg.Connection[asyncpg.Record] | None = None
        self._http = httpx.AsyncClient(
            base_url=installation.base_url, headers=installation.headers, trust_env=False, verify=False, timeout=20
        )

    async def open(self) -> None:
        self._superuser = await self.installation.superuser()
        for number in range(ACCOUNTS):
            body = {"code": f"{self.name}:{number}", "currency": "USD", "type": "liability"}
            answer = await self._http.post("/v1/accounts", json=body)
            assert answer.status_code == 201
            self._accounts.append(answer.json()["id"])

    async def close(self) -> None:
        for process in self._processes:
            process.send_signal(signal.SIGCONT)
            process.kill()
        await self._http.aclose()
        if self._superuser is not None:
            await self._superuser.close()

    async def pay(self, enough: asyncio.Event) -> None:
        while not enough.is_set():
            to = self._chance.choice(self._accounts)
            body = {"type": "deposit", "amount": "1.00", "currency": "USD", "to": to}
            answer = await self._http.post("/v1/payments", json=body, headers={"Idempotency-Key": fresh("pay")})
            assert answer.status_code == 201, answer.text
            self.paid += 1
            await asyncio.sleep(PAYING_PAUSE_SECONDS)

    async def run(self, acts: Mapping[str, int]) -> Counter[str]:
        """Each act when something was published since the one before. So many of each were done in time."""
        self._running = [self._start(), self._start()]
        left = [act for act, number in acts.items() for _ in range(number)]
        self._chance.shuffle(left)
        done: Counter[str] = Counter()
        deadline = time.monotonic() + ACTING_SECONDS_MAX
        async with asyncio.TaskGroup() as aside:
            for act in left:
                await self._progress()
                if time.monotonic() > deadline:
                    break
                done[act] += 1
                print(f"{done.total()}/{len(left)} {act}", end=" ", flush=True)
                await asyncio.sleep(self._chance.uniform(0.0, 0.5))
                if act == "kill":
                    await self._replace(signal.SIGKILL)
                elif act == "stop":
                    aside.create_task(self._return(await self._replace(signal.SIGSTOP)))
                elif act in ("crash", "freeze"):
                    await self._break(act)
                else:
                    (self.broker.cut if act == "cut" else self.broker.hang)()
                    await asyncio.sleep(self._chance.uniform(0.3, 2.0))
                    self.broker.mend()
        return done

    async def _replace(self, how: signal.Signals) -> Process:
        """Of the two the one that works, where one does."""
        holder = await self._holder()
        at = next((at for at, one in enumerate(self._running) if one.pid == holder), self._chance.randrange(2))
        assert self._running[at].poll() is None, f"it has ended by itself: {self.log()}"
        before, self._running[at] = self._running[at], self._start()
        before.send_signal(how)
        return before

    async def _return(self, zombie: Process) -> None:
        await asyncio.sleep(ZOMBIE_SECONDS)
        zombie.send_signal(signal.SIGCONT)
        await asyncio.sleep(self._chance.uniform(1.0, 3.0))
        zombie.send_signal(signal.SIGTERM)
        await self._ended_in_peace(zombie)

    async def _ended_in_peace(self, process: Process) -> None:
        code = await asyncio.to_thread(process.wait, ENDING_SECONDS_MAX)
        assert code in (0, -signal.SIGTERM), self.log()  # the latter where it had only just begun

    async def _break(self, act: str) -> None:
        """The broker, killed with -9 or hung."""
        assert self._server is not None
        if act == "crash":
            self._server.kill()
            await asyncio.sleep(self._chance.uniform(0.0, 5.0))
            await asyncio.to_thread(self._server.start_again)
        else:
            self._server.send_signal(signal.SIGSTOP)
            await asyncio.sleep(HANGING_SECONDS)
            self._server.send_signal(signal.SIGCONT)

    async def settle(self, already: int, seconds: float) -> int:
        """How many messages there are once everything has arrived."""
        if self._server is not None:
            await connected_again(self.broker.connect)
        found = await arrived(self._http, self.broker, already + self.paid, seconds)
        for process in self._running:
            process.send_signal(signal.SIGTERM)
        for process in self._running:
            await self._ended_in_peace(process)
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

    def log(self) -> str:
        return self._log_path().read_text(errors="replace")[-6000:]

    async def _progress(self) -> None:
        before, deadline = await self._look("published"), time.monotonic() + PROGRESS_SECONDS_MAX
        while await self._look("published") == before and time.monotonic() < deadline:
            await asyncio.sleep(0.1)

    async def _holder(self) -> int | None:
        """The process that publishes: the name of a holder has its number in the middle."""
        holder = await self._look("holder")
        return int(holder.split(":")[1]) if holder else None

    async def _look(self, column: str) -> Any:
        assert self._superuser is not None
        return await self._superuser.fetchval(f"select {column} from publications where name = $1", self.name)

    def _start(self) -> Process:
        words = ["publish", "--to", self.broker.url, "--topic", f"{self.broker.prefix}.{{resource}}", "--types", TYPES]
        words += ["--name", self.name, "--data-dir", str(self.installation.folder)]
        environment = {"ZEROSUM_PUBLISH_LEASE_SECONDS": str(LEASE_SECONDS)}
        with self._log_path().open("ab") as log:
            process = start_in_background(words, environment=environment, output=log.fileno(), is_warm=True)
        self._processes.append(process)
        return process

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
