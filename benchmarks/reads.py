"""python -m benchmarks.reads (or `make bench-reads ARGS="10000 1000000"`): whether reading grows with history.

Each size is a ledger of its own with one account that has so many postings, and others. Every read goes through HTTP;
the pages that PostgreSQL touches for a balance at an instant are counted, and its answer is held against the naive sum.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any
from uuid import UUID

import asyncpg
import httpx

from benchmarks.long_history import APART, BUSY, COUNTER, LongHistory
from benchmarks.progress import Progress
from benchmarks.service import DATABASE, Service, fresh_folder, running_service
from zerosum.adapters.clock import now
from zerosum.domain.identifiers import Prefix, parse_id

OTHERS = 150
"""Accounts beside the busy one: all fit on one page of a trial balance."""

TIMES = 15
CHECKS = 5
RESULTS = Path("bench-results")
SETTINGS = {"costly_reads_per_ledger": "off", "rate_limit_per_principal": "off", "rate_limit_per_ledger": "off"}

_NAIVE = """
select coalesce(sum(case side when 'c' then amount else -amount end), 0) from postings
where ledger_id = $1 and account_id = $2 and effective_at <= $3 and posted_at <= $4
"""


class ReadsAreWrong(Exception):
    """A balance is not the sum of its postings."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sizes", nargs="*", type=int, default=[10_000, 100_000, 1_000_000], help="postings (10000 …)")
    parser.add_argument(
        "--dated-every", type=int, default=100, help="each so-many-th is backdated; 1 all, 0 none (100)"
    )
    parser.add_argument("--unsealed", action="store_true", help="without the checkpoints that the worker makes")
    options = parser.parse_args()
    figures: dict[int, dict[str, float]] = {}
    with Progress() as progress, fresh_folder() as folder, running_service(folder, **SETTINGS) as service:
        for number in options.sizes:
            ground = _Ground(service, number, options.dated_every, progress, is_sealed=not options.unsealed)
            figures[number] = ground.measure()
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"reads-{now():%Y-%m-%d-%H%M}.json"
    path.write_text(json.dumps({"dated_every": options.dated_every, "figures": figures}, indent=1))
    _show(figures)
    sys.stderr.write(f"written: {path}\n")
    return 0


