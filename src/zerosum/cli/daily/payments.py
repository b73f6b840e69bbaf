"""`zerosum pay` and `zerosum payments`, as the command line shows them."""

from __future__ import annotations

from typing import Annotated

import typer

from zerosum.cli.audit_commands import TokenOption, UrlOption
from zerosum.cli.daily.columns import PAYMENTS, REFUNDS
from zerosum.cli.daily.words import (
    AmountOption,
    Connection,
    CurrencyOption,
    DescriptionOption,
    DryRunOption,
    JsonOption,
    KeyOption,
    LimitOption,
    MetadataOption,
    OfAccountOption,
    PartOption,
    PlainCurrencyOption,
    ReasonOption,
    ReferenceOption,
    StatusOption,
    end_with_list,
    end_with_one,
    group,
    read_metadata,
    under_told,
)
from zerosum.cli.ingest_commands import DataDirOption

PaymentArgument = Annotated[str, typer.Argument(help="Its id (pay_…).")]


def add_to(app: typer.Typer) -> None:
    """The commands of this file."""
    app.command("pay")(pay)
    group(app, "payments", "Look at payments, and give them back.", {"list": list_, "show": show, "refund": refund})


def pay(
    amount: AmountOption,
    currency: CurrencyOption,
    from_: Annotated[str | None, typer.Option("--from", help="Who pays; without it money comes in.")] = None,
    to: Annotated[str | None, typer.Option("--to", help="Who is paid; without it money goes out.")] = None,
    key: KeyOption = None,
    reference: ReferenceOption = None,
    description: DescriptionOption = None,
    metadata: MetadataOption = None,
    dry_run: DryRunOption = False,
    data_dir: DataDirOption = None,
    url: UrlOption = None,
    token: TokenOption = None,
    json: JsonOption = False,
) -> None:
    """Pay from one account to another, into one (--to alone) or out of one (--from alone).

    Exit 0 it is paid, 1 refused, 3 nobody can say yet (say it again with the --key that is told), 4 held for review.
    """
    from zerosum.cli.daily.paying import Order, run_pay  # noqa: PLC0415

    order = Order(
        from_=from_,
        to=to,
        amount=amount,
        currency=currency,
        key=key,
        reference=reference,
        description=description,
        metadata=metadata,
        is_dry_run=dry_run,
    )
    raise typer.Exit(run_pay(Connection(data_dir, url, token), order, is_json=json))


def list_(
    account: OfAccountOption = None,
    status: StatusOption = None,
    currency: PlainCurrencyOption = None,
    reference: Annotated[str | None, typer.Option(help="Only those with this reference.")] = None,
    limit: LimitOption = 50,
    data_dir: DataDirOption = None,
    url: UrlOption = None,
    token: TokenOption = None,
    json: JsonOption = False,
) -> None:
    """List payments, the newest first."""
    end_with_list(
        Connection(data_dir, url, token),
        PAYMENTS,
        lambda client: client.payments.list(account=account, status=status, currency=currency, reference=reference),
        limit=limit,
        is_json=json,
    )


def show(
    payment: PaymentArgument,
    data_dir: DataDirOption = None,
    url: UrlOption = None,
    token: TokenOption = None,
    json: JsonOption = False,
) -> None:
    """Show a payment as it is now."""
    end_with_one(Connection(data_dir, url, token), PAYMENTS, lambda client: client.payments.get(payment), is_json=json)


def refund(
    payment: PaymentArgument,
    amount: PartOption = None,
    reason: ReasonOption = None,
    metadata: MetadataOption = None,
    key: KeyOption = None,
    dry_run: DryRunOption = False,
    data_dir: DataDirOption = None,
    url: UrlOption = None,
    token: TokenOption = None,
    json: JsonOption = False,
) -> None:
    """Give a payment back, all that is left of it or a part."""
    end_with_one(
        Connection(data_dir, url, token),
        REFUNDS,
        lambda client: client.payments.refund(
            payment,
            amount=amount,
            reason=reason,
            metadata=read_metadata(metadata),
            **under_told(key, is_dry_run=dry_run),
        ),
        is_json=json,
    )
