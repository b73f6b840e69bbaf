"""`zerosum verify`: walks every chain and adds up every balance."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from uuid import UUID

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from zerosum.cli.installation import reachable_settings
from zerosum.cli.talk import USAGE, CommandFailed, told_plainly
from zerosum.config import Settings
from zerosum.db.engine import Database, make_engine
from zerosum.db.ledgers import LedgerRecord, list_ledgers
from zerosum.domain.errors import InvalidId, OutcomeUnknown, Unavailable
from zerosum.domain.identifiers import Prefix, parse_id, render_id
from zerosum.services.integrity import Report, verify_ledger

PAGE_SIZE = 200
STATEMENT_TIMEOUT = "0"
"""A walk over everything may take long."""


@told_plainly
def run_verify(data_dir: Path | None, ledger: str | None) -> int:
    settings = reachable_settings(data_dir, is_writing=False)
    try:
        wanted = None if ledger is None else parse_id(Prefix.LEDGER, ledger)
    except InvalidId as error:
        raise CommandFailed(error.detail, USAGE) from None
    try:
        reports = asyncio.run(_verify(settings, wanted))
    except (Unavailable, OutcomeUnknown) as error:
        raise CommandFailed(error.detail) from None
    for report in reports:
        sys.stdout.write(_line(report))
    return 0 if all(report.is_right for report in reports) else 1


async def _verify(settings: Settings, wanted: UUID | None) -> list[Report]:
    engine = make_engine(settings.required_database_url(), pool_size=1, statement_timeout=STATEMENT_TIMEOUT)
    database = Database(engine)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    try:
        with Progress(*columns, disable=not sys.stderr.isatty(), transient=True) as progress:
            reports = []
            for record in await _ledgers(database, wanted):
                task = progress.add_task(record.name, total=None)

                def tell(done: int, total: int, task: object = task) -> None:
                    progress.update(task, completed=done, total=total)  # type: ignore[arg-type]

                reports.append(await verify_ledger(database, record.id, tell))
            return reports
    finally:
        await database.close()


async def _ledgers(database: Database, wanted: UUID | None) -> list[LedgerRecord]:
    found: list[LedgerRecord] = []
    while True:
        async with database.operator_work() as connection:
            after = found[-1].id if found else None
            page = await list_ledgers(connection, after=after, limit=PAGE_SIZE, is_ascending=True)
        if not page:
            break
        found += page
    if wanted is None:
        return found
    chosen = [record for record in found if record.id == wanted]
    if not chosen:
        raise CommandFailed("there is no such ledger", USAGE)
    return chosen


def _line(report: Report) -> str:
    name = render_id(Prefix.LEDGER, report.ledger_id)
    if report.is_right:
        return f"{name}: right ({report.accounts} accounts, {report.postings} postings)\n"
    places = "".join(
        f"  {'' if fault.account_id is None else render_id(Prefix.ACCOUNT, fault.account_id)}"
        f"{'' if fault.account_version is None else f' version {fault.account_version}'}: {fault.what}\n"
        for fault in report.breaks
    )
    return f"{name}: WRONG ({len(report.breaks)} or more breaks)\n{places}"
