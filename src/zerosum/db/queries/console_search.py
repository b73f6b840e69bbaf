"""What the outside calls things by: each is looked up by an index of its own, as a whole, the newest first."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from zerosum.db.queries.pages import look_up_by_key

_CALLS = text("""
select id, processor, amount, currency, state, refunded_payment_id from processor_calls
where ledger_id = :ledger_id and processor_payment_id = :name order by id desc limit :limit
""")
_DISPUTES = text(
    "select id, status from disputes where ledger_id = :ledger_id and provider_case_id = :name limit :limit"
)
_SCHEDULES = text("""
select id, amount, currency, status from scheduled_payments
where ledger_id = :ledger_id and reference = :name order by id desc limit :limit
""")
_IMPORTS = text("select created_at from imports where ledger_id = :ledger_id and name = :name limit :limit")


class OutsideNames(NamedTuple):
    """What is called by one name: by a processor, by a provider of cases, by whoever has scheduled it, by a file."""

    calls: Sequence[Any]
    disputes: Sequence[Any]
    schedules: Sequence[Any]
    imported_at: datetime | None


async def called(connection: AsyncConnection, ledger_id: UUID, name: str, limit: int) -> OutsideNames:
    await look_up_by_key(connection)
    given = {"ledger_id": ledger_id, "name": name, "limit": limit}

    async def rows(statement: Any) -> Sequence[Any]:
        return (await connection.execute(statement, given)).all()

    imports = await rows(_IMPORTS)
    return OutsideNames(
        await rows(_CALLS), await rows(_DISPUTES), await rows(_SCHEDULES), imports[0].created_at if imports else None
    )
