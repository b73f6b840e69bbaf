"""`zerosum entries`, as the command line shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from zerosum.cli.audit_commands import TokenOption, UrlOption
from zerosum.cli.daily.columns import ENTRIES
from zerosum.cli.daily.words import (
    Commands,
    Connection,
    DryRunOption,
    JsonOption,
    KeyOption,
    LimitOption,
    MetadataOption,
    OfAccountOption,
    end_with_list,
    end_with_one,
    group,
    read_metadata,
    under,
    under_told,
)
from zerosum.cli.ingest_commands import DataDirOption
from zerosum.cli.talk import USAGE, CommandFailed

if TYPE_CHECKING:
    from zerosum.client import Client, NewPosting
    from zerosum.client.models.journal import JournalEntry

EntryArgument = Annotated[str, typer.Argument(help="Its id (je_…).")]
SideOption = Annotated[
    list[str] | None, typer.Option(metavar="'ACCOUNT AMOUNT CURRENCY'", help="One posting, in quotes. May be repeated.")
]


def add_to(app: typer.Typer) -> None:
    """The commands of this file."""
    commands: Commands = {"list": list_, "show": show, "post": post, "reverse": reverse}
    group(app, "entries", "Look at journal entries, post and reverse them.", commands)


def list_(
    account: OfAccountOption = None,
    limit: LimitOption = 50,
    data_dir: DataDirOption = None,
    url: UrlOption = None,
    token: TokenOption = None,
    json: JsonOption = False,
) -> None:
    """List journal entries, the newest first."""
    end_with_list(
        Connection(data_dir, url, token),
        ENTRIES,
        lambda client: client.entries.list(account=account),
        limit=limit,
        is_json=json,
    )


def show(
    entry: EntryArgument,
    data_dir: DataDirOption = None,
    url: UrlOption = None,
    token: TokenOption = None,
    json: JsonOption = False,
) -> None:
    """Show a journal entry."""
    end_with_one(Connection(data_dir, url, token), ENTRIES, lambda client: client.entries.get(entry), is_json=json)


def post(
    reason: Annotated[str, typer.Option(help="What has happened.")],
    debit: SideOption = None,
    credit: SideOption = None,
    metadata: MetadataOption = None,
    key: KeyOption = None,
    dry_run: DryRunOption = False,
    data_dir: DataDirOption = None,
    url: UrlOption = None,
    token: TokenOption = None,
    json: JsonOption = False,
) -> None:
    """Post a journal entry: --debit 'assets:bank 10.00 USD' --credit 'equity:owner 10.00 USD'."""

    def story(client: Client) -> JournalEntry:
        said: dict[str, Any] = {"postings": _postings(debit or [], credit or []), "metadata": read_metadata(metadata)}
        return client.entries.post(reason=reason, **said, **under_told(key, is_dry_run=dry_run))

    end_with_one(Connection(data_dir, url, token), ENTRIES, story, is_json=json)


def reverse(
    entry: EntryArgument,
    reason: Annotated[str, typer.Option(help="Why.")],
    key: KeyOption = None,
    dry_run: DryRunOption = False,
    data_dir: DataDirOption = None,
    url: UrlOption = None,
    token: TokenOption = None,
    json: JsonOption = False,
) -> None:
    """Take a journal entry back, by its opposite."""
    options = under(key, is_dry_run=dry_run)
    end_with_one(
        Connection(data_dir, url, token),
        ENTRIES,
        lambda client: client.entries.reverse(entry, reason=reason, **options),
        is_json=json,
    )


def _postings(debits: list[str], credits_: list[str]) -> list[NewPosting]:
    """Raises CommandFailed."""
    from zerosum.client import NewPosting  # noqa: PLC0415

    postings = []
    for side, texts in (("debit", debits), ("credit", credits_)):
        for text in texts:
            words = text.split()
            if len(words) != 3:
                raise CommandFailed(f"--{side} is 'ACCOUNT AMOUNT CURRENCY', in quotes", USAGE)
            postings.append(NewPosting("debit" if side == "debit" else "credit", words[0], words[1], words[2]))
    return postings
