"""Locks that belong to no row: for deciding, in one process at a time, whether something must be made."""

from __future__ import annotations

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

_LOCK = text("select pg_advisory_xact_lock(hashtextextended(:name, 0))")
_TRY_LOCK = text("select pg_try_advisory_xact_lock(hashtextextended(:name, 0))")


async def lock_until_commit(connection: AsyncConnection, name: str) -> None:
    """Wait for everybody else who has taken this name. The lock ends with the transaction, however that ends."""
    await connection.execute(_LOCK, {"name": f"zerosum:{name}"})


async def try_lock_until_commit(connection: AsyncConnection, name: str) -> bool:
    """Whether nobody else has taken this name. Nobody waits."""
    return bool((await connection.execute(_TRY_LOCK, {"name": f"zerosum:{name}"})).scalar())
