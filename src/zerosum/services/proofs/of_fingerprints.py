"""What an order said, out of what became of it: a fingerprint is computed again from the rows that are stored.

The fingerprint of a journal entry is part of the hash chain. So what only the order says, and no posting (a payment's
reference and description), is proved by it. This is a second program of `services/committing/fingerprint.py` and of the
contents that `services/payments.py` and `services/clients.py` give it; forms that were in use once stay here for ever.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import product
from typing import Any
from uuid import UUID

import orjson

from zerosum.domain.money import EXACT
from zerosum.domain.payments.disputes import DisputeTexts
from zerosum.domain.payments.payment import INTERNAL_PROCESSOR, PaymentTexts

_HOLD_LASTS = 7 * 24 * 3600 * 1_000_000
"""A hold of which nobody says how long it lasts, in microseconds."""

_ATTEMPTS, _RETRY_SECONDS = 3, 3_600
"""Of a scheduled payment of which nobody says how often, and when, it is tried again."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def is_payment_of(row: Any, payer_code: str | None, payee_code: str | None) -> bool:
    """Whether the fingerprint of the entry is that of an order for this payment."""
    fingerprint = row.ordered_without_conditions or row.fingerprint
    return any(_digest("payment", content) == fingerprint for content in _payment_contents(row, payer_code, payee_code))


def is_under_its_conditions(row: Any) -> bool:
    """Whether the fingerprint of the entry is that of an order under these conditions."""
    content = orjson.dumps(json.loads(row.conditions))
    said = b"zerosum.conditions.v1 " + row.ordered_without_conditions + content
    return bool(hashlib.sha256(said).digest() == row.fingerprint)


def is_client_command_of(row: Any, made: Any) -> bool:
    """Whether the fingerprint of the entry is that of a command about this client transaction."""
    content: dict[str, Any] = {"type": row.reason, "client": str(made.client), "tx": str(made.tx)}
    if row.reason in ("deposit", "withdrawal"):
        content["amount"] = row.amount
    strict = {**content, "refuse_negative_total": "true"}
    return any(_digest("client transaction", one) == row.fingerprint for one in (content, strict))


def _payment_contents(row: Any, payer_code: str | None, payee_code: str | None) -> Iterator[Mapping[str, Any]]:
    """All that the order may have said: it names accounts by code or by id, and a time only where it has one."""
    payers = () if row.payment_type == "deposit" else names_of(payer_code, row.payer_id)
    payees = () if row.payment_type == "withdrawal" else names_of(payee_code, row.payee_id)
    moment = _moment(row.late_requested_at or row.effective_at)
    times = (None, moment) if row.effective_at == row.posted_at else (moment,)
    texts = {name: getattr(row, name) for name in PaymentTexts._fields}
    if row.splits is not None and any(rule == "remainder" for _, _, rule, _, _ in orjson.loads(row.splits)):
        payees = (*payees, None)  # Who gets what is left need not be named twice.
    for time, payer, payee in product(times, payers or (None,), payees or (None,)):
        yield {
            "type": row.payment_type,
            "amount": row.payment_amount,
            "currency": row.payment_currency,
            "from": payer,
            "to": payee,
            **texts,
            "effective_at": time,
            "metadata": row.metadata,
            "splits": _said_of_splits(row),
            "override": row.late_reason,
            "processor": _said_of_processor(row),
        }


def _said_of_processor(row: Any) -> str | None:
    """Of one that a route has chosen, only that a route was to choose it."""
    if row.processor == INTERNAL_PROCESSOR:
        return None
    return str(row.processor) if row.call_route is None else "auto"


def _said_of_splits(row: Any) -> list[Mapping[str, str]] | None:
    """Those that were ordered, of a payment or capture that goes to several."""
    if row.splits is None:
        return None
    found = orjson.loads(row.splits)
    return [{"to": called, rule: value or "true"} for _, called, rule, value, _ in found if rule != "rest"]


def is_refund_of(row: Any) -> bool:
    """Whether the fingerprint of the entry is that of an order for this refund, which need not say how much."""
    return any(
        _digest(
            "refund",
            {
                "payment": str(row.refunded_payment_id),
                "amount": amount,
                "reason": row.refund_reason,
                "metadata": row.metadata,
            },
        )
        == row.fingerprint
        for amount in (None, row.refund_amount)
    )


