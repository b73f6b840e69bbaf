"""What stands in the tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zerosum.cli.daily.showing import Columns

PAYMENTS: Columns = {
    "payment": lambda one: one.id,
    "at": lambda one: one.effective_at,
    "type": lambda one: one.type,
    "status": lambda one: one.status,
    "from": lambda one: one.from_code,
    "to": lambda one: one.to_code,
    "amount": lambda one: one.amount,
    "currency": lambda one: one.currency,
    "reference": lambda one: one.reference,
}
REFUNDS: Columns = {
    "refund": lambda one: one.id,
    "at": lambda one: one.created_at,
    "status": lambda one: one.status,
    "amount": lambda one: one.amount,
    "currency": lambda one: one.currency,
    "reason": lambda one: one.reason,
}
ACCOUNTS: Columns = {
    "account": lambda one: one.code,
    "type": lambda one: one.type,
    "status": lambda one: one.status,
    "available": lambda one: one.balance.available,
    "held": lambda one: one.balance.held,
    "currency": lambda one: one.currency,
    "name": lambda one: one.name,
}
POSTINGS: Columns = {
    "at": lambda one: one.effective_at,
    "entry": lambda one: one.journal_entry_id,
    "side": lambda one: one.side,
    "amount": lambda one: one.amount,
    "currency": lambda one: one.currency,
    "balance": lambda one: one.balance_after,
    "layer": lambda one: one.layer,
}
ENTRIES: Columns = {
    "entry": lambda one: one.id,
    "at": lambda one: one.effective_at,
    "reason": lambda one: one.reason,
    "postings": lambda one: "  ".join(
        f"{posting.side} {posting.account_code} {posting.amount} {posting.currency}" for posting in one.postings
    ),
}
HOLDS: Columns = {
    "hold": lambda one: one.id,
    "status": lambda one: one.status,
    "from": lambda one: one.from_code,
    "to": lambda one: one.to_code,
    "amount": lambda one: one.amount,
    "remaining": lambda one: one.remaining,
    "currency": lambda one: one.currency,
    "expires": lambda one: one.expires_at,
}
EVENTS: Columns = {
    "at": lambda one: one.created_at,
    "type": lambda one: f"{one.type:<28}",
    "resource": lambda one: one.resource.id,
    "what": lambda one: _in_short(one.data),
}


def _in_short(members: Any) -> str:
    shown = (members.get(name) for name in ("from_code", "to_code", "code", "amount", "currency", "status", "reason"))
    return " ".join(str(value) for value in shown if value is not None)
