"""Whom a payment or a hold is between: it never changes, so whoever has read it once knows it."""

from __future__ import annotations

import json
from collections.abc import Collection
from functools import cache
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Select, Table, and_, select
from sqlalchemy.ext.asyncio import AsyncConnection

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
    """Of a payment that goes to several: the accounts of its splits, in their order, each with its code."""
    processor: str | None = None
    """Of a payment: who has carried it out."""


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
            where split.ledger_id = $1 and split.payment_id = found.id
        )"""


async def parties_of_holds(connection: AsyncConnection, ledger_id: UUID, ids: Collection[UUID]) -> dict[UUID, Parties]:
    return await _find(connection, holds, ledger_id, ids)


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


async def _find(
    connection: AsyncConnection,
    table: Table,
    ledger_id: UUID,
    ids: Collection[UUID],
) -> dict[UUID, Parties]:
    rows = await connection.exec_driver_sql(_statement(table), (ledger_id, list(ids)))
    return {
        row.id: parties_of(row)._replace(
            receivers=tuple((UUID(id_), code) for id_, code in json.loads(row.receivers or "[]")),
            payment_id=row.refunded_payment_id,
            processor=row.processor,
        )
        for row in rows
    }


@cache
def _statement(table: Table) -> str:
    """Row by row, each by its key.

    The limits keep the planner from joining in another order: while it has no statistics of young tables, it would go
    through all holds of a ledger for each account that there is.
    """
    receivers = _RECEIVERS if table is payments else "null"
    processor = "processor" if table is payments else "null::text as processor"
    refunded = "refunded_payment_id" if table is processor_calls else "null::uuid as refunded_payment_id"
    return f"""
        select found.*, payer.code as payer_code, payee.code as payee_code, {receivers} as receivers
        from unnest($2::uuid[]) as wanted(id)
        cross join lateral (
            select id, payer_id, payee_id, currency, {processor}, {refunded} from {table.name}
            where ledger_id = $1 and id = wanted.id limit 1
        ) as found
        cross join lateral (
            select code from accounts where ledger_id = $1 and id = found.payer_id limit 1
        ) as payer
        cross join lateral (
            select code from accounts where ledger_id = $1 and id = found.payee_id limit 1
        ) as payee
    """  # noqa: S608 - made of constants only