def is_settlement_of(row: Any) -> bool:
    """Whether the fingerprint of the entry is that of an order to settle this processor call.

    The processor may have said how it calls the payment before that, and need not say how much where it is all.
    """
    amounts = (None, row.approved) if row.approved == row.amount else (row.approved,)
    said = {
        "payment" if row.refunded_payment_id is None else "refund": str(row.id),
        "outcome": row.state,
        "reason": row.reason,
    }
    by_processor = product(amounts, {None, row.processor_payment_id})
    return any(
        _digest("settlement", {**said, "amount": amount, "processor_payment_id": named}) == row.fingerprint
        for amount, named in by_processor
    ) or any(
        _digest("settlement by hand", {**said, "amount": amount, "processor": named}) == row.fingerprint
        for amount, named in product(amounts, (None, row.processor))
    )


def is_move_of(payment_id: str, move: Mapping[str, Any]) -> bool:
    """Whether the fingerprint of the entry is that of this move to the next processor."""
    said = {
        "payment": payment_id,
        "number": move["number"],
        "processor": move["left"][0],
        "to": move["taken"][0],
        "why": move["why"],
        "told": move["told"],
    }
    return _digest("move", said).hex() == str(move["fingerprint"])


def is_exchange_of(row: Any) -> bool:
    """Whether the fingerprint of the entry is that of an order for this exchange."""
    moment = _moment(row.late_requested_at or row.effective_at)
    times = (None, moment) if row.effective_at == row.posted_at else (moment,)
    said = {
        "amount": row.amount if row.gain is None else None,
        "bought": None if row.gain is None else row.bought,
        "currency": row.currency,
        "to_currency": row.bought_currency,
        "rate": _plain(row.rate),
        "rate_source": row.rate_source,
        "rate_at": _moment(row.rate_at),
        "margin_percent": None if row.margin_percent is None else _plain(row.margin_percent),
        "rounding": row.rounding,
        **{name: getattr(row, name) for name in PaymentTexts._fields},
        "metadata": row.metadata,
    }
    return any(
        _digest("exchange", {**said, "effective_at": time, "from": payer, "to": payee}) == row.fingerprint
        for time, payer, payee in product(
            times, names_of(row.payer_code, row.payer_id), names_of(row.payee_code, row.payee_id)
        )
    )


def _plain(number: str) -> str:
    """Without zeros at its end."""
    return number.rstrip("0").rstrip(".") if "." in number else number


def is_dispute_step_of(row: Any) -> bool:
    """Whether the fingerprint of the entry is that of a command for this step of the dispute."""
    if row.verb == "opened":
        texts = {name: getattr(row, name) for name in DisputeTexts._fields}
        said = {"payment": str(row.payment_id), **texts, "respond_by": row.respond_by_after}
        return any(_digest("dispute", {**said, "amount": amount}) == row.fingerprint for amount in (None, row.amount))
    said = {"dispute": str(row.dispute_id), "verb": row.verb, "text": row.note_after}
    if row.verb == "escalated":
        said |= {"stage": row.stage_after, "respond_by": row.respond_by_after}
    if row.verb == "lost" and row.fee is None:
        return any(_digest("dispute change", {**said, "fee_waived": way}) == row.fingerprint for way in (None, "true"))
    if row.verb != "lost" or row.fee_house_rules is not None:
        return bool(_digest("dispute change", said) == row.fingerprint)
    return any(
        _digest("dispute change", {**said, "fee": row.fee, "fee_to": earner, "fee_force": force}) == row.fingerprint
        for earner, force in product(names_of(row.fee_code, row.fee_account_id), (None, "true"))
    )


def is_schedule_of(row: Any, payer_code: str | None, payee_code: str | None) -> bool:
    """Whether what was answered to the order for it has the fingerprint of an order for this scheduled payment."""
    payers = (None,) if row.type == "deposit" else names_of(payer_code, row.payer_id)
    payees = (None,) if row.type == "withdrawal" else names_of(payee_code, row.payee_id)
    retries = row.on_refusal == "retry"
    attempts = (row.attempts_max, None) if retries and row.attempts_max == _ATTEMPTS else (row.attempts_max,)
    seconds = (row.retry_seconds, None) if retries and row.retry_seconds == _RETRY_SECONDS else (row.retry_seconds,)
    said = {
        "type": row.type,
        "amount": row.amount,
        "currency": row.currency,
        **{name: getattr(row, name) for name in PaymentTexts._fields},
        "metadata": row.metadata,
        "execute_at": _moment(row.execute_at),
        "rule": row.rule,
        "time_zone": row.time_zone,
        "on_refusal": row.on_refusal,
    }
    return any(
        _digest("scheduled payment", {**said, "from": payer, "to": payee, "attempts_max": tries, "retry_seconds": wait})
        == row.ordered
        for payer, payee, tries, wait in product(
            payers, payees, attempts if retries else (None,), seconds if retries else (None,)
        )
    )


