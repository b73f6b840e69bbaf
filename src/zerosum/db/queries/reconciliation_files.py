"""Files of reconciliation with their lines, and the runs that match them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from zerosum.db.advisory_locks import lock_until_commit
from zerosum.db.queries.accounts import paged
from zerosum.db.schema.tables import (
    reconciliation_breaks,
    reconciliation_files,
    reconciliation_lines,
    reconciliation_matched,
    reconciliation_runs,
)
from zerosum.domain.reconciliation.matching import Cursor
from zerosum.domain.reconciliation.outside import OutsideLine

_files, _lines, _runs = reconciliation_files.c, reconciliation_lines.c, reconciliation_runs.c


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRecord:
    """What was received. `matched` and `open_breaks` are of its lines as they are now, `ended` of its last run."""

    id: UUID
    source: str
    source_version: int
    account_id: UUID
    currency: str
    sha256: bytes
    bytes: int
    lines: int
    money_in: Decimal
    money_out: Decimal
    opening: Decimal | None
    closing: Decimal | None
    from_on: date
    to_on: date
    actor: str
    received_at: datetime
    matched: int = 0
    open_breaks: int = 0
    repeats: int = 0
    is_matched: bool = False
    """Whether a run over it has come to its end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """`cursor` None: it has only begun."""

    id: UUID
    source: str
    source_version: int
    file_id: UUID
    actor: str
    begun_at: datetime
    cursor: Cursor | None = None


async def insert_file(connection: AsyncConnection, ledger_id: UUID, record: FileRecord) -> UUID:
    """The id of the file of this content: an earlier one's, where it was received before."""
    names = [column.name for column in reconciliation_files.columns if column.name != "ledger_id"]
    values = {name: getattr(record, name) for name in names}
    await connection.execute(
        insert(reconciliation_files)
        .values(ledger_id=ledger_id, **values)
        .on_conflict_do_nothing(constraint="reconciliation_files_content_unique")
    )
    statement = select(_files.id).where(
        _files.ledger_id == ledger_id, _files.source == record.source, _files.sha256 == record.sha256
    )
    found: UUID = (await connection.execute(statement)).scalar_one()
    return found


async def find_files(connection: AsyncConnection, ledger_id: UUID, *ids: UUID) -> dict[UUID, FileRecord]:
    rows = await connection.execute(_with_counts(ledger_id).where(_files.id.in_(ids)))
    return {row.id: _file(row) for row in rows}


async def list_files(
    connection: AsyncConnection,
    ledger_id: UUID,
    *,
    source: str | None,
    after: UUID | None,
    limit: int,
    is_ascending: bool,
) -> list[FileRecord]:
    statement = select(_files.id).where(_files.ledger_id == ledger_id)
    if source is not None:
        statement = statement.where(_files.source == source)
    ids = (await connection.execute(paged(statement, _files.id, after, limit, is_ascending=is_ascending))).scalars()
    order = list(ids)
    found = await find_files(connection, ledger_id, *order)
    return [found[id_] for id_ in order]


def _with_counts(ledger_id: UUID) -> Select[Any]:
    def count_of(table: Any, *also: ColumnElement[bool]) -> Any:
        of_lines = (table.c.ledger_id == ledger_id, table.c.source == _files.source, table.c.kind == "line")
        return select(func.count()).where(*of_lines, table.c.holder_id == _files.id, *also).scalar_subquery()

    own = (
        _runs.ledger_id == ledger_id,
        _runs.file_id == _files.id,
        _runs.ended_at.is_not(None),
        _runs.failure.is_(None),
    )
    repeats = (_lines.ledger_id == ledger_id, _lines.file_id == _files.id, _lines.is_repeat)
    return select(
        reconciliation_files,
        count_of(reconciliation_matched).label("matched"),
        count_of(reconciliation_breaks, reconciliation_breaks.c.state == "open").label("open_breaks"),
        select(func.count()).where(*repeats).scalar_subquery().label("repeats"),
        select(_runs.id).where(*own).exists().label("is_matched"),
    ).where(_files.ledger_id == ledger_id)


def _file(row: Row[Any]) -> FileRecord:
    members = row._asdict()
    del members["ledger_id"]
    return FileRecord(**members)


