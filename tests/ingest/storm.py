"""Messages for an installation, consumers that are killed, stopped and joined by others, and what came of it.

Half of the messages have no key of their own; the others come one to five times, some of their copies late. What they
move is told apart by its reference, a number that counts up for each account.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Mapping
from itertools import count
from pathlib import Path
from typing import Any

import asyncpg
import httpx

from tests.campaigns.installation import Installation
from tests.campaigns.weather import Weather, process_of
from tests.cli.command import zerosum
from tests.cli.warm_start import Process
from tests.ingest.broker_servers import BrokerServer
from tests.ingest.brokers import Broker, connected_again
from tests.ingest.ground import deposit

ACCOUNTS = 20
LEASE_SECONDS = 2.0
SETTLED_SECONDS_MAX = 600.0
SENDING_PAUSE_SECONDS = 0.2
WAITING_MAX = 1_000
"""So that there is something to do all the time, and not too much."""

_storms = count(1)


class Storm(Weather):
    """Two consumers of one topic, and more for a while."""

    sent_at_once = 20
    zombie_seconds = 13.0
    hanging_seconds = 15.0
    returned_seconds = (1.0, 5.0)

    def __init__(
        self, installation: Installation, broker: Broker, seed: int, *, server: BrokerServer | None = None
    ) -> None:
        super().__init__(installation, seed, server)
        self.broker = broker
        self.wanted: dict[str, int] = defaultdict(int)
        self.sent = 0
        name = f"storm{next(_storms)}"
        self.accounts = [f"{name}:{number}" for number in range(ACCOUNTS)]
        self._late: list[tuple[Any, str]] = []
        self._broker_is_there = asyncio.Lock()
        self._looking = asyncio.Lock()

    async def open(self) -> None:
        await super().open()
        where = self.installation
        with httpx.Client(base_url=where.base_url, headers=where.headers, trust_env=False, verify=False) as http:
            for code in self.accounts:
                body = {"code": code, "currency": "USD", "type": "liability"}
                assert http.post("/v1/accounts", json=body).status_code == 201

    async def send(self, messages: int, enough: asyncio.Event) -> None:
        """At least so many that are different, and until it is enough. Never while the broker is away."""
        effects = 0
        while effects < messages or not enough.is_set():
            some: list[tuple[Any, str]] = []
            while len(some) < self.sent_at_once:
                some += self._next_message()
                effects += 1
            await self._send(some)
            await asyncio.sleep(SENDING_PAUSE_SECONDS)
            while sum(self.wanted.values()) - await self._done() > WAITING_MAX:
                await asyncio.sleep(SENDING_PAUSE_SECONDS)
        await self._send(self._late)

    def _next_message(self) -> list[tuple[Any, str]]:
        """With the copies of it, and of those before it, that come at once."""
        account = self._chance.choice(self.accounts)
        self.wanted[account] += 1
        reference = str(self.wanted[account])
        key = f"{account}-{reference}" if self._chance.random() < 0.5 else None
        found = [(deposit(account, key=key, reference=reference), account)]
        for _ in range(self._chance.randint(0, 4) if key else 0):
            (found if self._chance.random() < 0.5 else self._late).append(found[0])
        for _ in range(min(len(self._late), self._chance.randrange(3))):
            found.append(self._late.pop(self._chance.randrange(len(self._late))))
        return found

    async def _send(self, some: list[tuple[Any, str]]) -> None:
        async with self._broker_is_there:
            await self.broker.send([content for content, _ in some], [account for _, account in some])
        self.sent += len(some)

    async def _act(self, act: str, aside: asyncio.TaskGroup) -> None:
        assert act == "join"
        aside.create_task(self._leave(self._start(), self._chance.uniform(2.0, 8.0)))

    async def _break(self, act: str) -> None:
        """Messages are sent again once the broker is back."""
        async with self._broker_is_there:
            await super()._break(act)
            await connected_again(self.broker.connect)

    async def settle(self) -> None:
        """Until every message has had its effect; then the consumers end."""
        deadline = time.monotonic() + SETTLED_SECONDS_MAX
        while sum((await self.counts()).values()) < sum(self.wanted.values()):
            if time.monotonic() > deadline:
                raise TimeoutError
            await asyncio.sleep(0.5)
        await asyncio.sleep(1.0)  # what would be too much has time to come
        await self.end()

    async def judge(self) -> None:
        assert await self.counts() == self.wanted
        for code, numbers in (await self._references()).items():
            astray = [at for at, number in enumerate(numbers) if number != at + 1]
            assert not astray, f"{code}, each once and in order, is not at {astray}: {numbers[astray[0] - 3 :][:60]}"
        said = await asyncio.to_thread(zerosum, "verify", "--data-dir", str(self.installation.folder))
        assert said.code == 0, said

    async def counts(self) -> dict[str, int]:
        """How many messages have had an effect on each account: each moves one dollar."""
        rows = await self._rows(
            "select account.code, sum(payment.amount)::int as number from payments payment "
            "join accounts account on account.id = payment.payee_id where account.code = any($1) group by 1"
        )
        return {row["code"]: row["number"] for row in rows}

    async def state(self) -> str:
        """Positions and dead letters, for whoever looks for what went wrong."""
        assert self._superuser is not None
        positions = await self._superuser.fetch("select * from ingest_positions order by updated_at desc limit 8")
        letters = await self._superuser.fetch("select status, reason, count(*) from dead_letters group by 1, 2")
        return "\n".join(str(dict(row)) for row in [*positions, *letters])

    def _log_path(self) -> Path:
        return self.installation.folder.parent / "ingest.log"

    async def _references(self) -> dict[str, list[int]]:
        """Of each account, in the order in which they were posted."""
        rows = await self._rows(
            "select account.code, payment.reference from accounts account "
            "join postings posting on posting.ledger_id = account.ledger_id and posting.account_id = account.id "
            "join payments payment on payment.ledger_id = posting.ledger_id and payment.id = posting.entry_id "
            "where account.code = any($1) order by account.code, posting.account_version"
        )
        found: dict[str, list[int]] = defaultdict(list)
        for row in rows:
            found[row["code"]].append(int(row["reference"]))
        return found

    async def _done(self) -> int:
        return sum((await self.counts()).values())

    async def _holder(self) -> int | None:
        """The process that has taken what we read last."""
        assert self._superuser is not None
        async with self._looking:
            holder = await self._superuser.fetchval(
                "select holder from ingest_positions where held_until is not null order by updated_at desc limit 1"
            )
        return process_of(holder)

    async def _rows(self, statement: str) -> list[asyncpg.Record]:
        assert self._superuser is not None
        async with self._looking:
            return await self._superuser.fetch(statement, self.accounts)

    def _start(self) -> Process:
        environment = {
            "ZEROSUM_INGEST_BATCH_MESSAGES": "20",
            "ZEROSUM_INGEST_IN_MEMORY_MESSAGES": "200",
            "ZEROSUM_INGEST_LEASE_SECONDS": str(LEASE_SECONDS),
        }
        return self._started(["ingest", "--from", self.broker.url], environment)


async def weathered(
    installation: Installation,
    broker: Broker,
    messages: int,
    acts: Mapping[str, int],
    server: BrokerServer | None = None,
    sent_at_once: int = Storm.sent_at_once,
) -> None:
    storm = Storm(installation, broker, seed=messages, server=server)
    storm.sent_at_once = sent_at_once
    enough = asyncio.Event()
    begun = time.monotonic()
    try:
        await storm.open()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(storm.send(messages, enough))
            done = await storm.run(acts)
            enough.set()
        await storm.settle()
        await storm.judge()
    except (TimeoutError, ExceptionGroup) as error:
        raise AssertionError(f"{await storm.counts()}\n{await storm.state()}\n{storm.log()}") from error
    finally:
        await storm.close()
    effects = sum(storm.wanted.values())
    print(f"\n{dict(done)}: {storm.sent} messages, {effects} effects, {time.monotonic() - begun:.0f} s")
