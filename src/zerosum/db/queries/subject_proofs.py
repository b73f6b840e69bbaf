"""Reading subjects for their proof, each beside what the security log tells, and what was said about them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from zerosum.db.queries.moments import micros
from zerosum.domain.ledger.subjects import COMMITMENT_MEMBER, SUBJECT_MEMBER

HAS_MEMBERS = f"""
       case when page.metadata ? '{COMMITMENT_MEMBER}' then exists (
           select from personal_members said where said.ledger_id = page.ledger_id and said.id = page.id
       ) else true end as has_members"""
"""Of an entry in the ledger of a `page`: whether what it commits to is there."""

_SUBJECTS = text(f"""
select subject.reference, subject.sealed_key is not null as has_key, subject.erasure_id,
       {micros("subject.erased_at")} as erased_at, exists (
           select from audit_log log
           where log.ledger_id = subject.ledger_id and log.type = 'subject.erased'
           and log.resource = subject.reference and log.recorded_at = subject.erased_at
           and log.actor = subject.erased_by and log.reason = subject.reason
       ) as is_told
from subjects subject where subject.ledger_id = :ledger_id and subject.reference > :after
order by subject.reference limit :limit
""")  # noqa: S608 - made of constants only

_NOT_ERASED = text("""
select log.resource as reference from audit_log log
where log.ledger_id = :ledger_id and log.type = 'subject.erased' and not exists (
    select from subjects subject where subject.ledger_id = log.ledger_id and subject.reference = log.resource
    and subject.erased_at = log.recorded_at
) order by log.id limit :limit
""")

# With the entry that it was said with, as far as there is one.
_MEMBERS = text(f"""
with page as materialized (
    select * from personal_members where ledger_id = :ledger_id and id > :after order by id limit :limit
)
select page.id, page.subject, page.sealed, entry.id is not null as has_entry,
       entry.metadata->>'{SUBJECT_MEMBER}' as said_subject, entry.metadata->>'{COMMITMENT_MEMBER}' as commitment,
       subject.reference is not null as has_subject, subject.erased_at is not null as is_erased
from page
left join journal_entries entry on entry.ledger_id = page.ledger_id and entry.id = page.id
left join subjects subject on subject.ledger_id = page.ledger_id and subject.reference = page.subject
order by page.id
""")  # noqa: S608 - made of constants only

NAMES_OF_SUBJECTS = f"""
    (select subject.erasure_id, 'erased', 'subject', null, {micros("subject.erased_at")}, array[]::uuid[], null, ''
     from subjects subject where ledger_id = :ledger_id and erasure_id > :after order by erasure_id limit :limit)
"""  # noqa: S608 - made of constants only
"""As `proofs.py` wants what was announced."""


async def subjects_after(connection: AsyncConnection, ledger_id: UUID, *, after: str, limit: int) -> Sequence[Row[Any]]:
    """By their references, each with whether the security log tells of its erasure exactly what is stored."""
    return (await connection.execute(_SUBJECTS, {"ledger_id": ledger_id, "after": after, "limit": limit})).all()


async def told_and_not_erased(connection: AsyncConnection, ledger_id: UUID, *, limit: int) -> Sequence[str]:
    """Subjects of whose erasure the security log tells, and that were not erased then."""
    return (await connection.execute(_NOT_ERASED, {"ledger_id": ledger_id, "limit": limit})).scalars().all()


async def members_after(connection: AsyncConnection, ledger_id: UUID, *, after: UUID, limit: int) -> Sequence[Row[Any]]:
    return (await connection.execute(_MEMBERS, {"ledger_id": ledger_id, "after": after, "limit": limit})).all()
