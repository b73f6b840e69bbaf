"""python -m benchmarks.nights (or `make bench-nights`): payments beside what a night brings.

So many holds that expire at the same moment, and the close of a month in which so many accounts have moved. p99 of
payments, which arrive by themselves, in slices of some seconds: before, meanwhile and afterwards, in one run.
"""

from __future__ import annotations

import argparse
import secrets
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import uvloop

from benchmarks.books import check_books
from benchmarks.http_cases import SEED, HttpGround, LoadWasRefused
from benchmarks.month_end import closed, dated_back
from benchmarks.parts import wanted_parts
from benchmarks.plan import open_accounts
from benchmarks.progress import Progress
from benchmarks.service import Service, fresh_folder, running_service
from benchmarks.verb_cases import holds
from zerosum.adapters.clock import now
from zerosum.cli.load import run_load
from zerosum.cli.load.payments import single_payments, uniform_pairs

PARTS = ("expiry", "closing")
SETTINGS = {"rate_limit_per_principal": "off", "rate_limit_per_ledger": "off"}
CONNECTIONS = 32
PLACING_CONNECTIONS = 64
PROBES = 2_000
BUSY_ACCOUNTS = 1_000
"""Between which holds are placed and payments made: few, so that they meet."""
SLICES = 6
"""Before, and afterwards."""
WANTED = "below 1.5"
_DUE = "select count(*) from holds where status = 'open' and expires_at <= $1"


@dataclass(frozen=True, slots=True)
class Slice:
    p50: float
    p99: float
    answered: int


