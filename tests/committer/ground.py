"""Accounts, commands and committers for tests of the write path, without HTTP in front of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import count
from typing import Any, TypeAlias
from uuid import UUID

import asyncpg

from tests.services.fresh_database import make_ledger
from zerosum.adapters.balance_cache import NoBalanceCache
from zerosum.adapters.clock import now
from zerosum.db.batch import BatchConnection
from zerosum.db.engine import Database
from zerosum.db.identifiers import new_uuid
from zerosum.domain.identifiers import AccountId, LedgerId, Prefix, render_id
from zerosum.domain.ledger.account import AccountType
from zerosum.domain.ledger.account_commands import ExistingAccountCommand
from zerosum.domain.ledger.outcome import Posted
from zerosum.domain.money import CurrencyTable, Money
from zerosum.domain.payments.pay import Pay
from zerosum.domain.payments.payment import PaymentTexts, PaymentType
from zerosum.services.accounts import Accounts, OpenAccount
from zerosum.services.committing.answering import BalanceCache
from zerosum.services.committing.batch_runner import BatchRunner
from zerosum.services.committing.committer import Committer, CommitterOptions
from zerosum.services.committing.fingerprint import fingerprint
from zerosum.services.committing.lane_loop import CommitterStats
from zerosum.services.requests.account_directory import AccountDirectory
from zerosum.services.requests.caller import Caller
from zerosum.services.requests.currencies import Currencies
from zerosum.services.requests.paging import Cursors

Superuser: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

USD = CurrencyTable()["USD"]
CONNECT_SECONDS_MAX = 5.0

_keys = count(1)


@dataclass
class Ground:
    """One ledger with accounts in USD, and commands between them."""

    database: Database
    ledger_id: LedgerId

    @property
    def caller(self) -> Caller:
        return Caller(self.ledger_id, "key_test")

    async def in_another_ledger(self) -> Ground:
        return Ground(self.database, await make_ledger(self.database))

    def accounts(self) -> Accounts:
        currencies = Currencies(self.database, now)
        return Accounts(self.database, currencies, AccountDirectory(self.database), Cursors(bytes(32)), now)

    async def open(self, number: int, *, floor: str | None = "0") -> list[AccountId]:
        accounts = self.accounts()
        opened = [
            await accounts.open(
                self.caller,
                OpenAccount(
                    code=f"a:{new_uuid()}",
                    currency="USD",
                    type=AccountType.LIABILITY,
                    name=None,
                    min_available=floor,
                    max_available=None,
                    metadata={},
                ),
            )
            for _ in range(number)
        ]
        return [account.state.id for account in opened]

    def transfer(self, payer: UUID, payee: UUID, amount: str, key: str | None = None, **members: Any) -> Pay:
        key = key or f"key-{next(_keys)}"
        content: dict[str, Any] = {"type": "transfer", "amount": amount, "currency": "USD"}
        content |= {name: members.get(name) for name in (*PaymentTexts._fields, "effective_at", "metadata")}
        content |= {"from": render_id(Prefix.ACCOUNT, payer), "to": render_id(Prefix.ACCOUNT, payee)}
        texts = PaymentTexts(*[members.pop(name, None) for name in PaymentTexts._fields])
        return Pay(
            id=members.pop("id", None) or new_uuid(),
            ledger_id=self.ledger_id,
            idempotency_key=key,
            fingerprint=fingerprint("payment", content),
            actor="key_test",
            type=PaymentType.TRANSFER,
            money=Money.parse(amount, USD),
            payer_id=AccountId(payer),
            payee_id=AccountId(payee),
            texts=texts,
            **members,
        )

    def change(self, kind: type[ExistingAccountCommand], account_id: UUID, **members: Any) -> ExistingAccountCommand:
        """Without a key: one is made for the call."""
        id_ = new_uuid()
        carried: dict[str, Any] = {
            "ledger_id": self.ledger_id,
            "actor": "key_test",
            "fingerprint": b"",
            "is_remembered": False,
        }
        carried |= members
        return kind(id=id_, idempotency_key=f"none-{id_}", account_id=AccountId(account_id), **carried)

    async def posted(self, account_id: UUID) -> Decimal:
        account = await self.accounts().get(self.caller, f"acc_{account_id}")
        return account.state.posted


Connect = Callable[[], Awaitable[BatchConnection]]


def connecting(dsn: str) -> Connect:
    return lambda: BatchConnection.open(dsn, CONNECT_SECONDS_MAX)


@asynccontextmanager
async def running_committer(
    connect: Connect,
    *,
    lanes: int = 1,
    deadline_seconds: float = 20.0,
    queue_commands_max: int = 20_000,
    queue_seconds_max: float = 60.0,
    cache: BalanceCache | None = None,
    stats: CommitterStats | None = None,
    clock: Callable[[], datetime] = now,
    is_alone: bool = False,
) -> AsyncIterator[Committer]:
    stats = stats or CommitterStats()
    options = CommitterOptions(
        lanes=lanes,
        is_alone=is_alone,
        queue_commands_max=queue_commands_max,
        queue_seconds_max=queue_seconds_max,
        deadline_seconds=deadline_seconds,
    )
    committer = Committer(lambda: BatchRunner(connect, clock, cache or NoBalanceCache(), stats), options, stats)
    committer.start()
    try:
        yield committer
    finally:
        await committer.stop()


BOOKS_ARE_RIGHT = """
with lines as (
    select account_id, account_version, balance_after, held_after, hash, layer, side, releases, amount,
           row_number() over (partition by ledger_id, account_id order by account_version) as place,
           sum(case when layer = 'p' then (case side when 'd' then amount else -amount end) else 0 end)
               over (partition by ledger_id, account_id order by account_version) as debits_less_credits
    from postings where ledger_id = $1
)
select
    (select coalesce(sum(case side when 'd' then amount else -amount end), 0) from lines where layer = 'p')
        as difference,
    (select count(*) from lines where place <> account_version) as gaps,
    (select count(*) from lines join accounts on accounts.id = lines.account_id and accounts.ledger_id = $1
        where balance_after <> case when type in ('asset', 'expense') then debits_less_credits
                                    else -debits_less_credits end) as wrong_running_balances,
    (select count(*) from accounts left join lateral (
            select account_version, balance_after, held_after, hash from lines
            where lines.account_id = accounts.id order by account_version desc limit 1) last on true
        where ledger_id = $1 and (
            version <> coalesce(account_version, 0) or held <> coalesce(held_after, 0)
            or (account_version is not null and head <> hash)
            or case when type in ('asset', 'expense') then posted_debits - posted_credits
                    else posted_credits - posted_debits end <> coalesce(balance_after, 0))) as wrong_accounts,
    (select count(*) from accounts where ledger_id = $1 and min_available is not null and not overdrawn
        and case when type in ('asset', 'expense') then posted_debits - posted_credits
                 else posted_credits - posted_debits end - held < min_available) as below_floor
"""


def kind_of(answer: object) -> type:
    """Whichever way it was posted."""
    return Posted if isinstance(answer, Posted) else type(answer)


async def assert_books_are_right(superuser: asyncpg.Connection[asyncpg.Record], ledger_id: UUID) -> None:
    """Debits equal credits, versions have no gaps, every stored balance is the sum of its postings."""
    row = await superuser.fetchrow(BOOKS_ARE_RIGHT, ledger_id)
    assert row is not None
    assert {name: int(value) for name, value in row.items()} == {
        "difference": 0,
        "gaps": 0,
        "wrong_running_balances": 0,
        "wrong_accounts": 0,
        "below_floor": 0,
    }


async def transactions_left_open(superuser: asyncpg.Connection[Any]) -> list[str]:
    """Those of this database that nobody goes on with. One look would see what is just between two statements."""
    idle = """
        select pid || ' ' || application_name || ' ' || state_change from pg_stat_activity
        where datname = current_database() and state like 'idle in transaction%'"""
    seen = {row[0] for row in await superuser.fetch(idle)}
    if seen:
        await asyncio.sleep(1.5)  # less than `idle_in_transaction_session_timeout`, which would hide them
    return sorted(seen.intersection(row[0] for row in await superuser.fetch(idle)))
