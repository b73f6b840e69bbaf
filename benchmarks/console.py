"""python -m benchmarks.console (or `make bench-console ARGS="100000 1000000"`): how soon the console's pages are there.

A ledger of so many accounts and postings is written set-wise; then somebody signs in and opens every page twenty times,
each time of other things. What misses 300 ms at p95 is marked, and the exit status tells it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from math import ceil
from pathlib import Path
from statistics import median
from uuid import UUID

import asyncpg
import httpx

from benchmarks.console_ground import ConsoleGround
from benchmarks.console_pages import PAGES, Things, signed_in
from benchmarks.cpu import Meter
from benchmarks.progress import Progress
from benchmarks.service import DATABASE, Service, fresh_folder, running_service
from zerosum.adapters.clock import now
from zerosum.domain.identifiers import Prefix, parse_id

ACCOUNTS, POSTINGS = 1_000_000, 10_000_000
TIMES = 20
WITHIN_MS = 300.0
SLOWEST_SECONDS = 4.0
"""A page that takes so long the first time is not opened twenty times more, but three."""

SAMPLES = 200
RESULTS = Path("bench-results")
LEDGER = "console-ledger"
"""The file of a folder that says which ledger was written there."""

SETTINGS = {
    "self_audit_seconds": "0",
    "costly_reads_per_ledger": "off",
    "rate_limit_per_principal": "off",
    "rate_limit_per_ledger": "off",
}


@dataclass(frozen=True, slots=True)
class Figure:
    page: str
    p50: float
    p95: float
    processor: float
    """Milliseconds of API and PostgreSQL together: what it would take on a machine that nobody else uses."""
    statuses: tuple[int, ...]

    @property
    def misses(self) -> bool:
        return self.p95 > WITHIN_MS or max(self.statuses) >= 500


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("accounts", nargs="?", type=int, default=ACCOUNTS)
    parser.add_argument("postings", nargs="?", type=int, default=POSTINGS)
    parser.add_argument("--only", default="", help="pages with this in their name")
    parser.add_argument("--folder", type=Path, help="is kept, with all in it: the next time it is only measured")
    options = parser.parse_args()
    ground = fresh_folder() if options.folder is None else nullcontext(_kept(options.folder))
    with Progress() as progress, ground as folder, running_service(folder, **SETTINGS) as service:
        ledger = folder / LEDGER
        if not ledger.exists():
            _fill(service, ledger, options.accounts, options.postings, progress)
        things = asyncio.run(_things(service, ledger.read_text()))
        progress.say(f"load {os.getloadavg()[0]:.1f}")
        with _logged_long_ago(service, things.ledger):
            figures = _measure(service, folder, things, options.only, progress)
        progress.say(f"load {os.getloadavg()[0]:.1f}")
    _write(figures, options.accounts, options.postings)
    print(_table(figures))
    return int(any(figure.misses for figure in figures))


def _ledger(service: Service) -> str:
    credentials = service.credentials
    headers = {"Authorization": f"Bearer {credentials.api_key}"}
    with httpx.Client(base_url=credentials.base_url, headers=headers, trust_env=False, timeout=60) as http:
        answer = http.post("/v1/ledgers", json={"name": "a big one"})
        answer.raise_for_status()
        return str(answer.json()["id"])


def _kept(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    folder.chmod(0o711)
    return folder.absolute()


def _fill(service: Service, written: Path, accounts: int, postings: int, progress: Progress) -> None:
    """`written` says which ledger it is, once it is whole."""
    ledger = _ledger(service)
    progress.say(f"{accounts:,} accounts, {postings:,} postings")
    began = time.perf_counter()
    ledger_id: UUID = parse_id(Prefix.LEDGER, ledger)
    ground = ConsoleGround(ledger_id, accounts, postings, now() - timedelta(days=30, minutes=10))

    async def write() -> None:
        connection = await asyncpg.connect(service.dsn(DATABASE, superuser=True))
        try:
            await ground.write(connection, progress.say)
        finally:
            await connection.close()

    asyncio.run(write())
    written.write_text(ledger)
    progress.say(f"  written in {time.perf_counter() - began:.0f} s")


async def _things(service: Service, ledger: str) -> Things:
    connection = await asyncpg.connect(service.dsn(DATABASE, superuser=True))
    try:
        return await Things.drawn(connection, ledger, SAMPLES)
    finally:
        await connection.close()


@contextmanager
def _logged_long_ago(service: Service, ledger: str) -> Iterator[None]:
    """The proof log of a ledger that has grown is carried on meanwhile; that of this one would be for hours."""
    name = f"zerosum:proof log of {parse_id(Prefix.LEDGER, ledger)}"
    with asyncio.Runner() as runner:
        connection = runner.run(asyncpg.connect(service.dsn(DATABASE, superuser=True)))
        runner.run(connection.execute("select pg_advisory_lock(hashtextextended($1, 0))", name))
        yield
        runner.run(connection.close())


def _measure(service: Service, folder: Path, things: Things, only: str, progress: Progress) -> list[Figure]:
    chance = random.Random(20)
    figures = []
    with signed_in(service, folder) as http:
        for name, address in PAGES.items():
            if only in name:
                figures.append(_timed(http, Meter(service.trees), name, partial(address, things, chance)))
                progress.say(f"  {figures[-1].p95:8.1f}  {name}")
    return figures


def _timed(http: httpx.Client, meter: Meter, name: str, address: Callable[[], str]) -> Figure:
    took: list[float] = []
    statuses: set[int] = set()
    times = TIMES + 1
    meter.start()
    while len(took) < times:
        path = address()
        began = time.perf_counter()
        statuses.add(http.get(path).status_code)
        took.append((time.perf_counter() - began) * 1e3)
        if took[-1] > SLOWEST_SECONDS * 1e3:
            times = min(times, 4)
    spent = meter.stop().seconds
    processor = (spent["api"] + spent["postgres"]) / len(took) * 1e3
    ordered = sorted(took[1:])
    return Figure(name, median(ordered), ordered[ceil(len(ordered) * 0.95) - 1], processor, tuple(statuses))


def _table(figures: list[Figure]) -> str:
    lines = ["| page | p50 ms | p95 ms | processor ms | answers | |", f"|{' --- |' * 6}"]
    for figure in sorted(figures, key=lambda one: -one.p95):
        answers = ", ".join(map(str, sorted(figure.statuses)))
        mark = "**misses**" if figure.misses else ""
        times = f"{figure.p50:.1f} | {figure.p95:.1f} | {figure.processor:.1f}"
        lines.append(f"| {figure.page} | {times} | {answers} | {mark} |")
    return "\n".join(lines)


def _write(figures: list[Figure], accounts: int, postings: int) -> None:
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"console-{now():%Y-%m-%d-%H%M}.json"
    rows = {figure.page: [figure.p50, figure.p95, figure.processor, list(figure.statuses)] for figure in figures}
    path.write_text(json.dumps({"accounts": accounts, "postings": postings, "pages": rows}, indent=1))
    sys.stderr.write(f"written: {path}\n")


if __name__ == "__main__":
    raise SystemExit(main())
