"""The folder of a file payout: each fact is a file of its own that is written once, whole, and never changed.

| folder | holds |
| --- | --- |
| `instructions` | what is to be paid out, by its end-to-end id |
| `plans` | which instructions a message is made of: written before anything of it |
| `batched` | of an instruction: the message that it is in |
| `out` | messages for the bank, which takes them away |
| `done` | of a message: it has been put there |
| `in`, `read`, `wrong` | files of the bank: that are to be read, were read, and could not be |
| `results` | of an instruction: what the bank has decided first, or a person before it |
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from zerosum.adapters.whole_files import sync_folder

FOLDERS = ("instructions", "plans", "batched", "out", "done", "in", "read", "wrong", "results")


class FolderBusy(Exception):
    """Another run is under way."""


class Folder:
    def __init__(self, path: Path) -> None:
        self.path = path

    def make(self) -> None:
        for name in FOLDERS:
            (self.path / name).mkdir(mode=0o700, parents=True, exist_ok=True)

    def put(self, kind: str, name: str, content: Mapping[str, Any]) -> bool:
        """False: there is one already, and it stays."""
        return self.put_bytes(kind, name, json.dumps(content, sort_keys=True).encode())

    def put_bytes(self, kind: str, name: str, content: bytes) -> bool:
        """Whole and on the disk, or not at all."""
        target = self.path / kind / name
        if target.exists():
            return False
        # Two containers may have one process id, and share the folder.
        draft = self.path / f".{kind}-{name}.{secrets.token_hex(8)}"
        with draft.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, target)  # Unlike a renaming it never takes the place of one that is there.
        except FileExistsError:
            return False
        finally:
            draft.unlink()
        sync_folder(self.path / kind)
        return True

    def get(self, kind: str, name: str) -> dict[str, Any] | None:
        try:
            content: dict[str, Any] = json.loads((self.path / kind / name).read_bytes())
        except FileNotFoundError:
            return None
        return content

    def names(self, kind: str) -> list[str]:
        return sorted(entry.name for entry in os.scandir(self.path / kind) if entry.is_file())

    def move(self, name: str, kind: str) -> None:
        """A file of the bank. One that came under the same name before keeps its place."""
        target, number = self.path / kind / name, 1
        while target.exists():
            target, number = self.path / kind / f"{name}.{number}", number + 1
        (self.path / "in" / name).rename(target)

    @contextmanager
    def lease(self) -> Iterator[None]:
        """One run at a time; it ends with its process. Raises FolderBusy."""
        with (self.path / "lease").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise FolderBusy("another run is under way in this folder") from None
            yield
