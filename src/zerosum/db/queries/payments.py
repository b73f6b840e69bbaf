"""Reading payments. A payment shares its UUID with the journal entry that began it, which holds times and metadata."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any, NamedTuple, Protocol
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Row,
    Select,
    Subquery,
    Text,
    Uuid,
    and_,
    any_,
    bindparam,
    case,
    cast,
    func,
    or_,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import ARRAY, aggregate_order_by
from sqlalchemy.ext.asyncio import AsyncConnection

from zerosum.db.gently import gently
from zerosum.db.queries.given_versions import RecordedLine
from zerosum.db.queries.late_dates import LATE_COLUMNS, late_in, with_late_dates
from zerosum.db.queries.pages import (
    found_beside,
    in_order,
    look_up_by_key,
    made_within,
    page_by,
    page_of_either,
    within,
)
from zerosum.db.queries.processor_moves import begun_elsewhere
from zerosum.db.queries.splits import RecordedSplit as RecordedSplit  # shown by the routes
from zerosum.db.queries.splits import parts_shown, shown_part
from zerosum.db.schema.tables import (
    accounts,
    disputes,
    journal_entries,
    payments,
    postings,
    processor_call_moves,
    processor_calls,
    refunds,
)
from zerosum.domain.ledger.periods import LateEntry
from zerosum.domain.payments.payment import (
    INTERNAL_PROCESSOR,
    PaymentStatus,
    PaymentTexts,
    PaymentType,
    status_when_made,
)


class Line(Protocol):
    """A posting as it left its account."""

    @property
    def account_id(self) -> UUID: ...
    @property
    def balance_after(self) -> Decimal: ...
    @property
    def held_after(self) -> Decimal: ...


class RecordedSettlement(NamedTuple):
    """What the processor has said of a payment. `approved` None: it was declined, for this `reason`."""

    entry_id: UUID
    approved: Decimal | None
    reason: str | None
    processor_payment_id: str | None


@dataclass(slots=True, kw_only=True)
class RecordedPayment:
    """Not frozen only because one is made for every payment.

    `account_versions` are those its first journal entry gave, in the order of its postings, which are its `lines`.
    """

    id: UUID
    type: PaymentType
    status: PaymentStatus
    amount: Decimal
    currency: str
    payer_id: UUID
    payer_code: str
    payee_id: UUID
    payee_code: str
    processor: str
    texts: PaymentTexts
    effective_at: datetime
    created_at: datetime
    metadata: Mapping[str, str]
    account_versions: Mapping[UUID, int]
    lines: Sequence[Line]
    refunded: Decimal | None = None
    """In all; None: nothing."""
    further_ids: Sequence[UUID] = ()
    """Of the entries that moved it to other processors and settled it, then of its refunds and disputes, the oldest
    first."""
    disputed: Decimal | None = None
    """By disputes that are not decided; None: nothing."""
    splits: Sequence[RecordedSplit] = ()
    """Of one that goes to several: all of them, in the order in which they were asked for."""
    late: LateEntry | None = None
    """Of one that was dated into a closed period."""
    refunding: Decimal | None = None
    """What its processor is asked to give back, and has not answered; None: nothing."""
    charged_back: Decimal | None = None
    """What lost disputes have taken; None: nothing."""
    settlement: RecordedSettlement | None = None
    """Of one through an outside processor, once that has said what became of it."""
    traceparent: str | None = None
    """Of which trace its request was a part, where it is read and was of any."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentFilter:
    """`account_id` is the payer or the payee. `effective_from` is inclusive, `effective_to` exclusive."""

    account_id: UUID | None = None
    reference: str | None = None
    type: str | None = None
    currency: str | None = None
    status: str | None = None
    effective_from: datetime | None = None
    effective_to: datetime | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_bounded(self) -> bool:
        return self.effective_from is not None or self.effective_to is not None

    @property
    def is_by_time(self) -> bool:
        """Whether the list is in the order of what happened in the world, and not of what was written.

        So is one account's: its postings have an index for either.
        """
        return self.account_id is not None and self.is_bounded


async def find_payments(
    connection: AsyncConnection, ledger_id: UUID, ids: Collection[UUID]
) -> dict[UUID, RecordedPayment]:
    rows = await connection.execute(_select(ledger_id).where(payments.c.id.in_(ids)))
    return {row.id: _payment(row) for row in rows}


async def payments_as_made(
    connection: AsyncConnection, ledger_id: UUID, ids: Collection[UUID]
) -> Mapping[UUID, RecordedPayment]:
    """As they were when they were made, whatever has become of them since."""
    rows = await connection.execute(_WHEN_MADE, {"ledger_id": ledger_id, "ids": list(ids)})
    found = {row.id: _made(row) for row in rows}
    outside = [payment.id for payment in found.values() if payment.processor != INTERNAL_PROCESSOR]
    moved = await begun_elsewhere(connection, ledger_id, outside) if outside else {}
    for id_, begun in moved.items():
        found[id_] = replace(found[id_], **begun)
    return found


