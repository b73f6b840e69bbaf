"""`zerosum import-journal`: what it is asked on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from zerosum.ingest.journal_files.choices import JournalFormat


def import_journal(
    context: typer.Context,
    file: Annotated[str, typer.Argument(metavar="FILE", help="A journal; `-` is stdin.")],
    format_: Annotated[JournalFormat, typer.Option("--format", help="For which program.")] = JournalFormat.HLEDGER,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check everything and write nothing.")] = False,
    real: Annotated[bool, typer.Option("--real", help="Leave out what is pending (brackets in hledger).")] = False,
    account: Annotated[list[str] | None, typer.Option(metavar="OLD=NEW", help="How names begin in the ledger.")] = None,
    commodity: Annotated[list[str] | None, typer.Option(metavar="SIGN=CODE", help="What a commodity is.")] = None,
    decimal_mark: Annotated[str | None, typer.Option(help="Where the file does not say it: . or ,")] = None,
    name: Annotated[str | None, typer.Option(help="Keeps its entries apart from equal ones of other files.")] = None,
    data_dir: Annotated[
        Path | None, typer.Option("--data-dir", help="Where everything is kept (ZEROSUM_DATA_DIR, else .zerosum).")
    ] = None,
    url: Annotated[str | None, typer.Option(envvar="ZEROSUM_URL", help="A service elsewhere.")] = None,
    token: Annotated[str | None, typer.Option(envvar="ZEROSUM_TOKEN", help="Its access token or API key.")] = None,
    ledger: Annotated[str | None, typer.Option(help="Which ledger (led_…), where a database holds several.")] = None,
    json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """Put the journal of another program into a ledger. Run it again to go on: nothing is done twice."""
    from zerosum.cli.import_journal import JournalOptions, run_import_journal  # noqa: PLC0415

    url_source = context.get_parameter_source("url")
    options = JournalOptions(
        program=format_,
        is_dry=dry_run,
        is_real_only=real,
        accounts=account or [],
        commodities=commodity or [],
        decimal_mark=decimal_mark,
        name=name,
        data_dir=data_dir,
        url=url,
        is_url_given=url_source is not None and url_source.name == "COMMANDLINE",
        token=token,
        ledger=ledger,
        is_json=json,
    )
    raise typer.Exit(run_import_journal(file, options))
