# ruff: noqa: SLF001 - it stands in for parts of a process that nobody else exchanges.
"""python -m benchmarks.stages (or `make stages`): what a payment, a hold, a capture or a refund costs an API process,
stage by stage.

From its bytes to its answer, in one process, without sockets and without PostgreSQL: a lane's round trip is answered
here, at once, after its arguments were encoded. So only what is the service's own is measured, in processor time. What
captures and refunds stand on is remembered as it was made, over and over.

    taken     from the bytes of a request to a command with the committer
    decided   the lane: judged, hashed, made into rows, encoded
    answered  counted, written as an answer, told
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import secrets
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import cycle, islice
from statistics import mean
from typing import Any, cast

import httpx
import uvloop

from benchmarks.service import Service as Servers
from benchmarks.service import fresh_folder, running_service
from benchmarks.verb_cases import ID, holds, upon
from benchmarks.walk import served
from zerosum.adapters.balance_cache import NoBalanceCache
from zerosum.cli.load.payments import Target, bulk_payments, single_payments, uniform_pairs
from zerosum.cli.processes import GC_THRESHOLDS
from zerosum.db.arrays import use_own_arrays
from zerosum.db.batch import BatchConnection
from zerosum.db.batch.holding import HELD
from zerosum.db.batch.looking import Looked, RememberedRecords
from zerosum.domain.identifiers import LedgerId
from zerosum.domain.ledger.records import Need
from zerosum.gateway.express.protocol import ExpressProtocol
from zerosum.gateway.server.guarded_server import GuardedServer
from zerosum.main import Service
from zerosum.services.committing.batch_runner import BatchRunner

ACCOUNTS = 200
BULK_ITEMS = 1000
STAGES = ("taken", "decided", "answered")
NO_LIMITS = dict.fromkeys(("rate_limit_per_principal", "rate_limit_per_ledger", "rate_limit_per_address"), "9000000/s")

Cost = tuple[float, ...]
"""Of each stage, in microseconds a payment."""
Costs = list[Cost]


class WasRefused(Exception):
    """What was measured was no payment."""


class Told(asyncio.Transport):
    """A transport that leads nowhere."""

    def __init__(self, on_answer: Callable[[bytes], None]) -> None:
        super().__init__()
        self.write = self.writelines = on_answer  # type: ignore[method-assign, assignment]

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return {"peername": ("127.0.0.1", 1), "sockname": ("127.0.0.1", 2)}.get(name, default)

    def is_closing(self) -> bool:
        return False

    def close(self) -> None:
        return None

    def abort(self) -> None:
        return None

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        del high, low

    def get_write_buffer_size(self) -> int:
        return 0

    def pause_reading(self) -> None:
        return None

    def resume_reading(self) -> None:
        return None


class Nowhere:
    """In place of a lane's connection that has read the accounts: whatever is to be written counts as written."""

    is_closed = False

    def __init__(self, real: BatchConnection) -> None:
        self.loader = real.loader
        self._encoders: dict[int, Callable[[Sequence[Any]], bytes]] = {}
        use_own_arrays(self)
        self._encode = {
            statement: [self._encoders.get(parameter.oid) for parameter in prepared.get_parameters()]
            for statement, prepared in real._prepared.items()
        }
        self.fetch = real.fetch
        self._number = 1 << 20
        self.posting_at = self.posted_at = 0

    def add_python_codec(self, oid: int, *arguments: Any) -> None:
        self._encoders[oid] = arguments[4]

    async def post(self, statement: str, arguments: Sequence[Any], _: float) -> tuple[str, int]:
        for encode, argument in zip(self._encode[statement], arguments, strict=True):
            if encode is not None:
                encode(argument)
        self._number += 1
        self.posting_at = self.posted_at = time.thread_time_ns()
        return HELD, self._number

    def terminate(self) -> None:
        raise WasRefused("the lane has given its connection up")

    async def close(self) -> None:
        return None


