"""Processor calls: whoever makes them claims those that are due, and tells how it went; and people read them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Row, Select, and_, func, select, text
from sqlalchemy.dialects.postgresql import aggregate_order_by, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from zerosum.db.queries.pages import in_order, look_up_by_key, page_by
from zerosum.db.schema.tables import payment_splits, processor_callbacks, processor_calls
from zerosum.domain.payments.payment import PaymentTexts, PaymentType
from zerosum.domain.payments.processor_calls import SETTLED, CallState


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedCall:
    """A processor call as it is now."""

    ledger_id: UUID
    id: UUID
    processor: str
    type: PaymentType
    currency: str
    amount: Decimal
    payer_id: UUID
    payee_id: UUID
    state: CallState
    created_at: datetime
    next_at: datetime | None
    attempts: int
    sent_at: datetime | None
    last_error: str | None
    processor_payment_id: str | None
    reason: str | None
    approved: Decimal | None
    entry_id: UUID | None
    settled_at: datetime | None
    route: str | None
    refunded_payment_id: UUID | None = None
    """Of a call for a refund: the payment that is given back."""
    routing: Mapping[str, Any] | None = None
    number: int = 1
    effective_at: datetime | None = None
    """What its entries are dated to. None: each to when it is posted."""
    parts: Sequence[str] | None = None
    """Of one for a refund of what went to several: what each of them is to give back."""
    receivers: Sequence[UUID] = ()
    """Where it is looked up alone: those of the splits of its payment, in their order."""


class RecordedCallback(NamedTuple):
    """What the processor has told by itself, and what that did."""

    event_id: str
    told: str
    effect: str
    received_at: datetime


NOT_IN_FILE = "the processor is not in the file: nobody asks it"
"""The last error of a call that waits for one."""

UNKNOWN_SHOWN_MAX = 100
"""Processors that are not in the file."""

CALLBACKS_SHOWN_MAX = 100
"""Of one payment, the newest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallFilter:
    state: str | None = None
    processor: str | None = None


class ClaimedCall(NamedTuple):
    """One that its claimer may make until the claim lapses. `attempts` tells this claim from those before and after."""

    ledger_id: UUID
    id: UUID
    type: PaymentType
    currency: str
    amount: Decimal
    payer_id: UUID
    payee_id: UUID
    attempts: int
    refunded_payment_id: UUID | None
    number: int = 1
    routing: Mapping[str, Any] | None = None
    sent_at: datetime | None = None
    """When it was sent last, as far as that is known: where its sender has died or stands still, not behind this, which
    is when his claim has lapsed."""
    lapses_at: datetime | None = None
    """From when on others may claim it."""
    processor_payment_id: str | None = None


_CLAIM = text("""
with due as (
    select ledger_id, id from processor_calls
    where processor = :processor and next_at <= :now
    order by next_at, ledger_id, id limit :limit for update skip locked
), claimed as (
    update processor_calls call
    set state = 'sent', next_at = :until, attempts = call.attempts + 1,
        sent_at = case when call.state = 'sent' then greatest(call.sent_at, call.next_at)
                       else coalesce(call.sent_at, :now) end
    from due where call.ledger_id = due.ledger_id and call.id = due.id
    returning call.*
)
select claimed.ledger_id, claimed.id, claimed.type, claimed.currency, claimed.amount, claimed.payer_id,
       claimed.payee_id, claimed.attempts, claimed.refunded_payment_id, claimed.number, claimed.routing,
       claimed.sent_at, claimed.next_at, claimed.processor_payment_id
from claimed
""")

_TEXTS = text(f"""
select payment.id, {", ".join(f"payment.{name}" for name in PaymentTexts._fields)}, entry.metadata, entry.traceparent
from payments payment
join journal_entries entry on entry.ledger_id = payment.ledger_id and entry.id = payment.id
where payment.ledger_id = :ledger_id and payment.id = any(:ids)
""")  # noqa: S608 - made of constants only

_REFUND_TEXTS = text("""
select refund.id, refund.reason, paid.processor_payment_id, coalesce(paid.number, 1) as payment_number,
       entry.metadata, entry.traceparent
from refunds refund
join journal_entries entry on entry.ledger_id = refund.ledger_id and entry.id = refund.id
left join processor_calls paid on paid.ledger_id = refund.ledger_id and paid.id = refund.payment_id
where refund.ledger_id = :ledger_id and refund.id = any(:ids)
""")

