"""`zerosum subjects`, as the command line shows it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from zerosum.cli.ingest_commands import DataDirOption, LedgerOption

SubjectArgument = Annotated[str, typer.Argument(metavar="SUBJECT", help="The reference of a person.")]


def add_to(app: typer.Typer) -> None:
    """The commands of this file."""
    group = typer.Typer(name="subjects", help="People about whom something was said.", no_args_is_help=True)
    group.callback()(_subjects)
    group.command("show")(show)
    group.command("erase")(erase)
    group.command("replay")(replay)
    app.add_typer(group)


def _subjects() -> None:
    """People about whom something was said: what there is of them, and their erasure."""


def show(subject: SubjectArgument, data_dir: DataDirOption = None, ledger: LedgerOption = None) -> None:
    """Print what there is of a person, as JSON: not what was said."""
    from zerosum.cli.subjects import show_subject  # noqa: PLC0415

    raise typer.Exit(show_subject(subject, data_dir, ledger))


def erase(
    subject: SubjectArgument,
    reason: Annotated[str, typer.Option(help="Why; the security log keeps it.")],
    data_dir: DataDirOption = None,
    ledger: LedgerOption = None,
) -> None:
    """Destroy the key of a person: what was said can be opened by nobody any more."""
    from zerosum.cli.subjects import erase_subject  # noqa: PLC0415

    raise typer.Exit(erase_subject(subject, reason, data_dir, ledger))


def replay(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="What `zerosum audit export` has written.")],
    data_dir: DataDirOption = None,
    ledger: LedgerOption = None,
) -> None:
    """Erase again, after a restore, whoever was erased by a security log that was exported."""
    from zerosum.cli.subjects import replay_erasures  # noqa: PLC0415

    raise typer.Exit(replay_erasures(path, data_dir, ledger))
