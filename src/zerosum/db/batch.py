"""The statements by which a batch of commands is locked, looked up and written: a fixed number, however large it is.

They speak asyncpg directly: this is the one hot path, and an ORM or a query builder would cost more here than the
database does. Everything is set-wise (`unnest` of arrays; COPY is refused under row-level security). Amounts travel as
text, which beats the Decimal codec.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import count
from typing import Any, Self
from uuid import UUID

import asyncpg

from zerosum.db.database_url import DatabaseUrl
from zerosum.db.errors import CommitOutcomeUnknown, CommitRefused, FailureKind, classify
from zerosum.db.sessions import LIMITS, open_kept_session
from zerosum.domain.ledger.account import AccountState, AccountStatus, Layer, Side
from zerosum.domain.ledger.entry import PostedEntry, PostedPosting
from zerosum.domain.ledger.outcome import Posted
from zerosum.domain.money import render_amount
from zerosum.domain.payments.payment import Payment

# A batch always finds its rows by key. The planner is not to think otherwise, whatever the statistics of a young table
# say; and a generic plan is kept, so that a batch of one does not pay for planning.
LANE_SETTINGS = {
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "enable_material": "off",
    "enable_memoize": "off",
    "plan_cache_mode": "force_generic_plan",
    "jit": "off",
    "statement_timeout": "10s",
    **LIMITS,
    # Longer than a batch of another process takes. Whose accounts or keys cannot be had by then is tried apart.
    "lock_timeout": "1s",
}

LOCK_TIMEOUT_APART = "20ms"

LOCK_ACCOUNTS = """
select account.ledger_id, account.id, currency, type, status, min_available::text, max_available::text,
       posted_debits::text, posted_credits::text, held::text, version, head, overdrawn
from unnest($1::uuid[], $2::uuid[]) as wanted(ledger_id, id)
join accounts account on account.ledger_id = wanted.ledger_id and account.id = wanted.id
order by account.id
for no key update of account
"""
LOCK_FREE_ACCOUNTS = LOCK_ACCOUNTS + "skip locked"

FIND_VERSIONS = """
select account.ledger_id, account.id, account.version
from unnest($1::uuid[], $2::uuid[]) as wanted(ledger_id, id)
join accounts account on account.ledger_id = wanted.ledger_id and account.id = wanted.id
"""

FIND_USED_KEYS = """
select wanted.place
from unnest($1::uuid[], $2::text[]) with ordinality as wanted(ledger_id, idempotency_key, place)
where (select true from journal_entries entry
       where entry.ledger_id = wanted.ledger_id and entry.idempotency_key = wanted.idempotency_key)
   or (select true from refusals refusal
       where refusal.ledger_id = wanted.ledger_id and refusal.idempotency_key = wanted.idempotency_key)
