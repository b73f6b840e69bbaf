"""The record sets of processor calls and of their moves.

How often a call was tried is for who tries it (`db/queries/processor_calls.py`).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from zerosum.db.batch.record_sets import Column, RecordSet, stored_money
from zerosum.domain.identifiers import AccountId, LedgerId
from zerosum.domain.money import render_amount
from zerosum.domain.payments.payment import PaymentType
from zerosum.domain.payments.processor_calls import PROCESSOR_CALL, CallState, ProcessorCall
from zerosum.domain.payments.processor_moves import CALL_MOVE


def _call(row: Sequence[Any]) -> ProcessorCall:
    return ProcessorCall(
        ledger_id=LedgerId(row[0]),
        id=row[1],
        processor=row[2],
        type=PaymentType(row[3]),
        money=stored_money(row[5], row[4]),
        payer_id=AccountId(row[6]),
        payee_id=AccountId(row[7]),
        state=CallState(row[8]),
        created_at=row[9],
        next_at=row[10],
        attempts=row[11],
        sent_at=row[12],
        last_error=row[13],
        processor_payment_id=row[14],
        reason=row[15],
        approved=None if row[16] is None else Decimal(row[16]),
        entry_id=row[17],
        settled_at=row[18],
        route=row[19],
        refunded_payment_id=row[20],
        routing=None if row[21] is None else json.loads(row[21]),
        number=row[22],
        effective_at=row[23],
        parts=None if row[24] is None else tuple(map(Decimal, json.loads(row[24]))),
    )


def _approved(call: ProcessorCall) -> str | None:
    return None if call.approved is None else render_amount(call.approved)


def _parts(call: ProcessorCall) -> str | None:
    """As texts: a JSON number would be read as a float."""
    return None if call.parts is None else json.dumps([render_amount(part) for part in call.parts])


PROCESSOR_CALLS = RecordSet(
    kind=PROCESSOR_CALL,
    table="processor_calls",
    columns=(
        Column("id", "uuid", lambda call: call.id),
        Column("processor", "text", lambda call: call.processor),
        Column("type", "text", lambda call: call.type),
        Column("currency", "text", lambda call: call.money.currency.code),
        Column("amount", "text", lambda call: render_amount(call.money.amount), "numeric"),
        Column("payer_id", "uuid", lambda call: call.payer_id),
        Column("payee_id", "uuid", lambda call: call.payee_id),
        Column("state", "text", lambda call: call.state),
        Column("created_at", "timestamptz", lambda call: call.created_at),
        Column("next_at", "timestamptz", lambda call: call.next_at),
        Column("attempts", "int", lambda call: call.attempts),
        Column("sent_at", "timestamptz", lambda call: call.sent_at),
        Column("last_error", "text", lambda call: call.last_error),
        Column("processor_payment_id", "text", lambda call: call.processor_payment_id),
        Column("reason", "text", lambda call: call.reason),
        Column("approved", "text", _approved, "numeric"),
        Column("entry_id", "uuid", lambda call: call.entry_id),
        Column("settled_at", "timestamptz", lambda call: call.settled_at),
        Column("route", "text", lambda call: call.route),
        Column("refunded_payment_id", "uuid", lambda call: call.refunded_payment_id),
        Column("routing", "text", lambda call: None if call.routing is None else json.dumps(call.routing), "jsonb"),
        Column("number", "int", lambda call: call.number),
        Column("effective_at", "timestamptz", lambda call: call.effective_at),
        Column("parts", "text", _parts, "jsonb"),
    ),
    changing=("state", "next_at", "processor_payment_id", "reason", "approved", "entry_id", "settled_at"),
    read=_call,
)


def _never_read(row: Sequence[Any]) -> Any:  # noqa: ARG001 - the shape of all of them
    raise LookupError("no command reads a move: its call says how far it has come")


CALL_MOVES = RecordSet(
    kind=CALL_MOVE,
    table="processor_call_moves",
    columns=(
        Column("id", "uuid", lambda move: move.id),
        Column("payment_id", "uuid", lambda move: move.payment_id),
        Column("number", "int", lambda move: move.number),
        Column("processor", "text", lambda move: move.processor),
        Column("to_processor", "text", lambda move: move.to_processor),
        Column("payer_id", "uuid", lambda move: move.payer_id),
        Column("payee_id", "uuid", lambda move: move.payee_id),
        Column("to_payer_id", "uuid", lambda move: move.to_payer_id),
        Column("to_payee_id", "uuid", lambda move: move.to_payee_id),
        Column("why", "text", lambda move: move.why),
        Column("told", "text", lambda move: move.told),
        Column("attempts", "int", lambda move: move.attempts),
        Column("sent_at", "timestamptz", lambda move: move.sent_at),
        Column("processor_payment_id", "text", lambda move: move.processor_payment_id),
        Column("moved_at", "timestamptz", lambda move: move.moved_at),
    ),
    changing=(),
    read=_never_read,
)
