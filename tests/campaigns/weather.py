"""Two processes of the service beside a broker, which are killed, stopped and replaced, and a broker that is broken."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import asyncpg

from tests.campaigns.installation import Installation
from tests.cli.warm_start import Process, start_in_background
from tests.ingest.broker_servers import BrokerServer

PROGRESS_SECONDS_MAX = 30.0
ACTING_SECONDS_MAX = float(os.environ.get("STORM_SECONDS", "3000"))
"""Of a storm on a slow machine: then fewer acts are judged than were wanted."""
ENDING_SECONDS_MAX = 60.0


class Weather(ABC):
    """`server` is the broker, where it is to be broken too."""

    zombie_seconds: ClassVar[float]
    """Longer than a lease, and than the sessions with the brokers."""
    hanging_seconds: ClassVar[float]
    """Of a broker that is frozen."""
    returned_seconds: ClassVar[tuple[float, float]]
    """How long a zombie that is back goes on, at least and at most."""

    def __init__(self, installation: Installation, seed: int, server: BrokerServer | None) -> None:
        self.installation = installation
        self._server = server
        self._chance = random.Random(seed)
        self._processes: list[Process] = []
        self._running: list[Process] = []
        self._superuser: asyncpg.Connection[asyncpg.Record] | None = None

    async def open(self) -> None:
        self._superuser = await self.installation.superuser()

    async def close(self) -> None:
        for process in self._processes:
            process.send_signal(signal.SIGCONT)
            process.kill()
        if self._superuser is not None:
            await self._superuser.close()

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
                elif act in ("crash", "freeze"):
                    await self._break(act)
                else:
                    await self._act(act, aside)
        return done

    async def end(self) -> None:
        """Those that run end in peace."""
        for process in self._running:
            process.send_signal(signal.SIGTERM)
        for process in self._running:
            await self._ended_in_peace(process)

    def log(self) -> str:
        return self._log_path().read_text(errors="replace")[-6000:]

    @abstractmethod
    async def _act(self, act: str, aside: asyncio.TaskGroup) -> None:
        """One that only this storm knows."""

    @abstractmethod
    def _start(self) -> Process: ...

    @abstractmethod
    def _log_path(self) -> Path: ...

    @abstractmethod
    async def _done(self) -> int:
        """What has been done so far, as the database tells it."""

    @abstractmethod
    async def _holder(self) -> int | None:
        """The process that works: the name of a holder has its number in the middle."""

    def _started(self, words: Sequence[str], environment: Mapping[str, str]) -> Process:
        with self._log_path().open("ab") as log:
            process = start_in_background(
                [*words, "--data-dir", str(self.installation.folder)],
                environment=dict(environment),
                output=log.fileno(),
                is_warm=True,
            )
        self._processes.append(process)
        return process

    async def _progress(self) -> None:
        before, deadline = await self._done(), time.monotonic() + PROGRESS_SECONDS_MAX
        while await self._done() == before and time.monotonic() < deadline:
            await asyncio.sleep(0.1)

    async def _replace(self, how: signal.Signals) -> Process:
        """Of the two the one that works, where one does."""
        holder = await self._holder()
        at = next((at for at, one in enumerate(self._running) if one.pid == holder), self._chance.randrange(2))
        assert self._running[at].poll() is None, f"it has ended by itself: {self.log()}"
        before, self._running[at] = self._running[at], self._start()
        before.send_signal(how)
        return before

    async def _return(self, zombie: Process) -> None:
        await asyncio.sleep(self.zombie_seconds)
        zombie.send_signal(signal.SIGCONT)
        await self._leave(zombie, self._chance.uniform(*self.returned_seconds))

    async def _leave(self, process: Process, seconds: float) -> None:
        await asyncio.sleep(seconds)
        process.send_signal(signal.SIGTERM)
        await self._ended_in_peace(process)

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
            await asyncio.sleep(self.hanging_seconds)
            self._server.send_signal(signal.SIGCONT)


def process_of(holder: Any) -> int | None:
    """By the name of a holder."""
    return int(holder.split(":")[1]) if holder else None
