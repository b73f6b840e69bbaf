"""Whom a payment or a hold is between: it never changes once it `is_final`, so whoever has read it then knows it."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from functools import cache
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Select, Table, and_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from zerosum.db.engine import Database
from zerosum.db.schema.tables import accounts, holds, payments, processor_calls, reviews, scheduled_payments


class Parties(NamedTuple):
    payer_id: UUID
    payer_code: str
    payee_id: UUID
    payee_code: str
    currency: str
    payment_id: UUID | None = None
    """Of a dispute: the payment that is questioned; of a processor call for a refund, the one that is given back."""
    receivers: tuple[tuple[UUID, str], ...] = ()
    """Of a payment that goes to several, and of its calls: the accounts of its splits in their order, with codes."""
    processor: str | None = None
    """Of a payment: who has carried it out."""
    is_final: bool = True
    """Of a payment that a processor may still leave to another one, and of its call: not yet."""


def parties_of(found: Any) -> Parties:
    """Out of a row, or of a payment or hold as it is shown."""
    return Parties(found.payer_id, found.payer_code, found.payee_id, found.payee_code, found.currency)


def shown_with_codes(table: Table, ledger_id: UUID) -> Select[Any]:
    """Of a table with `payer_id` and `payee_id`: what is in a ledger, and the codes of both."""
    columns, payer, payee = table.c, accounts.alias("payer"), accounts.alias("payee")
    return (
        select(table, payer.c.code.label("payer_code"), payee.c.code.label("payee_code"))
        .join(payer, and_(payer.c.ledger_id == columns.ledger_id, payer.c.id == columns.payer_id))
        .join(payee, and_(payee.c.ledger_id == columns.ledger_id, payee.c.id == columns.payee_id))
        .where(columns.ledger_id == ledger_id)
    )


_RECEIVERS = """(
            select jsonb_agg(jsonb_build_array(split.account_id, receiver.code) order by split.place)::text
            from payment_splits split
            cross join lateral (
                select code from accounts where ledger_id = $1 and id = split.account_id limit 1
            ) as receiver
            where split.ledger_id = $1 and split.payment_id = {payment_id}
        )"""


async def parties_of_schedules(
    connection: AsyncConnection, ledger_id: UUID, ids: Collection[UUID]
) -> dict[UUID, Parties]:
    return await _find(connection, scheduled_payments, ledger_id, ids)


async def parties_of_calls(connection: AsyncConnection, ledger_id: UUID, ids: Collection[UUID]) -> dict[UUID, Parties]:
    return await _find(connection, processor_calls, ledger_id, ids)


async def parties_of_reviews(
    connection: AsyncConnection, ledger_id: UUID, ids: Collection[UUID]
) -> dict[UUID, Parties]:
    return await _find(connection, reviews, ledger_id, ids)


async def parties_of_payments(
    connection: AsyncConnection, ledger_id: UUID, ids: Collection[UUID]
) -> dict[UUID, Parties]:
    return await _find(connection, payments, ledger_id, ids)


async def glance_at_holds(database: Database, ledger_id: UUID, ids: Collection[UUID]) -> dict[UUID, Parties]:
    """In a unit of work of its own, which is mostly a single round trip."""
    return await _glance(database, holds, ledger_id, ids)


async def glance_at_payments(database: Database, ledger_id: UUID, ids: Collection[UUID]) -> dict[UUID, Parties]:
    return await _glance(database, payments, ledger_id, ids)


async def _glance(database: Database, table: Table, ledger_id: UUID, ids: Collection[UUID]) -> dict[UUID, Parties]:
    rows = await database.glance(_statement(table, opens_ledger=True), ledger_id, list(ids))
    if rows is not None:
        return _read(rows)
    async with database.work(ledger_id) as connection:
        return await _find(connection, table, ledger_id, ids)


async def _find(
    connection: AsyncConnection, table: Table, ledger_id: UUID, ids: Collection[UUID]
) -> dict[UUID, Parties]:
    rows = await connection.exec_driver_sql(_statement(table), (ledger_id, list(ids)))
    return _read(rows)


def _read(rows: Iterable[Any]) -> dict[UUID, Parties]:
    return {
        row[0]: Parties(
            payer_id=row[1],
            payer_code=row[2],
            payee_id=row[3],
            payee_code=row[4],
            currency=row[5],
            payment_id=row[6],
            receivers=tuple((UUID(id_), code) for id_, code in json.loads(row[7] or "[]")),
            processor=row[8],
            is_final=row[9],
        )
        for row in rows
    }


_WANTED = "from unnest($2::uuid[]) as wanted(id)"
_OPENED_AND_WANTED = """
        from (select set_config('zerosum.ledgers', '{' || $1::uuid || '}', true) as ledgers offset 0) as opened
        cross join lateral unnest(case when opened.ledgers is not null then $2::uuid[] end) as wanted(id)"""
"""What is wanted stands on the ledger's being opened, so that no plan looks before."""


@cache
def _statement(table: Table, *, opens_ledger: bool = False) -> str:
    """Row by row, each by its key.

    The limits keep the planner from joining in another order: while it has no statistics of young tables, it would go
    through all holds of a ledger for each account that there is.
    """
    # Those of the payment, or of the one that is given back.
    paid = {payments: "found.id", processor_calls: "coalesce(found.refunded_payment_id, found.id)"}
    receivers = _RECEIVERS.format(payment_id=paid[table]) if table in paid else "null"
    processor = "processor" if table is payments else "null::text as processor"
    # Until a processor has said what became of it, it may be moved to another one, at another account.
    ends = {payments: "status <> 'processing'", processor_calls: "entry_id is not null"}
    is_final = f"{ends.get(table, 'true')} as is_final"
    refunded = "refunded_payment_id" if table is processor_calls else "null::uuid as refunded_payment_id"
    return f"""
        select found.id, found.payer_id, payer.code, found.payee_id, payee.code, found.currency,
               found.refunded_payment_id, {receivers}, found.processor, found.is_final
        {_OPENED_AND_WANTED if opens_ledger else _WANTED}
        cross join lateral (
            select id, payer_id, payee_id, currency, {processor}, {refunded}, {is_final} from {table.name}
            where ledger_id = $1 and id = wanted.id limit 1
        ) as found
        cross join lateral (
            select code from accounts where ledger_id = $1 and id = found.payer_id limit 1
        ) as payer
        cross join lateral (
            select code from accounts where ledger_id = $1 and id = found.payee_id limit 1
        ) as payee
    """  # noqa: S608 - made of constants only
