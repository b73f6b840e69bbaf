"""python -m benchmarks.telemetry (or `make bench-telemetry`): what looking costs a payment.

Services that differ in nothing but who looks are asked to pay in turns, round by round, so that a machine that others
use meanwhile hardly counts: processor time a payment, against a service that tells nothing to anybody.

A processor may be half as fast in one second as in the next: what is to be told within some per cent takes few ways,
short readings and many rounds (`--only metrics "metrics, every trace" --seconds 1 --rounds 60`).
"""

from __future__ import annotations

import argparse
import asyncio
import fcntl
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from functools import partial
from math import ceil, floor, sqrt
from pathlib import Path
from statistics import median

import httpx
import uvloop

from benchmarks.console_pages import signed_in
from benchmarks.cpu import OURSELVES
from benchmarks.http_cases import HttpCase, LoadWasRefused
from benchmarks.plan import open_accounts
from benchmarks.progress import Progress
from benchmarks.readings import Reading
from benchmarks.service import Service, fresh_folder, service_telling

CONNECTIONS = 64
ACCOUNTS = 1_000
ROUNDS, SECONDS = 5, 5.0
ATTEMPTS = 4
ALL = "all: metrics, lines and every trace"

SESSIONS, TABS_OF_A_SESSION = 5, 4
TOLD_SECONDS_MAX = 60.0
"""Twenty tabs that are followed: a person has four at the most."""

OFF = {"self_audit_seconds": "0", "metrics": "false", "log_requests": "off", "log_level": "error", "trace_ratio": "0"}
METRICS = {**OFF, "metrics": "true"}
LINES = {**METRICS, "log_level": "info", "log_requests": "all", "log_format": "json"}
_OK = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Looked:
    """A service that is looked at in some way, and what goes on beside it while it pays."""

    name: str
    case: HttpCase
    beside: Callable[[], AbstractContextManager[object]]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of each reading")
    parser.add_argument("--only", nargs="*", default=[], help="ways by their names in the table; off is always there")
    options = parser.parse_args()
    with Progress() as progress, fresh_folder() as folder, ExitStack() as stack:
        looked = _services(stack, folder, options.seconds, options.only)
        readings: dict[str, list[Reading]] = {one.name: [] for one in looked}
        for number in range(options.rounds + 1):
            first = number % len(looked)  # Nobody is always behind the same one.
            for one in (*looked[first:], *looked[:first]):
                with one.beside():
                    reading = _read(one.case)
                if number:  # The first round warms everything up.
                    readings[one.name].append(reading)
                parts = ", ".join(f"{part} {used:.0f}" for part, used in _parts(reading).items())
                progress.say(f"{number}/{options.rounds}  {one.name}: {_cpu(reading):.0f} µs a payment ({parts})")
    print(_table(readings))
    return 0


def _services(stack: ExitStack, folder: Path, seconds: float, only: Collection[str]) -> list[Looked]:
    taking = stack.enter_context(collector())
    silent = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=512))
    endpoint, dead = (f"http://127.0.0.1:{port}" for port in (taking, silent.getsockname()[1]))
    ways: dict[str, tuple[Mapping[str, str], int | None]] = {
        "off": (OFF, None),
        "metrics": (METRICS, None),
        "metrics, a line a request": (LINES, None),
        "metrics, a trace in a hundred": ({**METRICS, "otlp_endpoint": endpoint, "trace_ratio": "0.01"}, None),
        "metrics, every trace": ({**METRICS, "otlp_endpoint": endpoint, "trace_ratio": "1"}, None),
        ALL: ({**LINES, "otlp_endpoint": endpoint, "trace_ratio": "1"}, None),
        "all, the collector is silent": ({**LINES, "otlp_endpoint": dead, "trace_ratio": "1"}, None),
        "all, nobody reads stdout": (
            {**LINES, "otlp_endpoint": endpoint, "trace_ratio": "1"},
            stack.enter_context(_full_pipe()),
        ),
    }
    ways = {name: way for name, way in ways.items() if name == "off" or not only or name in only}
    found = []
    for number, (name, (settings, stdout)) in enumerate(ways.items()):
        own = folder / str(number)
        own.mkdir()
        own.chmod(0o711)
        service = stack.enter_context(service_telling(own, stdout, settings))
        case = _case(service, name, seconds)
        found.append(Looked(name, case, nullcontext))
        if name == ALL:
            tabs = stack.enter_context(_tabs(service, own, _ledger(service)))
            found.append(Looked("all, 20 tabs of the overview", case, partial(_followed, tabs)))
    return found


def _case(service: Service, name: str, seconds: float) -> HttpCase:
    ground = open_accounts(service, ACCOUNTS, seconds)
    return ground.single(name, CONNECTIONS, ground.uniform)


