"""Books that are tampered with, for tests of what finds that."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from tests.committer.ground import Ground, connecting, running_committer
from tests.conftest import Servers
from tests.services.fresh_database import fresh_database, make_ledger
from zerosum.adapters.clock import now
from zerosum.db.engine import Database
from zerosum.db.queries.audit_log import AuditFilter, AuditRecord, list_audit_records
from zerosum.domain.identifiers import LedgerId, Prefix, render_id
from zerosum.domain.ledger.account import AccountStatus
from zerosum.services.accounts import bare_accounts
from zerosum.services.background.self_audit import SelfAudit
from zerosum.services.requests.caller import Caller

SLICES_MAX = 500

LAST = "(select entry_id from postings where account_id = $1 and account_version = 10)"
"""The newest payment out of the account that is named as $1."""


class Books:
    """Two ledgers in a database of their own, the second with two accounts and ten payments."""

    def __init__(self, database: Database, servers: Servers, name: str) -> None:
        self.database = database
        self.service_dsn = servers.dsn(name)
        self.superuser_dsn = servers.dsn(name, superuser=True)
        self.ground: Ground
        self.accounts: list[Any] = []

    @property
    def ledger_id(self) -> LedgerId:
        return self.ground.ledger_id

    async def pay(self, times: int) -> None:
        async with running_committer(connecting(self.service_dsn)) as committer:
            for _ in range(times):
                await committer.carry_out(self.ground.transfer(self.accounts[0], self.accounts[1], "1.00"))

    async def tamper(self, *statements: str) -> None:
        connection = await asyncpg.connect(self.superuser_dsn)
        async with connection.transaction():
            await connection.execute("set local session_replication_role = replica")
            for statement in statements:
                tag = await connection.execute(statement, self.accounts[0])
                assert int(tag.split()[-1]) >= 1, "nothing was changed"
        await connection.close()

    async def status(self, place: int = 0) -> AccountStatus:
        name = render_id(Prefix.ACCOUNT, self.accounts[place])
        return (await bare_accounts(self.database, now).get(Caller(self.ledger_id, "test"), name)).state.status

    async def told(self) -> list[AuditRecord]:
        async with self.database.work(self.ledger_id) as connection:
            return await list_audit_records(
                connection, AuditFilter(ledger_id=self.ledger_id), after=None, limit=50, is_ascending=True
            )


@asynccontextmanager
async def tampered_books(servers: Servers) -> AsyncIterator[Books]:
    async with fresh_database(servers) as database:
        async with database.work() as connection:
            name = (await connection.exec_driver_sql("select current_database()")).scalar_one()
        made = Books(database, servers, name)
        await make_ledger(database)
        made.ground = Ground(database, await make_ledger(database))
        made.accounts = await made.ground.open(2, floor="-100")
        await made.pay(10)
        yield made


async def passed(audit: SelfAudit) -> int:
    """One pass through all ledgers; how many slices it took."""
    completed, before = audit.progress.completed_at, audit.progress.slices
    for _ in range(SLICES_MAX):
        await audit.run_once()
        if audit.progress.completed_at > completed:
            return audit.progress.slices - before
    raise AssertionError("the pass does not end")


def audit_of(books: Books) -> SelfAudit:
    return SelfAudit(books.database, bare_accounts(books.database, now), now)