class AsMade(RememberedRecords):
    """In place of what a lane remembers: nobody writes what has become of it."""

    def __init__(self, made: RememberedRecords) -> None:
        super().__init__()
        self._left = made._left

    def take(self, needs: Collection[Need]) -> Looked:
        found = {need.key: self._left[need.key] for need in needs if need.key in self._left}
        records = {key: record for key, (record, _) in found.items()}
        return Looked(records, {key: number for key, (_, number) in found.items()}, frozenset())

    def learn(self, *_: object) -> None:
        return None


@dataclass(slots=True)
class Bench:
    """Callers whose connections lead nowhere."""

    service: Service
    server: GuardedServer
    target: Target
    pairs: Sequence[tuple[str, str]]
    held_ids: list[str] = field(default_factory=list)
    paid_ids: list[str] = field(default_factory=list)
    _missing: int = 0
    _all_told: asyncio.Event = field(default_factory=asyncio.Event)
    _told: list[str] | None = None
    """The ids of what was made, where somebody wants to know them."""

    @property
    def lane(self) -> BatchRunner:
        return self.service._lanes[0]

    @asynccontextmanager
    async def leading_nowhere(self, callers: int) -> AsyncIterator[None]:
        """Meanwhile nothing leaves this process. Its lane has met all accounts, and what it will send is prepared."""
        await self.bulk(3)
        await self.single(callers, 5)
        connections = self.lane._connections
        connection = connections.first
        if connection is None:
            raise WasRefused("the lane has no connection")
        second, connections._second = connections._second, None
        connections.first = cast(Any, Nowhere(connection))
        self.lane._cache = cast(Any, NoBalanceCache())
        self.lane._flights.records = AsMade(self.lane._flights.records)
        gc.collect()
        gc.freeze()
        gc.set_threshold(*GC_THRESHOLDS)
        yield
        connections.first, connections._second = connection, second

    async def single(self, callers: int, rounds: int) -> Costs:
        return await self._one_by_one(single_payments(self._target(), self.pairs, 1), callers, rounds)

    async def held(self, callers: int, rounds: int) -> Costs:
        return await self._one_by_one(holds(self._target(), self.pairs), callers, rounds)

    async def captured(self, callers: int, rounds: int) -> Costs:
        return await self._upon("/v1/holds/{id}/capture", self.held_ids, callers, rounds)

    async def refunded(self, callers: int, rounds: int) -> Costs:
        return await self._upon("/v1/payments/{id}/refund", self.paid_ids, callers, rounds)

    async def _upon(self, path: str, ids: Sequence[str], callers: int, rounds: int) -> Costs:
        each = [*islice(cycle(ids), callers * rounds)]
        return await self._one_by_one(upon(self._target(), path, each), callers, rounds)

    async def make(self, callers: int) -> None:
        """What is captured and refunded later, over and over: nobody writes what has become of it."""
        self.held_ids.clear()
        self.paid_ids.clear()
        for kind, ids in ((self.held, self.held_ids), (self.single, self.paid_ids)):
            self._told = ids
            await kind(callers, 4)
        self._told = None

    def _target(self) -> Target:
        return replace(self.target, key_prefix=secrets.token_hex(5))

    async def _one_by_one(self, requests: Iterator[bytes], callers: int, rounds: int) -> Costs:
        with self._connected(callers) as connections:
            return [await self._round(connections, [next(requests) for _ in connections], 1) for _ in range(rounds)]

    async def bulk(self, rounds: int) -> Costs:
        requests = bulk_payments(self._target(), self.pairs, BULK_ITEMS, 1)
        with self._connected(1) as connections:
            return [await self._round(connections, [next(requests)], BULK_ITEMS) for _ in range(rounds)]

    async def _round(self, connections: Sequence[ExpressProtocol], requests: Sequence[bytes], items: int) -> Cost:
        self._missing = len(requests)
        self._all_told.clear()
        begun = time.thread_time_ns()
        for protocol, request in zip(connections, requests, strict=True):
            protocol.data_received(request)
        taken = time.thread_time_ns()
        await self._all_told.wait()
        ended = time.thread_time_ns()
        nowhere = self.lane._connections.first
        posting = nowhere.posting_at if isinstance(nowhere, Nowhere) else taken
        each = 1000.0 * len(requests) * items
        return (taken - begun) / each, (posting - taken) / each, (ended - posting) / each

    @contextmanager
    def _connected(self, callers: int) -> Iterator[list[ExpressProtocol]]:
        protocols = [cast(ExpressProtocol, self.server._protocol()) for _ in range(callers)]
        for protocol in protocols:
            protocol.belong_to(self.service.connections, "127.0.0.1")
            protocol.connection_made(Told(self._on_answer))
        yield protocols
        for protocol in protocols:
            protocol.connection_lost(None)

    def _on_answer(self, data: Any) -> None:
        text = data if isinstance(data, bytes) else b"".join(data)
        if text.startswith(b"HTTP/1.1 ") and text[9:12] not in (b"201", b"200"):
            raise WasRefused(text)
        if text.endswith(b"\r\n\r\n"):
            return  # A head whose body is still to come.
        if self._told is not None and (found := ID.search(text)) is not None:
            self._told.append(found[1].decode())
        self._missing -= 1
        if not self._missing:
            self._all_told.set()


