"""Breaks of reconciliation, each with every step of its life."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, ColumnElement, Row, Text, Uuid, and_, bindparam, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from zerosum.db.queries.accounts import paged
from zerosum.db.schema.tables import (
    journal_entries,
    reconciliation_break_changes,
    reconciliation_breaks,
    reconciliation_lines,
    refusals,
)
from zerosum.domain.reconciliation.breaks import BreakChange, BreakState, BreakStep, Explanation, ReconciliationBreak
from zerosum.domain.reconciliation.open_items import ItemKind

_columns, _changes = reconciliation_breaks.c, reconciliation_break_changes.c
_NAMES = [column.name for column in reconciliation_breaks.columns if column.name != "ledger_id"]
LOOKED_AT_MAX = 5_000
"""For one page of a list: those of one state are found by it, and by the rest they are sifted."""

_MAY_CHANGE = ("state", "explanation", "explained_until", "owner", "note", "match_id", "changes")


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakFilter:
    """`today` is the day by which explained is told from unexplained."""

    today: date
    source: str | None = None
    state: str | None = None
    is_explained: bool | None = None
    day_until: date | None = None


async def insert_breaks(
    connection: AsyncConnection, ledger_id: UUID, found: Sequence[ReconciliationBreak], actor: str
) -> int:
    """Of items that have none yet. How many were new."""
    if not found:
        return 0
    values = [{"ledger_id": ledger_id, **{name: getattr(one, name) for name in _NAMES}} for one in found]
    await connection.execute(
        insert(reconciliation_breaks).on_conflict_do_nothing(constraint="reconciliation_breaks_item_unique"), values
    )
    made = select(_columns.id).where(_columns.ledger_id == ledger_id, _columns.id.in_([one.id for one in found]))
    new = set((await connection.execute(made)).scalars())
    opened = [_change(one, BreakStep.OPENED, actor, one.opened_at) for one in found if one.id in new]
    await _insert_changes(connection, ledger_id, opened)
    return len(new)


async def find_break(
    connection: AsyncConnection, ledger_id: UUID, id_: UUID, *, is_locked: bool = False
) -> ReconciliationBreak | None:
    statement = select(reconciliation_breaks).where(_columns.ledger_id == ledger_id, _columns.id == id_)
    row = (await connection.execute(statement.with_for_update() if is_locked else statement)).one_or_none()
    return None if row is None else _break(row)


async def lock_breaks_of(
    connection: AsyncConnection, ledger_id: UUID, source: str, items: Iterable[tuple[ItemKind, UUID, int]]
) -> list[ReconciliationBreak]:
    """Those that such items have, in one order."""
    kinds, holders, numbers = zip(*items, strict=True)
    wanted = func.unnest(
        bindparam("kinds", [kind.value for kind in kinds], type_=ARRAY(Text)),
        bindparam("holders", list(holders), type_=ARRAY(Uuid)),
        bindparam("numbers", list(numbers), type_=ARRAY(BigInteger)),
    ).table_valued("kind", "holder_id", "number", name="wanted")
    wanted = wanted.render_derived()
    statement = (
        select(reconciliation_breaks)
        .join(
            wanted,
            and_(
                wanted.c.kind == _columns.kind,
                wanted.c.holder_id == _columns.holder_id,
                wanted.c.number == _columns.number,
            ),
        )
        .where(_columns.ledger_id == ledger_id, _columns.source == source)
        .order_by(_columns.id)
        .with_for_update(of=reconciliation_breaks)
    )
    return [_break(row) for row in await connection.execute(statement)]


async def posted_or_free_key(
    connection: AsyncConnection, ledger_id: UUID, keys: Sequence[str]
) -> tuple[UUID | None, str | None]:
    """The entry that was posted under one of the keys; else the first key that was never refused."""
    entry, refusal = journal_entries.c, refusals.c
    posted = select(entry.id).where(entry.ledger_id == ledger_id, entry.idempotency_key.in_(keys))
    entry_id: UUID | None = (await connection.execute(posted)).scalar()
    refused = select(refusal.idempotency_key).where(refusal.ledger_id == ledger_id, refusal.idempotency_key.in_(keys))
    taken = set((await connection.execute(refused)).scalars())
    return entry_id, next((key for key in keys if key not in taken), None)


async def change_break(
    connection: AsyncConnection, ledger_id: UUID, after: ReconciliationBreak, step: BreakStep, actor: str, now: datetime
) -> None:
    """`after` is the break with its next number of changes. Its row is locked."""
    await connection.execute(
        update(reconciliation_breaks)
        .where(_columns.ledger_id == ledger_id, _columns.id == after.id)
        .values({name: getattr(after, name) for name in _MAY_CHANGE})
    )
    await _insert_changes(connection, ledger_id, [_change(after, step, actor, now)])


async def break_changes(connection: AsyncConnection, ledger_id: UUID, break_id: UUID) -> list[BreakChange]:
    statement = select(reconciliation_break_changes).where(
        _changes.ledger_id == ledger_id, _changes.break_id == break_id
    )
    return [
        BreakChange(
            break_id=row.break_id,
            number=row.number,
            step=BreakStep(row.step),
            actor=row.actor,
            changed_at=row.changed_at,
            left_as=row.left_as,
        )
        for row in await connection.execute(statement.order_by(_changes.number))
    ]


class ToldLine(NamedTuple):
    """What the other side has said of a line."""

    booked_on: date
    value_on: date | None
    outside_id: str | None
    references: Sequence[str]
    description: str | None


async def line_of_break(connection: AsyncConnection, ledger_id: UUID, one: ReconciliationBreak) -> ToldLine | None:
    """None for a break of an entry of ours."""
    if one.kind is not ItemKind.LINE:
        return None
    lines = reconciliation_lines.c
    statement = select(lines.booked_on, lines.value_on, lines.outside_id, lines.reference_texts, lines.description)
    found = await connection.execute(
        statement.where(lines.ledger_id == ledger_id, lines.file_id == one.holder_id, lines.number == one.number)
    )
    return ToldLine(*found.one())


async def list_breaks(
    connection: AsyncConnection,
    ledger_id: UUID,
    wanted: BreakFilter,
    *,
    after: UUID | None,
    limit: int,
    is_ascending: bool,
) -> tuple[list[ReconciliationBreak], UUID | None]:
    """A page by id, which is by the time of its opening, and where looking has ended where it found fewer."""
    within = select(_columns.id).where(_columns.ledger_id == ledger_id)
    if wanted.state is not None:
        within = within.where(_columns.state == wanted.state)
    bounded = paged(within, _columns.id, after, LOOKED_AT_MAX, is_ascending=is_ascending).offset(LOOKED_AT_MAX - 1)
    end = (await connection.execute(bounded.limit(1))).scalar()
    statement = select(reconciliation_breaks).where(_columns.ledger_id == ledger_id)
    if end is not None:
        statement = statement.where(_columns.id <= end if is_ascending else _columns.id >= end)
    if wanted.source is not None:
        statement = statement.where(_columns.source == wanted.source)
    if wanted.state is not None:
        statement = statement.where(_columns.state == wanted.state)
    if wanted.day_until is not None:
        statement = statement.where(_columns.day <= wanted.day_until)
    if wanted.is_explained is not None:
        is_explained = explained_at(wanted.today)
        statement = statement.where(is_explained if wanted.is_explained else ~is_explained)
    rows = await connection.execute(paged(statement, _columns.id, after, limit, is_ascending=is_ascending))
    return [_break(row) for row in rows], end


def explained_at(today: date) -> ColumnElement[bool]:
    """Never null."""
    until = or_(_columns.explained_until.is_(None), _columns.explained_until >= today)
    return and_(_columns.explanation.is_not(None), until)


async def _insert_changes(connection: AsyncConnection, ledger_id: UUID, changes: Sequence[BreakChange]) -> None:
    if changes:
        values = [
            {
                "ledger_id": ledger_id,
                "break_id": one.break_id,
                "number": one.number,
                "step": one.step,
                "actor": one.actor,
                "changed_at": one.changed_at,
                "left_as": dict(one.left_as),
            }
            for one in changes
        ]
        await connection.execute(insert(reconciliation_break_changes), values)


def _change(one: ReconciliationBreak, step: BreakStep, actor: str, now: datetime) -> BreakChange:
    return BreakChange(
        break_id=one.id, number=one.changes, step=step, actor=actor, changed_at=now, left_as=one.left_as()
    )


def _break(row: Row[Any]) -> ReconciliationBreak:
    members = {name: getattr(row, name) for name in _NAMES}
    members |= {"kind": ItemKind(row.kind), "state": BreakState(row.state)}
    members["explanation"] = None if row.explanation is None else Explanation(row.explanation)
    return ReconciliationBreak(**members)
