"""The log of a private PostgreSQL is carried into a backup folder while it is written, and kept for nobody else."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest
from tests.embedded.ground import Ground, sql, wait_until

from zerosum.cli.archiving import archive_log
from zerosum.db.schema.archiving import history_of
from zerosum.embedded.backups import BackupFolder, BackupUnusable, Connection, History, take_backup
from zerosum.embedded.backups.wal_archive import WalArchive
from zerosum.embedded.postgres import SUPERUSER, EmbeddedPostgres

SLOTS = "select count(*) from pg_replication_slots"
BEHIND = "select coalesce(bool_or(write_lsn >= pg_current_wal_flush_lsn()), false) from pg_stat_replication"


@pytest.fixture
def folder(ground: Ground) -> BackupFolder:
    path = ground.folder / "backups"
    path.mkdir(mode=0o700)
    return BackupFolder(path)


def running(ground: Ground) -> EmbeddedPostgres:
    postgres = ground.postgres(ground.open_copy())
    postgres.start()
    return postgres


def archiving(ground: Ground, postgres: EmbeddedPostgres, folder: BackupFolder) -> WalArchive:
    archive = archive_log(postgres.data_dir, postgres, folder)
    assert archive is not None
    ground.on_clear.append(lambda: list(archive.stopping()))
    archive.start()
    return archive


def test_what_is_written_is_there_at_once_also_after_the_archive_was_killed(
    ground: Ground, folder: BackupFolder
) -> None:
    postgres = running(ground)
    archive = archiving(ground, postgres, folder)
    for _ in range(2):
        sql(postgres.superuser_dsn, "create table if not exists noted (words text); insert into noted values ('a')")
        wait_until(lambda: sql(postgres.superuser_dsn, BEHIND) == "t", "the log in the archive")
        assert archive.pid is not None
        os.kill(archive.pid, signal.SIGKILL)
        wait_until(lambda: not archive.is_alive(), "the end of the archive")
        sql(postgres.superuser_dsn, "insert into noted values ('while nobody listens')")
        archive.start()
    wait_until(lambda: sql(postgres.superuser_dsn, BEHIND) == "t", "the log in the archive")
    assert folder.wal().partial is not None


def test_without_a_folder_no_log_is_kept_for_anybody(ground: Ground, folder: BackupFolder) -> None:
    postgres = running(ground)
    archive = archiving(ground, postgres, folder)
    wait_until(lambda: sql(postgres.superuser_dsn, BEHIND) == "t", "the log in the archive")
    assert sql(postgres.superuser_dsn, SLOTS) == "1"
    for _ in archive.stopping():
        pass
    wait_until(lambda: sql(postgres.superuser_dsn, f"{SLOTS} where active") == "0", "the slot to be free")
    assert archive_log(postgres.data_dir, postgres, None) is None
    assert sql(postgres.superuser_dsn, SLOTS) == "0"


def test_the_folder_of_another_database_is_refused_before_anything_is_kept(
    ground: Ground, folder: BackupFolder
) -> None:
    postgres = running(ground)
    system, timeline, _ = asyncio.run(history_of(postgres.superuser_dsn))
    folder.claim(History(system, timeline + 1))
    with pytest.raises(BackupUnusable, match="of this one before it was restored"):
        archive_log(postgres.data_dir, postgres, folder)
    assert sql(postgres.superuser_dsn, SLOTS) == "0"


def test_a_copy_that_cannot_be_made_leaves_none(ground: Ground, folder: BackupFolder) -> None:
    postgres = running(ground)
    folder.claim(History("1", 1))
    wrong = Connection(postgres.port, SUPERUSER, "not the password")
    with pytest.raises(Exception, match=r"Cannot copy the database: .*password authentication failed"):
        take_backup(folder, postgres.binaries, wrong)
    assert folder.backups() == []
    right = Connection(postgres.port, SUPERUSER, postgres.data_dir.superuser_password)
    made = take_backup(folder, postgres.binaries, right)
    assert folder.backups() == [made]
    assert [path.name for path in Path(folder.path, "backups").iterdir()] == [made.name]
    assert repr(right).count(postgres.data_dir.superuser_password) == 0
