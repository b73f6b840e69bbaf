"""Carries a dead letter out after all: as the message it was, under the key it had, so that twice is once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any
from uuid import UUID

from zerosum.api.messages import OF_ENVELOPE, MessageDesk
from zerosum.api.schemas.dead_letters import dead_letter_body
from zerosum.api.schemas.payments import PaymentRequest
from zerosum.api.services import Services
from zerosum.api.validation import validated
from zerosum.domain.errors import BodyTooLarge, DomainError
from zerosum.domain.messages import DeadLetterStatus, Message, MessageOutcome, OutcomeKind, maker_of_messages
from zerosum.domain.money import parse_amount
from zerosum.gateway.guards.json_guard import parse_json
from zerosum.services.requests.caller import Caller

PAYMENT = "payment"


async def replay(services: Services, caller: Caller, id_: UUID) -> dict[str, Any]:
    """What has become of it, and what its command was answered. Raises DeadLetterNotFound, DeadLetterSettled, and what
    keeps the ledger from answering at all.
    """
    record = await services.dead_letters.to_replay(caller, id_)
    message, sender = record.message, record.sender
    maker = caller if sender is None else replace(caller, actor=maker_of_messages(message.partition.input, sender))
    # Kept whole, it was as large as its consumer lets messages be.
    desk = MessageDesk(services, maker, message.body_bytes)
    outcome = await _outcome(desk, record.message, is_whole=record.is_whole)
    if outcome.kind is OutcomeKind.AWAY and outcome.refusal is not None:
        raise outcome.refusal
    if record.status is DeadLetterStatus.DEAD:
        record = await services.dead_letters.replayed(caller, id_, outcome)
    return dead_letter_body(record) | {"outcome": dict(outcome.answer)}


async def moves_of_message(services: Services, caller: Caller, message: Message) -> Mapping[str, Decimal] | None:
    """What it would move, by currency, where it is a plain payment. None of any other, and of what cannot be read."""
    try:
        whole = parse_json(message.body)
        content = whole["data"] if "specversion" in whole else whole
        if not isinstance(content, dict) or content.get("command") != PAYMENT:
            return None
        said = {name: value for name, value in content.items() if name not in OF_ENVELOPE}
        asked = validated(PaymentRequest, said)
        currency = await services.currencies.get(caller.ledger_id, asked.currency)
        return {currency.code: parse_amount(asked.amount, currency)}
    except (DomainError, KeyError):
        return None


async def _outcome(desk: MessageDesk, message: Any, *, is_whole: bool) -> MessageOutcome:
    try:
        if not is_whole:
            raise BodyTooLarge("Only the beginning of the message was kept.")
        reading = desk.read(message)
    except DomainError as refusal:
        return desk.refused(message, refusal)
    return (await desk.carry_out([reading]))[0]
