"""Accounts in PostgreSQL."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, and_, bindparam, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from zerosum.db.gently import gently
from zerosum.db.queries.pages import look_up_by_key
from zerosum.db.schema.tables import POSTED, accounts
from zerosum.domain.ledger.account import Account, AccountState, AccountStatus, AccountType
from zerosum.domain.ledger.velocity import velocity_limit

_NAME_ACTOR = text("select set_config('zerosum.actor', :actor, true)")


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountFilter:
    """What a list of accounts is narrowed to; metadata members must all be equal."""

    type: str | None = None
    currency: str | None = None
    status: str | None = None
    code_prefix: str | None = None
    is_in_debt: bool = False
    metadata: Mapping[str, str] = field(default_factory=dict)


async def insert_account(connection: AsyncConnection, account: Account) -> bool:
    """Whether it was inserted: False when the ledger has an account of that code already."""
    return bool(await insert_accounts(connection, [account]))


async def insert_accounts(connection: AsyncConnection, new: Sequence[Account]) -> set[UUID]:
    """The ids of those that were inserted: all but those whose code an account of the ledger has already.

    In the order of their codes, so that two callers with the same codes do not wait for each other crosswise.
    """
    rows = [
        {
            "ledger_id": account.state.ledger_id,
            "id": account.state.id,
            "version": account.state.version,
            "code": account.code,
            "name": account.name,
            "currency": account.state.currency,
            "type": account.type.value,
            "status": account.state.status.value,
            "overdrawn": account.state.overdrawn,
            "posted_debits": account.state.posted_debits,
            "posted_credits": account.state.posted_credits,
            "held": account.state.held,
            "min_available": account.state.min_available,
            "max_available": account.state.max_available,
            "head": account.state.head,
            "created_at": account.created_at,
            "metadata": dict(account.metadata) or None,
        }
        for account in sorted(new, key=lambda account: account.code)
    ]
    statement = insert(accounts).on_conflict_do_nothing(constraint="accounts_code_unique").returning(accounts.c.id)
    return set((await connection.execute(statement, rows)).scalars())


async def name_actor(connection: AsyncConnection, actor: str) -> None:
    """Who makes the changes of accounts that follow in this unit of work: the database writes it into their history."""
    await connection.execute(_NAME_ACTOR, {"actor": actor})


async def find_account(
    connection: AsyncConnection, ledger_id: UUID, *, id_: UUID | None, code: str | None
) -> Account | None:
    """By id or by code, as it is now."""
    row = (await connection.execute(select_accounts(ledger_id).where(_is_named(id_, code)))).first()
    return None if row is None else account_of(row)


async def lock_account(connection: AsyncConnection, ledger_id: UUID, account_id: UUID) -> Account | None:
    """By id, with the row locked as the committer locks it: no posting can come in between."""
    statement = select_accounts(ledger_id).where(accounts.c.id == account_id).with_for_update(key_share=True)
    row = (await connection.execute(statement)).first()
    return None if row is None else account_of(row)


async def find_accounts(
    connection: AsyncConnection, ledger_id: UUID, *, ids: Collection[UUID], codes: Collection[str]
) -> list[Account]:
    """All accounts named by one of these."""
    is_named = accounts.c.id.in_(ids) | accounts.c.code.in_(codes)
    return [account_of(row) for row in await connection.execute(select_accounts(ledger_id).where(is_named))]


async def list_accounts(
    connection: AsyncConnection,
    ledger_id: UUID,
    wanted: AccountFilter,
    *,
    after: UUID | None,
    limit: int,
    is_ascending: bool,
) -> list[Account]:
    """A page by id, which is by creation."""
    await look_up_by_key(connection)
    statement = select_accounts(ledger_id)
    if wanted.type is not None:
        statement = statement.where(accounts.c.type == wanted.type)
    if wanted.currency is not None:
        statement = statement.where(accounts.c.currency == wanted.currency)
    if wanted.status is not None:
        # Written out, for the index of what is not simply open is not found by a plan for any status.
        status = AccountStatus(wanted.status).value
        statement = statement.where(accounts.c.status == bindparam("status", status, literal_execute=True))
    if wanted.code_prefix is not None:
        statement = statement.where(begins_with(accounts.c.code, wanted.code_prefix))
    if wanted.is_in_debt:
        statement = statement.where(accounts.c.overdrawn, text(f"{POSTED} - held < least(min_available, 0)"))
    for key, value in wanted.metadata.items():
        statement = statement.where(accounts.c.metadata[key].astext == value)
    rows = await connection.execute(paged(statement, accounts.c.id, after, limit, is_ascending=is_ascending))
    return await gently(account_of, rows)


async def update_account(
    connection: AsyncConnection, ledger_id: UUID, account_id: UUID, changes: Mapping[str, Any]
) -> None:
    """Set columns of a row the caller has locked."""
    await connection.execute(
        update(accounts).where(accounts.c.ledger_id == ledger_id, accounts.c.id == account_id).values(**changes)
    )


def paged(
    statement: Select[Any], key: ColumnElement[UUID], after: UUID | None, limit: int, *, is_ascending: bool
) -> Select[Any]:
    """One page by a unique key, beyond the last one seen."""
    if after is not None:
        statement = statement.where(key > after if is_ascending else key < after)
    return statement.order_by(key.asc() if is_ascending else key.desc()).limit(limit)


def begins_with(code: ColumnElement[str], prefix: str) -> ColumnElement[bool]:
    """Taken literally. Not LIKE, which row-level security keeps from using an index: it compares byte by byte.

    Nothing in a code sorts as high as a tilde.
    """
    return and_(code.bool_op("~>=~")(prefix), code.bool_op("~<~")(f"{prefix}~"))


def _is_named(id_: UUID | None, code: str | None) -> ColumnElement[bool]:
    return accounts.c.id == id_ if id_ is not None else accounts.c.code == code


def select_accounts(ledger_id: UUID) -> Select[Any]:
    return select(accounts).where(accounts.c.ledger_id == ledger_id)


def account_state(row: Row[Any]) -> AccountState:
    return AccountState(
        ledger_id=row.ledger_id,
        id=row.id,
        currency=row.currency,
        normal_side=AccountType(row.type).normal_side,
        status=AccountStatus(row.status),
        min_available=row.min_available,
        max_available=row.max_available,
        posted_debits=row.posted_debits,
        posted_credits=row.posted_credits,
        held=row.held,
        version=row.version,
        head=row.head,
        overdrawn=row.overdrawn,
        velocity=tuple(velocity_limit(content) for content in row.velocity_limits or ()),
    )


def account_of(row: Row[Any]) -> Account:
    return Account(
        code=row.code,
        name=row.name,
        type=AccountType(row.type),
        metadata=row.metadata or {},
        created_at=row.created_at,
        state=account_state(row),
    )
