"""What an archive of the write-ahead log needs of the server, asked for as its superuser."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime

from zerosum.db.database_url import DatabaseUrl
from zerosum.db.sessions import Session, close_session, open_session

SLOT = "zerosum_backup"
"""From which the log is fetched: `zerosum up` makes it, and BACKUP.md names it for a PostgreSQL of one's own."""

CONNECT_SECONDS_MAX = 10.0

_HISTORY = """
select system.system_identifier::text as system, checkpoint.timeline_id as timeline,
       current_setting('server_version_num')::int / 10000 as major
from pg_control_system() system, pg_control_checkpoint() checkpoint
"""
_KEEP = """
select pg_create_physical_replication_slot($1, true)
where not exists (select from pg_replication_slots where slot_name = $1)
"""
# One that is in use cannot be dropped: it is somebody's.
_LET_GO = "select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name = $1 and not active"


async def history_of(superuser_dsn: str) -> tuple[str, int, int]:
    """Which database this is, which timeline of it, and the server's major version."""
    async with _session(superuser_dsn) as session:
        row = await session.fetchrow(_HISTORY)
        assert row is not None
        return row["system"], row["timeline"], row["major"]


async def keep_log(superuser_dsn: str) -> None:
    """From now on the server keeps what was not fetched from the slot."""
    async with _session(superuser_dsn) as session:
        await session.fetchval(_KEEP, SLOT)


async def let_log_go(superuser_dsn: str) -> None:
    """Nobody fetches any more: a slot would keep the log for ever."""
    async with _session(superuser_dsn) as session:
        await session.fetchval(_LET_GO, SLOT)


async def is_archived(superuser_dsn: str) -> bool:
    """Whether somebody fetches the log at this moment."""
    async with _session(superuser_dsn) as session:
        return bool(await session.fetchval("select active from pg_replication_slots where slot_name = $1", SLOT))


async def restored_until(superuser_dsn: str) -> datetime | None:
    """When the last transaction was committed that a recovery has brought back. None: there was none."""
    async with _session(superuser_dsn) as session:
        found: datetime | None = await session.fetchval("select pg_last_xact_replay_timestamp()")
        return found


@asynccontextmanager
async def _session(superuser_dsn: str) -> AsyncIterator[Session]:
    session = await open_session(DatabaseUrl.parse(superuser_dsn), {}, seconds_max=CONNECT_SECONDS_MAX)
    try:
        yield session
    finally:
        await close_session(session)
