"""Whom a payment has to name: a transfer both parties, a deposit and a withdrawal the one that is not clearing."""

from __future__ import annotations

from zerosum.domain.errors import ValidationFailed
from zerosum.domain.payments.payment import PaymentType


def check_parties(type_: PaymentType, payer: str | None, payee: str | None) -> None:
    """Raises ValidationFailed."""
    needs_payer = type_ is not PaymentType.DEPOSIT
    needs_payee = type_ is not PaymentType.WITHDRAWAL
    for name, party, is_needed in (("from", payer, needs_payer), ("to", payee, needs_payee)):
        if is_needed and not party:
            raise ValidationFailed(f"A {type_.value} names the account it goes {name}.", pointer=f"/{name}")
        if party and not is_needed:
            raise ValidationFailed(
                f'A {type_.value} has no "{name}": that side is the clearing account.', pointer=f"/{name}"
            )
