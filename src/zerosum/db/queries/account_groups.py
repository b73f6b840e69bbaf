"""Reading account groups, and what their accounts come to. What is written to them goes through `batch` alone."""

from __future__ import annotations

import json
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, any_, func, literal, not_, or_, select
from sqlalchemy.dialects.postgresql import ARRAY, TEXT
from sqlalchemy.ext.asyncio import AsyncConnection

from zerosum.db.batch.account_group_records import stored_group
from zerosum.db.gently import gently
from zerosum.db.queries.balances import Instant, had_begun, source_of
from zerosum.db.queries.pages import in_order, look_up_by_key, page_by
from zerosum.db.schema.tables import account_groups, accounts, limited_groups
from zerosum.domain.ledger.account import AccountType
from zerosum.domain.ledger.account_groups import AccountGroup, Members


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupTotals:
    """What the accounts of one type and currency come to."""

    currency: str
    type: AccountType
    accounts: int
    debits: Decimal
    credits: Decimal


async def find_account_group(connection: AsyncConnection, ledger_id: UUID, name: str) -> AccountGroup | None:
    """Its newest version, where it is not gone."""
    statement = (
        select(account_groups)
        .where(account_groups.c.ledger_id == ledger_id, account_groups.c.name == name)
        .order_by(account_groups.c.version.desc())
        .limit(1)
    )
    row = (await connection.execute(statement)).one_or_none()
    return None if row is None or row.content is None else _group(row)


async def list_account_groups(
    connection: AsyncConnection, ledger_id: UUID, *, after: str | None, limit: int, is_ascending: bool
) -> list[AccountGroup]:
    """The newest version of each name that is not gone, by name."""
    await look_up_by_key(connection)
    later = account_groups.alias("later")
    is_followed = (
        select(later.c.version)
        .where(later.c.ledger_id == ledger_id, later.c.name == account_groups.c.name)
        .where(later.c.version == account_groups.c.version + 1)
        .exists()
    )
    newest = select(account_groups).where(
        account_groups.c.ledger_id == ledger_id, not_(is_followed), account_groups.c.content.is_not(None)
    )
    by_name = [account_groups.c.name]
    page = page_by(newest, by_name, None if after is None else [after], limit, is_ascending=is_ascending)
    return await gently(_group, await connection.execute(in_order(select(page), page, is_ascending=is_ascending)))


async def group_totals(
    connection: AsyncConnection, ledger_id: UUID, members: Members, instant: Instant
) -> list[GroupTotals]:
    """By currency and type. Accounts that there were not yet are in none of them."""
    await look_up_by_key(connection)
    source, debits, credits_, version = source_of(ledger_id, instant)
    own = (accounts.c.currency, accounts.c.type)
    statement = (
        select(
            *own,
            func.count().label("accounts"),
            func.sum(debits).label("debits"),
            func.sum(credits_).label("credits"),
        )
        .select_from(source)
        .where(accounts.c.ledger_id == ledger_id, _is_member(members), or_(version > 0, had_begun(instant)))
    )
    return await gently(_totals, await connection.execute(statement.group_by(*own).order_by(*own)))


async def count_members(connection: AsyncConnection, ledger_id: UUID, members: Members, *, limit: int) -> int:
    """Of accounts that there are, up to a limit."""
    await look_up_by_key(connection)
    found = select(accounts.c.id).where(accounts.c.ledger_id == ledger_id, _is_member(members)).limit(limit)
    return (await connection.execute(select(func.count()).select_from(found.subquery()))).scalar_one()


async def count_limited_groups(connection: AsyncConnection, ledger_id: UUID, *, besides: str) -> int:
    others = limited_groups.c.ledger_id == ledger_id, limited_groups.c.name != besides
    return (await connection.execute(select(func.count()).select_from(limited_groups).where(*others))).scalar_one()


def _is_member(members: Members) -> ColumnElement[bool]:
    named = accounts.c.code == any_(literal(members.codes, ARRAY(TEXT)))
    whole = [f"^(?:{one})$" for one in members.expressions]
    return or_(named, accounts.c.code.op("~")(any_(literal(whole, ARRAY(TEXT)))))


def _group(row: Row[Any]) -> AccountGroup:
    content = None if row.content is None else json.dumps(row.content)
    return stored_group((row.ledger_id, row.name, row.version, row.id, content, row.created_at, row.actor))


def _totals(row: Row[Any]) -> GroupTotals:
    return GroupTotals(
        currency=row.currency,
        type=AccountType(row.type),
        accounts=row.accounts,
        debits=row.debits,
        credits=row.credits,
    )
