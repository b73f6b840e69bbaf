"""`zerosum backup restore`: a data folder out of a backup, its books proven before it takes its place.

1. the copy is held against its checksums            4. schema and feed: what comes goes behind what was lost
2. copy and log are laid into `TO.restoring-…`       5. `verify`, kept checkpoints, the stand-alone verifier
3. PostgreSQL reads the log, to the time or its end  6. only books that are right take the name TO
"""

from __future__ import annotations

import asyncio
import secrets
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from zerosum.adapters.whole_files import sync_folder
from zerosum.cli.backup import backup_folder
from zerosum.cli.installation import DATABASE, SERVICE_ROLE, installation_settings
from zerosum.cli.restored_books import Proof, prove_books
from zerosum.cli.talk import FAILED, USAGE, CommandFailed, put, say, told_plainly
from zerosum.config import Settings, load_settings
from zerosum.db.schema.archiving import restored_until
from zerosum.db.schema.feed_order import leave_places_free, put_in_order
from zerosum.db.schema.migrations import migrate
from zerosum.db.schema.provisioning import OWNER_ROLE, provision
from zerosum.db.schema.startup_checks import Unfit, told_in_one_line
from zerosum.embedded import DataDir, EmbeddedError, EmbeddedPostgres
from zerosum.embedded.backups import Backup, BackupFolder, check_copy, choose_backup, require_secrets, restore
from zerosum.embedded.errors import told_in_one_line as told_of_files

OLDER = 3
"""Right as far as it goes, and something was signed behind it that it has not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreOptions:
    folder: Path | None
    to: Path
    secrets: Path
    at: str | None
    checkpoints: Path | None


@dataclass(slots=True)
class _Times:
    """How long each step took."""

    steps: list[tuple[str, float]] = field(default_factory=list)
    _began: float = field(default_factory=time.monotonic)

    def done(self, step: str) -> None:
        now = time.monotonic()
        self.steps.append((step, now - self._began))
        self._began = now

    def table(self) -> str:
        total = sum(seconds for _, seconds in self.steps)
        return "".join(f"{step:<28}{seconds:>9.2f} s\n" for step, seconds in [*self.steps, ("in all", total)])


@told_plainly
def run_restore(options: RestoreOptions) -> int:
    settings, times = load_settings(), _Times()
    until = _time(options.at)
    folder = backup_folder(options.folder)
    folder.require_claimed()
    require_secrets(options.secrets.absolute())
    kept = options.checkpoints or settings.checkpoints_dir
    if kept is not None and not kept.is_dir():
        raise CommandFailed(f"there is no folder {kept} with checkpoints", USAGE)
    to = options.to.absolute()
    if to.exists():
        raise CommandFailed(f"{to} is there already: name a data folder that is not", USAGE)
    backup = choose_backup(folder, until)
    try:
        check_copy(folder.database_of(backup))
        times.done("check the copy")
        # A name that nobody has had: where server data lies elsewhere, its place goes by this name, also later on.
        place = DataDir(to.with_name(f"{to.name}.restoring-{secrets.token_hex(4)}"))
        try:
            proof = _restored(folder, backup, place, options.secrets.absolute(), until, kept, times)
        except BaseException:
            place.delete()
            raise
        place.close()
    except EmbeddedError as error:
        raise CommandFailed(str(error), FAILED) from None
    return _ended(place.path, to, backup, proof, times)


def _restored(
    folder: BackupFolder,
    backup: Backup,
    place: DataDir,
    kept_secrets: Path,
    until: datetime | None,
    kept: Path | None,
    times: _Times,
) -> Proof:
    bin_path = load_settings().postgres_bin
    restored = restore(folder, backup, place, secrets=kept_secrets, until=until, bin_path=bin_path)
    times.done("copy, and read the log")
    try:
        reached_at = asyncio.run(restored_until(restored.postgres.superuser_dsn))
    finally:
        restored.postgres.stop()
    if restored.missing_segment is not None:
        say(f"zerosum: the log lacks the segment {restored.missing_segment}: nothing behind it was brought back")
    server = EmbeddedPostgres(place, bin_path=bin_path, notify=say)
    try:
        server.start()
        settings = _brought_up(place, server)
        times.done("start, schema and feed")
        return prove_books(settings, kept, reached_at or backup.ended, place.path, times.done)
    finally:
        server.stop()


def _brought_up(place: DataDir, server: EmbeddedPostgres) -> Settings:
    """Roles and schema of this version, and a feed that goes on behind everything that can have been told."""
    owner_url = server.dsn("postgres", place.superuser_password, database=DATABASE)
    try:
        with told_in_one_line("bring up the restored database"):
            asyncio.run(provision(server.superuser_dsn, database=DATABASE, service_password=place.app_password))
            asyncio.run(migrate(owner_url, role=OWNER_ROLE))
            asyncio.run(put_in_order(owner_url, role=OWNER_ROLE))
            asyncio.run(leave_places_free(owner_url, role=OWNER_ROLE))
    except Unfit as error:
        raise CommandFailed(str(error)) from None
    url = server.dsn(SERVICE_ROLE, place.app_password, database=DATABASE)
    return installation_settings(place.path, database_url=url, lane_database_url=None, redis_url=None)


def _ended(place: Path, to: Path, backup: Backup, proof: Proof, times: _Times) -> int:
    put("".join(f"{line}\n" for line in proof.lines))
    if not proof.is_right:
        put(times.table())
        say(f"zerosum: the restored books are WRONG: they are not put in place, and kept in {place}")
        return FAILED
    with told_of_files(f"put {to} in place"):
        place.rename(to)
        sync_folder(to.parent)
    times.done("put it in place")
    put(times.table())
    say(f"zerosum: {to} is restored from {backup.name} to {proof.reached_at.astimezone(UTC).isoformat()}")
    return OLDER if proof.is_older else 0


def _time(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise CommandFailed("--at is a time with its zone, like 2026-11-30T14:00:00Z", USAGE)
    return found
