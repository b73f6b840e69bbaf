"""Facts that have happened, in the past tense. Each is written in the same transaction as the change it announces."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum


class EventType(StrEnum):
    JOURNAL_ENTRY_POSTED = "journal_entry.posted"
    PAYMENT_PROCESSING = "payment.processing"
    PAYMENT_MOVED = "payment.moved"
    PAYMENT_SUCCEEDED = "payment.succeeded"
    PAYMENT_FAILED = "payment.failed"
    PAYMENT_REFUNDED = "payment.refunded"
    PAYMENT_IN_REVIEW = "payment.in_review"
    PAYMENT_REVIEW_APPROVED = "payment.review_approved"
    PAYMENT_REFUSED = "payment.refused"
    PAYMENT_REFUND_PROCESSING = "payment.refund_processing"
    PAYMENT_REFUND_FAILED = "payment.refund_failed"
    EXCHANGE_SUCCEEDED = "exchange.succeeded"
    CLIENT_TRANSACTION_CARRIED_OUT = "client_transaction.carried_out"
    CLIENT_TRANSACTION_DISPUTED = "client_transaction.disputed"
    CLIENT_TRANSACTION_RESOLVED = "client_transaction.resolved"
    CLIENT_TRANSACTION_CHARGED_BACK = "client_transaction.charged_back"
    DISPUTE_OPENED = "dispute.opened"
    DISPUTE_EVIDENCE_ADDED = "dispute.evidence_added"
    DISPUTE_ESCALATED = "dispute.escalated"
    DISPUTE_WON = "dispute.won"
    DISPUTE_LOST = "dispute.lost"
    HOLD_PLACED = "hold.placed"
    HOLD_CAPTURED = "hold.captured"
    HOLD_INCREMENTED = "hold.incremented"
    HOLD_EXTENDED = "hold.extended"
    HOLD_VOIDED = "hold.voided"
    HOLD_EXPIRED = "hold.expired"
    SCHEDULED_PAYMENT_CREATED = "scheduled_payment.created"
    SCHEDULED_PAYMENT_EXECUTED = "scheduled_payment.executed"
    SCHEDULED_PAYMENT_FAILED = "scheduled_payment.failed"
    SCHEDULED_PAYMENT_SKIPPED = "scheduled_payment.skipped"
    SCHEDULED_PAYMENT_CANCELLED = "scheduled_payment.cancelled"
    SCHEDULED_PAYMENT_COMPLETED = "scheduled_payment.completed"
    ACCOUNT_OPENED = "account.opened"
    ACCOUNT_CHANGED = "account.changed"
    ACCOUNT_FROZEN = "account.frozen"
    ACCOUNT_UNFROZEN = "account.unfrozen"
    ACCOUNT_CLOSED = "account.closed"
    ACCOUNT_GROUP_CHANGED = "account_group.changed"
    ACCOUNT_GROUP_DELETED = "account_group.deleted"
    ACCOUNT_FELL_INTO_DEBT = "account.fell_into_debt"
    ACCOUNT_LEFT_DEBT = "account.left_debt"
    PERIOD_CLOSED = "period.closed"
    STATEMENT_ISSUED = "statement.issued"
    TEMPLATE_MADE = "template.made"
    HOUSE_RULES_CHANGED = "house_rules.changed"
    SUBJECT_ERASED = "subject.erased"
    WEBHOOK_ENDPOINT_FAILING = "webhook_endpoint.failing"
    WEBHOOK_ENDPOINT_DISABLED = "webhook_endpoint.disabled"
    WEBHOOK_ENDPOINT_SECRET_ROTATED = "webhook_endpoint.secret_rotated"  # noqa: S105 - a name
    WEBHOOK_ENDPOINT_PING = "webhook_endpoint.ping"


class ResourceType(StrEnum):
    """What a journal entry was posted for, and what an event speaks of."""

    JOURNAL_ENTRY = "journal_entry"
    PAYMENT = "payment"
    REFUND = "refund"
    HOLD = "hold"
    DISPUTE = "dispute"
    EXCHANGE = "exchange"
    SCHEDULED_PAYMENT = "scheduled_payment"
    REVIEW = "review"
    CLIENT_TRANSACTION = "client_transaction"
    ACCOUNT = "account"
    ACCOUNT_GROUP = "account_group"
    PERIOD = "period"
    STATEMENT = "statement"
    TEMPLATE = "template"
    HOUSE_RULES = "house_rules"
    SUBJECT = "subject"
    WEBHOOK_ENDPOINT = "webhook_endpoint"


def told_time(moment: datetime) -> str:
    """Of a time in UTC, as an event tells it."""
    return moment.isoformat().replace("+00:00", "Z")
