"""Two who make the same accounts at once do not wait for each other crosswise."""

from __future__ import annotations

import asyncio

from tests.committer.ground import Ground
from tests.db.servers import Connection
from zerosum.adapters.clock import now
from zerosum.db.engine import Database
from zerosum.db.queries.accounts import insert_accounts
from zerosum.domain.identifiers import LedgerId
from zerosum.domain.ledger.account import Account, AccountType
from zerosum.services.requests.currencies import Currencies

WAITS = "select count(*) from pg_locks where not granted and locktype = 'transactionid'"


async def test_accounts_are_made_in_the_order_of_their_codes(
    database: Database, ledger_id: LedgerId, superuser: Connection
) -> None:
    """Given the other way round, the second would hold `b` when it waits for `a`, and the first would wait for `b`."""
    ground = Ground(database, ledger_id)
    currency = await Currencies(database, now).get(ledger_id, "USD")

    def draft(code: str) -> Account:
        return ground.accounts().draft(ground.caller, code, currency, AccountType.LIABILITY, None)

    async def make_both() -> set[object]:
        async with database.work(ledger_id) as connection:
            return set(await insert_accounts(connection, [draft("b"), draft("a")]))

    async with database.work(ledger_id) as connection:
        await insert_accounts(connection, [draft("a")])
        other = asyncio.ensure_future(make_both())
        async with asyncio.timeout(10):
            while not await superuser.fetchval(WAITS):
                await asyncio.sleep(0.01)
        assert len(await insert_accounts(connection, [draft("b")])) == 1
    assert await other == set()
