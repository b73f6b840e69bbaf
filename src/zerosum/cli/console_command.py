"""`zerosum console-link`, as it is asked for."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class LinkRole(StrEnum):
    """What whoever signs in may do."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    APPROVER = "approver"
    ADMIN = "admin"


def console_link(
    subject: Annotated[str, typer.Option(help="Who signs in, as the audit log will name them.")] = "demo",
    role: Annotated[LinkRole, typer.Option(help="What they may do.")] = LinkRole.ADMIN,
    ledger: Annotated[list[str] | None, typer.Option(help="Only these (led_…); as often as there are.")] = None,
    data_dir: Annotated[
        Path | None, typer.Option("--data-dir", help="Where everything is kept (ZEROSUM_DATA_DIR, else .zerosum).")
    ] = None,
) -> None:
    """Print an address that signs in to the console, once, within a quarter of an hour."""
    from zerosum.cli.console import run_console_link  # noqa: PLC0415

    raise typer.Exit(run_console_link(subject, role.value, ledger or [], data_dir))
