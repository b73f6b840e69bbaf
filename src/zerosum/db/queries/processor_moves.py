"""Moves of payments from one processor to the next: which ones there were, and what may be moved now."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import and_, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from zerosum.db.queries.processor_calls import ClaimedCall
from zerosum.db.schema.tables import accounts, processor_call_moves
from zerosum.domain.payments.processor_calls import MoveReason


class RecordedMove(NamedTuple):
    """A processor that a payment has left: how far the call had come there, and why it went on."""

    id: UUID
    """Of the entry that moved it."""
    payment_id: UUID
    number: int
    processor: str
    to_processor: str
    why: MoveReason
    told: str | None
    attempts: int
    sent_at: datetime | None
    processor_payment_id: str | None
    moved_at: datetime


async def moves_of(connection: AsyncConnection, ledger_id: UUID, payment_id: UUID) -> list[RecordedMove]:
    """Of one payment, the oldest first: never more than its route has processors."""
    moves = processor_call_moves.c
    statement = (
        select(*[moves[name] for name in RecordedMove._fields])
        .where(moves.ledger_id == ledger_id, moves.payment_id == payment_id)
        .order_by(moves.number)
    )
    found = [RecordedMove(*row) for row in await connection.execute(statement)]
    return [move._replace(why=MoveReason(move.why)) for move in found]


_FIRST_DUE, _FIRST_ID = datetime(1970, 1, 1, tzinfo=UTC), UUID(int=0)
"""Before all that is due."""

_UNSENT = text("""
select ledger_id, id, type, currency, amount, payer_id, payee_id, attempts, refunded_payment_id, number, routing,
       sent_at, next_at
from processor_calls
where processor = :processor and next_at <= :now and state = 'proposed' and attempts = 0
  and (next_at, ledger_id, id) > (cast(:due_at as timestamptz), cast(:after_ledger as uuid), cast(:after_id as uuid))
  and jsonb_array_length(coalesce(routing -> 'next', '[]')) > 0
order by next_at, ledger_id, id limit :limit
""")


async def unsent_calls(
    connection: AsyncConnection, processor: str, now: datetime, limit: int, after: ClaimedCall | None = None
) -> list[ClaimedCall]:
    """Those of all ledgers that nobody has asked it for, and whose route leads on. For an operator's unit of work.

    The longest due first; `after` is the last one of the page before, and `lapses_at` of each when it fell due.
    """
    place = (_FIRST_DUE, _FIRST_ID, _FIRST_ID) if after is None else (after.lapses_at, after.ledger_id, after.id)
    given = {
        "processor": processor,
        "now": now,
        "limit": limit,
        **dict(zip(("due_at", "after_ledger", "after_id"), place, strict=True)),
    }
    return [ClaimedCall(*row) for row in await connection.execute(_UNSENT, given)]


_PARK = text("""
update processor_calls set state = 'parked', next_at = null, last_error = :error
where ledger_id = :ledger_id and id = :id and state in ('proposed', 'unknown')
""")


async def park_call(connection: AsyncConnection, ledger_id: UUID, id_: UUID, error: str) -> bool:
    """Whether it waits for a person now. One that somebody is asking for is left to whoever does."""
    given = {"error": error, "ledger_id": ledger_id, "id": id_}
    return bool((await connection.execute(_PARK, given)).rowcount)


_LEFT_AND_DONE = text("""
select told.processor from processor_callbacks told
where told.ledger_id = :ledger_id and told.payment_id = :id and told.effect = 'contradicts'
  and told.processor = any(array(
      select moved.processor from processor_call_moves moved
      where moved.ledger_id = :ledger_id and moved.payment_id = :id))
order by told.received_at limit 1
""")


async def left_and_done(connection: AsyncConnection, ledger_id: UUID, id_: UUID) -> str | None:
    """The processor that has told, after the payment was moved away from it, that it was carried out or is disputed."""
    row = (await connection.execute(_LEFT_AND_DONE, {"ledger_id": ledger_id, "id": id_})).first()
    return None if row is None else str(row.processor)


_HAS_TOLD = text("""
select exists (
    select from processor_callbacks told
    where told.ledger_id = :ledger_id and told.payment_id = :id and told.processor = :processor
      and told.told = 'pending'
)
""")


async def has_told_of(connection: AsyncConnection, ledger_id: UUID, id_: UUID, processor: str) -> bool:
    """Whether this processor has said that it has the payment."""
    given = {"ledger_id": ledger_id, "id": id_, "processor": processor}
    return bool((await connection.execute(_HAS_TOLD, given)).scalar_one())


_HURRY = text("""
update processor_calls set next_at = :now
where ledger_id = :ledger_id and id = :id and state in ('proposed', 'unknown') and next_at > :now
""")


async def hurry_call(connection: AsyncConnection, ledger_id: UUID, id_: UUID, now: datetime) -> None:
    """It is looked up at the next turn."""
    await connection.execute(_HURRY, {"ledger_id": ledger_id, "id": id_, "now": now})


async def begun_elsewhere(
    connection: AsyncConnection, ledger_id: UUID, payment_ids: Collection[UUID]
) -> dict[UUID, dict[str, Any]]:
    """Of those that were moved: through whom, and so between whom, they were made."""
    moves, payer, payee = processor_call_moves.c, accounts.alias("payer"), accounts.alias("payee")
    statement = (
        select(moves.payment_id, moves.processor, moves.payer_id, payer.c.code, moves.payee_id, payee.c.code)
        .join(payer, and_(payer.c.ledger_id == moves.ledger_id, payer.c.id == moves.payer_id))
        .join(payee, and_(payee.c.ledger_id == moves.ledger_id, payee.c.id == moves.payee_id))
        .where(moves.ledger_id == ledger_id, moves.payment_id.in_(payment_ids), moves.number == 1)
    )
    members = ("processor", "payer_id", "payer_code", "payee_id", "payee_code")
    return {row[0]: dict(zip(members, row[1:], strict=True)) for row in await connection.execute(statement)}
