"""Balances at an instant, and the trial balance: read beside checkpoints, however long the history before them is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Row,
    Select,
    and_,
    case,
    false,
    func,
    literal,
    not_,
    or_,
    select,
    true,
    union_all,
)
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.selectable import LateralFromClause

from zerosum.db.gently import gently
from zerosum.db.queries.checkpoints import BLOCK
from zerosum.db.queries.pages import look_up_by_key
from zerosum.db.schema.tables import accounts, postings
from zerosum.domain.ledger.account import AccountType
from zerosum.domain.ledger.entry import EFFECTIVE_AHEAD_MAX

_MOMENT = TIMESTAMP(timezone=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """What lay in an account at an instant, and the last version that was counted."""

    posted: Decimal
    held: Decimal
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Instant:
    """What had happened in the world at or before `effective`, as far as it was written at or before `recorded`.

    None is no bound.
    """

    effective: datetime | None = None
    recorded: datetime | None = None

    @property
    def is_now(self) -> bool:
        return self.effective is None and self.recorded is None


async def totals_at(connection: AsyncConnection, ledger_id: UUID, account_id: UUID, instant: Instant) -> Totals | None:
    """None where there is no such account."""
    totals = _totals(ledger_id, instant, with_sides=False)
    statement = (
        select(totals.c.posted, totals.c.held, totals.c.version)
        .select_from(accounts.join(totals, true()))
        .where(accounts.c.ledger_id == ledger_id, accounts.c.id == account_id)
    )
    row = (await connection.execute(statement)).first()
    return None if row is None else Totals(posted=row.posted, held=row.held, version=row.version)


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
    connection: AsyncConnection, ledger_id: UUID, instant: Instant, *, is_of_all: bool
) -> Sequence[tuple[str, Decimal, Decimal]]:
    """Currency, debits and credits over the whole ledger: of all accounts, or of those that anything was posted to."""
    currency = accounts.c.currency
    own = accounts.c.ledger_id == ledger_id
    source, debits, credits_, version = source_of(ledger_id, instant)
    moved = select(currency, debits.label("debits"), credits_.label("credits")).select_from(source).where(own)
    if instant.is_now:
        found = moved.subquery()
    else:
        await look_up_by_key(connection)
        parts: list[Select[Any]] = [moved.where(version > 0)]
        if is_of_all:
            parts.append(select(currency, literal(0), literal(0)).where(own, had_begun(instant)))
        found = union_all(*parts).subquery()
    statement = select(found.c.currency, func.sum(found.c.debits), func.sum(found.c.credits))
    grouped = statement.group_by(found.c.currency).order_by(found.c.currency)
    return [(row[0], row[1], row[2]) for row in await connection.execute(grouped)]


async def trial_balance_lines(
    connection: AsyncConnection,
    ledger_id: UUID,
    instant: Instant,
    *,
    after_code: str | None,
    limit: int,
    is_of_moved: bool = False,
) -> list[TrialBalanceLine]:
    """The accounts in the order of their codes, with their debit and credit totals.

    Of an instant of our own those that there were then; or only those that anything had been posted to.
    """
    source, debits, credits_, version = source_of(ledger_id, instant)
    statement = (
        select(
            accounts.c.id,
            accounts.c.code,
            accounts.c.type,
            accounts.c.currency,
            debits.label("debits"),
            credits_.label("credits"),
        )
        .select_from(source)
        .where(accounts.c.ledger_id == ledger_id, or_(version > 0, had_begun(instant)))
    )
    if is_of_moved:
        statement = statement.where(or_(debits > 0, credits_ > 0))
    if after_code is not None:
        statement = statement.where(accounts.c.code > after_code)
    statement = statement.order_by(accounts.c.code).limit(limit)
    return await gently(_trial_balance_line, await connection.execute(statement))


def _totals(ledger_id: UUID, instant: Instant, *, with_sides: bool) -> LateralFromClause:
    """Of the account beside it."""
    return (
        func.zerosum_totals_at(
            literal(ledger_id),
            accounts.c.id,
            literal(instant.effective, _MOMENT),
            literal(instant.recorded, _MOMENT),
            with_sides,
        )
        .table_valued("posted", "held", "version", "debits", "credits", name="totals")
        .render_derived()
        .lateral("totals")
    )


def source_of(
    ledger_id: UUID, instant: Instant
) -> tuple[FromClause, ColumnElement[Any], ColumnElement[Any], ColumnElement[Any]]:
    """The accounts with their debits, credits and version: of now as they stand in their rows.

    Of an instant each in the way that touches least, for there may be millions: one that nothing has moved since stands
    in its row, a short one is added up as it is, a long one beside its checkpoints.
    """
    if instant.is_now:
        return accounts, accounts.c.posted_debits, accounts.c.posted_credits, accounts.c.version
    is_still, is_short = _has_rested_since(instant), accounts.c.version <= BLOCK
    stored = select(
        accounts.c.posted_debits.label("debits"), accounts.c.posted_credits.label("credits"), accounts.c.version
    ).where(is_still)
    beside = _totals(ledger_id, instant, with_sides=True)
    long = select(beside.c.debits, beside.c.credits, beside.c.version).where(not_(is_still), not_(is_short))
    short = _added_up(ledger_id, instant).having(and_(not_(is_still), is_short))
    ways = [way.correlate(accounts) for way in (stored, short, long)]
    totals = union_all(*ways).lateral("totals")
    return accounts.join(totals, true()), totals.c.debits, totals.c.credits, totals.c.version


def _has_rested_since(instant: Instant) -> ColumnElement[bool]:
    """Whether all that was ever posted had been written by then, and had happened: the account's row says it."""
    last_at = accounts.c.last_posted_at
    bounds: list[ColumnElement[bool]] = []
    if instant.recorded is not None:
        bounds.append(last_at <= instant.recorded)
    if instant.effective is not None:
        bounds.append(last_at <= instant.effective - EFFECTIVE_AHEAD_MAX)
    # Null where nothing was posted since the row tells when: that is looked up.
    return func.coalesce(and_(*bounds), false())


def _added_up(ledger_id: UUID, instant: Instant) -> Select[Any]:
    """The postings of the account beside it."""
    sides = (
        func.coalesce(
            func.sum(case((and_(postings.c.layer == "p", postings.c.side == side), postings.c.amount), else_=0)), 0
        ).label(name)
        for name, side in (("debits", "d"), ("credits", "c"))
    )
    own = select(*sides, func.coalesce(func.max(postings.c.account_version), 0).label("version")).where(
        postings.c.ledger_id == ledger_id, postings.c.account_id == accounts.c.id
    )
    if instant.effective is not None:
        own = own.where(postings.c.effective_at <= instant.effective)
    if instant.recorded is not None:
        own = own.where(postings.c.posted_at <= instant.recorded)
    return own


def had_begun(instant: Instant) -> ColumnElement[bool]:
    return true() if instant.recorded is None else accounts.c.created_at <= instant.recorded


def _trial_balance_line(row: Row[Any, Any, Any, Any, Any, Any]) -> TrialBalanceLine:
    return TrialBalanceLine(
        account_id=row.id,
        code=row.code,
        type=AccountType(row.type),
        currency=row.currency,
        debits=row.debits,
        credits=row.credits,
    )
