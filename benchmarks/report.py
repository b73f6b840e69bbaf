"""What a run has found: tables on stdout, everything in a JSON file."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks.memory import MemoryReading
from benchmarks.ratios import Ratio, ratios
from benchmarks.readings import DISTURBED_CORES, Results, Spread
from benchmarks.sampling import Profile

PLAIN_WIDTH = 160
FUNCTIONS_SHOWN = 15

UNITS = {"pgbench": "transfers/s", "bare": "requests/s"}


@dataclass(slots=True)
class Run:
    """Everything that was measured."""

    conditions: dict[str, Any]
    options: dict[str, Any]
    results: Results = field(default_factory=Results)
    memory: MemoryReading | None = None
    profile: Profile | None = None
    books: dict[str, Any] = field(default_factory=dict)

    @property
    def ratios(self) -> list[Ratio]:
        return ratios(self.results, self.memory)


def write_json(run: Run, path: Path) -> None:
    content = {
        "conditions": run.conditions,
        "options": run.options,
        "ratios": [ratio.to_plain() for ratio in run.ratios],
        "cases": run.results.to_plain(),
        "memory": run.memory.to_plain() if run.memory is not None else None,
        "profile": run.profile.to_plain() if run.profile is not None else None,
        "books": run.books,
    }
    path.write_text(json.dumps(content, indent=1) + "\n")


def write_stacks(profile: Profile, path: Path) -> None:
    """One line a stack and its number of samples, as flame graph programs read it."""
    path.write_text("".join(f"{stack} {number}\n" for stack, number in profile.folded.items()))


def show(run: Run) -> None:
    """A rich table on a terminal, the same as plain text in a pipe."""
    console = Console() if sys.stdout.isatty() else Console(width=PLAIN_WIDTH, no_color=True, highlight=False)
    tables = [_cases_table(run.results), _ratios_table(run.ratios), _steps_table(run.results)]
    if run.profile is not None:
        tables += [_profile_table(run.profile), _functions_table(run.profile)]
    for title, table in tables:
        if table.row_count:
            console.print(f"\n{title}", highlight=False)
            console.print(table)


Titled = tuple[str, Table]


def _table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD if sys.stdout.isatty() else box.ASCII2)
    for index, column in enumerate(columns):
        table.add_column(column, justify="left" if index == 0 else "right", no_wrap=True)
    return table


def _cases_table(results: Results) -> Titled:
    columns = ("case", "items/s", "p50 ms", "p99 ms", "API", "PostgreSQL", "Valkey", "generator", "others, cores")
    table = _table(*columns)
    for (part, name), readings in results.readings.items():
        rate = results.spread(part, name)
        if rate is None:
            continue
        cpu = {
            key: Spread.of([reading.cpu_microseconds.get(key, 0.0) for reading in readings]).median
            for key in ("api", "postgres", "valkey", "generator")
        }
        foreign = Spread.of([reading.foreign_cores for reading in readings]).median
        table.add_row(
            f"{part}: {name}",
            rate.shown(),
            _milliseconds(results, part, name, "p50"),
            _milliseconds(results, part, name, "p99"),
            *(f"{value:.0f}" if value >= 0.5 else "" for value in cpu.values()),
            f"{foreign:.2f}{' !' if foreign > DISTURBED_CORES else ''}",
        )
    return "Rates: median (low..high). Processor time in µs an item.", table


def _milliseconds(results: Results, part: str, name: str, of: str) -> str:
    spread = results.spread(part, name, of)
    return "" if spread is None else f"{spread.median * 1000:,.1f}"


def _ratios_table(found: list[Ratio]) -> Titled:
    table = _table("what", "measured", "target", "")
    for ratio in found:
        verdict = "met" if ratio.is_met else "MISSED"
        pattern = "{:,.0f}" if ratio.measured.median >= 100 else "{:.2f}"
        table.add_row(ratio.name, ratio.measured.shown(pattern), ratio.target_text, verdict)
    return "Against the targets: of the figures of one round, median (low..high).", table


def _steps_table(results: Results) -> Titled:
    """What the client waits for. With one connection this is where PostgreSQL's time goes."""
    steps = ("begin", "lock", "find keys", "write", "commit")
    table = _table("case", *steps)
    for (part, name), readings in results.readings.items():
        if not readings[0].steps_microseconds:
            continue
        medians = [Spread.of([reading.steps_microseconds[step] for reading in readings]).median for step in steps]
        table.add_row(f"{part}: {name}", *(f"{value:.1f}" for value in medians))
    return "Set-wise SQL by step: µs of waiting a payment.", table


def _profile_table(profile: Profile) -> Titled:
    table = _table("part", "µs", "share")
    for name, value in profile.parts.items():
        table.add_row(name, f"{value:.1f}", f"{value / profile.cpu_microseconds:.0%}")
    title = (
        f"Where an API process spends {profile.cpu_microseconds:.0f} µs a single payment "
        f"({profile.payments_per_second:,.0f}/s through one process, {profile.samples:,} samples)."
    )
    return title, table


def _functions_table(profile: Profile) -> Titled:
    table = _table("function", "µs")
    for name, value in list(profile.functions.items())[:FUNCTIONS_SHOWN]:
        table.add_row(name, f"{value:.1f}")
    return "The functions it was found in most often, without what they call in Python.", table
