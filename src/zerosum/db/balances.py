"""Balances at an instant, and the trial balance: computed from the postings themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, and_, case, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from zerosum.db.gently import gently
from zerosum.db.tables import accounts, postings
from zerosum.domain.ledger.account import AccountType, Side


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """What lay in an account at an instant. Sums of nothing are None."""

    debits: Decimal | None
    credits: Decimal | None
    held: Decimal | None
    version: int


async def totals_as_of(
    connection: AsyncConnection,
    ledger_id: UUID,
    account_id: UUID,
    normal_side: Side,
    *,
    effective: datetime | None = None,
    recorded: datetime | None = None,
    before: datetime | None = None,
    since: datetime | None = None,
) -> Totals:
    """Over all postings effective at or before `effective` and written at or before `recorded`.

    Or over those effective before an instant, or since then.
    """
    outgoing = "d" if normal_side is Side.CREDIT else "c"
    statement = select(
        _sum(_is_posted("d")),
        _sum(_is_posted("c")),
        func.sum(case((postings.c.releases, -postings.c.amount), else_=postings.c.amount)).filter(
            postings.c.layer == "h", postings.c.side == outgoing
        ),
        func.coalesce(func.max(postings.c.account_version), 0),
    ).where(postings.c.ledger_id == ledger_id, postings.c.account_id == account_id)
    if effective is not None:
        statement = statement.where(postings.c.effective_at <= effective)
    if recorded is not None:
        statement = statement.where(postings.c.posted_at <= recorded)
    if before is not None:
        statement = statement.where(postings.c.effective_at < before)
    if since is not None:
        statement = statement.where(postings.c.effective_at >= since)
    row = (await connection.execute(statement)).one()
    return Totals(debits=row[0], credits=row[1], held=row[2], version=row[3])


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialBalanceLine:
    """One account's share of the trial balance."""

    account_id: UUID
    code: str
    type: AccountType
    currency: str
    debits: Decimal
    credits: Decimal


async def currency_totals(
    connection: AsyncConnection, ledger_id: UUID, as_of: datetime | None
) -> Sequence[tuple[str, Decimal, Decimal]]:
    """Currency, debits and credits over the whole ledger."""
    if as_of is None:
        statement = select(
            accounts.c.currency, func.sum(accounts.c.posted_debits), func.sum(accounts.c.posted_credits)
        ).where(accounts.c.ledger_id == ledger_id)
        grouped = statement.group_by(accounts.c.currency).order_by(accounts.c.currency)
    else:
        at_the_time = and_(postings.c.ledger_id == ledger_id, postings.c.effective_at <= as_of)
        grouped = (
            select(postings.c.currency, _sum_or_zero(_is_posted("d")), _sum_or_zero(_is_posted("c")))
            .where(at_the_time)
            .group_by(postings.c.currency)
            .order_by(postings.c.currency)
        )
    return [(row[0], row[1], row[2]) for row in await connection.execute(grouped)]


async def trial_balance_lines(
    connection: AsyncConnection, ledger_id: UUID, as_of: datetime | None, *, after_code: str | None, limit: int
) -> list[TrialBalanceLine]:
    """The accounts in the order of their codes, with their debit and credit totals."""
    sums: list[ColumnElement[Any]] = [accounts.c.posted_debits, accounts.c.posted_credits]
    if as_of is not None:
        sums = [_account_sum(ledger_id, side, as_of) for side in ("d", "c")]
    statement = (
        select(
            accounts.c.id,
            accounts.c.code,
            accounts.c.type,
            accounts.c.currency,
            sums[0].label("debits"),
            sums[1].label("credits"),
        )
        .where(accounts.c.ledger_id == ledger_id)
        .order_by(accounts.c.code)
        .limit(limit)
    )
    if after_code is not None:
        statement = statement.where(accounts.c.code > after_code)
    return await gently(_trial_balance_line, await connection.execute(statement))


def _trial_balance_line(row: Row[Any, Any, Any, Any, Any, Any]) -> TrialBalanceLine:
    return TrialBalanceLine(
        account_id=row.id,
        code=row.code,
        type=AccountType(row.type),
        currency=row.currency,
        debits=row.debits,
        credits=row.credits,
    )


def _account_sum(ledger_id: UUID, side: str, as_of: datetime) -> ColumnElement[Any]:
    return (
        select(func.coalesce(func.sum(postings.c.amount), 0))
        .where(
            postings.c.ledger_id == ledger_id,
            postings.c.account_id == accounts.c.id,
            _is_posted(side),
            postings.c.effective_at <= as_of,
        )
        .scalar_subquery()
    )


def _is_posted(side: str) -> ColumnElement[bool]:
    return and_(postings.c.layer == "p", postings.c.side == side)


def _sum(condition: ColumnElement[bool]) -> ColumnElement[Any]:
    return func.sum(postings.c.amount).filter(condition)


def _sum_or_zero(condition: ColumnElement[bool]) -> ColumnElement[Any]:
    return func.coalesce(_sum(condition), 0)
