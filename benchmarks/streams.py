"""python -m benchmarks.streams (or `make bench-streams`): messages in, events out, and what the events cost.

Rates of `zerosum ingest` beside the committer's own bulk rate, how late an event is at a webhook, what one dead
endpoint of a hundred takes from the others, and what a payment pays for its events. All in one run, as ratios.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.books import check_books
from benchmarks.http_cases import LoadWasRefused
from benchmarks.outbox_cost import bulk_case, cost_of_events, single_case
from benchmarks.parts import wanted_parts
from benchmarks.plan import Options, set_up
from benchmarks.progress import Progress
from benchmarks.readings import Spread
from benchmarks.service import Service, fresh_folder, running_service
from benchmarks.stream_inputs import MessagesAreMissing, broker_kinds, ingest_rate
from benchmarks.webhook_lag import EventsAreMissing, many_endpoints, one_endpoint
from zerosum.adapters.clock import now
from zerosum.cli.load import LoadFailed
from zerosum.cli.load.forks import ForkFailed

PARTS = ("ingest", "webhooks", "outbox")
SETTINGS = {
    "webhook_allow_private": "true",
    "webhook_endpoints_per_ledger": "200",
    "rate_limit_per_principal": "off",
    "rate_limit_per_ledger": "off",
}
CODES = 1000
FANNED_OUT_PER_SECOND = 8.0
RESULTS = Path("bench-results")


@dataclass(slots=True)
class Line:
    name: str
    target: str = ""
    readings: list[float] = field(default_factory=list)

    @property
    def spread(self) -> Spread:
        return Spread.of(self.readings)


class Table:
    def __init__(self, progress: Progress) -> None:
        self.lines: dict[str, Line] = {}
        self._progress = progress

    def add(self, name: str, reading: float, target: str = "") -> None:
        self.lines.setdefault(name, Line(name, target)).readings.append(reading)
        self._progress.say(f"  {name}: {reading:,.3g}")

    def shown(self) -> Iterator[str]:
        yield "| what | measured | target |"
        yield "| --- | --- | --- |"
        for line in self.lines.values():
            spread = line.spread
            yield f"| {line.name} | {spread.median:,.3g} ({spread.low:,.3g}..{spread.high:,.3g}) | {line.target} |"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", metavar="PART,PART", default=",".join(PARTS), help=f"of {', '.join(PARTS)}")
    parser.add_argument("--seconds", type=float, default=5.0, help="of each reading (5)")
    parser.add_argument("--events", type=float, default=1000.0, help="a second, for one webhook (1000)")
    parser.add_argument("--messages", type=int, default=40_000, help="in each queue (40000)")
    parser.add_argument("--rounds", type=int, default=2, help="in which all take turns (2)")
    given = parser.parse_args()
    parts = wanted_parts(parser, given.only, PARTS)
    with Progress() as progress, fresh_folder() as folder, ExitStack() as stack:
        progress.say("starting the service and its servers")
        service = stack.enter_context(running_service(folder, **SETTINGS))
        run = _Run(service, folder, given, Table(progress), progress, stack)
        for turn in range(given.rounds):
            for part in parts:
                progress.say(f"round {turn + 1} of {given.rounds}: {part}")
                run.part(part)(turn)
        progress.say("checking the books")
        check_books(service)
        table = run.table
        failures = run.failures
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"streams-{now():%Y-%m-%d-%H%M}.json"
    path.write_text(json.dumps({line.name: line.readings for line in table.lines.values()}, indent=1))
    sys.stdout.write("".join(f"{line}\n" for line in table.shown()))
    sys.stdout.write("".join(f"not measured: {failure}\n" for failure in failures))
    sys.stderr.write(f"written: {path}\n")
    return 1 if failures else 0


class _Run:
    def __init__(
        self, service: Service, folder: Path, given: Any, table: Table, progress: Progress, stack: ExitStack
    ) -> None:
        self._service = service
        self._folder = folder
        self._given = given
        self._progress = progress
        self.table = table
        self.failures: list[str] = []
        options = Options.of(
            is_quick=True,
            parts=("committer",),
            seconds=given.seconds,
            repeats=1,
            is_million=False,
            is_patient=False,
            output=RESULTS,
        )
        self._ground = set_up(service, folder, options, stack).ground

    @contextmanager
    def _going_on(self, name: str) -> Iterator[None]:
        """What cannot be measured here and now is told at the end, and nothing else is left out for it."""
        try:
            yield
        except (LoadWasRefused, LoadFailed, MessagesAreMissing, EventsAreMissing, ForkFailed, AssertionError) as error:
            self.failures.append(f"{name}: {error}")
            self._progress.say(f"  {name} was not measured: {error}")

    def part(self, name: str) -> Callable[[int], None]:
        return {"ingest": self._ingest, "webhooks": self._webhooks, "outbox": self._outbox}[name]

    def _ingest(self, turn: int) -> None:
        bulk = bulk_case(self._service, self._given.seconds).run().items_per_second
        self.table.add("the committer's bulk rate, payments/s", bulk)
        codes = sorted({code for pair in self._ground.uniform for code in pair})[:CODES]
        for kind in broker_kinds(self._service):
            if kind.obstacle is not None:
                self._progress.say(f"  {kind.name} is not here: {kind.obstacle}")
                continue
            with self._going_on(kind.name):
                folder = self._folder / f"{kind.name}-{turn}".lower()
                rate = ingest_rate(self._service, kind, folder, codes, self._given.messages)
                target = "at least 0.6" if kind.name in ("RabbitMQ", "Kafka") else ""
                self.table.add(f"{kind.name}: messages/s", rate)
                self.table.add(f"{kind.name} / the committer's bulk rate", rate / bulk, target)

    def _webhooks(self, _: int) -> None:
        events = self._given.events
        with self._going_on("the lag of a webhook"):
            lag = one_endpoint(self._ground, events, self._given.seconds)
            self.table.add(f"lag of a webhook at {events:g} events/s, p50 s", lag.p50)
            self.table.add(f"lag of a webhook at {events:g} events/s, p99 s", lag.p99, "below 1")
            for part, spent in lag.spent.items():
                self.table.add(f"a payment and its webhook: µs of the {part}", spent)
        with self._going_on("a dead endpoint of a hundred"):
            self._dead_endpoint()

    def _dead_endpoint(self) -> None:
        all_well = many_endpoints(self._ground, FANNED_OUT_PER_SECOND, self._given.seconds, dead=0)
        one_dead = many_endpoints(self._ground, FANNED_OUT_PER_SECOND, self._given.seconds, dead=1)
        self.table.add("100 endpoints: deliveries/s", all_well.delivered)
        share = one_dead.delivered / 99 / (all_well.delivered / 100)
        self.table.add("the rate of 99 beside a dead one / of 100", share, "at least 0.9")
        self.table.add("100 endpoints: lag p99 s, one dead", one_dead.p99)
        for part in ("worker", "postgres"):
            self.table.add(f"100 endpoints: µs of the {part} a delivery", all_well.spent[part])

    def _outbox(self, _: int) -> None:
        for make in (bulk_case, single_case):
            case = make(self._service, self._given.seconds)
            with self._going_on(f"what events cost, {case.name}"):
                cost = cost_of_events(case)
                self.table.add(f"{case.name}: µs of PostgreSQL for an event", cost.told - cost.untold)
                self.table.add(f"{case.name}: processor time with events / without", cost.ratio, "below 1.05")


if __name__ == "__main__":
    sys.exit(main())
