"""Reading statements that were issued."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import Row, select
from sqlalchemy.ext.asyncio import AsyncConnection

from zerosum.db.gently import gently
from zerosum.db.queries.pages import page_by
from zerosum.db.schema.tables import statements
from zerosum.domain.identifiers import AccountId, LedgerId
from zerosum.domain.ledger.statements import IssuedStatement, StatementContent


async def find_issued_statement(connection: AsyncConnection, ledger_id: UUID, id_: UUID) -> IssuedStatement | None:
    statement = select(statements).where(statements.c.ledger_id == ledger_id, statements.c.id == id_)
    row = (await connection.execute(statement)).first()
    return None if row is None else _issued(row)


async def find_numbered_statement(
    connection: AsyncConnection, ledger_id: UUID, account_id: UUID, number: int
) -> IssuedStatement | None:
    statement = select(statements).where(
        statements.c.ledger_id == ledger_id, statements.c.account_id == account_id, statements.c.number == number
    )
    row = (await connection.execute(statement)).first()
    return None if row is None else _issued(row)


async def list_issued_statements(
    connection: AsyncConnection, ledger_id: UUID, account_id: UUID, *, after: int | None, limit: int, is_ascending: bool
) -> list[IssuedStatement]:
    """A page of an account's statements by number."""
    own = select(statements).where(statements.c.ledger_id == ledger_id, statements.c.account_id == account_id)
    page = page_by(own, [statements.c.number], None if after is None else [after], limit, is_ascending=is_ascending)
    order = page.c.number.asc() if is_ascending else page.c.number.desc()
    return await gently(_issued, await connection.execute(select(page).order_by(order)))


def _issued(row: Row[Any]) -> IssuedStatement:
    return IssuedStatement(
        ledger_id=LedgerId(row.ledger_id),
        id=row.id,
        account_id=AccountId(row.account_id),
        number=row.number,
        content=StatementContent(
            start=row.from_at,
            end=row.to_at,
            currency=row.currency,
            opening=row.opening,
            closing=row.closing,
            lines=row.lines,
            account_version=row.account_version,
            head=row.head,
        ),
        issued_at=row.issued_at,
        hash=row.hash,
    )
