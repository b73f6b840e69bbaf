"""Making the database and its roles on a server of our own. A managed PostgreSQL has this done by its administrator."""

from __future__ import annotations

from zerosum.db.database_url import DatabaseUrl
from zerosum.db.schema.tables import APPLICATION_ROLE
from zerosum.db.sessions import close_session, open_session

CONNECT_SECONDS_MAX = 10.0

OWNER_ROLE = "zerosum_owner"
"""Owns the tables, cannot log in, and is refused changes of the journal like everybody else."""

SERVICE_ROLE = "zerosum_service"
"""What the service logs in as: a member of the application role that owns nothing."""


async def provision(superuser_dsn: str, *, database: str, service_password: str) -> None:
    """Idempotent: roles, then the database."""
    connection = await open_session(DatabaseUrl.parse(superuser_dsn), {}, seconds_max=CONNECT_SECONDS_MAX)
    try:
        for role, rights in ((OWNER_ROLE, "nologin"), (APPLICATION_ROLE, "nologin"), (SERVICE_ROLE, "login")):
            if not await connection.fetchval("select true from pg_roles where rolname = $1", role):
                await connection.execute(f'create role "{role}" {rights}')
        password = await connection.fetchval("select quote_literal($1::text)", service_password)
        await connection.execute(f'alter role "{SERVICE_ROLE}" password {password}')
        # The second one to see how long other roles' transactions are open, and how far standbys are behind.
        await connection.execute(f'grant "{APPLICATION_ROLE}", pg_read_all_stats to "{SERVICE_ROLE}"')
        if not await connection.fetchval("select true from pg_database where datname = $1", database):
            await connection.execute(f'create database "{database}" owner "{OWNER_ROLE}"')
    finally:
        await close_session(connection)
