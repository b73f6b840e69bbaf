"""Bringing a database to the newest schema with alembic."""

from __future__ import annotations

from pathlib import Path

import asyncpg
from sqlalchemy import Connection, text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

HEAD = "0005"
"""The newest revision: known here so that a start with nothing to do need not load alembic. A test keeps it true."""


def script_folder() -> Path:
    """Beside the package where it was installed from a wheel, in the checkout otherwise."""
    installed = Path(__file__).parent.parent / "_migrations"
    return installed if installed.is_dir() else Path(__file__).parents[3] / "alembic"


async def current_revision(database_url: str) -> str | None:
    """None where the schema was never made."""
    connection = await asyncpg.connect(database_url.replace("+asyncpg", ""))
    try:
        if await connection.fetchval("select to_regclass('alembic_version')") is None:
            return None
        revision: str | None = await connection.fetchval("select version_num from alembic_version")
        return revision
    finally:
        await connection.close()


async def migrate(database_url: str, *, role: str | None = None, revision: str = "head") -> None:
    """Upgrade (or, to an older revision, downgrade). With `role` everything made belongs to that role."""
    engine = create_async_engine(make_url(database_url).set(drivername="postgresql+asyncpg"), poolclass=NullPool)
    try:
        async with engine.connect() as connection:
            if role is not None:
                await connection.execute(text(f'set role "{role}"'))
                await connection.commit()
            await connection.run_sync(_run, revision)
            await connection.commit()
    finally:
        await engine.dispose()


def _run(connection: Connection, revision: str) -> None:
    from alembic import command  # noqa: PLC0415 - a third of a second that most starts do not need
    from alembic.config import Config  # noqa: PLC0415

    configuration = Config()
    configuration.set_main_option("script_location", str(script_folder()).replace("%", "%%"))
    configuration.attributes["connection"] = connection
    current = connection.execute(text("select to_regclass('alembic_version')")).scalar()
    version = connection.execute(text("select version_num from alembic_version")).scalar() if current else None
    connection.rollback()
    if revision == "base" or (revision != "head" and version is not None and revision < version):
        command.downgrade(configuration, revision)
    else:
        command.upgrade(configuration, revision)