async def list_payments(
    connection: AsyncConnection,
    ledger_id: UUID,
    wanted: PaymentFilter,
    *,
    after: Sequence[Any] | None,
    limit: int,
    is_ascending: bool,
) -> list[RecordedPayment]:
    await look_up_by_key(connection)
    page = payments_page(ledger_id, wanted, after=after, limit=limit, is_ascending=is_ascending)
    statement = _select(ledger_id).join(page, page.c.id == payments.c.id)
    rows = await connection.execute(in_order(statement, page, is_ascending=is_ascending))
    return await gently(_payment, rows)


def payments_page(
    ledger_id: UUID, wanted: PaymentFilter, *, after: Sequence[Any] | None, limit: int, is_ascending: bool
) -> Subquery:
    """The ids of one page, in an order that an index has: what is shown of a payment is looked up for these alone.

    An account's payments are found by its postings, which are numbered. Those of a time are found by their ids, which
    are by time, and beside them those that were given a time of their own.
    """
    entry, own = journal_entries, postings.alias("own")
    page = partial(page_by, after=after, limit=limit, is_ascending=is_ascending)
    statement = select(payments.c.id).where(payments.c.ledger_id == ledger_id, *_conditions(wanted))
    if wanted.metadata or (wanted.is_bounded and wanted.account_id is None):
        statement = statement.join(entry, and_(entry.c.ledger_id == ledger_id, entry.c.id == payments.c.id))
    if wanted.account_id is not None:
        is_own = and_(own.c.ledger_id == ledger_id, own.c.entry_id == payments.c.id)
        # Of a capture the account has a posting in each layer; what a processor carries out begins in the pending one.
        is_first = or_(own.c.layer == "p", payments.c.processor != INTERNAL_PROCESSOR)
        statement = statement.join(own, is_own).where(own.c.account_id == wanted.account_id, is_first)
        key = [own.c.effective_at, own.c.account_version] if wanted.is_by_time else [own.c.account_version]
        return page(within(statement, own.c.effective_at, wanted.effective_from, wanted.effective_to), key)
    if not wanted.is_bounded:
        return page(statement, [payments.c.id])
    span = wanted.effective_from, wanted.effective_to
    timed = within(statement, entry.c.effective_at, *span)
    near = timed.where(made_within(payments.c.id, *span))
    beside = found_beside(timed, *span)
    pages = [page(near, [payments.c.id]), *(page(select(found.c.id), [found.c.id]) for found in beside)]
    return page_of_either(pages, limit, is_ascending=is_ascending)


def _conditions(wanted: PaymentFilter) -> Iterator[ColumnElement[bool]]:
    """Those that are about the payment itself, and its metadata."""
    for column, value in (
        (payments.c.reference, wanted.reference),
        (payments.c.type, wanted.type),
        (payments.c.currency, wanted.currency),
    ):
        if value is not None:
            yield column == value
    if wanted.status is not None:
        # Written out, for the index of what has not simply succeeded is not found by a plan for any status.
        status = PaymentStatus(wanted.status).value
        yield payments.c.status == bindparam("status", status, literal_execute=True)
    for name, member in wanted.metadata.items():
        yield journal_entries.c.metadata[name].astext == member


def _select(ledger_id: UUID) -> Select[Any]:
    """Payments as they are now."""
    given_back = (
        select(func.array_agg(refunds.c.id))
        .where(refunds.c.ledger_id == ledger_id, refunds.c.payment_id == payments.c.id)
        .scalar_subquery()
    )
    each = func.unnest(disputes.c.entry_ids).table_valued("id", name="each").render_derived()
    questioned = (
        select(func.array_agg(each.c.id))
        .select_from(disputes)
        .join(each, true())
        .where(disputes.c.ledger_id == ledger_id, disputes.c.payment_id == payments.c.id)
        .scalar_subquery()
    )
    moved_ids = (
        select(func.array_agg(aggregate_order_by(processor_call_moves.c.id, processor_call_moves.c.number)))
        .where(
            processor_call_moves.c.ledger_id == ledger_id,
            processor_call_moves.c.payment_id == payments.c.id,
        )
        .scalar_subquery()
    )
    call = processor_calls
    settled = func.jsonb_build_array(
        call.c.entry_id, cast(call.c.approved, Text), call.c.reason, call.c.processor_payment_id
    )
    settlement = (
        select(settled)
        .where(call.c.ledger_id == ledger_id, call.c.id == payments.c.id, call.c.entry_id.is_not(None))
        .scalar_subquery()
    )
    settled_refunds = (
        select(func.array_agg(call.c.entry_id))
        .where(
            call.c.ledger_id == ledger_id,
            call.c.refunded_payment_id == payments.c.id,
            call.c.entry_id.is_not(None),
        )
        .scalar_subquery()
    )
    is_outside = payments.c.processor != INTERNAL_PROCESSOR
    return _select_made(ledger_id).add_columns(
        case((is_outside, settled_refunds)).label("settled_refund_ids"),
        case((is_outside, settlement)).label("settlement"),
        case((is_outside, moved_ids)).label("moved_ids"),
        given_back.label("refund_ids"),
        questioned.label("dispute_entry_ids"),
    )


