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
    app.command("ingest")(ingest)


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
    data_dir: DataDirOption = None,
    ledger: LedgerOption = None,
    accept_gaps: Annotated[
        bool, typer.Option("--accept-gaps", help="Go on where messages were deleted before they were read.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """Carry out messages from queues and streams, each once, until SIGTERM or the end of stdin."""
    from zerosum.cli.ingest import IngestOptions, run_ingest  # noqa: PLC0415

    options = IngestOptions(
        inputs=inputs or [],
        name=name,
        data_dir=data_dir,
        ledger=ledger,
        replies=replies,
        accepts_gaps=accept_gaps,
        is_json=json,
    )
    raise typer.Exit(run_ingest(options))
