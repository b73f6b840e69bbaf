"""python -m benchmarks.overload (or `make bench-overload`): three times as much as can be done, beside a neighbour.

One ledger floods: payments arrive by themselves at three times the rate at which they can be made, over so many
connections that all of it reaches the service, as through a proxy. Another ledger pays a little at the same time.
"""

from __future__ import annotations

import argparse
import secrets
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from urllib.parse import urlsplit

import uvloop

from benchmarks.cpu import resident_megabytes
from benchmarks.hostile import Caller
from benchmarks.progress import Progress
from benchmarks.service import Service, fresh_folder, running_service
from zerosum.cli.load import LoadReport, Plan, run_load
from zerosum.cli.load.forks import in_forks
from zerosum.cli.load.payments import Target, single_payments, uniform_pairs

SETTINGS = {
    "rate_limit_per_principal": "off",
    "rate_limit_per_ledger": "off",
    "rate_limit_per_address": "off",
    "connections_max": "10000",
    "trusted_proxies": "127.0.0.1/32",
}
CAPACITY_CONNECTIONS = 1_000
"""Who is overloaded has many callers: what one waits for then is compared with what one waits for at the limit."""

NEIGHBOUR_CONNECTIONS = 16
NEIGHBOUR_RATE = 50.0
AFTERWARDS_SECONDS = 10.0
GOODPUT, NEIGHBOUR, SLOWER, REFUSED_MS = 0.8, 0.95, 2.0, 50.0
LARGER = 1.5


@dataclass(frozen=True, slots=True)
class Seen:
    """Of one load, in its window."""

    rate: float
    p50_ms: float
    p99_ms: float
    refused: int
    refused_p99_ms: float
    odd: dict[int | str, int]
    """What is neither done nor refused in order."""

    @classmethod
    def of(cls, report: LoadReport) -> Seen:
        window = report.window
        turned_away = window.turned_away
        odd: dict[int | str, int] = {
            status: count for status, count in window.statuses.items() if status not in (201, 503)
        }
        return cls(
            window.acknowledged / report.seconds,
            window.latencies.seconds_at(0.5) * 1e3,
            window.latencies.seconds_at(0.99) * 1e3,
            turned_away.count,
            turned_away.seconds_at(0.99) * 1e3 if turned_away.count else 0.0,
            {**odd, **{str(failure): count for failure, count in window.failures.items()}},
        )

    def __str__(self) -> str:
        refused = f", {self.refused:,} refused (p99 {self.refused_p99_ms:,.0f} ms)" if self.refused else ""
        return f"{self.rate:,.0f}/s, p50 {self.p50_ms:,.0f} ms, p99 {self.p99_ms:,.0f} ms{refused} {self.odd or ''}"


class Overload:
    def __init__(self, service: Service, given: argparse.Namespace, say: Callable[[str], None]) -> None:
        self._service, self._given, self._say = service, given, say
        caller = Caller(service)
        self._greedy, self._codes = caller.key, caller.codes
        self._modest = caller.ledger("modest")
        caller.accounts(self._modest, len(self._codes))

    def _load(self, key: str, connections: int, seconds: float, rate: float | None) -> LoadReport:
        at = urlsplit(self._service.credentials.base_url)
        plan = Plan(
            host=at.hostname or "",
            port=at.port or 0,
            connections=connections,
            seconds=seconds,
            warm_up_seconds=1.0,
            rate=rate,
        )
        target = Target(host=at.netloc, token=key, key_prefix=secrets.token_hex(5))
        return uvloop.run(run_load(plan, single_payments(target, uniform_pairs(self._codes, 1), 1)))

    def _neighbour(self, seconds: float) -> LoadReport:
        return self._load(self._modest, NEIGHBOUR_CONNECTIONS, seconds, NEIGHBOUR_RATE)

    def run(self) -> Iterator[tuple[str, str]]:
        seconds = self._given.seconds
        capacity = Seen.of(self._load(self._greedy, CAPACITY_CONNECTIONS, seconds, None))
        self._say(f"at the limit {capacity}")
        alone = Seen.of(self._neighbour(seconds))
        self._say(f"the neighbour alone {alone}")
        memory = self._memory()
        flood = partial(self._load, self._greedy, self._given.connections, seconds, capacity.rate * self._given.times)
        flooded, beside = (Seen.of(report) for report in in_forks([flood, partial(self._neighbour, seconds)]))
        self._say(f"flooded {flooded}")
        self._say(f"the neighbour meanwhile {beside}")
        grown = self._memory() / memory
        time.sleep(AFTERWARDS_SECONDS)
        afterwards = Seen.of(self._neighbour(seconds))
        self._say(f"the neighbour afterwards {afterwards}")
        goodput = (flooded.rate + beside.rate) / capacity.rate
        yield f"payments made, of those at the limit (at least {GOODPUT})", f"{goodput:.2f}"
        slower = flooded.p99_ms / capacity.p99_ms
        yield f"p99 of those made, by that at the limit (at most {SLOWER})", f"{slower:.2f}"
        yield f"p99 of refusals, ms (below {REFUSED_MS:.0f})", f"{flooded.refused_p99_ms:,.0f}"
        yield f"the neighbour's payments, of those it sent (at least {NEIGHBOUR})", f"{beside.rate / alone.rate:.2f}"
        yield "the neighbour refused", f"{beside.refused:,}"
        waits = f"{alone.p99_ms:,.0f}, {beside.p99_ms:,.0f}, {afterwards.p99_ms:,.0f}"
        yield "the neighbour's p99 before, meanwhile and ten seconds afterwards, ms", waits
        yield f"memory of the API, by that before (at most {LARGER})", f"{grown:.2f}"

    def _memory(self) -> float:
        return sum(resident_megabytes(pid) for pid in self._service.api_pids)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20.0, help="of each reading (20)")
    parser.add_argument("--times", type=float, default=3.0, help="as much as can be done (3)")
    parser.add_argument("--connections", type=int, default=5_000, help="of the flood (5000)")
    given = parser.parse_args()
    with Progress() as progress, fresh_folder() as folder, running_service(folder, **SETTINGS) as service:
        sys.stdout.write("| what | measured |\n| --- | --- |\n")
        for what, value in Overload(service, given, progress.say).run():
            sys.stdout.write(f"| {what} | {value} |\n")
            sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
