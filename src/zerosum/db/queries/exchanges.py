"""Reading exchanges. One shares its UUID with its journal entry, which holds times and metadata."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Select, and_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from zerosum.db.gently import gently
from zerosum.db.queries.given_versions import read_lines, read_versions, versions_given
from zerosum.db.queries.late_dates import LATE_COLUMNS, late_in, with_late_dates
from zerosum.db.queries.pages import in_order, look_up_by_key, page_by
from zerosum.db.queries.payments import Line
from zerosum.db.schema.tables import accounts, exchanges, journal_entries
from zerosum.domain.ledger.periods import LateEntry
from zerosum.domain.money import RoundingMode
from zerosum.domain.payments.exchanges import Conversion, Terms
from zerosum.domain.payments.payment import PaymentTexts


@dataclass(slots=True, kw_only=True)
class RecordedExchange:
    """`account_versions` are those its entry gave."""

    id: UUID
    payer_id: UUID
    payer_code: str
    payee_id: UUID
    payee_code: str
    amount: Decimal
    currency: str
    bought_currency: str
    terms: Terms
    conversion: Conversion
    texts: PaymentTexts
    effective_at: datetime
    created_at: datetime
    metadata: Mapping[str, str]
    account_versions: Mapping[UUID, int]
    late: LateEntry | None = None
    """Of one that was dated into a closed period."""
    lines: Sequence[Line] = ()
    """Those of its entry, in order."""


async def find_exchanges(
    connection: AsyncConnection, ledger_id: UUID, ids: Collection[UUID]
) -> dict[UUID, RecordedExchange]:
    await look_up_by_key(connection)
    rows = await connection.execute(_select(ledger_id).where(exchanges.c.id.in_(ids)))
    return {row.id: _exchange(row) for row in rows}


async def list_exchanges(
    connection: AsyncConnection, ledger_id: UUID, *, after: UUID | None, limit: int, is_ascending: bool
) -> list[RecordedExchange]:
    """A page by id, which is by time."""
    await look_up_by_key(connection)
    own = select(exchanges.c.id).where(exchanges.c.ledger_id == ledger_id)
    page = page_by(own, [exchanges.c.id], None if after is None else [after], limit, is_ascending=is_ascending)
    statement = _select(ledger_id).join(page, page.c.id == exchanges.c.id)
    return await gently(_exchange, await connection.execute(in_order(statement, page, is_ascending=is_ascending)))


def _select(ledger_id: UUID) -> Select[Any]:
    versions, entry = versions_given(ledger_id, exchanges.c.id), journal_entries
    payer, payee = accounts.alias("payer"), accounts.alias("payee")
    return with_late_dates(
        select(
            exchanges,
            *LATE_COLUMNS,
            entry.c.posted_at,
            entry.c.effective_at,
            entry.c.metadata,
            versions.label("account_versions"),
            payer.c.code.label("payer_code"),
            payee.c.code.label("payee_code"),
        )
        .join(entry, and_(entry.c.ledger_id == ledger_id, entry.c.id == exchanges.c.id))
        .join(payer, and_(payer.c.ledger_id == ledger_id, payer.c.id == exchanges.c.payer_id))
        .join(payee, and_(payee.c.ledger_id == ledger_id, payee.c.id == exchanges.c.payee_id))
        .where(exchanges.c.ledger_id == ledger_id)
    )


def _exchange(row: Row[Any]) -> RecordedExchange:
    return RecordedExchange(
        id=row.id,
        payer_id=row.payer_id,
        payer_code=row.payer_code,
        payee_id=row.payee_id,
        payee_code=row.payee_code,
        amount=row.amount,
        currency=row.currency,
        bought_currency=row.bought_currency,
        terms=Terms(row.rate, row.rate_source, row.rate_at, row.margin_percent, RoundingMode(row.rounding)),
        conversion=Conversion(row.exact, row.difference, row.margin, row.bought, row.gain),
        texts=PaymentTexts(*[getattr(row, name) for name in PaymentTexts._fields]),
        effective_at=row.effective_at,
        created_at=row.posted_at,
        metadata=row.metadata or {},
        account_versions=read_versions(row.account_versions),
        late=late_in(row, row.ledger_id, row.id),
        lines=read_lines(row.account_versions),
    )