class _Ground:
    """One size: a ledger, filled; and the reads to measure in it."""

    def __init__(self, service: Service, number: int, dated_every: int, progress: Progress, *, is_sealed: bool) -> None:
        self._service = service
        self._progress = progress
        url = service.credentials.base_url
        admin = httpx.Client(base_url=url, headers=_bearer(service.credentials.api_key), trust_env=False, timeout=60)
        ledger = _good(admin.post("/v1/ledgers", json={"name": f"reads {number}"}))["id"]
        scopes = ["accounts:read", "accounts:write", "payments:write", "payments:read", "reports:read", "journal:read"]
        key = _good(admin.post("/v1/api-keys", json={"ledger": ledger, "name": "reads", "scopes": scopes}))["key"]
        self.http = httpx.Client(base_url=url, headers=_bearer(key), trust_env=False, timeout=120)
        busy = self._open(BUSY, "liability")
        counter = self._open(COUNTER, "asset")
        for index in range(OTHERS):
            self._open(f"other:{index:03}", "liability")
            body = {"type": "deposit", "amount": "5", "currency": "USD", "to": f"other:{index:03}"}
            _good(self.http.post("/v1/payments", json=body, headers={"Idempotency-Key": f"first-{index}"}))
        first_at = now() - timedelta(hours=1) - number * APART
        self.history = LongHistory(parse_id(Prefix.LEDGER, ledger), busy, counter, number, first_at)
        self._chance = random.Random(number)
        progress.say(f"{number:,} postings")
        with progress.bar("writing") as on_progress:
            asyncio.run(self._fill(dated_every, on_progress, is_sealed=is_sealed))

    def measure(self) -> dict[str, float]:
        found = {name: self._timed(read) for name, read in self._reads().items()}
        found["pages, balance as of"] = asyncio.run(self._check())
        return found

    def _reads(self) -> dict[str, Callable[[], httpx.Response]]:
        at, get = self._moment, self._get
        account = f"/v1/accounts/{BUSY}"

        def span(prefix: str = "effective_") -> dict[str, str]:
            start = at()
            return {f"{prefix}from": _text(start), f"{prefix}to": _text(start + timedelta(seconds=1))}

        return {
            "balance now": lambda: get(f"{account}/balance"),
            "balance as of": lambda: get(f"{account}/balance", as_of=_text(at())),
            "balance as recorded": lambda: get(f"{account}/balance", recorded_as_of=_text(at())),
            "balance, both": lambda: get(f"{account}/balance", as_of=_text(at()), recorded_as_of=_text(at())),
            "statement of a second": lambda: get(f"{account}/statement", **span("")),
            "postings, newest": lambda: get(f"{account}/postings"),
            "postings by time": lambda: get(f"{account}/postings", **span()),
            "payments of the account": lambda: get("/v1/payments", account=BUSY),
            "payments of the account by time": lambda: get("/v1/payments", account=BUSY, **span()),
            "payments by time": lambda: get("/v1/payments", **span()),
            "entries of the account by time": lambda: get("/v1/journal-entries", account=BUSY, **span()),
            "trial balance, whole": lambda: get("/v1/trial-balance", limit="200", as_of=_text(at())),
            "trial balance as recorded": lambda: get("/v1/trial-balance", recorded_as_of=_text(at())),
        }

    def _timed(self, read: Callable[[], httpx.Response]) -> float:
        """The median in ms."""
        took = []
        for _ in range(TIMES + 2):
            began = time.perf_counter()
            _good(read())
            took.append((time.perf_counter() - began) * 1e3)
        return median(took[2:])

    async def _fill(self, dated_every: int, on_progress: Callable[[float], None], *, is_sealed: bool) -> None:
        connection = await asyncpg.connect(self._service.dsn(DATABASE, superuser=True))
        try:
            began = time.perf_counter()
            await self.history.write(connection, dated_every, on_progress)
            self._progress.say(f"  written in {time.perf_counter() - began:.1f} s")
            if is_sealed:
                began = time.perf_counter()
                await self.history.seal(connection)
                self._progress.say(f"  sealed in {time.perf_counter() - began:.1f} s")
        finally:
            await connection.close()

    async def _check(self) -> float:
        """Balances against the naive sum; and how many pages one touches, in the median."""
        connection = await asyncpg.connect(self._service.dsn(DATABASE, superuser=True))
        pages = []
        try:
            for _ in range(CHECKS):
                effective, recorded = self._moment(), self._moment()
                told = self._get(f"/v1/accounts/{BUSY}/balance", as_of=_text(effective), recorded_as_of=_text(recorded))
                own = self.history.ledger_id, self.history.busy_id, effective, recorded
                naive = await connection.fetchval(_NAIVE, *own, timeout=600)
                if f"{naive:.2f}" != told.json()["posted"]:
                    raise ReadsAreWrong(f"{told.json()}: the postings add up to {naive}")
                plan = "explain (analyze, buffers, format json) select * from zerosum_totals_at($1, $2, $3, $4, false)"
                await connection.execute("discard plans")
                [node] = json.loads(await connection.fetchval(plan, *own))
                pages.append(node["Plan"]["Shared Hit Blocks"] + node["Plan"]["Shared Read Blocks"])
        finally:
            await connection.close()
        return float(median(pages))

    def _moment(self) -> datetime:
        """Some time in the history of the busy account."""
        return self.history.first_at + APART * self._chance.randrange(self.history.number)

    def _get(self, path: str, **parameters: str) -> httpx.Response:
        return self.http.get(path, params=parameters)

    def _open(self, code: str, type_: str) -> UUID:
        body = {"code": code, "currency": "USD", "type": type_}
        return parse_id(Prefix.ACCOUNT, _good(self.http.post("/v1/accounts", json=body))["id"])


def _show(figures: dict[int, dict[str, float]]) -> None:
    sizes = list(figures)
    print("| read, ms |", " | ".join(f"{size:,}" for size in sizes), "| last / first |")
    print("| --- |", " | ".join("---" for _ in sizes), "| --- |")
    for name in figures[sizes[0]]:
        row = [figures[size][name] for size in sizes]
        print(f"| {name} |", " | ".join(f"{value:.1f}" for value in row), f"| {row[-1] / row[0]:.2f} |")


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def _good(answer: httpx.Response) -> dict[str, Any]:
    if answer.is_error:
        raise ReadsAreWrong(f"{answer.request.url}: {answer.status_code} {answer.text[:300]}")
    found: dict[str, Any] = answer.json()
    return found


if __name__ == "__main__":
    raise SystemExit(main())
