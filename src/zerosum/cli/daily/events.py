"""`zerosum events`, as the command line shows it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from zerosum.cli.audit_commands import TokenOption, UrlOption
from zerosum.cli.daily.words import Connection, JsonOption, OfAccountOption, group
from zerosum.cli.ingest_commands import DataDirOption


def add_to(app: typer.Typer) -> None:
    """The commands of this file."""
    group(app, "events", "Hear of what happens.", {"tail": tail})


def tail(
    after: Annotated[
        str | None, typer.Option(help="Behind this event (evt_…), or `latest`; else from the beginning.")
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", help="Go on as more happens, until stopped.")] = False,
    types: Annotated[str | None, typer.Option("--type", help="Only these, like payment.*,hold.captured.")] = None,
    account: OfAccountOption = None,
    state: Annotated[Path | None, typer.Option(help="A file that keeps the place, for the next run.")] = None,
    data_dir: DataDirOption = None,
    url: UrlOption = None,
    token: TokenOption = None,
    json: JsonOption = False,
) -> None:
    """Write the events of the ledger, the oldest first, without gaps."""
    from zerosum.cli.daily.tailing import TailOptions, run_tail  # noqa: PLC0415

    options = TailOptions(after=after, is_following=follow, types=types, account=account, state=state)
    raise typer.Exit(run_tail(Connection(data_dir, url, token), options, is_json=json))
