"""Works whose accounts or keys somebody else holds: they are tried again apart, and nobody waits for them.

A session that hangs in its transaction holds rows that a lane cannot have, and keys that it can neither see nor write.
The lane gives such works back; they come again after a while, and are refused when their patience is over. Works of one
order stay in it: what comes behind a work that is held up is held up with it, and refused with it.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from zerosum.db.batch import Key
from zerosum.db.errors import FailureKind
from zerosum.domain.errors import InternalError, RecordUnreadable, Unavailable
from zerosum.services.committing.work import Work, outcome_unknown

PATIENCE_SECONDS = 2.0
"""So long a work is tried again. A session that hangs in its transaction is ended by PostgreSQL after as long."""

AGAIN_SECONDS_MIN = 0.02
AGAIN_SECONDS_MAX = 0.2

REST_SECONDS = 0.2
"""Each try at a key that is held takes a few ms from everybody else: after one in vain, so long none is made."""

HELD_KEYS_MAX = 10_000

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class HeldUp:
    """Of one batch. `works` in the order in which they came."""

    works: list[Work] = field(default_factory=list)
    orders: set[int] = field(default_factory=set)
    refused_orders: set[int] = field(default_factory=set)

    def add(self, work: Work, *, is_key_held: bool = False, is_apart: bool = False) -> None:
        """`is_apart` where nobody knows whether its key is held: it is tried alone until that is known."""
        work.is_key_held = is_key_held
        work.is_apart = is_key_held or is_apart
        self.works.append(work)
        if work.order_key is not None:
            self.orders.add(work.order_key)

    def is_behind_one(self, work: Work) -> bool:
        return work.order_key in self.orders

    def has(self, work: Work) -> bool:
        return any(one is work for one in self.works)

    def put_in_order(self, works: Sequence[Work]) -> None:
        """As they came: of one order none is to be before another that it is behind."""
        places = {id(work): place for place, work in enumerate(works)}
        self.works.sort(key=lambda work: places[id(work)])

    def undecided(self, works: Sequence[Work]) -> list[Work]:
        """Neither answered nor held up: who was told that nothing was done must not be carried out by a later try.

        Who comes behind one that is held up is held up here.
        """
        refuse_those_behind(works)
        if not self.works and not self.orders:
            return [work for work in works if not work.answer.done()]
        held = {id(work) for work in self.works}
        undecided: list[Work] = []
        for work in works:
            if work.is_answered or id(work) in held:
                continue
            if self.is_behind_one(work):
                self.add(work)
            else:
                undecided.append(work)
        return undecided

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
    work.refuse_undone(Unavailable("The accounts are busy; nothing was done.", retry_after=1))


def refuse_as_failed(work: Work, kind: FailureKind, error: Exception | None) -> None:
    if work.may_have_committed or kind is not FailureKind.DEFECT:
        refuse_as_busy(work)
        return
    _log.error("a command could not be carried out", exc_info=error)
    if isinstance(error, ArithmeticError):
        work.refuse(RecordUnreadable("An account of this command cannot be read; nothing was done."))
        return
    work.refuse(InternalError("The command could not be carried out; nothing was done."))


def refuse_those_behind(works: Iterable[Work], running: Collection[Work] = ()) -> None:
    """In the order of their coming: a refusal that a retry may undo is not overtaken by what comes behind it.

    What is `running` may be committed all the same.
    """
    orders: set[int] = set()
    for work in works:
        if work.order_key is None:
            continue
        if work.order_key in orders and work in running:
            work.refuse(outcome_unknown())
        elif work.order_key in orders:
            refuse_as_busy(work)
        elif work.may_be_retried:
            orders.add(work.order_key)


class HeldKeys:
    """Keys that were found held, and the works that ask for them.

    They are tried alone, and seldom: where one try is in vain the others wait for the next one's turn. So many held
    keys cost those who use others no more than one does, and once they are free again no try is in vain.
    """

    def __init__(self) -> None:
        self._keys: dict[Key, None] = {}
        self._rests_until = 0.0

    def apart(self, works: Sequence[Work]) -> tuple[list[Work], list[Work]]:
        """Those to be tried together, and those alone: their key is held, or that of one before them in their order."""
        if not self._keys and not any(work.is_apart for work in works):
            return list(works), []
        together: list[Work] = []
        alone: list[Work] = []
        orders: set[int] = set()
        for work in works:
            is_held = work.is_apart or self.has(work)
            if not is_held and work.order_key not in orders:
                together.append(work)
                continue
            alone.append(work)
            if work.order_key is not None:
                orders.add(work.order_key)
        return together, alone

    def has(self, work: Work) -> bool:
        return not self._keys.keys().isdisjoint(work.keys)

    def is_resting(self, now: float) -> bool:
        return now < self._rests_until

    def found(self, works: Iterable[Work]) -> None:
        """These are held. The oldest are forgotten where they are too many: they would be found once more."""
        for work in works:
            for key in work.keys:
                self._keys.pop(key, None)
                self._keys[key] = None
        while len(self._keys) > HELD_KEYS_MAX:
            del self._keys[next(iter(self._keys))]

    def was_tried(self, work: Work, now: float, *, in_vain: bool) -> None:
        work.tried_at = now
        if in_vain:
            self._rests_until = now + REST_SECONDS
            return
        for key in work.keys:
            self._keys.pop(key, None)


def in_turn(alone: Sequence[Work]) -> list[Work]:
    """Of each order the first one, those that were not tried for the longest time before the others."""
    firsts: dict[object, Work] = {}
    for work in alone:
        firsts.setdefault(work if work.order_key is None else work.order_key, work)
    return sorted(firsts.values(), key=lambda work: work.tried_at)


def in_rounds(works: Sequence[Work]) -> Iterator[Sequence[Work]]:
    """One after the other, in their order: in each the settings of an account are changed once at the most.

    What a batch writes of them is what it has left; each change is to be in the account's history.
    """
    if not any(command.changes_settings for work in works for command in work.commands):
        yield works
        return
    own: list[Work] = []
    changed: set[UUID] = set()
    for work in works:
        changes = {id_ for command in work.commands if command.changes_settings for id_ in command.account_ids()}
        if not changed.isdisjoint(changes):
            yield own
            own, changed = [], set()
        own.append(work)
        changed |= changes
    yield own
