"""Messages for an installation, consumers that are killed, stopped and joined by others, and what came of it.

Half of the messages have no key of their own; the others come one to five times, some of their copies late. What they
move is told apart by its reference, a number that counts up for each account.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from collections import Counter, defaultdict
from collections.abc import Mapping
from itertools import count
from typing import Any

import asyncpg
import httpx

from tests.campaigns.installation import Installation
from tests.cli.command import zerosum
from tests.cli.warm_start import Process, start_in_background
from tests.ingest.broker_servers import BrokerServer
from tests.ingest.brokers import Broker, connected_again
from tests.ingest.ground import deposit

ACCOUNTS = 20
LEASE_SECONDS = 2.0
ZOMBIE_SECONDS = 13.0
"""Longer than a lease, and than the sessions with the brokers."""
HANGING_SECONDS = 15.0
PROGRESS_SECONDS_MAX = 30.0
ACTING_SECONDS_MAX = float(os.environ.get("STORM_SECONDS", "3000"))
"""Of a storm on a slow machine: then fewer acts are judged than were wanted."""
SETTLED_SECONDS_MAX = 600.0
ENDING_SECONDS_MAX = 60.0
SENT_AT_ONCE = 20
SENDING_PAUSE_SECONDS = 0.2
WAITING_MAX = 1_000
"""So that there is something to do all the time, and not too much."""

_storms = count(1)


class Storm:
    """Two consumers of one topic, and more for a while. `server` is the broker, where it is to be broken too."""

    def __init__(
        self, installation: Installation, broker: Broker, seed: int, *, server: BrokerServer | None = None
    ) -> None:
        self.installation = installation
        self.broker = broker
        self.wanted: dict[str, int] = defaultdict(int)
        self.sent = 0
        name = f"storm{next(_storms)}"
        self.accounts = [f"{name}:{number}" for number in range(ACCOUNTS)]
        self._server = server
        self._chance = random.Random(seed)
        self._late: list[tuple[Any, str]] = []
        self._broker_is_there = asyncio.Lock()
        self._looking = asyncio.Lock()
        self._processes: list[Process] = []
        self._running: list[Process] = []
        self._superuser: asyncpg.Connection[asyncpg.Record] | None = None

    async def open(self) -> None:
        self._superuser = await self.installation.superuser()
        where = self.installation
        with httpx.Client(base_url=where.base_url, headers=where.headers, trust_env=False, verify=False) as http:
            for code in self.accounts:
                body = {"code": code, "currency": "USD", "type": "liability"}
                assert http.post("/v1/accounts", json=body).status_code == 201

    async def close(self) -> None:
        for process in self._processes:
            process.send_signal(signal.SIGCONT)
            process.kill()
        if self._superuser is not None:
            await self._superuser.close()

    async def send(self, messages: int, enough: asyncio.Event) -> None:
        """At least so many that are different, and until it is enough. Never while the broker is away."""
        effects = 0
        while effects < messages or not enough.is_set():
            some: list[tuple[Any, str]] = []
            while len(some) < SENT_AT_ONCE:
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

    async def run(self, acts: Mapping[str, int]) -> Counter[str]:
        """Each act when something was done since the one before. So many of each were done in time."""
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
                elif act == "join":
                    aside.create_task(self._leave(self._start(), self._chance.uniform(2.0, 8.0)))
                else:
                    await self._break(act)
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
        await self._leave(zombie, self._chance.uniform(1.0, 5.0))

    async def _leave(self, process: Process, seconds: float) -> None:
        await asyncio.sleep(seconds)
        process.send_signal(signal.SIGTERM)
        await self._ended_in_peace(process)

    async def _ended_in_peace(self, process: Process) -> None:
        code = await asyncio.to_thread(process.wait, ENDING_SECONDS_MAX)
        assert code in (0, -signal.SIGTERM), self.log()  # the latter where it had only just begun

    async def _break(self, act: str) -> None:
        """The broker, killed with -9 or hung. Messages are sent again once it is back."""
        assert self._server is not None
        async with self._broker_is_there:
            if act == "crash":
                self._server.kill()
                await asyncio.sleep(self._chance.uniform(0.0, 5.0))
                await asyncio.to_thread(self._server.start_again)
            else:
                self._server.send_signal(signal.SIGSTOP)
                await asyncio.sleep(HANGING_SECONDS)
                self._server.send_signal(signal.SIGCONT)
            await connected_again(self.broker.connect)

    async def settle(self) -> None:
        """Until every message has had its effect; then the consumers end."""
        deadline = time.monotonic() + SETTLED_SECONDS_MAX
        while sum((await self.counts()).values()) < sum(self.wanted.values()):
            if time.monotonic() > deadline:
                raise TimeoutError
            await asyncio.sleep(0.5)
        await asyncio.sleep(1.0)  # what would be too much has time to come
        for process in self._running:
            process.send_signal(signal.SIGTERM)
        for process in self._running:
            await self._ended_in_peace(process)

    async def judge(self) -> None:
        assert await self.counts() == self.wanted
        for code, numbers in (await self._references()).items():
            assert numbers == list(range(1, self.wanted[code] + 1)), f"{code}: each once, and in order"
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

    def log(self) -> str:
        return (self.installation.folder.parent / "ingest.log").read_text(errors="replace")[-6000:]

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

    async def _progress(self) -> None:
        before, deadline = await self._done(), time.monotonic() + PROGRESS_SECONDS_MAX
        while await self._done() == before and time.monotonic() < deadline:
            await asyncio.sleep(0.1)

    async def _done(self) -> int:
        return sum((await self.counts()).values())

    async def _holder(self) -> int | None:
        """The process that has taken what we read last: the name of a holder has its number in the middle."""
        assert self._superuser is not None
        async with self._looking:
            holder = await self._superuser.fetchval(
                "select holder from ingest_positions where held_until is not null order by updated_at desc limit 1"
            )
        return int(holder.split(":")[1]) if holder else None

    async def _rows(self, statement: str) -> list[asyncpg.Record]:
        assert self._superuser is not None
        async with self._looking:
            return await self._superuser.fetch(statement, self.accounts)

    def _start(self) -> Process:
        words = ["ingest", "--from", self.broker.url, "--data-dir", str(self.installation.folder)]
        environment = {
            "ZEROSUM_INGEST_BATCH_MESSAGES": "20",
            "ZEROSUM_INGEST_IN_MEMORY_MESSAGES": "200",
            "ZEROSUM_INGEST_LEASE_SECONDS": str(LEASE_SECONDS),
        }
        with (self.installation.folder.parent / "ingest.log").open("ab") as log:
            process = start_in_background(words, environment=environment, output=log.fileno(), is_warm=True)
        self._processes.append(process)
        return process


async def weathered(
    installation: Installation,
    broker: Broker,
    messages: int,
    acts: Mapping[str, int],
    server: BrokerServer | None = None,
) -> None:
    storm = Storm(installation, broker, seed=messages, server=server)
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
