"""API keys in PostgreSQL: everything about a key but its secret, of which only a hash is kept."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from zerosum.db.queries.accounts import paged
from zerosum.db.schema.tables import api_keys
from zerosum.domain.errors import InvalidId
from zerosum.domain.identifiers import ApiKeyId, LedgerId, Prefix, parse_id
from zerosum.domain.messages import sender_behind


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKeyRecord:
    """What may be shown of a key."""

    id: ApiKeyId
    ledger_id: LedgerId
    name: str
    scopes: tuple[str, ...]
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    created_by: str | None = None
    last_used_at: datetime | None = None
    networks: tuple[str, ...] | None = None
    """Where it is good, in CIDR notation; None: anywhere."""
    certificate_subject: str | None = None
    """Whose client certificate must come with it; None: none needs to."""
    person: str | None = None
    """Who stands behind it: whoever has made it, or made the key that made it, and so on. None: nobody but itself."""

    def is_active(self, now: datetime) -> bool:
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


async def insert_api_key(connection: AsyncConnection, record: ApiKeyRecord, secret_hash: bytes) -> None:
    await connection.execute(
        insert(api_keys).values(
            ledger_id=record.ledger_id,
            id=record.id,
            name=record.name,
            scopes=list(record.scopes),
            secret_hash=secret_hash,
            created_at=record.created_at,
            expires_at=record.expires_at,
            revoked_at=record.revoked_at,
            created_by=record.created_by,
            networks=None if record.networks is None else list(record.networks),
            certificate_subject=record.certificate_subject,
            person=record.person,
        )
    )


async def find_api_key(
    connection: AsyncConnection, ledger_id: LedgerId, key_id: ApiKeyId
) -> tuple[ApiKeyRecord, bytes] | None:
    """The key and the hash of its secret, whether or not it is still active."""
    statement = select(api_keys).where(api_keys.c.ledger_id == ledger_id, api_keys.c.id == key_id)
    row = (await connection.execute(statement)).first()
    return None if row is None else (_record(row), bytes(row.secret_hash))


async def people_behind(connection: AsyncConnection, ledger_id: UUID, actors: Collection[str]) -> dict[str, str]:
    """Who stands behind each of these credentials of a ledger: for four eyes, which compare people.

    What is no API key of the ledger (the subject of a token, a person of the console) stands for itself. Behind an
    input of messages stands whoever stands behind its sender, where that was told.
    """
    found = {actor: sender_behind(actor) for actor in actors}
    keys: dict[UUID, list[str]] = {}
    for actor, sender in found.items():
        if (key_id := _key_id(sender)) is not None:
            keys.setdefault(key_id, []).append(actor)
    if keys:
        columns = api_keys.c
        statement = select(columns.id, columns.person).where(columns.ledger_id == ledger_id, columns.id.in_(keys))
        for row in await connection.execute(statement.where(columns.person.is_not(None))):
            found |= dict.fromkeys(keys[row.id], row.person)
    return found


async def list_api_keys(
    connection: AsyncConnection,
    ledger_id: LedgerId | None,
    *,
    after: UUID | None,
    limit: int,
    is_ascending: bool = False,
) -> list[ApiKeyRecord]:
    """A page of one ledger's keys, or of all that the unit of work may see, by id, which is by creation."""
    statement = select(api_keys)
    if ledger_id is not None:
        statement = statement.where(api_keys.c.ledger_id == ledger_id)
    rows = await connection.execute(paged(statement, api_keys.c.id, after, limit, is_ascending=is_ascending))
    return [_record(row) for row in rows]


async def lock_api_key(connection: AsyncConnection, key_id: ApiKeyId) -> ApiKeyRecord | None:
    """The key, locked for a change, where this unit of work may see it.

    The ledger is not asked for, so this scans the table: administration of a short list, not a hot path.
    """
    statement = select(api_keys).where(api_keys.c.id == key_id).with_for_update(key_share=True)
    row = (await connection.execute(statement)).first()
    return None if row is None else _record(row)


async def update_revoked(connection: AsyncConnection, record: ApiKeyRecord) -> None:
    """Write the time at which a locked key was revoked."""
    await connection.execute(
        update(api_keys)
        .where(api_keys.c.ledger_id == record.ledger_id, api_keys.c.id == record.id)
        .values(revoked_at=record.revoked_at)
    )


async def update_last_uses(
    connection: AsyncConnection, uses: Sequence[tuple[LedgerId, ApiKeyId, datetime]], at_least_apart: timedelta
) -> None:
    """When each of these keys was last used, unless that was written a short while before.

    Ordered, so that two processes that write the same ones do not wait for each other crosswise.
    """
    for ledger_id, key_id, used_at in sorted(uses, key=lambda use: (use[0], use[1])):
        last = api_keys.c.last_used_at
        await connection.execute(
            update(api_keys)
            .where(api_keys.c.ledger_id == ledger_id, api_keys.c.id == key_id)
            .where(last.is_(None) | (last <= used_at - at_least_apart))
            .values(last_used_at=used_at)
        )


def _key_id(actor: str) -> UUID | None:
    try:
        return parse_id(Prefix.API_KEY, actor)
    except InvalidId:
        return None


def _record(row: Row[Any]) -> ApiKeyRecord:
    return ApiKeyRecord(
        id=ApiKeyId(row.id),
        ledger_id=LedgerId(row.ledger_id),
        name=row.name,
        scopes=tuple(row.scopes),
        created_at=row.created_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
        created_by=row.created_by,
        last_used_at=row.last_used_at,
        networks=None if row.networks is None else tuple(row.networks),
        certificate_subject=row.certificate_subject,
        person=row.person,
    )


async def count_api_keys(connection: AsyncConnection, ledger_id: UUID, now: datetime) -> int:
    """Those of a ledger that are good now."""
    is_alive = or_(api_keys.c.expires_at.is_(None), api_keys.c.expires_at > now)
    statement = select(func.count()).where(api_keys.c.ledger_id == ledger_id, api_keys.c.revoked_at.is_(None), is_alive)
    return int((await connection.execute(statement)).scalar_one())
