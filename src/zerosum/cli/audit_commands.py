"""`zerosum audit`, as the command line shows it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from zerosum.cli.ingest_commands import DataDirOption

UrlOption = Annotated[str | None, typer.Option(envvar="ZEROSUM_URL", help="A service elsewhere.")]
TokenOption = Annotated[str | None, typer.Option(envvar="ZEROSUM_TOKEN", help="Its access token or API key.")]


def add_to(app: typer.Typer) -> None:
    """The commands of this file."""
    group = typer.Typer(name="audit", help="Carry the security log elsewhere.", no_args_is_help=True)
    group.callback()(_audit)
    group.command("export")(export)
    app.add_typer(group)


def _audit() -> None:
    """Carry the security log elsewhere."""


def export(
    data_dir: DataDirOption = None,
    url: UrlOption = None,
    token: TokenOption = None,
    ledger: Annotated[str | None, typer.Option(help="Only this ledger (led_…); else all that the key sees.")] = None,
    from_: Annotated[str | None, typer.Option("--from", help="What was written then or later.")] = None,
    to: Annotated[str | None, typer.Option(help="What was written before.")] = None,
    after: Annotated[str | None, typer.Option(help="Go on behind the record with this `place`.")] = None,
    state: Annotated[Path | None, typer.Option(help="A file that keeps the place, for the next run.")] = None,
    follow: Annotated[bool, typer.Option("--follow", help="Go on as more is written, until stopped.")] = False,
    syslog: Annotated[
        str | None,
        typer.Option(help="Send it to tls://HOST:PORT?ca=FILE, tcp://HOST:PORT, udp://HOST:PORT or unix:///dev/log."),
    ] = None,
) -> None:
    """Write the security log as JSON lines, or send it to syslog: the oldest first, without gaps."""
    from zerosum.cli.audit import ExportOptions, run_export  # noqa: PLC0415

    options = ExportOptions(
        ledger=ledger, start=from_, end=to, after=after, state=state, is_following=follow, syslog=syslog
    )
    raise typer.Exit(run_export(data_dir, url, token, options))
