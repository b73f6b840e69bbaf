"""Subjects, and what was said about them with entries. What is said goes through `batch` alone, and so do erasures."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from zerosum.db.batch.subject_records import stored_subject
from zerosum.db.schema.tables import journal_entries, personal_members, subjects
from zerosum.domain.ledger.subjects import Subject

_SUBJECT = (
    subjects.c.ledger_id,
    subjects.c.reference,
    subjects.c.sealed_key,
    subjects.c.created_at,
    subjects.c.erasure_id,
    subjects.c.erased_at,
    subjects.c.erased_by,
    subjects.c.reason,
)


@dataclass(frozen=True, slots=True)
class StoredMembers:
    """What was said about a subject with an entry, and under which key that was ordered."""

    subject: Subject
    idempotency_key: str
    sealed: str = field(repr=False)


async def find_subjects(connection: AsyncConnection, ledger_id: UUID, names: Collection[str]) -> dict[str, Subject]:
    """Those that there are, by their references."""
    statement = select(*_SUBJECT).where(subjects.c.ledger_id == ledger_id, subjects.c.reference.in_(names))
    return {row.reference: stored_subject(row) for row in await connection.execute(statement)}


async def insert_subjects(
    connection: AsyncConnection, ledger_id: UUID, sealed_keys: Mapping[str, str], now: datetime
) -> None:
    """Those that are not there yet, by reference, in one order for everybody."""
    rows = [
        {"ledger_id": ledger_id, "reference": name, "sealed_key": sealed_keys[name], "created_at": now}
        for name in sorted(sealed_keys)
    ]
    await connection.execute(insert(subjects).on_conflict_do_nothing(constraint="subjects_pkey"), rows)


async def find_members(connection: AsyncConnection, ledger_id: UUID, entry_id: UUID) -> StoredMembers | None:
    statement = (
        select(*_SUBJECT, journal_entries.c.idempotency_key, personal_members.c.sealed)
        .join(
            journal_entries,
            (journal_entries.c.ledger_id == personal_members.c.ledger_id)
            & (journal_entries.c.id == personal_members.c.id),
        )
        .join(
            subjects,
            (subjects.c.ledger_id == personal_members.c.ledger_id)
            & (subjects.c.reference == personal_members.c.subject),
        )
        .where(personal_members.c.ledger_id == ledger_id, personal_members.c.id == entry_id)
    )
    row = (await connection.execute(statement)).one_or_none()
    return None if row is None else StoredMembers(stored_subject(row), row.idempotency_key, row.sealed)


async def sealed_under_keys(
    connection: AsyncConnection, ledger_id: UUID, keys: Collection[str]
) -> Mapping[str, tuple[str, str]]:
    """The subject and what was sealed about it, by the idempotency key of the order that has said it."""
    statement = (
        select(journal_entries.c.idempotency_key, personal_members.c.subject, personal_members.c.sealed)
        .join(
            personal_members,
            (journal_entries.c.ledger_id == personal_members.c.ledger_id)
            & (journal_entries.c.id == personal_members.c.id),
        )
        .where(journal_entries.c.ledger_id == ledger_id, journal_entries.c.idempotency_key.in_(keys))
    )
    return {row[0]: (row[1], row[2]) for row in await connection.execute(statement)}


async def count_members(connection: AsyncConnection, ledger_id: UUID, reference: str) -> int:
    """With how many entries something was said about it."""
    statement = (
        select(func.count())
        .select_from(personal_members)
        .where(personal_members.c.ledger_id == ledger_id, personal_members.c.subject == reference)
    )
    return int((await connection.execute(statement)).scalar_one())


async def count_subjects(connection: AsyncConnection, ledger_id: UUID) -> int:
    """Those that were erased too: they stay."""
    statement = select(func.count()).select_from(subjects).where(subjects.c.ledger_id == ledger_id)
    return int((await connection.execute(statement)).scalar_one())
