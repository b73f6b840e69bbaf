"""`zerosum process`: client files in, accounts out. The accounts alone go to stdout, and only when all went well."""

from __future__ import annotations

import csv
import json
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from zerosum.cli.talk import FAILED, USAGE, CommandFailed, drop_stdout, results, say, told_plainly
from zerosum.ingest.client_files.book_engine import ClientFigures
from zerosum.ingest.client_files.choices import EngineChoice, Order
from zerosum.ingest.client_files.engines import EngineMissing, choose_engine
from zerosum.ingest.client_files.inputs import Source, find_sources
from zerosum.ingest.client_files.rows import Row
from zerosum.ingest.client_files.run import Engine, Run
from zerosum.ingest.client_files.tally import Tally
from zerosum.ingest.client_files.window import InputFault

MALFORMED_TOLD_MAX = 20
REJECTS_HEADER = ("line", "type", "client", "tx", "amount", "reason")
ACCOUNTS_HEADER = "client,available,held,total,locked\n"
LINES_AT_ONCE = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessOptions:
    order: Order
    window_rows: int
    rejects: Path | None
    refuse_negative_total: bool
    engine: EngineChoice
    is_json: bool


@told_plainly
def run_process(names: Sequence[str], options: ProcessOptions) -> int:
    if options.window_rows and options.order is not Order.TIME:
        raise CommandFailed("--window goes with --order time", USAGE)
    try:
        sources = find_sources(names)
        engine = choose_engine(sources, options.engine, refuse_negative_total=options.refuse_negative_total)
        with open_rejects(options.rejects, names) as rejects:
            report = Report(rejects)
            begun = time.perf_counter()
            tally = _take(sources, engine, options, report)
            seconds = time.perf_counter() - begun
    except (InputFault, EngineMissing) as error:
        raise CommandFailed(str(error), USAGE) from None
    report.close(tally)
    return _print(engine, tally, seconds, is_json=options.is_json)


def _take(sources: Sequence[Source], engine: Engine, options: ProcessOptions, report: Report) -> Tally:
    sizes = [source.size for source in sources]
    total = None if None in sizes else sum(size for size in sizes if size is not None)
    columns = (TextColumn("reading"), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not sys.stderr.isatty(), transient=True) as progress:
        task = progress.add_task("reading", total=total)
        run = Run(
            order=options.order,
            window_rows=options.window_rows,
            tell=report.tell,
            wants_refusals=report.wants_refusals,
            advance=lambda count: progress.advance(task, count),
        )
        return run.take(sources, engine)


class Report:
    """Malformed rows go to stderr, the first of them; all that was not carried out goes to the rejects."""

    def __init__(self, rejects: TextIO | None) -> None:
        self._told = 0
        self._writer = None if rejects is None else csv.writer(rejects, lineterminator="\n")
        if self._writer is not None:
            self._writer.writerow(REJECTS_HEADER)

    @property
    def wants_refusals(self) -> bool:
        return self._writer is not None

    def tell(self, name: str, row: Row, reason: str) -> None:
        if row.fault is not None and self._told < MALFORMED_TOLD_MAX:
            self._told += 1
            say(f"zerosum: {name} line {row.line}: {reason}")
        if self._writer is not None:
            wire = [field.decode("utf-8", "replace") for field in row.wire]
            try:
                self._writer.writerow([row.line, *wire, reason])
            except OSError as error:
                raise CommandFailed(f"the rejects cannot be written: {error.strerror}", FAILED) from None

    def close(self, tally: Tally) -> None:
        if tally.malformed > MALFORMED_TOLD_MAX:
            say(f"zerosum: and {tally.malformed - MALFORMED_TOLD_MAX:,} more malformed rows")
        if tally.late:
            say(f"zerosum: {tally.late:,} rows came later than the window could put right")


@contextmanager
def open_rejects(path: Path | None, names: Sequence[str]) -> Iterator[TextIO | None]:
    if path is None:
        yield None
        return
    if path.is_file() and any(Path(name).is_file() and path.samefile(name) for name in names):
        raise CommandFailed(f"the rejects would overwrite the input {path}", USAGE)
    try:
        stream = path.open("w", encoding="utf-8", newline="")
    except (OSError, ValueError) as error:
        raise CommandFailed(f"{path} cannot be written: {error}", USAGE) from None
    try:
        with stream:
            yield stream
    except OSError as error:
        raise CommandFailed(f"{path} cannot be written: {error.strerror}", FAILED) from None


def _print(engine: Engine, tally: Tally, seconds: float, *, is_json: bool) -> int:
    summary = {
        "rows": tally.rows,
        "carried_out": tally.carried_out,
        "refused": tally.refused,
        "malformed": tally.malformed,
        "seconds": round(seconds, 3),
        "rows_per_second": round(tally.rows / seconds) if seconds else 0,
    }
    try:
        out = results()
        for text in _as_json(engine, summary) if is_json else _as_csv(engine):
            out.write(text)
        out.flush()
    except BrokenPipeError:
        drop_stdout()
    except OSError as error:
        drop_stdout()
        raise CommandFailed(f"stdout cannot be written: {error.strerror}", FAILED) from None
    say(
        f"{tally.rows:,} rows: {tally.carried_out:,} carried out, {tally.refused:,} refused, "
        f"{tally.malformed:,} malformed; {seconds:.2f} s, {summary['rows_per_second']:,} rows/s"
    )
    return 0


def _as_csv(engine: Engine) -> Iterator[str]:
    lines = [ACCOUNTS_HEADER]
    for figures in engine.figures():
        lines.append(_line(figures))
        if len(lines) == LINES_AT_ONCE:
            yield "".join(lines)
            lines.clear()
    yield "".join(lines)


def _line(figures: ClientFigures) -> str:
    locked = "true" if figures.locked else "false"
    return f"{figures.client},{figures.available},{figures.held},{figures.total},{locked}\n"


def _as_json(engine: Engine, summary: dict[str, int | float]) -> Iterator[str]:
    accounts = [figures._asdict() for figures in engine.figures()]
    yield json.dumps({"accounts": accounts, "summary": summary}) + "\n"