class Night:
    def __init__(self, service: Service, ground: HttpGround, given: Any, progress: Progress) -> None:
        self._service = service
        self._given = given
        self._progress = progress
        rows = service.sql("select code from accounts where code like 'bench:%' order by code")
        self._codes = [str(row[0]) for row in rows]
        self._ground = replace(ground, uniform=uniform_pairs(self._codes[:BUSY_ACCOUNTS], SEED))
        self.lines: list[tuple[str, str]] = []
        self._refused = 0

    def expiry(self) -> None:
        """All were placed before, and expire at one moment."""
        probe = self._placed(PROBES, now() + timedelta(days=1))
        self._progress.say(f"  {probe:,.0f} holds a second can be placed")
        seconds = self._given.holds / probe * 1.5 + 2 * SLICES * self._given.slice
        moment = now() + timedelta(seconds=seconds)
        placed = self._placed(self._given.holds, moment)
        self._progress.say(f"  {self._given.holds:,} placed, {placed:,.0f} a second; they expire at {moment:%H:%M:%S}")
        self._service.settle()
        before = self._slices(lambda: now() < moment - timedelta(seconds=2 * self._given.slice))[-SLICES:]
        while now() < moment:
            time.sleep(0.1)
        begun = time.monotonic()
        deadline = begun + self._given.minutes * 60
        meanwhile = self._slices(lambda: self._left(moment) > 0 and time.monotonic() < deadline)
        took, left = time.monotonic() - begun, self._left(moment)
        released = self._given.holds - left
        after = self._slices(None)
        self.lines.append(("holds that expired together", f"{released:,} of {self._given.holds:,}"))
        self.lines.append(("released a second", f"{released / took:,.0f}, for {took:,.0f} s"))
        self._tell("expiry", before, meanwhile, after)

    def closing(self) -> None:
        """Each account has one posting in the month before this one."""
        accounts = dated_back(self._ground, self._codes, now())
        self._progress.say(f"  {accounts:,} accounts have moved in the month before")
        self._service.settle()
        before = self._slices(None)
        with closed(self._service, now()) as month:
            meanwhile = self._slices(lambda: month.seconds is None)
        after = self._slices(None)
        self.lines.append(("accounts in the month that was closed", f"{month.accounts:,} of {accounts:,}"))
        self.lines.append(("seconds to close it", f"{month.seconds or 0:,.0f}"))
        self._tell("closing", before, meanwhile, after)

    def _tell(self, name: str, before: list[Slice], meanwhile: list[Slice], after: list[Slice]) -> None:
        for when, slices in (("before", before), ("meanwhile", meanwhile), ("afterwards", after)):
            p99s = sorted(one.p99 * 1e3 for one in slices)
            shown = f"{statistics.median(p99s):,.0f} ({p99s[0]:,.0f}..{p99s[-1]:,.0f})"
            p50 = statistics.median(one.p50 for one in slices) * 1e3
            self.lines.append((f"{name}: payments {when}, p99 ms of {len(slices)} slices", f"{shown}, p50 {p50:,.0f}"))
        quiet = statistics.median(one.p99 for one in [*before, *after])
        self.lines.append((f"{name}: payments refused, or not answered", f"{self._refused:,}"))
        self._refused = 0
        ratio = statistics.median(one.p99 for one in meanwhile) / quiet
        self.lines.append((f"{name}: p99 meanwhile / before and afterwards ({WANTED})", f"{ratio:.2f}"))

    def _placed(self, number: int, moment: datetime) -> float:
        """How many a second. Raises LoadWasRefused."""
        plan = replace(self._ground.plan, connections=PLACING_CONNECTIONS, seconds=None, requests=number)
        target = replace(self._ground.target, key_prefix=secrets.token_hex(5))
        begun = time.monotonic()
        made = holds(target, self._ground.uniform, moment.isoformat())
        report = uvloop.run(run_load(replace(plan, warm_up_seconds=0.0), made))
        if report.acknowledged != number:
            raise LoadWasRefused(f"holds: {dict(report.statuses)} {dict(report.failures)}")
        return number / (time.monotonic() - begun)

    def _left(self, moment: datetime) -> int:
        left = int(self._service.sql(_DUE, moment)[0][0])
        self._progress.say(f"  {left:,} are left")
        return left

    def _slices(self, goes_on: Callable[[], bool] | None) -> list[Slice]:
        """At least one; without a condition as many as are compared."""
        found = [self._slice()]
        while len(found) < SLICES if goes_on is None else goes_on():
            found.append(self._slice())
        return found

    def _slice(self) -> Slice:
        target = replace(self._ground.target, key_prefix=secrets.token_hex(5))
        plan = replace(self._ground.plan, connections=CONNECTIONS, seconds=self._given.slice, rate=self._given.rate)
        report = uvloop.run(run_load(plan, single_payments(target, self._ground.uniform, SEED)))
        paid = report.statuses[201]
        refused = report.statuses.total() - paid + report.failures.total()
        if refused > paid:
            raise LoadWasRefused(f"payments: {dict(report.statuses)} {dict(report.failures)}")
        self._refused += refused
        times = report.window.latencies
        one = Slice(times.seconds_at(0.5), times.seconds_at(0.99), report.window.answered)
        self._progress.say(f"  {now():%H:%M:%S} p50 {one.p50 * 1e3:,.0f} ms, p99 {one.p99 * 1e3:,.0f} ms")
        return one

    def shown(self) -> Iterator[str]:
        yield "| what | measured |"
        yield "| --- | --- |"
        yield from (f"| {name} | {value} |" for name, value in self.lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", metavar="PART,PART", default=",".join(PARTS), help=f"of {', '.join(PARTS)}")
    parser.add_argument("--holds", type=int, default=100_000, help="that expire together (100000)")
    parser.add_argument("--accounts", type=int, default=100_000, help="in the month that is closed (100000)")
    parser.add_argument("--rate", type=float, default=400.0, help="payments that arrive in a second (400)")
    parser.add_argument("--slice", type=float, default=5.0, help="seconds of each reading (5)")
    parser.add_argument("--minutes", type=float, default=60.0, help="so long it is looked on, at most (60)")
    given = parser.parse_args()
    parts = wanted_parts(parser, given.only, PARTS)
    with Progress() as progress, fresh_folder() as folder, running_service(folder, **SETTINGS) as service:
        accounts = given.accounts if "closing" in parts else BUSY_ACCOUNTS
        progress.say(f"opening {accounts:,} accounts")
        ground = open_accounts(service, accounts, given.slice)
        night = Night(service, ground, given, progress)
        for part in parts:
            progress.say(part)
            {"expiry": night.expiry, "closing": night.closing}[part]()
            sys.stdout.write("".join(f"{line}\n" for line in night.shown()))
            sys.stdout.flush()
        progress.say("checking the books")
        check_books(service)
    return 0


if __name__ == "__main__":
    sys.exit(main())