def _select_made(ledger_id: UUID | ColumnElement[UUID]) -> Select[Any]:
    """What is known of payments since they were made."""
    payer, payee = accounts.alias("payer"), accounts.alias("payee")
    line = postings.alias("line")
    # Amounts as text: a JSON number would be read as a float.
    left = func.jsonb_build_array(
        line.c.account_id, line.c.account_version, cast(line.c.balance_after, Text), cast(line.c.held_after, Text)
    )
    lines = (
        select(func.jsonb_agg(aggregate_order_by(left, line.c.place)))
        .where(line.c.ledger_id == ledger_id, line.c.entry_id == payments.c.id)
        .scalar_subquery()
    )
    return with_late_dates(
        select(
            payments,
            parts_shown(ledger_id, payments.c.id).label("parts"),
            payer.c.code.label("payer_code"),
            payee.c.code.label("payee_code"),
            journal_entries.c.effective_at,
            journal_entries.c.posted_at.label("created_at"),
            journal_entries.c.metadata,
            journal_entries.c.traceparent,
            lines.label("lines"),
            *LATE_COLUMNS,
        )
        .join(
            journal_entries,
            and_(journal_entries.c.ledger_id == payments.c.ledger_id, journal_entries.c.id == payments.c.id),
        )
        .join(payer, and_(payer.c.ledger_id == payments.c.ledger_id, payer.c.id == payments.c.payer_id))
        .join(payee, and_(payee.c.ledger_id == payments.c.ledger_id, payee.c.id == payments.c.payee_id))
        .where(payments.c.ledger_id == ledger_id, journal_entries.c.ledger_id == ledger_id)
    )


# Made once: to put it together takes longer than to ask it for twenty payments.
_WHEN_MADE = _select_made(bindparam("ledger_id", type_=Uuid)).where(
    payments.c.id == any_(bindparam("ids", type_=ARRAY(Uuid)))
)


def _payment(row: Row[Any]) -> RecordedPayment:
    payment = _made(row)
    settlement = None if row.settlement is None else _settlement(row.settlement)
    first = (*(row.moved_ids or ()), *(() if settlement is None else (settlement.entry_id,)))
    of_refunds = (*(row.refund_ids or ()), *(row.settled_refund_ids or ()))
    payment.status = PaymentStatus(row.status)
    payment.refunded, payment.refunding = row.refunded, row.refunding
    payment.disputed, payment.charged_back = row.disputed, row.charged_back
    payment.further_ids = [*first, *sorted((*of_refunds, *(row.dispute_entry_ids or ())))]
    payment.settlement = settlement
    payment.splits = [shown_part(part) for part in row.parts or ()]
    return payment


def _made(row: Row[Any]) -> RecordedPayment:
    """As it was when it was made, but for whom its processor has moved it to."""
    lines = [
        RecordedLine(UUID(account_id), version, Decimal(posted), Decimal(held))
        for account_id, version, posted, held in row.lines
    ]
    return RecordedPayment(
        id=row.id,
        type=PaymentType(row.type),
        status=status_when_made(row.processor),
        amount=row.amount,
        currency=row.currency,
        payer_id=row.payer_id,
        payer_code=row.payer_code,
        payee_id=row.payee_id,
        payee_code=row.payee_code,
        processor=row.processor,
        texts=PaymentTexts(*[getattr(row, name) for name in PaymentTexts._fields]),
        effective_at=row.effective_at,
        created_at=row.created_at,
        metadata=row.metadata or {},
        account_versions={line.account_id: line.account_version for line in lines},
        lines=lines,
        splits=[shown_part(part)._replace(refunded=None, approved=None) for part in row.parts or ()],
        late=late_in(row, row.ledger_id, row.id),
        traceparent=row.traceparent,
    )


def _settlement(told: Sequence[Any]) -> RecordedSettlement:
    entry_id, approved, reason, processor_payment_id = told
    paid = None if approved is None else Decimal(approved)
    return RecordedSettlement(UUID(entry_id), paid, reason, processor_payment_id)
