"""`zerosum import-journal`: the journal of another program into a ledger. Run again it goes on where it was."""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import tzinfo
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from zerosum.adapters.service_client import ServiceAway
from zerosum.cli.import_targets import Where
from zerosum.cli.installation import is_embedded, reachable_settings
from zerosum.cli.talk import USAGE, CommandFailed, put, say, told_plainly
from zerosum.config import load_settings
from zerosum.domain.errors import DomainError
from zerosum.ingest.journal_files.choices import JournalFormat
from zerosum.ingest.journal_files.codes import Commodities
from zerosum.ingest.journal_files.file import EXPORTED, FILE_BYTES_MAX, read_journal
from zerosum.ingest.journal_files.planning import Plan, PlanOptions, plan
from zerosum.ingest.journal_files.read import JournalRefused, ReadJournal
from zerosum.ingest.journal_files.sending import JournalImport, JournalTally, patiently
from zerosum.services.requests.time_zones import parse_time_zone

_NAME = re.compile(r"[\x21-\x7e]{1,128}")


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalOptions:
    """`accounts` and `commodities` are pairs around a `=`. Where it goes is said as to `zerosum import`."""

    program: JournalFormat
    is_dry: bool
    is_real_only: bool
    accounts: Sequence[str]
    commodities: Sequence[str]
    decimal_mark: str | None
    name: str | None
    data_dir: Path | None
    url: str | None
    is_url_given: bool
    token: str | None
    ledger: str | None
    is_json: bool

    def check(self) -> None:
        """Raises CommandFailed."""
        if self.decimal_mark not in (None, ".", ","):
            raise CommandFailed("--decimal-mark is . or ,", USAGE)
        if self.name is not None and _NAME.fullmatch(self.name) is None:
            raise CommandFailed("--name is 1 to 128 visible ASCII characters", USAGE)

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
            lanes=1,
            refuse_negative_total=False,
        )


@told_plainly
def run_import_journal(name: str, options: JournalOptions) -> int:
    options.check()
    commodities = Commodities(dict(_pairs(options.commodities, "--commodity")))
    renamed = _pairs(options.accounts, "--account")
    begun = time.perf_counter()
    try:
        journal = read_journal(_content(name), options.program, commodities, options.decimal_mark)
        made, tally = asyncio.run(_import(journal, options, renamed, options.where()))
    except JournalRefused as refused:
        lines = "\n".join(f"{name} {fault}" for fault in refused.faults)
        raise CommandFailed(f"the journal is not taken\n{lines}", USAGE) from None
    except ServiceAway as error:
        raise CommandFailed(str(error)) from None
    except DomainError as error:
        raise CommandFailed(f"{error.detail} Run it again to go on.") from None
    _sum_up(made, tally, time.perf_counter() - begun, options)
    return 0


async def _import(
    journal: ReadJournal, options: JournalOptions, renamed: Sequence[tuple[str, str]], where: Where
) -> tuple[Plan, JournalTally]:
    # The whole service comes with it, and takes a second to load. A file that is not taken has no need of it.
    from zerosum.cli.journal_targets import open_journal_target  # noqa: PLC0415

    async with open_journal_target(where) as target:
        zone: tzinfo = parse_time_zone(await patiently(target.time_zone))
        chosen = PlanOptions(
            zone=zone,
            exported=EXPORTED[options.program],
            name=options.name,
            renamed=renamed,
            is_real_only=options.is_real_only,
        )
        made, tally = plan(journal, chosen), JournalTally()
        columns = (
            TextColumn("importing"),
            BarColumn(),
            TextColumn("{task.completed:,.0f} of {task.total:,.0f} entries"),
        )
        console, is_hidden = Console(stderr=True), not sys.stderr.isatty()
        with Progress(*columns, TimeRemainingColumn(), console=console, disable=is_hidden, transient=True) as progress:
            task = progress.add_task("importing", total=len(made.entries))
            advance = lambda entries: progress.update(task, advance=entries)  # noqa: E731
            await JournalImport(plan=made, target=target, advance=advance).run(tally, is_dry=options.is_dry)
    return made, tally


def _content(name: str) -> bytes:
    """One byte more than a file may have tells that it has too many."""
    try:
        if name == "-":
            return sys.stdin.buffer.read(FILE_BYTES_MAX + 1)
        with Path(name).open("rb") as file:
            return file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise CommandFailed(f"{name} cannot be read: {error.strerror}", USAGE) from None


def _pairs(given: Sequence[str], option: str) -> list[tuple[str, str]]:
    pairs = [pair.rpartition("=") for pair in given]
    if not all(old and equals for old, equals, _ in pairs):
        raise CommandFailed(f"{option} is OLD=NEW", USAGE)
    return [(old, new) for old, _, new in pairs]


def _sum_up(made: Plan, tally: JournalTally, seconds: float, options: JournalOptions) -> None:
    if options.is_json:
        summary = {
            "dry_run": options.is_dry,
            "entries": len(made.entries),
            "posted": tally.posted,
            "replayed": tally.replayed,
            "accounts_opened": tally.accounts,
            "currencies_defined": tally.currencies,
            "left_out": dict(made.left_out),
            "seconds": round(seconds, 3),
        }
        put(json.dumps(summary) + "\n")
    if made.left_out:
        say("left out: " + ", ".join(f"{count:,} {what}" for what, count in sorted(made.left_out.items())))
    if options.is_dry:
        say(
            f"{len(made.entries):,} entries, {len(tally.accounts):,} accounts to open: all is understood, "
            "nothing was written"
        )
        return
    say(
        f"{len(made.entries):,} entries: {tally.posted:,} posted, {tally.replayed:,} were there before; "
        f"{len(tally.accounts):,} accounts opened; {seconds:.2f} s"
    )
