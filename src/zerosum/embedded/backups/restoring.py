"""Making a data folder out of a copy and the log: in a folder beside its place, until all of it is there."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from zerosum.embedded.backups.folder import Backup, BackupFolder, BackupUnusable
from zerosum.embedded.backups.manifest import MANIFEST_NAME
from zerosum.embedded.backups.segments import PARTIAL
from zerosum.embedded.data_dir import CREDENTIALS_NAME, DataDir
from zerosum.embedded.durable_files import write_durably
from zerosum.embedded.errors import ServerDidNotStart, told_in_one_line
from zerosum.embedded.ownership import require_own_file
from zerosum.embedded.postgres import EmbeddedPostgres
from zerosum.embedded.server_account import ServerAccount

SECRET_NAMES = ("postgres-superuser", "postgres-app", "api-key-pepper", "cursor-secret", "master-key")
"""Without any of these a restored database cannot be opened, or what is sealed in it cannot be read."""

RECOVERY_SECONDS_MAX = 86_400.0
TARGET_MISSED = "recovery ended before configured recovery target was reached"


@dataclass(frozen=True, slots=True)
class Restored:
    """A data folder whose PostgreSQL runs, from the copy on up to where it was asked for or the log ends."""

    data_dir: DataDir
    postgres: EmbeddedPostgres
    missing_segment: str | None
    """The first that is not in the archive though later ones are: nothing behind it was brought back."""


class _RecoveringPostgres(EmbeddedPostgres):
    """Reads the log to the end, or to a time, and begins a new history there. Takes connections only then."""

    start_seconds_max = RECOVERY_SECONDS_MAX
    until: datetime | None = None

    def _command(self) -> list[str]:
        # The log lies where the server looks for its own; it must be told where else all the same.
        settings = {"restore_command": "false", "hot_standby": "off", "recovery_target_action": "promote"}
        if self.until is not None:
            settings["recovery_target_time"] = self.until.astimezone(UTC).isoformat(sep=" ")
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return [*super()._command(), *options]


def choose_backup(folder: BackupFolder, until: datetime | None) -> Backup:
    """The newest that was whole by then. Raises BackupUnusable."""
    found = folder.backups()
    if not found:
        raise BackupUnusable(f"There is no whole backup in {folder.path}.")
    old_enough = [backup for backup in found if until is None or backup.ended <= until]
    if not old_enough:
        raise BackupUnusable(
            f"No backup in {folder.path} is as old as that: the oldest was whole at {found[0].ended_at}."
        )
    return old_enough[-1]


def require_secrets(folder: Path) -> None:
    """Raises BackupUnusable for one that is missing, PathNotOurs for one of somebody else."""
    missing = [name for name in SECRET_NAMES if not (folder / name).exists()]
    if missing:
        raise BackupUnusable(f"{folder} lacks {', '.join(missing)}: keep what `zerosum backup secrets` writes.")
    for name in SECRET_NAMES:
        require_own_file(folder / name)


def restore(
    folder: BackupFolder,
    backup: Backup,
    data_dir: DataDir,
    *,
    secrets: Path,
    until: datetime | None,
    bin_path: Path | None,
) -> Restored:
    """Raises EmbeddedError. `data_dir` is fresh; what went wrong leaves it without a database."""
    with told_in_one_line(f"restore into {data_dir.path}"):
        keep_secrets(secrets, data_dir)
        segments, missing = folder.wal().since(backup.first_segment)
        # Where one history branched off another: of a database that was restored before.
        _place(folder.database_of(backup), [*segments, *folder.wal_path.glob("*.history")], data_dir)
    server = _RecoveringPostgres(data_dir, bin_path=bin_path, notify=lambda _: None)
    server.until = until
    try:
        server.start()
    except ServerDidNotStart as error:
        if TARGET_MISSED not in error.log_tail:
            raise
        raise BackupUnusable(
            f"What is kept in {folder.path} ends before {'' if until is None else until.isoformat()}"
            + ("." if missing is None else f": the segment {missing} of the log is missing.")
        ) from None
    return Restored(data_dir, server, missing)


def keep_secrets(secrets: Path, data_dir: DataDir) -> None:
    """In place of the fresh ones. The credentials of the first ledger belong to them, where they were kept."""
    for name in SECRET_NAMES:
        write_durably(data_dir.path / "secrets" / name, (secrets / name).read_text(encoding="ascii"))
    credentials = secrets / CREDENTIALS_NAME
    if credentials.exists():
        write_durably(data_dir.path / CREDENTIALS_NAME, credentials.read_text(encoding="utf-8"))


def _place(database: Path, log: list[Path], data_dir: DataDir) -> None:
    """The copy with the log behind it, given to the servers' account once nothing more is done in it."""
    new = data_dir.servers_path / "postgres.new"
    shutil.copytree(database, new, symlinks=True)
    new.chmod(0o700)
    (new / MANIFEST_NAME).unlink(missing_ok=True)
    for file in log:
        shutil.copyfile(file, new / "pg_wal" / file.name.removesuffix(PARTIAL))
    write_durably(new / "recovery.signal", "")
    if data_dir.account is not None:
        _give(new, data_dir.account)
    new.rename(data_dir.servers_path / "postgres")


def _give(folder: Path, account: ServerAccount) -> None:
    """From the innermost outwards: the account gets in last of all."""
    for place, folders, files in os.walk(folder, topdown=False):
        for name in (*folders, *files):
            os.chown(Path(place) / name, account.uid, account.gid, follow_symlinks=False)
    os.chown(folder, account.uid, account.gid)
