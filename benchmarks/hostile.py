"""python -m benchmarks.hostile (or `make bench-hostile`): what strangers can take away from an honest caller.

For each kind of attack: payments of one caller alone, then beside 40 hostile connections, then alone again, so that a
machine that others use meanwhile shows. The limits are those of `zerosum serve`, not the generous ones of `zerosum up`.
"""

from __future__ import annotations

import argparse
import json
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean
from typing import Any
from urllib.parse import urlsplit

import httpx
import uvloop

from benchmarks.attacks import KINDS
from benchmarks.progress import Progress
from benchmarks.service import Service, fresh_folder, running_service
from zerosum.cli.load import LoadReport, Plan, run_load
from zerosum.cli.load.payments import Target, single_payments, uniform_pairs

CONNECTIONS = 40
READERS = 24
"""Of one ledger's reports at once."""

HONEST_CONNECTIONS = 4
ACCOUNTS = 200
HISTORY = 20_000
"""Postings in the other ledger, for its statements to be long."""

SETTLE_SECONDS = 1.0
TRIES = 30
LIMITS = {
    "rate_limit_per_principal": "50000/s",  # The honest caller is to be slowed down by the attack alone.
    "rate_limit_per_ledger": "50000/s",
    "rate_limit_per_address": "2000/s",
    "costly_reads_per_ledger": "500/s",
    "connections_per_address_max": "500",
    "new_connections_per_address": "100",
}
RESULTS = Path("bench-results")


@dataclass(frozen=True, slots=True)
class Measured:
    rate: float
    p50_ms: float
    p99_ms: float

    @classmethod
    def of(cls, report: LoadReport) -> Measured:
        latencies = report.window.latencies
        return cls(
            report.window.acknowledged / report.seconds,
            latencies.seconds_at(0.5) * 1e3,
            latencies.seconds_at(0.99) * 1e3,
        )


@dataclass(frozen=True, slots=True)
class Row:
    kind: str
    alone: Measured
    attacked: Measured

    @property
    def rate_kept(self) -> float:
        return self.attacked.rate / self.alone.rate

    @property
    def p99_factor(self) -> float:
        return self.attacked.p99_ms / self.alone.p99_ms