async def _measured(servers: Servers, options: argparse.Namespace) -> None:
    async with served(servers, workers=1, **NO_LIMITS) as (service, server, port):
        bench = await opened(service, server, port)
        await bench.held(max(options.callers), 5)
        await bench.make(max(options.callers))
        await bench.captured(max(options.callers), 2)
        await bench.refunded(max(options.callers), 2)
        await bench.make(max(options.callers))
        async with bench.leading_nowhere(max(options.callers)):
            runs: list[tuple[str, Callable[[], Awaitable[Costs]]]] = [
                *((f"single @{n}", partial(bench.single, n, options.payments // n)) for n in options.callers),
                *((f"hold @{n}", partial(bench.held, n, options.payments // n)) for n in options.callers),
                *((f"capture @{n}", partial(bench.captured, n, options.payments // n)) for n in options.callers),
                *((f"refund @{n}", partial(bench.refunded, n, options.payments // n)) for n in options.callers),
                ("bulk of 1,000", partial(bench.bulk, max(5, options.payments // BULK_ITEMS))),
            ]
            for name, run in runs:
                await run()
                _show(name, await run())


def _show(name: str, costs: Costs) -> None:
    """The quarter that was disturbed least: others use the machine too, and nobody makes it faster than it is."""
    least = sorted(costs, key=sum)[: max(1, len(costs) // 4)]
    means = [mean(stage) for stage in zip(*least, strict=True)]
    told = ", ".join(f"{stage} {cost:.1f}" for stage, cost in zip(STAGES, means, strict=True))
    sys.stdout.write(f"{name:14} {sum(means):6.1f} us each: {told}\n")


async def opened(service: Service, server: GuardedServer, port: int) -> Bench:
    ledger = await service.services.ledgers.create("stages")
    _, key = await service.services.api_keys.create(
        LedgerId(ledger.id), "stages", ["accounts:write", "payments:write", "accounts:read", "payments:read"]
    )
    codes = [f"stages:{number}" for number in range(ACCOUNTS)]
    headers = {"Authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=headers) as client:
        for code in codes:
            body = {"code": code, "currency": "USD", "type": "asset", "min_available": None}
            answer = await client.post("/v1/accounts", json=body, headers={"Idempotency-Key": secrets.token_hex(8)})
            if answer.status_code != 201:
                raise WasRefused(answer.text)
    target = Target(host=f"127.0.0.1:{port}", token=key, key_prefix="")
    return Bench(service, server, target, uniform_pairs(codes, 1))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--callers", type=int, nargs="*", default=[1, 16, 64], help="who pay at the same time")
    parser.add_argument("--payments", type=int, default=6_000, help="in each case")
    options = parser.parse_args()
    with fresh_folder() as folder, running_service(folder) as servers:
        uvloop.run(_measured(servers, options))
    return 0


if __name__ == "__main__":
    sys.exit(main())
