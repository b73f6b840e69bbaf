"""Files and folders that are either there as a whole or not at all, also after a power cut."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from zerosum.adapters.whole_files import sync_folder, whole_file
from zerosum.embedded.server_account import ServerAccount


def write_durably(path: Path, text: str, *, mode: int = 0o600, account: ServerAccount | None = None) -> None:
    """Replace the file in one step. It belongs to `account`, or to us, and never has a wider mode than asked.

    Only for folders of our own: in one that another account can write, do it as that account (see `account_work`).
    """
    with whole_file(path, mode=mode) as file:
        os.fchmod(file.fileno(), mode)
        if account is not None:
            os.fchown(file.fileno(), account.uid, account.gid)
        file.write(text)
    sync_folder(path.parent)


def keep_written(path: Path, text: str) -> None:
    """Write it durably, unless that is what it says already."""
    try:
        if path.read_text(encoding="utf-8") == text:
            return
    except (FileNotFoundError, UnicodeDecodeError):
        pass
    write_durably(path, text)


def make_folder(path: Path, *, mode: int, account: ServerAccount | None = None) -> None:
    """Make the folder, with exactly this mode and owner whatever the umask. An existing one is left as it is.

    Only in folders of our own, as above.
    """
    try:
        path.mkdir(mode=mode)
    except FileExistsError:
        return
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        os.fchmod(descriptor, mode)
        if account is not None:
            os.fchown(descriptor, account.uid, account.gid)
    finally:
        os.close(descriptor)
    sync_folder(path.parent)


def make_way(path: Path) -> None:
    """Make the folders above `path`, never writable by others whatever the umask."""
    missing = [folder for folder in path.parents if not folder.exists()]
    for folder in reversed(missing):
        with contextlib.suppress(FileExistsError):
            folder.mkdir(mode=0o755)
