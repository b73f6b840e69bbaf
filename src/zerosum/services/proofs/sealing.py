"""How the worker seals what is only ever added to: seal by seal, each in a transaction of its own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar
from uuid import UUID

from zerosum.db.engine import Connection, Database

SEALS_AT_ONCE = 20
"""Of one ledger in one run, and in one slice of a proof."""

Seal = TypeVar("Seal")


async def seal_on(
    database: Database,
    ledger_id: UUID,
    next_seal: Callable[[Connection, UUID], Awaitable[Seal | None]],
    insert: Callable[[Connection, Seal], Awaitable[None]],
) -> int:
    """How many were made, until nothing is left to be sealed now."""
    for number in range(SEALS_AT_ONCE):
        async with database.work(ledger_id) as connection:
            seal = await next_seal(connection, ledger_id)
            if seal is None:
                return number
            await insert(connection, seal)
    return SEALS_AT_ONCE
