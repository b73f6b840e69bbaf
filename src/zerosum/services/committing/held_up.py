"""Works whose accounts or keys somebody else holds: they are tried again apart, and nobody waits for them.

A session that hangs in its transaction holds rows that a lane cannot have, and keys that it can neither see nor write.
The lane gives such works back; they come again after a while, and are refused when their patience is over. Works of one
order stay in it: what comes behind a work that is held up is held up with it, and refused with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from zerosum.domain.errors import Unavailable
from zerosum.services.committing.work import Work, outcome_unknown

PATIENCE_SECONDS = 2.0
"""So long a work is tried again. A session that hangs in its transaction is ended by PostgreSQL after as long."""

AGAIN_SECONDS_MIN = 0.02
AGAIN_SECONDS_MAX = 0.2


@dataclass(slots=True)
class HeldUp:
    """Of one batch. `works` in the order in which they came."""

    works: list[Work] = field(default_factory=list)
    orders: set[int] = field(default_factory=set)
    refused_orders: set[int] = field(default_factory=set)

    def add(self, work: Work, *, is_key_held: bool = False) -> None:
        work.is_key_held = is_key_held
        self.works.append(work)
        if work.order_key is not None:
            self.orders.add(work.order_key)

    def is_behind_one(self, work: Work) -> bool:
        return work.order_key in self.orders

    def settle(self, now: float) -> None:
        """Refuse those that have waited long enough, and tell the others when to come again."""
        for work in self.works:
            if work.held_up_since is None:
                work.held_up_since, work.again_at = now, now
            waited = now - work.held_up_since
            if waited >= PATIENCE_SECONDS or work.order_key in self.refused_orders:
                refuse_as_busy(work)
                if work.order_key is not None:
                    self.refused_orders.add(work.order_key)
            work.again_at = now + min(AGAIN_SECONDS_MAX, max(AGAIN_SECONDS_MIN, waited))
        self.works = [work for work in self.works if not work.is_answered]


def refuse_as_busy(work: Work) -> None:
    """Whoever holds its key may commit it yet."""
    if work.is_key_held:
        work.refuse(outcome_unknown())
    work.refuse_undone(Unavailable("The accounts are busy; nothing was done.", retry_after=1))


def refuse_those_behind(works: Iterable[Work]) -> None:
    """In the order of their coming: a refusal that a retry may undo is not overtaken by what comes behind it."""
    orders: set[int] = set()
    for work in works:
        if work.order_key is None:
            continue
        if work.order_key in orders:
            refuse_as_busy(work)
        elif work.may_be_retried:
            orders.add(work.order_key)


def apart(works: Sequence[Work]) -> tuple[list[Work], list[Work]]:
    """Those to be tried together, and those alone: their key is held, or that of one before them in their order."""
    together: list[Work] = []
    alone: list[Work] = []
    orders: set[int] = set()
    for work in works:
        if not work.is_key_held and work.order_key not in orders:
            together.append(work)
            continue
        alone.append(work)
        if work.order_key is not None:
            orders.add(work.order_key)
    return together, alone
