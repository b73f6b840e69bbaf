"""`zerosum publish` and `zerosum publications`, as the command line shows them."""

from __future__ import annotations

from typing import Annotated

import typer

from zerosum.cli.ingest_commands import DataDirOption
from zerosum.cli.publish_targets import PublishWords

ToOption = Annotated[
    list[str] | None, typer.Option("--to", help="kafka://, amqp://, nats:// or redis:// (ZEROSUM_PUBLISH_TO).")
]
TopicOption = Annotated[str | None, typer.Option(help="Where to, with {ledger}, {type} and {resource}.")]
KeyOption = Annotated[str | None, typer.Option(help="What keeps its order: account, ledger or resource.")]
TypesOption = Annotated[str | None, typer.Option(help="Only these types of events, like payment.*,hold.captured.")]
NameOption = Annotated[str | None, typer.Option(help="What its position goes by; by default the kind of broker.")]
LedgerOption = Annotated[str | None, typer.Option(help="Only this ledger (led_…); else all there are.")]
NameArgument = Annotated[str, typer.Argument(help="Which one: `zerosum publications list` shows them.")]


def add_to(app: typer.Typer) -> None:
    """The commands of this file."""
    app.command("publish")(publish)
    group = typer.Typer(name="publications", help="How far events are published.", no_args_is_help=True)
    group.callback()(_publications)
    for name, command in (("list", list_), ("rewind", rewind), ("change", change), ("drop", drop)):
        group.command(name)(command)
    app.add_typer(group)


def publish(
    to: ToOption = None,
    topic: TopicOption = None,
    key: KeyOption = None,
    types: TypesOption = None,
    name: NameOption = None,
    ledger: LedgerOption = None,
    begin: Annotated[str | None, typer.Option(help="Where a new one begins: beginning or latest.")] = None,
    data_dir: DataDirOption = None,
) -> None:
    """Publish events to brokers, each at least once and in order, until SIGTERM."""
    from zerosum.cli.publish import run_publish  # noqa: PLC0415

    words = _words(topic=topic, key=key, types=types, name=name, ledger=ledger, begin=begin)
    raise typer.Exit(run_publish(to or [], words, data_dir))


def _words(**given: str | None) -> PublishWords:
    return PublishWords(**{name: value for name, value in given.items() if value is not None})


def _publications() -> None:
    """How far events are published."""


def list_(data_dir: DataDirOption = None) -> None:
    """A line of JSON for each and each ledger: its position, its lag, and what stands in its way."""
    from zerosum.cli.publish import list_publications  # noqa: PLC0415

    raise typer.Exit(list_publications(data_dir))


def rewind(
    name: NameArgument,
    after: Annotated[str, typer.Option(help="Behind which event: evt_…, beginning or latest.")],
    skip: Annotated[bool, typer.Option("--skip", help="Leave out events that were not published yet.")] = False,
    data_dir: DataDirOption = None,
    ledger: LedgerOption = None,
) -> None:
    """Publish again from some event on, under the same ids."""
    from zerosum.cli.publish import rewind_publication  # noqa: PLC0415

    raise typer.Exit(rewind_publication(data_dir, ledger, name, after, may_skip=skip))


def change(
    to: ToOption = None,
    topic: TopicOption = None,
    key: KeyOption = None,
    types: TypesOption = None,
    name: NameOption = None,
    ledger: LedgerOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Let it publish something else, or elsewhere, from its position on."""
    from zerosum.cli.publish import change_publications  # noqa: PLC0415

    words = _words(topic=topic, key=key, types=types, name=name, ledger=ledger)
    raise typer.Exit(change_publications(data_dir, to or [], words))


def drop(name: NameArgument, data_dir: DataDirOption = None, ledger: LedgerOption = None) -> None:
    """Forget it: whoever publishes under that name later begins anew."""
    from zerosum.cli.publish import drop_publication  # noqa: PLC0415

    raise typer.Exit(drop_publication(data_dir, ledger, name))
