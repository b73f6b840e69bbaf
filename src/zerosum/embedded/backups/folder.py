"""A backup folder: what makes it one, which copies are in it, and what of the log."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path

from zerosum.adapters.whole_files import sync_folder
from zerosum.embedded.backups.segments import ArchivedWal
from zerosum.embedded.durable_files import make_folder, write_durably
from zerosum.embedded.errors import EmbeddedError, told_in_one_line
from zerosum.embedded.ownership import require_own_folder, require_own_way

FORMAT = 1
MARKER_NAME = "zerosum-backups.json"
RECORD_NAME = "backup.json"
DATABASE_NAME = "database"
PARTIAL_ENDING = ".new"


class BackupUnusable(EmbeddedError):
    """The folder, or a copy in it, is not what it should be. The message is one line."""


@dataclass(frozen=True, slots=True)
class History:
    """One past of one database. A restored one has another: its log goes on beside the old one's."""

    system: str
    timeline: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """One copy. Written down last, once all of it was checked and is on the disk."""

    name: str
    began_at: str
    ended_at: str
    first_segment: str
    """Of the log, from which on it is needed to make the copy whole."""
    database_bytes: int
    postgres: str
    zerosum: str

    @property
    def ended(self) -> datetime:
        return datetime.fromisoformat(self.ended_at)


class BackupFolder:
    """An existing one. Raises BackupUnusable, PathNotOurs or EmbeddedError."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        with told_in_one_line(f"use {self.path} as backup folder"):
            require_own_way(self.path)
            if not self.path.is_dir():
                # Made by us it could lie below a mount that is away, on the very disk that is to be backed up.
                raise BackupUnusable(f"There is no folder {self.path}: make it first, with mode 0700.")
            require_own_folder(self.path.resolve())

    @property
    def wal_path(self) -> Path:
        return self.path / "wal"

    @property
    def history(self) -> History | None:
        """Whose backups these are; None as long as there are none."""
        try:
            facts = json.loads((self.path / MARKER_NAME).read_text(encoding="utf-8"))
            if facts["format"] != FORMAT:
                raise BackupUnusable(f"{self.path} was made by another version of Zerosum (format {facts['format']}).")
            return History(str(facts["system"]), int(facts["timeline"]))
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError):
            raise BackupUnusable(f"{self.path / MARKER_NAME} is not a file Zerosum has written.") from None

    def claim(self, history: History) -> None:
        """Make it the folder of this database, if it is empty; see to it that it is, if not."""
        with told_in_one_line(f"use {self.path} as backup folder"):
            found = self.history
            if found is None:
                others = sorted(entry.name for entry in self.path.iterdir() if entry.name != "lost+found")
                if set(others) - {"backups", "wal", f"{MARKER_NAME}.new"}:
                    raise BackupUnusable(f"{self.path} holds other things ({others[0]!r}): name a folder of its own.")
                facts = {"format": FORMAT, **asdict(history)}
                write_durably(self.path / MARKER_NAME, json.dumps(facts, indent=2) + "\n")
            elif found != history:
                raise BackupUnusable(
                    f"{self.path} holds the backups of another database, or of this one before it was restored: "
                    "name a new folder."
                )
            for name in ("backups", "wal"):
                make_folder(self.path / name, mode=0o700)

    def require_claimed(self) -> History:
        found = self.history
        if found is None:
            raise BackupUnusable(f"{self.path} is no backup folder: it has no {MARKER_NAME}.")
        return found

    def backups(self) -> list[Backup]:
        """Every whole copy, the oldest first. What was cut off is none."""
        places = sorted((self.path / "backups").glob(f"*/{RECORD_NAME}"))
        return [_read(place) for place in places if not place.parent.name.endswith(PARTIAL_ENDING)]

    def database_of(self, backup: Backup) -> Path:
        return self.path / "backups" / backup.name / DATABASE_NAME

    def wal(self) -> ArchivedWal:
        return ArchivedWal.read(self.wal_path)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Nobody else makes or removes copies meanwhile. Raises BackupUnusable where somebody does."""
        descriptor = os.open(self.path / "backups", os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
        except BlockingIOError:
            raise BackupUnusable(f"Another backup is being made in {self.path}, or removed from it.") from None
        finally:
            os.close(descriptor)

    def new_backup(self, name: str) -> Path:
        """Where to make a copy of the database. What another attempt has left behind is removed first."""
        for left_behind in (self.path / "backups").glob(f"*{PARTIAL_ENDING}"):
            shutil.rmtree(left_behind)
        new = self.path / "backups" / f"{name}{PARTIAL_ENDING}"
        make_folder(new, mode=0o700)
        return new / DATABASE_NAME

    def complete(self, backup: Backup) -> None:
        """From here on it is there, also after a power cut."""
        folder = self.path / "backups"
        new = folder / f"{backup.name}{PARTIAL_ENDING}"
        write_durably(new / RECORD_NAME, json.dumps(asdict(backup), indent=2) + "\n")
        new.rename(folder / backup.name)
        sync_folder(folder)

    def prune(self, keep: int) -> tuple[list[Backup], int]:
        """Remove all but the newest copies, and the log that none of these needs. Which, and how many segments."""
        found = self.backups()
        if len(found) <= keep:
            return [], 0
        gone, kept = found[:-keep], found[-keep:]
        for backup in gone:
            # Under another name first: one that is half removed must not look whole.
            doomed = self.path / "backups" / f"{backup.name}{PARTIAL_ENDING}"
            (self.path / "backups" / backup.name).rename(doomed)
            sync_folder(doomed.parent)
            shutil.rmtree(doomed)
        return gone, self.wal().remove_before(min(backup.first_segment for backup in kept))


def _read(path: Path) -> Backup:
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
        backup = Backup(**{name: facts[name] for name in Backup.__dataclass_fields__})
        datetime.fromisoformat(backup.ended_at)
    except (ValueError, KeyError, TypeError):
        raise BackupUnusable(f"{path} is not a file Zerosum has written.") from None
    return replace(backup, name=path.parent.name)
