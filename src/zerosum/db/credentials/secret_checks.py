"""Check values under the secrets of the installation: what each gives for a fixed text, never the secret itself."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from zerosum.db.schema.tables import secret_checks
from zerosum.domain.identifiers import SERVICE_LEDGER


async def list_secret_checks(connection: AsyncConnection) -> dict[str, bytes]:
    """Check values by the names of their secrets."""
    statement = select(secret_checks).where(secret_checks.c.ledger_id == SERVICE_LEDGER)
    return {row.name: bytes(row.check_value) for row in await connection.execute(statement)}


async def insert_secret_checks(connection: AsyncConnection, values: Mapping[str, bytes], now: datetime) -> None:
    """Those that are not there yet; what another process was first with stays."""
    await connection.execute(
        insert(secret_checks).on_conflict_do_nothing(constraint="secret_checks_pkey"), [*_rows(values, now)]
    )


async def replace_secret_checks(connection: AsyncConnection, values: Mapping[str, bytes], now: datetime) -> None:
    statement = insert(secret_checks)
    changed = {"check_value": statement.excluded.check_value, "created_at": statement.excluded.created_at}
    await connection.execute(
        statement.on_conflict_do_update(constraint="secret_checks_pkey", set_=changed), [*_rows(values, now)]
    )


def _rows(values: Mapping[str, bytes], now: datetime) -> list[dict[str, object]]:
    return [
        {"ledger_id": SERVICE_LEDGER, "name": name, "check_value": value, "created_at": now}
        for name, value in sorted(values.items())
    ]