"""

# Run only for keys that were found, which is rare. A posted entry wins over a refusal that raced it.
DESCRIBE_USED_KEYS = """
select wanted.place, entry.fingerprint, entry.id, entry.resource_type, null as problem, entry.posted_at
from unnest($1::uuid[], $2::text[]) with ordinality as wanted(ledger_id, idempotency_key, place)
join journal_entries entry using (ledger_id, idempotency_key)
union all
select wanted.place, refusal.fingerprint, null, null, refusal.problem::text, refusal.created_at
from unnest($1::uuid[], $2::text[]) with ordinality as wanted(ledger_id, idempotency_key, place)
join refusals refusal using (ledger_id, idempotency_key)
order by problem nulls last
"""

FIND_REVERSED = """
select entry.reverses, entry.id
from unnest($1::uuid[], $2::uuid[]) as wanted(ledger_id, id)
join journal_entries entry on entry.ledger_id = wanted.ledger_id and entry.reverses = wanted.id
"""

# What the columns of each record set are called and which type they have, in the order in which they are sent.
ENTRY_COLUMNS = {
    "ledger_id": "uuid",
    "id": "uuid",
    "effective_at": "timestamptz",
    "idempotency_key": "text",
    "fingerprint": "bytea",
    "resource_type": "text",
    "resource_id": "text",
    "reason": "text",
    "actor": "text",
    "reverses": "uuid",
    "metadata": "jsonb",
    "event_type": "text",
}
POSTING_COLUMNS = {
    "ledger_id": "uuid",
    "account_id": "uuid",
    "account_version": "bigint",
    "entry_id": "uuid",
    "effective_at": "timestamptz",
    "place": "smallint",
    "is_debit": "bool",
    "is_pending": "bool",
    "releases": "bool",
    "currency": "text",
    "amount": "text",
    "balance_after": "text",
    "held_after": "text",
    "hash": "bytea",
}
PAYMENT_COLUMNS = {
    "ledger_id": "uuid",
    "id": "uuid",
    "type": "text",
    "status": "text",
    "currency": "text",
    "amount": "text",
    "payer_id": "uuid",
    "payee_id": "uuid",
    "processor": "text",
    "reference": "text",
    "description": "text",
}


def _write_statement() -> str:
    """Everything a batch writes, in one statement; balances follow (`guards.py`). `$1` is the moment of posting."""
    numbers = count(2)

    def rows(name: str, columns: Mapping[str, str]) -> str:
        arrays = ", ".join(f"${next(numbers)}::{kind}[]" for kind in columns.values())
        return f"unnest({arrays}) as {name}({', '.join(columns)})"

    return f"""
        with entry as (
            select * from {rows("entry", ENTRY_COLUMNS)}
        ), new_entries as (
            insert into journal_entries (ledger_id, id, effective_at, posted_at, idempotency_key, fingerprint,
                                         resource_type, resource_id, reason, actor, reverses, metadata)
            select ledger_id, id, coalesce(effective_at, $1), $1, idempotency_key, fingerprint,
                   resource_type, resource_id, reason, actor, reverses, metadata
            from entry
        ), new_events as (
            insert into events (ledger_id, id, created_at, type, resource_type)
            select ledger_id, id, $1, event_type, resource_type from entry
        ), new_postings as (
            insert into postings (ledger_id, account_id, account_version, entry_id, effective_at, posted_at, place,
                                  side, layer, releases, currency, amount, balance_after, held_after, hash)
            select ledger_id, account_id, account_version, entry_id, coalesce(effective_at, $1), $1, place,
                   case when is_debit then 'd' else 'c' end::"char", case when is_pending then 'h' else 'p' end::"char",
                   releases, currency, amount::numeric, balance_after::numeric, held_after::numeric, hash
            from {rows("posting", POSTING_COLUMNS)}
        )
        insert into payments (ledger_id, id, type, status, currency, amount, payer_id, payee_id, processor,
                              reference, description)
        select ledger_id, id, type, status, currency, amount::numeric, payer_id, payee_id, processor,
               reference, description
        from {rows("payment", PAYMENT_COLUMNS)}
    """  # noqa: S608 - made of constants only


WRITE = _write_statement()

LET_OVERDRAW = """
update accounts account set overdrawn = true
from unnest($1::uuid[], $2::uuid[]) as taken(ledger_id, id)
where account.ledger_id = taken.ledger_id and account.id = taken.id
"""

WRITE_REFUSALS = """
insert into refusals (ledger_id, idempotency_key, fingerprint, problem, created_at)
select ledger_id, idempotency_key, fingerprint, problem, $1
from unnest($2::uuid[], $3::text[], $4::bytea[], $5::jsonb[])
    as refusal(ledger_id, idempotency_key, fingerprint, problem)
