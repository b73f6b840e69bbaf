"""`zerosum backup`, as the command line shows it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from zerosum.cli.ingest_commands import DataDirOption

ToOption = Annotated[Path | None, typer.Option("--to", help="The backup folder (else ZEROSUM_BACKUP_DIR).")]
FromOption = Annotated[Path | None, typer.Option("--from", help="The backup folder (else ZEROSUM_BACKUP_DIR).")]


def add_to(app: typer.Typer) -> None:
    """The commands of this file."""
    group = typer.Typer(name="backup", help="Copies of the database of `zerosum up`, and back.", no_args_is_help=True)
    group.callback()(_backup)
    group.command("create")(create)
    group.command("list")(list_)
    group.command("prune")(prune)
    group.command("secrets")(secrets)
    group.command("restore")(restore)
    app.add_typer(group)


def _backup() -> None:
    """Copies of the database of `zerosum up`, and back."""


def create(to: ToOption = None, data_dir: DataDirOption = None) -> None:
    """Copy the running database into a backup folder, and check the copy. Payments go on meanwhile."""
    from zerosum.cli.backup import run_create  # noqa: PLC0415

    raise typer.Exit(run_create(data_dir, to))


def list_(
    folder: FromOption = None,
    check: Annotated[bool, typer.Option("--check", help="Hold every file against its checksum.")] = False,
) -> None:
    """Show the copies of a backup folder, and to which times a database can be restored from it."""
    from zerosum.cli.backup import run_list  # noqa: PLC0415

    raise typer.Exit(run_list(folder, is_checking=check))


def prune(
    keep: Annotated[int, typer.Option(min=1, help="How many of the newest copies stay.")], folder: FromOption = None
) -> None:
    """Remove old copies, and the log that only they need."""
    from zerosum.cli.backup import run_prune  # noqa: PLC0415

    raise typer.Exit(run_prune(folder, keep))


def secrets(
    to: Annotated[Path, typer.Option("--to", help="A folder that is not there yet, somewhere else than the backups.")],
    data_dir: DataDirOption = None,
) -> None:
    """Write the secrets of the data folder elsewhere: no backup holds them, and none is worth anything without."""
    from zerosum.cli.backup import run_secrets  # noqa: PLC0415

    raise typer.Exit(run_secrets(data_dir, to))


def restore(
    to: Annotated[Path, typer.Option("--to", help="The data folder to make. It must not be there yet.")],
    secrets: Annotated[Path, typer.Option(help="What `zerosum backup secrets` has written, or the old secrets/.")],
    folder: FromOption = None,
    at: Annotated[
        str | None, typer.Option(help="To this time (2026-11-30T14:00:00Z); else as far as the log goes.")
    ] = None,
    checkpoints: Annotated[
        Path | None,
        typer.Option(help="Checkpoints that were kept elsewhere (ZEROSUM_CHECKPOINTS_DIR): files led_….checkpoints."),
    ] = None,
) -> None:
    """Make a data folder out of a backup, and prove its books. Exit 1: they are wrong. 3: right, and not the newest."""
    from zerosum.cli.restore import RestoreOptions, run_restore  # noqa: PLC0415

    options = RestoreOptions(folder=folder, to=to, secrets=secrets, at=at, checkpoints=checkpoints)
    raise typer.Exit(run_restore(options))
