"""`zerosum proof`, as the command line shows it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from zerosum.cli.ingest_commands import DataDirOption

LedgerOption = Annotated[str | None, typer.Option(help="Which ledger (led_…), where there are several.")]


def add_to(app: typer.Typer) -> None:
    """The commands of this file."""
    group = typer.Typer(name="proof", help="What others can check without trusting us.", no_args_is_help=True)
    group.callback()(_proof)
    group.command("keys")(keys)
    group.command("rotate-key")(rotate_key)
    group.command("export")(export)
    group.command("verifier")(verifier)
    group.command("page")(page)
    group.command("mirror")(mirror)
    app.add_typer(group)


def _proof() -> None:
    """What others can check without trusting us."""


def keys(data_dir: DataDirOption = None, ledger: LedgerOption = None) -> None:
    """Print the keys that sign checkpoints, as a verifier takes them: the newest last."""
    from zerosum.cli.proof import print_keys  # noqa: PLC0415

    raise typer.Exit(print_keys(data_dir, ledger))


def rotate_key(data_dir: DataDirOption = None) -> None:
    """Make the next key that signs checkpoints. The present one vouches for it."""
    from zerosum.cli.proof import rotate_checkpoint_key  # noqa: PLC0415

    raise typer.Exit(rotate_checkpoint_key(data_dir))


def export(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where the JSON lines go.")],
    data_dir: DataDirOption = None,
    ledger: LedgerOption = None,
) -> None:
    """Write a whole ledger, as its newest checkpoint has it, to be checked by the stand-alone verifier."""
    from zerosum.cli.proof import export_ledger  # noqa: PLC0415

    raise typer.Exit(export_ledger(data_dir, ledger, file))


def verifier(file: Annotated[Path, typer.Argument(metavar="FILE", help="Where it goes.")]) -> None:
    """Write the stand-alone verifier: one file, which needs Python and the package `cryptography`."""
    from zerosum.cli.proof import write_verifier  # noqa: PLC0415

    raise typer.Exit(write_verifier(file))


def page(file: Annotated[Path, typer.Argument(metavar="FILE", help="Where it goes.")]) -> None:
    """Write a page that checks receipts in a browser, without a network."""
    from zerosum.cli.proof import write_page  # noqa: PLC0415

    raise typer.Exit(write_page(file))


def mirror(
    source: Annotated[
        str, typer.Argument(metavar="SOURCE", help="Where the log is published: an address, or a folder.")
    ],
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="The mirror, of this log alone.")],
    key: Annotated[list[str], typer.Option(help="A public key that you hold, or a file of them.")],
) -> None:
    """Copy a log that is published as tiles, and prove that it has only grown. The stand-alone verifier has it too."""
    from zerosum.cli.proof import mirror_log  # noqa: PLC0415

    raise typer.Exit(mirror_log(source, folder, key))