"""


Key = tuple[UUID, str]
"""A ledger and an idempotency key of its own."""

AccountKey = tuple[UUID, UUID]
"""A ledger and an account of its own."""


@dataclass(frozen=True, slots=True)
class UsedKey:
    """What became of a key: the entry posted under it, or the problem with which it was refused."""

    fingerprint: bytes
    entry_id: UUID | None
    resource_type: str | None
    problem: dict[str, Any] | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class RefusalRow:
    """A definite refusal, to be kept under its key for ever."""

    ledger_id: UUID
    idempotency_key: str
    fingerprint: bytes
    problem: dict[str, Any]


class BatchConnection:
    """One lane's own connection. Not shared, never pooled; thrown away after any error."""

    def __init__(self, connection: asyncpg.Connection[asyncpg.Record]) -> None:
        self._connection = connection
        self._prepared: dict[str, asyncpg.prepared_stmt.PreparedStatement[asyncpg.Record]] = {}
        self._batches = 0
        self._has_lost_standby = False
        connection.add_log_listener(self._listen)

    def _listen(self, _: object, message: asyncpg.PostgresLogMessage) -> None:
        # PostgreSQL reports a COMMIT whose wait for its standby was cancelled as a success with this warning. The
        # payment may vanish at a fail-over, so it must not be acknowledged.
        if message.sqlstate == "01000" and "synchronous replication" in (message.message or ""):
            self._has_lost_standby = True

    @classmethod
    async def open(cls, url: str, connect_seconds_max: float) -> Self:
        """Raises SessionNotKept behind a pooler that would forget statements, and what connecting raises."""
        return cls(
            await open_kept_session(
                DatabaseUrl.parse(url),
                LANE_SETTINGS,
                seconds_max=connect_seconds_max,
                application_name="zerosum lane",
            )
        )

    async def begin(self, ledger_ids: Iterable[UUID], *, is_impatient: bool = False) -> None:
        """Open a transaction that sees exactly these ledgers. The settings die with the transaction."""
        self._batches += 1
        if self._batches.bit_count() == 1:
            # Plans made while the tables were still empty are thrown away as they grow: after batch 1, 2, 4, 8…
            await self._connection.execute("discard plans")
        ledgers = ",".join(map(str, ledger_ids))  # UUIDs only: nothing to escape
        limit = f", set_config('lock_timeout', '{LOCK_TIMEOUT_APART}', true)" if is_impatient else ""
        await self._connection.execute(f"begin; select set_config('zerosum.ledgers', '{{{ledgers}}}', true){limit}")

    async def lock_accounts(self, wanted: Collection[AccountKey], *, skip_locked: bool = False) -> list[AccountState]:
        """Lock the rows, in the order of their ids so that no two batches can deadlock.

        Unknown accounts are left out, and with `skip_locked` those that another transaction holds.
        """
        statement = LOCK_FREE_ACCOUNTS if skip_locked else LOCK_ACCOUNTS
        rows = await self.fetch(statement, [ledger for ledger, _ in wanted], [account for _, account in wanted])
        return [_account_state(row) for row in rows]

    async def find_versions(self, wanted: Collection[AccountKey]) -> dict[AccountKey, int]:
        """Of those that there are, locked or not."""
        rows = await self.fetch(FIND_VERSIONS, [ledger for ledger, _ in wanted], [account for _, account in wanted])
        return {(row[0], row[1]): row[2] for row in rows}

    async def find_used_keys(self, wanted: Sequence[Key]) -> dict[Key, UsedKey]:
        """Which of the keys were used before, and for what. Called with the locks held, so the answer stays true."""
        arguments = [ledger for ledger, _ in wanted], [key for _, key in wanted]
        if not await self.fetch(FIND_USED_KEYS, *arguments):
            return {}
        rows = await self.fetch(DESCRIBE_USED_KEYS, *arguments)
        return {wanted[row[0] - 1]: used_key(row) for row in rows}

    async def find_reversed(self, wanted: Sequence[tuple[UUID, UUID]]) -> dict[UUID, UUID]:
        """Which of these entries of these ledgers were reversed, and by which. Called with the locks held."""
        rows = await self.fetch(FIND_REVERSED, [ledger for ledger, _ in wanted], [entry for _, entry in wanted])
        return {row[0]: row[1] for row in rows}

    async def write(self, outcomes: Sequence[Posted], overdrawn: Sequence[AccountState], posted_at: datetime) -> None:
        """Entries, postings, payments and events in one statement. `outcomes` are sorted by key.

        `overdrawn` are the accounts that one of them takes below their floor by right.
        """
        if overdrawn:
            arguments = [account.ledger_id for account in overdrawn], [account.id for account in overdrawn]
            await self.fetch(LET_OVERDRAW, *arguments)
        await self.fetch(WRITE, posted_at, *_columns(outcomes))

    async def write_refusals(self, refusals: Sequence[RefusalRow], posted_at: datetime) -> None:
        await self.fetch(
            WRITE_REFUSALS,
            posted_at,
            [refusal.ledger_id for refusal in refusals],
            [refusal.idempotency_key for refusal in refusals],
            [refusal.fingerprint for refusal in refusals],
            [json.dumps(refusal.problem) for refusal in refusals],
        )

    async def commit(self, seconds_max: float) -> None:
        """Commit, and never cancel it: a cancelled COMMIT may still happen.

        Raises CommitOutcomeUnknown when the reply does not come. Other errors mean that it was refused. So does
        CommitRefused: PostgreSQL answers the COMMIT of a transaction that has failed with ROLLBACK, without an error.
        """
        sent = asyncio.ensure_future(self._connection.execute("commit"))
        await asyncio.wait({sent}, timeout=seconds_max)
        if not sent.done():
            self.terminate()
        try:
            tag = await sent
        except Exception as error:
            if classify(error) is FailureKind.CONNECTION:
                raise CommitOutcomeUnknown from error
            raise
        if tag != "COMMIT":
            raise CommitRefused(f"the COMMIT was answered with {tag}")
        if self._has_lost_standby:
            raise CommitOutcomeUnknown("the wait for the synchronous standby was cancelled")

    async def rollback(self) -> None:
        await self._connection.execute("rollback")

    @property
    def is_closed(self) -> bool:
        return self._connection.is_closed()

    def terminate(self) -> None:
        """Drop the connection at once, whatever it is doing."""
        self._connection.terminate()

    async def close(self) -> None:
        await self._connection.close()

    async def fetch(self, statement: str, *arguments: Any) -> list[asyncpg.Record]:
        prepared = self._prepared.get(statement)
        if prepared is None:
            prepared = self._prepared[statement] = await self._connection.prepare(statement)
        return await prepared.fetch(*arguments)


