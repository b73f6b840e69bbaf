"""How long after its payment an event arrives at a webhook, and what one dead endpoint takes from the others."""

from __future__ import annotations

import asyncio
import json
import secrets
import socket
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime

import httpx
import uvloop

from benchmarks.cpu import Meter
from benchmarks.http_cases import SEED, HttpGround, LoadWasRefused
from zerosum.cli.load import run_load
from zerosum.cli.load.payments import single_payments

CONNECTIONS = 32
ARRIVED_SECONDS_MAX = 120.0
ENDPOINTS = 100
_OK = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"


@dataclass(slots=True)
class Arrivals:
    """What a receiver has got: seconds between an event's own time and its arrival, each event once at each path."""

    seconds: list[float] = field(default_factory=list)
    seen: set[tuple[bytes, str]] = field(default_factory=set)
    port: int = 0

    def came(self, path: bytes, body: bytes) -> None:
        event = json.loads(body)
        if (path, event["id"]) not in self.seen:
            self.seen.add((path, event["id"]))
            self.seconds.append(time.time() - datetime.fromisoformat(event["created_at"]).timestamp())

    def at(self, share: float) -> float:
        ordered = sorted(self.seconds)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


@contextmanager
def receiver() -> Iterator[Arrivals]:
    """In a thread with a loop of its own, so that the load generator is not in its way more than it must."""
    arrivals = Arrivals()
    loop = uvloop.new_event_loop()
    ready = threading.Event()

    async def serve() -> None:
        server = await asyncio.start_server(lambda reader, writer: _answer(reader, writer, arrivals), "127.0.0.1", 0)
        arrivals.port = server.sockets[0].getsockname()[1]
        ready.set()

    def run() -> None:
        loop.create_task(serve())
        loop.run_forever()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    ready.wait(10)
    try:
        yield arrivals
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, arrivals: Arrivals) -> None:
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = int(head.split(b"content-length:")[1].split(b"\r\n")[0])
            arrivals.came(head.split(b" ")[1], await reader.readexactly(length))
            writer.write(_OK)
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


@dataclass(frozen=True, slots=True)
class Lag:
    offered: float
    delivered: float
    """Deliveries a second, from the first payment to the last arrival."""
    p50: float
    p99: float
    spent: Mapping[str, float]
    """Microseconds of processor time for each delivery, by part; with what its payment has cost."""


class EventsAreMissing(Exception):
    """Payments were acknowledged whose events did not arrive."""


def one_endpoint(ground: HttpGround, rate: float, seconds: float) -> Lag:
    with receiver() as arrivals, _endpoints(ground, [f"http://127.0.0.1:{arrivals.port}/hook"]):
        return _measured(ground, arrivals, rate, seconds, healthy=1)


def many_endpoints(ground: HttpGround, rate: float, seconds: float, *, dead: int) -> Lag:
    """A hundred, each for every payment; the first `dead` of them take connections and are silent."""
    with receiver() as arrivals, _silent() as silent:
        ports = [silent if at < dead else arrivals.port for at in range(ENDPOINTS)]
        with _endpoints(ground, [f"http://127.0.0.1:{port}/hook{at}" for at, port in enumerate(ports)]):
            return _measured(ground, arrivals, rate, seconds, healthy=ENDPOINTS - dead)


def _measured(ground: HttpGround, arrivals: Arrivals, rate: float, seconds: float, healthy: int) -> Lag:
    ground.service.settle()
    target = replace(ground.target, key_prefix=secrets.token_hex(5))
    plan = replace(ground.plan, connections=CONNECTIONS, seconds=seconds, warm_up_seconds=0.0, rate=rate)
    begun, meter = time.perf_counter(), Meter(ground.service.trees)
    meter.start()
    report = uvloop.run(run_load(plan, single_payments(target, ground.uniform, SEED)))
    if report.failures or any(status >= 300 for status in report.statuses):
        raise LoadWasRefused(f"webhooks: {dict(report.statuses)} {dict(report.failures)}")
    ground.acknowledgements.payments += report.acknowledged
    wanted = report.acknowledged * healthy
    deadline = time.perf_counter() + ARRIVED_SECONDS_MAX
    while len(arrivals.seen) < wanted:
        if time.perf_counter() > deadline:
            raise EventsAreMissing(f"{wanted} deliveries are due, {len(arrivals.seen)} arrived")
        time.sleep(0.02)
    taken = time.perf_counter() - begun
    spent = {name: seconds * 1e6 / wanted for name, seconds in meter.stop().seconds.items()}
    return Lag(rate, wanted / taken, arrivals.at(0.5), arrivals.at(0.99), spent)


@contextmanager
def _silent() -> Iterator[int]:
    """Takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0), backlog=512) as server:
        yield int(server.getsockname()[1])


@contextmanager
def _endpoints(ground: HttpGround, urls: Sequence[str]) -> Iterator[None]:
    credentials = ground.service.credentials
    headers = {"Authorization": f"Bearer {credentials.api_key}"}
    with httpx.Client(base_url=credentials.base_url, headers=headers, trust_env=False, timeout=30) as client:
        made: list[str] = []
        for url in urls:
            answer = client.post("/v1/webhook-endpoints", json={"url": url, "event_types": ["payment.*"]})
            if answer.status_code != 201:
                raise LoadWasRefused(answer.text)
            made.append(answer.json()["id"])
        try:
            yield
        finally:
            for one in made:
                client.delete(f"/v1/webhook-endpoints/{one}")
