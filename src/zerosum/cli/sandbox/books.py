"""What the sandbox has carried out: in memory, and gone with it."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
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
    given_back_of: str | None = None
    """Of a refund: the key of its payment."""

    def shown(self) -> dict[str, Any]:
        told = {name: getattr(self, name) for name in ("id", "key", "status", "approved", "reason")}
        return {name: value for name, value in told.items() if value is not None}

    @property
    def kind(self) -> str:
        """As the settlement calls it."""
        return self.type if self.given_back_of is None else f"refund of a {self.type}"

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
        """The payment or refund of this key, and whether it is new. Raises BooksFull."""
        with self.lock:
            found = self.payments.get(key)
            is_new = found is None
            if found is None:
                if len(self.payments) >= PAYMENTS_MAX:
                    raise BooksFull
                names = ("payment_id", "type", "amount", "currency")
                members: dict[str, Any] = {name: str(order.get(name, "")) for name in names}
                members["given_back_of"] = order.get("payment_key")
                found = SandboxPayment(id=f"sbx_{len(self.payments) + 1}", key=key, **members)
                self.payments[key] = found
            found.asked += 1
            return found, is_new

    def may_give_back(self, refund: SandboxPayment) -> bool:
        """Whether so much of its payment was carried out, and not given back or asked back before."""
        with self.lock:
            paid = self.payments.get(refund.given_back_of or "")
            if paid is None or paid.approved is None or paid.currency != refund.currency:
                return False
            others = [
                one.approved or one.amount
                for one in self.payments.values()
                if one.given_back_of == paid.key and one is not refund and one.status != "declined"
            ]
            return sum(map(Decimal, [*others, refund.amount])) <= Decimal(paid.approved)

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
                f"{one.id},{one.key},{one.payment_id},{one.kind},{one.approved},{one.currency},{one.decided_at}\n"
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
