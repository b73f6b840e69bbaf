"""What processors say becomes of payments and refunds: settled once, by whoever is told it first."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Sequence
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

from zerosum.adapters.processors import ProcessorAnswer
from zerosum.adapters.processors import ProcessorOutcome as ProcessorOutcome  # shown by the routes
from zerosum.db.identifiers import new_uuid
from zerosum.db.queries.processor_calls import RecordedCall
from zerosum.domain.errors import DomainError, InvalidState
from zerosum.domain.identifiers import AccountId, LedgerId, PaymentId, Prefix, render_id
from zerosum.domain.ledger.outcome import Refused
from zerosum.domain.ledger.periods import UnrefusedDating
from zerosum.domain.money import Currency, Money, render_amount
from zerosum.domain.payments.processor_calls import CallOutcome, CallState
from zerosum.domain.payments.processor_commands import SettlePayment
from zerosum.domain.payments.processor_refunds import SettleRefund
from zerosum.domain.payments.processor_splits import SettleInParts, SettleRefundInParts
from zerosum.services.committing.committer import Committer
from zerosum.services.committing.fingerprint import fingerprint

ACTOR = "zerosum worker"

_log = logging.getLogger(__name__)


class Effect(StrEnum):
    """What a callback has done."""

    SETTLED = "settled"
    CONFIRMS = "confirms"
    """It says what is known already."""
    CONTRADICTS = "contradicts"
    """It says otherwise than what was settled, and changes nothing: a person looks at it."""
    DISPUTED = "disputed"
    """It tells of a dispute, which is open now, or was before."""
    NOTED = "noted"
    """Nothing is decided yet."""
    REPEATED = "repeated"
    """It was taken before."""


class AnswerWrong(Exception):
    """The processor says what cannot be, of this payment."""


def name_of(call: RecordedCall) -> str:
    """Of what it is for, as callers know it."""
    return render_id(Prefix.PAYMENT if call.refunded_payment_id is None else Prefix.REFUND, call.id)


def told_state(answer: ProcessorAnswer) -> CallState | None:
    """None: it has decided nothing."""
    if answer.outcome is ProcessorOutcome.APPROVED:
        return CallState.APPROVED
    return CallState.DECLINED if answer.outcome is ProcessorOutcome.DECLINED else None


async def settle(committer: Committer, call: RecordedCall, answer: ProcessorAnswer, actor: str) -> bool:
    """By what the processor has said. Whether it is settled so now, or was by the same word before.

    Its key holds a blank, which no caller can send: it is settled once, whoever says it how often.
    Raises AnswerWrong, Unavailable, OutcomeUnknown.
    """
    outcome = await committer.carry_out(_settlement(call, answer, actor))
    if not isinstance(outcome, Refused):
        return True
    if isinstance(outcome.refusal, InvalidState) or outcome.refusal.code == "idempotency_key_reused":
        return False
    raise outcome.refusal


def _settlement(call: RecordedCall, answer: ProcessorAnswer, actor: str) -> SettlePayment:
    is_approved = answer.outcome is ProcessorOutcome.APPROVED
    amount = None
    if is_approved and answer.amount is not None:
        amount = _approved_amount(call, answer.amount)
    said = {
        **settlement_of(call.id, call.refunded_payment_id),
        "outcome": CallOutcome.APPROVED if is_approved else CallOutcome.DECLINED,
        "amount": None if amount is None else render_amount(amount),
        "processor_payment_id": answer.processor_payment_id,
        "reason": None if is_approved else answer.reason,
    }
    members: dict[str, Any] = {
        "id": new_uuid(),
        "ledger_id": LedgerId(call.ledger_id),
        "idempotency_key": f"processor settlement {call.id}",
        "fingerprint": fingerprint("settlement", said),
        "actor": actor,
        "is_remembered": False,
        "payer_id": AccountId(call.payer_id),
        "payee_id": AccountId(call.payee_id),
        "is_approved": is_approved,
        "amount": amount,
        "processor_payment_id": answer.processor_payment_id,
        "reason": None if is_approved else answer.reason,
        "dating": None if call.effective_at is None else UnrefusedDating(),
    }
    return settling(call.id, call.refunded_payment_id, call.receivers, members)


def settling(
    id_: UUID, refunded_payment_id: UUID | None, receivers: Sequence[UUID], members: dict[str, Any]
) -> SettlePayment:
    """The command that settles the call of this payment or, where one is given back, of this refund.

    `receivers` are those of the payment's splits, in their order.
    """
    members = {**members, "payment_id": PaymentId(refunded_payment_id or id_)}
    if receivers:
        members["receivers"] = tuple(map(AccountId, receivers))
    if refunded_payment_id is None:
        return SettleInParts(**members) if receivers else SettlePayment(**members)
    members["refund_id"] = id_
    return SettleRefundInParts(**members) if receivers else SettleRefund(**members)


def settlement_of(id_: UUID, refunded_payment_id: UUID | None) -> dict[str, str]:
    """What the fingerprint of a settlement says it is of."""
    return {"payment" if refunded_payment_id is None else "refund": str(id_)}


def _approved_amount(call: RecordedCall, text: str) -> Decimal:
    """Raises AnswerWrong."""
    places = max(0, -int(call.amount.as_tuple().exponent))  # 10000 yen may come as 1E+4
    try:
        amount = Money.parse(text, Currency(call.currency, places)).amount
    except DomainError as error:
        raise AnswerWrong(f"the approved amount is no amount in {call.currency}: {error.code}") from None
    if amount > call.amount:
        raise AnswerWrong("more was approved than was asked for")
    return amount


def compared(call: RecordedCall, answer: ProcessorAnswer) -> Effect:
    """What is said of a call that was settled before: the same, or what only a person can put right."""
    said, amount = told_state(answer), None
    with contextlib.suppress(AnswerWrong):
        if said is CallState.APPROVED:
            amount = call.amount if answer.amount is None else _approved_amount(call, answer.amount)
    if (said, amount) == (call.state, call.approved):
        return Effect.CONFIRMS
    told = f"says {said} {answer.amount}, and it is {call.state} {call.approved}"
    _log.error("%s: the processor %s %s", name_of(call), call.processor, told)
    return Effect.CONTRADICTS
