"""`zerosum ingest` as whole processes, two at once, killed and stopped in the middle: each effect once, in order.

Half of the messages have no key of their own; the others come one to five times. What they move is told apart by its
reference, a number that counts up for each account.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections import defaultdict
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.campaigns.installation import Installation, installed
from tests.cli.command import zerosum
from tests.cli.warm_start import Process, start_in_background
from tests.ingest.brokers import Broker
from tests.ingest.ground import deposit

pytestmark = pytest.mark.xdist_group("ingest")

ACCOUNTS = 20
ZOMBIE_SECONDS = 13.0
"""Longer than a lease, and than the sessions with the brokers."""
SECONDS_MAX = 60.0
SENT_AT_ONCE = 20


@pytest.fixture(scope="module")
def installation() -> Iterator[Installation]:
    with installed("--no-demo", is_warm=True) as running:
        yield running


_storms = count(1)


class Storm:
    """Messages for accounts of their own, and what came of them."""

    def __init__(
        self, installation: Installation, broker: Broker, messages: int, seed: int, sending_seconds: float = 0.0
    ) -> None:
        self.installation = installation
        self.broker = broker
        self.messages = messages
        self._sending_seconds = sending_seconds
        self._chance = random.Random(seed)
        self.accounts = [f"storm{next(_storms)}:{number}" for number in range(ACCOUNTS)]
        self._processes: list[Process] = []

    def open_accounts(self) -> None:
        with self._http() as http:
            for code in self.accounts:
                body = {"code": code, "currency": "USD", "type": "liability"}
                assert http.post("/v1/accounts", json=body).status_code == 201

    async def send(self) -> None:
        contents: list[Any] = []
        keys: list[str | None] = []
        counted: dict[str, int] = defaultdict(int)
        for _ in range(self.messages):
            account = self._chance.choice(self.accounts)
            counted[account] += 1
            reference = str(counted[account])
            key = f"{account}-{reference}" if self._chance.random() < 0.5 else None
            times = self._chance.randint(1, 5) if key else 1
            contents += [deposit(account, key=key, reference=reference)] * times
            keys += [account] * times
        self.wanted = dict(counted)
        for at in range(0, len(contents), SENT_AT_ONCE):
            await self.broker.send(contents[at : at + SENT_AT_ONCE], keys[at : at + SENT_AT_ONCE])
            await asyncio.sleep(self._sending_seconds * SENT_AT_ONCE / len(contents))

    def start(self) -> Process:
        words = ["ingest", "--from", self.broker.url, "--data-dir", str(self.installation.folder)]
        environment = {"ZEROSUM_INGEST_BATCH_MESSAGES": "20", "ZEROSUM_INGEST_IN_MEMORY_MESSAGES": "200"}
        with (self.installation.folder.parent / "ingest.log").open("ab") as log:
            process = start_in_background(words, environment=environment, output=log.fileno(), is_warm=True)
        self._processes.append(process)
        return process

    async def run(self, kills: int, stops: int) -> None:
        running = [self.start(), self.start()]
        acts = ["kill"] * kills + ["stop"] * stops
        self._chance.shuffle(acts)
        for act in acts:
            await asyncio.sleep(self._chance.uniform(0.5, 2.5))
            at = self._chance.randrange(2)
            if act == "stop":
                running[at].send_signal(signal.SIGSTOP)
                await asyncio.sleep(ZOMBIE_SECONDS)
                running[at].send_signal(signal.SIGCONT)
            else:
                running[at].send_signal(signal.SIGKILL)
                running[at].wait(10)
                running[at] = self.start()
        async with asyncio.timeout(SECONDS_MAX + self.messages / 20):
            while sum(self.counts().values()) < self.messages:
                await asyncio.sleep(0.5)
        await asyncio.sleep(1.0)  # what would be too much has time to come
        for process in running:
            process.send_signal(signal.SIGTERM)
        for process in running:
            assert process.wait(20) in (0, -signal.SIGTERM), self.log()  # the latter where it had only just begun

    def end(self) -> None:
        for process in self._processes:
            process.send_signal(signal.SIGCONT)
            process.kill()

    def counts(self) -> dict[str, int]:
        """How much is on each account, which is how many messages it has had."""
        with self._http() as http:
            return {
                code: int(float(http.get(f"/v1/accounts/{code}/balance").json()["posted"])) for code in self.accounts
            }

    async def references(self) -> dict[str, list[int]]:
        """Of each account, in the order in which they were posted."""
        connection = await self.installation.superuser()
        try:
            rows = await connection.fetch(
                "select account.code, payment.reference from accounts account "
                "join postings posting on posting.ledger_id = account.ledger_id and posting.account_id = account.id "
                "join payments payment on payment.ledger_id = posting.ledger_id and payment.id = posting.entry_id "
                "where account.code = any($1) order by account.code, posting.account_version",
                self.accounts,
            )
        finally:
            await connection.close()
        found: dict[str, list[int]] = defaultdict(list)
        for row in rows:
            found[row["code"]].append(int(row["reference"]))
        return found

    async def state(self) -> str:
        """Positions and dead letters, for whoever looks for what went wrong."""
        connection = await self.installation.superuser()
        try:
            positions = await connection.fetch("select * from ingest_positions order by updated_at desc limit 8")
            letters = await connection.fetch("select status, reason, count(*) from dead_letters group by 1, 2")
        finally:
            await connection.close()
        return "\n".join(str(dict(row)) for row in [*positions, *letters])

    def log(self) -> str:
        return (self.installation.folder.parent / "ingest.log").read_text(errors="replace")[-6000:]

    def _http(self) -> httpx.Client:
        where = self.installation
        return httpx.Client(base_url=where.base_url, headers=where.headers, trust_env=False, verify=False)


async def weathered(installation: Installation, broker: Broker, messages: int, kills: int, stops: int) -> None:
    sending_seconds = 3.0 * kills + (ZOMBIE_SECONDS + 2.0) * stops
    storm = Storm(installation, broker, messages, seed=messages, sending_seconds=sending_seconds)
    storm.open_accounts()
    sending = asyncio.create_task(storm.send())
    try:
        await storm.run(kills, stops)
        await sending
    except TimeoutError:
        raise AssertionError(f"{storm.counts()}\n{await storm.state()}\n{storm.log()}") from None
    finally:
        sending.cancel()
        storm.end()
    assert storm.counts() == {code: storm.wanted.get(code, 0) for code in storm.accounts}
    for code, numbers in (await storm.references()).items():
        assert numbers == list(range(1, storm.wanted[code] + 1)), "each once, and in order"
    said = zerosum("verify", "--data-dir", str(installation.folder))
    assert said.code == 0, said.err


async def test_two_consumers_killed_and_stopped_in_the_middle_lose_nothing_and_do_nothing_twice(
    installation: Installation, broker: Broker
) -> None:
    await weathered(installation, broker, messages=1_500, kills=3, stops=1)


@pytest.mark.campaign
@pytest.mark.timeout(1_800)
async def test_a_long_storm(installation: Installation, broker: Broker) -> None:
    kills, stops = int(os.environ.get("KILLS", "100")), int(os.environ.get("STOPS", "20"))
    await weathered(installation, broker, messages=10_000, kills=kills, stops=stops)


def test_stdin_through_the_command_twice(installation: Installation, tmp_path: Path) -> None:
    import subprocess  # noqa: PLC0415
    import sys  # noqa: PLC0415

    from tests.ingest.ground import as_lines  # noqa: PLC0415

    storm = Storm(installation, None, 0, seed=1)  # type: ignore[arg-type]
    storm.open_accounts()
    path = tmp_path / "lines.jsonl"
    path.write_bytes(as_lines([deposit(code) for code in storm.accounts] + [b"nonsense"]))
    words = [sys.executable, "-m", "zerosum", "ingest", "--from", "-", "--name", "lines", "--replies", "-", "--json"]
    for replayed in (0, ACCOUNTS):
        with path.open("rb") as stream:
            done = subprocess.run(
                [*words, "--data-dir", str(installation.folder)],
                stdin=stream, capture_output=True, text=True, timeout=60, check=False,
            )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert f"{replayed} of them were there before" in done.stderr
        assert len(done.stdout.splitlines()) == ACCOUNTS + 2
    assert set(storm.counts().values()) == {1}
    said = zerosum("dead-letters", "list", "--status", "dead", "--data-dir", str(installation.folder))
    assert '"malformed_json"' in said.out
