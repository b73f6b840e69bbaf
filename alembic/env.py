"""Alembic's entry: `alembic upgrade head` in this folder's parent, and `zerosum migrate`, both come here."""

import asyncio

from alembic import context
from sqlalchemy import Connection, pool, text
from sqlalchemy.ext.asyncio import create_async_engine

from zerosum.db.tables import metadata

# A migration that cannot get its lock at once must not make every payment queue behind it.
LOCK_TIMEOUT = "2s"


def migrate(connection: Connection) -> None:
    # For the session: each migration has a transaction of its own.
    connection.execute(text(f"set lock_timeout = '{LOCK_TIMEOUT}'"))
    connection.commit()
    context.configure(connection=connection, target_metadata=metadata, transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()


async def connect_and_migrate() -> None:
    from zerosum.config import migration_database_url  # noqa: PLC0415 - only the bare `alembic` command reads settings

    engine = create_async_engine(migration_database_url(), poolclass=pool.NullPool)
    async with engine.connect() as connection:
        await connection.run_sync(migrate)
    await engine.dispose()


given = context.config.attributes.get("connection")
if given is not None:
    migrate(given)
else:
    asyncio.run(connect_and_migrate())
