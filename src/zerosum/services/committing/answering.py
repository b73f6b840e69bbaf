"""What is committed is answered: the cached balances are made true first, and nobody reads them meanwhile."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Sequence
from typing import Protocol
from uuid import UUID

from zerosum.domain.ledger.account import AccountState
from zerosum.services.committing.work import Answers, Work

_log = logging.getLogger(__name__)


class BalanceCache(Protocol):
    """The write-through copy of balances."""

    def begins(self, account_ids: Collection[UUID]) -> None:
        """Before they may change. Until it `ends`, as often as it has begun, nobody reads the copy of these."""

    def ends(self, account_ids: Collection[UUID]) -> None: ...

    async def refresh(self, states: Sequence[AccountState]) -> None:
        """Returns when nobody reads older balances than these any more. Bounded; must not raise."""


class Answering:
    """Of one lane. A batch that is answered holds up no other."""

    def __init__(self, cache: BalanceCache) -> None:
        self._cache = cache
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(self, works: Sequence[Work], answers: Sequence[Answers], states: Sequence[AccountState]) -> None:
        account_ids = [account.id for account in states]
        self._cache.begins(account_ids)
        task = asyncio.create_task(self._answer(works, answers, states))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(lambda _: self._cache.ends(account_ids))

    async def all_answered(self) -> None:
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _answer(self, works: Sequence[Work], answers: Sequence[Answers], states: Sequence[AccountState]) -> None:
        """Only after the write-through: every read that starts after an acknowledgement sees the write.

        Also of accounts that stayed as they were: a replay acknowledges what an earlier try may not have written.
        What is committed is answered whatever becomes of the cache.
        """
        try:
            await self._cache.refresh(states)
        except Exception:
            _log.exception("balances could not be written through to the cache")
        finally:  # also where somebody has cancelled this task
            for work, answer in zip(works, answers, strict=True):
                work.resolve(answer)
