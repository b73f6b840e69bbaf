"""A processor call: what has to be asked of an outside processor for a payment, and how far that has come.

It is written with the payment's first entry and is all that recovery stands on: whatever dies, it says what to do next.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

from zerosum.domain.identifiers import AccountId, LedgerId, PaymentId
from zerosum.domain.money import Money, render_amount
from zerosum.domain.payments.payment import Payment, PaymentType

PROCESSOR_CALL = "processor_call"
"""Of which kind processor calls are among the records."""


class CallState(StrEnum):
    """Only the last two are ends, and nothing leads out of them."""

    PROPOSED = "proposed"
    """Nobody has asked the processor yet."""
    SENT = "sent"
    """Somebody is asking, or has died while asking."""
    UNKNOWN = "unknown"
    """The processor was asked and has not said what became of it."""
    PARKED = "parked"
    """It was asked often enough: a person looks at it."""
    APPROVED = "approved"
    DECLINED = "declined"


class CallOutcome(StrEnum):
    """What can become of it in the end."""

    APPROVED = "approved"
    """Carried out, wholly or in part."""
    DECLINED = "declined"
    """Not carried out."""


SETTLED = frozenset({CallState.APPROVED, CallState.DECLINED})


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessorCall:
    """It bears the id of its payment, or of the refund that it is for.

    `approved` is how much the processor has carried out, never more than asked.

    `entry_id` is of the entry that settled it; the payment's own first entry has made it pending.
    """

    id: UUID
    ledger_id: LedgerId
    processor: str
    type: PaymentType
    money: Money
    payer_id: AccountId
    payee_id: AccountId
    state: CallState
    created_at: datetime
    refunded_payment_id: PaymentId | None = None
    """Of a call for a refund: the payment that is given back. Its payer is who gives back."""
    route: str | None = None
    """By which route the processor was chosen. None: the payment has named it."""
    routing: Mapping[str, Any] | None = None
    """By which version of the routes, and which processors were passed over for what: kept to be shown."""
    next_at: datetime | None
    """When it is due, or a claim of it lapses. None: nobody asks any more."""
    attempts: int = 0
    sent_at: datetime | None = None
    last_error: str | None = None
    processor_payment_id: str | None = None
    reason: str | None = None
    approved: Decimal | None = None
    entry_id: UUID | None = None
    settled_at: datetime | None = None

    @property
    def is_settled(self) -> bool:
        return self.state in SETTLED


def call_key(ledger_id: UUID, id_: UUID) -> str:
    """Under which the processor knows the payment or refund: for ever, and whose it is can be read from it."""
    return f"zs-{ledger_id.hex}-{id_.hex}"


def parse_call_key(text: str) -> tuple[LedgerId, UUID] | None:
    """Whose it is. None for a text that is no such key."""
    parts = text.split("-")
    if len(parts) != 3 or parts[0] != "zs":
        return None
    try:
        ledger_id, id_ = UUID(hex=parts[1]), UUID(hex=parts[2])
    except ValueError:
        return None
    return (LedgerId(ledger_id), id_) if call_key(ledger_id, id_) == text else None


def payment_facts(payment: Payment, call: ProcessorCall, entry_ids: Sequence[UUID]) -> dict[str, Any]:
    """What an event tells of a payment that was settled: as it was, amounts in their wire form."""
    return {
        "type": payment.type.value,
        "status": payment.status.value,
        "amount": render_amount(payment.money.amount),
        "approved": None if call.approved is None else render_amount(call.approved),
        "currency": payment.money.currency.code,
        "from": f"acc_{payment.payer_id}",
        "to": f"acc_{payment.payee_id}",
        **payment.texts._asdict(),
        "processor": payment.processor,
        "processor_payment_id": call.processor_payment_id,
        "failure_reason": call.reason if call.state is CallState.DECLINED else None,
        "journal_entry_ids": [f"je_{entry_id}" for entry_id in entry_ids],
    }