class Patient(httpx.HTTPTransport):
    """Waits as it is told where it asks too often, as it does while the ledgers are filled."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        for _ in range(TRIES):
            answer = super().handle_request(request)
            if answer.status_code != 429:
                break
            answer.read()
            time.sleep(float(answer.headers["retry-after"]))
        return answer


class Caller:
    """Makes payments in a ledger of its own; `other` is the ledger whose reports are read."""

    def __init__(self, service: Service) -> None:
        self._url = service.credentials.base_url
        self._admin = self._http(service.credentials.api_key)
        self.key = self.ledger("honest")
        self.codes = self.accounts(self.key, ACCOUNTS)
        other = self.ledger("other")
        accounts = self.accounts(other, ACCOUNTS)
        self._fill(other, accounts)
        self.attack = {"reader_key": self._reader(other), "account": accounts[0]}

    def measure(self, seconds: float) -> Measured:
        at = urlsplit(self._url)
        plan = Plan(
            host=at.hostname or "",
            port=at.port or 0,
            connections=HONEST_CONNECTIONS,
            seconds=seconds,
            warm_up_seconds=SETTLE_SECONDS,
        )
        target = Target(host=at.netloc, token=self.key, key_prefix=secrets.token_hex(5))
        payments = single_payments(target, uniform_pairs(self.codes, 1), 1)
        return Measured.of(uvloop.run(run_load(plan, payments)))

    def _http(self, key: str) -> httpx.Client:
        headers = {"Authorization": f"Bearer {key}"}
        return httpx.Client(transport=Patient(), base_url=self._url, headers=headers, trust_env=False, timeout=60.0)

    def ledger(self, name: str) -> str:
        ledger = _good(self._admin.post("/v1/ledgers", json={"name": name}))["id"]
        scopes = ["accounts:read", "accounts:write", "payments:write", "payments:read", "reports:read", "journal:read"]
        body = {"ledger": ledger, "name": name, "scopes": [*scopes, "admin"]}
        key: str = _good(self._admin.post("/v1/api-keys", json=body))["key"]
        return key

    def _reader(self, key: str) -> str:
        with self._http(key) as http:
            ledger = _good(http.get("/v1/api-keys"))["data"][0]["ledger"]
        body = {"ledger": ledger, "name": "reader", "scopes": ["accounts:read", "reports:read", "payments:read"]}
        made: str = _good(self._admin.post("/v1/api-keys", json=body))["key"]
        return made

    def accounts(self, key: str, number: int) -> list[str]:
        codes = [f"account:{index}" for index in range(number)]
        with self._http(key) as http:
            for code in codes:
                _good(http.post("/v1/accounts", json={"code": code, "currency": "USD", "type": "liability"}))
            for start in range(0, number, 1000):
                deposits = [_deposit(code, "1000000") for code in codes[start : start + 1000]]
                _good(http.post("/v1/payments/bulk", json={"items": deposits}))
        return codes

    def _fill(self, key: str, codes: list[str]) -> None:
        with self._http(key) as http:
            for _ in range(HISTORY // 2 // 1000):
                _good(http.post("/v1/payments/bulk", json={"items": [_deposit(codes[0], "1") for _ in range(1000)]}))


def _deposit(code: str, amount: str) -> dict[str, str]:
    key = secrets.token_hex(12)
    return {"type": "deposit", "amount": amount, "currency": "USD", "to": code, "idempotency_key": key}


def _good(answer: httpx.Response) -> Any:
    if answer.status_code >= 300:
        raise SystemExit(f"{answer.request.method} {answer.request.url}: {answer.status_code} {answer.text[:300]}")
    return answer.json()


@contextmanager
def attacking(kind: str, caller: Caller, port: int, seconds: float) -> Iterator[subprocess.Popen[bytes]]:
    connections = READERS if "reports" in kind else CONNECTIONS
    command = [sys.executable, "-m", "benchmarks.attacks", kind, str(port), str(connections), str(seconds)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True) as attackers:
        assert attackers.stdin is not None
        attackers.stdin.write(json.dumps(caller.attack).encode())
        attackers.stdin.close()
        time.sleep(SETTLE_SECONDS)
        try:
            yield attackers
        finally:
            attackers.terminate()


def measure_all(service: Service, kinds: list[str], seconds: float, say: Callable[[str], None]) -> list[Row]:
    caller = Caller(service)
    port = urlsplit(service.credentials.base_url).port or 0
    rows = []
    before = caller.measure(seconds)
    for kind in kinds:
        with attacking(kind, caller, port, 2 * seconds + 10):
            attacked = caller.measure(seconds)
        after = caller.measure(seconds)
        alone = Measured(*(mean(pair) for pair in zip(_values(before), _values(after), strict=True)))
        rows.append(Row(kind, alone, attacked))
        say(f"{kind:40} rate kept {rows[-1].rate_kept:.2f}, p99 x {rows[-1].p99_factor:.1f}")
        before = after
    return rows


def _values(measured: Measured) -> tuple[float, float, float]:
    return measured.rate, measured.p50_ms, measured.p99_ms


def table(rows: list[Row]) -> str:
    lines = ["| 40 hostile connections | payments/s alone | attacked | rate kept | p99 ms alone | attacked | factor |"]
    lines.append("| --- | --- | --- | --- | --- | --- | --- |")
    lines += [
        f"| {row.kind} | {row.alone.rate:,.0f} | {row.attacked.rate:,.0f} | {row.rate_kept:.2f} "
        f"| {row.alone.p99_ms:.1f} | {row.attacked.p99_ms:.1f} | {row.p99_factor:.1f} |"
        for row in rows
    ]
    return "\n".join(lines) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(prog="make bench-hostile", description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each measurement")
    parser.add_argument("--only", action="append", choices=list(KINDS), help="this kind; may be given again")
    given = parser.parse_args()
    with Progress() as progress, fresh_folder() as folder, running_service(folder, **LIMITS) as service:
        rows = measure_all(service, given.only or list(KINDS), given.seconds, progress.say)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "hostile.md").write_text(table(rows))
    (RESULTS / "hostile.json").write_text(json.dumps([asdict(row) for row in rows], indent=2) + "\n")
    sys.stdout.write(table(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
