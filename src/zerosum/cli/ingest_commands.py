"""`zerosum ingest` and `zerosum dead-letters`, as the command line shows them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

DataDirOption = Annotated[
    Path | None, typer.Option("--data-dir", help="Where everything is kept (ZEROSUM_DATA_DIR, else .zerosum).")
]
LedgerOption = Annotated[str | None, typer.Option(help="Which ledger (led_…), where a database holds several.")]


def add_to(app: typer.Typer) -> None:
    """The commands of this file."""
    app.command("ingest")(ingest)
    letters = typer.Typer(name="dead-letters", help="Messages that could not be carried out.", no_args_is_help=True)
    letters.callback()(_dead_letters)
    for name, command in (("list", list_), ("show", show), ("replay", replay), ("drop", drop)):
        letters.command(name)(command)
    app.add_typer(letters)


def ingest(
    inputs: Annotated[
        list[str] | None,
        typer.Option("--from", help="kafka://, amqp://, nats://, redis://, tcp:// or - (ZEROSUM_INGEST_FROM)."),
    ] = None,
    replies: Annotated[
        str | None, typer.Option(help="Where outcomes are told: an address like those, or - (ZEROSUM_INGEST_REPLIES).")
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="What stdin is called: its lines then need no keys of their own.")
    ] = None,
    senders: Annotated[
        list[str] | None,
        typer.Option("--sender", help="INPUT=CREDENTIAL: who writes to it, and so approves nothing that comes by it."),
    ] = None,
    data_dir: DataDirOption = None,
    ledger: LedgerOption = None,
    accept_gaps: Annotated[
        bool, typer.Option("--accept-gaps", help="Go on where messages were deleted before they were read.")
    ] = False,
    order_window: Annotated[
        float | None,
        typer.Option(
            "--order-window",
            min=0,
            max=300,
            help="Put all inputs in the order of their messages' times; wait so many seconds for earlier ones.",
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """Carry out messages from queues and streams, each once, until SIGTERM or the end of stdin."""
    from zerosum.cli.ingest import IngestOptions, run_ingest  # noqa: PLC0415

    options = IngestOptions(
        inputs=inputs or [],
        name=name,
        senders=senders or [],
        data_dir=data_dir,
        ledger=ledger,
        replies=replies,
        accepts_gaps=accept_gaps,
        order_window=order_window,
        is_json=json,
    )
    raise typer.Exit(run_ingest(options))


def _dead_letters() -> None:
    """Messages that could not be carried out."""


LetterArgument = Annotated[str, typer.Argument(help="Which one (dl_…): `zerosum dead-letters list` shows them.")]


def list_(
    status: Annotated[
        str | None, typer.Option(help="Only these: dead, retrying, waiting, replayed or dropped.")
    ] = None,
    data_dir: DataDirOption = None,
    ledger: LedgerOption = None,
) -> None:
    """A line of JSON each, newest first."""
    from zerosum.cli.dead_letters import list_letters  # noqa: PLC0415

    raise typer.Exit(list_letters(data_dir, ledger, status))


def show(letter: LetterArgument, data_dir: DataDirOption = None, ledger: LedgerOption = None) -> None:
    """One with its message and why it could not be carried out."""
    from zerosum.cli.dead_letters import show_letter  # noqa: PLC0415

    raise typer.Exit(show_letter(data_dir, ledger, letter))


def replay(letter: LetterArgument, data_dir: DataDirOption = None, ledger: LedgerOption = None) -> None:
    """Carry it out after all, under its own key: twice is once."""
    from zerosum.cli.dead_letters import replay_letter  # noqa: PLC0415

    raise typer.Exit(replay_letter(data_dir, ledger, letter))


def drop(letter: LetterArgument, data_dir: DataDirOption = None, ledger: LedgerOption = None) -> None:
    """Give it up. It stays to be read."""
    from zerosum.cli.dead_letters import drop_letter  # noqa: PLC0415

    raise typer.Exit(drop_letter(data_dir, ledger, letter))
