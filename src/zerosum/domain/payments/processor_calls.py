"""A processor call: what has to be asked of an outside processor for a payment, and how far that has come.

It is written with the payment's first entry and is all that recovery stands on: whatever dies, it says what to do next.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, NamedTuple
from uuid import UUID

from zerosum.domain.identifiers import AccountId, LedgerId, PaymentId
from zerosum.domain.moments import render_time
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


class MoveReason(StrEnum):
    """How it is known that a processor has not carried a payment out: only then is another one asked."""

    DECLINED = "declined"
    """It has declined, for a reason of its own that is a technical one."""
    NOT_SENT = "not_sent"
    """Nothing has reached it: it was not asked yet, or no connection came about."""
    ABSENT = "absent"
    """Asked long ago, it knows nothing of the key."""


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
    number: int = 1
    """Which one of its payment: each move to another processor begins the next, under a key of its own."""
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
    effective_at: datetime | None = None
    """What its entries are dated to. None: each to when it is posted."""
    parts: tuple[Decimal, ...] | None = None
    """Of a call for a refund of what went to several: what each of them is to give back, in the order of the splits."""

    @property
    def is_settled(self) -> bool:
        return self.state in SETTLED


def onward(routing: Mapping[str, Any] | None, processor: str) -> Sequence[str]:
    """The processors of its route to which a call may be moved from this one, in their order: never back."""
    names: Sequence[str] = (routing or {}).get("next", ())
    return names[names.index(processor) + 1 :] if processor in names else names


def call_key(ledger_id: UUID, id_: UUID, number: int = 1) -> str:
    """Under which the processor knows the payment or refund: for ever, and whose it is can be read from it."""
    return f"zs-{ledger_id.hex}-{id_.hex}" if number == 1 else f"zs-{ledger_id.hex}-{id_.hex}-{number}"


class CallName(NamedTuple):
    """Which call a key means."""

    ledger_id: LedgerId
    id: UUID
    number: int = 1


def parse_call_key(text: str) -> CallName | None:
    """None for a text that is no such key."""
    parts = text.split("-")
    if len(parts) not in (3, 4) or parts[0] != "zs":
        return None
    try:
        ledger_id, id_ = UUID(hex=parts[1]), UUID(hex=parts[2])
        number = int(parts[3]) if len(parts) == 4 else 1
    except ValueError:
        return None
    return CallName(LedgerId(ledger_id), id_, number) if call_key(ledger_id, id_, number) == text else None


def payment_facts(
    payment: Payment, call: ProcessorCall, entry_ids: Sequence[UUID], metadata: Mapping[str, str]
) -> dict[str, Any]:
    """What an event tells of a payment that was settled: as it was, amounts in their wire form.

    `metadata` are those of the entry that began it, at the same moment as the call.
    """
    return {
        "id": f"pay_{payment.id}",
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
        "created_at": render_time(call.created_at),
        "metadata": dict(metadata),
    }
