"""How a Book judges velocity limits, and counts on from what was loaded."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from zerosum.domain.errors import DomainError, VelocityLimitExceeded
from zerosum.domain.identifiers import Prefix, render_id
from zerosum.domain.ledger.account import AccountState
from zerosum.domain.ledger.velocity import Direction, Used, VelocityLimit, frees_at, is_exceeded
from zerosum.domain.moments import render_time
from zerosum.domain.money import add, render_amount, subtract


class Moved(NamedTuple):
    """What an entry does to what is available: `income` is `growth` without what a hold sets free."""

    growth: Decimal
    income: Decimal

    def counted(self, direction: Direction) -> Decimal:
        """Not above zero: nothing does."""
        return self.growth.copy_negate() if direction is Direction.OUT else self.income


def limit_objection(
    limit: VelocityLimit, used: Used, moved: Moved, *, detail: str, pointer: str, **whose: str
) -> DomainError | None:
    """`whose` it is stands among the facts."""
    asked = moved.counted(limit.window.direction)
    if asked <= 0 or not is_exceeded(limit, used, asked):
        return None
    return VelocityLimitExceeded(
        detail,
        pointer=pointer,
        **whose,
        limit=limit.content,
        window_start=_told(used.start),
        window_end=_told(used.end),
        used=render_amount(add(used.amount, subtract(asked, asked))),  # with the places of the currency
        used_count=used.number,
        asked=render_amount(asked),
        frees_at=_told(frees_at(limit, used, asked)),
    )


def velocity_objections(account: AccountState, moved: Moved, pointer: str) -> Iterator[DomainError]:
    """Whoever has filled the book has loaded what counts in the windows of the account's limits."""
    for limit in account.velocity:
        objection = limit_objection(
            limit,
            account.used[limit.window],
            moved,
            detail="The account would move more, or more often, than it may within this window of time.",
            pointer=pointer,
            account=render_id(Prefix.ACCOUNT, account.id),
            currency=account.currency,
        )
        if objection is not None:
            yield objection


def count(account: AccountState, moved: Moved) -> None:
    """One more entry, posted now, whether or not a limit could have refused it."""
    account.used = {window: counted_on(used, moved.counted(window.direction)) for window, used in account.used.items()}


def counted_on(used: Used, amount: Decimal) -> Used:
    return used.plus(amount) if amount > 0 else used


def _told(moment: datetime | None) -> str | None:
    return None if moment is None else render_time(moment)
