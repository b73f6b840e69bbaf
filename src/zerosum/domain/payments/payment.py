"""A payment: one business fact with a status of its own, standing on journal entries."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any, NamedTuple

from zerosum.domain.errors import InvalidState
from zerosum.domain.identifiers import AccountId, LedgerId, PaymentId
from zerosum.domain.ledger.records import replaced
from zerosum.domain.money import Money, add, subtract


class PaymentType(StrEnum):
    TRANSFER = "transfer"
    """From one account of the ledger to another."""
    DEPOSIT = "deposit"
    """Into the ledger: the processor's clearing account owes us, we owe the receiver."""
    WITHDRAWAL = "withdrawal"
    """Out of the ledger, through the processor's clearing account."""


class PaymentStatus(StrEnum):
    SUCCEEDED = "succeeded"
    PROCESSING = "processing"
    """Its processor has not said yet what became of it: its amount is pending."""
    FAILED = "failed"
    """Its processor has declined it, and nothing was paid."""
    REFUNDED = "refunded"
    PARTIALLY_REFUNDED = "partially_refunded"
    DISPUTED = "disputed"
    CHARGED_BACK = "charged_back"


PAYMENT = "payment"
"""Of which kind payments are among the records."""

PROCESSOR_PATTERN_TEXT = "^[a-z][a-z0-9_-]{0,31}$"
"""How a processor is called: its clearing accounts are named after it."""

INTERNAL_PROCESSOR = "internal"
"""Settles at once, in the books themselves."""

STATUS_WHEN_MADE = PaymentStatus.SUCCEEDED
"""Of a payment through it: what its key is answered with for ever, whatever becomes of the payment."""


def status_when_made(processor: str) -> PaymentStatus:
    """Of a payment through any."""
    return STATUS_WHEN_MADE if processor == INTERNAL_PROCESSOR else PaymentStatus.PROCESSING


def clearing_code(processor: str, currency_code: str) -> str:
    """The code of the account in which money to and from a processor waits."""
    return f"clearing:{processor}:{currency_code}"


class PaymentTexts(NamedTuple):
    """What the caller has written on a payment. It decides nothing; it is kept, shown and proved as it was given.

    Each is a column of the same name: the order, the command, the record, the answer and the proof all take them from
    here.
    """

    reference: str | None = None
    description: str | None = None


NO_TEXTS = PaymentTexts()


@dataclass(slots=True, kw_only=True)
class Payment:
    """Not frozen only because one is made for every payment: whoever changes one puts another in its place.

    `payer_id` and `payee_id` are the accounts debited and credited, clearing accounts included.

    The journal entry that began it bears the same UUID and holds what both share: times, metadata, actor, key.
    """

    id: PaymentId
    ledger_id: LedgerId
    type: PaymentType
    status: PaymentStatus
    money: Money
    payer_id: AccountId
    payee_id: AccountId
    processor: str
    texts: PaymentTexts
    refunded: Decimal | None = None
    """What of it was given back, in all; None: nothing."""
    disputed: Decimal | None = None
    """What of it is held by disputes that are not decided yet."""
    charged_back: Decimal | None = None
    """What of it lost disputes have taken."""
    approved: Decimal | None = None
    """What of it its processor has carried out, where that is less than all."""
    refunding: Decimal | None = None
    """What of it its processor was asked to give back, and has not answered yet."""

    @property
    def paid(self) -> Decimal:
        """What it came to, once it has succeeded."""
        return self.money.amount if self.approved is None else self.approved

    def check_paid(self) -> None:
        """Raises InvalidState for one of which nothing was paid, or not yet."""
        if self.status in (PaymentStatus.PROCESSING, PaymentStatus.FAILED):
            raise InvalidState(f"The payment is {self.status.value}.", payment_status=self.status.value)

    @property
    def left(self) -> Decimal:
        """What of it may still be given back, or be disputed: refunds and disputes never come to more than was paid."""
        left = self.paid
        for gone in (self.refunded, self.refunding, self.disputed, self.charged_back):
            if gone is not None:
                left = subtract(left, gone)
        return left


PARTY_POINTERS = {"/postings/0/account": "/from", "/postings/1/account": "/to"}
"""How a caller who has named a payer and a payee is told which of the postings is meant."""


def plus(so_far: Decimal | None, amount: Decimal) -> Decimal:
    """One more of what a payment has none of at first."""
    return amount if so_far is None else add(so_far, amount)


def with_status(payment: Payment, **members: Any) -> Payment:
    """The payment after something has become of its money, with the status that follows."""
    after = replaced(payment, members)
    after.status = _status_of(after)  # Nobody else has it yet.
    return after


def _status_of(payment: Payment) -> PaymentStatus:
    """What a settled payment is called, by what has become of its money."""
    if payment.disputed is not None:
        return PaymentStatus.DISPUTED
    if payment.charged_back is not None:
        return PaymentStatus.CHARGED_BACK
    if payment.refunded is None:
        return PaymentStatus.SUCCEEDED
    return PaymentStatus.REFUNDED if payment.refunded == payment.paid else PaymentStatus.PARTIALLY_REFUNDED
