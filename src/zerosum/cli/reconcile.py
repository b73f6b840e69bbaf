"""`zerosum reconcile`: files and the report of reconciliation, by whoever runs the database."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from zerosum.cli.installation import reachable_settings
from zerosum.cli.ledger_work import on_ledger
from zerosum.cli.talk import FAILED, USAGE, CommandFailed, put, results, say, told_plainly
from zerosum.domain.errors import DomainError, ReconciliationBusy, ReconciliationFileInvalid, Unavailable

if TYPE_CHECKING:
    # The service takes a second to load.
    from zerosum.api.services import Services
    from zerosum.services.requests.caller import Caller

ACTOR = "zerosum reconcile"
ATTEMPTS_MAX = 30
"""While somebody else is at the same source, or the database is away."""

PAUSE_SECONDS = 1.0

Act = Callable[["Services", "Caller"], Awaitable[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportOptions:
    from_on: date | None
    to_on: date | None
    as_of: date | None
    source: str | None
    is_csv: bool
    is_json: bool


@told_plainly
def reconcile_file(path: Path, source: str, data_dir: Path | None, ledger: str | None, *, is_json: bool) -> int:
    from zerosum.services.reconciliation.files import FILE_BYTES_MAX  # noqa: PLC0415

    try:
        with path.open("rb") as opened:
            content = opened.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise CommandFailed(f"{path} cannot be read: {error.strerror}", USAGE) from None
    if len(content) > FILE_BYTES_MAX:
        raise CommandFailed(f"{path} has more than {FILE_BYTES_MAX:,} bytes", USAGE)

    refuses = reachable_settings(data_dir).refuse_card_numbers

    async def act(services: Services, caller: Caller) -> Mapping[str, Any]:
        from zerosum.api.schemas.reconciliation import file_body  # noqa: PLC0415

        for attempt in range(1, ATTEMPTS_MAX + 1):
            try:
                received = await services.reconciliation_files.receive(
                    caller, source, content, refuses_card_numbers=refuses
                )
                if received.file.is_matched or attempt == ATTEMPTS_MAX:
                    return file_body(received.file)
            except (ReconciliationBusy, Unavailable):
                if attempt == ATTEMPTS_MAX:
                    raise
                await asyncio.sleep(PAUSE_SECONDS)
        raise LookupError("the last attempt neither failed nor succeeded")

    try:
        told = _run(data_dir, ledger, act)
    except ReconciliationFileInvalid as refusal:
        faults = [f"{path} line {one.facts['line']}{_column(one)}: {one.detail}" for one in (refusal, *refusal.others)]
        raise CommandFailed("\n".join(["the file is not taken", *faults]), USAGE) from None
    if is_json:
        put(json.dumps(told) + "\n")
    say(
        f"{told['lines']:,} lines, in {told['money_in']} and out {told['money_out']} {told['currency']}: "
        f"{told['matched']:,} matched, {told['open_breaks']:,} open breaks"
    )
    return FAILED if told["open_breaks"] else 0


@told_plainly
def reconciliation_report(options: ReportOptions, data_dir: Path | None, ledger: str | None) -> int:
    async def act(services: Services, caller: Caller) -> tuple[Mapping[str, Any], str]:
        from zerosum.api.csv_text import csv_text  # noqa: PLC0415
        from zerosum.api.schemas.reconciliation import ReportedDay, report_body  # noqa: PLC0415
        from zerosum.services.reconciliation.reports import ReportOrder  # noqa: PLC0415

        order = ReportOrder(source=options.source, from_on=options.from_on, to_on=options.to_on, as_of=options.as_of)
        body = report_body(await services.reconciliation_reports.report(caller, order))
        return body, await csv_text(tuple(ReportedDay.model_fields), body["days"], free=())

    body, csv = _run(data_dir, ledger, act)
    if options.is_json:
        put(json.dumps(body) + "\n")
    elif options.is_csv:
        put(csv)
    else:
        _show(body["days"])
        say(f"{body['from_day']} to {body['to_day']}, as of {body['as_of']}: {body['unexplained']:,} unexplained")
    return FAILED if body["unexplained"] else 0


def _show(days: Sequence[Mapping[str, Any]]) -> None:
    table = Table(box=None, pad_edge=False)
    columns = ("day", "source", "currency", "lines", "lines_sum", "matched", "explained", "unexplained")
    for name in (*columns, "unexplained_difference", "adjusted", "resolved"):
        table.add_column(name.replace("_", " "), justify="left" if name in ("day", "source", "currency") else "right")
    for day in days:
        shown = [str(day[name]) for name in (*columns, "unexplained_difference", "adjusted", "resolved")]
        table.add_row(*shown)
    Console(file=results(), width=160).print(table)


def _column(fault: DomainError) -> str:
    return f", {fault.facts['column']}" if fault.facts.get("column") else ""


def _run(data_dir: Path | None, ledger: str | None, act: Act) -> Any:
    try:
        return on_ledger(data_dir, ledger, ACTOR, act)
    except ReconciliationFileInvalid:
        raise
    except DomainError as error:
        raise CommandFailed(error.detail) from None