_LEAVE = text("""
update processor_calls
set state = :state, next_at = :next_at, last_error = :error,
    processor_payment_id = coalesce(:processor_payment_id, processor_payment_id),
    sent_at = coalesce(:sent_at, sent_at)
where ledger_id = :ledger_id and id = :id and state = 'sent' and (number, attempts) = (:number, :attempts)
""")


async def claim_due_calls(
    connection: AsyncConnection, processor: str, now: datetime, until: datetime, limit: int
) -> list[ClaimedCall]:
    """Those of all ledgers that are due, the longest due first, now claimed. For an operator's unit of work."""
    given = {"processor": processor, "now": now, "until": until, "limit": limit}
    return [ClaimedCall(*row) for row in await connection.execute(_CLAIM, given)]


class SaidOfPayment(NamedTuple):
    """What was said of a payment, and of which trace it is a part."""

    texts: PaymentTexts
    metadata: Mapping[str, str]
    traceparent: str | None = None


async def texts_of_payments(
    connection: AsyncConnection, ledger_id: UUID, ids: Sequence[UUID]
) -> dict[UUID, SaidOfPayment]:
    rows = await connection.execute(_TEXTS, {"ledger_id": ledger_id, "ids": list(ids)})
    return {
        row.id: SaidOfPayment(
            PaymentTexts(*[getattr(row, name) for name in PaymentTexts._fields]), row.metadata or {}, row.traceparent
        )
        for row in rows
    }


class RefundTexts(NamedTuple):
    """What was said of a refund, and how its processor calls the payment."""

    reason: str | None
    processor_payment_id: str | None
    metadata: Mapping[str, str]
    traceparent: str | None = None
    payment_number: int = 1
    """Which call of the payment has carried it out."""


async def texts_of_refunds(
    connection: AsyncConnection, ledger_id: UUID, ids: Sequence[UUID]
) -> dict[UUID, RefundTexts]:
    rows = await connection.execute(_REFUND_TEXTS, {"ledger_id": ledger_id, "ids": list(ids)})
    return {
        row.id: RefundTexts(
            row.reason, row.processor_payment_id, row.metadata or {}, row.traceparent, row.payment_number
        )
        for row in rows
    }


async def leave_call(
    connection: AsyncConnection,
    call: ClaimedCall,
    *,
    state: CallState,
    next_at: datetime | None,
    error: str | None,
    processor_payment_id: str | None,
    sent_at: datetime | None = None,
) -> None:
    """How far this claim has come; `sent_at` where it has sent something.

    Nothing, where another claim, a move or a settlement has come after it.
    """
    await connection.execute(
        _LEAVE,
        {
            "state": state.value,
            "next_at": next_at,
            "error": error,
            "processor_payment_id": processor_payment_id,
            "sent_at": sent_at,
            "ledger_id": call.ledger_id,
            "id": call.id,
            "number": call.number,
            "attempts": call.attempts,
        },
    )


_OF_NOBODY = text("""
with late as (
    update processor_calls set last_error = :error
    where processor <> all(cast(:known as text[])) and next_at <= :now and last_error is distinct from :error
)
select processor, count(*) as number from processor_calls
where processor <> all(cast(:known as text[])) and next_at <= :now group by processor order by processor limit :limit
""")


async def calls_of_nobody(connection: AsyncConnection, known: Sequence[str], now: datetime) -> dict[str, int]:
    """How many are due of each processor that is not known. Each says so as its last error. For an operator."""
    given = {"known": list(known), "now": now, "error": NOT_IN_FILE, "limit": UNKNOWN_SHOWN_MAX}
    return {row.processor: row.number for row in await connection.execute(_OF_NOBODY, given)}


async def find_call(connection: AsyncConnection, ledger_id: UUID, id_: UUID) -> RecordedCall | None:
    split = payment_splits.c
    receivers = (
        select(func.array_agg(aggregate_order_by(split.account_id, split.place)))
        .where(
            split.ledger_id == ledger_id,
            split.payment_id == func.coalesce(processor_calls.c.refunded_payment_id, processor_calls.c.id),
        )
        .scalar_subquery()
    )
    statement = _select(ledger_id).where(processor_calls.c.id == id_)
    row = (await connection.execute(statement.add_columns(receivers.label("receivers")))).first()
    return None if row is None else replace(_recorded(row), receivers=row.receivers or ())


