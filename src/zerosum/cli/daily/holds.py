"""`zerosum holds`, as the command line shows it."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from zerosum.cli.audit_commands import TokenOption, UrlOption
from zerosum.cli.daily.columns import HOLDS
from zerosum.cli.daily.words import (
    AmountOption,
    Commands,
    Connection,
    CurrencyOption,
    DescriptionOption,
    DryRunOption,
    HoldArgument,
    JsonOption,
    KeyOption,
    LimitOption,
    MetadataOption,
    OfAccountOption,
    PartOption,
    ReferenceOption,
    StatusOption,
    end_with_list,
    end_with_one,
    group,
    read_metadata,
    under,
    under_told,
)
from zerosum.cli.ingest_commands import DataDirOption


def add_to(app: typer.Typer) -> None:
    """The commands of this file."""
    commands: Commands = {"list": list_, "show": show, "place": place, "capture": capture, "void": void}
    group(app, "holds", "Place holds, capture and void them.", commands)


def list_(
    account: OfAccountOption = None,
    status: StatusOption = None,
    limit: LimitOption = 50,
    data_dir: DataDirOption = None,
    url: UrlOption = None,
    token: TokenOption = None,
    json: JsonOption = False,
) -> None:
    """List holds, the newest first."""
    filters: dict[str, Any] = {"account": account, "status": status}
    end_with_list(
        Connection(data_dir, url, token),
        HOLDS,
        lambda client: client.holds.list(**filters),
        limit=limit,
        is_json=json,
    )


def show(
    hold: HoldArgument,
    data_dir: DataDirOption = None,
    url: UrlOption = None,
    token: TokenOption = None,
    json: JsonOption = False,
) -> None:
    """Show a hold as it is now."""
    end_with_one(Connection(data_dir, url, token), HOLDS, lambda client: client.holds.get(hold), is_json=json)


def place(
    from_: Annotated[str, typer.Option("--from", help="Whose money is kept.")],
    to: Annotated[str, typer.Option("--to", help="For whom.")],
    amount: AmountOption,
    currency: CurrencyOption,
    reference: ReferenceOption = None,
    description: DescriptionOption = None,
    metadata: MetadataOption = None,
    key: KeyOption = None,
    dry_run: DryRunOption = False,
    data_dir: DataDirOption = None,
    url: UrlOption = None,
    token: TokenOption = None,
    json: JsonOption = False,
) -> None:
    """Keep money for somebody without paying it."""
    members: dict[str, Any] = {"from_": from_, "to": to, "amount": amount, "currency": currency}
    members |= {"reference": reference, "description": description}
    end_with_one(
        Connection(data_dir, url, token),
        HOLDS,
        lambda client: client.holds.place(
            metadata=read_metadata(metadata), **members, **under_told(key, is_dry_run=dry_run)
        ),
        is_json=json,
    )


def capture(
    hold: HoldArgument,
    amount: PartOption = None,
    final: Annotated[bool, typer.Option("--final", help="Set free what is left.")] = False,
    key: KeyOption = None,
    dry_run: DryRunOption = False,
    data_dir: DataDirOption = None,
    url: UrlOption = None,
    token: TokenOption = None,
    json: JsonOption = False,
) -> None:
    """Pay what is held, all that is left or a part."""
    end_with_one(
        Connection(data_dir, url, token),
        HOLDS,
        lambda client: client.holds.capture(
            hold, amount=amount, final=True if final else None, **under_told(key, is_dry_run=dry_run)
        ),
        is_json=json,
    )


def void(
    hold: HoldArgument,
    key: KeyOption = None,
    data_dir: DataDirOption = None,
    url: UrlOption = None,
    token: TokenOption = None,
    json: JsonOption = False,
) -> None:
    """Set free what is held."""
    options = under(key)
    end_with_one(
        Connection(data_dir, url, token), HOLDS, lambda client: client.holds.void(hold, **options), is_json=json
    )
