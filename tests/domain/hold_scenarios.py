"""Holds in a Book for tests: the commands of all verbs, short to write.

book = book_with("alice 100.00", "hotel")
hold = place(book, "80.00", "alice", "hotel")
posted(book.apply(capture(hold, "30.00"), NOON))
"""

from __future__ import annotations

from datetime import datetime
from hashlib import sha256
from itertools import count
from typing import Any

from tests.domain.builders import LEDGER, NOON, USD, account_id, posted, uuid_of, wallet
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
