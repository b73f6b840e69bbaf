"""`zerosum pay`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from zerosum.cli.daily.asking import ask_one
from zerosum.cli.daily.columns import PAYMENTS
from zerosum.cli.daily.words import Connection, read_metadata, under_told
from zerosum.cli.talk import USAGE, CommandFailed, told_plainly
from zerosum.client import Client
from zerosum.client.models.payments import Payment


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    from_: str | None
    to: str | None
    amount: str
    currency: str
    key: str | None
    reference: str | None
    description: str | None
    metadata: list[str] | None
    is_dry_run: bool

    @property
    def type(self) -> Literal["deposit", "withdrawal", "transfer"]:
        """Raises CommandFailed where nobody is named."""
        if self.from_ is None and self.to is None:
            raise CommandFailed("say who pays (--from), who is paid (--to), or both", USAGE)
        if self.from_ is None:
            return "deposit"
        return "withdrawal" if self.to is None else "transfer"


@told_plainly
def run_pay(connection: Connection, order: Order, *, is_json: bool) -> int:
    type_, metadata = order.type, read_metadata(order.metadata)

    def story(client: Client) -> Payment:
        return client.payments.create(
            type=type_,
            amount=order.amount,
            currency=order.currency,
            from_=order.from_,
            to=order.to,
            reference=order.reference,
            description=order.description,
            metadata=metadata,
            **under_told(order.key, is_dry_run=order.is_dry_run),
        )

    return ask_one(connection, PAYMENTS, story, is_json=is_json)