async def insert_lines(
    connection: AsyncConnection,
    ledger_id: UUID,
    record: FileRecord,
    first: int,
    lines: Sequence[OutsideLine],
) -> None:
    """From this number on; those that are there stay. One that an earlier file has told of is a repeat.

    Files of a source are written one behind the other: two that overlap would else both tell a line for the first time.
    """
    await lock_until_commit(connection, f"reconciliation lines of {ledger_id} {record.source}")
    repeats = await _told_before(connection, ledger_id, record, lines)
    values = [
        {
            "ledger_id": ledger_id,
            "file_id": record.id,
            "number": number,
            "source": record.source,
            "place": line.place,
            "booked_on": line.booked_on,
            "value_on": line.value_on,
            "amount": line.amount,
            "currency": record.currency,
            "outside_id": line.outside_id,
            "reference_texts": list(line.references),
            "description": line.description,
            "is_repeat": (line.outside_id, line.amount) in repeats,
        }
        for number, line in enumerate(lines, first)
    ]
    new = insert(reconciliation_lines).on_conflict_do_nothing(constraint="reconciliation_lines_pkey")
    await connection.execute(new, values)


async def count_written_lines(connection: AsyncConnection, ledger_id: UUID, file_id: UUID) -> int:
    """They are written in their order."""
    statement = select(func.max(_lines.number)).where(_lines.ledger_id == ledger_id, _lines.file_id == file_id)
    return (await connection.execute(statement)).scalar() or 0


async def _told_before(
    connection: AsyncConnection, ledger_id: UUID, record: FileRecord, lines: Sequence[OutsideLine]
) -> set[tuple[str | None, Decimal]]:
    ids = [line.outside_id for line in lines if line.outside_id is not None]
    statement = select(_lines.outside_id, _lines.amount).where(
        _lines.ledger_id == ledger_id,
        _lines.source == record.source,
        _lines.outside_id.in_(ids),
        _lines.file_id != record.id,
    )
    return {(row.outside_id, row.amount) for row in await connection.execute(statement)} if ids else set()


async def open_run(connection: AsyncConnection, ledger_id: UUID, source: str) -> RunRecord | None:
    """The one of this source that has not come to its end."""
    statement = select(reconciliation_runs).where(
        _runs.ledger_id == ledger_id, _runs.source == source, _runs.ended_at.is_(None)
    )
    row = (await connection.execute(statement)).one_or_none()
    return None if row is None else _run(row)


async def insert_run(connection: AsyncConnection, ledger_id: UUID, run: RunRecord) -> bool:
    """False where there is one of the source that has not ended."""
    made = await connection.execute(
        insert(reconciliation_runs)
        .values(
            ledger_id=ledger_id,
            id=run.id,
            source=run.source,
            source_version=run.source_version,
            file_id=run.file_id,
            actor=run.actor,
            begun_at=run.begun_at,
        )
        .on_conflict_do_nothing()
        .returning(_runs.id)
    )
    return made.first() is not None


async def advance_run(
    connection: AsyncConnection,
    ledger_id: UUID,
    run: RunRecord,
    cursor: Cursor | None,
    *,
    ended_at: datetime | None = None,
    failure: str | None = None,
) -> bool:
    """Locks it until the commit. False where somebody else has come further with it."""
    stage, holder_id, number = run.cursor or (None, None, None)
    new_stage, new_holder, new_number = cursor or (None, None, None)
    changed = await connection.execute(
        update(reconciliation_runs)
        .where(_runs.ledger_id == ledger_id, _runs.id == run.id, _runs.ended_at.is_(None))
        .where(
            _runs.stage.is_not_distinct_from(stage),
            _runs.holder_id.is_not_distinct_from(holder_id),
            _runs.number.is_not_distinct_from(number),
        )
        .values(stage=new_stage, holder_id=new_holder, number=new_number, ended_at=ended_at, failure=failure)
        .returning(_runs.id)
    )
    return changed.first() is not None


def _run(row: Row[Any]) -> RunRecord:
    return RunRecord(
        id=row.id,
        source=row.source,
        source_version=row.source_version,
        file_id=row.file_id,
        actor=row.actor,
        begun_at=row.begun_at,
        cursor=None if row.stage is None else Cursor(row.stage, row.holder_id, row.number),
    )
