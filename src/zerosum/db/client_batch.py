"""What a batch reads and writes besides accounts and entries when clients are in it: their transactions, their locks.

All of a ledger's client transactions stand on one clearing account, whose row the batch has locked: so what is found
here stays true until it commits.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg

from zerosum.db.batch import BatchConnection
from zerosum.db.identifiers import new_uuid
from zerosum.domain.ledger.account import AccountState
from zerosum.domain.ledger.book import RecordKey
from zerosum.domain.ledger.outcome import Posted
from zerosum.domain.money import Currency, Money, render_amount
from zerosum.domain.payments.clients import ClientTransaction, ClientTransactionStatus, ClientTransactionType

FIND_CLIENT_TRANSACTIONS = """
select found.ledger_id, found.tx, found.client, found.type, found.status, found.currency, found.amount::text
from unnest($1::uuid[], $2::bigint[]) as wanted(ledger_id, tx)
join client_transactions found on found.ledger_id = wanted.ledger_id and found.tx = wanted.tx
"""

WRITE_CLIENT_TRANSACTIONS = """
insert into client_transactions (ledger_id, tx, client, type, status, currency, amount, entry_id)
select ledger_id, tx, client, type, status, currency, amount::numeric, entry_id
from unnest($1::uuid[], $2::bigint[], $3::int[], $4::text[], $5::text[], $6::text[], $7::text[], $8::uuid[])
    as made(ledger_id, tx, client, type, status, currency, amount, entry_id)
"""

CHANGE_CLIENT_TRANSACTIONS = """
update client_transactions found set status = changed.status
from unnest($1::uuid[], $2::bigint[], $3::text[]) as changed(ledger_id, tx, status)
where found.ledger_id = changed.ledger_id and found.tx = changed.tx
"""

FREEZE_ACCOUNTS = """
with frozen as (
    select * from unnest($2::uuid[], $3::uuid[], $4::uuid[]) as frozen(ledger_id, id, event_id)
), new_events as (
    insert into events (ledger_id, id, created_at, type, resource_type, resource_id)
    select ledger_id, event_id, $1, 'account.frozen', 'account', id from frozen
)
update accounts account set status = 'frozen'
from frozen where account.ledger_id = frozen.ledger_id and account.id = frozen.id
"""


Records = Mapping[RecordKey, ClientTransaction]


async def find_client_transactions(
    connection: BatchConnection, wanted: Collection[RecordKey]
) -> dict[RecordKey, ClientTransaction]:
    """Those that were carried out before."""
    rows = await connection.fetch(FIND_CLIENT_TRANSACTIONS, [ledger for ledger, _ in wanted], [tx for _, tx in wanted])
    return {(row[0], row[1]): _client_transaction(row) for row in rows}


async def write_client_transactions(
    connection: BatchConnection, before: Records, after: Records, posted: Sequence[Posted]
) -> None:
    """What has become of them: the new ones, each with the entry that carried it out, and the status of the others."""
    entries = {
        (outcome.resource.ledger_id, outcome.resource.tx): outcome.entry.id
        for outcome in posted
        if isinstance(outcome.resource, ClientTransaction)
        and outcome.resource.status is ClientTransactionStatus.CARRIED_OUT
    }
    made = [_row(transaction, entries[key]) for key, transaction in sorted(after.items()) if key not in before]
    if made:
        await connection.fetch(WRITE_CLIENT_TRANSACTIONS, *zip(*made, strict=True))
    changed = [record for key, record in after.items() if key in before and record is not before[key]]
    if changed:
        await connection.fetch(
            CHANGE_CLIENT_TRANSACTIONS,
            [transaction.ledger_id for transaction in changed],
            [transaction.tx for transaction in changed],
            [transaction.status.value for transaction in changed],
        )


async def freeze_accounts(connection: BatchConnection, accounts: Sequence[AccountState], posted_at: datetime) -> None:
    """Those that a chargeback has locked."""
    await connection.fetch(
        FREEZE_ACCOUNTS,
        posted_at,
        [account.ledger_id for account in accounts],
        [account.id for account in accounts],
        [new_uuid() for _ in accounts],
    )


def _client_transaction(row: asyncpg.Record) -> ClientTransaction:
    amount = Decimal(row[6])
    places = amount.as_tuple().exponent
    return ClientTransaction(
        ledger_id=row[0],
        tx=row[1],
        client=row[2],
        type=ClientTransactionType(row[3]),
        status=ClientTransactionStatus(row[4]),
        money=Money(amount, Currency(row[5], -int(places), "")),
    )


def _row(transaction: ClientTransaction, entry_id: UUID) -> tuple[Any, ...]:
    return (
        transaction.ledger_id,
        transaction.tx,
        transaction.client,
        transaction.type.value,
        transaction.status.value,
        transaction.money.currency.code,
        render_amount(transaction.money.amount),
        entry_id,
    )
