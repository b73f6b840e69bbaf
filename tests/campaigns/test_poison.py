"""Messages that can never be carried out, between others: each aside with its reason, and the others hardly later.

`zerosum ingest` as a process of its own, at a broker of its own. What kills a consumer stands in
`tests/ingest/test_every_input.py`: no message can do that by itself.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Iterator
from typing import Any

import asyncpg
import pytest

from tests.api.test_bad_amounts import ROWS
from tests.campaigns.installation import Installation, installed
from tests.campaigns.mortal import MORTAL, mortal
from tests.campaigns.test_ingest_storms import BROKERS
from tests.cli.warm_start import Process, start_in_background
from tests.ingest.brokers import Broker
from tests.ingest.ground import deposit, transfer, until
from tests.ingest.test_messages import POISON
from zerosum.adapters.clock import now

SECONDS_BEFORE = 15.0
PAUSE_SECONDS = 0.05
GOOD_KEYS = 10
ASIDE_SECONDS_MAX = 60.0
LAG_GROWTH_SECONDS_MAX = 1.0
LARGE = b'{"command": "' + b"x" * 900_000 + b'"}'

Content = tuple[str, Any, str]
"""An ordering key, a message, and the reason it is put aside for."""


@pytest.fixture
def installation() -> Iterator[Installation]:
    with installed() as running:
        yield running


@pytest.fixture(params=MORTAL)
def broker(request: pytest.FixtureRequest) -> Iterator[Broker]:
    with mortal(request.param) as server:
        yield BROKERS[request.param](server.address)


def poison() -> list[Content]:
    found = [(kind, content, reason) for kind, (content, reason) in POISON.items()]
    found += [(f"amount {number}", amount(text), reason) for number, (text, _, reason) in enumerate(ROWS)]
    found.append(("too large", LARGE, "body_too_large"))
    found.append(("reused", deposit("customers:bob", "2.00", "used"), "idempotency_key_reused"))
    return found


def amount(text: str) -> bytes:
    content = '{"command": "payment", "type": "deposit", "amount": %s, "currency": "USD", "to": "customers:alice"}'
    return (content % text).encode()


HARMLESS = [
    ("used before", deposit("customers:bob", "1.00", "used")),
    ("used in the same way", deposit("customers:bob", "1.00", "used")),
    ("refused", transfer("customers:carol", "customers:bob", "1000000.00")),
    ("nobody", deposit("nobody:there")),
]
"""Done, done before, or refused by the books: nothing that anybody must look at."""


class Stream:
    """Good messages all the time, and when each was sent."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._sending = asyncio.Lock()
        self._sent_at: dict[str, float] = {}

    async def flow(self) -> None:
        """Until cancelled."""
        while True:
            reference = f"good-{len(self._sent_at)}"
            key = f"customers:good-{len(self._sent_at) % GOOD_KEYS}"
            self._sent_at[reference] = time.time()
            await self.send(deposit("customers:alice", reference=reference), key)
            await asyncio.sleep(PAUSE_SECONDS)

    async def send(self, content: Any, key: str) -> None:
        async with self._sending:
            await self._broker.send([content], [key])

    async def lags(self, superuser: asyncpg.Connection[asyncpg.Record], since: int) -> list[float]:
        """Of those from this one on, all of which have been carried out by the time it returns."""
        wanted = list(self._sent_at)[since:]
        rows: list[asyncpg.Record] = []

        async def all_there() -> bool:
            nonlocal rows
            rows = await superuser.fetch(
                "select payment.reference, entry.posted_at from payments payment "
                "join journal_entries entry on entry.ledger_id = payment.ledger_id and entry.id = payment.id "
                "where payment.reference = any($1)",
                wanted,
            )
            return len(rows) == len(wanted)

        await until(all_there, ASIDE_SECONDS_MAX)
        return [row["posted_at"].timestamp() - self._sent_at[row["reference"]] for row in rows]

    def __len__(self) -> int:
        return len(self._sent_at)


@pytest.mark.campaign
@pytest.mark.timeout(900)
async def test_each_kind_of_poison_is_put_aside_with_its_reason_and_holds_up_nobody(
    installation: Installation, broker: Broker
) -> None:
    await broker.make()
    superuser = await installation.superuser()
    process = consumer(installation, broker)
    stream = Stream(broker)
    flowing = asyncio.create_task(stream.flow())
    try:
        await until(lambda: superuser.fetchval("select exists (select from payments where reference = 'good-9')"), 60)
        begun = len(stream)
        await asyncio.sleep(SECONDS_BEFORE)
        before = await stream.lags(superuser, begun)
        begun, sent_at = len(stream), now()
        for key, content in HARMLESS:
            await stream.send(content, key)
        for key, content, _ in poison():
            await stream.send(content, key)
            await asyncio.sleep(PAUSE_SECONDS)
        wanted = {(key, reason) for key, _, reason in poison()}
        await until(lambda: has_set_aside(superuser, len(wanted)), ASIDE_SECONDS_MAX)
        rows = await superuser.fetch("select * from dead_letters")
        flowing.cancel()
        during = await stream.lags(superuser, begun)
        assert {(row["ordering_key"], row["reason"]) for row in rows} == wanted
        assert len(rows) == len(wanted), "and nothing else"
        assert {row["status"] for row in rows} == {"dead"}
        slowest = max((row["last_at"] - sent_at).total_seconds() for row in rows)
        assert slowest < ASIDE_SECONDS_MAX
        assert percentile(during) < percentile(before) + LAG_GROWTH_SECONDS_MAX
        print(f"\n{len(rows)} kinds aside within {slowest:.1f} s of the first; lag p99 of others "
              f"{percentile(before):.2f} s before, {percentile(during):.2f} s beside them")  # fmt: skip
    finally:
        flowing.cancel()
        process.kill()
        await superuser.close()
        await broker.close()


async def has_set_aside(superuser: asyncpg.Connection[asyncpg.Record], number: int) -> bool:
    return bool(await superuser.fetchval("select count(*) >= $1 from dead_letters", number))


def consumer(installation: Installation, broker: Broker) -> Process:
    words = ["ingest", "--from", broker.url, "--data-dir", str(installation.folder)]
    with (installation.folder.parent / "ingest.log").open("ab") as log:
        return start_in_background(words, environment={}, output=log.fileno(), is_warm=True)


def percentile(lags: list[float]) -> float:
    return statistics.quantiles(lags, n=100)[-1]
