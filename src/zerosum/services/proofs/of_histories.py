"""What is said about an account, replayed from its history (`account_changes`), which the database writes by itself.

Like the chain of postings it is computed here by a second program: the first is a trigger (`db/schema/guards.py`).
"""

from __future__ import annotations

import hashlib
from decimal import Decimal
from typing import Any
from uuid import UUID

from zerosum.services.proofs.report import Report

_CONTENT = ("code", "name", "type", "currency", "status", "min_available", "max_available", "metadata")
_LIMITS = ("min_available", "max_available")
_STATUS_EVENTS = {"frozen": "account.frozen", "open": "account.unfrozen", "closed": "account.closed"}


class History:
    """One account's history so far: its newest revision, and the hash it ends with."""

    def __init__(self, ledger_id: UUID, account_id: UUID) -> None:
        self.account_id = account_id
        self.revision = 0
        self.last: Any = None
        self.head = hashlib.sha256(b"zerosum.account-genesis.v1" + ledger_id.bytes + account_id.bytes).digest()

    def take(self, report: Report, row: Any) -> None:
        self.revision += 1
        if row.revision != self.revision:
            report.note(f"revision {self.revision} of the account's history is missing", self.account_id)
        elif _link(self.head, row) != row.hash:
            what = "of the account's history does not follow from the one before"
            report.note(f"revision {row.revision} {what}", self.account_id)
        if row.origin == "found":
            report.note(f"the account was changed past its history before revision {row.revision}", self.account_id)
        if row.origin == "adopted" and row.revision != 1:
            report.note(f"revision {row.revision} of the account's history cannot be the first", self.account_id)
        if row.origin == "set" and not row.is_dropped and self._event(row) not in row.events:
            report.note(f"revision {row.revision} of the account's history was never announced", self.account_id)
        self.revision, self.last, self.head = row.revision, row, row.hash

    def _event(self, row: Any) -> str:
        if self.last is None:
            return "account.opened"
        return "account.changed" if row.status == self.last.status else _STATUS_EVENTS.get(row.status, "")

    def compare_with_row(self, report: Report, account: Any) -> None:
        if self.last is None:
            report.note("the account has no history", account.id)
            return
        for name in (*_CONTENT, "velocity_limits"):
            if not _is_same(name, getattr(self.last, name), getattr(account, name)):
                report.note(f"the account's {name} is not what its history says", account.id)


def _is_same(name: str, one: str | None, other: str | None) -> bool:
    if name in _LIMITS and one is not None and other is not None:
        return Decimal(one) == Decimal(other)
    return one == other


def _link(previous: bytes, row: Any) -> bytes:
    """The hash as `docs/ARCHITECTURE.md` describes it."""
    texts = [str(row.revision), row.origin, row.xid, row.changed_at, row.actor]
    texts += [getattr(row, name) for name in _CONTENT]
    if row.velocity_limits is not None:
        texts.append(row.velocity_limits)
    content = b"".join(b"-," if text is None else b"%d:%b," % (len(text.encode()), text.encode()) for text in texts)
    return hashlib.sha256(b"zerosum.account.v1" + previous + content).digest()
