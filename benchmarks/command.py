"""One run against the ceilings of this machine. Tables on stdout, talk on stderr.

It starts everything it needs in a folder of its own and leaves nothing behind but `bench-results/`.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.books import BooksAreWrong, check_books
from benchmarks.conditions import conditions
from benchmarks.memory import measure_memory
from benchmarks.parts import wanted_parts
from benchmarks.plan import PARTS, Options, Setting, make_cases, set_up
from benchmarks.progress import Progress
from benchmarks.readings import Case, Reading
from benchmarks.report import Run, show, write_json, write_stacks
from benchmarks.sampling import measure_profile
from benchmarks.service import Service, fresh_folder, running_service
from zerosum.adapters.clock import now


def main() -> int:
    options = _options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        with Progress() as progress:
            run = _run(options, progress)
    except BooksAreWrong as error:
        sys.stderr.write(f"THE BOOKS ARE WRONG {error}\n")
        return 1
    options.output.mkdir(parents=True, exist_ok=True)
    path = options.output / f"{now():%Y-%m-%d-%H%M}.json"
    write_json(run, path)
    if run.profile is not None:
        write_stacks(run.profile, path.with_suffix(".stacks"))
    show(run)
    picture = _draw(run, path.with_suffix(".png"))
    sys.stderr.write(f"written: {path}{picture}\n")
    return 0


def _run(options: Options, progress: Progress) -> Run:
    with fresh_folder() as folder, ExitStack() as stack:
        progress.say("starting the service and its servers")
        service = stack.enter_context(running_service(folder))
        run = Run(conditions(folder, _postgres_version(service)), _plain(options))
        progress.say(f"opening {options.accounts:,} accounts")
        setting = set_up(service, folder, options, stack)
        _measure(run, make_cases(setting, options, run.results), options, progress)
        if "memory" in options.parts:
            with progress.bar(f"memory after {options.payments:,} payments") as on_progress:
                run.memory = measure_memory(setting.ground, options.payments, on_progress)
        if "profile" in options.parts:
            progress.say("profiling an API process")
            run.profile = measure_profile(setting.ground, folder, options.profile_seconds)
        progress.say("checking the books")
        run.books = _check(service, setting, options)
    return run


def _measure(run: Run, cases: Sequence[Case], options: Options, progress: Progress) -> None:
    """All cases take turns in each round, so that no drift of the machine decides between two of them."""
    for turn in range(options.repeats):
        for index, case in enumerate(cases):
            done = (turn * len(cases) + index) / (options.repeats * len(cases))
            progress.show(f"round {turn + 1} of {options.repeats}: {case.part}, {case.name}", done)
            reading = _least_disturbed(case, options.attempts)
            run.results.add(case, reading)
            mark = ", disturbed" if reading.is_disturbed else ""
            progress.say(f"  {case.part}, {case.name}: {reading.items_per_second:,.0f}/s{mark}")


def _least_disturbed(case: Case, attempts: int) -> Reading:
    """The first reading that nobody has disturbed, else the one of the quietest moment."""
    readings: list[Reading] = []
    for _ in range(attempts):
        readings.append(case.run())
        if not readings[-1].is_disturbed:
            break
    return min(readings, key=lambda reading: reading.foreign_cores)


def _check(service: Service, setting: Setting, options: Options) -> dict[str, Any]:
    """What was acknowledged is in the service's books, and they are right. Every other database was checked alone."""
    totals = check_books(service)
    promised = setting.ground.acknowledgements
    found = totals.payments - options.accounts
    if not promised.payments <= found <= promised.payments + promised.unknown:
        raise BooksAreWrong(f"{promised.payments} payments were acknowledged, {found} are in the books")
    return {"payments": found, "acknowledged": promised.payments, "unknown": promised.unknown, "are_right": True}


def _postgres_version(service: Service) -> str:
    return str(service.sql("show server_version")[0][0])


def _plain(options: Options) -> dict[str, Any]:
    return {name: str(value) if isinstance(value, Path) else value for name, value in asdict(options).items()}


def _draw(run: Run, path: Path) -> str:
    try:
        from benchmarks.chart import draw  # noqa: PLC0415

        draw(run, path)
    except ImportError:
        return " (no chart: matplotlib is in the extra `bench`)"
    return f", {path.name}"


def _options() -> Options:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure against the bare ceilings.")
    parser.add_argument("--quick", action="store_true", help="short runs, once: to see whether it works")
    parser.add_argument("--only", metavar="PART,PART", help=f"of {', '.join(PARTS)}")
    parser.add_argument("--seconds", type=float, help="of each reading, after its warm-up")
    parser.add_argument("--repeats", type=int, help="rounds in which all cases take turns")
    parser.add_argument(
        "--patient", action="store_true", help="take readings that others disturbed again, up to 4 times"
    )
    parser.add_argument("--million", action="store_true", help="memory after 1,000,000 payments instead of 100,000")
    parser.add_argument("--output", type=Path, default=Path("bench-results"), help="where the results go")
    given = parser.parse_args()
    parts = wanted_parts(parser, given.only, PARTS)
    return Options.of(
        is_quick=given.quick,
        parts=parts,
        seconds=given.seconds,
        repeats=given.repeats,
        is_million=given.million,
        is_patient=given.patient,
        output=given.output,
    )
