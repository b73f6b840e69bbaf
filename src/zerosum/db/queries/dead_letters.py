"""Messages that could not be carried out, and those behind one that is tried again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, and_, func, or_, select, update
from sqlalchemy.dialects.postgresql import distinct_on, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from zerosum.db.queries.accounts import paged
from zerosum.db.schema.tables import dead_letters
from zerosum.domain.messages import DeadLetterStatus, Message, Partition

_columns = dead_letters.c
_IS_OPEN = _columns.status.in_([DeadLetterStatus.RETRYING, DeadLetterStatus.WAITING])


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetterRecord:
    """A message that was put aside. `problem` is that of the API call it would have been."""

    id: UUID
    message: Message
    derived_key: str | None
    status: DeadLetterStatus
    reason: str
    problem: Mapping[str, Any]
    attempts: int
    first_at: datetime
    last_at: datetime
    next_at: datetime | None = None
    actor: str | None = None
    sender: str | None = None
    """The credential of whoever writes to its input: what it makes is his, also where somebody else carries it out."""

    @property
    def is_whole(self) -> bool:
        return len(self.message.body) == self.message.body_bytes


async def insert_dead_letters(
    connection: AsyncConnection, ledger_id: UUID, records: Sequence[DeadLetterRecord]
) -> Counter[DeadLetterStatus]:
    """How many lie there as they were not before, by what is to become of them.

    A message that comes again lies there already: the same content under the same place. Places are used again by
    other messages (a line of tomorrow's file, a number that a sender gives twice): these are others. One that is
    settled there, or that nobody tries any more, is taken up again where it is to be tried.
    """
    rows = {
        (row["input"], row["topic"], row["partition"], row["place"], row["body"]): row
        for row in (_row(record) for record in reversed(records))
    }
    if not rows:
        return Counter()
    statement = insert(dead_letters).values([{"ledger_id": ledger_id, **row} for row in reversed(rows.values())])
    new, old = statement.excluded, dead_letters.c
    is_tried = new.status.in_([DeadLetterStatus.RETRYING, DeadLetterStatus.WAITING])
    statement = statement.on_conflict_do_update(
        index_elements=[old.ledger_id, old.input, old.topic, old.partition, old.place, func.sha256(old.body)],
        set_={name: new[name] for name in ("status", "reason", "problem", "attempts", "last_at", "next_at", "actor")},
        where=or_(
            old.status.in_([DeadLetterStatus.REPLAYED, DeadLetterStatus.DROPPED]),
            and_(old.status == DeadLetterStatus.DEAD, is_tried),
        ),
    )
    found = await connection.execute(statement.returning(old.status))
    return Counter(DeadLetterStatus(status) for status in found.scalars())


async def find_dead_letter(
    connection: AsyncConnection, ledger_id: UUID, id_: UUID, *, is_locked: bool = False
) -> DeadLetterRecord | None:
    statement = select(dead_letters).where(_columns.ledger_id == ledger_id, _columns.id == id_)
    row = (await connection.execute(statement.with_for_update() if is_locked else statement)).one_or_none()
    return None if row is None else _record(row)


async def update_dead_letter(connection: AsyncConnection, ledger_id: UUID, record: DeadLetterRecord) -> None:
    """What may change of one: the message stays as it came."""
    await connection.execute(
        update(dead_letters)
        .where(_columns.ledger_id == ledger_id, _columns.id == record.id)
        .values(
            status=record.status.value,
            reason=record.reason,
            problem=dict(record.problem),
            attempts=record.attempts,
            last_at=record.last_at,
            next_at=record.next_at,
            actor=record.actor,
        )
    )


async def list_dead_letters(
    connection: AsyncConnection,
    ledger_id: UUID,
    *,
    status: str | None,
    input_: str | None,
    after: UUID | None,
    limit: int,
    is_ascending: bool,
) -> list[DeadLetterRecord]:
    """A page by id, which is by time."""
    statement = select(dead_letters).where(_columns.ledger_id == ledger_id)
    if status is not None:
        statement = statement.where(_columns.status == status)
    if input_ is not None:
        statement = statement.where(_columns.input == input_)
    rows = await connection.execute(paged(statement, _columns.id, after, limit, is_ascending=is_ascending))
    return [_record(row) for row in rows]


async def first_open_of_each_key(
    connection: AsyncConnection, ledger_id: UUID, partition: Partition, now: datetime, limit: int
) -> list[DeadLetterRecord]:
    """Of the messages of a partition that are tried again, and those behind them: the oldest of each key, if its time
    has come."""
    key = func.coalesce(_columns.ordering_key, _columns.place)
    oldest = (
        select(dead_letters)
        .where(_of(ledger_id, partition), _IS_OPEN)
        .ext(distinct_on(key))
        .order_by(key, _columns.id)
        .subquery()
    )
    due = select(oldest).where(oldest.c.next_at <= now).order_by(oldest.c.next_at, oldest.c.id).limit(limit)
    return [_record(row) for row in await connection.execute(due)]


async def open_keys(connection: AsyncConnection, ledger_id: UUID, partition: Partition) -> tuple[set[str], int]:
    """The keys whose messages must wait, and how many messages lie aside."""
    statement = (
        select(_columns.ordering_key, func.count())
        .where(_of(ledger_id, partition), _IS_OPEN)
        .group_by(_columns.ordering_key)
    )
    rows = [(row[0], int(row[1])) for row in await connection.execute(statement)]
    return {key for key, _ in rows if key is not None}, sum(count for _, count in rows)


async def count_dead_letters(connection: AsyncConnection, ledger_id: UUID) -> dict[str, int]:
    """How many somebody must look at or are tried again, by status. Those that are settled are not counted."""
    wanted = (DeadLetterStatus.DEAD, DeadLetterStatus.RETRYING, DeadLetterStatus.WAITING)
    statement = (
        select(_columns.status, func.count())
        .where(_columns.ledger_id == ledger_id, _columns.status.in_(wanted))
        .group_by(_columns.status)
    )
    return {row[0]: int(row[1]) for row in await connection.execute(statement)}


def _of(ledger_id: UUID, partition: Partition) -> ColumnElement[bool]:
    return and_(
        _columns.ledger_id == ledger_id,
        _columns.input == partition.input,
        _columns.topic == partition.topic,
        _columns.partition == partition.name,
    )


def _row(record: DeadLetterRecord) -> dict[str, Any]:
    message = record.message
    return {
        "id": record.id,
        "input": message.partition.input,
        "topic": message.partition.topic,
        "partition": message.partition.name,
        "place": message.place,
        "ordering_key": message.ordering_key,
        "derived_key": record.derived_key,
        "body": message.body,
        "body_bytes": message.body_bytes,
        "headers": dict(message.headers),
        "status": record.status.value,
        "reason": record.reason,
        "problem": dict(record.problem),
        "attempts": record.attempts,
        "first_at": record.first_at,
        "last_at": record.last_at,
        "next_at": record.next_at,
        "actor": record.actor,
        "sender": record.sender,
    }


def _record(row: Row[Any]) -> DeadLetterRecord:
    message = Message(
        partition=Partition(row.input, row.topic, row.partition),
        place=row.place,
        is_named_for_ever=row.derived_key is not None,
        body=bytes(row.body),
        body_bytes=row.body_bytes,
        ordering_key=row.ordering_key,
        headers=row.headers,
    )
    return DeadLetterRecord(
        id=row.id,
        message=message,
        derived_key=row.derived_key,
        status=DeadLetterStatus(row.status),
        reason=row.reason,
        problem=row.problem,
        attempts=row.attempts,
        first_at=row.first_at,
        last_at=row.last_at,
        next_at=row.next_at,
        actor=row.actor,
        sender=row.sender,
    )
