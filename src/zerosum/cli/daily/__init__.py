"""Daily work over the API: `zerosum pay`, `payments`, `accounts`, `entries`, `holds` and `events`."""

from __future__ import annotations

import typer

from zerosum.cli.daily import accounts, entries, events, holds, payments


def add_to(app: typer.Typer) -> None:
    """The commands of this package."""
    for noun in (payments, accounts, entries, holds, events):
        noun.add_to(app)
