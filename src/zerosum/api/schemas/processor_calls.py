"""Processor calls and callbacks on the wire."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field

from zerosum.api.render import render_time
from zerosum.api.schemas.accounts import AccountId
from zerosum.api.schemas.bulk import DryRunBalance
from zerosum.api.schemas.fields import (
    EXAMPLE_UUID,
    Amount,
    CurrencyCode,
    OneOf,
    Request,
    Response,
    Text,
    Time,
    id_field,
)
from zerosum.api.schemas.payments import PaymentTypeName
from zerosum.domain.identifiers import Prefix, render_id
from zerosum.domain.money import render_amount
from zerosum.domain.payments.payment import PROCESSOR_PATTERN_TEXT
from zerosum.domain.payments.processor_calls import CallOutcome, CallState, MoveReason, call_key
from zerosum.services.processor_answers import Effect, ProcessorOutcome
from zerosum.services.processor_calls import RecordedCall, RecordedCallback, RecordedMove

CallStateName = Annotated[str, OneOf(CallState)]


class ToldResponse(Response):
    """What a processor has told by itself."""

    event_id: Annotated[str, Field(description="The processor's own id of it.", examples=["ev_1"])]
    told: Annotated[
        str, OneOf(ProcessorOutcome), Field(description="What it says became of the payment.", examples=["approved"])
    ]
    effect: Annotated[str, OneOf(Effect), Field(description="What that has done.", examples=["settled"])]
    received_at: Annotated[Time, Field(description="When it was taken.")]


class RoutingResponse(Response):
    """By what the processor of a payment was chosen."""

    version: Annotated[str, Field(description="Of the file of processors and routes.", examples=["1f0c9b7d22aa"])]
    routes: Annotated[
        int | None,
        Field(description="Of the ledger's own routes, which decided; null: the file's did.", examples=[None]),
    ]
    passed_over: Annotated[
        dict[str, str],
        Field(
            description="The processors that would have come first, each with why they did not.",
            examples=[{"acme": "5 attempts in a row had no reply"}],
        ),
    ]
    next: Annotated[
        list[str],
        Field(
            description="Those that it goes to, in this order, once one has surely not carried it out.",
            examples=[["beta"]],
        ),
    ]


class MoveResponse(Response):
    """A processor that a payment has left for the next one of its route, and how far it had come there."""

    processor: Annotated[str, Field(description="Who was left.", examples=["acme"])]
    to: Annotated[str, Field(description="Who is asked instead.", examples=["beta"])]
    key: Annotated[
        str,
        Field(
            description="Under which the one that was left knows the payment.",
            examples=[f"zs-{EXAMPLE_UUID.replace('-', '')}-{EXAMPLE_UUID.replace('-', '')}"],
        ),
    ]
    why: Annotated[
        str,
        OneOf(MoveReason),
        Field(
            description="How it is known that it has not carried it out. `declined`: for a technical reason. "
            "`not_sent`: nothing has reached it. `absent`: it knows nothing of the key.",
            examples=["declined"],
        ),
    ]
    told: Annotated[
        str | None, Field(description="In its own words, or what went wrong.", examples=["issuer_unavailable"])
    ]
    attempts: Annotated[int, Field(description="How often it was asked.", examples=[1])]
    sent_at: Annotated[Time | None, Field(description="When it was, or may have been, asked last. Null: never.")]
    processor_payment_id: Annotated[str | None, Field(description="How it calls the payment.", examples=["po_71"])]
    journal_entry_id: Annotated[str, id_field(Prefix.JOURNAL_ENTRY, "What has moved it.")]
    moved_at: Annotated[Time, Field(description="When that was.")]


class ProcessorCallResponse(Response):
    """What has to be asked of a processor for a payment or a refund, and how far that has come."""

    payment_id: Annotated[str, id_field(Prefix.PAYMENT, "The payment.")]
    refund_id: Annotated[
        str | None,
        Field(description="Of a call for a refund of the payment: the refund.", examples=[f"ref_{EXAMPLE_UUID}"]),
    ]
    processor: Annotated[str, Field(description="Who is asked.", examples=["acme"])]
    key: Annotated[
        str,
        Field(
            description="Under which the processor knows the payment or refund, however often it is asked.",
            examples=[f"zs-{EXAMPLE_UUID.replace('-', '')}-{EXAMPLE_UUID.replace('-', '')}"],
        ),
    ]
    route: Annotated[
        str | None, Field(description="By which route it was chosen, or null: it was named.", examples=["in euros"])
    ]
    routing: Annotated[
        RoutingResponse | None, Field(description="What was known when it was chosen. Null of a refund.")
    ]
    type: Annotated[PaymentTypeName, Field(description="Of the payment.")]
    amount: Amount
    currency: CurrencyCode
    from_: Annotated[AccountId, Field(alias="from", description="The account that is debited.")]
    to: Annotated[AccountId, Field(description="The account that is credited.")]
    state: Annotated[CallStateName, Field(description="How far it has come.")]
    attempts: Annotated[int, Field(description="How often the processor was asked.", examples=[1])]
    next_at: Annotated[Time | None, Field(description="When it is asked again. Null where nobody asks any more.")]
    sent_at: Annotated[
        Time | None, Field(description="When it was, or may have been, asked; of several times, the last.")
    ]
    last_error: Annotated[
        str | None, Field(description="Why the last attempt has no outcome.", examples=["no reply in time"])
    ]
    processor_payment_id: Annotated[str | None, Field(description="How the processor calls it.", examples=["po_71"])]
    approved: Annotated[Amount | None, Field(description="How much was carried out.", examples=["20.00"])]
    reason: Annotated[
        str | None,
        Field(
            description="The processor's code for why it was declined, or what a person has said who settled it.",
            examples=["no_such_iban"],
        ),
    ]
    journal_entry_ids: Annotated[
        list[str],
        Field(
            description="What has made it pending, and what has settled it.",
            examples=[[f"je_{EXAMPLE_UUID}", f"je_{EXAMPLE_UUID}"]],
        ),
    ]
    created_at: Annotated[Time, Field(description="When the payment was taken on.")]
    settled_at: Annotated[Time | None, Field(description="When its outcome was posted.")]
    moves: Annotated[
        list[MoveResponse] | None,
        Field(description="Of one call: the processors that were asked before, the oldest first."),
    ] = None
    callbacks: Annotated[
        list[ToldResponse] | None,
        Field(description="Of one call: what the processor has told by itself, the newest first, at most 100."),
    ] = None


class SettlementRequest(Request):
    """What became of a payment, by the word of a person who has looked at the processor."""

    outcome: Annotated[
        str, OneOf(CallOutcome), Field(description="Whether the processor has carried it out.", examples=["approved"])
    ]
    reason: Annotated[Text, Field(description="How that is known.", examples=["Seen in the portal of the bank."])]
    amount: Annotated[Amount | None, Field(description="Where only a part was carried out: how much.")] = None
    processor: Annotated[
        Annotated[str, Field(pattern=PROCESSOR_PATTERN_TEXT)] | None,
        Field(
            description="At which processor you have looked: where another one has it by now, nothing is done.",
            examples=["acme"],
        ),
    ] = None


class ProcessorCallDryRun(ProcessorCallResponse):
    """A call as it would be, and the balances after it."""

    dry_run: Annotated[Literal[True], Field(description="Nothing was written.")]
    balances: Annotated[list[DryRunBalance], Field(description="How the touched accounts would stand.")]


class CallbackRequest(Request):
    """What the processor sends, as that is agreed with it: its signature is over the body as it was sent."""

    model_config = Request.model_config | {"extra": "allow"}


class CallbackResponse(Response):
    """It was taken."""

    effect: Annotated[
        str,
        OneOf(Effect),
        Field(
            examples=["settled"],
            description="`settled`: the payment is settled by it. `confirms`: it says what is known. `contradicts`: it "
            "says otherwise than what was settled, and changes nothing. `disputed`: a dispute is open by it. `noted`: "
            "nothing is decided yet. `repeated`: this event was taken before.",
        ),
    ]


def callback_body(callback: RecordedCallback) -> dict[str, Any]:
    return {**callback._asdict(), "received_at": render_time(callback.received_at)}


def _routing_body(routing: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "version": routing["version"],
        "routes": routing.get("routes"),
        "passed_over": dict(sorted(routing["passed_over"].items())),
        "next": list(routing.get("next", ())),
    }


def move_body(ledger_id: UUID, move: RecordedMove) -> dict[str, Any]:
    return {
        "processor": move.processor,
        "to": move.to_processor,
        "key": call_key(ledger_id, move.payment_id, move.number),
        "why": move.why,
        "told": move.told,
        "attempts": move.attempts,
        "sent_at": None if move.sent_at is None else render_time(move.sent_at),
        "processor_payment_id": move.processor_payment_id,
        "journal_entry_id": render_id(Prefix.JOURNAL_ENTRY, move.id),
        "moved_at": render_time(move.moved_at),
    }


def processor_call_body(call: RecordedCall) -> dict[str, Any]:
    entries = (call.id,) if call.entry_id is None else (call.id, call.entry_id)
    is_refund = call.refunded_payment_id is not None
    return {
        "payment_id": render_id(Prefix.PAYMENT, call.refunded_payment_id or call.id),
        "refund_id": render_id(Prefix.REFUND, call.id) if is_refund else None,
        "processor": call.processor,
        "route": call.route,
        "routing": None if call.routing is None else _routing_body(call.routing),
        "key": call_key(call.ledger_id, call.id, call.number),
        "type": call.type,
        "amount": render_amount(call.amount),
        "currency": call.currency,
        "from": render_id(Prefix.ACCOUNT, call.payer_id),
        "to": render_id(Prefix.ACCOUNT, call.payee_id),
        "state": call.state,
        "attempts": call.attempts,
        "next_at": None if call.next_at is None else render_time(call.next_at),
        "sent_at": None if call.sent_at is None else render_time(call.sent_at),
        "last_error": call.last_error,
        "processor_payment_id": call.processor_payment_id,
        "approved": None if call.approved is None else render_amount(call.approved),
        "reason": call.reason,
        "journal_entry_ids": [render_id(Prefix.JOURNAL_ENTRY, entry_id) for entry_id in entries],
        "created_at": render_time(call.created_at),
        "settled_at": None if call.settled_at is None else render_time(call.settled_at),
    }
