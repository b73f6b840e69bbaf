"""`zerosum up` with ZEROSUM_BACKUP_DIR: the log of the database is carried there while it is written."""

from __future__ import annotations

import asyncio

from zerosum.db.schema.archiving import history_of, keep_log, let_log_go
from zerosum.embedded import DataDir, EmbeddedPostgres
from zerosum.embedded.backups import BackupFolder, Connection, History, WalArchive
from zerosum.embedded.postgres import SUPERUSER


def archive_log(data_dir: DataDir, postgres: EmbeddedPostgres, backups: BackupFolder | None) -> WalArchive | None:
    """To be run beside the server, which is up. Raises BackupUnusable for the folder of another database."""
    superuser_dsn = postgres.superuser_dsn
    if backups is None:
        asyncio.run(let_log_go(superuser_dsn))
        return None
    system, timeline, _ = asyncio.run(history_of(superuser_dsn))
    backups.claim(History(system, timeline))
    asyncio.run(keep_log(superuser_dsn))

    def connection() -> Connection:
        return Connection(postgres.port, SUPERUSER, data_dir.superuser_password)

    return WalArchive(postgres.binaries, backups.wal_path, data_dir.logs_path, connection)
