"""Bringing a database to the newest schema with alembic."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from zerosum.db.database_url import DatabaseUrl
from zerosum.db.errors import Failed, Unfit
from zerosum.db.schema.tables import APPLICATION_ROLE, metadata
from zerosum.db.sessions import close_session, open_kept_session, open_session

HEAD = "0065"
"""The newest revision: known here so that a start with nothing to do need not load alembic. A test keeps it true."""

CONNECT_SECONDS_MAX = 5.0

LOCK_TIMEOUT = "2s"
"""A migration that cannot get its lock at once must not make every payment queue behind it."""

OTHERS_WAIT_SECONDS = 600.0
"""So long one migration waits until another has ended: several may be started at once, by each replica its own."""

POLL_SECONDS = 0.1

_TRY_LOCK = text("select pg_try_advisory_lock(hashtextextended('zerosum:migrations', 0))")
_UNLOCK = text("select pg_advisory_unlock(hashtextextended('zerosum:migrations', 0))")


def script_folder() -> Path:
    """Beside the package where it was installed from a wheel, in the checkout otherwise."""
    installed = Path(__file__).parents[2] / "_migrations"
    return installed if installed.is_dir() else Path(__file__).parents[4] / "alembic"


async def current_revision(database_url: str) -> str | None:
    """None where the schema was never made."""
    session = await open_session(DatabaseUrl.parse(database_url), {}, seconds_max=CONNECT_SECONDS_MAX)
    try:
        async with session.transaction():
            if await session.fetchval("select to_regclass('public.alembic_version')") is None:
                return None
            revision: str | None = await session.fetchval("select version_num from public.alembic_version")
            return revision
    finally:
        await close_session(session)


def migration_engine(database_url: str) -> AsyncEngine:
    """Connects directly, or through a pooler that keeps sessions: the lock of a migration belongs to its session."""
    url = DatabaseUrl.parse(database_url)
    return create_async_engine(
        "postgresql+asyncpg://",
        async_creator=lambda: open_kept_session(
            url, {}, seconds_max=CONNECT_SECONDS_MAX, application_name="zerosum migrate"
        ),
        poolclass=NullPool,
    )


async def migrate(database_url: str, *, role: str | None = None, revision: str = "head") -> None:
    """Upgrade (or, to an older revision, downgrade). With `role` everything made belongs to that role.

    Raises Unfit where the database holds something else, and what the database raises.
    """
    engine = migration_engine(database_url)
    try:
        async with engine.connect() as connection:
            if role is not None:
                await connection.execute(text(f'set role "{role}"'))
                await connection.commit()
            await connection.run_sync(_run, revision)
            await connection.commit()
    finally:
        await engine.dispose()


@contextmanager
def one_at_a_time(connection: Connection) -> Iterator[None]:
    """Hold the lock of migrations, which its holder may take again. Raises Failed after OTHERS_WAIT_SECONDS."""
    deadline = time.monotonic() + OTHERS_WAIT_SECONDS
    # Asked again and again, in transactions of their own: an index that is built beside the traffic waits for every
    # transaction there is, and would wait for one that waits here.
    while not connection.scalar(_TRY_LOCK):
        connection.commit()
        if time.monotonic() > deadline:
            raise Failed(f"another migration has not ended for {OTHERS_WAIT_SECONDS / 60:g} minutes")
        time.sleep(POLL_SECONDS)
    # For the session: each migration has a transaction of its own.
    connection.execute(text(f"set lock_timeout = '{LOCK_TIMEOUT}'"))
    connection.commit()
    try:
        yield
    finally:
        with suppress(DBAPIError):  # a session that is lost has lost its locks
            connection.rollback()
            connection.execute(_UNLOCK)
            connection.commit()


def revision_of_ours(connection: Connection) -> str | None:
    """Where the schema stands, None where there is none yet. Raises Unfit for what another application has made."""
    is_ours = connection.scalar(text("select to_regprocedure('public.zerosum_refuse_change()') is not null"))
    revisions: list[str] = []
    if connection.scalar(text("select to_regclass('public.alembic_version') is not null")):
        revisions += connection.scalars(text("select version_num from public.alembic_version"))
    if not is_ours:
        _must_be_free(connection, revisions)
        return None
    if len(revisions) != 1:
        raise Unfit(f"alembic_version holds {len(revisions)} revisions instead of one: it was changed by hand")
    if revisions[0] > HEAD:
        raise Unfit(f"the schema is at revision {revisions[0]}, of a newer version than this one, which knows {HEAD}")
    return revisions[0]


def let_the_service_look(connection: Connection) -> None:
    """At the revision: it is not ready while the schema is older than it needs."""
    if connection.scalar(text("select to_regclass('public.alembic_version') is not null")):
        connection.execute(text(f"grant select on public.alembic_version to {APPLICATION_ROLE}"))
        connection.commit()


def _must_be_free(connection: Connection, revisions: list[str]) -> None:
    if revisions:
        raise Unfit(
            f"alembic_version belongs to another application (revision {revisions[0]}): "
            "Zerosum needs a database of its own"
        )
    found = connection.scalars(
        text("select name from unnest(cast(:names as text[])) name where to_regclass('public.' || name) is not null"),
        {"names": [table.name for table in metadata.sorted_tables]},
    ).all()
    if found:
        raise Unfit(f"there is a table {found[0]} of another application: Zerosum needs a database of its own")


def _run(connection: Connection, revision: str) -> None:
    from alembic import command  # noqa: PLC0415 - a third of a second that most starts do not need
    from alembic.config import Config  # noqa: PLC0415
    from alembic.util import CommandError  # noqa: PLC0415

    configuration = Config()
    configuration.set_main_option("script_location", str(script_folder()).replace("%", "%%"))
    configuration.attributes["connection"] = connection
    with one_at_a_time(connection):
        version = revision_of_ours(connection)
        connection.rollback()
        is_back = revision == "base" or (revision != "head" and version is not None and revision < version)
        try:
            (command.downgrade if is_back else command.upgrade)(configuration, revision)
        except CommandError as error:
            raise Unfit(f"cannot migrate: {error}") from None
