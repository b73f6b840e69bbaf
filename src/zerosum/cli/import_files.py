"""`zerosum import`: client files into a ledger. Run again it goes on, and nothing is done twice."""

from __future__ import annotations

import asyncio
import json
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from zerosum.adapters.service_client import ServiceAway
from zerosum.cli.import_targets import Where, open_target
from zerosum.cli.installation import is_embedded, reachable_settings
from zerosum.cli.process import Report, open_rejects
from zerosum.cli.talk import FAILED, USAGE, CommandFailed, results, say, told_plainly
from zerosum.config import load_settings
from zerosum.domain.errors import DomainError
from zerosum.ingest.client_files.inputs import Source, find_sources
from zerosum.ingest.client_files.window import BLOCK_BYTES, InputFault
from zerosum.ingest.importing import Content, Import, ImportFailed, ImportTally, survey

NAME_MAX = 128
_NAME = re.compile(rf"[\x21-\x7e]{{1,{NAME_MAX}}}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportOptions:
    """`token` goes with `url`, `data_dir` and `ledger` with a database: they win over a `url` of the environment."""

    name: str | None
    data_dir: Path | None
    url: str | None
    is_url_given: bool
    """On the command line, and not by the environment."""
    token: str | None
    ledger: str | None
    lanes: int
    rejects: Path | None
    refuse_negative_total: bool
    is_json: bool

    def where(self) -> Where:
        """Raises CommandFailed. Called outside the event loop: it looks whether the database is there."""
        is_database = self.data_dir is not None or self.ledger is not None
        if is_database and self.is_url_given:
            raise CommandFailed("--data-dir and --ledger go with a database, --url with a service", USAGE)
        is_service = self.url is not None and not is_database
        return Where(
            url=self.url if is_service else None,
            token=self.token,
            settings=None if is_service else reachable_settings(self.data_dir),
            is_embedded=not is_service and is_embedded(self.data_dir, load_settings()),
            data_dir=self.data_dir,
            ledger=self.ledger,
            lanes=self.lanes,
            refuse_negative_total=self.refuse_negative_total,
        )


@dataclass(frozen=True, slots=True)
class _File:
    """`path` is where its bytes are; of stdin or a pipe a copy."""

    shown: str
    path: str

    def source(self) -> Source:
        (found,) = find_sources([self.path])
        found.name = self.shown
        return found


@told_plainly
def run_import(names: Sequence[str], options: ImportOptions) -> int:
    _check_name(options.name, len(names))
    begun = time.perf_counter()
    try:
        with _at_hand(names) as files, open_rejects(options.rejects, names) as rejects:
            report = Report(rejects)
            tally = _Command(files, options, report).run()
    except InputFault as error:
        raise CommandFailed(str(error), USAGE) from None
    except (ImportFailed, ServiceAway) as error:
        raise CommandFailed(str(error)) from None
    except DomainError as error:
        raise CommandFailed(error.detail) from None
    report.close(tally)
    _sum_up(tally, time.perf_counter() - begun, is_json=options.is_json)
    return FAILED if tally.rows and not tally.carried_out else 0


def _check_name(name: str | None, files: int) -> None:
    if name is None:
        return
    if files > 1:
        raise CommandFailed("--name is for one file: without it each is named by its content", USAGE)
    if _NAME.fullmatch(name) is None:
        raise CommandFailed(f"--name is 1 to {NAME_MAX} visible ASCII characters", USAGE)


class _Command:
    """All files, one after the other, with one progress bar and one tally."""

    def __init__(self, files: Sequence[_File], options: ImportOptions, report: Report) -> None:
        self._files = files
        self._options = options
        self._report = report
        self._tally = ImportTally()

    def run(self) -> ImportTally:
        contents = [survey(file.source()) for file in self._files]
        where = self._options.where()
        columns = (
            TextColumn("importing"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[rate]:,.0f} rows/s"),
            TimeRemainingColumn(),
        )
        console, is_hidden = Console(stderr=True), not sys.stderr.isatty()
        begun = time.perf_counter()
        with Progress(*columns, console=console, disable=is_hidden, transient=True) as progress:
            total = sum(Path(file.path).stat().st_size for file in self._files)
            task = progress.add_task("importing", total=total, rate=0.0)

            def advance(count: int) -> None:
                progress.update(task, advance=count, rate=self._tally.rows / (time.perf_counter() - begun))

            asyncio.run(self._import(where, contents, advance))
        return self._tally

    async def _import(self, where: Where, contents: Sequence[Content], advance: Callable[[int], None]) -> None:
        async with open_target(where) as target:
            for file, content in zip(self._files, contents, strict=True):
                name = self._options.name or content.sha256
                await target.begin(name, content.sha256)
                taking = Import(
                    name=name,
                    source=file.source(),
                    content=content,
                    target=target,
                    lanes=where.lanes,
                    tell=self._report.tell,
                    advance=advance,
                )
                await taking.run(self._tally)


@contextmanager
def _at_hand(names: Sequence[str]) -> Iterator[list[_File]]:
    """The files; what can be read only once is copied into one first, since its name is made of its whole content."""
    with ExitStack() as stack:
        yield [_file(name, source, stack) for name, source in zip(names, find_sources(names), strict=True)]


def _file(name: str, source: Source, stack: ExitStack) -> _File:
    if source.size is not None:
        return _File(name, name)
    return _File(source.name, stack.enter_context(_copied(source)))


@contextmanager
def _copied(source: Source) -> Iterator[str]:
    """Where the copy is."""
    with tempfile.NamedTemporaryFile() as copy:
        try:
            while block := source.read(BLOCK_BYTES):
                copy.write(block)
            copy.flush()
        except OSError as error:
            raise CommandFailed(f"{source.name} cannot be copied into a file: {error.strerror}") from None
        yield copy.name


def _sum_up(tally: ImportTally, seconds: float, *, is_json: bool) -> None:
    rate = round(tally.rows / seconds) if seconds else 0
    if is_json:
        summary = {
            "rows": tally.rows,
            "carried_out": tally.carried_out,
            "refused": tally.refused,
            "malformed": tally.malformed,
            "replayed": tally.replayed,
            "reasons": dict(tally.reasons.most_common()),
            "seconds": round(seconds, 3),
            "rows_per_second": rate,
        }
        results().write(json.dumps(summary) + "\n")
    if tally.reasons:
        told = ", ".join(f"{count:,} {reason}" for reason, count in tally.reasons.most_common())
        say(f"not carried out: {told}")
    say(
        f"{tally.rows:,} rows: {tally.carried_out:,} carried out, {tally.refused:,} refused, "
        f"{tally.malformed:,} malformed; {tally.replayed:,} of them were there before; {seconds:.2f} s, {rate:,} rows/s"
    )
