"""Accounts as the last batch left them, so that the next need not read them.

Nothing is decided by memory alone: the rows are locked and compared with what is remembered in the same statement that
writes (`db/batch/holding.py`). Whatever has changed since, by whomever, makes the batch read under its locks as usual.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Iterable

from zerosum.db.batch import AccountKey
from zerosum.domain.ledger.account import AccountState

REMEMBERED_MAX = 50_000
"""Accounts; about 40 MB when full. Then those that were needed longest ago are forgotten."""

PAUSE_BATCHES_FIRST, PAUSE_BATCHES_MAX = 4, 256
"""Where others keep changing the same accounts, memory is tried again after so many batches: a try in vain costs a
round trip, and one that succeeds saves four."""


class RememberedAccounts:
    """Of one lane while it speaks to one server: another one numbers rows anew."""

    def __init__(self) -> None:
        self._states: OrderedDict[AccountKey, AccountState] = OrderedDict()
        self._pause = 0
        self._wait = 0

    def has_all(self, wanted: Collection[AccountKey]) -> bool:
        """Whether they can be taken now. A batch for which they cannot is one of those in the pause."""
        if self._wait:
            self._wait -= 1
            return False
        return all(key in self._states for key in wanted)

    def take(self, wanted: Collection[AccountKey]) -> list[AccountState] | None:
        """All of them, or None. What is taken is forgotten, until it is known what has become of it."""
        if not self.has_all(wanted):
            return None
        return [self._states.pop(key) for key in wanted]

    def remember(self, states: Iterable[AccountState]) -> None:
        for state in states:
            self._states[state.ledger_id, state.id] = state
        while len(self._states) > REMEMBERED_MAX:
            self._states.popitem(last=False)

    def forget(self, states: Iterable[AccountState]) -> None:
        """These, unless others stand in their place."""
        for state in states:
            key = (state.ledger_id, state.id)
            if self._states.get(key) is state:
                del self._states[key]

    def forget_all(self) -> None:
        self._states.clear()

    def was_right(self) -> None:
        self._pause //= 2

    def was_wrong(self) -> None:
        """Others write to the same accounts."""
        self._pause = min(PAUSE_BATCHES_MAX, max(PAUSE_BATCHES_FIRST, self._pause * 4))
        self._wait = self._pause
