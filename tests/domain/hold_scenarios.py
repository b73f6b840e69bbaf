"""Holds in a Book, and beside it their plain model: a dictionary for each, and the lines its verbs must post.

    book = book_with("alice 100.00", "hotel")
    hold = place(book, "80.00", "alice", "hotel")
    posted(book.apply(capture(hold, "30.00"), NOON))

Amounts of the model are whole minor units. The accounts beneath are those of `model.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from itertools import count
from typing import Any

from tests.domain.builders import LEDGER, NOON, USD, account_id, posted, uuid_of, wallet
from tests.domain.model import Line
from zerosum.domain.identifiers import HoldId
from zerosum.domain.ledger.book import Book
from zerosum.domain.ledger.records import RecordKey
from zerosum.domain.money import Money
from zerosum.domain.payments.hold_commands import (
    CaptureHold,
    ChangeHold,
    ExpireHold,
    ExtendHold,
    IncrementHold,
    PlaceHold,
    VoidHold,
)
from zerosum.domain.payments.holds import HOLD, Hold

_numbers = count(1)


# --- Commands --------------------------------------------------------------------------------------------------------


def _carried(key: str | None) -> dict[str, Any]:
    key = key or f"hold-key-{next(_numbers)}"
    return {
        "id": uuid_of(f"command {key}"),
        "ledger_id": LEDGER,
        "idempotency_key": key,
        "fingerprint": sha256(key.encode()).digest(),
        "actor": "tests",
    }


def usd(amount: str) -> Money:
    return Money.parse(amount, USD)


def placing(amount: str | Money, payer: str, payee: str, *, key: str | None = None, **members: Any) -> PlaceHold:
    carried = _carried(key)
    return PlaceHold(
        **carried,
        hold_id=HoldId(carried["id"]),
        payer_id=account_id(payer),
        payee_id=account_id(payee),
        money=usd(amount) if isinstance(amount, str) else amount,
        **members,
    )


def _of(hold: Hold) -> dict[str, Any]:
    return _carried(None) | {"hold_id": hold.id, "payer_id": hold.payer_id, "payee_id": hold.payee_id}


def capture(hold: Hold, amount: str | Money | None = None, *, is_final: bool = False) -> CaptureHold:
    money = usd(amount) if isinstance(amount, str) else amount
    return CaptureHold(**_of(hold), money=money, is_final=is_final)


def increment(hold: Hold, amount: str | Money) -> IncrementHold:
    return IncrementHold(**_of(hold), money=usd(amount) if isinstance(amount, str) else amount)


def extend(hold: Hold, expires_at: datetime) -> ExtendHold:
    return ExtendHold(**_of(hold), expires_at=expires_at)


def void(hold: Hold) -> VoidHold:
    return VoidHold(**_of(hold))


def expire(hold: Hold) -> ExpireHold:
    return ExpireHold(**_of(hold), is_remembered=False)


# --- Books -----------------------------------------------------------------------------------------------------------


def book_with(*accounts: str) -> Book:
    """`alice 100.00`: wallets with so much in them, which may not owe."""
    return Book([wallet(*account.split()) for account in accounts])


def place(book: Book, amount: str, payer: str, payee: str, *, at: datetime = NOON, **members: Any) -> Hold:
    command = placing(amount, payer, payee, **members)
    posted(book.apply(command, at))
    return found(book, command)


def found(book: Book, of: Hold | PlaceHold | ChangeHold) -> Hold:
    """As it is now."""
    hold = book.records[RecordKey(LEDGER, HOLD, of.id if isinstance(of, Hold) else of.hold_id)]
    assert isinstance(hold, Hold)
    return hold


def figures(hold: Hold) -> str:
    """`open 80.00: 30.00 captured, 50.00 left`."""
    return f"{hold.status} {hold.money.amount:f}: {hold.captured:f} captured, {hold.remaining:f} left"


# --- The plain model -------------------------------------------------------------------------------------------------


@dataclass
class ModelHold:
    payer: str
    payee: str
    currency: str
    amount: int
    expires_at: datetime
    capture_max: int | None = None
    captured: int = 0
    status: str = "open"
    ended: int = 0
    """So often it has ended: once at most."""
    book_hold: Hold | None = field(default=None, repr=False)
    """By which commands name it."""

    @property
    def left(self) -> int:
        return self.amount - self.captured if self.status == "open" else 0

    @property
    def capturable(self) -> int:
        most = self.amount if self.capture_max is None else max(self.amount, self.capture_max)
        return most - self.captured

    def is_over(self, now: datetime) -> bool:
        return self.status != "open" or now >= self.expires_at

    def end(self, status: str) -> None:
        self.status, self.ended = status, self.ended + 1

    def lines(self, units: int, **how: Any) -> list[Line]:
        return [
            Line(self.payer, "debit", units, self.currency, **how),
            Line(self.payee, "credit", units, self.currency, **how),
        ]


LASTS_MAX = timedelta(days=400)


def refused_for_time(expires_at: datetime, now: datetime) -> bool:
    return expires_at < now + timedelta(seconds=1) or expires_at > now + LASTS_MAX


def capture_lines(hold: ModelHold, units: int | None, *, is_final: bool) -> tuple[list[Line], int, bool]:
    """What must be posted, how much of it is taken, and whether it is the end."""
    taken = hold.left if units is None else units
    ends = is_final or units is None or taken >= hold.left
    freed = hold.left if ends else taken
    return hold.lines(freed, pending=True, releases=True) + hold.lines(taken), taken, ends