async def is_being_refunded(connection: AsyncConnection, ledger_id: UUID, payment_id: UUID) -> bool:
    """Whether a processor was asked to give something of it back, and has not said yet what became of that."""
    calls = processor_calls.c
    statement = select(calls.id).where(
        calls.ledger_id == ledger_id,
        calls.refunded_payment_id == payment_id,
        calls.state.not_in([state.value for state in SETTLED]),
    )
    return (await connection.execute(statement.limit(1))).first() is not None


async def list_calls(
    connection: AsyncConnection,
    ledger_id: UUID,
    wanted: CallFilter,
    *,
    after: UUID | None,
    limit: int,
    is_ascending: bool,
) -> list[RecordedCall]:
    """A page by id, which is by time."""
    await look_up_by_key(connection)
    calls = processor_calls
    statement = select(calls.c.id).where(calls.c.ledger_id == ledger_id)
    if wanted.state is not None:
        statement = statement.where(calls.c.state == wanted.state)
    if wanted.processor is not None:
        statement = statement.where(calls.c.processor == wanted.processor)
    page = page_by(statement, [calls.c.id], None if after is None else [after], limit, is_ascending=is_ascending)
    found = _select(ledger_id).join(page, page.c.id == calls.c.id)
    return [_recorded(row) for row in await connection.execute(in_order(found, page, is_ascending=is_ascending))]


async def find_calls_settled_by(
    connection: AsyncConnection, ledger_id: UUID, entry_ids: Sequence[UUID]
) -> dict[UUID, RecordedCall]:
    """By the entry that settled each. What such an entry left does not change any more."""
    entries = text(
        "select entry.id, entry.resource_id from journal_entries entry where ledger_id = :l and id = any(:ids)"
    )
    named = {
        row.resource_id: row.id for row in await connection.execute(entries, {"l": ledger_id, "ids": list(entry_ids)})
    }
    called = [UUID(resource_id) for resource_id in named if resource_id is not None]
    rows = await connection.execute(_select(ledger_id).where(processor_calls.c.id.in_(called)))
    return {named[str(row.id)]: _recorded(row) for row in rows}


async def settling_entry(connection: AsyncConnection, ledger_id: UUID, id_: UUID) -> UUID | None:
    """Of the payment or refund that bears this id. None: no processor was asked for it, or none has answered yet."""
    calls = processor_calls.c
    statement = select(calls.entry_id).where(calls.ledger_id == ledger_id, calls.id == id_)
    found: UUID | None = (await connection.execute(statement)).scalar()
    return found


async def was_called_back(connection: AsyncConnection, ledger_id: UUID, processor: str, event_id: str) -> bool:
    known = processor_callbacks
    statement = select(known.c.event_id).where(
        and_(known.c.ledger_id == ledger_id, known.c.processor == processor, known.c.event_id == event_id)
    )
    return (await connection.execute(statement)).first() is not None


async def callbacks_of(connection: AsyncConnection, ledger_id: UUID, payment_id: UUID) -> list[RecordedCallback]:
    """The newest first."""
    told = processor_callbacks
    statement = (
        select(told.c.event_id, told.c.told, told.c.effect, told.c.received_at)
        .where(told.c.ledger_id == ledger_id, told.c.payment_id == payment_id)
        .order_by(told.c.received_at.desc())
        .limit(CALLBACKS_SHOWN_MAX)
    )
    return [RecordedCallback(*row) for row in await connection.execute(statement)]


async def insert_callback(connection: AsyncConnection, **members: Any) -> None:
    """Once, however many have taken it at the same moment."""
    await connection.execute(insert(processor_callbacks).values(**members).on_conflict_do_nothing())


def _select(ledger_id: UUID) -> Select[Any]:
    return select(processor_calls).where(processor_calls.c.ledger_id == ledger_id)


def _recorded(row: Row[Any]) -> RecordedCall:
    members = {**row._asdict(), "type": PaymentType(row.type), "state": CallState(row.state)}
    return RecordedCall(**members)
