"""Reading holds: as they are now, and as each step of their lives left them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, Row, select
from sqlalchemy.ext.asyncio import AsyncConnection

from zerosum.db.gently import gently
from zerosum.db.queries.given_versions import read_lines, read_versions, versions_given
from zerosum.db.queries.pages import found_first, in_order, longest_due, look_up_by_key, page_by, page_of_either
from zerosum.db.queries.parties import shown_with_codes
from zerosum.db.queries.payments import Line
from zerosum.db.schema.tables import hold_changes, holds
from zerosum.domain.payments.holds import HoldStatus
from zerosum.domain.payments.payment import PaymentTexts


@dataclass(slots=True, kw_only=True)
class RecordedHold:
    """A hold as it is now, or as a command left it.

    `account_versions` are those which the command's entry gave, known only for the answer to a command.
    """

    id: UUID
    status: HoldStatus
    amount: Decimal
    captured: Decimal
    capture_max: Decimal | None
    currency: str
    payer_id: UUID
    payer_code: str
    payee_id: UUID
    payee_code: str
    texts: PaymentTexts
    expires_at: datetime
    created_at: datetime
    metadata: Mapping[str, str]
    entry_ids: Sequence[UUID]
    payment_ids: Sequence[UUID]
    house_rules: int | None
    account_versions: Mapping[UUID, int] | None = None
    lines: Sequence[Line] = ()
    """Those of its entry, in order."""

    @property
    def remaining(self) -> Decimal:
        """What is still held: nothing, once it has ended."""
        return self.amount - (self.captured if self.status is HoldStatus.OPEN else self.amount)


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldFilter:
    """`account_id` is the payer or the payee."""

    account_id: UUID | None = None
    status: str | None = None
    currency: str | None = None
    reference: str | None = None
    metadata: Mapping[str, str]


class DueHold(NamedTuple):
    expires_at: datetime
    ledger_id: UUID
    id: UUID
    payer_id: UUID
    payee_id: UUID


async def find_hold(connection: AsyncConnection, ledger_id: UUID, hold_id: UUID) -> RecordedHold | None:
    row = (await connection.execute(shown_with_codes(holds, ledger_id).where(holds.c.id == hold_id))).first()
    return None if row is None else _hold(row)


async def list_holds(
    connection: AsyncConnection,
    ledger_id: UUID,
    wanted: HoldFilter,
    *,
    after: UUID | None,
    limit: int,
    is_ascending: bool,
) -> list[RecordedHold]:
    """A page by id, which is by time. Those of an account are found by either side of it."""
    await look_up_by_key(connection)

    def page(*conditions: ColumnElement[bool]) -> Any:
        statement = select(holds.c.id).where(holds.c.ledger_id == ledger_id, *conditions, *_conditions(wanted))
        return page_by(statement, [holds.c.id], None if after is None else [after], limit, is_ascending=is_ascending)

    if wanted.account_id is None:
        found = page()
    else:
        sides = [page(column == wanted.account_id) for column in (holds.c.payer_id, holds.c.payee_id)]
        found = page_of_either(sides, limit, is_ascending=is_ascending)
    statement = shown_with_codes(holds, ledger_id).join(found, found.c.id == holds.c.id)
    return await gently(_hold, await connection.execute(in_order(statement, found, is_ascending=is_ascending)))


async def find_answered_holds(
    connection: AsyncConnection, ledger_id: UUID, change_ids: Collection[UUID]
) -> dict[UUID, RecordedHold]:
    """Holds as these steps left them: what their commands were answered."""
    steps = found_first(
        select(hold_changes).where(hold_changes.c.ledger_id == ledger_id, hold_changes.c.id.in_(change_ids))
    )
    versions = versions_given(ledger_id, steps.c.id)
    left = [steps.c[name].label(f"left_{name}") for name in _LEFT]
    statement = (
        shown_with_codes(holds, ledger_id)
        .add_columns(steps.c.id.label("change_id"), versions.label("account_versions"), *left)
        .join(steps, steps.c.hold_id == holds.c.id)
    )
    await look_up_by_key(connection)
    return {row.change_id: _as_left(row) for row in await connection.execute(statement)}


async def find_due(connection: AsyncConnection, now: datetime, after: DueHold | None, limit: int) -> list[DueHold]:
    """Open holds of all ledgers whose time is over, the longest over first. For an operator's unit of work."""
    key = (holds.c.expires_at, holds.c.ledger_id, holds.c.id)
    statement = select(holds.c.expires_at, holds.c.ledger_id, holds.c.id, holds.c.payer_id, holds.c.payee_id).where(
        holds.c.expires_at <= now, holds.c.status == "open"
    )
    return [DueHold(*row) for row in await connection.execute(longest_due(statement, key, after, limit))]


_LEFT = ("status", "amount", "captured", "capture_max", "expires_at", "entries")


def _conditions(wanted: HoldFilter) -> list[ColumnElement[bool]]:
    found = [
        column == value
        for column, value in (
            (holds.c.status, wanted.status),
            (holds.c.currency, wanted.currency),
            (holds.c.reference, wanted.reference),
        )
        if value is not None
    ]
    return found + [holds.c.metadata[name].astext == member for name, member in wanted.metadata.items()]


def _hold(row: Row[Any]) -> RecordedHold:
    return RecordedHold(
        id=row.id,
        status=HoldStatus(row.status),
        amount=row.amount,
        captured=row.captured,
        capture_max=row.capture_max,
        currency=row.currency,
        payer_id=row.payer_id,
        payer_code=row.payer_code,
        payee_id=row.payee_id,
        payee_code=row.payee_code,
        texts=PaymentTexts(*[getattr(row, name) for name in PaymentTexts._fields]),
        expires_at=row.expires_at,
        created_at=row.created_at,
        metadata=row.metadata or {},
        entry_ids=tuple(row.entry_ids),
        payment_ids=tuple(row.payment_ids),
        house_rules=row.house_rules,
    )


def _as_left(row: Row[Any]) -> RecordedHold:
    hold = _hold(row)
    hold.status = HoldStatus(row.left_status)
    hold.amount, hold.captured, hold.capture_max = row.left_amount, row.left_captured, row.left_capture_max
    hold.expires_at = row.left_expires_at
    hold.entry_ids = hold.entry_ids[: row.left_entries]
    known = set(hold.entry_ids)
    hold.payment_ids = [payment_id for payment_id in hold.payment_ids if payment_id in known]
    if row.account_versions is not None:
        hold.account_versions = read_versions(row.account_versions)
        hold.lines = read_lines(row.account_versions)
    return hold