def used_key(row: asyncpg.Record) -> UsedKey:
    return UsedKey(
        fingerprint=row[1],
        entry_id=row[2],
        resource_type=row[3],
        problem=None if row[4] is None else json.loads(row[4]),
        created_at=row[5],
    )


_NORMAL_SIDES = {
    "asset": Side.DEBIT,
    "expense": Side.DEBIT,
    "liability": Side.CREDIT,
    "equity": Side.CREDIT,
    "revenue": Side.CREDIT,
}
_STATUSES = {status.value: status for status in AccountStatus}


def _account_state(row: asyncpg.Record) -> AccountState:
    floor, ceiling = row[5], row[6]
    return AccountState(
        ledger_id=row[0],
        id=row[1],
        currency=row[2],
        normal_side=_NORMAL_SIDES[row[3]],
        status=_STATUSES[row[4]],
        min_available=None if floor is None else Decimal(floor),
        max_available=None if ceiling is None else Decimal(ceiling),
        posted_debits=Decimal(row[7]),
        posted_credits=Decimal(row[8]),
        held=Decimal(row[9]),
        version=row[10],
        head=row[11],
        overdrawn=row[12],
    )


def _columns(outcomes: Sequence[Posted]) -> list[Sequence[Any]]:
    """The arguments of WRITE after the first, column by column."""
    payments = [outcome.resource for outcome in outcomes if isinstance(outcome.resource, Payment)]
    return [
        *_transposed([_entry_row(outcome) for outcome in outcomes], ENTRY_COLUMNS),
        *_transposed(
            [_posting_row(outcome.entry, line) for outcome in outcomes for line in outcome.entry.postings],
            POSTING_COLUMNS,
        ),
        *_transposed([_payment_row(payment) for payment in payments], PAYMENT_COLUMNS),
    ]


def _transposed(rows: Sequence[tuple[Any, ...]], columns: Mapping[str, str]) -> list[tuple[Any, ...]]:
    return list(zip(*rows, strict=True)) if rows else [()] * len(columns)


def _entry_row(outcome: Posted) -> tuple[Any, ...]:
    entry = outcome.entry
    return (
        entry.ledger_id,
        entry.id,
        entry.entry.effective_at,
        entry.idempotency_key,
        entry.fingerprint,
        entry.resource_type,
        entry.resource_id,
        entry.entry.reason,
        entry.actor,
        entry.entry.reverses,
        json.dumps(dict(entry.metadata)) if entry.metadata else None,
        outcome.event,
    )


def _posting_row(entry: PostedEntry, line: PostedPosting) -> tuple[Any, ...]:
    posting = line.posting
    return (
        entry.ledger_id,
        posting.account_id,
        line.account_version,
        entry.id,
        entry.entry.effective_at,
        line.place,
        posting.side is Side.DEBIT,
        posting.layer is Layer.PENDING,
        posting.releases,
        posting.money.currency.code,
        render_amount(posting.money.amount),
        render_amount(line.balance_after),
        render_amount(line.held_after),
        line.hash,
    )


def _payment_row(payment: Payment) -> tuple[Any, ...]:
    return (
        payment.ledger_id,
        payment.id,
        payment.type,
        payment.status,
        payment.money.currency.code,
        render_amount(payment.money.amount),
        payment.payer_id,
        payment.payee_id,
        payment.processor,
        payment.reference,
        payment.description,
    )
