"""`zerosum backup create`, `list`, `prune` and `secrets`: copies of the database that `zerosum up` runs."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from zerosum.cli.installation import chosen_data_dir
from zerosum.cli.talk import FAILED, USAGE, CommandFailed, put, say, told_plainly
from zerosum.config import load_settings
from zerosum.db.schema.archiving import history_of, is_archived
from zerosum.db.schema.startup_checks import Unfit, told_in_one_line
from zerosum.embedded import CREDENTIALS_NAME, EmbeddedError, data_dir_holder, find_postgres
from zerosum.embedded.backups import (
    SECRET_NAMES,
    BackupFolder,
    Connection,
    History,
    check_copy,
    require_secrets,
    take_backup,
)
from zerosum.embedded.durable_files import make_folder, write_durably
from zerosum.embedded.errors import told_in_one_line as told_of_files
from zerosum.embedded.ownership import require_own_way
from zerosum.embedded.ports import LOOPBACK
from zerosum.embedded.postgres import SUPERUSER


@told_plainly
def run_create(data_dir: Path | None, to: Path | None) -> int:
    began = time.monotonic()
    connection = _running_server(chosen_data_dir(data_dir))
    folder = backup_folder(to)
    dsn = f"postgresql://{connection.user}:{connection.password}@{LOOPBACK}:{connection.port}/postgres"
    try:
        with told_in_one_line("make a backup"):
            system, timeline, major = asyncio.run(history_of(dsn))
            is_followed = asyncio.run(is_archived(dsn))
    except Unfit as error:
        raise CommandFailed(str(error)) from None
    folder.claim(History(system, timeline))
    try:
        backup = take_backup(folder, find_postgres(load_settings().postgres_bin, major=major), connection)
    except EmbeddedError as error:
        raise CommandFailed(str(error), FAILED) from None
    put(f"{backup.name}\n")
    say(f"zerosum: {_size(backup.database_bytes)}, whole and checked, in {time.monotonic() - began:.1f} s")
    if not is_followed or (not folder.wal().segments and folder.wal().partial is None):
        say("zerosum: nobody archives the log: what happens from now on is in no backup (see ZEROSUM_BACKUP_DIR)")
    return 0


@told_plainly
def run_list(given: Path | None, *, is_checking: bool) -> int:
    folder = backup_folder(given)
    folder.require_claimed()
    found, broken = folder.backups(), 0
    for backup in found:
        state = ""
        if is_checking:
            try:
                check_copy(folder.database_of(backup))
                state = "  as it was copied"
            except EmbeddedError as error:
                state, broken = f"  BROKEN: {error}", broken + 1
        put(f"{backup.name}  {_size(backup.database_bytes)}  PostgreSQL {backup.postgres}{state}\n")
    if not found:
        say("zerosum: there is no whole backup in it")
        return FAILED
    put(_reach(folder, found[0].ended_at, found[0].first_segment, found[-1].ended_at, found[-1].first_segment))
    return FAILED if broken else 0


@told_plainly
def run_prune(given: Path | None, keep: int) -> int:
    folder = backup_folder(given)
    folder.require_claimed()
    with told_of_files(f"remove old backups in {folder.path}"), folder.alone():
        gone, segments = folder.prune(keep)
    for backup in gone:
        put(f"{backup.name}\n")
    say(f"zerosum: {len(gone)} copies and {segments} segments of the log were removed")
    return 0


@told_plainly
def run_secrets(data_dir: Path | None, to: Path) -> int:
    folder = chosen_data_dir(data_dir)
    require_secrets(folder / "secrets")
    to = to.absolute()
    with told_of_files(f"write secrets into {to}"):
        require_own_way(to)
        if to.exists():
            raise CommandFailed(f"{to} is there already: name a folder that is not", USAGE)
        make_folder(to, mode=0o700)
        for name in SECRET_NAMES:
            write_durably(to / name, (folder / "secrets" / name).read_text(encoding="ascii"))
        if (folder / CREDENTIALS_NAME).exists():
            write_durably(to / CREDENTIALS_NAME, (folder / CREDENTIALS_NAME).read_text(encoding="utf-8"))
    say(f"zerosum: the secrets are in {to}: keep them where the backups are not, and let nobody read them")
    return 0


def backup_folder(given: Path | None) -> BackupFolder:
    """Raises CommandFailed where none was named, EmbeddedError."""
    chosen = given or load_settings().backup_dir
    if chosen is None:
        raise CommandFailed("name the backup folder, or set ZEROSUM_BACKUP_DIR", USAGE)
    return BackupFolder(chosen)


def _running_server(data_dir: Path) -> Connection:
    if data_dir_holder(data_dir) is None:
        raise CommandFailed(
            f"nothing runs in {data_dir}: start `zerosum up`. A PostgreSQL of your own is backed up by its own "
            "programs (docs/BACKUP.md)",
            USAGE,
        )

    def kept(*names: str) -> str:
        return data_dir.joinpath(*names).read_text(encoding="ascii").strip()

    return Connection(int(kept("ports", "postgres")), SUPERUSER, kept("secrets", "postgres-superuser"))


def _reach(folder: BackupFolder, oldest_at: str, oldest: str, newest_at: str, newest: str) -> str:
    wal = folder.wal()
    segments, missing = wal.since(oldest)
    if missing is not None:
        segments, missing_now = wal.since(newest)
        gap = f"the log lacks {missing}: to times between the copies only as far as it goes"
        if missing_now is not None:
            return f"{gap}; behind the newest copy it lacks {missing_now}: make a new one, into a new folder\n"
        return f"{gap}; from {newest_at} to {wal.newest_at} to any time\n"
    if not segments or wal.newest_at is None:
        return "only to the ends of the copies: no log is archived\n"
    return f"from {oldest_at} to {wal.newest_at.isoformat()}: to any time\n"


def _size(count: int) -> str:
    return f"{count / 1_000_000:.0f} MB"
