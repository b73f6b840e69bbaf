"""Files and folders that are either there as a whole or not at all, also after a power cut."""

from __future__ import annotations

import os
from pathlib import Path

from zerosum.embedded.server_account import ServerAccount


def write_durably(path: Path, text: str, *, mode: int = 0o600, account: ServerAccount | None = None) -> None:
    """Replace the file in one step. It belongs to `account`, or to us, and never has a wider mode than asked."""
    new = path.with_name(f"{path.name}.new")
    new.unlink(missing_ok=True)
    # O_EXCL: where the folder belongs to the servers' account, nothing it may have put there is written through.
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        os.fchmod(descriptor, mode)
        if account is not None:
            os.fchown(descriptor, account.uid, account.gid)
        file.write(text)
        file.flush()
        os.fsync(descriptor)
    new.replace(path)
    sync_folder(path.parent)


def make_folder(path: Path, *, mode: int, account: ServerAccount | None = None) -> None:
    """Make the folder, with exactly this mode and owner whatever the umask. An existing one is left as it is."""
    try:
        path.mkdir(mode=mode)
    except FileExistsError:
        return
    path.chmod(mode)
    if account is not None:
        os.chown(path, account.uid, account.gid)
    sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
