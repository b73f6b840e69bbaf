"""`zerosum sandbox` and `zerosum processors`: who carries out what enters or leaves the ledger."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

ShareOption = Annotated[float, typer.Option(min=0, max=1, help="Their share of all payments.")]


def sandbox(
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Where to serve; 0 is any that is free.")] = 9900,
    secret_file: Annotated[
        Path | None, typer.Option(help="What signs both ways; a file that is not there is made.")
    ] = None,
    callback_url: Annotated[str | None, typer.Option(help="Whom to tell what was decided.")] = None,
    declined: ShareOption = 0.0,
    partial: ShareOption = 0.0,
    lost: ShareOption = 0.0,
    hangs: ShareOption = 0.0,
    never: ShareOption = 0.0,
    fails: ShareOption = 0.0,
    pending: ShareOption = 0.0,
    repeats: Annotated[float, typer.Option(min=0, max=1, help="Share of callbacks that are sent twice.")] = 0.1,
    delay: Annotated[float, typer.Option(min=0, max=60, help="Seconds before a reply, at most.")] = 0.0,
    hang: Annotated[float, typer.Option(min=0, max=600, help="Seconds before a reply that comes too late.")] = 30.0,
    by_amount: Annotated[bool, typer.Option("--by-amount", help="The last two digits say what happens.")] = False,
    seed: Annotated[int, typer.Option(help="The same seed treats the same payment alike.")] = 1,
) -> None:
    """Run a processor to try payments on: it declines, hangs and loses replies as it is told, and moves no money."""
    from zerosum.cli.sandbox.behaviour import Chances  # noqa: PLC0415
    from zerosum.cli.sandbox.command import SandboxCommand, run_sandbox  # noqa: PLC0415

    chances = Chances(
        declined=declined, partial=partial, lost=lost, hangs=hangs, never=never, fails=fails, pending=pending
    )
    command = SandboxCommand(
        port=port,
        secret_file=secret_file,
        callback_url=callback_url,
        seed=seed,
        by_amount=by_amount,
        delay_seconds=delay,
        hang_seconds=hang,
        repeats=repeats,
        chances=chances,
    )
    raise typer.Exit(run_sandbox(command))


class RoutedType(StrEnum):
    """What leaves or enters the ledger."""

    DEPOSIT = "deposit"
    WITHDRAWAL = "withdrawal"


def route(
    amount: Annotated[str, typer.Option(help="How much.")],
    currency: Annotated[str, typer.Option(help="Of what.")],
    account: Annotated[str, typer.Option(help="The code of who pays or receives.")],
    type_: Annotated[RoutedType, typer.Option("--type", help="What it is.")] = RoutedType.WITHDRAWAL,
    metadata: Annotated[list[str] | None, typer.Option(help="name=value; as often as there are.")] = None,
    key: Annotated[str, typer.Option(help="The idempotency key: by it weights are drawn.")] = "",
    ledger: Annotated[str | None, typer.Option(help="led_…: by its own routes, where it has any.")] = None,
    at: Annotated[str | None, typer.Option(help="When: 2026-12-01T08:00:00Z. Now, where nothing is said.")] = None,
    explain: Annotated[bool, typer.Option("--explain", help="Tell of each route why it does not fit.")] = False,
) -> None:
    """Show which processor the routes of ZEROSUM_PROCESSORS_FILE, or of a ledger, choose; exit 1 where none does."""
    from zerosum.cli.routing import RouteQuestion, run_route  # noqa: PLC0415
    from zerosum.domain.payments.payment import PaymentType  # noqa: PLC0415

    question = RouteQuestion(
        type=PaymentType(type_.value),
        amount=amount,
        currency=currency,
        account=account,
        key=key,
        metadata=metadata or [],
        ledger=ledger,
        at=at,
        is_explained=explain,
    )
    raise typer.Exit(run_route(question))


processors = typer.Typer(name="processors", help="Show the outside processors.", no_args_is_help=True)


@processors.callback()
def _processors() -> None:
    """Show the outside processors."""


@processors.command("list")
def list_outside_processors(
    json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """Show which processors ZEROSUM_PROCESSORS_FILE describes, without their secrets; exit 1 where it is wrong."""
    from zerosum.cli.processors import list_processors  # noqa: PLC0415

    raise typer.Exit(list_processors(is_json=json))


def rules(
    json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """Show what ZEROSUM_RULES_FILE says and its version, and begin each plug-in once; it fails where one is wrong."""
    from zerosum.cli.rules import show_rules  # noqa: PLC0415

    raise typer.Exit(show_rules(is_json=json))


iso20022 = typer.Typer(name="iso20022", help="Pay out by files of a bank.", no_args_is_help=True)

PayoutsArgument = Annotated[str, typer.Argument(help="The processor, of the kind iso20022.")]


@iso20022.callback()
def _iso20022() -> None:
    """Pay out by files of a bank."""


@iso20022.command("write")
def write_payouts(processor: PayoutsArgument) -> None:
    """Put all payouts that are new into a pain.001 message in the folder's `out`."""
    from zerosum.cli.iso20022 import write_messages  # noqa: PLC0415

    raise typer.Exit(write_messages(processor))


@iso20022.command("read")
def read_answers(processor: PayoutsArgument) -> None:
    """Read pain.002 and camt.054 files in the folder's `in`; exit 1 where a person has to look at something."""
    from zerosum.cli.iso20022 import read_files  # noqa: PLC0415

    raise typer.Exit(read_files(processor))
