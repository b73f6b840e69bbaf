"""Pages by key: each list has an order that an index gives, and goes on beyond the last key that was seen."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import (
    Boolean,
    ColumnElement,
    Select,
    Subquery,
    and_,
    literal_column,
    not_,
    select,
    text,
    true,
    tuple_,
    union_all,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from zerosum.db.identifiers import first_uuid_of
from zerosum.db.schema.entry_times import APART, is_apart
from zerosum.db.schema.tables import journal_entries

POSTING_MAX = timedelta(minutes=5)
"""Between the making of an id and its posting by the same process: a command waits a minute at the most, and a clock
may be set right meanwhile."""

KEY = "key_"
"""Begins the names of a page's columns that give its order."""


_LOOK_UP = (
    "select set_config('enable_seqscan', '{0}', true), set_config('enable_hashjoin', '{0}', true), "
    "set_config('enable_mergejoin', '{0}', true)"
)
_BY_KEY, _AS_PLANNED = text(_LOOK_UP.format("off")), text(_LOOK_UP.format("on"))


async def look_up_by_key(connection: AsyncConnection) -> None:
    """For what is read in this unit of work: a page is found by keys, however young the planner's statistics are."""
    await connection.execute(_BY_KEY)


async def look_up_as_planned(connection: AsyncConnection) -> None:
    """Again: what is read from now on is most of a table."""
    await connection.execute(_AS_PLANNED)


_PLAN_ONCE = text("select set_config('plan_cache_mode', 'force_generic_plan', true)")


async def plan_once(connection: AsyncConnection) -> None:
    """For few rows read by many statements in this unit of work, which would take ten times as long to plan."""
    await connection.execute(_PLAN_ONCE)


def page_by(
    statement: Select[Any],
    key: Sequence[ColumnElement[Any]],
    after: Sequence[Any] | None,
    limit: int,
    *,
    is_ascending: bool,
) -> Subquery:
    """One page of what a statement finds, by a unique key of one or more columns: its columns, and the key's.

    `after` holds a value for each of the key's. Being a subquery it keeps the planner from joining everything first.
    """
    if after is not None:
        seen = tuple_(*after, types=[column.type for column in key]) if len(key) > 1 else after[0]
        here = tuple_(*key) if len(key) > 1 else key[0]
        statement = statement.where(here > seen if is_ascending else here < seen)
    ordered = [column.asc() if is_ascending else column.desc() for column in key]
    keyed = statement.add_columns(*(column.label(f"{KEY}{place}") for place, column in enumerate(key)))
    return keyed.order_by(*ordered).limit(limit).subquery("page")


def longest_due(
    statement: Select[Any], key: Sequence[ColumnElement[Any]], after: Sequence[Any] | None, limit: int
) -> Select[Any]:
    """Of what is due those that have been for longest, by a key that begins with the moment and is unique; behind
    another one whose values begin with the key's."""
    if after is not None:
        seen = after[: len(key)]
        statement = statement.where(tuple_(*key) > tuple_(*seen, types=[column.type for column in key]))
    return statement.order_by(*key).limit(limit)


def in_order(statement: Select[Any], page: Subquery, *, is_ascending: bool) -> Select[Any]:
    """What is shown of a page, in the page's order."""
    key = [column for column in page.c if column.name.startswith(KEY)]
    return statement.order_by(*(column.asc() if is_ascending else column.desc() for column in key))


def within(
    statement: Select[Any], moment: ColumnElement[Any], effective_from: datetime | None, effective_to: datetime | None
) -> Select[Any]:
    """Narrowed to a span of time: `effective_from` belongs to it, `effective_to` does not."""
    if effective_from is not None:
        statement = statement.where(moment >= effective_from)
    if effective_to is not None:
        statement = statement.where(moment < effective_to)
    return statement


def found_first(statement: Select[Any]) -> Subquery:
    """All that a statement finds, before any of it is put in order.

    The planner would rather walk along the order and look at everything there is, where it thinks that much is found.
    """
    return statement.offset(0).subquery("found")


def page_of_either(pages: Sequence[Subquery], limit: int, *, is_ascending: bool) -> Subquery:
    """One page out of pages by the same key that have nothing in common."""
    both = union_all(*(select(page) for page in pages)).subquery("both")
    return in_order(select(both), both, is_ascending=is_ascending).limit(limit).subquery("page")


def made_within(
    id_: ColumnElement[UUID], effective_from: datetime | None, effective_to: datetime | None
) -> ColumnElement[bool]:
    """Whether an id belongs to what happened in a span of time, where it happened when it was posted.

    Those that lie apart from their ids are found beside these (`found_beside`).
    """
    bounds: list[ColumnElement[bool]] = []
    if effective_from is not None:
        bounds.append(id_ >= first_uuid_of(effective_from - APART))
    if effective_to is not None:
        bounds.append(id_ <= first_uuid_of(effective_to + APART))
    return and_(true(), *bounds)


def found_beside(
    statement: Select[Any], effective_from: datetime | None, effective_to: datetime | None
) -> list[Subquery]:
    """Entries of a span of time that their ids do not tell: those with a time of their own, and those posted apart.

    Each has an index by time, which is short: nothing else of the ledger is walked along.
    """
    entry = journal_entries.c
    far = statement.where(not_(made_within(entry.id, effective_from, effective_to)))
    dated = far.where(entry.effective_at != entry.posted_at)
    apart = far.where(entry.effective_at == entry.posted_at, literal_column(is_apart("journal_entries."), Boolean))
    return [found_first(dated), found_first(within(apart, entry.posted_at, effective_from, effective_to))]
