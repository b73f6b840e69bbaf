"""What each type of event tells, for the manual and for `docs/EVENTS.md`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from zerosum.domain.events import EventType


class Meaning(NamedTuple):
    """`when` it is told; `data` is what it shows of its resource."""

    when: str
    data: str


_ACCOUNT = "the account without what is in it"
_DEBT = "what it has available, and its debt"
_HOLD = "the hold after it, with its entries and payments"
_DISPUTE = "the dispute after it, with its entries"
_REVIEW = "the review after it, with what was ordered and what was said"
_RUN = "the schedule, and the run"
_ENDPOINT = "the endpoint, without what is secret"
_TRANSACTION = "the transaction as it was answered"

MEANINGS: Mapping[EventType, Meaning] = {
    EventType.JOURNAL_ENTRY_POSTED: Meaning(
        "an entry was posted by a caller, or by a template, or takes back another", "the entry as it was answered"
    ),
    EventType.PAYMENT_SUCCEEDED: Meaning(
        "a payment was made: by a call, by a capture, by a schedule, by a processor",
        "the payment as it was answered",
    ),
    EventType.PAYMENT_PROCESSING: Meaning(
        "a payment was given to a processor, and its amount is pending", "the payment as it was answered"
    ),
    EventType.PAYMENT_MOVED: Meaning(
        "a processor has not carried a payment out, and the next one of its route is asked",
        "the payment, the processor it has left, and why",
    ),
    EventType.PAYMENT_FAILED: Meaning("the processor has declined a payment: nothing was paid", "the payment, and why"),
    EventType.PAYMENT_IN_REVIEW: Meaning("a rule has held a payment for review: nothing is posted", _REVIEW),
    EventType.PAYMENT_REVIEW_APPROVED: Meaning(
        "somebody has approved a payment in review; with the last approval it is made", _REVIEW
    ),
    EventType.PAYMENT_REFUSED: Meaning("a payment in review was refused: nothing is paid", _REVIEW),
    EventType.PAYMENT_REFUNDED: Meaning("a payment was given back, in full or in part", "the refund and the payment"),
    EventType.PAYMENT_REFUND_PROCESSING: Meaning(
        "a processor is to give a payment back, and the amount is pending", "the refund and the payment"
    ),
    EventType.PAYMENT_REFUND_FAILED: Meaning(
        "the processor has declined a refund: nothing was given back", "the refund, why, and the payment"
    ),
    EventType.EXCHANGE_SUCCEEDED: Meaning("one currency was sold for another", "the exchange as it was answered"),
    EventType.CLIENT_TRANSACTION_CARRIED_OUT: Meaning("a client's deposit or withdrawal", _TRANSACTION),
    EventType.CLIENT_TRANSACTION_DISPUTED: Meaning("a client's deposit is questioned", _TRANSACTION),
    EventType.CLIENT_TRANSACTION_RESOLVED: Meaning("the question was answered: the money stays", _TRANSACTION),
    EventType.CLIENT_TRANSACTION_CHARGED_BACK: Meaning("the deposit was taken back", _TRANSACTION),
    EventType.DISPUTE_OPENED: Meaning("a payment is disputed", _DISPUTE),
    EventType.DISPUTE_EVIDENCE_ADDED: Meaning("evidence was added", _DISPUTE),
    EventType.DISPUTE_ESCALATED: Meaning("the dispute has reached its next stage", _DISPUTE),
    EventType.DISPUTE_WON: Meaning("it was decided for the receiver", _DISPUTE),
    EventType.DISPUTE_LOST: Meaning("it was decided against the receiver, who has paid it back", _DISPUTE),
    EventType.HOLD_PLACED: Meaning("money is promised", _HOLD),
    EventType.HOLD_CAPTURED: Meaning("some or all of it was paid", _HOLD),
    EventType.HOLD_INCREMENTED: Meaning("more is promised", _HOLD),
    EventType.HOLD_EXTENDED: Meaning("it is promised for longer", _HOLD),
    EventType.HOLD_VOIDED: Meaning("the rest was set free by a call", _HOLD),
    EventType.HOLD_EXPIRED: Meaning("the rest was set free by time", _HOLD),
    EventType.SCHEDULED_PAYMENT_CREATED: Meaning("a payment was put on the calendar", "the schedule"),
    EventType.SCHEDULED_PAYMENT_EXECUTED: Meaning("one of its payments was made", _RUN),
    EventType.SCHEDULED_PAYMENT_FAILED: Meaning("one of its payments was refused, and may be tried again", _RUN),
    EventType.SCHEDULED_PAYMENT_SKIPPED: Meaning("one of its payments was refused for good", _RUN),
    EventType.SCHEDULED_PAYMENT_CANCELLED: Meaning("it was taken off the calendar", "the schedule"),
    EventType.SCHEDULED_PAYMENT_COMPLETED: Meaning("its last payment was made or skipped", "the schedule"),
    EventType.ACCOUNT_OPENED: Meaning("an account was opened", _ACCOUNT),
    EventType.ACCOUNT_CHANGED: Meaning("its name, limits or metadata were changed", _ACCOUNT),
    EventType.ACCOUNT_FROZEN: Meaning("it was frozen", _ACCOUNT),
    EventType.ACCOUNT_UNFROZEN: Meaning("it was set free", _ACCOUNT),
    EventType.ACCOUNT_CLOSED: Meaning("it was closed", _ACCOUNT),
    EventType.ACCOUNT_FELL_INTO_DEBT: Meaning("what it has available fell below zero", _DEBT),
    EventType.ACCOUNT_LEFT_DEBT: Meaning("its debt was made up for", _DEBT),
    EventType.ACCOUNT_GROUP_CHANGED: Meaning("a group of accounts was made or replaced", "the group"),
    EventType.ACCOUNT_GROUP_DELETED: Meaning("a group of accounts was deleted", "its name and version"),
    EventType.STATEMENT_ISSUED: Meaning("a statement was issued", "its account, number, span and hash"),
    EventType.TEMPLATE_MADE: Meaning("a version of a template was made", "its name, version and hash"),
    EventType.HOUSE_RULES_CHANGED: Meaning("the house rules were set anew", "the house rules"),
    EventType.SUBJECT_ERASED: Meaning(
        "a person was erased: what was said about him can be opened by nobody", "the subject, and when"
    ),
    EventType.PERIOD_CLOSED: Meaning("a period was closed and sealed", "the period, its totals and its seal"),
    EventType.WEBHOOK_ENDPOINT_FAILING: Meaning("for a day nothing could be delivered to it", _ENDPOINT),
    EventType.WEBHOOK_ENDPOINT_DISABLED: Meaning(
        "nothing more is sent to it: by a call, after five days of failures, or because it answered 410", _ENDPOINT
    ),
    EventType.WEBHOOK_ENDPOINT_SECRET_ROTATED: Meaning("it signs with a new secret", _ENDPOINT),
    EventType.WEBHOOK_ENDPOINT_PING: Meaning(
        "a test that was asked for; sent to it alone, and not in the feed", _ENDPOINT
    ),
}
