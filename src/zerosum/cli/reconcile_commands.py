"""`zerosum reconcile`, as the command line shows it."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from zerosum.cli.ingest_commands import DataDirOption, LedgerOption

_DAY = ["%Y-%m-%d"]


class FileByDefault(TyperGroup):
    """`reconcile FILE` is `reconcile file FILE`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] not in ctx.help_option_names:
            args = ["file", *args]
        return super().parse_args(ctx, args)


def add_to(app: typer.Typer) -> None:
    """The commands of this file."""
    group = typer.Typer(
        name="reconcile", help="Settlement files and bank statements.", no_args_is_help=True, cls=FileByDefault
    )
    group.callback()(_reconcile)
    group.command("file")(file)
    group.command("report")(report)
    app.add_typer(group)


def _reconcile() -> None:
    """Hold settlement files and bank statements against the books: `reconcile FILE --source NAME`, then `report`."""


def file(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="What was received.")],
    source: Annotated[str, typer.Option(help="Of which source it is.")],
    data_dir: DataDirOption = None,
    ledger: LedgerOption = None,
    json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """Read a file and match it. Run again it goes on, and looks once more at what is open; exit 1 while breaks are."""
    from zerosum.cli.reconcile import reconcile_file  # noqa: PLC0415

    raise typer.Exit(reconcile_file(path, source, data_dir, ledger, is_json=json))


def report(
    from_: Annotated[
        datetime | None, typer.Option("--from", formats=_DAY, help="The first day; of the last 31 by default.")
    ] = None,
    to: Annotated[datetime | None, typer.Option(formats=_DAY, help="The last day; today by default.")] = None,
    as_of: Annotated[
        datetime | None, typer.Option(formats=_DAY, help="By which explained is told from unexplained.")
    ] = None,
    source: Annotated[str | None, typer.Option(help="Of this one alone.")] = None,
    data_dir: DataDirOption = None,
    ledger: LedgerOption = None,
    csv: Annotated[bool, typer.Option("--csv", help="As CSV.")] = False,
    json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """Show what was matched and what was not, by day and source; exit 1 where something is unexplained."""
    from zerosum.cli.reconcile import ReportOptions, reconciliation_report  # noqa: PLC0415

    from_on, to_on, as_of_on = (None if one is None else one.date() for one in (from_, to, as_of))
    options = ReportOptions(from_on=from_on, to_on=to_on, as_of=as_of_on, source=source, is_csv=csv, is_json=json)
    raise typer.Exit(reconciliation_report(options, data_dir, ledger))
