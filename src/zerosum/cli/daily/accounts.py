"""`zerosum accounts`, as the command line shows it."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from zerosum.cli.audit_commands import TokenOption, UrlOption
from zerosum.cli.daily.columns import ACCOUNTS, POSTINGS
from zerosum.cli.daily.words import (
    AccountArgument,
    Commands,
    Connection,
    CurrencyOption,
    JsonOption,
    KeyOption,
    LimitOption,
    MetadataOption,
    PlainCurrencyOption,
    ReasonOption,
    StatusOption,
    end_with_list,
    end_with_one,
    group,
    read_metadata,
    under,
)
from zerosum.cli.ingest_commands import DataDirOption

NO_FLOOR = "none"


def add_to(app: typer.Typer) -> None:
    """The commands of this file."""
    commands: Commands = {
        "list": list_,
        "show": show,
        "postings": postings,
        "open": open_,
        "freeze": freeze,
        "unfreeze": unfreeze,
        "close": close,
    }
    group(app, "accounts", "Look at accounts, open, freeze and close them.", commands)


def list_(
    prefix: Annotated[str | None, typer.Option(help="Only codes that begin so.")] = None,
    status: StatusOption = None,
    currency: PlainCurrencyOption = None,
    in_debt: Annotated[bool, typer.Option("--in-debt", help="Only those that owe.")] = False,
    limit: LimitOption = 50,
    data_dir: DataDirOption = None,
    url: UrlOption = None,
    token: TokenOption = None,
    json: JsonOption = False,
) -> None:
    """List accounts with what is available in them."""
    filters: dict[str, Any] = {"code_prefix": prefix, "status": status, "currency": currency}
    filters["in_debt"] = True if in_debt else None
    end_with_list(
        Connection(data_dir, url, token),
        ACCOUNTS,
        lambda client: client.accounts.list(**filters),
        limit=limit,
        is_json=json,
    )


def show(
    account: AccountArgument,
    data_dir: DataDirOption = None,
    url: UrlOption = None,
    token: TokenOption = None,
    json: JsonOption = False,
) -> None:
    """Show an account and its balance."""
    end_with_one(Connection(data_dir, url, token), ACCOUNTS, lambda client: client.accounts.get(account), is_json=json)


def postings(
    account: AccountArgument,
    limit: LimitOption = 50,
    data_dir: DataDirOption = None,
    url: UrlOption = None,
    token: TokenOption = None,
    json: JsonOption = False,
) -> None:
    """Show what was posted to an account, the newest first."""
    end_with_list(
        Connection(data_dir, url, token),
        POSTINGS,
        lambda client: client.accounts.postings(account),
        limit=limit,
        is_json=json,
    )


def open_(
    code: Annotated[str, typer.Argument(help="What it is called, like customers:alice.")],
    currency: CurrencyOption,
    type_: Annotated[str, typer.Option("--type", help="asset, liability, equity, revenue or expense.")] = "liability",
    name: Annotated[str | None, typer.Option(help="A name for people.")] = None,
    floor: Annotated[str, typer.Option(help="What must stay available; `none` for no floor.")] = "0",
    ceiling: Annotated[str | None, typer.Option(help="What may be available at most.")] = None,
    metadata: MetadataOption = None,
    key: KeyOption = None,
    data_dir: DataDirOption = None,
    url: UrlOption = None,
    token: TokenOption = None,
    json: JsonOption = False,
) -> None:
    """Open an account: for a customer's money a liability, which is what we owe him."""
    members: dict[str, Any] = {"type": type_, "currency": currency, "name": name, "max_available": ceiling}
    members |= {"min_available": None if floor == NO_FLOOR else floor, **under(key)}
    end_with_one(
        Connection(data_dir, url, token),
        ACCOUNTS,
        lambda client: client.accounts.open(code, metadata=read_metadata(metadata), **members),
        is_json=json,
    )


def freeze(
    account: AccountArgument,
    reason: ReasonOption = None,
    key: KeyOption = None,
    data_dir: DataDirOption = None,
    url: UrlOption = None,
    token: TokenOption = None,
    json: JsonOption = False,
) -> None:
    """Freeze an account: it takes no postings until it is unfrozen."""
    options = under(key)
    end_with_one(
        Connection(data_dir, url, token),
        ACCOUNTS,
        lambda client: client.accounts.freeze(account, reason=reason, **options),
        is_json=json,
    )


def unfreeze(
    account: AccountArgument,
    reason: ReasonOption = None,
    reopen: Annotated[bool, typer.Option("--reopen", help="Also one that a chargeback has locked.")] = False,
    key: KeyOption = None,
    data_dir: DataDirOption = None,
    url: UrlOption = None,
    token: TokenOption = None,
    json: JsonOption = False,
) -> None:
    """Set a frozen account free."""
    options = under(key)
    end_with_one(
        Connection(data_dir, url, token),
        ACCOUNTS,
        lambda client: client.accounts.unfreeze(account, reason=reason, reopen=reopen, **options),
        is_json=json,
    )


def close(
    account: AccountArgument,
    reason: ReasonOption = None,
    key: KeyOption = None,
    data_dir: DataDirOption = None,
    url: UrlOption = None,
    token: TokenOption = None,
    json: JsonOption = False,
) -> None:
    """Close an account for good. There must be nothing in it."""
    options = under(key)
    end_with_one(
        Connection(data_dir, url, token),
        ACCOUNTS,
        lambda client: client.accounts.close(account, reason=reason, **options),
        is_json=json,
    )
