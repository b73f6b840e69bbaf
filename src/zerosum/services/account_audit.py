"""What the security log tells of a change of an account: its status and its limits, not its name."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from zerosum.domain.audit import AuditType
from zerosum.domain.events import EventType
from zerosum.domain.identifiers import Prefix, render_id
from zerosum.domain.ledger.account import Account
from zerosum.domain.money import render_amount
from zerosum.services.audit import AuditRecord, audit_record
from zerosum.services.requests.caller import Caller

LIMITS = ("min_available", "max_available")

_TYPES = {
    EventType.ACCOUNT_FROZEN: AuditType.ACCOUNT_FROZEN,
    EventType.ACCOUNT_UNFROZEN: AuditType.ACCOUNT_UNFROZEN,
    EventType.ACCOUNT_CLOSED: AuditType.ACCOUNT_CLOSED,
}


def account_records(
    event: EventType,
    caller: Caller,
    account: Account,
    columns: Mapping[str, Any],
    reason: str | None,
    now: datetime,
) -> list[AuditRecord]:
    """`account` is as it was, `columns` are what changes of it."""
    limits = [name for name in LIMITS if name in columns]
    type_ = AuditType.ACCOUNT_LIMITS_CHANGED if limits else _TYPES.get(event)
    if type_ is None:
        return []
    facts: dict[str, Any] = {"code": account.code}
    for name in limits:
        facts[name] = {"from": _amount(getattr(account.state, name)), "to": _amount(columns[name])}
    resource = render_id(Prefix.ACCOUNT, account.state.id)
    return [audit_record(type_, caller, now, resource=resource, reason=reason, facts=facts)]


def _amount(value: Decimal | None) -> str | None:
    return None if value is None else render_amount(value)
