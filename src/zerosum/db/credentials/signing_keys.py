"""The keys that sign our access tokens. They belong to the service, not to a ledger of a customer."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Row, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from zerosum.db.schema.tables import signing_keys
from zerosum.domain.identifiers import SERVICE_LEDGER


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKeyRecord:
    """`id` is the key's thumbprint (RFC 7638), which tokens name as their `kid`.

    It may be published from `created_at`, signs from `activates_at`, and verifies until `expires_at`.
    """

    id: str
    algorithm: str
    public_jwk: dict[str, str]
    sealed_private_key: str = field(repr=False)
    created_at: datetime
    activates_at: datetime
    expires_at: datetime


async def list_signing_keys(connection: AsyncConnection, now: datetime) -> list[SigningKeyRecord]:
    """Every key that has not expired, the next to sign last."""
    statement = (
        select(signing_keys)
        .where(signing_keys.c.ledger_id == SERVICE_LEDGER, signing_keys.c.expires_at > now)
        .order_by(signing_keys.c.activates_at, signing_keys.c.id)
    )
    return [_record(row) for row in await connection.execute(statement)]


async def insert_signing_key(connection: AsyncConnection, record: SigningKeyRecord) -> None:
    await connection.execute(
        insert(signing_keys).values(
            ledger_id=SERVICE_LEDGER,
            id=record.id,
            algorithm=record.algorithm,
            public_jwk=record.public_jwk,
            sealed_private_key=record.sealed_private_key,
            created_at=record.created_at,
            activates_at=record.activates_at,
            expires_at=record.expires_at,
        )
    )


async def bring_expiry_forward(connection: AsyncConnection, expires_at: datetime) -> None:
    """No key of now lives longer than this; one that would expire sooner is left alone."""
    await connection.execute(
        update(signing_keys)
        .where(signing_keys.c.ledger_id == SERVICE_LEDGER)
        .values(expires_at=func.least(signing_keys.c.expires_at, expires_at))
    )


async def delete_expired_signing_keys(connection: AsyncConnection, now: datetime) -> None:
    await connection.execute(
        delete(signing_keys).where(signing_keys.c.ledger_id == SERVICE_LEDGER, signing_keys.c.expires_at <= now)
    )


async def delete_signing_keys(connection: AsyncConnection, kids: Collection[str]) -> None:
    await connection.execute(
        delete(signing_keys).where(signing_keys.c.ledger_id == SERVICE_LEDGER, signing_keys.c.id.in_(kids))
    )


def _record(row: Row[Any]) -> SigningKeyRecord:
    return SigningKeyRecord(
        id=row.id,
        algorithm=row.algorithm,
        public_jwk=dict(row.public_jwk),
        sealed_private_key=row.sealed_private_key,
        created_at=row.created_at,
        activates_at=row.activates_at,
        expires_at=row.expires_at,
    )
