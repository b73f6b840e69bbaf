"""Facts that have happened, in the past tense. Each is written in the same transaction as the change it announces."""

from __future__ import annotations

from enum import StrEnum


class EventType(StrEnum):
    JOURNAL_ENTRY_POSTED = "journal_entry.posted"
    PAYMENT_SUCCEEDED = "payment.succeeded"
    ACCOUNT_OPENED = "account.opened"
    ACCOUNT_CHANGED = "account.changed"
    ACCOUNT_FROZEN = "account.frozen"
    ACCOUNT_UNFROZEN = "account.unfrozen"
    ACCOUNT_CLOSED = "account.closed"


class ResourceType(StrEnum):
    """What a journal entry was posted for, and what an event speaks of."""

    JOURNAL_ENTRY = "journal_entry"
    PAYMENT = "payment"
    ACCOUNT = "account"
