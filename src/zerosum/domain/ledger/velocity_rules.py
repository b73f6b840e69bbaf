"""How a Book judges velocity limits, and counts on from what was loaded."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from zerosum.domain.errors import DomainError, VelocityLimitExceeded
from zerosum.domain.identifiers import Prefix, render_id
from zerosum.domain.ledger.account import AccountState
from zerosum.domain.ledger.velocity import Direction, frees_at, is_exceeded
from zerosum.domain.moments import render_time
from zerosum.domain.money import render_amount


class Moved(NamedTuple):
    """What an entry does to what is available: `income` is `growth` without what a hold sets free."""

    growth: Decimal
    income: Decimal

    def counted(self, direction: Direction) -> Decimal:
        """Not above zero: nothing does."""
        return self.growth.copy_negate() if direction is Direction.OUT else self.income


def velocity_objections(account: AccountState, moved: Moved, pointer: str) -> Iterator[DomainError]:
    """Whoever has filled the book has loaded what counts in the windows of the account's limits."""
    for limit in account.velocity:
        asked, used = moved.counted(limit.window.direction), account.used[limit.window]
        if asked > 0 and is_exceeded(limit, used, asked):
            yield VelocityLimitExceeded(
                "The account would move more, or more often, than it may within this window of time.",
                pointer=pointer,
                account=render_id(Prefix.ACCOUNT, account.id),
                currency=account.currency,
                limit=limit.content,
                window_start=_told(used.start),
                window_end=_told(used.end),
                used=render_amount(used.amount),
                used_count=used.number,
                asked=render_amount(asked),
                frees_at=_told(frees_at(limit, used, asked)),
            )


def count(account: AccountState, moved: Moved) -> None:
    """One more entry, posted now, whether or not a limit could have refused it."""
    account.used = {
        window: used.plus(amount) if (amount := moved.counted(window.direction)) > 0 else used
        for window, used in account.used.items()
    }


def _told(moment: datetime | None) -> str | None:
    return None if moment is None else render_time(moment)
