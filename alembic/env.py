"""Alembic's entry: `alembic upgrade head` in this folder's parent, and `zerosum migrate`, both come here."""

import asyncio

from alembic import context
from alembic.util import CommandError
from sqlalchemy import Connection

from zerosum.db.errors import Unfit
from zerosum.db.schema.migrations import let_the_service_look, migration_engine, one_at_a_time, revision_of_ours
from zerosum.db.schema.startup_checks import told_in_one_line
from zerosum.db.schema.tables import metadata


def migrate(connection: Connection) -> None:
    with one_at_a_time(connection):
        revision_of_ours(connection)
        connection.rollback()
        context.configure(
            connection=connection,
            target_metadata=metadata,
            transaction_per_migration=True,
            version_table_schema="public",
        )
        with context.begin_transaction():
            context.run_migrations()
        let_the_service_look(connection)


async def connect_and_migrate() -> None:
    from zerosum.config import migration_database_url  # noqa: PLC0415 - only the bare `alembic` command reads settings

    engine = migration_engine(migration_database_url())
    try:
        async with engine.connect() as connection:
            await connection.run_sync(migrate)
    finally:
        await engine.dispose()


given = context.config.attributes.get("connection")
if given is not None:
    migrate(given)
else:
    from zerosum.config import SettingsError

    try:
        with told_in_one_line("migrate"):
            asyncio.run(connect_and_migrate())
    except (SettingsError, Unfit) as error:
        raise CommandError(str(error)) from None
