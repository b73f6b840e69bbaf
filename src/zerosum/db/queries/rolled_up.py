"""Accounts added up: by the branches of their codes, their types and currencies, at any instant."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, func, literal, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from zerosum.db.gently import gently
from zerosum.db.queries.accounts import begins_with
from zerosum.db.queries.balances import Instant, had_begun, source_of
from zerosum.db.queries.pages import look_up_as_planned, look_up_by_key
from zerosum.db.schema.tables import accounts
from zerosum.domain.ledger.account import AccountType

SEPARATOR = ":"
"""Between the parts of a code: `customers:` is a branch, in which `customers:alice` is an account."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RolledUp:
    """What the accounts of one branch, type and currency come to. `branch` ends with the separator, or is a code."""

    branch: str
    type: AccountType
    currency: str
    accounts: int
    debits: Decimal
    credits: Decimal


async def roll_up(
    connection: AsyncConnection,
    ledger_id: UUID,
    instant: Instant,
    *,
    prefix: str,
    limit: int,
    types: Collection[AccountType] | None = None,
) -> list[RolledUp]:
    """The branches right below a prefix, of accounts of these types. Those that there were not yet are in none."""
    # Every account of the ledger as it stands is read best in one go.
    is_whole = not prefix and types is None and instant.is_now
    await (look_up_as_planned if is_whole else look_up_by_key)(connection)
    source, debits, credits_, version = source_of(ledger_id, instant)
    statement = (
        select(
            _branch(prefix).label("branch"),
            accounts.c.type,
            accounts.c.currency,
            debits.label("debits"),
            credits_.label("credits"),
        )
        .select_from(source)
        .where(accounts.c.ledger_id == ledger_id, or_(version > 0, had_begun(instant)))
    )
    if prefix:
        statement = statement.where(begins_with(accounts.c.code, prefix))
    if types is not None:
        statement = statement.where(accounts.c.type.in_([type_.value for type_ in types]))
    # In a query of its own: the planner would take each code for a branch by itself, and sort all of them.
    each = statement.offset(0).subquery("each").c
    own = (each.branch, each.type, each.currency)
    sums = select(
        *own,
        func.count().label("accounts"),
        func.sum(each.debits).label("debits"),
        func.sum(each.credits).label("credits"),
    )
    return await gently(rolled_up, await connection.execute(sums.group_by(*own).order_by(*own).limit(limit)))


def _branch(prefix: str) -> ColumnElement[str]:
    """Of millions of codes: with as few functions as can be."""
    rest: ColumnElement[str] = func.substr(accounts.c.code, len(prefix) + 1) if prefix else accounts.c.code
    branch = func.coalesce(func.nullif(func.left(rest, func.strpos(rest, SEPARATOR)), ""), rest)
    return func.concat(literal(prefix), branch) if prefix else branch


def rolled_up(row: Row[Any]) -> RolledUp:
    return RolledUp(
        branch=row.branch,
        type=AccountType(row.type),
        currency=row.currency,
        accounts=row.accounts,
        debits=row.debits,
        credits=row.credits,
    )
