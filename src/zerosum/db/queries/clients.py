"""Reading clients and their transactions. What is written goes through the lane (`client_batch.py`)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Select, and_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from zerosum.db.batch import unlocked_loader
from zerosum.db.gently import gently
from zerosum.db.queries.accounts import account_of, begins_with, paged, select_accounts
from zerosum.db.queries.given_versions import read_versions, versions_given
from zerosum.db.queries.pages import within
from zerosum.db.schema.tables import accounts, client_transactions, journal_entries
from zerosum.domain.events import ResourceType
from zerosum.domain.identifiers import LedgerId
from zerosum.domain.ledger.account import Account
from zerosum.domain.ledger.records import Need, RecordKey
from zerosum.domain.payments.clients import (
    CLIENT_CODE_PATTERN,
    CLIENT_TRANSACTION,
    ClientCommandType,
    ClientTransactionStatus,
    ClientTransactionType,
    client_code,
)

_STATUSES = {
    ClientCommandType.DEPOSIT: ClientTransactionStatus.CARRIED_OUT,
    ClientCommandType.WITHDRAWAL: ClientTransactionStatus.CARRIED_OUT,
    ClientCommandType.DISPUTE: ClientTransactionStatus.DISPUTED,
    ClientCommandType.RESOLVE: ClientTransactionStatus.RESOLVED,
    ClientCommandType.CHARGEBACK: ClientTransactionStatus.CHARGED_BACK,
}
"""What an entry, known by its reason, made of its transaction."""

_CODES_BEGIN = client_code(0).removesuffix("0")


@dataclass(slots=True, kw_only=True)
class RecordedTransaction:
    """A client's transaction: as it is now, with the entry that carried it out; or as one command left it.

    `account_versions` are those the entry gave, known only for the answer to a command.
    """

    tx: int
    client: int
    type: ClientTransactionType
    amount: Decimal
    currency: str
    status: ClientTransactionStatus
    entry_id: UUID
    posted_at: datetime
    account_versions: Mapping[UUID, int] | None = None


async def find_transaction(connection: AsyncConnection, ledger_id: UUID, tx: int) -> RecordedTransaction | None:
    row = (await connection.execute(_select_now(ledger_id).where(client_transactions.c.tx == tx))).first()
    return None if row is None else _transaction(row)


@dataclass(frozen=True, slots=True, kw_only=True)
class TransactionFilter:
    """`effective_from` is inclusive, `effective_to` exclusive."""

    type: str | None = None
    status: str | None = None
    effective_from: datetime | None = None
    effective_to: datetime | None = None


async def list_transactions(
    connection: AsyncConnection,
    ledger_id: UUID,
    client: int,
    wanted: TransactionFilter,
    *,
    after: UUID | None,
    limit: int,
    is_ascending: bool,
) -> list[RecordedTransaction]:
    """A page by the entry's id, which is by time, out of one client's transactions."""
    statement = _select_now(ledger_id).where(client_transactions.c.client == client)
    if wanted.type is not None:
        statement = statement.where(client_transactions.c.type == wanted.type)
    if wanted.status is not None:
        statement = statement.where(client_transactions.c.status == wanted.status)
    statement = within(statement, journal_entries.c.effective_at, wanted.effective_from, wanted.effective_to)
    key = client_transactions.c.entry_id
    rows = await connection.execute(paged(statement, key, after, limit, is_ascending=is_ascending))
    return await gently(_transaction, rows)


async def find_answered(
    connection: AsyncConnection, ledger_id: UUID, entry_ids: Collection[UUID]
) -> dict[UUID, RecordedTransaction]:
    """Transactions as these entries left them: what their commands were answered."""
    versions = versions_given(ledger_id, journal_entries.c.id)
    entries = (
        await connection.execute(
            select(
                journal_entries.c.id,
                journal_entries.c.resource_id,
                journal_entries.c.reason,
                journal_entries.c.posted_at,
                versions.label("account_versions"),
            ).where(
                journal_entries.c.ledger_id == ledger_id,
                journal_entries.c.id.in_(entry_ids),
                journal_entries.c.resource_type == ResourceType.CLIENT_TRANSACTION.value,
            )
        )
    ).all()
    # In two steps, each by key: joined, the planner would read all transactions of the ledger.
    keys = {entry.id: RecordKey(LedgerId(ledger_id), CLIENT_TRANSACTION, entry.resource_id) for entry in entries}
    records = await unlocked_loader(connection).records({Need(key, is_locked=False) for key in keys.values()})
    found: dict[UUID, RecordedTransaction] = {}
    for entry in entries:
        record = records[keys[entry.id]]
        found[entry.id] = RecordedTransaction(
            tx=record.tx,
            client=record.client,
            type=record.type,
            amount=record.money.amount,
            currency=record.money.currency.code,
            status=_STATUSES[ClientCommandType(entry.reason)],
            entry_id=entry.id,
            posted_at=entry.posted_at,
            account_versions=read_versions(entry.account_versions),
        )
    return found


async def find_client_currency(connection: AsyncConnection, ledger_id: UUID) -> str | None:
    """The code of the currency of the first client the ledger has had: ids are by creation."""
    statement = select(accounts.c.currency).where(
        accounts.c.ledger_id == ledger_id, accounts.c.code.regexp_match(CLIENT_CODE_PATTERN)
    )
    found: str | None = (await connection.execute(statement.order_by(accounts.c.id).limit(1))).scalar()
    return found


async def list_clients(
    connection: AsyncConnection, ledger_id: UUID, *, after: UUID | None, limit: int, is_ascending: bool
) -> list[Account]:
    """A page of the accounts of clients, by id, which is by creation."""
    is_client = and_(begins_with(accounts.c.code, _CODES_BEGIN), accounts.c.code.regexp_match(CLIENT_CODE_PATTERN))
    statement = select_accounts(ledger_id).where(is_client)
    rows = await connection.execute(paged(statement, accounts.c.id, after, limit, is_ascending=is_ascending))
    return await gently(account_of, rows)


def _select_now(ledger_id: UUID) -> Select[Any]:
    return (
        select(client_transactions, journal_entries.c.posted_at)
        .join(
            journal_entries,
            and_(
                journal_entries.c.ledger_id == client_transactions.c.ledger_id,
                journal_entries.c.id == client_transactions.c.entry_id,
            ),
        )
        .where(client_transactions.c.ledger_id == ledger_id)
    )


def _transaction(row: Row[Any]) -> RecordedTransaction:
    return RecordedTransaction(
        tx=row.tx,
        client=row.client,
        type=ClientTransactionType(row.type),
        amount=row.amount,
        currency=row.currency,
        status=ClientTransactionStatus(row.status),
        entry_id=row.entry_id,
        posted_at=row.posted_at,
    )
