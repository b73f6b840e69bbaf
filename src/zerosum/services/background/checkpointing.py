"""Background work: what busy accounts have been through is sealed, so that nobody adds it up again."""

from __future__ import annotations

from uuid import UUID

from zerosum.db.engine import Database
from zerosum.db.queries.checkpoints import find_unsealed_accounts, make_checkpoints
from zerosum.db.queries.ledgers import every_ledger

PAGE_ACCOUNTS = 1_000
BLOCKS_AT_ONCE = 256
"""In one transaction: 65,536 postings, which is the better part of a second."""

BLOCKS_MAX = 4_096
"""About so many in one turn, a million postings: what is left over is sealed at the next."""

_FIRST = UUID(int=0)


class Checkpointing:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def run_once(self) -> int:
        """How many blocks were sealed, account by account, in transactions of their own."""
        sealed = 0
        async for ledger in every_ledger(self._database):
            sealed += await self._seal_ledger(ledger.id, BLOCKS_MAX - sealed)
            if sealed >= BLOCKS_MAX:
                break
        return sealed

    async def _seal_ledger(self, ledger_id: UUID, blocks_max: int) -> int:
        sealed, after = 0, _FIRST
        while True:
            async with self._database.work(ledger_id) as connection:
                page = await find_unsealed_accounts(connection, ledger_id, after=after, limit=PAGE_ACCOUNTS)
            for account_id in page:
                sealed += await self._seal_account(ledger_id, account_id, blocks_max - sealed)
                if sealed >= blocks_max:
                    return sealed
            if len(page) < PAGE_ACCOUNTS:
                return sealed
            after = page[-1]

    async def _seal_account(self, ledger_id: UUID, account_id: UUID, blocks_max: int) -> int:
        sealed = 0
        while sealed < blocks_max:
            wanted = min(BLOCKS_AT_ONCE, blocks_max - sealed)
            async with self._database.work(ledger_id) as connection:
                number = await make_checkpoints(connection, ledger_id, account_id, at_most=wanted)
            sealed += number
            if number < wanted:
                break
        return sealed
