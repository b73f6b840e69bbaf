"""Checkpoints: asking the database to seal what an account has been through (`checkpoint_functions.py`)."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

BLOCK = 256
"""So many postings are sealed as one. Below that an account is added up as it is."""

# A block of a million dated postings is sorted in one statement, once.
SEAL_SECONDS_MAX = 60

_UNSEALED = text("""
select account.id from accounts account
where account.ledger_id = :ledger_id and account.version >= :block and account.id > :after
  and account.version - :block >= coalesce((
      select max(mark.account_version) from account_checkpoints mark
      where mark.ledger_id = :ledger_id and mark.account_id = account.id), 0)
order by account.id limit :limit
""")
ALLOW_TIME = text(f"set local statement_timeout = '{SEAL_SECONDS_MAX}s'")
_MAKE = text("select zerosum_make_checkpoints(:ledger_id, :account_id, :at_most)")


async def find_unsealed_accounts(
    connection: AsyncConnection, ledger_id: UUID, *, after: UUID, limit: int
) -> Sequence[UUID]:
    """The accounts with at least one block of postings beyond their last checkpoint, by id."""
    await connection.execute(ALLOW_TIME)
    given = {"ledger_id": ledger_id, "block": BLOCK, "after": after, "limit": limit}
    return (await connection.execute(_UNSEALED, given)).scalars().all()


async def make_checkpoints(connection: AsyncConnection, ledger_id: UUID, account_id: UUID, *, at_most: int) -> int:
    """How many blocks were sealed: none where another does so at this moment."""
    await connection.execute(ALLOW_TIME)
    given = {"ledger_id": ledger_id, "account_id": account_id, "at_most": at_most}
    return int((await connection.execute(_MAKE, given)).scalar_one())
