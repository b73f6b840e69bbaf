"""Seals of totals: asking the database to set one more (`total_functions.py`)."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from zerosum.db.queries.checkpoints import ALLOW_TIME

_DUE = text("""
with last as (
    select coalesce(max(sealed_at), '-infinity') as sealed_at, coalesce(max(accounts_until), '-infinity') as until
    from total_seals where ledger_id = :ledger_id
)
select exists (
    select from journal_entries
    where ledger_id = :ledger_id and id >= zerosum_first_id((select sealed_at from last) - interval '2 seconds')
      and posted_at > (select sealed_at from last) order by id offset cast(:entries as integer) - 1
) or exists (
    select from accounts
    where ledger_id = :ledger_id and id >= zerosum_first_id((select until from last) - interval '5 minutes')
      and created_at > (select until from last) order by id offset cast(:entries as integer) - 1
)
""")
_SEAL = text("select zerosum_seal_totals(:ledger_id, :horizon, :entries, :accounts)")


async def has_unsealed_totals(connection: AsyncConnection, ledger_id: UUID, *, entries: int) -> bool:
    """Whether so many entries, or accounts, lie behind the newest seal, settled or not."""
    return bool((await connection.execute(_DUE, {"ledger_id": ledger_id, "entries": entries})).scalar_one())


async def seal_totals(
    connection: AsyncConnection, ledger_id: UUID, horizon: datetime, *, entries: int, accounts: int
) -> bool:
    """Whether there is one seal more: none while less than so many entries have settled since the last one.

    Branches with at least so many `accounts` are kept.
    """
    await connection.execute(ALLOW_TIME)
    given = {"ledger_id": ledger_id, "horizon": horizon, "entries": entries, "accounts": accounts}
    return bool((await connection.execute(_SEAL, given)).scalar_one())