def is_cancellation_of(row: Any) -> bool:
    """Whether somebody has ordered that this scheduled payment be cancelled."""
    said = {"scheduled_payment": str(row.scheduled_payment_id)}
    return bool(row.cancelling == _digest("scheduled payment cancellation", said))


def is_held_order(ordered: Mapping[str, Any], fingerprint: bytes) -> bool:
    """Whether this is what an order for a payment has said."""
    return _digest("payment", ordered) == fingerprint


def is_said_of_review(operation: str, review_id: UUID, reason: str, fingerprint: bytes) -> bool:
    """Whether this is the fingerprint of what somebody has said of this review."""
    return _digest(operation, {"review": str(review_id), "reason": reason}) == fingerprint


def is_statement_of(row: Any) -> bool:
    """Whether what was answered to the order for it has the fingerprint of an order for this statement."""
    said = {"account": str(row.account_id), "from": _moment(row.from_at), "to": _moment(row.to_at)}
    return bool(row.fingerprint == _digest("statement", said))


def is_template_of(row: Any, content: Any) -> bool:
    """Whether what was answered to the order for it has the fingerprint of an order for this version."""
    return bool(row.fingerprint == _digest("new template", {"name": row.name, "content": content}))


def is_template_post(row: Any, parameters: Mapping[str, str], reason_given: str) -> bool:
    """Whether the fingerprint of the entry is that of an order to post by this version with these parameters.

    The order may have named the version, a time and a reason, or left them to the service.
    """
    moment = _moment(row.late_requested_at or row.effective_at)
    times = (None, moment) if row.effective_at == row.posted_at else (moment,)
    reasons = (None, row.reason) if row.reason == reason_given else (row.reason,)
    for version, time, reason in product((None, row.version), times, reasons):
        said = {
            "template": row.name,
            "version": version,
            "parameters": parameters,
            "reason": reason,
            "effective_at": time,
            "metadata": row.metadata,
        }
        if _digest("template", said) == row.fingerprint:
            return True
    return False


def is_hold_step_of(row: Any, previous: Any, payer_code: str | None, payee_code: str | None) -> bool:
    """Whether the fingerprint of the entry is that of a command for this step of the hold."""
    hold = str(row.hold_id)
    if row.verb == "placed":
        contents = _hold_contents(row, payer_code, payee_code)
        return any(_digest("hold", content) == row.fingerprint for content in contents)
    if row.verb == "expired":
        return bool(_digest("hold expiry", {"hold": hold}) == row.fingerprint)
    amounts: tuple[str | None, ...] = (None,)
    if row.verb == "captured":
        amounts = None, _difference(row.captured_after, previous.captured_after)
    elif row.verb == "incremented":
        amounts = (_difference(row.amount_after, previous.amount_after),)
    finals = (None, "true") if row.verb == "captured" else (None,)
    said = {"hold": hold, "verb": row.verb, "splits": _said_of_splits(row)}
    return any(
        _digest("hold change", {**said, "amount": amount, "final": final}) == row.fingerprint
        for amount, final in product(amounts, finals)
    )


def _difference(after: str, before: str) -> str:
    return format(EXACT.subtract(Decimal(after), Decimal(before)), "f")


def _hold_contents(row: Any, payer_code: str | None, payee_code: str | None) -> Iterator[Mapping[str, Any]]:
    expires_at = _moment(row.expires_at_after)
    lasts = int(row.expires_at_after) - int(row.changed_at)
    times = (None, expires_at) if lasts == _HOLD_LASTS else (expires_at,)
    texts = {name: getattr(row, name) for name in PaymentTexts._fields}
    for time, payer, payee in product(times, names_of(payer_code, row.payer_id), names_of(payee_code, row.payee_id)):
        yield {
            "amount": row.amount_after,
            "currency": row.currency,
            "from": payer,
            "to": payee,
            "expires_at": time,
            "capture_max": row.capture_max_after if row.house_rules is None else None,
            **texts,
            "metadata": row.metadata,
        }


def names_of(code: str | None, account_id: UUID) -> tuple[str | None, ...]:
    """As the order spelt it; ids are also taken in capitals."""
    return code, f"acc_{account_id}", f"acc_{str(account_id).upper()}"


def _moment(microseconds: str) -> str:
    return (_EPOCH + timedelta(microseconds=int(microseconds))).isoformat().replace("+00:00", "Z")


def _digest(operation: str, content: Mapping[str, Any]) -> bytes:
    present = {name: value for name, value in content.items() if value is not None and value != {}}
    body = orjson.dumps(present, option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(b"zerosum.request.v1 " + operation.encode() + b" " + body).digest()