def _read(case: HttpCase) -> Reading:
    """Again, where others have kept the machine so busy that payments were refused."""
    for _ in range(ATTEMPTS - 1):
        with suppress(LoadWasRefused):
            return case.run()
    return case.run()


def _ledger(service: Service) -> str:
    """The one whose accounts pay each other."""
    [row] = service.sql("select ledger_id from accounts where code like 'bench:%' limit 1")
    return f"led_{row['ledger_id']}"


@dataclass(frozen=True, slots=True)
class Tab:
    url: str
    cookies: Mapping[str, str]


@contextmanager
def _tabs(service: Service, folder: Path, ledger: str) -> Iterator[list[Tab]]:
    with ExitStack() as stack:
        people = [stack.enter_context(signed_in(service, folder)) for _ in range(SESSIONS)]
        url = f"{service.credentials.base_url}/console/{ledger}/overview/stream"
        yield [Tab(url, dict(http.cookies)) for http in people for _ in range(TABS_OF_A_SESSION)]


@contextmanager
def _followed(tabs: list[Tab]) -> Iterator[None]:
    """In a thread of its own; each was told something before. Raises RuntimeError where one was not."""
    told: list[int] = [0] * len(tabs)
    loop = uvloop.new_event_loop()

    async def follow(number: int, tab: Tab) -> None:
        async with httpx.AsyncClient(cookies=dict(tab.cookies), trust_env=False, timeout=60) as http:
            while True:  # As a browser comes again.
                with suppress(httpx.HTTPError):
                    async with http.stream("GET", tab.url, headers={"accept": "text/event-stream"}) as answer:
                        async for part in answer.aiter_bytes():
                            told[number] += b"event: live" in part
                await asyncio.sleep(1)

    async def all_of_them() -> None:
        await asyncio.gather(*(follow(*one) for one in enumerate(tabs)))

    task = loop.create_task(all_of_them())
    thread = threading.Thread(target=lambda: loop.run_until_complete(asyncio.wait([task])), daemon=True)
    thread.start()
    try:
        deadline = time.monotonic() + TOLD_SECONDS_MAX
        while not all(told):
            if time.monotonic() > deadline:
                raise RuntimeError(f"tabs were told nothing: {told}")
            time.sleep(0.05)
        yield
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join(10)


@contextmanager
def collector() -> Iterator[int]:
    """Takes what comes, and says that it is well."""
    loop = uvloop.new_event_loop()

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                await reader.readexactly(int(head.split(b"content-length:")[1].split(b"\r\n")[0]))
                writer.write(_OK)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = loop.run_until_complete(asyncio.start_server(take, "127.0.0.1", 0))
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield int(server.sockets[0].getsockname()[1])
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)


@contextmanager
def _full_pipe() -> Iterator[int]:
    """Nobody reads it, and it holds no more than a page of what is said."""
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
    try:
        yield writing
    finally:
        os.close(reading)
        os.close(writing)


def _parts(reading: Reading) -> dict[str, float]:
    """Whatever belongs to the service."""
    return {part: used for part, used in reading.cpu_microseconds.items() if part != OURSELVES}


def _cpu(reading: Reading) -> float:
    """µs a payment."""
    return sum(_parts(reading).values())


def _table(readings: Mapping[str, list[Reading]]) -> str:
    lines = [
        "| | µs a payment | of it API | against off (95 %) | API | payments/s | of off (95 %) |",
        f"|{' --- |' * 7}",
    ]
    for name, own in readings.items():
        pairs = list(zip(own, readings["off"], strict=True))
        ratios = [_cpu(mine) / _cpu(off) for mine, off in pairs]
        of_api = median(_parts(mine)["api"] / _parts(off)["api"] for mine, off in pairs)
        rates = [mine.items_per_second / off.items_per_second for mine, off in pairs]
        rate = median(one.items_per_second for one in own)
        used, api = median(map(_cpu, own)), median(_parts(one)["api"] for one in own)
        cells = name, f"{used:.0f}", f"{api:.0f}", _told(ratios), f"{of_api:.3f}", f"{rate:,.0f}", _told(rates)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _told(ratios: Sequence[float]) -> str:
    """The median, and between what it lies nineteen times of twenty, by its place among them in order."""
    ordered, reach = sorted(ratios), 0.98 * sqrt(len(ratios))
    middle = (len(ordered) - 1) / 2
    low, high = max(0, floor(middle - reach)), min(len(ordered) - 1, ceil(middle + reach))
    return f"{median(ordered):.3f} ({ordered[low]:.3f} to {ordered[high]:.3f})"


if __name__ == "__main__":
    sys.exit(main())
