"""What the sandbox has carried out: in memory, and gone with it."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from zerosum.adapters.clock import now
from zerosum.cli.sandbox.behaviour import Deed, half_of

PAYMENTS_MAX = 200_000

SETTLEMENT_HEADER = "id,key,payment_id,type,amount,currency,decided_at\n"


class BooksFull(Exception):
    """The sandbox takes no more payments."""


@dataclass(slots=True, kw_only=True)
class SandboxPayment:
    id: str
    key: str
    payment_id: str
    type: str
    amount: str
    currency: str
    status: str = "pending"
    approved: str | None = None
    reason: str | None = None
    decided_at: str | None = None
    asked: int = 0

    def shown(self) -> dict[str, Any]:
        told = {name: getattr(self, name) for name in ("id", "key", "status", "approved", "reason")}
        return {name: value for name, value in told.items() if value is not None}

    def decide(self, deed: Deed) -> None:
        """For good."""
        is_declined = deed is Deed.DECLINED
        self.status = "declined" if is_declined else "approved"
        self.reason = "refused_by_sandbox" if is_declined else None
        self.approved = None if is_declined else half_of(self.amount) if deed is Deed.PARTIAL else self.amount
        self.decided_at = now().isoformat()


@dataclass(slots=True)
class SandboxBooks:
    payments: dict[str, SandboxPayment] = field(default_factory=dict)
    forgotten: set[str] = field(default_factory=set)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def taken_on(self, key: str, order: Mapping[str, Any]) -> tuple[SandboxPayment, bool]:
        """The payment of this key, and whether it is new. Raises BooksFull."""
        with self.lock:
            found = self.payments.get(key)
            is_new = found is None
            if found is None:
                if len(self.payments) >= PAYMENTS_MAX:
                    raise BooksFull
                names = ("payment_id", "type", "amount", "currency")
                members: dict[str, Any] = {name: str(order.get(name, "")) for name in names}
                found = SandboxPayment(id=f"sbx_{len(self.payments) + 1}", key=key, **members)
                self.payments[key] = found
            found.asked += 1
            return found, is_new

    def forget(self, key: str) -> bool:
        """It was not carried out, and nothing is known of it: once. False: it was forgotten before."""
        with self.lock:
            if key in self.forgotten:
                return False
            self.forgotten.add(key)
            self.payments.pop(key, None)
            return True

    def settlement(self) -> str:
        """What was carried out, a line each, as a processor sends it at the end of a day."""
        with self.lock:
            lines = [
                f"{one.id},{one.key},{one.payment_id},{one.type},{one.approved},{one.currency},{one.decided_at}\n"
                for one in self.payments.values()
                if one.status == "approved"
            ]
        return SETTLEMENT_HEADER + "".join(lines)

    def figures(self) -> dict[str, int]:
        with self.lock:
            statuses = [one.status for one in self.payments.values()]
            asked = sum(one.asked for one in self.payments.values())
            keys = {one.payment_id for one in self.payments.values()}
        counts = {status: statuses.count(status) for status in ("approved", "declined", "pending")}
        return {"payments": len(statuses), "different_payment_ids": len(keys), "asked": asked, **counts}
