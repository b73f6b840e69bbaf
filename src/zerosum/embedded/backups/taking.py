"""Taking a copy of the running database beside the payments: `pg_basebackup`, then a look at all of it."""

from __future__ import annotations

from pathlib import Path

from zerosum import __version__
from zerosum.adapters.clock import now
from zerosum.embedded.backups.clients import Connection, client_program, run_client
from zerosum.embedded.backups.folder import Backup, BackupFolder, BackupUnusable
from zerosum.embedded.backups.manifest import Manifest
from zerosum.embedded.binaries import PostgresBinaries
from zerosum.embedded.errors import told_in_one_line


def take_backup(folder: BackupFolder, binaries: PostgresBinaries, connection: Connection) -> Backup:
    """A whole copy, checked and on the disk; it holds the log that it needs itself. Raises EmbeddedError."""
    began = now()
    name = began.strftime("%Y-%m-%dT%H-%M-%SZ")
    with told_in_one_line(f"make a backup in {folder.path}"), folder.alone():
        database = folder.new_backup(name)
        program = client_program(binaries, "pg_basebackup")
        options = ["--pgdata", str(database), "--format=plain", "--wal-method=stream", "--checkpoint=fast"]
        options += ["--manifest-checksums=SHA256", f"--label=zerosum {name}", *connection.options]
        run_client(program, options, connection.environment, doing="copy the database")
        manifest = check_copy(database)
        backup = Backup(
            name=name,
            began_at=began.isoformat(),
            ended_at=now().isoformat(),
            first_segment=manifest.first_segment,
            database_bytes=sum(path.stat().st_size for path in database.rglob("*") if path.is_file()),
            postgres=binaries.version,
            zerosum=__version__,
        )
        folder.complete(backup)
    return backup


def check_copy(database: Path) -> Manifest:
    """Every file against its checksum, and whether the log that it needs is there. Raises BackupUnusable."""
    try:
        manifest = Manifest.read(database)
        differences = manifest.differences(database)
    except (OSError, ValueError) as error:
        raise BackupUnusable(f"The copy in {database} cannot be trusted: {error}.") from None
    if differences:
        raise BackupUnusable(f"The copy in {database} cannot be trusted: {'; '.join(differences)}.")
    return manifest
