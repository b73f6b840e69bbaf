"""Payments over HTTP, one by one and in bulk; and the same requests to servers that do nothing."""

from __future__ import annotations

import gc
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import uvloop

from benchmarks.bare import BareServer
from benchmarks.cpu import Meter, Spent
from benchmarks.readings import Reading
from benchmarks.service import Service
from zerosum.cli.load import Acknowledged, LoadFailed, LoadReport, Plan, run_load
from zerosum.cli.load.payments import Target, bulk_payments, count_bulk, single_payments
from zerosum.cli.load.plan import one_if_successful

WARM_UP_SHARE = 0.25
BULK_ITEMS = 1000
PREHEAT_CALLERS = 8
PREHEAT_ITEMS = 200
"""So few that also a busy machine answers in time."""
SEED = 1

Pairs = Sequence[tuple[str, str]]


class LoadWasRefused(Exception):
    """A reading in which requests failed measures something else."""


@dataclass(slots=True)
class Acknowledgements:
    """What all cases together were promised by the service: it has to be in the books."""

    payments: int = 0
    unknown: int = 0


@dataclass(slots=True, kw_only=True)
class HttpCase:
    """One closed loop, or an open one where `rate` says how many arrive a second."""

    part: str
    name: str
    plan: Plan
    requests: Callable[[str], Iterator[bytes]]
    """The run's own key prefix -> its requests."""
    acknowledged: Acknowledged
    trees: Mapping[str, Sequence[int]]
    settle: Callable[[], None]
    acknowledgements: Acknowledgements
    rate: Callable[[], float] | None = None
    last: LoadReport | None = field(default=None)

    def run(self) -> Reading:
        self.settle()
        plan = self.plan if self.rate is None else replace(self.plan, rate=self.rate())
        meter = Meter(self.trees)
        spent: list[Spent] = []
        requests = self.requests(secrets.token_hex(5))
        gc.collect()
        gc.freeze()  # What was loaded before is not walked through again and again while we measure.

        def on_window(is_open: bool) -> None:
            if is_open:
                meter.start()
            else:
                spent.append(meter.stop())

        report = uvloop.run(run_load(plan, requests, acknowledged=self.acknowledged, on_window=on_window))
        self.last = report
        self.acknowledgements.payments += report.acknowledged
        self.acknowledgements.unknown += report.unknown
        if report.failures or any(status >= 300 for status in report.statuses):
            raise LoadWasRefused(f"{self.part}, {self.name}: {dict(report.statuses)} {dict(report.failures)}")
        return Reading.of(
            items=report.window.acknowledged,
            seconds=report.seconds,
            latencies=report.window.latencies,
            spent=spent[0],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpGround:
    """What the cases over HTTP have in common."""

    service: Service
    plan: Plan
    target: Target
    uniform: Pairs
    hot: Pairs
    acknowledgements: Acknowledgements

    def single(self, name: str, connections: int, pairs: Pairs, *, rate: Callable[[], float] | None = None) -> HttpCase:
        return HttpCase(
            part="single",
            name=name,
            plan=replace(self.plan, connections=connections),
            requests=lambda prefix: single_payments(replace(self.target, key_prefix=prefix), pairs, SEED),
            acknowledged=one_if_successful,
            trees=self.service.trees,
            settle=self.service.settle,
            acknowledgements=self.acknowledgements,
            rate=rate,
        )

    def bare(self, server: BareServer, connections: int) -> HttpCase:
        target = replace(self.target, host=f"127.0.0.1:{server.port}", token="none")
        return HttpCase(
            part="bare",
            name=f"{server.name} @{connections}",
            plan=replace(self.plan, connections=connections, port=server.port),
            requests=lambda prefix: single_payments(replace(target, key_prefix=prefix), self.uniform, SEED),
            acknowledged=one_if_successful,
            trees={"api": server.pids},
            settle=self.service.settle,
            acknowledgements=Acknowledgements(),
        )

    def bulk(self, callers: int) -> HttpCase:
        return HttpCase(
            part="bulk",
            name=f"{BULK_ITEMS} a call @{callers}",
            plan=replace(self.plan, connections=callers),
            requests=lambda prefix: bulk_payments(
                replace(self.target, key_prefix=prefix), self.uniform, BULK_ITEMS, SEED
            ),
            acknowledged=count_bulk,
            trees=self.service.trees,
            settle=self.service.settle,
            acknowledgements=self.acknowledgements,
        )

    def preheat(self, port: int) -> None:
        """Every API process meets every account once: in a running service that is long past."""
        plan = replace(
            self.plan,
            port=port,
            connections=PREHEAT_CALLERS,
            seconds=None,
            requests=max(PREHEAT_CALLERS * 2, 5 * len(self.uniform) // PREHEAT_ITEMS),
            warm_up_seconds=0.0,
        )
        target = replace(self.target, host=f"127.0.0.1:{port}", key_prefix=secrets.token_hex(5))
        requests = bulk_payments(target, self.uniform, PREHEAT_ITEMS, SEED)
        report = uvloop.run(run_load(plan, requests, acknowledged=count_bulk))
        self.acknowledgements.payments += report.acknowledged
        if report.unknown or not report.acknowledged:
            raise LoadFailed(f"the warm-up failed: {dict(report.statuses)} {dict(report.failures)}")
