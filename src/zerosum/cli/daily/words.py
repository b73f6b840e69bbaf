"""What these commands share: their options, and how they ask.

The client takes a while to load: it is loaded once something is asked, not where commands are declared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from zerosum.cli.talk import USAGE, CommandFailed, say

if TYPE_CHECKING:
    from zerosum.cli.daily.showing import Columns
    from zerosum.client import Client
    from zerosum.client.models.model import Model

JsonOption = Annotated[bool, typer.Option("--json", help="JSON also on a terminal; in a pipe it always is.")]
LimitOption = Annotated[int, typer.Option(min=1, max=1_000_000, help="So many of them at most.")]
KeyOption = Annotated[
    str | None, typer.Option("--key", help="The idempotency key: under it this is done once, however often it is said.")
]
AmountOption = Annotated[str, typer.Option(help="Like 12.34, no finer than its currency.")]
PartOption = Annotated[str | None, typer.Option("--amount", help="A part of it; else all that is left.")]
CurrencyOption = Annotated[str, typer.Option(help="Like USD.")]
ReasonOption = Annotated[str | None, typer.Option(help="Why. It is kept.")]
ReferenceOption = Annotated[str | None, typer.Option(help="A word of yours, to find it by.")]
DescriptionOption = Annotated[str | None, typer.Option(help="What it is for, in words.")]
MetadataOption = Annotated[list[str] | None, typer.Option("--metadata", metavar="NAME=VALUE", help="May be repeated.")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Only rehearse: nothing is written.")]
OfAccountOption = Annotated[str | None, typer.Option("--account", help="Only what moves this account (id or code).")]
StatusOption = Annotated[str | None, typer.Option(help="Only those in this state.")]
PlainCurrencyOption = Annotated[str | None, typer.Option("--currency", help="Only this currency.")]
HoldArgument = Annotated[str, typer.Argument(help="Its id (hold_…).")]
AccountArgument = Annotated[str, typer.Argument(help="Its id or code.")]


Commands = Mapping[str, Callable[..., None]]


def group(app: typer.Typer, name: str, about: str, commands: Commands) -> None:
    """Adds a group of commands."""

    def nothing() -> None: ...

    nothing.__doc__ = about
    made = typer.Typer(name=name, help=about, no_args_is_help=True)
    made.callback()(nothing)
    for its_name, command in commands.items():
        made.command(its_name)(command)
    app.add_typer(made)


def read_metadata(pairs: list[str] | None) -> dict[str, str] | None:
    """Raises CommandFailed."""
    if not pairs:
        return None
    found = dict(pair.split("=", 1) for pair in pairs if "=" in pair)
    if len(found) != len(pairs):
        raise CommandFailed("--metadata is NAME=VALUE, each name once", USAGE)
    return found


def under(key: str | None, *, is_dry_run: bool = False) -> dict[str, Any]:
    """The options of a call that writes."""
    return {"idempotency_key": key, **({"dry_run": True} if is_dry_run else {})}


def under_told(key: str | None, *, is_dry_run: bool = False) -> dict[str, Any]:
    """The same where saying it again would do it again: a key that nobody has given is told before it is sent."""
    from zerosum.client import new_key  # noqa: PLC0415

    if key is None and not is_dry_run:
        key = new_key()
        say(f"zerosum: under --key {key}, with which it can be said again")
    return under(key, is_dry_run=is_dry_run)


@dataclass(frozen=True, slots=True)
class Connection:
    """As `--data-dir`, `--url` and `--token` name it."""

    data_dir: Path | None
    url: str | None
    token: str | None


def end_with_one(
    connection: Connection, columns: Columns, story: Callable[[Client], Model], *, is_json: bool
) -> NoReturn:
    """Show what the service answers, and end the command as `asking` says."""
    from zerosum.cli.daily.asking import ask_one  # noqa: PLC0415

    raise typer.Exit(ask_one(connection, columns, story, is_json=is_json))


def end_with_list(
    connection: Connection, columns: Columns, story: Callable[[Client], Iterator[Model]], *, limit: int, is_json: bool
) -> NoReturn:
    """The same with several."""
    from zerosum.cli.daily.asking import ask_list  # noqa: PLC0415

    raise typer.Exit(ask_list(connection, columns, story, limit=limit, is_json=is_json))
