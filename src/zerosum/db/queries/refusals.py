"""Refusals kept under their keys: taking away those that no retry can need any more."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

_PURGE = text("select zerosum_purge_refusals(:ledger_id, :before, :at_most)")


async def purge_refusals(connection: AsyncConnection, ledger_id: UUID, *, before: datetime, at_most: int) -> int:
    """How many were taken away, the oldest first; none of the last thirty days, whatever `before` says."""
    given = {"ledger_id": ledger_id, "before": before, "at_most": at_most}
    return int((await connection.execute(_PURGE, given)).scalar_one())
