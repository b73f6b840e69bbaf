"""One ledger at the service and the same ledger in the model, and what both are asked for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fractions import Fraction
from random import Random
from typing import Any, NamedTuple

from tests.model.plain_model import PLACES, Line, Model
from zerosum.api.services import Services
from zerosum.services.requests.caller import Caller

BEGIN = datetime.fromisoformat("2024-03-04T05:50:00.000123+00:00")
"""Long ago for the database, too, which lets nobody close a period that is not over."""

ROUND = timedelta(minutes=40)
"""So much later is each step: fifty of them are a day and a half, with hours, days and expiries in between."""

BOOK_REFUSES = {
    "account_closed",
    "account_exists",
    "account_frozen",
    "already_disputed",
    "already_reversed",
    "amount_exceeds_hold",
    "amount_exceeds_payment",
    "client_locked",
    "condition_failed",
    "insufficient_funds",
    "limit_exceeded",
    "negative_total",
    "not_disputed",
    "tx_exists",
    "tx_not_found",
    "velocity_limit_exceeded",
    "version_conflict",
    "wrong_client",
}
"""What is decided under the locks is remembered under its key, and is answered again for ever."""


class Ask(NamedTuple):
    """`send` asks the service, and the same again each time; `expect` asks the model."""

    send: Callable[[], Awaitable[Any]]
    expect: Callable[[], Any]
    key: str | None = None


class Told(NamedTuple):
    ask: Ask
    refusal: str | None
    view: Any


@dataclass
class Clock:
    at: datetime = BEGIN

    def now(self) -> datetime:
        return self.at


@dataclass
class World:
    services: Services
    caller: Caller
    clock: Clock
    model: Model
    told: list[Told] = field(default_factory=list)
    keys: int = 0
    notes: list[tuple[datetime, dict[str, tuple[int, int, int]]]] = field(default_factory=list)

    @property
    def at(self) -> datetime:
        return self.clock.at

    def key(self) -> str:
        self.keys += 1
        return f"key-{self.keys}"

    def balances(self) -> dict[str, tuple[int, int, int]]:
        return {code: (one.posted, one.held, one.version) for code, one in self.model.accounts.items()}


def text(amount: int | None, currency: str) -> str | None:
    """In its wire form."""
    if amount is None:
        return None
    unit = 10 ** PLACES[currency]
    return f"{'-' if amount < 0 else ''}{abs(amount) // unit}.{abs(amount) % unit:0{PLACES[currency]}}"


# What is drawn: all of one number, so that a step means the same whatever else was left out of its sequence.


def some_account(world: World, draw: Random, currency: str | None = None) -> str:
    """Mostly of the currency."""
    codes = [code for code in world.model.accounts if ":" not in code]
    fitting = [code for code in codes if currency in (None, world.model.accounts[code].currency)]
    return draw.choice(fitting if fitting and draw.random() < 0.97 else codes)


def two_accounts(world: World, draw: Random, currency: str) -> tuple[str, str]:
    payer, payee = (some_account(world, draw, currency) for _ in range(2))
    if payer == payee and draw.random() < 0.9:
        payee = next(code for code in ("b", "c", "a") if code != payer)
    return payer, payee


def some_amount(world: World, draw: Random, payer: str | None = None) -> int:
    """Often exactly what is there, or one unit more."""
    available = world.model.accounts[payer].available if payer in world.model.accounts else 0
    if available > 0 and draw.random() < 0.25:
        return available + draw.choice([0, 0, 1])
    return draw.choice([1, 3, 99, 100, 333, 1_000, 2_500, 7_777, 20_000])


def some_splits(world: World, draw: Random, payer: str, payee: str, amount: int) -> list[tuple[str, str, Any]]:
    codes = [code for code in ("a", "b", "c", "fees", "cash", "d") if code not in (payer, payee)]
    draw.shuffle(codes)
    splits: list[tuple[str, str, Any]] = []
    for code in codes[: draw.randint(1, 3)]:
        if code in world.model.accounts and draw.random() < 0.6:
            splits.append((code, "percent", Fraction(draw.choice(["2.9", "10", "33.333333", "0.5", "50", "60"]))))
        elif code in world.model.accounts:
            splits.append((code, "amount", draw.choice([1, max(amount // 3, 1), max(amount // 2, 1)])))
    return splits


def some_dating(world: World, draw: Random) -> dict[str, Any]:
    """Mostly none."""
    if draw.random() < 0.7:
        return {}
    closed = world.model.closed_until
    back = timedelta(minutes=draw.choice([-600, -4, 1, 55, 300, 1_500, 2_500]))
    effective = world.at - back if closed is None or draw.random() < 0.4 else closed - back
    is_overridden = draw.random() < (0.5 if closed is not None and effective < closed else 0.05)
    return {"effective": effective, **({"override": True} if is_overridden else {})}


def pairs(payer: str, payee: str, amount: int, currency: str) -> list[Line]:
    return [Line(payer, "debit", amount, currency), Line(payee, "credit", amount, currency)]
