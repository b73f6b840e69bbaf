"""Where logs are published as tiles: a folder that any web server serves, or an object store.

Of each log `led_…/checkpoint` and `led_…/tile/…`, beside what is kept of its checkpoints (`places.py`).
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Protocol

from zerosum.adapters.object_store import Answer, Form, ObjectStore, StoreFailed
from zerosum.adapters.whole_files import is_locked_alone, make_folders, write_whole
from zerosum.services.to_its_end import to_its_end

MODE = 0o644
"""They are there to be read by a web server."""

CHECKPOINT = "checkpoint"
CHECKPOINT_FORM = Form("text/plain; charset=utf-8", "max-age=5")
TILE_FORM = Form("application/octet-stream", "public, max-age=31536000, immutable")
"""What is in a tile never changes, and the checkpoint does."""


class PublishedLog(Protocol):
    """One log as it is published. `checkpoint` is what stands there; None where nothing does yet."""

    @property
    def checkpoint(self) -> str | None: ...

    async def put(self, tile: str, content: bytes) -> None:
        """It is there afterwards. Raises OSError, and ValueError where it is there with another content."""

    async def publish(self, note: str) -> bool:
        """Whether the checkpoint was put; False where somebody else has done it meanwhile. Raises OSError."""

    async def drop_partial(self, tile: str) -> None:
        """What was there of this full tile before it was full, where it can be taken away. Raises OSError."""


class TilePlace(Protocol):
    async def check(self) -> None:
        """Raises OSError where it is not there, or not now."""

    def log(self, name: str) -> AbstractAsyncContextManager[PublishedLog | None]:
        """One log; None where somebody else is publishing it. Raises OSError, and ValueError for something else."""


class FolderOfTiles:
    """The folder must be there; a log's own is made."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def check(self) -> None:
        """It may be a mount that is away, so it is not made."""
        if not await asyncio.to_thread(self._folder.is_dir):
            raise NotADirectoryError(f"{self._folder}: there is no such folder, so no log is published")

    @asynccontextmanager
    async def log(self, name: str) -> AsyncIterator[PublishedLog | None]:
        folder = self._folder / name
        await asyncio.to_thread(make_folders, folder)
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            if not is_locked_alone(descriptor):
                yield None
                return
            yield _LogInFolder(folder)
        finally:
            os.close(descriptor)


class _LogInFolder:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        path = folder / CHECKPOINT
        self.checkpoint = path.read_text("utf-8") if path.exists() else None

    async def put(self, tile: str, content: bytes) -> None:
        await to_its_end(self._put, self._folder / tile, content)

    def _put(self, path: Path, content: bytes) -> None:
        if path.exists():
            if path.read_bytes() != content:
                raise ValueError(f"the published {path.relative_to(self._folder)} is another one")
            return
        make_folders(path.parent)
        write_whole(path, content, mode=MODE)

    async def publish(self, note: str) -> bool:
        await to_its_end(write_whole, self._folder / CHECKPOINT, note.encode(), mode=MODE)
        self.checkpoint = note
        return True

    async def drop_partial(self, tile: str) -> None:
        await to_its_end(shutil.rmtree, self._folder / f"{tile}.p", ignore_errors=True)


class StoreOfTiles:
    """Nothing is taken away there. The checkpoint is put over the one that was read, or not at all."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    async def check(self) -> None:
        """Each call says by itself whether it is there."""

    @asynccontextmanager
    async def log(self, name: str) -> AsyncIterator[PublishedLog | None]:
        found = await self._store.find(f"{name}/{CHECKPOINT}")
        if found is not None and not found.is_replaceable:
            raise StoreFailed(
                "the object store names no state by a strong ETag, so no checkpoint takes another's place"
            )
        yield _LogInStore(self._store, name, found)


class _LogInStore:
    def __init__(self, store: ObjectStore, name: str, found: Answer | None) -> None:
        self._store = store
        self._name = name
        self._tag = None if found is None else found.tag
        self.checkpoint = None if found is None else found.content.decode("utf-8")

    async def put(self, tile: str, content: bytes) -> None:
        name = f"{self._name}/{tile}"
        if not await self._store.put(name, content, form=TILE_FORM) and await self._store.get(name) != content:
            raise ValueError(f"the published {name} is another one")

    async def publish(self, note: str) -> bool:
        name = f"{self._name}/{CHECKPOINT}"
        if not await self._store.put(name, note.encode(), form=CHECKPOINT_FORM, over=self._tag):
            return False
        found = await self._store.find(name)
        self._tag, self.checkpoint = (None, None) if found is None else (found.tag, found.content.decode("utf-8"))
        return self.checkpoint == note

    async def drop_partial(self, tile: str) -> None:
        """Whoever puts may not take away."""
