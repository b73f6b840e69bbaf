"""How a sweep over much that is due leaves room to whoever pays at the same moment."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, TypeVar

from zerosum.db.engine import Connection, Database
from zerosum.domain.errors import DomainError
from zerosum.domain.ledger.outcome import Answer, Posted

BUSY_SHARE = 0.05
"""Of the time that a sweep takes, at most so much is spent in its batches, which hold rows that payments need."""

REST_SECONDS_MAX = 1.0
"""A batch that waited for others is no reason to rest for half a minute."""

Due = TypeVar("Due")

Find = Callable[[Connection, Due | None, int], Awaitable[Sequence[Due]]]
"""What is due behind another in the order of all that is, and no more than so much."""


async def sweep(
    database: Database,
    find: Find[Due],
    act: Callable[[Sequence[Due]], Awaitable[int]],
    *,
    at_once: int,
    in_one_turn: int,
) -> int:
    """One turn over what is due in all ledgers: how much was done of it. What is left over is for the next turn."""
    done, after = 0, None
    for _ in range(in_one_turn // at_once):
        async with database.operator_work() as connection:
            due = await find(connection, after, at_once)
        if len(due) < at_once:
            return done + await act(due)
        done += await _then_rest(act(due))
        after = due[-1]
    return done


async def posted_of(log: logging.Logger, what: str, calls: Sequence[tuple[str, Coroutine[Any, Any, Answer]]]) -> int:
    """How many of these have posted, each with its name. Who was faster, or cannot be had now, keeps nobody else from
    it: that is told as what could not be done yet."""
    outcomes = await asyncio.gather(*(call for _, call in calls), return_exceptions=True)
    for (name, _), outcome in zip(calls, outcomes, strict=True):
        if isinstance(outcome, DomainError):
            log.warning("%s could not be %s yet: %s", name, what, outcome.code)
        elif isinstance(outcome, BaseException):
            raise outcome
    return sum(isinstance(outcome, Posted) for outcome in outcomes)


async def _then_rest(work: Awaitable[int]) -> int:
    """One batch of many, and much longer nothing: every twentieth payment may meet it, the others do not."""
    begun = time.monotonic()
    result = await work
    took = time.monotonic() - begun
    await asyncio.sleep(min(took * (1 / BUSY_SHARE - 1), REST_SECONDS_MAX))
    return result
