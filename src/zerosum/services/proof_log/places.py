"""Where signed checkpoints are kept outside of the database: a folder, or an object store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Protocol

from zerosum.adapters.object_store import ObjectStore
from zerosum.services.proof_log.kept_file import kept_file, size_and_root
from zerosum.services.proof_log.outside import SIZE_MAX

DEPTH = 4
"""Year, month and day, and in it the objects: the newest is found by a list of each, however many there are."""

NAME_MAX = 200
"""Of an object's name that is told: somebody else may have chosen it."""


class Kept(Protocol):
    """What was kept of one ledger. `last_note` is the newest; None where there is none."""

    @property
    def last_note(self) -> str | None: ...

    async def append(self, notes: Sequence[str]) -> str | None:
        """All of them are kept afterwards, in this order. What is wrong there, where something is. Raises OSError."""


class Place(Protocol):
    async def check(self) -> None:
        """Raises OSError where it is not there, or not now."""

    def checkpoints(self, name: str) -> AbstractAsyncContextManager[Kept | None]:
        """Of one log; None where somebody else is adding to it.

        Raises OSError, and ValueError where it holds something else.
        """

    async def keep_keys(self, name: str, content: str) -> None:
        """What checkpoints are checked with. Raises OSError."""


class FolderPlace:
    """For each log `led_….checkpoints`, which only grows, and `led_….keys`. The folder must be there."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def check(self) -> None:
        """It may be a mount that is away, so it is not made."""
        if not await asyncio.to_thread(self._folder.is_dir):
            raise NotADirectoryError(f"{self._folder}: there is no such folder, so no checkpoint leaves the database")

    @asynccontextmanager
    async def checkpoints(self, name: str) -> AsyncIterator[Kept | None]:
        with kept_file(self._folder / f"{name}.checkpoints") as file:
            yield file

    async def keep_keys(self, name: str, content: str) -> None:
        """Written anew where there is another key, as a whole."""
        path = self._folder / f"{name}.keys"
        if not path.exists() or path.read_text("utf-8") != content:
            new = path.with_name(f"{path.name}.new")
            new.write_text(content, "utf-8")
            new.replace(path)


class StorePlace:
    """For each log objects below `led_…/checkpoints/YEAR/MONTH/DAY/`, by size, each of some notes as in a file.

    Its keys are below `led_…/keys/`. Nothing is put twice or changed. Two workers may both put the same checkpoint, in
    objects of different names: whoever reads all in the order of their names sees it twice. Where an object is there
    that lacks some of the notes, they are put beside it, with a digest behind the size.
    """

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._newest: dict[str, _StoredNotes] = {}
        self._keys: dict[str, str] = {}

    async def check(self) -> None:
        """Each call says by itself whether it is there."""

    @asynccontextmanager
    async def checkpoints(self, name: str) -> AsyncIterator[Kept | None]:
        known = self._newest.pop(name, None)
        notes = _StoredNotes(self._store, name, await self._last(name)) if known is None else known
        yield notes
        self._newest[name] = notes  # Not after a failure: then it is looked up again what has arrived.

    async def keep_keys(self, name: str, content: str) -> None:
        if self._keys.get(name) != content:
            await self._store.put(f"{name}/keys/{sha256(content.encode()).hexdigest()[:16]}", content.encode())
            self._keys[name] = content

    async def _last(self, name: str) -> str | None:
        """The newest note. Raises StoreFailed, and ValueError where the newest object holds none."""
        found = f"{name}/checkpoints/"
        for _ in range(DEPTH):
            below = await self._store.last_below(found)
            if below is None:
                return None
            found = below
        return _last_of(found, await self._store.get(found))


class _StoredNotes:
    def __init__(self, store: ObjectStore, name: str, last_note: str | None) -> None:
        self._store = store
        self._name = name
        self.last_note = last_note

    async def append(self, notes: Sequence[str]) -> str | None:
        size, sealed_at = size_and_root(notes[-1])[0], _sealed_at(notes[-1])
        wanted = f"{self._name}/checkpoints/{sealed_at:%Y/%m/%d}/{size:020d}"
        content = "".join(f"{note}\n" for note in notes).encode()
        there = await self._put(wanted, content)
        if content not in there:
            beside = f"{wanted}-{sha256(content).hexdigest()[:16]}"
            if content not in await self._put(beside, content):
                raise ValueError(f"the object {beside} of the store holds something else than checkpoints")
        self.last_note = notes[-1]
        # Another worker, which knew of more or fewer, ends with the same one.
        is_ours = there.endswith(f"{notes[-1]}\n".encode())
        return None if is_ours else f"the object {wanted} of the store is not the checkpoint of that size"

    async def _put(self, name: str, content: bytes) -> bytes:
        """What is there now."""
        return content if await self._store.put(name, content) else await self._store.get(name)


def _last_of(name: str, content: bytes) -> str:
    """Raises ValueError."""
    try:
        notes = content.decode("utf-8")
        start = notes.rfind("\n\nzerosum/")
        last = notes[start + 2 if start >= 0 else 0 :].removesuffix("\n")
        size, _ = size_and_root(last)
        _sealed_at(last)
        if notes.endswith("\n\n") and 0 < size < SIZE_MAX:
            return last
    except (LookupError, ValueError):
        pass
    raise ValueError(f"the newest object of the store, {name[:NAME_MAX]!r}, holds something else than checkpoints")


def _sealed_at(note: str) -> datetime:
    """UTC. Raises ValueError."""
    return datetime.strptime(note.split("\n", 4)[3], "sealed_at %Y-%m-%dT%H:%M:%S.%f%z")
